package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire/wiretest"
)

// mayPass are the refusals after which a call is tried again.
var mayPass = map[registry.Code]bool{
	registry.CodeNotLeader:  true,
	registry.CodeNoLeader:   true,
	registry.CodeOverloaded: true,
}

func TestEveryRefusalIsTriedAgainOrNot(t *testing.T) {
	kinds := map[string]func(context.Context, *Client) error{"write": writeCall, "read": readCall}
	for _, info := range registry.Codes() {
		for name, makeCall := range kinds {
			t.Run(name+"/"+info.Name, func(t *testing.T) {
				node := newFakeNode(t, refuseFirst(1, failure(info.Code)))
				err := makeCall(t.Context(), mustDial(t, []string{node.addr}))
				if mayPass[info.Code] {
					if err != nil {
						t.Fatal(err)
					}
					mustHave(t, []*fakeNode{node}, 2)
					return
				}
				if failed := mustBe(t, err, info.Code); failed.Definite() != info.Definite {
					t.Errorf("definite %v, want %v", failed.Definite(), info.Definite)
				}
				mustHave(t, []*fakeNode{node}, 1)
			})
		}
	}
}

// TestEveryErrorReachesTheCallerWhole sends the catalogue, with every field, over
// a connection to a caller of the client.
func TestEveryErrorReachesTheCallerWhole(t *testing.T) {
	for _, info := range registry.Codes() {
		for _, unknown := range []bool{false, info.Definite} {
			t.Run(fmt.Sprintf("%s, unknown %v", info.Name, unknown), func(t *testing.T) {
				sent := failure(info.Code)
				sent.Fields, sent.Unknown = wiretest.Full[registry.Fields](uint64(info.Code)), unknown
				node := newFakeNode(t, refuse(registry.AnswerInfo{}, sent))
				c := mustDial(t, []string{node.addr}, WithRetryTimeout(0))
				for _, err := range []error{writeCall(t.Context(), c), readCall(t.Context(), c)} {
					if arrived := mustBe(t, err, info.Code); !reflect.DeepEqual(arrived, sent) || registry.IsDefinite(err) != sent.Definite() {
						t.Errorf("sent    %+v\narrived %+v", sent, arrived)
					}
				}
			})
		}
	}
	t.Run("the operation that a batch was refused for keeps its index and code", func(t *testing.T) {
		first := uint64(0)
		sent := registry.Errorf(registry.CodeBatchRefused, registry.Fields{Operation: &first, OperationCode: registry.CodeFenced.String()}, "refused")
		node := newFakeNode(t, refuse(registry.AnswerInfo{}, sent))
		failed := mustBe(t, writeCall(t.Context(), mustDial(t, []string{node.addr})), registry.CodeBatchRefused)
		if f := failed.Fields; f.Operation == nil || *f.Operation != 0 || registry.CodeByName(f.OperationCode) != registry.CodeFenced {
			t.Errorf("%+v", f)
		}
	})
}

func TestRefusalOfUnknownOutcomeIsTriedAgainByReadsOnly(t *testing.T) {
	unsure := failure(registry.CodeNotLeader)
	unsure.Unknown = true
	node := newFakeNode(t, refuseFirst(1, unsure))
	c := mustDial(t, []string{node.addr})
	mustBe(t, writeCall(t.Context(), c), registry.CodeNotLeader)
	mustHave(t, []*fakeNode{node}, 1)
	node.setAnswer(refuseFirst(1, unsure))
	if err := readCall(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	mustHave(t, []*fakeNode{node}, 3)
}

func TestOverloaded(t *testing.T) {
	hinted := func(ms uint64) *registry.Error {
		return registry.Errorf(registry.CodeOverloaded, registry.Fields{RetryAfterMs: &ms}, "queue full")
	}
	t.Run("HintIsWaitedFor", func(t *testing.T) {
		const hint = 150
		node := newFakeNode(t, refuseFirst(1, hinted(hint)))
		began := time.Now()
		if err := writeCall(t.Context(), mustDial(t, []string{node.addr})); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < hint*time.Millisecond {
			t.Fatalf("tried again after %s, before the hint of %d ms", took, hint)
		}
	})
	t.Run("HintBeyondTheRetryTimeoutEndsTheCallAtOnce", func(t *testing.T) {
		node := newFakeNode(t, refuse(registry.AnswerInfo{}, hinted(3_600_000)))
		err := writeCall(t.Context(), mustDial(t, []string{node.addr}))
		mustBe(t, err, registry.CodeOverloaded)
		mustHave(t, []*fakeNode{node}, 1)
	})
}

func TestGivingUp(t *testing.T) {
	t.Run("RetryTimeoutEndsWithTheLastError", func(t *testing.T) {
		node := newFakeNode(t, refuse(registry.AnswerInfo{}, failure(registry.CodeNotLeader)))
		err := writeCall(t.Context(), mustDial(t, []string{node.addr}, WithRetryTimeout(300*time.Millisecond)))
		if failed := mustBe(t, err, registry.CodeNotLeader); !failed.Definite() {
			t.Error("the outcome is unknown although nothing happened")
		}
		if n := node.calls(); n < 3 || n > 30 {
			t.Errorf("%d tries in 300 ms", n)
		}
	})
	t.Run("NoRetryTimeoutMeansOneTry", func(t *testing.T) {
		node := newFakeNode(t, refuse(registry.AnswerInfo{}, failure(registry.CodeNotLeader)))
		mustBe(t, writeCall(t.Context(), mustDial(t, []string{node.addr}, WithRetryTimeout(0))), registry.CodeNotLeader)
		mustHave(t, []*fakeNode{node}, 1)
	})
	// A wait that nobody ends would last as long as the patience of a test.
	wait := uint64(patience.Milliseconds()) / 2
	full := registry.Errorf(registry.CodeOverloaded, registry.Fields{RetryAfterMs: &wait}, "queue full")
	t.Run("ContextEndsTheWaitAndIsNamed", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		node := newFakeNode(t, refuseFirst(1, full))
		err := writeCall(ctx, mustDial(t, []string{node.addr}, onRetry(cancel)))
		mustBe(t, err, registry.CodeOverloaded)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, registry.ErrOverloaded) {
			t.Errorf("%v does not match both", err)
		}
		mustHave(t, []*fakeNode{node}, 1)
	})
	t.Run("CloseEndsTheWait", func(t *testing.T) {
		var c *Client
		node := newFakeNode(t, refuseFirst(1, full))
		c = mustDial(t, []string{node.addr}, onRetry(func() { c.Close() }))
		mustBe(t, writeCall(t.Context(), c), registry.CodeOverloaded)
		mustHave(t, []*fakeNode{node}, 1)
	})
}

func TestNothingWasSent(t *testing.T) {
	t.Run("ClosedPortIsDefiniteAndNamesNoLeader", func(t *testing.T) {
		err := writeCall(t.Context(), mustDial(t, []string{closedPort(t)}, WithRetryTimeout(100*time.Millisecond)))
		if !mustBe(t, err, registry.CodeNoLeader).Definite() {
			t.Error("the outcome is unknown although nothing was sent")
		}
	})
	t.Run("WriteGoesOnToTheNextAddress", func(t *testing.T) {
		node := newFakeNode(t, ok(registry.AnswerInfo{}))
		c := mustDial(t, []string{closedPort(t), closedPort(t), node.addr})
		for range 2 {
			if err := writeCall(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		mustHave(t, []*fakeNode{node}, 2)
	})
	t.Run("BlackHoleWhileConnectingIsDefinite", func(t *testing.T) {
		node := newFakeNode(t, ok(registry.AnswerInfo{}))
		hole := closedPort(t)
		dialer := func(ctx context.Context, addr string) (net.Conn, error) {
			if addr == hole {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		}
		const timeout = 2 * time.Second
		c := mustDial(t, []string{hole, node.addr}, WithAttemptTimeout(timeout), WithDialOptions(grpc.WithContextDialer(dialer)))
		began := time.Now()
		if err := writeCall(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took >= timeout {
			t.Errorf("connecting took %s, all of a try", took)
		}
		mustHave(t, []*fakeNode{node}, 1)
	})
	t.Run("EndedContextIsDefiniteAndNamed", func(t *testing.T) {
		node := newFakeNode(t, ok(registry.AnswerInfo{}))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := writeCall(ctx, mustDial(t, []string{node.addr}))
		if !mustBe(t, err, registry.CodeNoLeader).Definite() || !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		mustHave(t, []*fakeNode{node}, 0)
	})
}

func TestSentAndNotAnswered(t *testing.T) {
	t.Run("WriteOnACutConnectionIsUnknownAndNotRepeated", func(t *testing.T) {
		addr, headers := cutAfterHeaders(t)
		node := newFakeNode(t, ok(registry.AnswerInfo{}))
		err := writeCall(t.Context(), mustDial(t, []string{addr, node.addr}))
		if mustBe(t, err, registry.CodeOutcomeUnknown).Definite() {
			t.Error("a sent write has a definite outcome")
		}
		if n := headers(); n != 1 {
			t.Errorf("sent %d times", n)
		}
		mustHave(t, []*fakeNode{node}, 0)
	})
	t.Run("ReadOnACutConnectionIsRepeatedElsewhere", func(t *testing.T) {
		addr, headers := cutAfterHeaders(t)
		node := newFakeNode(t, ok(registry.AnswerInfo{}))
		if err := readCall(t.Context(), mustDial(t, []string{addr, node.addr})); err != nil {
			t.Fatal(err)
		}
		if n := headers(); n != 1 {
			t.Errorf("sent %d times to the node that cuts", n)
		}
		mustHave(t, []*fakeNode{node}, 1)
	})
	t.Run("AttemptTimeoutOfAWriteIsUnknownAndNotRepeated", func(t *testing.T) {
		nodes := []*fakeNode{newFakeNode(t, hang(t)), newFakeNode(t, ok(registry.AnswerInfo{}))}
		err := writeCall(t.Context(), mustDial(t, addrsOf(nodes), WithAttemptTimeout(300*time.Millisecond)))
		mustBe(t, err, registry.CodeOutcomeUnknown)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error("the caller's context did not end")
		}
		mustHave(t, nodes, 1, 0)
	})
	t.Run("AttemptTimeoutOfAReadGoesOnToTheNextAddress", func(t *testing.T) {
		nodes := []*fakeNode{newFakeNode(t, hang(t)), newFakeNode(t, ok(registry.AnswerInfo{}))}
		if err := readCall(t.Context(), mustDial(t, addrsOf(nodes), WithAttemptTimeout(300*time.Millisecond))); err != nil {
			t.Fatal(err)
		}
		mustHave(t, nodes, 1, 1)
	})
	t.Run("CancelledWriteIsUnknownAndNamesTheReason", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		silence := hang(t)
		node := newFakeNode(t, func(ctx context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error) {
			cancel()
			return silence(ctx, request)
		})
		err := writeCall(ctx, mustDial(t, []string{node.addr}))
		mustBe(t, err, registry.CodeOutcomeUnknown)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, registry.ErrOutcomeUnknown) {
			t.Errorf("%v", err)
		}
		mustHave(t, []*fakeNode{node}, 1)
	})
	t.Run("DeadlineOfAWriteIsUnknownAndNamed", func(t *testing.T) {
		node := newFakeNode(t, hang(t))
		c := mustDial(t, []string{node.addr})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := writeCall(ctx, c)
		mustBe(t, err, registry.CodeOutcomeUnknown)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not match context.DeadlineExceeded", err)
		}
	})
	t.Run("ServerThatIsEarlierAtTheDeadlineMakesNoDifference", func(t *testing.T) {
		node := newFakeNode(t, func(ctx context.Context, _ proto.Message) (proto.Message, registry.AnswerInfo, error) {
			deadline, _ := ctx.Deadline()
			<-time.After(time.Until(deadline) - deadlineSlack/2)
			return nil, registry.AnswerInfo{}, status.Error(codes.Canceled, "cut off")
		})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := writeCall(ctx, mustDial(t, []string{node.addr}))
		mustBe(t, err, registry.CodeOutcomeUnknown)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not match context.DeadlineExceeded", err)
		}
	})
	t.Run("LongCallsHaveNoAttemptTimeout", func(t *testing.T) {
		release := make(chan struct{})
		node := newFakeNode(t, func(ctx context.Context, _ proto.Message) (proto.Message, registry.AnswerInfo, error) {
			if _, bounded := ctx.Deadline(); bounded {
				t.Error("the call has a deadline")
			}
			<-release
			return &pb.AddMemberResponse{}, registry.AnswerInfo{}, nil
		})
		c := mustDial(t, []string{node.addr}, WithAttemptTimeout(time.Millisecond*400))
		time.AfterFunc(time.Second, func() { close(release) })
		if err := c.AddMember(t.Context(), "n4", "n4:1"); err != nil {
			t.Fatal(err)
		}
		mustHave(t, []*fakeNode{node}, 1)
	})
	t.Run("CloseEndsACallUnderWay", func(t *testing.T) {
		came, silence := make(chan struct{}), hang(t)
		node := newFakeNode(t, func(ctx context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error) {
			close(came)
			return silence(ctx, request)
		})
		c := mustDial(t, []string{node.addr})
		go func() { <-came; c.Close() }()
		mustBe(t, writeCall(t.Context(), c), registry.CodeOutcomeUnknown)
		if !mustBe(t, writeCall(t.Context(), c), registry.CodeNoLeader).Definite() {
			t.Error("a call of a closed client is not definite")
		}
		mustHave(t, []*fakeNode{node}, 1)
	})
}

func TestRequestThatCannotBeSentIsRefusedAtOnce(t *testing.T) {
	node := newFakeNode(t, ok(registry.AnswerInfo{}))
	c := mustDial(t, []string{node.addr})
	mustBe(t, c.AckWake(t.Context(), "not \xff UTF-8", 1), registry.CodeInvalidArgument)
	mustBe(t, c.AckWake(t.Context(), string(make([]byte, 17<<20)), 1), registry.CodeTooLarge)
	mustHave(t, []*fakeNode{node}, 0)
}
