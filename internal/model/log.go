package model

// having answers with the events of a process that are wanted, ascending.
func (s *State) having(id string, wanted func(p *Process, e Event) bool) Answer {
	return s.on(id, func(p *Process) Answer {
		var a Answer
		for _, e := range p.Events {
			if wanted(p, e) {
				a.Events = append(a.Events, e.ProcessEvent)
			}
		}
		return a
	})
}

// EventsAfter is 5.13: the whole list.
type EventsAfter struct {
	ProcessID string
	After     uint64
}

func (op EventsAfter) step(s *State) Answer {
	return s.having(op.ProcessID, func(_ *Process, e Event) bool { return e.Sequence > op.After })
}

// RecentEvents is 5.15: the whole list.
type RecentEvents struct {
	ProcessID string
	Limit     uint64
}

func (op RecentEvents) step(s *State) Answer {
	return s.having(op.ProcessID, func(p *Process, e Event) bool {
		newer := uint64(len(p.Events)) - e.Sequence
		return newer < op.Limit
	})
}

// CountEventsThrough is 5.14.
type CountEventsThrough struct {
	ProcessID string
	EventType string
	Through   uint64
}

func (op CountEventsThrough) step(s *State) Answer {
	a := s.having(op.ProcessID, func(_ *Process, e Event) bool {
		return e.EventType == op.EventType && e.Sequence <= op.Through
	})
	a.Count, a.Events = uint64(len(a.Events)), nil
	return a
}

// WakeEventsAfter is 5.16: the whole list. What an event meant when it was
// stored counts, and who was to be woken does not.
type WakeEventsAfter struct {
	ProcessID string
	After     uint64
}

func (op WakeEventsAfter) step(s *State) Answer {
	return s.having(op.ProcessID, func(p *Process, e Event) bool {
		return e.Sequence > op.After && e.Semantics.Wake != nil && !p.Acked[e.Sequence]
	})
}

// lastSequence is the greatest that an event can have: A16 lets a process have
// 100,000 events and the four that end it.
const lastSequence = 100_004

// AckWake is 5.24. The sequence need not be that of an event, but where no event
// can ever be there is nothing to mark.
type AckWake struct {
	ProcessID string
	Sequence  uint64
}

func (op AckWake) step(s *State) Answer {
	return s.on(op.ProcessID, func(p *Process) Answer {
		if op.Sequence > 0 && op.Sequence <= lastSequence && !p.Acked[op.Sequence] {
			p.Acked[op.Sequence] = true
			s.Revision++
		}
		return Answer{}
	})
}
