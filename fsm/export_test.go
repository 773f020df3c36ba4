package fsm

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/holdfast-registry/holdfast/registry"
)

// CheckConsistency tells where the derived parts of the state disagree with
// the rows they derive from.
func (m *Machine) CheckConsistency() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state.checkConsistency()
}

// CheckChanges tells what is wrong with the changes of an entry: every revision
// that it made has one, in order, and whatever they name there was.
func CheckChanges(before uint64, result EntryResult) error {
	last := before
	for i, c := range result.Changes {
		switch {
		case c.Revision != last && c.Revision != last+1 || c.Revision == before:
			return fmt.Errorf("change %d: revision %d behind revision %d", i, c.Revision, last)
		case c.ProcessID == "" || c.Life == 0 || c.Life > c.Revision:
			return fmt.Errorf("change %d is of life %d of %q at revision %d", i, c.Life, c.ProcessID, c.Revision)
		case c.Kind < 1 || int(c.Kind) > len(registry.ChangeKinds()):
			return fmt.Errorf("change %d is of kind %d", i, c.Kind)
		case (c.Sequence > 0) != (c.Kind == registry.ChangeAppended || c.Kind == registry.ChangeEnded || c.Kind == registry.ChangeAck):
			return fmt.Errorf("change %d of kind %v has sequence %d", i, c.Kind, c.Sequence)
		}
		last = c.Revision
	}
	if last != result.Revision {
		return fmt.Errorf("the entry went from revision %d to %d, the last change is of %d", before, result.Revision, last)
	}
	return nil
}

func (s *state) checkConsistency() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	running, held, live, targeting, targets := 0, 0, 0, 0, 0
	fencings := map[uint64]string{}
	s.processes.Scan(func(id string, p *process) bool {
		r := &p.record
		if r.ID != id {
			fail("row %q holds the record of %q", id, r.ID)
		}
		if isRunning := !r.Status.State.Terminal(); isRunning != s.nonTerminal.Contains(id) {
			fail("%q: running %v, in nonTerminal %v", id, isRunning, !isRunning)
		} else if isRunning {
			running++
		}
		if _, ok := s.ended.Get(endedProcess{updatedAtMs: r.UpdatedAtMs, processID: id}); ok != r.Status.State.Terminal() {
			fail("%q: state %s, updated at %d, among the ended %v", id, r.Status.State, r.UpdatedAtMs, ok)
		}
		if _, ok := s.leaseEnds.Get(leaseEnd{endMs: p.lease.endMs, processID: id}); p.lease.held && !ok {
			fail("%q: its lease end %d is not in leaseEnds", id, p.lease.endMs)
		}
		if p.lease.held {
			held++
		}
		if s.live(p.lease) {
			live++
		}
		if target := r.WakeTarget; target != nil {
			targeting++
			if set := s.wakeTargets[target.SessionID]; set == nil || !set.Contains(id) {
				fail("%q: not among the processes that wake session %q", id, target.SessionID)
			}
		}
		if f := p.lease.fencing; f > s.Fencing {
			fail("%q: fencing %d is beyond the counter %d", id, f, s.Fencing)
		} else if other, ok := fencings[f]; f > 0 && ok {
			fail("%q and %q share the fencing token %d", id, other, f)
		}
		fencings[p.lease.fencing] = id
		if r.Revision > s.Revision || r.Life > r.Revision || r.Life == 0 {
			fail("%q: life %d, revision %d, counter %d", id, r.Life, r.Revision, s.Revision)
		}
		if r.RegistrationHash != hexHash(p.hash) {
			fail("%q: registration hash %s, binary %x", id, r.RegistrationHash, p.hash)
		}
		s.checkEvents(p, fail)
		return true
	})
	if running != s.nonTerminal.Len() {
		fail("%d running rows, nonTerminal has %d", running, s.nonTerminal.Len())
	}
	if ended := s.processes.Len() - running; ended != s.ended.Len() {
		fail("%d ended rows, ended has %d", ended, s.ended.Len())
	}
	for _, set := range s.wakeTargets {
		targets += set.Len()
	}
	if targeting != targets {
		fail("%d rows with a wake target, wakeTargets has %d", targeting, targets)
	}
	if held != s.leaseEnds.Len() {
		fail("%d held leases, leaseEnds has %d", held, s.leaseEnds.Len())
	}
	if live != s.liveLeases {
		fail("%d live leases, counted %d", live, s.liveLeases)
	}
	s.checkGrants(fail)
	s.checkSessions(fail)
	s.checkReadiness(fail)
	want := Counts{Processes: s.processes.Len(), Running: running, HeldLeases: held, LiveLeases: live}
	if got := (View{s}).Counts(); got != want {
		fail("counts %+v, there are %+v", got, want)
	}
	return errors.Join(errs...)
}

func (s *state) checkEvents(p *process, fail func(string, ...any)) {
	id := p.record.ID
	var terminal *event
	keys := 0
	for i, e := range p.events {
		if e.Sequence != uint64(i)+1 || e.ProcessID != id {
			fail("%q: event %d is event %d of %q", id, i+1, e.Sequence, e.ProcessID)
		}
		if e.OccurredAtMs > s.ClockMs || i > 0 && e.OccurredAtMs < p.events[i-1].OccurredAtMs {
			fail("%q: event %d occurred at %d, out of order", id, e.Sequence, e.OccurredAtMs)
		}
		if e.ReplayKey != "" {
			keys++
			if p.index.byReplayKey[e.ReplayKey] != e {
				fail("%q: replay key %q does not find event %d", id, e.ReplayKey, e.Sequence)
			}
		}
		if e.Semantics.Terminal != nil {
			if terminal != nil {
				fail("%q: ended by event %d and by event %d", id, terminal.Sequence, e.Sequence)
			}
			terminal = e
		}
	}
	s.checkEventIndex(p, fail)
	if keys != len(p.index.byReplayKey) {
		fail("%q: %d replay keys, the index has %d", id, keys, len(p.index.byReplayKey))
	}
	if terminal != p.terminal || (terminal != nil) != p.record.Status.State.Terminal() {
		fail("%q: state %s does not follow from its events", id, p.record.Status.State)
	}
}

// checkEventIndex makes the index of a log anew and compares.
func (s *state) checkEventIndex(p *process, fail func(string, ...any)) {
	again := new(eventIndex)
	for _, e := range p.events {
		again.add(e)
		if e.Semantics.Wake != nil && !p.acked(uint32(e.Sequence)) {
			again.wakes.Insert(uint32(e.Sequence))
		}
	}
	if !slices.Equal(again.wakes.Keys(), p.index.wakes.Keys()) {
		fail("%q: wakes %v, want %v", p.record.ID, p.index.wakes.Keys(), again.wakes.Keys())
	}
	if p.acks != nil && p.acks.Len() == 0 {
		fail("%q: an empty set of acks", p.record.ID)
	}
	if !reflect.DeepEqual(again.byType, p.index.byType) {
		fail("%q: sequences by type %v, want %v", p.record.ID, p.index.byType, again.byType)
	}
}

// checkGrants holds the grants by process and the counts of the sessions
// against the grants by scope.
func (s *state) checkGrants(fail func(string, ...any)) {
	t := &s.grants
	counts := map[string]int{}
	t.byScope.Scan(func(g *grant) bool {
		counts[g.scope.SessionID]++
		if _, ok := s.processes.Get(g.processID); !ok {
			fail("%v holds %q, which there is not", g.scope, g.processID)
		}
		if same, _ := t.byProcess.Get(g); same != g {
			fail("%v holds %q, and the process does not know", g.scope, g.processID)
		}
		return true
	})
	if t.byProcess.Len() != t.byScope.Len() {
		fail("%d grants, %d by process", t.byScope.Len(), t.byProcess.Len())
	}
	if !maps.Equal(counts, t.ofSession) {
		fail("grants of sessions %v, counted %v", counts, t.ofSession)
	}
}

// Commands are those of a batch.
func (b *Batch) Commands() []Command { return b.commands }
