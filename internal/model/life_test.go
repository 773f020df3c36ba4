package model

import (
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func local(id, host string) registry.LeaseOwnerIdentity {
	return registry.LeaseOwnerIdentity{OwnerID: id, IncarnationID: "1", Liveness: registry.LeaseOwnerLiveness{Kind: "local_process", HostID: host, BootID: "b", PID: 7, ProcessStart: "9"}}
}

func TestALiveLeaseIsTakenFromTheDeadOnly(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(op *ReclaimProcessLease)
		taken bool
	}{
		"nothing is wrong":                {func(*ReclaimProcessLease) {}, true},
		"the observed end does not count": {func(op *ReclaimProcessLease) { op.Observed.ExpiresAtMs, op.Observed.ClaimedAtMs = 1, 2 }, true},
		"the holder may live":             {func(op *ReclaimProcessLease) { op.Verdict = "unknown" }, false},
		"another process was observed":    {func(op *ReclaimProcessLease) { op.Observed.ProcessID = "b" }, false},
		"another holder was observed":     {func(op *ReclaimProcessLease) { op.Observed.Owner.IncarnationID = "2" }, false},
		"another token was observed":      {func(op *ReclaimProcessLease) { op.Observed.LeaseToken = "other" }, false},
		"another fence was observed":      {func(op *ReclaimProcessLease) { op.Observed.FencingToken++ }, false},
		"the claimant is on another host": {func(op *ReclaimProcessLease) { op.Owner.Liveness.HostID = "h2" }, false},
		"the claimant's host was booted":  {func(op *ReclaimProcessLease) { op.Owner.Liveness.BootID = "b2" }, false},
		"the claimant is opaque":          {func(op *ReclaimProcessLease) { op.Owner.Liveness = registry.LeaseOwnerLiveness{} }, false},
	} {
		s := world(t)
		held := s.Do(ClaimProcessLease{ProcessID: "a", Owner: local("w", "h"), TTLMs: 5000, Token: "x"}).Lease
		op := ReclaimProcessLease{ProcessID: "a", Owner: local("v", "h"), Observed: *held, Verdict: "dead", TTLMs: 5000, Token: "y"}
		c.spoil(&op)
		if a := s.Do(op); a.Busy == c.taken || a.Lease.FencingToken != s.Fencing || (s.Fencing == 2) != c.taken {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestALeaseThatEndsNowHasEnded(t *testing.T) {
	s := world(t)
	lease := *s.Do(ClaimProcessLease{ProcessID: "a", Owner: local("w", "h"), TTLMs: 1500, Token: "x"}).Lease
	s.Apply(Entry{Term: 1, CommitTerm: 1, StampMs: 2500})
	if a := s.Do(RenewProcessLease{Lease: lease, TTLMs: 1}); a.Code != registry.CodeLeaseExpired {
		t.Errorf("%+v", a)
	}
	// Nobody superseded it, so it still fences.
	if a := s.Do(AppendEvent{ProcessID: "a", Fence: lease.Fence(), Request: registry.ProcessEventAppendRequest{EventType: "process.waiting", Payload: registry.JSON("{}")}}); a.Code != 0 {
		t.Errorf("%+v", a)
	}
	if a := s.Do(ReclaimProcessLease{ProcessID: "a", Owner: local("v", "h2"), TTLMs: 1, Token: "y"}); a.Busy || a.Lease.FencingToken != 2 {
		t.Errorf("%+v", a)
	}
}

func TestATokenIsWorthWhatTheLeaseIs(t *testing.T) {
	s := world(t)
	lease := *s.Do(ClaimProcessLease{ProcessID: "a", Owner: local("w", "h"), TTLMs: 1500, Token: "x"}).Lease
	for i, want := range []registry.FenceStatus{
		{Current: true, Live: true, FencingToken: 1, LeaseTimeLeftMs: 1500},
		{Current: true, FencingToken: 1},
		{FencingToken: 1},
	} {
		switch i {
		case 1:
			s.Apply(Entry{Term: 1, CommitTerm: 1, StampMs: 2500})
		case 2:
			s.Do(CompleteProcessLease{registry.ProcessLeaseCompletion{ProcessID: "a", LeaseToken: lease.LeaseToken}})
		}
		if a := s.Do(CheckFence{"a", 1}); *a.Fence != want {
			t.Errorf("%d: %+v", i, *a.Fence)
		}
	}
	if a := s.Do(CheckFence{"b", 0}); *a.Fence != (registry.FenceStatus{}) {
		t.Errorf("never leased: %+v", *a.Fence)
	}
}

func TestAPruneTakesEverythingButTheCounters(t *testing.T) {
	s := world(t)
	first := *s.Do(ClaimProcessLease{ProcessID: "a", Owner: local("w", "h"), TTLMs: 5000, Token: "x"}).Lease
	grant(s, scope("s", ""), "a", "b")
	s.Do(AckWake{"a", 9})
	s.Do(complete("a"))
	if r := s.Do(PruneTerminalProcesses{1000}).Pruned; r.PrunedProcesses != 0 {
		t.Errorf("a row updated at the cutoff was pruned: %+v", r)
	}
	for i, want := range []registry.ProcessPruneReport{{PrunedProcesses: 1, PrunedEvents: 1}, {}} {
		if r := s.Do(PruneTerminalProcesses{1 << 63}).Pruned; *r != want {
			t.Errorf("prune %d: %+v", i, r)
		}
	}
	for _, op := range []Op{GetProcess{"a"}, EventsAfter{"a", 0}, WakeEventsAfter{"a", 0}, HandleGrantsForProcess{"a"}, AckWake{"a", 1}} {
		if a := s.Do(op); a.Code != registry.CodeNotFound {
			t.Errorf("%T: %+v", op, a)
		}
	}
	if len(s.Grants) != 1 || len(s.Processes) != 2 {
		t.Errorf("%d grants, %d processes", len(s.Grants), len(s.Processes))
	}
	// The next life begins anew, but its tokens go on.
	s.Do(job("a"))
	if a := s.Do(complete("a")); a.Record.Life == 1 || len(s.Processes["a"].Events) != 1 {
		t.Errorf("%+v", a.Record)
	}
	second := s.Do(ClaimProcessLease{ProcessID: "b", Owner: local("w", "h"), TTLMs: 1, Token: "y"}).Lease
	if second.FencingToken <= first.FencingToken {
		t.Errorf("the fencing token %d came after %d", second.FencingToken, first.FencingToken)
	}
}

func TestWakesAreThereUntilAcked(t *testing.T) {
	s := begun(t)
	op := job("p")
	op.Registration.EventTypes = []registry.ProcessEventType{{Name: "wake", PayloadSchema: registry.JSON("{}"), Semantics: registry.EventSemanticsSpec{
		Wake: &registry.WakeSpec{When: &registry.Selector{Kind: "payload"}, Input: registry.Selector{Kind: "payload"}},
	}}}
	s.Do(op)
	s.Do(AckWake{"p", 3})
	for _, payload := range []string{`1`, `""`, `2`, `3`} {
		s.Do(AppendEvent{ProcessID: "p", Request: registry.ProcessEventAppendRequest{EventType: "wake", Payload: registry.JSON(payload)}})
	}
	before := s.Revision
	s.Do(AckWake{"p", 3})
	if events := s.Do(WakeEventsAfter{"p", 0}).Events; len(events) != 2 || events[0].Sequence != 1 || events[1].Sequence != 4 || s.Revision != before {
		t.Errorf("%+v", events)
	}
	for through, want := range map[uint64]uint64{0: 0, 3: 3, ^uint64(0): 4} {
		if n := s.Do(CountEventsThrough{"p", "wake", through}).Count; n != want {
			t.Errorf("%d events through %d", n, through)
		}
	}
	for limit, want := range map[uint64]int{0: 0, 1: 1, 4: 4, ^uint64(0): 4} {
		if n := len(s.Do(RecentEvents{"p", limit}).Events); n != want {
			t.Errorf("%d of the last %d", n, limit)
		}
	}
}

func TestWhichFactsStayOpenWhenAProcessEnded(t *testing.T) {
	s := world(t)
	s.Do(SetProcessWait{ProcessID: "a", Wait: registry.WaitState{Kind: "signal", Ordinal: 1}})
	if a := s.Do(complete("a")); a.Record.Wait != nil {
		t.Errorf("the process has ended and waits for %+v", a.Record.Wait)
	}
	ref := registry.ProcessExternalRef{Backend: "x", ID: "1", Metadata: registry.JSON(`{"b":1,"a":2}`)}
	equal, bare := ref, ref
	equal.Metadata, bare.Metadata = registry.JSON(`{"a":2, "b":1}`), nil
	for i, c := range []struct {
		op      Op
		code    registry.Code
		changed bool
	}{
		{SetExternalRef{ProcessID: "a", Ref: ref}, 0, true},
		{SetExternalRef{ProcessID: "a", Ref: equal}, 0, false},
		{SetExternalRef{ProcessID: "a", Ref: bare}, registry.CodeAlreadyExists, false},
		{RecordFirstStarted{ProcessID: "a"}, 0, true},
		{RecordFirstStarted{ProcessID: "a", Started: registry.ProcessStarted{StartedAtMs: 1}}, 0, false},
		{RequestProcessAbandon{ProcessID: "a"}, registry.CodeTerminal, false},
		{RequestProcessAbandon{ProcessID: "b"}, 0, true},
		{RequestProcessAbandon{ProcessID: "b"}, 0, false},
		{SetProcessWait{ProcessID: "a"}, registry.CodeTerminal, false},
		{ClearProcessWait{ProcessID: "a"}, 0, true},
		{ClearProcessWait{ProcessID: "none"}, registry.CodeNotFound, false},
		{ClearProcessWait{ProcessID: "b", Fence: &registry.Fence{}}, registry.CodeFenced, false},
	} {
		before := s.Revision
		if a := s.Do(c.op); a.Code != c.code || (s.Revision != before) != c.changed {
			t.Errorf("%d: %T answered %v, changed %v", i, c.op, a.Code, s.Revision != before)
		}
	}
	if p := s.Processes["a"]; p.Wait != nil || string(p.ExternalRef.Metadata) != string(ref.Metadata) {
		t.Errorf("%+v", p)
	}
}
