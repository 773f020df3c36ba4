package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/memory"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// TestTheTimesOfALease is the order of spec 7.1, and the defaults.
func TestTheTimesOfALease(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name  string
		ttl   time.Duration
		opts  []LeaseOption
		field string
	}{
		{"a ttl below a millisecond", ms - 1, []LeaseOption{WithRenewInterval(0)}, "ttl"},
		{"no ttl", 0, nil, "ttl"},
		{"a negative ttl", -time.Second, nil, "ttl"},
		{"a ttl over the limit", 24*time.Hour + ms, nil, "ttl"},
		{"a ttl whose third is below a millisecond", 2 * ms, nil, "renew_interval"},
		{"a renew interval below a millisecond", time.Second, []LeaseOption{WithRenewInterval(ms - 1)}, "renew_interval"},
		{"a renew interval over a third of the ttl", 60 * ms, []LeaseOption{WithRenewInterval(20*ms + 1)}, "renew_interval"},
		{"a margin below a millisecond", time.Second, []LeaseOption{WithMargin(ms - 1)}, "margin"},
		{"a negative stop time", time.Second, []LeaseOption{WithStopTime(-1)}, "stop_time"},
		{"no time left to work in", 30 * time.Second, []LeaseOption{WithStopTime(20 * time.Second)}, "stop_time"},
		{"a margin beyond everything", 30 * time.Second, []LeaseOption{WithMargin(1<<63 - 1)}, "stop_time"},
		{"a stop time beyond everything", 30 * time.Second, []LeaseOption{WithStopTime(1<<63 - 1)}, "stop_time"},
	} {
		t.Run(c.name+" is refused", func(t *testing.T) {
			n := newLeaseNode(t)
			l, err := n.client(t).Claim(t.Context(), "p", n.granted.Owner, c.ttl, c.opts...)
			if failed := mustBe(t, err, registry.CodeInvalidArgument); failed.Fields.Field != c.field {
				t.Errorf("field %q: %v", failed.Fields.Field, err)
			}
			if l != nil || n.calls() != 0 {
				t.Error("it was claimed all the same")
			}
		})
	}
	for ttl, want := range map[time.Duration]timings{
		30 * time.Second: {renewEvery: 10 * time.Second, margin: 1501 * ms, stopTime: 1500 * ms},
		60 * ms:          {renewEvery: 20 * ms, margin: 4 * ms, stopTime: 3 * ms},
		3 * ms:           {renewEvery: ms, margin: ms + 150*time.Microsecond, stopTime: 150 * time.Microsecond},
		24 * time.Hour:   {renewEvery: 8 * time.Hour, margin: 72*time.Minute + ms, stopTime: 72 * time.Minute},
	} {
		want.ttl = ttl
		if got, err := newLeaseOptions(ttl, nil); err != nil || got.timings != want {
			t.Errorf("of %v: %+v, %v", ttl, got.timings, err)
		}
	}
}

// TestEveryWriteCarriesTheFence holds the writes of a handle against those of
// the registry.
func TestEveryWriteCarriesTheFence(t *testing.T) {
	n := newLeaseNode(t)
	l := n.claim(t)
	ctx := t.Context()
	fence := &pb.Fence{LeaseToken: "token", FencingToken: 7}
	writes := []struct {
		call func() error
		sent proto.Message
	}{
		{func() error { _, err := l.AppendEvent(ctx, anAppend); return err },
			&pb.AppendEventRequest{ProcessId: "p", Request: wire.AppendRequestToPB(anAppend), Fence: fence}},
		{func() error { _, err := l.CompleteProcess(ctx, anOutput); return err },
			&pb.CompleteProcessRequest{ProcessId: "p", Output: wire.OutputToPB(anOutput), Fence: fence}},
		{func() error { _, err := l.RecordFirstStarted(ctx, 5); return err },
			&pb.RecordFirstStartedRequest{ProcessId: "p", Started: wire.StartedToPB(registry.ProcessStarted{Owner: n.granted.Owner, StartedAtMs: 5}), Fence: fence}},
		{func() error { _, err := l.SetProcessWait(ctx, aWait); return err },
			&pb.SetProcessWaitRequest{ProcessId: "p", Wait: wire.WaitToPB(aWait), Fence: fence}},
		{func() error { _, err := l.ClearProcessWait(ctx); return err },
			&pb.ClearProcessWaitRequest{ProcessId: "p", Fence: fence}},
		{func() error { _, err := l.SetExternalRef(ctx, aRef); return err },
			&pb.SetExternalRefRequest{ProcessId: "p", Ref: wire.ExternalRefToPB(aRef), Fence: fence}},
	}
	for _, w := range writes {
		t.Run(string(w.sent.ProtoReflect().Descriptor().Name()), func(t *testing.T) {
			if err := w.call(); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(n.last, w.sent) {
				t.Errorf("sent %v, want %v", n.last, w.sent)
			}
		})
	}
	l.Close()
	before := n.calls()
	for _, w := range writes {
		if err := w.call(); !errors.Is(err, ErrLeaseClosed) || !errors.Is(err, registry.ErrLeaseExpired) || !registry.IsDefinite(err) {
			t.Errorf("%T on a closed handle: %v", w.sent, err)
		}
	}
	if n.calls() != before {
		t.Error("a closed handle sends")
	}
}

func TestABusyLeaseNamesItsHolder(t *testing.T) {
	n := newLeaseNode(t)
	holder := leaseOf("somebody")
	n.on(&pb.ClaimProcessLeaseRequest{}, func(context.Context, proto.Message) (proto.Message, registry.AnswerInfo, error) {
		return &pb.ClaimProcessLeaseResponse{Outcome: wire.OutcomeToPB(registry.ProcessLeaseClaimOutcome{Busy: &holder})}, registry.AnswerInfo{}, nil
	})
	l, err := n.client(t).Claim(t.Context(), "p", n.granted.Owner, ttl)
	var busy *BusyError
	if !errors.As(err, &busy) || busy.Holder != holder || l != nil {
		t.Fatalf("%v, %+v", l, err)
	}
	if text := err.Error(); !strings.Contains(text, "`p`") || !strings.Contains(text, `"somebody"`) {
		t.Error(text)
	}
}

func leaseOf(owner string) registry.ProcessLease {
	return registry.ProcessLease{ProcessID: "p", Owner: registry.LeaseOwnerIdentity{OwnerID: owner, IncarnationID: "1", Liveness: registry.LeaseOwnerLiveness{Kind: registry.LivenessOpaque}}, LeaseToken: "theirs", FencingToken: 9}
}

func TestTheContextOfALease(t *testing.T) {
	type key struct{}
	n := newLeaseNode(t)
	var answer registry.AnswerInfo
	parent, stop := context.WithCancel(registry.WithSession(registry.WithAnswerInfo(context.WithValue(t.Context(), key{}, 1), &answer), aStamp))
	l, err := n.client(t).Claim(parent, "p", n.granted.Owner, ttl)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if got := registry.OptionsFrom(l.Context()); !reflect.DeepEqual(got, registry.CallOptions{}) {
		t.Errorf("the options of the claim go on: %+v", got)
	}
	if l.Context().Value(key{}) != 1 {
		t.Error("the values of the claim's context are lost")
	}
	stop()
	if cause := awaitEnd(t, l); cause != context.Canceled {
		t.Errorf("cause %v", cause)
	}
	if err := appendOne(t.Context(), l); err != nil || l.Err() != nil || isLost(l) {
		t.Errorf("the lease ended with its parent: %v, %v", err, l.Err())
	}
	n.clock.pass(ttl / 3)
	if n.awaitRenewal(t).GetSession() != nil {
		t.Error("a renewal was sent under the stamp of the claim")
	}
	awaitTrust(t, l, ttl-l.margin)
}

func TestRelease(t *testing.T) {
	t.Run("gives the lease back once", func(t *testing.T) {
		n := newLeaseNode(t)
		l := n.claim(t)
		for range 2 {
			if err := l.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if want := (&pb.CompleteProcessLeaseRequest{Completion: &pb.ProcessLeaseCompletion{ProcessId: "p", LeaseToken: "token"}}); !proto.Equal(n.last, want) || n.calls() != 2 {
			t.Errorf("sent %v in %d calls", n.last, n.calls())
		}
		if err := l.Err(); !errors.Is(err, ErrLeaseClosed) || context.Cause(l.Context()) != err || isLost(l) || l.TrustLeft() != 0 {
			t.Errorf("Err %v, cause %v, lost %v", err, context.Cause(l.Context()), isLost(l))
		}
	})
	t.Run("has ended the work's context before it is sent", func(t *testing.T) {
		n := newLeaseNode(t)
		l := n.claim(t)
		n.on(&pb.CompleteProcessLeaseRequest{}, func(_ context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error) {
			if l.Context().Err() == nil {
				t.Error("the work goes on while the lease is released")
			}
			return n.agree(request), registry.AnswerInfo{}, nil
		})
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("may be repeated after an error", func(t *testing.T) {
		n := newLeaseNode(t)
		l := n.claim(t)
		n.on(&pb.CompleteProcessLeaseRequest{}, refuse(registry.AnswerInfo{}, failure(registry.CodeOutcomeUnknown)))
		mustBe(t, l.Release(t.Context()), registry.CodeOutcomeUnknown)
		n.on(&pb.CompleteProcessLeaseRequest{}, nil)
		if err := l.Release(t.Context()); err != nil || n.calls() != 3 {
			t.Errorf("%v after %d calls", err, n.calls())
		}
	})
	t.Run("goes out in a shutdown too, and under the handle's own context", func(t *testing.T) {
		n := newLeaseNode(t)
		ended, stop := context.WithCancel(t.Context())
		stop()
		if err := n.claim(t).Release(ended); err != nil || n.calls() != 2 {
			t.Errorf("%v after %d calls", err, n.calls())
		}
		l := n.claim(t)
		if err := l.Release(l.Context()); err != nil || n.calls() != 4 {
			t.Errorf("%v after %d calls", err, n.calls())
		}
	})
	t.Run("waits for a renewal that is under way, and ends it", func(t *testing.T) {
		n := newLeaseNode(t)
		l := n.claim(t)
		ended := make(chan struct{})
		n.on(&pb.RenewProcessLeaseRequest{}, func(ctx context.Context, _ proto.Message) (proto.Message, registry.AnswerInfo, error) {
			<-ctx.Done()
			close(ended)
			return nil, registry.AnswerInfo{}, ctx.Err()
		})
		n.clock.pass(ttl / 3)
		n.awaitRenewal(t)
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
		<-ended
		awaitNoKeeper(t)
	})
	t.Run("of a lease that ran out helps the next owner", func(t *testing.T) {
		n := newLeaseNode(t)
		l := n.claim(t)
		n.clock.pass(time.Hour)
		mustBeLost(t, l.Err(), registry.CodeLeaseExpired)
		if err := l.Release(t.Context()); err != nil || n.calls() != 2 {
			t.Errorf("%v after %d calls", err, n.calls())
		}
		mustBeLost(t, l.Err(), registry.CodeLeaseExpired)
	})
	t.Run("by many at once is one call", func(t *testing.T) {
		n := newLeaseNode(t)
		l := n.claim(t)
		var done sync.WaitGroup
		for range 20 {
			done.Go(func() {
				if err := l.Release(t.Context()); err != nil {
					t.Error(err)
				}
				l.Close()
				_ = l.Err()
			})
		}
		done.Wait()
		if n.calls() != 2 {
			t.Errorf("%d calls", n.calls())
		}
	})
}

// goroutinesIn counts the goroutines with a text in their stacks.
func goroutinesIn(text string) int {
	var stacks bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&stacks, 2); err != nil {
		panic(err)
	}
	count := 0
	for stack := range strings.SplitSeq(stacks.String(), "\n\n") {
		if strings.Contains(stack, text) {
			count++
		}
	}
	return count
}

// awaitNoKeeper waits until no goroutine of a handle is left. Those that ended
// may take a moment to be gone.
func awaitNoKeeper(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for goroutinesIn("client.(*Lease)") > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left", goroutinesIn("client.(*Lease)"))
		}
		time.Sleep(time.Millisecond)
	}
}

// TestManyHandles: a handle costs one goroutine, and leaves none behind however
// it ends.
func TestManyHandles(t *testing.T) {
	const handles = 2000
	n := newLeaseNode(t)
	c := n.client(t)
	var leases []*Lease
	for range handles {
		leases = append(leases, n.claimBy(t, c))
	}
	if keepers := goroutinesIn("client.(*Lease).keep"); keepers > handles {
		t.Errorf("%d goroutines keep %d leases", keepers, handles)
	}
	n.clock.pass(ttl / 3)
	for range handles {
		n.awaitRenewal(t)
	}
	for i, l := range leases {
		if i%3 == 0 {
			if err := l.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else if i%3 == 1 {
			l.Close()
		}
	}
	// The last third ends with the client.
	c.Close()
	for i, l := range leases {
		if cause := awaitEnd(t, l); !errors.Is(cause, ErrLeaseClosed) {
			t.Fatalf("handle %d: %v", i, cause)
		}
		<-l.kept
	}
	awaitNoKeeper(t)
}

// TestALeaseOfTheRegistryInMemory is how a program tests itself.
func TestALeaseOfTheRegistryInMemory(t *testing.T) {
	r := memory.New()
	input := registry.ProcessInput{Kind: registry.InputExternal}
	_, err := r.RegisterProcess(t.Context(), registry.ProcessRegistration{ID: "p", Input: input, Identity: registry.DeriveIdentity(input),
		Disposition: registry.Rerunnable, Fencing: registry.FencingRequired})
	if err != nil {
		t.Fatal(err)
	}
	first, second := LocalOwner("first"), LocalOwner("second")
	l, err := Claim(t.Context(), r, "p", first, 300*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	claimed := l.Lease()
	for deadline := time.Now().Add(patience); l.Lease().ExpiresAtMs < claimed.ExpiresAtMs+900; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) || l.Err() != nil {
			t.Fatalf("renewed until %d only: %v", l.Lease().ExpiresAtMs, l.Err())
		}
	}
	var busy *BusyError
	if _, err := Claim(t.Context(), r, "p", second, ttl); !errors.As(err, &busy) || busy.Holder.FencingToken != l.Lease().FencingToken {
		t.Fatalf("the second claim: %v", err)
	}
	if _, err := l.RecordFirstStarted(t.Context(), 1); err != nil {
		t.Error(err)
	}
	l.Close()
	again, err := Claim(t.Context(), r, "p", first, ttl)
	if err != nil || again.Lease().FencingToken != l.Lease().FencingToken || again.Lease().LeaseToken != l.Lease().LeaseToken {
		t.Fatalf("the same incarnation: %v", err)
	}
	if err := again.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	next, err := Claim(t.Context(), r, "p", second, ttl, WithReclaim())
	if err != nil || next.Lease().FencingToken <= l.Lease().FencingToken {
		t.Fatalf("after the release: %v", err)
	}
	defer next.Close()
	if _, err := next.CompleteProcess(t.Context(), registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("1")}); err != nil {
		t.Error(err)
	}
}

func ExampleBusyError() {
	err := error(&BusyError{Holder: registry.ProcessLease{ProcessID: "job-1", Owner: registry.LeaseOwnerIdentity{OwnerID: "worker-2", IncarnationID: "a"}, FencingToken: 7}})
	var busy *BusyError
	if errors.As(err, &busy) {
		fmt.Println(busy.Holder.Owner.OwnerID, busy.Holder.FencingToken)
	}
	// Output: worker-2 7
}
