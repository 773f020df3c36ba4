package client

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// mustBeLost checks that an error says that a lease was lost, and by which code.
func mustBeLost(t *testing.T, err error, code registry.Code) *registry.Error {
	t.Helper()
	failed := mustBe(t, err, code)
	if !errors.Is(err, ErrLeaseLost) || errors.Is(err, ErrLeaseClosed) || !failed.Definite() {
		t.Fatalf("%v is not ErrLeaseLost, and definite", err)
	}
	return failed
}

// TestTrustCountsFromBeforeTheFirstSending is A21: the ttl counts from before
// the first sending of the request that was answered.
func TestTrustCountsFromBeforeTheFirstSending(t *testing.T) {
	const slow = 4 * time.Second
	for name, c := range map[string]struct {
		dial  func(t *testing.T, n *leaseNode) *Client
		first registry.Code
	}{
		"OfTheClaim": {func(t *testing.T, n *leaseNode) *Client { return n.client(t) }, registry.CodeNotLeader},
		"OfTheClaimUnderOneStamp": {func(t *testing.T, n *leaseNode) *Client {
			return mustDialSessions(t, []string{n.addr}, n.clockOption())
		}, registry.CodeOutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			n := newLeaseNode(t)
			tries := 0
			n.on(&pb.ClaimProcessLeaseRequest{}, func(_ context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error) {
				n.clock.pass(slow)
				if tries++; tries == 1 {
					return nil, registry.AnswerInfo{}, failure(c.first)
				}
				return n.agree(request), registry.AnswerInfo{}, nil
			})
			l := n.claimBy(t, c.dial(t, n))
			if got, want := l.TrustLeft(), trusted-2*slow; tries != 2 || got != want {
				t.Errorf("trusted for %v after %d tries, want %v", got, tries, want)
			}
		})
	}
	t.Run("OfARenewal", func(t *testing.T) {
		n := newLeaseNode(t)
		l := n.claim(t)
		n.on(&pb.RenewProcessLeaseRequest{}, func(_ context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error) {
			n.clock.pass(slow)
			return n.agree(request), registry.AnswerInfo{}, nil
		})
		n.clock.pass(ttl / 3)
		n.awaitRenewal(t)
		awaitTrust(t, l, trusted-slow)
		if got := l.Lease(); got.ExpiresAtMs != 2000 || got.FencingToken != 7 || got.LeaseToken != "token" {
			t.Errorf("renewed: %+v", got)
		}
	})
	t.Run("OfTheRenewalThatWasAnsweredAndNotOfOneThatWasNot", func(t *testing.T) {
		n := newLeaseNode(t)
		l := n.claimBy(t, n.client(t, WithRetryTimeout(0)))
		tries := 0
		n.on(&pb.RenewProcessLeaseRequest{}, func(_ context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error) {
			if tries++; tries == 1 {
				n.clock.pass(slow)
				return nil, registry.AnswerInfo{}, failure(registry.CodeOutcomeUnknown)
			}
			return n.agree(request), registry.AnswerInfo{}, nil
		})
		n.clock.pass(ttl / 3)
		n.awaitRenewal(t)
		n.runUntil(t, "the next renewal is answered", func() bool { return l.TrustLeft() > trusted-time.Second })
		if tries != 2 || l.Err() != nil {
			t.Errorf("%d tries, %v", tries, l.Err())
		}
	})
	t.Run("AndNotByWhatTheClusterSaysOfItsEnd", func(t *testing.T) {
		n := newLeaseNode(t)
		n.granted.ExpiresAtMs = 1 << 60
		if got := n.claim(t).TrustLeft(); got != trusted {
			t.Errorf("trusted for %v, want %v", got, trusted)
		}
	})
	t.Run("AndWholeMillisecondsOfTheTTL", func(t *testing.T) {
		n := newLeaseNode(t)
		l, err := n.client(t).Claim(t.Context(), "p", n.granted.Owner, 30*time.Second+999*time.Microsecond, WithMargin(margin))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if got := l.TrustLeft(); got != trusted {
			t.Errorf("trusted for %v, want %v", got, trusted)
		}
	})
}

// TestALeaseThatIsNotRenewedEnds walks along the drawing of the package
// comment.
func TestALeaseThatIsNotRenewedEnds(t *testing.T) {
	n := newLeaseNode(t)
	n.on(&pb.RenewProcessLeaseRequest{}, refuse(registry.AnswerInfo{}, failure(registry.CodeInternal)))
	l := n.claim(t)
	n.clock.pass(working - time.Nanosecond)
	n.awaitRenewal(t)
	if l.Err() != nil || l.Context().Err() != nil || isLost(l) {
		t.Fatalf("ended %v too soon: %v", time.Nanosecond, l.Err())
	}

	n.clock.pass(time.Nanosecond)
	cause := awaitEnd(t, l)
	mustBeLost(t, cause, registry.CodeLeaseExpired)
	if l.Err() != cause || !isLost(l) || l.Context().Err() != context.Canceled {
		t.Errorf("Err %v, lost %v, context %v", l.Err(), isLost(l), l.Context().Err())
	}
	if got := l.TrustLeft(); got != stopTime {
		t.Errorf("%v of trust when the context ends, want %v", got, stopTime)
	}
	if err := appendOne(t.Context(), l); err != nil {
		t.Errorf("last words: %v", err)
	}

	n.clock.pass(stopTime - time.Nanosecond)
	if err := appendOne(t.Context(), l); err != nil {
		t.Errorf("a write that is trusted: %v", err)
	}
	n.clock.pass(time.Nanosecond)
	before := n.calls()
	mustBeLost(t, appendOne(t.Context(), l), registry.CodeLeaseExpired)
	if n.calls() != before {
		t.Error("a write that is not trusted was sent")
	}
	if got := l.TrustLeft(); got != 0 {
		t.Errorf("%v of trust at its end", got)
	}
}

// TestAPauseIsNoticedAtTheFirstStep: while nothing ran, no timer fired either;
// only the boot clock went on.
func TestAPauseIsNoticedAtTheFirstStep(t *testing.T) {
	const pause = time.Hour
	for name, step := range map[string]func(ctx context.Context, l *Lease) error{
		"Err":     func(_ context.Context, l *Lease) error { return l.Err() },
		"a write": appendOne,
	} {
		t.Run(name, func(t *testing.T) {
			n := newLeaseNode(t)
			l := n.claim(t)
			n.clock.pass(pause)
			err := step(t.Context(), l)
			mustBeLost(t, err, registry.CodeLeaseExpired)
			if context.Cause(l.Context()) != err || !isLost(l) {
				t.Errorf("the context ended with %v, lost %v", context.Cause(l.Context()), isLost(l))
			}
			if calls := n.calls(); calls != 1 {
				t.Errorf("%d calls, and the claim is one", calls)
			}
		})
	}
	t.Run("and without one soon", func(t *testing.T) {
		n := newLeaseNode(t)
		l := n.claim(t)
		n.clock.pass(pause)
		mustBeLost(t, awaitEnd(t, l), registry.CodeLeaseExpired)
	})
}

func TestAFailedRenewalIsNoLostLease(t *testing.T) {
	for _, code := range []registry.Code{
		registry.CodeNoLeader, registry.CodeOverloaded, registry.CodeOutcomeUnknown, registry.CodeInternal,
		registry.CodePermissionDenied, registry.CodeUnsupported,
	} {
		t.Run(code.String(), func(t *testing.T) {
			n := newLeaseNode(t)
			l := n.claimBy(t, n.client(t, WithRetryTimeout(0)))
			n.on(&pb.RenewProcessLeaseRequest{}, refuse(registry.AnswerInfo{}, failure(code)))
			n.clock.pass(working - 4*time.Second)
			n.awaitRenewal(t)
			n.on(&pb.RenewProcessLeaseRequest{}, nil)
			n.runUntil(t, "it is renewed", func() bool { return l.TrustLeft() > working || l.Err() != nil })
			if err := l.Err(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("a node that hangs leaves time for another one", func(t *testing.T) {
		first, second := newLeaseNode(t), newLeaseNode(t)
		first.on(&pb.RenewProcessLeaseRequest{}, hang(t))
		// By the clock of this machine: tries end by it.
		l, err := mustDial(t, []string{first.addr, second.addr}).Claim(t.Context(), "p", first.granted.Owner, 6*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Close)
		first.awaitRenewal(t)
		second.awaitRenewal(t)
		if err := l.Err(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheClusterEndsALeaseAtOnce(t *testing.T) {
	fenced := registry.Errorf(registry.CodeFenced, registry.Fields{ProcessID: "p", FencingToken: new(uint64)}, "made up")
	t.Run("by its answer to a renewal", func(t *testing.T) {
		n := newLeaseNode(t)
		l := n.claim(t)
		n.on(&pb.RenewProcessLeaseRequest{}, refuse(registry.AnswerInfo{}, failure(registry.CodeLeaseExpired)))
		n.clock.pass(ttl / 3)
		mustBeLost(t, awaitEnd(t, l), registry.CodeLeaseExpired)
		before := n.calls()
		mustBeLost(t, appendOne(t.Context(), l), registry.CodeLeaseExpired)
		if n.calls() != before || l.TrustLeft() != 0 || !isLost(l) {
			t.Errorf("%v of trust, lost %v", l.TrustLeft(), isLost(l))
		}
	})
	t.Run("by its answer to a write", func(t *testing.T) {
		n := newLeaseNode(t)
		l := n.claim(t)
		n.on(&pb.AppendEventRequest{}, refuse(registry.AnswerInfo{}, fenced))
		if failed := mustBe(t, appendOne(t.Context(), l), registry.CodeFenced); failed.Fields.FencingToken == nil {
			t.Error("the answer has lost its fields")
		}
		if failed := mustBeLost(t, l.Err(), registry.CodeFenced); failed.Fields.FencingToken == nil {
			t.Error("the reason has lost its fields")
		}
		before := n.calls()
		mustBeLost(t, appendOne(t.Context(), l), registry.CodeFenced)
		if err := l.Release(t.Context()); err != nil || n.calls() != before {
			t.Errorf("release: %v, %d calls more", err, n.calls()-before)
		}
	})
	t.Run("and by no other refusal of a write", func(t *testing.T) {
		n := newLeaseNode(t)
		l := n.claim(t)
		for _, info := range registry.Codes() {
			if info.Code == registry.CodeFenced || info.Code == registry.CodeLeaseExpired {
				continue
			}
			n.on(&pb.CompleteProcessRequest{}, refuse(registry.AnswerInfo{}, failure(info.Code)))
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if _, err := l.CompleteProcess(ctx, anOutput); err == nil || l.Err() != nil {
				t.Errorf("%s: %v, and the handle says %v", info.Name, err, l.Err())
			}
			cancel()
		}
	})
}

func TestAClaimThatIsAnsweredTooLateGivesNoHandle(t *testing.T) {
	n := newLeaseNode(t)
	n.on(&pb.ClaimProcessLeaseRequest{}, func(_ context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error) {
		n.clock.pass(working)
		return n.agree(request), registry.AnswerInfo{}, nil
	})
	l, err := n.client(t).Claim(t.Context(), "p", n.granted.Owner, ttl, WithMargin(margin), WithStopTime(stopTime))
	if l != nil {
		t.Error("there is a handle")
	}
	mustBeLost(t, err, registry.CodeLeaseExpired)
}
