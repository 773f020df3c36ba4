package decide

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

func workOf(id, kind string) registry.ProcessRegistration {
	return registry.ProcessRegistration{
		ID: id, Input: registry.ProcessInput{Kind: registry.InputExternal}, Disposition: registry.Rerunnable,
		Identity: registry.ProcessIdentity{Kind: kind},
	}
}

// nextOf asks for work of some kinds.
func nextOf(limit int, waitMs uint64, kinds ...string) registry.ClaimNextRequest {
	return registry.ClaimNextRequest{Owner: registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i"}, TTLMs: 10_000, Limit: limit, Kinds: kinds, WaitMs: waitMs}
}

func TestClaimNextHandsOutTheOldest(t *testing.T) {
	r, _ := newTestRegistry(t)
	for _, id := range []string{"c", "a", "b"} {
		mustRegister(t, r, workOf(id, "email"))
	}
	claimed, err := r.ClaimNext(t.Context(), nextOf(2, 0, "email"))
	if err != nil || len(claimed) != 2 || claimed[0].Record.ID != "c" || claimed[1].Record.ID != "a" {
		t.Fatalf("%+v (%v)", claimed, err)
	}
	if first, second := claimed[0].Lease, claimed[1].Lease; first.LeaseToken == second.LeaseToken || len(first.LeaseToken) != 32 || first.FencingToken >= second.FencingToken || claimed[0].Attempt != 1 {
		t.Errorf("%+v", claimed)
	}
	completion := registry.ProcessLeaseCompletion{ProcessID: "c", LeaseToken: claimed[0].Lease.LeaseToken}
	if err := r.ReleaseForRetry(t.Context(), completion, 60_000); err != nil {
		t.Fatal(err)
	}
	if claimed, err = r.ClaimNext(t.Context(), nextOf(9, 0)); err != nil || len(claimed) != 1 || claimed[0].Record.ID != "b" {
		t.Errorf("%+v (%v)", claimed, err)
	}
}

func TestWhatClaimNextRefuses(t *testing.T) {
	r, log := newTestRegistry(t)
	before := len(log.commands)
	for field, change := range map[string]func(*registry.ClaimNextRequest){
		"owner.owner_id": func(c *registry.ClaimNextRequest) { c.Owner.OwnerID = "" },
		"ttl_ms":         func(c *registry.ClaimNextRequest) { c.TTLMs = 0 },
		"limit":          func(c *registry.ClaimNextRequest) { c.Limit = registry.MaxClaims + 1 },
		"wait_ms":        func(c *registry.ClaimNextRequest) { c.WaitMs = registry.MaxClaimWaitMs + 1 },
		"kinds":          func(c *registry.ClaimNextRequest) { c.Kinds = make([]string, registry.MaxClaimKinds+1) },
		"kinds[0]":       func(c *registry.ClaimNextRequest) { c.Kinds = []string{strings.Repeat("x", registry.MaxStringBytes+1)} },
	} {
		request := nextOf(1, 0)
		change(&request)
		_, err := r.ClaimNext(t.Context(), request)
		code := registry.CodeInvalidArgument
		if strings.HasPrefix(field, "kinds") {
			code = registry.CodeTooLarge
		}
		if refusal := wantCode(t, err, code); refusal.Fields.Field != field {
			t.Errorf("fields %+v, want %s", refusal.Fields, field)
		}
	}
	_, err := r.ClaimNext(t.Context(), nextOf(0, 0))
	wantCode(t, err, registry.CodeInvalidArgument)
	long := nextOf(1, 0)
	long.TTLMs = registry.MaxLeaseTTLMs + 1
	_, err = r.ClaimNext(t.Context(), long)
	wantCode(t, err, registry.CodeInvalidArgument)
	err = r.ReleaseForRetry(t.Context(), registry.ProcessLeaseCompletion{ProcessID: "p"}, registry.MaxRetryAfterMs+1)
	wantCode(t, err, registry.CodeInvalidArgument)
	wantCode(t, r.ReleaseForRetry(t.Context(), registry.ProcessLeaseCompletion{}, 1), registry.CodeInvalidArgument)
	if len(log.commands) != before {
		t.Error("a request that is wrong by itself reached the log")
	}
}

// TestAWriteThatWasDoneIsNotWaitedFor: the retry of a claim-next whose answer
// was lost finds nothing ready, since it was that claim which took it.
func TestAWriteThatWasDoneIsNotWaitedFor(t *testing.T) {
	r, log := newTestRegistry(t)
	id := mustOpen(t, r)
	mustRegister(t, r, workOf("p", "email"))
	for range 2 {
		claimed, err := r.ClaimNext(stamped(t, id, 1), nextOf(1, 1000))
		if err != nil || len(claimed) != 1 {
			t.Fatalf("%+v (%v)", claimed, err)
		}
	}
	if _, err := r.ClaimNext(stamped(t, id, 2), nextOf(1, 1000)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(log.waited, []bool{true, true, false}) {
		t.Errorf("the waits were over at once: %v", log.waited)
	}
	_, err := r.ClaimNext(registry.WithSession(t.Context(), registry.SessionStamp{ID: "no session"}), nextOf(1, 1000))
	wantCode(t, err, registry.CodeInvalidArgument)
}

// line is a set of calls that wait, with what they found.
type line struct {
	Waiting
	mu    sync.Mutex
	ready map[string]int
}

// look tells whether something of the kind is left, and takes it.
func (l *line) take(kind string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ready[kind] == 0 {
		return false
	}
	l.ready[kind]--
	return true
}

func (l *line) await(ctx context.Context, waitMs uint64, kinds ...string) (found bool, err error) {
	read := func(read func(fsm.View)) { read(fsm.View{}) }
	err = l.Await(ctx, kinds, waitMs, nil, read, func(fsm.View) bool {
		for _, kind := range kinds {
			if found = l.take(kind); found {
				return true
			}
		}
		return false
	})
	return found, err
}

// waiters waits until so many calls stand in line.
func (l *line) awaitWaiters(t *testing.T, want int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		l.Waiting.mu.Lock()
		have := l.anyKind.Len()
		for _, ofKind := range l.byKind {
			have += ofKind.Len()
		}
		l.Waiting.mu.Unlock()
		if have == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d calls wait, want %d", have, want)
		}
		time.Sleep(time.Millisecond)
	}
}

func (l *line) add(kind string) {
	l.mu.Lock()
	l.ready[kind]++
	l.mu.Unlock()
	l.Wake([]string{kind})
}

func TestWhoHasWaitedLongestIsWoken(t *testing.T) {
	l := &line{ready: map[string]int{}}
	order := make(chan string, 3)
	for i, kinds := range [][]string{{"email"}, {"report", "email"}, {"email"}} {
		go func() {
			if found, err := l.await(t.Context(), 60_000, kinds...); !found || err != nil {
				t.Errorf("call %d: found %v (%v)", i, found, err)
			}
			order <- fmt.Sprint(i)
		}()
		l.awaitWaiters(t, []int{1, 3, 4}[i])
	}
	l.add("email")
	if first := <-order; first != "0" {
		t.Errorf("call %s was first", first)
	}
	l.add("report")
	if second := <-order; second != "1" {
		t.Errorf("call %s was second", second)
	}
	l.add("email")
	<-order
	l.awaitWaiters(t, 0)
	if len(l.byKind) != 0 {
		t.Errorf("%d lists of nobody are left", len(l.byKind))
	}
}

func TestAWaitEnds(t *testing.T) {
	l := &line{ready: map[string]int{}}
	if found, err := l.await(t.Context(), 1, "email"); found || err != nil {
		t.Errorf("the wait that was over: found %v (%v)", found, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := l.await(ctx, 60_000, "email")
		done <- err
	}()
	l.awaitWaiters(t, 1)
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("the call that ended: %v", err)
	}
	ended := make(chan struct{})
	close(ended)
	if err := l.Await(t.Context(), nil, 60_000, ended, func(read func(fsm.View)) { read(fsm.View{}) }, func(fsm.View) bool { return false }); err != nil {
		t.Errorf("the leadership that ended: %v", err)
	}
	l.awaitWaiters(t, 0)
}

// TestACallThatLeavesHandsItsWakeOn: it was woken, and ended before it looked.
func TestACallThatLeavesHandsItsWakeOn(t *testing.T) {
	l := &line{ready: map[string]int{}}
	leaving := l.Waiting.add([]string{"email"})
	found := make(chan bool)
	go func() {
		ok, _ := l.await(t.Context(), 60_000, "email")
		found <- ok
	}()
	l.awaitWaiters(t, 2)
	l.add("email")
	l.leave(leaving)
	if !<-found {
		t.Error("the next in line found nothing")
	}
}
