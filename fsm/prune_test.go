package fsm

import (
	"fmt"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// prune applies one step.
func (r *rig) prune(cutoffMs uint64) PruneStep {
	r.t.Helper()
	return *r.must(r.do(&PruneTerminalProcesses{CutoffMs: cutoffMs})).Pruned
}

// ids lists all processes.
func (r *rig) ids() string {
	out := ""
	for _, record := range r.list(anyState, registry.PageRequest{}).Items {
		out += record.ID + " "
	}
	return out
}

// TestThePruneTakesWhatEndedBeforeTheCutoff is 5.31: strictly before, by
// updated_at, and nothing that runs.
func TestThePruneTakesWhatEndedBeforeTheCutoff(t *testing.T) {
	for _, c := range []struct {
		cutoff uint64
		left   string
		step   PruneStep
	}{
		{0, "late old older running ", PruneStep{CutoffMs: 0}},
		{10_100, "late old older running ", PruneStep{CutoffMs: 10_100}},
		{10_101, "late old running ", PruneStep{Processes: 1, Events: 2, CutoffMs: 10_101}},
		{10_200, "late old running ", PruneStep{Processes: 1, Events: 2, CutoffMs: 10_200}},
		{10_201, "late running ", PruneStep{Processes: 2, Events: 3, CutoffMs: 10_201}},
		{10_301, "running ", PruneStep{Processes: 3, Events: 5, CutoffMs: 10_301}},
		{1<<63 - 1, "running ", PruneStep{Processes: 3, Events: 5, CutoffMs: 10_301}},
		{^uint64(0), "running ", PruneStep{Processes: 3, Events: 5, CutoffMs: 10_301}},
	} {
		t.Run(fmt.Sprintf("with the cutoff %d", c.cutoff), func(t *testing.T) {
			r := newRig(t)
			for _, id := range []string{"older", "old", "late", "running"} {
				r.register(id, "")
			}
			r.must(r.do(note("older", "1", "")))
			r.pass(100)
			for _, id := range []string{"older", "late"} {
				r.must(r.do(completion(id, success("1"))))
			}
			r.pass(100)
			r.must(r.do(completion("old", success("1"))))
			r.pass(100)
			// A late event puts off the end of a row.
			r.must(r.do(note("late", "1", "")))
			before := r.position().Revision
			if step := r.prune(c.cutoff); step != c.step {
				t.Errorf("%+v, want %+v", step, c.step)
			}
			r.want("left", r.ids(), c.left)
			if moved := r.position().Revision - before; moved != min(c.step.Processes, 1) {
				t.Errorf("the revision moved by %d", moved)
			}
			if step := r.prune(c.cutoff); step.Processes != 0 || step.Events != 0 || step.More {
				t.Errorf("a repeat pruned %+v", step)
			}
		})
	}
}

// TestNothingOfAPrunedProcessIsLeft: events, replay keys, acks, grants, lease,
// wake target, and what is kept to find them by.
func TestNothingOfAPrunedProcessIsLeft(t *testing.T) {
	r := newRig(t)
	empty := r.m.state.processes.Len()
	r.must(r.do(targeting("p", "target", "f")))
	r.must(r.do(waking("p", "1", "key")))
	r.must(r.do(&AckWake{"p", 1}))
	r.must(r.do(&AckWake{"p", 3}))
	r.must(r.do(grantTo(scope("s", ""), "p", "x")))
	r.must(r.do(grantTo(scope("t", "f"), "p", "x")))
	held := r.must(r.do(claim("p", 1<<30, "live"))).Lease
	r.must(r.fenced(completion("p", success("1")), held.Fence()))
	if step := r.prune(^uint64(0)); step.Processes != 1 || step.Events != 2 {
		t.Fatalf("%+v", step)
	}
	s := r.m.state
	if s.processes.Len() != empty || s.leaseEnds.Len() != 0 || s.liveLeases != 0 || s.ended.Len() != 0 || len(s.wakeTargets) != 0 ||
		s.grants.byScope.Len() != 0 || s.grants.byProcess.Len() != 0 || len(s.grants.ofSession) != 0 {
		t.Error("something is left")
	}
	r.m.Read(func(v View) {
		if v.Process("p") != nil || v.Lease("p") != nil || v.HasHandleGrant(scope("s", ""), "p") || v.NeedsTime() {
			t.Error("the process can still be seen")
		}
		_, events := v.EventsAfter("p", 0, registry.PageRequest{})
		_, wakes := v.WakeEventsAfter("p", 0, registry.PageRequest{})
		_, holders := v.HandleGrantsForProcess("p", registry.PageRequest{})
		for _, err := range []error{events, wakes, holders} {
			if asRefusal(t, err).Code != registry.CodeNotFound {
				t.Error(err)
			}
		}
	})
	r.want("the scope holds", r.handles(scope("s", ""), false, 0), "")
	report := r.must(r.do(&DeleteSessionProcessState{SessionID: "target"})).DeletedSession
	if report.RevokedHandleCount != 0 {
		t.Errorf("%+v", report)
	}
	r.refused(r.do(NewRenewProcessLease(*held, 1)), registry.CodeLeaseExpired)
	r.must(r.do(&CompleteProcessLease{ProcessID: "p", LeaseToken: "live"}))
	r.refused(r.do(note("p", "1", "")), registry.CodeNotFound)

	// The same id again is another life: it starts with nothing.
	again := r.must(r.do(registration("p", ""))).Process
	if again.Status.State != registry.StateRunning || again.WakeTarget != nil || again.Life != again.Revision {
		t.Errorf("%s", dumpJSON(*again))
	}
	for i, want := range []string{"[1]", "[1 2]", "[1 2 3]"} {
		e := r.must(r.do(waking("p", "2", map[int]string{0: "key"}[i]))).Event
		if e.Sequence != uint64(i)+1 {
			t.Errorf("event %d has the sequence %d", i, e.Sequence)
		}
		r.want("wakes", r.wakes("p", 0, 0), want)
	}
}

// TestFencingTokensGoOnAfterAPrune is A1: the new life's tokens are greater than
// all that the old one had.
func TestFencingTokensGoOnAfterAPrune(t *testing.T) {
	r := newRig(t)
	last := uint64(0)
	for range 3 {
		r.register("p", registry.FencingRequired)
		lease := r.must(r.do(claim("p", 1000, "token"))).Lease
		if lease.FencingToken <= last {
			t.Errorf("fencing token %d after %d", lease.FencingToken, last)
		}
		if last > 0 {
			// The lease token is the same: the number alone tells them apart.
			r.refused(r.fenced(note("p", "1", ""), &registry.Fence{LeaseToken: "token", FencingToken: last}), registry.CodeFenced)
		}
		last = lease.FencingToken
		r.must(r.fenced(completion("p", success("1")), lease.Fence()))
		r.prune(^uint64(0))
		r.m = restored(t, write(t, r.m.Snapshot()))
	}
}

// TestACommandOfAnOldLifeChangesNothing is A12.
func TestACommandOfAnOldLifeChangesNothing(t *testing.T) {
	r := newRig(t)
	old := r.register("p", "")
	r.must(r.do(completion("p", success("1"))))
	r.prune(^uint64(0))
	body := note("p", "1", "")
	absent := r.command(Command{Body: body, Life: &old})
	if !absent.LifeMismatch {
		t.Errorf("decided for life %d and applied to none: %+v", old, absent)
	}
	life := r.register("p", "")
	before := r.position().Revision
	for _, decidedFor := range []uint64{0, old, life + 1} {
		if result := r.command(Command{Body: body, Life: lifeOf(decidedFor)}); !result.LifeMismatch || result.Refusal != nil || result.Event != nil {
			t.Errorf("decided for life %d and applied to %d: %+v", decidedFor, life, result)
		}
	}
	if r.position().Revision != before {
		t.Error("the revision moved")
	}
	r.must(r.command(Command{Body: body, Life: lifeOf(life)}))
}

func TestPageTokensEndWithALife(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	for range 2 {
		r.must(r.do(waking("p", "1", "")))
	}
	r.must(r.do(grantTo(scope("s", ""), "p", "x")))
	r.must(r.do(grantTo(scope("t", ""), "p", "x")))
	one := registry.PageRequest{Size: 1}
	var events, recent, wakes registry.Page[registry.ProcessEvent]
	var holders registry.Page[registry.ProcessHandleGrant]
	r.m.Read(func(v View) {
		events, _ = v.EventsAfter("p", 0, one)
		recent, _ = v.RecentEvents("p", 2, one)
		wakes, _ = v.WakeEventsAfter("p", 0, one)
		holders, _ = v.HandleGrantsForProcess("p", one)
	})
	r.must(r.do(completion("p", success("1"))))
	r.prune(^uint64(0))
	r.register("p", "")
	token := func(text string) registry.PageRequest {
		if text == "" {
			t.Fatal("no token")
		}
		return registry.PageRequest{Token: text}
	}
	r.m.Read(func(v View) {
		_, err1 := v.EventsAfter("p", 0, token(events.NextToken))
		_, err2 := v.RecentEvents("p", 2, token(recent.NextToken))
		_, err3 := v.WakeEventsAfter("p", 0, token(wakes.NextToken))
		_, err4 := v.HandleGrantsForProcess("p", token(holders.NextToken))
		for i, err := range []error{err1, err2, err3, err4} {
			if asRefusal(t, err).Code != registry.CodeLifeEnded {
				t.Errorf("list %d: %v", i, err)
			}
		}
	})
}

// fillEnded puts rows into the state that have ended, one millisecond after the
// other, each with so many events.
func (r *rig) fillEnded(rows int, events func(i int) int) {
	output := registry.EventTerminal{State: registry.StateCompleted, AwaitOutput: success("1")}
	r.fill(rows, func(i int, row *process) {
		for n := uint64(events(i)); n > 0; n-- {
			e := &event{ProcessEvent: registry.ProcessEvent{ProcessID: row.record.ID, Sequence: uint64(len(row.events)) + 1, EventType: "note"}}
			if n == 1 {
				e.Semantics.Terminal = &output
				row.end(e)
			}
			row.append(e)
		}
		row.record.UpdatedAtMs = uint64(i)
	})
}

// steps prunes to the end and returns the rows and events of every step.
func (r *rig) steps(cutoffMs uint64) string {
	r.t.Helper()
	out := ""
	for {
		step := r.prune(cutoffMs)
		out += fmt.Sprintf("%d/%d ", step.Processes, step.Events)
		if !step.More {
			return out
		}
		cutoffMs = step.CutoffMs
	}
}

// TestTheStepsOfAPrune is A10: at most 1,000 rows or 20,000 events, and always
// one whole row.
func TestTheStepsOfAPrune(t *testing.T) {
	for _, c := range []struct {
		name   string
		rows   int
		events func(i int) int
		want   string
	}{
		{"nothing is one step", 0, nil, "0/0 "},
		{"a thousand rows are one step", 1000, func(int) int { return 1 }, "1000/1000 "},
		{"one more is a second step", 1001, func(int) int { return 1 }, "1000/1000 1/1 "},
		{"two thousand and one are three", 2001, func(int) int { return 1 }, "1000/1000 1000/1000 1/1 "},
		{"twenty thousand events are one step", 4, func(int) int { return 5000 }, "4/20000 "},
		{"a row that would pass twenty thousand waits", 5, func(int) int { return 5001 }, "3/15003 2/10002 "},
		{"a row of more than twenty thousand goes alone", 3, func(i int) int { return []int{1, 20_001, 1}[i] }, "1/1 1/20001 1/1 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.fillEnded(c.rows, c.events)
			r.want("steps", r.steps(^uint64(0)), c.want)
			if left := r.m.state.processes.Len(); left != 0 {
				t.Errorf("%d rows are left", left)
			}
		})
	}
}

func TestGrantsCountAsEventsInAPrune(t *testing.T) {
	r := newRig(t)
	r.fillEnded(3, func(int) int { return 5 })
	for i := range maxPrunedEvents {
		r.m.state.grants.put(&grant{scope: scope(fmt.Sprintf("s%d", i%7), fmt.Sprint(i)), processID: "p000000"})
	}
	r.want("steps", r.steps(^uint64(0)), "1/5 2/10 ")
	if r.m.state.grants.byScope.Len() != 0 {
		t.Error("grants are left")
	}
}

// TestAPruneDoesNotGoAfterWhatEndsMeanwhile: its first step fixes the cutoff.
func TestAPruneDoesNotGoAfterWhatEndsMeanwhile(t *testing.T) {
	r := newRig(t)
	r.fillEnded(1500, func(int) int { return 1 })
	r.register("new", "")
	first := r.prune(1 << 50)
	if first.CutoffMs != 10_001 || !first.More {
		t.Fatalf("%+v", first)
	}
	r.pass(1)
	r.must(r.do(completion("new", success("1"))))
	if second := r.prune(first.CutoffMs); second.Processes != 500 || second.More {
		t.Errorf("%+v", second)
	}
	r.want("left", r.ids(), "new ")
}

// TestAStampedStepIsAnsweredAgain: a repeat goes on from where the first was.
func TestAStampedStepIsAnsweredAgain(t *testing.T) {
	r := newSessionRig(t)
	r.must(r.do(completion("p", success("1"))))
	first := r.must(r.command(in(sessionA, 1, 1, &PruneTerminalProcesses{CutoffMs: ^uint64(0)})))
	again := r.must(r.command(in(sessionA, 1, 1, &PruneTerminalProcesses{CutoffMs: ^uint64(0)})))
	if first.Pruned.Processes != 1 || !again.Again || *again.Pruned != *first.Pruned {
		t.Errorf("%+v, then %+v", first.Pruned, again.Pruned)
	}
}
