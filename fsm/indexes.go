package fsm

import "github.com/tidwall/btree"

// leaseEnd orders held leases by when they end.
type leaseEnd struct {
	endMs     uint64
	processID string
}

// endedProcess orders the processes that have ended by when they were last
// updated.
type endedProcess struct {
	updatedAtMs uint64
	processID   string
}

// wakeTarget is a process and the session that its wakes go to.
type wakeTarget struct {
	sessionID string
	processID string
}

// setWakeTarget moves a process from one target session to another.
func (s *state) setWakeTarget(before, after wakeTarget) {
	if before != (wakeTarget{}) {
		targets := s.wakeTargets[before.sessionID]
		targets.Delete(before.processID)
		if targets.Len() == 0 {
			delete(s.wakeTargets, before.sessionID)
		}
	}
	if after != (wakeTarget{}) {
		targets := s.wakeTargets[after.sessionID]
		if targets == nil {
			targets = new(btree.Set[string])
			s.wakeTargets[after.sessionID] = targets
		}
		targets.Insert(after.processID)
	}
}

// wakeTargetsOf returns the processes whose wakes go to a session, ascending.
func (s *state) wakeTargetsOf(sessionID string) []string {
	if targets := s.wakeTargets[sessionID]; targets != nil {
		return targets.Keys()
	}
	return nil
}

// put stores a new version of a row. old is the version it replaces, nil for a
// new row.
func (s *state) put(old, row *process) {
	s.processes.Set(row.record.ID, row)
	s.reindex(old, row)
	if s.undo.active {
		s.undo.note(func() { s.takeBack(old, row) })
	}
}

// remove takes a row out with all that hangs on it, and returns how many
// grants that were.
func (s *state) remove(row *process) (grants int) {
	s.processes.Delete(row.record.ID)
	s.reindex(row, nil)
	revoked := s.grants.process(row.record.ID, s.grants.byProcess.Len())
	for _, g := range revoked {
		s.grants.remove(g)
	}
	return len(revoked)
}

// reindex brings the indexes from one version of a row to another; nil is no
// row. It is the only place where rows move in them.
func (s *state) reindex(old, row *process) {
	s.indexReady(old, row)
	var before, after indexed
	if old != nil {
		before = old.indexed()
	}
	if row != nil {
		after = row.indexed()
	}
	if before.running != after.running {
		if before.running != "" {
			s.nonTerminal.Delete(before.running)
		}
		if after.running != "" {
			s.nonTerminal.Insert(after.running)
		}
	}
	if before.ended != after.ended {
		if before.ended != (endedProcess{}) {
			s.ended.Delete(before.ended)
		}
		if after.ended != (endedProcess{}) {
			s.ended.Set(after.ended)
		}
	}
	if before.target != after.target {
		s.setWakeTarget(before.target, after.target)
	}
	if before.lease != after.lease {
		if before.lease != (leaseEnd{}) {
			s.leaseEnds.Delete(before.lease)
			s.liveLeases -= s.countLive(before.lease)
		}
		if after.lease != (leaseEnd{}) {
			s.leaseEnds.Set(after.lease)
			s.liveLeases += s.countLive(after.lease)
		}
	}
}

// indexed is where a row is found in the indexes: a zero field means nowhere.
type indexed struct {
	running string
	ended   endedProcess
	target  wakeTarget
	lease   leaseEnd
}

func (p *process) indexed() (x indexed) {
	id := p.record.ID
	if p.record.Status.State.Terminal() {
		x.ended = endedProcess{updatedAtMs: p.record.UpdatedAtMs, processID: id}
	} else {
		x.running = id
	}
	if p.record.WakeTarget != nil {
		x.target = wakeTarget{sessionID: p.record.WakeTarget.SessionID, processID: id}
	}
	if p.lease.held {
		x.lease = leaseEnd{endMs: p.lease.endMs, processID: id}
	}
	return x
}

// countLive is 1 for a lease that is not over, else 0.
func (s *state) countLive(end leaseEnd) int {
	if end.endMs > s.LeaseTimeMs {
		return 1
	}
	return 0
}
