package fsm

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// work is the registration of a process that a worker may run.
func work(id, kind string, disposition registry.RecoveryDisposition) *RegisterProcess {
	sum := hashOf(id, kind+string(disposition))
	return NewRegisterProcess(registry.ProcessRegistration{
		ID: id, Input: registry.ProcessInput{Kind: registry.InputExternal}, Disposition: disposition,
		Identity: registry.ProcessIdentity{Kind: kind}, EventTypes: registry.CoreEventTypes(),
	}, sum)
}

// claimNext claims up to a number of processes and returns their ids.
func (r *rig) claimNext(limit int, kinds ...string) (ids []string) {
	r.t.Helper()
	tokens := make([]string, limit)
	for i := range tokens {
		tokens[i] = fmt.Sprintf("next %d %d", r.index, i)
	}
	for _, c := range r.must(r.do(NewClaimNextLease(owner("w", "1"), 10_000, kinds, tokens))).Claims {
		ids = append(ids, c.Lease.ProcessID)
	}
	return ids
}

func (r *rig) wantClaims(got []string, want ...string) {
	r.t.Helper()
	if !slices.Equal(got, want) {
		r.t.Errorf("claimed %q, want %q", got, want)
	}
}

func TestClaimNextTakesTheOldestFirst(t *testing.T) {
	r := newRig(t)
	for _, id := range []string{"z", "a", "m", "b"} {
		r.must(r.do(work(id, "email", registry.Rerunnable)))
	}
	r.wantClaims(r.claimNext(3), "z", "a", "m")
	r.wantClaims(r.claimNext(3), "b")
	r.wantClaims(r.claimNext(3))
}

func TestEachClaimHasAFencingTokenOfItsOwn(t *testing.T) {
	r := newRig(t)
	for _, id := range []string{"a", "b"} {
		r.must(r.do(work(id, "email", registry.Rerunnable)))
	}
	before := r.position().Fencing
	claims := r.must(r.do(NewClaimNextLease(owner("w", "1"), 10_000, nil, []string{"one", "two", "three"}))).Claims
	if len(claims) != 2 {
		t.Fatalf("%d claims", len(claims))
	}
	for i, token := range []string{"one", "two"} {
		c := claims[i]
		if c.Lease.FencingToken != before+uint64(i)+1 || c.Lease.LeaseToken != token || c.Attempt != 1 || c.Process.ID != c.Lease.ProcessID || c.Lease.Owner != owner("w", "1") && c.Lease.Owner.OwnerID != "w" {
			t.Errorf("claim %d is %+v of %+v", i, c, c.Lease)
		}
	}
	if got := r.position().Fencing; got != before+2 {
		t.Errorf("the counter is at %d: a token that was not granted was used up", got)
	}
}

func TestClaimNextLooksAtTheKind(t *testing.T) {
	r := newRig(t)
	for i, kind := range []string{"email", "report", "email", "video", "report"} {
		r.must(r.do(work(fmt.Sprint(i), kind, registry.Rerunnable)))
	}
	r.wantClaims(r.claimNext(9, "none"))
	r.wantClaims(r.claimNext(2, "report", "video"), "1", "3")
	r.wantClaims(r.claimNext(9, "video", "email"), "0", "2")
	r.wantClaims(r.claimNext(9), "4")
}

func TestWhatIsReady(t *testing.T) {
	for _, c := range []struct {
		name        string
		disposition registry.RecoveryDisposition
		bodies      func(*rig) []Body
		ready       bool
	}{
		{"a rerunnable process is", registry.Rerunnable, nil, true},
		{"one that was started and left is", registry.Rerunnable, func(*rig) []Body { return []Body{started("p", "w")} }, true},
		{"an owner_bound process is", registry.OwnerBound, nil, true},
		{"one that was started is not", registry.OwnerBound, func(*rig) []Body { return []Body{started("p", "w")} }, false},
		{"an externally_owned process is not", registry.ExternallyOwned, nil, false},
		{"one that ended is not", registry.Rerunnable, func(*rig) []Body { return []Body{completion("p", success(`1`))} }, false},
		{"one that somebody wants abandoned is not", registry.Rerunnable, func(*rig) []Body {
			return []Body{NewRequestProcessAbandon("p", registry.AbandonRequest{RequestedBy: "me"})}
		}, false},
		{"one with a live lease is not", registry.Rerunnable, func(*rig) []Body { return []Body{claim("p", 10_000, "t")} }, false},
		{"one whose lease was released is", registry.Rerunnable, func(*rig) []Body {
			return []Body{claim("p", 10_000, "t"), &CompleteProcessLease{ProcessID: "p", LeaseToken: "t"}}
		}, true},
		{"one whose lease is over at birth is", registry.Rerunnable, func(*rig) []Body { return []Body{claim("p", 0, "t")} }, true},
		{"one that was released for a retry is not", registry.Rerunnable, func(*rig) []Body {
			return []Body{claim("p", 10_000, "t"), &ReleaseForRetry{ProcessID: "p", LeaseToken: "t", RetryAfterMs: 1}}
		}, false},
		{"a retry after no time at all is", registry.Rerunnable, func(*rig) []Body {
			return []Body{claim("p", 10_000, "t"), &ReleaseForRetry{ProcessID: "p", LeaseToken: "t"}}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.must(r.do(work("p", "email", c.disposition)))
			if c.bodies != nil {
				for _, body := range c.bodies(r) {
					r.must(r.do(body))
				}
			}
			want := []string{}
			if c.ready {
				want = append(want, "p")
			}
			restored := &rig{t: t, m: restored(t, write(t, r.m.Snapshot())), index: r.index, term: r.term, stamp: r.stamp}
			r.wantClaims(r.claimNext(1), want...)
			restored.wantClaims(restored.claimNext(1), want...)
		})
	}
}

func TestALeaseThatEndsMakesItsProcessReady(t *testing.T) {
	r := newRig(t)
	r.must(r.do(work("p", "email", registry.Rerunnable)))
	r.wantClaims(r.claimNext(1), "p")
	r.pass(maxLeaseAdvanceMs)
	for range 10_000/maxLeaseAdvanceMs - 1 {
		r.do(&Tick{})
		r.pass(maxLeaseAdvanceMs)
	}
	r.stamp--
	if result := r.entry(r.term, r.term, Command{Body: &Tick{}}); len(result.Ready) != 0 {
		t.Errorf("%q became ready a millisecond early", result.Ready)
	}
	r.wantClaims(r.claimNext(1))
	r.pass(1)
	if result := r.entry(r.term, r.term, Command{Body: &Tick{}}); !slices.Equal(result.Ready, []string{"email"}) {
		t.Errorf("%q became ready", result.Ready)
	}
	r.wantClaims(r.claimNext(1), "p")
}

func TestAReleaseForARetryIsHonouredByClaimNextAlone(t *testing.T) {
	r := newRig(t)
	for _, id := range []string{"p", "q"} {
		r.must(r.do(work(id, "email", registry.Rerunnable)))
		r.must(r.do(claim(id, 10_000, "t "+id)))
		r.must(r.do(&ReleaseForRetry{ProcessID: id, LeaseToken: "t " + id, RetryAfterMs: 1500}))
	}
	if !r.needsTime() {
		t.Error("time need not go on although a delay lies ahead")
	}
	r.wantClaims(r.claimNext(2))
	// Somebody who asks for the process by name gets it, and the delay is over
	// with that lease.
	r.must(r.do(claim("q", 100, "again")))
	r.pass(1499)
	r.wantClaims(r.claimNext(2))
	r.pass(1)
	r.wantClaims(r.claimNext(2), "p", "q")
	r.must(r.do(&ReleaseForRetry{ProcessID: "p", LeaseToken: "stale", RetryAfterMs: 1}))
	if r.m.state.readiness.delays.Len() != 0 {
		t.Error("a stale token delayed the process")
	}
}

func TestAttemptsAreCountedThroughALife(t *testing.T) {
	r := newRig(t)
	r.must(r.do(work("p", "email", registry.Rerunnable)))
	for attempt := uint64(1); attempt <= 3; attempt++ {
		claims := r.must(r.do(NewClaimNextLease(owner("w", "1"), 10_000, nil, []string{fmt.Sprint(attempt)}))).Claims
		if len(claims) != 1 || claims[0].Attempt != attempt {
			t.Fatalf("attempt %d: %+v", attempt, claims)
		}
		r.must(r.do(&CompleteProcessLease{ProcessID: "p", LeaseToken: fmt.Sprint(attempt)}))
		// Other claims are no attempts.
		r.must(r.do(claim("p", 10, "other")))
		r.must(r.do(&CompleteProcessLease{ProcessID: "p", LeaseToken: "other"}))
		r.m = restored(t, write(t, r.m.Snapshot()))
	}
}

func TestClaimNextStopsWhereRecordsMakeMuchToSend(t *testing.T) {
	r := newRig(t)
	large := registry.JSON(`"` + string(bytes.Repeat([]byte("x"), 400<<10)) + `"`)
	for _, id := range []string{"a", "b", "c", "d"} {
		body := work(id, "email", registry.Rerunnable)
		body.Registration.Input.Metadata = large
		r.must(r.do(body))
	}
	r.wantClaims(r.claimNext(9), "a", "b", "c")
	r.wantClaims(r.claimNext(9), "d")
}

func TestSpoiltAttemptsAreRefused(t *testing.T) {
	counters := frame(t, frameCounters, storedCounters{})
	process := frame(t, frameProcess, storedProcess{Registration: registration("p", "").Registration, Hash: make([]byte, 32), Life: 1, Revision: 1, EventCount: 1})
	plain := frame(t, frameEvent, storedEvent{EventType: "note", Payload: []byte("1"), PayloadHash: make([]byte, 32)})
	attempts := frame(t, frameAttempts, storedAttempts{Attempts: 1})
	acks := frame(t, frameAcks, storedAcks{Sequences: []uint32{1}})
	for name, c := range map[string]struct {
		frames [][]byte
		reason string
	}{
		"of nobody":         {[][]byte{attempts}, "behind the events"},
		"before the events": {[][]byte{process, attempts, plain}, "behind the events"},
		"twice":             {[][]byte{process, plain, attempts, attempts}, "behind the events"},
		"before the acks":   {[][]byte{process, plain, attempts, acks}, "behind the events"},
		"of nothing":        {[][]byte{process, plain, frame(t, frameAttempts, storedAttempts{})}, "no attempts"},
	} {
		t.Run(name, func(t *testing.T) {
			err := NewMachine().Restore(bytes.NewReader(sealed(t, append([][]byte{counters}, c.frames...)...)))
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("%v, want %q", err, c.reason)
			}
		})
	}
}

func TestClaimNextIsAnsweredAgain(t *testing.T) {
	r := newSessionRig(t)
	for _, id := range []string{"a", "b"} {
		r.must(r.do(work(id, "email", registry.Rerunnable)))
	}
	c := in(sessionA, 1, 1, NewClaimNextLease(owner("w", "1"), 10_000, []string{"email"}, []string{"one", "two", "three"}))
	first := r.must(r.command(c)).Claims
	again := r.must(r.command(c)).Claims
	if len(first) != 2 || !reflect.DeepEqual(first, again) {
		t.Errorf("answered with %+v, and again with %+v", first, again)
	}
	// What was pruned since is left out.
	s := r.m.state
	p, _ := s.processes.Get("a")
	later := *p
	later.record.Life += 1000
	s.processes.Set("a", &later)
	if left := s.apply(c).Claims; len(left) != 1 || left[0].Lease.ProcessID != "b" {
		t.Errorf("after a prune: %+v", left)
	}
	// An empty answer is one too: a late repeat claims nothing.
	none := in(sessionA, 2, 1, NewClaimNextLease(owner("w", "1"), 10_000, []string{"report"}, []string{"x"}))
	s.processes.Set("a", p)
	r.must(r.command(none))
	r.must(r.do(work("c", "report", registry.Rerunnable)))
	if late := r.must(r.command(none)).Claims; len(late) != 0 {
		t.Errorf("a repeat of an empty answer claimed %+v", late)
	}
}

// goldenAttemptsHash is the hash of the state in
// testdata/golden/snapshot-attempts-v1.hex.
const goldenAttemptsHash = "9eca13fa39420b77f1967fddf7cc335b5a6ed18a3c0c6acf58bb0d51444d84f5"

// attemptedState is the golden state with processes that were handed out, and
// one that is not to be for a while.
func attemptedState(t testing.TB) *rig {
	r := goldenState(t)
	r.must(r.do(work("a", "email", registry.Rerunnable)))
	r.must(r.do(work("b", "email", registry.Rerunnable)))
	r.claimNext(2, "email")
	b, _ := r.m.state.processes.Get("b")
	r.must(r.do(&ReleaseForRetry{ProcessID: "b", LeaseToken: b.lease.token, RetryAfterMs: 70_000}))
	return r
}

func TestTheGoldenSnapshotOfAttemptsRestoresForEver(t *testing.T) {
	r := attemptedState(t)
	r.m = restored(t, goldenFile(t, "snapshot-attempts-v1", write(t, r.m.Snapshot())))
	if got := r.hash(); got != goldenAttemptsHash {
		t.Errorf("the restored state has the hash %s, want %s", got, goldenAttemptsHash)
	}
	if got := attemptedState(t).hash(); got != goldenAttemptsHash {
		t.Errorf("the same entries make a state with the hash %s, want %s", got, goldenAttemptsHash)
	}
}
