package fsm

import "slices"

// undoLog takes the changes of a batch back when one of its operations is
// refused. Rows and tables are changed in few places, and each of them leaves
// the way back here while a batch is being applied.
type undoLog struct {
	active bool
	steps  []func()
}

// note leaves a step back. It is called while active only: a step costs an
// allocation.
func (u *undoLog) note(step func()) { u.steps = append(u.steps, step) }

// mark is where the parts of a state stand that are not rows.
type mark struct {
	counters counters
	changes  int
	gained   int
}

// beginBatch makes everything that follows take-backable.
func (s *state) beginBatch() mark {
	s.undo.active = true
	return mark{counters: s.counters, changes: len(s.changes), gained: len(s.readiness.gained)}
}

// endBatch keeps what was done.
func (s *state) endBatch() { *s.undo = undoLog{} }

// rollBack takes back what was done since the batch began. A revision or a
// fencing token that an operation took is given to the next command, since
// nobody was told of it.
func (s *state) rollBack(m mark) {
	steps := s.undo.steps
	*s.undo = undoLog{}
	for _, step := range slices.Backward(steps) {
		step()
	}
	s.counters = m.counters
	s.changes = s.changes[:m.changes]
	s.readiness.gained = s.readiness.gained[:m.gained]
}

// takeBack undoes put.
func (s *state) takeBack(old, row *process) {
	if old != nil {
		s.put(row, old)
		return
	}
	s.processes.Delete(row.record.ID)
	s.reindex(row, nil)
}
