package client

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/holdfast-registry/holdfast/registry"
)

func named(addr string, term uint64) registry.AnswerInfo {
	return registry.AnswerInfo{LeaderID: "leader", LeaderAddr: addr, Term: term}
}

func mustCall(t *testing.T, c *Client, makeCall func(context.Context, *Client) error) {
	t.Helper()
	if err := makeCall(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func TestFollowingTheLeader(t *testing.T) {
	t.Run("NextCallsGoToTheNamedLeader", func(t *testing.T) {
		leader := newFakeNode(t, nil)
		leader.setAnswer(ok(named(leader.addr, 1)))
		follower := newFakeNode(t, ok(named(leader.addr, 1)))
		c := mustDial(t, []string{follower.addr})
		mustCall(t, c, writeCall)
		awaitLeader(t, c, leader.addr)
		mustCall(t, c, writeCall)
		mustCall(t, c, readCall)
		mustHave(t, []*fakeNode{follower, leader}, 1, 2)
	})
	t.Run("RefusalThatNamesTheLeaderLeadsThere", func(t *testing.T) {
		leader := newFakeNode(t, nil)
		leader.setAnswer(ok(named(leader.addr, 1)))
		follower := newFakeNode(t, refuse(named(leader.addr, 1), failure(registry.CodeNotLeader)))
		mustCall(t, mustDial(t, []string{follower.addr}), writeCall)
		mustHave(t, []*fakeNode{leader}, 1)
	})
	t.Run("StaleReadsAndLocalCallsStay", func(t *testing.T) {
		leader := newFakeNode(t, nil)
		leader.setAnswer(ok(named(leader.addr, 1)))
		follower := newFakeNode(t, ok(named(leader.addr, 1)))
		c := mustDial(t, []string{follower.addr})
		mustCall(t, c, writeCall)
		awaitLeader(t, c, leader.addr)
		mustCall(t, c, func(ctx context.Context, c *Client) error {
			return readCall(registry.WithReadLevel(ctx, registry.Stale), c)
		})
		mustCall(t, c, func(ctx context.Context, c *Client) error {
			_, err := c.ClusterStatus(ctx)
			return err
		})
		mustCall(t, c, func(ctx context.Context, c *Client) error { return c.TakeSnapshot(ctx) })
		c.DurabilityTier()
		mustHave(t, []*fakeNode{follower, leader}, 5, 0)
	})
	t.Run("UnreachableLeaderIsNeverWaitedFor", func(t *testing.T) {
		for name, addr := range map[string]string{"ClosedPort": closedPort(t), "UnknownName": "no-such-host.invalid:1", "NoAddressAtAll": "::::"} {
			t.Run(name, func(t *testing.T) {
				node := newFakeNode(t, ok(named(addr, 1)))
				c := mustDial(t, []string{node.addr}, WithRetryTimeout(0))
				for range 5 {
					mustCall(t, c, writeCall)
				}
				mustHave(t, []*fakeNode{node}, 5)
			})
		}
	})
	t.Run("DeadLeaderIsForgotten", func(t *testing.T) {
		leader := newFakeNode(t, nil)
		leader.setAnswer(ok(named(leader.addr, 1)))
		follower := newFakeNode(t, ok(named(leader.addr, 1)))
		c := mustDial(t, []string{follower.addr})
		mustCall(t, c, readCall)
		awaitLeader(t, c, leader.addr)
		leader.server.Stop()
		for range 3 {
			mustCall(t, c, readCall)
		}
		mustHave(t, []*fakeNode{follower, leader}, 4, 0)
	})
	t.Run("SilentLeaderIsLeftAlone", func(t *testing.T) {
		leader := newFakeNode(t, hang(t))
		follower := newFakeNode(t, ok(named(leader.addr, 1)))
		c := mustDial(t, []string{follower.addr}, WithAttemptTimeout(400*time.Millisecond))
		mustCall(t, c, readCall)
		awaitLeader(t, c, leader.addr)
		for range 3 {
			mustCall(t, c, readCall)
		}
		mustHave(t, []*fakeNode{follower, leader}, 4, 1)
	})
	t.Run("NewLeaderIsFoundByTryingTheAddressesInTurn", func(t *testing.T) {
		third := newFakeNode(t, nil)
		third.setAnswer(ok(named(third.addr, 2)))
		second := newFakeNode(t, refuse(registry.AnswerInfo{Term: 1}, failure(registry.CodeNoLeader)))
		first := newFakeNode(t, nil)
		first.setAnswer(ok(named(first.addr, 1)))
		c := mustDial(t, []string{first.addr, second.addr, third.addr})
		mustCall(t, c, writeCall)
		awaitLeader(t, c, first.addr)
		first.server.Stop()
		// A read: a write may have been sent to the node before its end shows.
		mustCall(t, c, readCall)
		awaitLeader(t, c, third.addr)
		mustCall(t, c, writeCall)
		mustHave(t, []*fakeNode{first, third}, 1, 2)
	})
	t.Run("DeposedLeaderIsLeft", func(t *testing.T) {
		next := newFakeNode(t, nil)
		next.setAnswer(ok(named(next.addr, 2)))
		old := newFakeNode(t, nil)
		old.setAnswer(ok(named(old.addr, 1)))
		c := mustDial(t, []string{old.addr})
		mustCall(t, c, writeCall)
		awaitLeader(t, c, old.addr)
		old.setAnswer(refuse(named(next.addr, 2), failure(registry.CodeNotLeader)))
		mustCall(t, c, writeCall)
		awaitLeader(t, c, next.addr)
		mustHave(t, []*fakeNode{next}, 1)
	})
	t.Run("DeposedLeaderThatKnowsNoOtherIsLeft", func(t *testing.T) {
		leader := newFakeNode(t, refuse(registry.AnswerInfo{}, failure(registry.CodeNotLeader)))
		follower := newFakeNode(t, ok(named(leader.addr, 1)))
		c := mustDial(t, []string{follower.addr})
		mustCall(t, c, writeCall)
		awaitLeader(t, c, leader.addr)
		follower.setAnswer(ok(registry.AnswerInfo{}))
		mustCall(t, c, writeCall)
		mustHave(t, []*fakeNode{follower, leader}, 2, 1)
	})
	t.Run("OldNewsIsIgnored", func(t *testing.T) {
		leader := newFakeNode(t, nil)
		leader.setAnswer(ok(named(leader.addr, 7)))
		c := mustDial(t, []string{leader.addr})
		mustCall(t, c, writeCall)
		c.targets.learn(named("127.0.0.1:1", 6))
		awaitLeader(t, c, leader.addr)
		c.targets.learn(registry.AnswerInfo{Term: 8})
		awaitLeader(t, c, leader.addr)
	})
	t.Run("ConcurrentFailuresMoveOnOnce", func(t *testing.T) {
		c := mustDial(t, []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"})
		first := c.targets.pick(true)
		c.targets.failed(first, false)
		c.targets.failed(first, false)
		if got := c.targets.pick(true).addr; got != "127.0.0.1:2" {
			t.Fatalf("moved on to %s", got)
		}
	})
}

func TestLearntAddressesAreBounded(t *testing.T) {
	c := mustDial(t, []string{closedPort(t)})
	kept := newFakeNode(t, nil)
	c.targets.learn(named(kept.addr, 1))
	awaitLeader(t, c, kept.addr)
	for i := range uint64(3 * maxLearned) {
		c.targets.learn(named(fmt.Sprintf("127.0.0.1:%d", i+1), i+2))
	}
	c.targets.mu.Lock()
	defer c.targets.mu.Unlock()
	if n := len(c.targets.byAddr); n != 1+maxLearned {
		t.Errorf("%d addresses are kept, want %d", n, 1+maxLearned)
	}
	if c.targets.byAddr[kept.addr] == nil {
		t.Error("the one connection that stands was closed")
	}
	if c.targets.leader.addr != fmt.Sprintf("127.0.0.1:%d", 3*maxLearned) {
		t.Errorf("the leader is %s", c.targets.leader.addr)
	}
}

func TestConcurrentCalls(t *testing.T) {
	leader := newFakeNode(t, nil)
	leader.setAnswer(ok(named(leader.addr, 1)))
	follower := newFakeNode(t, ok(named(leader.addr, 1)))
	c := mustDial(t, []string{follower.addr, leader.addr})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 25 {
				if err := writeCall(t.Context(), c); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := follower.calls() + leader.calls(); n != 200 {
		t.Errorf("%d calls arrived, want 200", n)
	}
}

func TestAnswerInfo(t *testing.T) {
	want := registry.AnswerInfo{Revision: 1, ClockMs: 2, LeaseTimeMs: 3, Term: 4, LeaderID: "n1", LeaderAddr: "127.0.0.1:1", LastContactMs: 5}
	stale := registry.AnswerInfo{Revision: 99, LeaderID: "of an earlier call"}
	t.Run("IsFilledOnSuccess", func(t *testing.T) {
		node, info := newFakeNode(t, ok(want)), stale
		if err := readCall(registry.WithAnswerInfo(t.Context(), &info), mustDial(t, []string{node.addr})); err != nil || info != want {
			t.Fatalf("%+v, %v", info, err)
		}
	})
	t.Run("IsFilledOnRefusal", func(t *testing.T) {
		node, info := newFakeNode(t, refuse(want, failure(registry.CodeFenced))), stale
		err := writeCall(registry.WithAnswerInfo(t.Context(), &info), mustDial(t, []string{node.addr}))
		mustBe(t, err, registry.CodeFenced)
		if info != want {
			t.Fatalf("%+v", info)
		}
	})
	t.Run("IsEmptyWithoutAnAnswer", func(t *testing.T) {
		info := stale
		readCall(registry.WithAnswerInfo(t.Context(), &info), mustDial(t, []string{closedPort(t)}, WithRetryTimeout(0)))
		if info != (registry.AnswerInfo{}) {
			t.Fatalf("%+v", info)
		}
	})
}

func TestDial(t *testing.T) {
	for name, addrs := range map[string][]string{"NoAddress": nil, "NoPort": {"127.0.0.1:1", "n2"}, "Empty": {""}} {
		t.Run(name+"IsRefused", func(t *testing.T) {
			c, err := Dial(addrs)
			mustBe(t, err, registry.CodeInvalidArgument)
			if c != nil {
				t.Error("a client and an error")
			}
		})
	}
	t.Run("AttemptTimeoutMustBePositive", func(t *testing.T) {
		_, err := Dial([]string{"127.0.0.1:1"}, WithAttemptTimeout(0))
		mustBe(t, err, registry.CodeInvalidArgument)
	})
	t.Run("RepeatedAddressCountsOnce", func(t *testing.T) {
		c := mustDial(t, []string{"127.0.0.1:1", "127.0.0.1:1"})
		if n := len(c.targets.given); n != 1 {
			t.Errorf("%d addresses", n)
		}
	})
	t.Run("DialOptionsOfTheUserApply", func(t *testing.T) {
		node := newFakeNode(t, ok(registry.AnswerInfo{}))
		seen := 0
		c := mustDial(t, []string{node.addr}, WithDialOptions(grpc.WithUnaryInterceptor(
			func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				seen++
				return next(ctx, method, req, reply, cc, opts...)
			})))
		mustCall(t, c, writeCall)
		if seen != 1 {
			t.Errorf("the interceptor saw %d calls", seen)
		}
	})
}

func TestDurabilityTier(t *testing.T) {
	t.Run("IsAskedOnce", func(t *testing.T) {
		node := newFakeNode(t, ok(registry.AnswerInfo{}))
		c := mustDial(t, []string{node.addr})
		for range 2 {
			if tier := c.DurabilityTier(); tier != registry.TierDurable {
				t.Fatalf("%q", tier)
			}
		}
		mustHave(t, []*fakeNode{node}, 1)
	})
	t.Run("PromisesNothingWhileNobodyAnswers", func(t *testing.T) {
		if tier := mustDial(t, []string{closedPort(t)}, WithRetryTimeout(0)).DurabilityTier(); tier != registry.TierInline {
			t.Fatalf("%q", tier)
		}
	})
}
