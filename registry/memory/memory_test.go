package memory_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/memory"
)

var _ registry.Registry = (*memory.Registry)(nil)

// job is a registration of work that is done elsewhere.
func job(id string) registry.ProcessRegistration {
	input := registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(`{"name":"nightly report"}`)}
	return registry.ProcessRegistration{
		ID: id, Input: input, Disposition: registry.OwnerBound, Identity: registry.DeriveIdentity(input),
		EventTypes: []registry.ProcessEventType{{Name: "line", PayloadSchema: registry.JSON(`{"type":"string"}`)}},
	}
}

func worker(incarnation string) registry.LeaseOwnerIdentity {
	return registry.LeaseOwnerIdentity{OwnerID: "worker", IncarnationID: incarnation}
}

func line(text string) registry.ProcessEventAppendRequest {
	return registry.ProcessEventAppendRequest{EventType: "line", Payload: registry.JSON(text)}
}

// clock is a clock that the test moves.
type clock struct{ nowMs uint64 }

func (c *clock) now() uint64 { return c.nowMs }

// Example runs a job under a lease whose fence guards every write.
func Example() {
	ctx := context.Background()
	clock := &clock{nowMs: 1_700_000_000_000}
	var r registry.Registry = memory.New(memory.WithClock(clock.now))

	if _, err := r.RegisterProcess(ctx, job("report")); err != nil {
		fmt.Println(err)
		return
	}
	outcome, err := r.ClaimProcessLease(ctx, "report", worker("run-1"), 30_000)
	if err != nil {
		fmt.Println(err)
		return
	}
	fence := outcome.Acquired.Fence()
	result, err := r.AppendEvent(ctx, "report", line(`"page 1"`), fence)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("event %d: %s\n", result.Event.Sequence, result.Event.Payload)

	record, err := r.CompleteProcess(ctx, "report", registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(`{"pages":1}`)}, fence)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %s\n", record.Status.State, record.Status.AwaitOutput.Value)

	stale := &registry.Fence{LeaseToken: "of somebody before", FencingToken: 0}
	_, err = r.AppendEvent(ctx, "report", line(`"page 2"`), stale)
	fmt.Println(errors.Is(err, registry.ErrFenced))
	// Output:
	// event 1: "page 1"
	// completed: {"pages":1}
	// true
}

func TestTheTierIsInline(t *testing.T) {
	if tier := memory.New().DurabilityTier(); tier != registry.TierInline {
		t.Errorf("tier %s", tier)
	}
}

func TestLeasesRunOnTheClockThatWasGiven(t *testing.T) {
	clock := &clock{nowMs: 1000}
	r := memory.New(memory.WithClock(clock.now))
	ctx := t.Context()
	if _, err := r.RegisterProcess(ctx, job("p")); err != nil {
		t.Fatal(err)
	}
	claim := func(incarnation string) registry.ProcessLeaseClaimOutcome {
		t.Helper()
		outcome, err := r.ClaimProcessLease(ctx, "p", worker(incarnation), 1500)
		if err != nil {
			t.Fatal(err)
		}
		return outcome
	}
	first := claim("1").Acquired
	if first == nil || first.FencingToken != 1 || first.ExpiresAtMs != 2500 {
		t.Fatalf("lease %+v", first)
	}
	clock.nowMs += 1499
	if busy := claim("2").Busy; busy == nil || busy.LeaseToken != first.LeaseToken {
		t.Errorf("busy %+v", busy)
	}
	clock.nowMs++
	// A read moves lease time as well, as the ticks of a leader do.
	var info registry.AnswerInfo
	lease, err := r.GetProcessLease(registry.WithAnswerInfo(ctx, &info), "p")
	if err != nil || lease.ExpiresAtMs != 2500 || info.ClockMs != 2500 || info.LeaseTimeMs != 1500 {
		t.Errorf("lease %+v, answer %+v (%v)", lease, info, err)
	}
	if _, err := r.RenewProcessLease(ctx, *first, 1500); !errors.Is(err, registry.ErrLeaseExpired) {
		t.Errorf("renewed: %v", err)
	}
	if second := claim("2").Acquired; second == nil || second.FencingToken != 2 || second.LeaseToken == first.LeaseToken {
		t.Errorf("lease %+v", second)
	}
}

func TestEveryAnswerTellsWhereItStands(t *testing.T) {
	clock := &clock{nowMs: 1000}
	r := memory.New(memory.WithClock(clock.now))
	var info registry.AnswerInfo
	ctx := registry.WithAnswerInfo(t.Context(), &info)
	if _, err := r.RegisterProcess(ctx, job("p")); err != nil {
		t.Fatal(err)
	}
	if want := (registry.AnswerInfo{Revision: 1, ClockMs: 1000, Term: 1, LeaderID: "memory"}); info != want {
		t.Errorf("%+v, want %+v", info, want)
	}
	info = registry.AnswerInfo{}
	if _, err := r.RecordFirstStarted(ctx, "none", registry.ProcessStarted{Owner: worker("1")}, nil); !errors.Is(err, registry.ErrNotFound) {
		t.Fatal(err)
	}
	if info.Revision != 1 || info.Term != 1 {
		t.Errorf("a refusal tells %+v", info)
	}
}

func TestACallThatEndedBeforeItBeganChangesNothing(t *testing.T) {
	r := memory.New()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.RegisterProcess(ctx, job("p"))
	if !registry.IsDefinite(err) || err == nil {
		t.Errorf("%v", err)
	}
	if _, err := r.GetProcess(t.Context(), "p"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// TestConcurrentUse is for the race detector; the sums must come out too.
func TestConcurrentUse(t *testing.T) {
	r := memory.New()
	ctx := t.Context()
	const workers, rounds = 8, 25
	var group sync.WaitGroup
	tokens := make([][]uint64, workers)
	for w := range workers {
		group.Go(func() {
			for i := range rounds {
				if _, err := r.RegisterProcess(ctx, job("p")); err != nil {
					t.Error(err)
				}
				if _, err := r.AppendEvent(ctx, "p", line(fmt.Sprintf(`"%d/%d"`, w, i)), nil); err != nil {
					t.Error(err)
				}
				outcome, err := r.ClaimProcessLease(ctx, "p", worker(fmt.Sprint(w)), 60_000)
				if err != nil {
					t.Error(err)
				} else if lease := outcome.Acquired; lease != nil {
					tokens[w] = append(tokens[w], lease.FencingToken)
					if err := r.CompleteProcessLease(ctx, registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: lease.LeaseToken}); err != nil {
						t.Error(err)
					}
				}
				if _, err := r.ListNonTerminal(ctx, registry.PageRequest{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	seen := map[uint64]bool{}
	for _, mine := range tokens {
		for _, token := range mine {
			if seen[token] {
				t.Errorf("the fencing token %d was granted twice", token)
			}
			seen[token] = true
		}
	}
	page, err := r.EventsAfter(ctx, "p", 0, registry.PageRequest{})
	if err != nil || len(page.Items) != workers*rounds {
		t.Errorf("%d events (%v)", len(page.Items), err)
	}
}
