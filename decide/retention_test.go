package decide

import (
	"fmt"
	"testing"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// endedProcesses registers and ends processes, more than one step of a prune
// takes.
func endedProcesses(t testing.TB, r *Registry, count int) {
	t.Helper()
	for i := range count {
		id := fmt.Sprintf("p%04d", i)
		mustRegister(t, r, job(id, `{}`, registry.EventSemanticsSpec{}))
		if _, err := r.CompleteProcess(t.Context(), id, registry.ProcessAwaitOutput{Kind: registry.OutputCancelled}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPruneSumsUpItsSteps(t *testing.T) {
	r, log := newTestRegistry(t)
	endedProcesses(t, r, 2100)
	log.commands = nil
	log.between = func() { log.stamp += 1000 }
	report, err := r.PruneTerminalProcesses(t.Context(), ^uint64(0))
	if err != nil || report.PrunedProcesses != 2100 || report.PrunedEvents != 2100 {
		t.Errorf("%+v (%v)", report, err)
	}
	var cutoffs []uint64
	for _, c := range log.commands {
		cutoffs = append(cutoffs, c.Body.(*fsm.PruneTerminalProcesses).CutoffMs)
	}
	// The first step fixes the cutoff, by its own clock.
	if text := fmt.Sprint(cutoffs); text != fmt.Sprint([]uint64{^uint64(0), 11_001, 11_001}) {
		t.Errorf("cutoffs %s", text)
	}
	report, err = r.PruneTerminalProcesses(t.Context(), ^uint64(0))
	if err != nil || report != (registry.ProcessPruneReport{}) {
		t.Errorf("a repeat reports %+v (%v)", report, err)
	}
}

// TestAnInterruptedPruneIsNotDefinite: it did something, and a repeat goes on.
func TestAnInterruptedPruneIsNotDefinite(t *testing.T) {
	r, log := newTestRegistry(t)
	endedProcesses(t, r, 1500)
	lost := registry.Errorf(registry.CodeNotLeader, registry.Fields{}, "deposed")
	log.fail = lost
	if _, err := r.PruneTerminalProcesses(t.Context(), ^uint64(0)); err != lost {
		t.Errorf("nothing was done, and the error is %v", err)
	}
	log.fail = nil
	log.between = func() { log.fail = lost }
	report, err := r.PruneTerminalProcesses(t.Context(), ^uint64(0))
	if wantCode(t, err, registry.CodeOutcomeUnknown); registry.IsDefinite(err) || report != (registry.ProcessPruneReport{}) {
		t.Errorf("%+v (%v)", report, err)
	}
	log.fail, log.between = nil, nil
	report, err = r.PruneTerminalProcesses(t.Context(), ^uint64(0))
	if err != nil || report.PrunedProcesses != 500 {
		t.Errorf("the repeat reports %+v (%v)", report, err)
	}
}

// TestAStampedPruneGoesOn: the stamp is that of the first step, and a retry goes
// on behind it.
func TestAStampedPruneGoesOn(t *testing.T) {
	r, log := newTestRegistry(t)
	id := mustOpen(t, r)
	endedProcesses(t, r, 2100)
	log.commands = nil
	log.between = func() {
		if len(log.commands) == 2 {
			log.fail = registry.Errorf(registry.CodeOutcomeUnknown, registry.Fields{}, "gone")
		}
	}
	_, err := r.PruneTerminalProcesses(stamped(t, id, 1), ^uint64(0))
	wantCode(t, err, registry.CodeOutcomeUnknown)
	log.fail, log.between = nil, nil
	report, err := r.PruneTerminalProcesses(stamped(t, id, 1), ^uint64(0))
	// The first step's thousand are answered again, the second's were reported
	// to nobody, and the rest is new.
	if err != nil || report.PrunedProcesses != 1100 {
		t.Errorf("%+v (%v)", report, err)
	}
	for i, c := range log.commands {
		if (c.Session != nil) != (i == 0 || i == 2) {
			t.Errorf("command %d has the stamp %+v", i, c.Session)
		}
	}
}

// TestADecisionForAPrunedLifeIsMadeAgain is A12 through all layers: between
// decision and apply the process is pruned and registered anew, with another
// schema.
func TestADecisionForAPrunedLifeIsMadeAgain(t *testing.T) {
	r, log := newTestRegistry(t)
	mustRegister(t, r, job("p", `{}`, registry.EventSemanticsSpec{}))
	log.between = func() {
		log.between = nil
		if _, err := r.CompleteProcess(t.Context(), "p", registry.ProcessAwaitOutput{Kind: registry.OutputCancelled}, nil); err != nil {
			t.Error(err)
		}
		if report, err := r.PruneTerminalProcesses(t.Context(), ^uint64(0)); err != nil || report.PrunedProcesses != 1 {
			t.Errorf("%+v (%v)", report, err)
		}
		mustRegister(t, r, job("p", `{"type":"object"}`, registry.EventSemanticsSpec{}))
	}
	_, err := r.AppendEvent(t.Context(), "p", appendNote(`1`, ""), nil)
	wantCode(t, err, registry.CodePayloadRejected)
	page, err := r.EventsAfter(t.Context(), "p", 0, registry.PageRequest{})
	if err != nil || len(page.Items) != 0 {
		t.Errorf("%d events in the new life (%v)", len(page.Items), err)
	}
	log.between = func() {
		log.between = nil
		if _, err := r.CompleteProcess(t.Context(), "p", registry.ProcessAwaitOutput{Kind: registry.OutputCancelled}, nil); err != nil {
			t.Error(err)
		}
		if _, err := r.PruneTerminalProcesses(t.Context(), ^uint64(0)); err != nil {
			t.Error(err)
		}
	}
	_, err = r.AppendEvent(t.Context(), "p", appendNote(`{}`, ""), nil)
	wantCode(t, err, registry.CodeNotFound)
}
