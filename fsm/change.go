package fsm

import "github.com/holdfast-registry/holdfast/registry"

// changed counts a change of one row and returns the revision it made. sequence
// is that of the event which the change is about, 0 without one. A change of
// several rows counts the revision once and tells of each.
func (s *state) changed(row *process, kind registry.ChangeKind, sequence uint64) uint64 {
	s.Revision++
	s.tell(row, kind, sequence)
	return s.Revision
}

// tell notes what the current revision did to a row. Nothing of it is part of
// the state: it goes out with the answer to the entry.
func (s *state) tell(row *process, kind registry.ChangeKind, sequence uint64) {
	s.changes = append(s.changes, registry.ProcessChange{
		Revision: s.Revision, ProcessID: row.record.ID, Life: row.record.Life, Kind: kind, Sequence: sequence,
	})
}

// tellGrant notes that a grant is not what it was.
func (s *state) tellGrant(g *grant) {
	// Grants are of processes that there are.
	p, _ := s.processes.Get(g.processID)
	s.tell(p, registry.ChangeGrant, 0)
}
