package fsm

import (
	"slices"

	"github.com/holdfast-registry/holdfast/registry"
)

// applyGrantHandle follows spec 5.4. Ended processes may be granted too.
func (s *state) applyGrantHandle(c *GrantHandle) Result {
	g := c.Grant.load()
	p, ok := s.processes.Get(g.processID)
	if !ok {
		return Result{Refusal: unknownProcess(g.processID)}
	}
	if s.grants.get(g.scope, g.processID) == nil {
		session := g.scope.SessionID
		if refusal := s.grants.checkRoom(session, s.grants.ofSession[session]+1); refusal != nil {
			return Result{Refusal: refusal}
		}
	}
	// The grant shares the text of its row's id.
	g.processID = p.record.ID
	s.changed(p, registry.ChangeGrant, 0)
	s.grants.put(g)
	return Result{}
}

// applyRevokeHandle follows spec 5.5: there need be neither grant nor process.
func (s *state) applyRevokeHandle(c *RevokeHandle) Result {
	if g := s.grants.get(c.Scope.load(), c.ProcessID); g != nil {
		s.Revision++
		s.tellGrant(g)
		s.grants.remove(g)
	}
	return Result{}
}

// applyTransferHandleGrants follows spec 5.6. Everything is looked at before
// anything is moved, as if the grants were moved one by one: an id that comes
// twice is gone the second time, unless it goes to where it was.
func (s *state) applyTransferHandleGrants(c *TransferHandleGrants) Result {
	from, to := c.From.load(), c.To.load()
	moving := make([]*grant, 0, len(c.ProcessIDs))
	seen := make(map[string]bool, len(c.ProcessIDs))
	added := 0
	for _, id := range c.ProcessIDs {
		g := s.grants.get(from, id)
		if g == nil || seen[id] && from != to {
			if mutant == transfersOneByOne {
				s.moveGrants(moving, to)
			}
			return Result{Refusal: registry.Errorf(registry.CodeNotGranted, registry.Fields{ProcessID: id, SessionID: from.SessionID},
				"process handle `%s` is not granted to session `%s`", id, from.SessionID)}
		}
		seen[id] = true
		moving = append(moving, g)
		if s.grants.get(to, id) == nil {
			added++
		}
	}
	if from == to || len(moving) == 0 {
		return Result{}
	}
	if from.SessionID != to.SessionID {
		if refusal := s.grants.checkRoom(to.SessionID, s.grants.ofSession[to.SessionID]+added); refusal != nil {
			return Result{Refusal: refusal}
		}
	}
	s.moveGrants(moving, to)
	return Result{}
}

// moveGrants makes one change of moving grants to another scope.
func (s *state) moveGrants(moving []*grant, to registry.SessionScope) {
	s.Revision++
	for _, g := range moving {
		s.tellGrant(g)
		moved := *g
		moved.scope = to
		s.grants.remove(g)
		s.grants.put(&moved)
	}
}

// applyDeleteSessionProcessState follows spec 5.11. Both the grants of a session
// and the processes that wake it are bounded, so one entry is enough.
func (s *state) applyDeleteSessionProcessState(c *DeleteSessionProcessState) Result {
	report := &registry.ProcessSessionDeleteReport{SessionID: c.SessionID, OrphanedProcessIDs: []string{}, PreservedProcessIDs: []string{}}
	revoked, targeting := s.grants.session(c.SessionID), s.wakeTargetsOf(c.SessionID)
	if len(revoked) == 0 && len(targeting) == 0 {
		return Result{DeletedSession: report}
	}
	s.Revision++
	lost := make([]string, 0, len(revoked))
	for _, g := range revoked {
		s.tellGrant(g)
		s.grants.remove(g)
		lost = append(lost, g.processID)
	}
	report.RevokedHandleCount = uint64(len(revoked))
	slices.Sort(lost)
	for _, id := range slices.Compact(lost) {
		p, _ := s.processes.Get(id)
		switch {
		case p.record.Status.State.Terminal():
		case len(s.grants.process(id, 1)) == 0:
			report.OrphanedProcessIDs = append(report.OrphanedProcessIDs, id)
		default:
			report.PreservedProcessIDs = append(report.PreservedProcessIDs, id)
		}
	}
	for _, id := range targeting {
		p, _ := s.processes.Get(id)
		row := *p
		row.record.WakeTarget = nil
		row.record.UpdatedAtMs, row.record.Revision = s.ClockMs, s.Revision
		s.tell(&row, registry.ChangeWakeTarget, 0)
		s.put(p, &row)
	}
	return Result{DeletedSession: report}
}
