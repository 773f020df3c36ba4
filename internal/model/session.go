package model

import (
	"maps"
	"reflect"

	"github.com/holdfast-registry/holdfast/registry"
)

// Session is a client session: what its writes were answered. A9.
type Session struct {
	Floor uint64
	// EndMs is on lease time.
	EndMs   uint64
	Answers map[uint64]kept
}

// kept is a write and its answer.
type kept struct {
	op     Op
	answer Answer
}

// sessionMs is how long a session lives after its last write.
const sessionMs = 15 * 60 * 1000

// session is a session that has not ended, or nil.
func (s *State) session(id string) *Session {
	if session := s.Sessions[id]; session != nil && session.EndMs > s.LeaseTimeMs {
		return session
	}
	return nil
}

func (session *Session) clone() *Session {
	row := *session
	row.Answers = maps.Clone(session.Answers)
	return &row
}

// OpenSession is A9. ID is what the implementation drew.
type OpenSession struct{ ID string }

func (op OpenSession) step(s *State) Answer {
	s.Sessions[op.ID] = &Session{Floor: 1, EndMs: s.LeaseTimeMs + sessionMs, Answers: map[uint64]kept{}}
	return Answer{Session: op.ID}
}

// CloseSession is A9.
type CloseSession struct{ ID string }

func (op CloseSession) step(s *State) Answer {
	delete(s.Sessions, op.ID)
	return Answer{}
}

// Stamped is a write of a session. A9. How many answers a session may keep is
// not modelled.
type Stamped struct {
	Session         string
	Sequence, Floor uint64
	Op              Op
}

func (op Stamped) step(s *State) Answer {
	if a, ok := s.Admit(op); !ok {
		return a
	}
	answer := s.Do(op.Op)
	answer.Revision = s.Revision
	session := s.session(op.Session)
	session.EndMs = s.LeaseTimeMs + sessionMs
	session.Answers[op.Sequence] = kept{op.Op, answer}
	if _, settles := op.Op.(SettleWrite); settles {
		return Answer{Outcome: &Outcome{}}
	}
	return answer
}

// Admit looks at a write's stamp. True means that the write is to be applied,
// false that it has this answer already.
func (s *State) Admit(op Stamped) (Answer, bool) {
	session := s.session(op.Session)
	if session == nil || op.Sequence < session.Floor {
		return Answer{Code: registry.CodeSessionExpired}, false
	}
	if known, ok := session.Answers[op.Sequence]; ok {
		return s.again(known, op.Op), false
	}
	session.Floor = max(session.Floor, op.Floor)
	maps.DeleteFunc(session.Answers, func(sequence uint64, _ kept) bool { return sequence < session.Floor })
	return Answer{}, true
}

// Answered tells that a write of a session would not be applied.
func (s *State) Answered(id string, sequence uint64) bool {
	session := s.session(id)
	if session == nil {
		return true
	}
	_, ok := session.Answers[sequence]
	return ok || sequence < session.Floor
}

// again is what a repeat of a write is answered, or who settles it.
func (s *State) again(known kept, op Op) Answer {
	_, settled := known.op.(SettleWrite)
	_, settles := op.(SettleWrite)
	switch {
	case settles && settled:
		return Answer{Outcome: &Outcome{}, Again: true, Revision: known.answer.Revision}
	case settles:
		outcome := Outcome{Done: true, Refusal: known.answer.Code, Revision: known.answer.Revision}
		return Answer{Outcome: &outcome, Again: true, Revision: known.answer.Revision}
	case settled:
		return Answer{Code: registry.CodeSessionExpired, Again: true, Revision: known.answer.Revision}
	case reflect.TypeOf(op) != reflect.TypeOf(known.op):
		return Answer{Code: registry.CodeInvalidArgument}
	}
	a := s.reread(known.op, known.answer)
	a.Again, a.Revision = true, known.answer.Revision
	return a
}

// reread puts the records into an answer as they are now.
func (s *State) reread(op Op, a Answer) Answer {
	if batch, ok := op.(Batch); ok {
		answers := a.Batch
		a.Batch = nil
		for i, answer := range answers {
			answer = s.reread(batch.Ops[i], answer)
			if answer.Code != 0 {
				return answer
			}
			a.Batch = append(a.Batch, answer)
		}
		return a
	}
	switch {
	case a.Record != nil:
		p := s.Processes[a.Record.ID]
		if p == nil || p.Life != a.Record.Life {
			return refuse(registry.CodeLifeEnded, a.Record.ID)
		}
		a.Record = p.answer().Record
	case a.Event != nil:
		// A later life began after the answer was given.
		if p := s.Processes[a.Event.ProcessID]; p == nil || p.Life > a.Revision {
			return refuse(registry.CodeLifeEnded, a.Event.ProcessID)
		}
	}
	var claims []registry.ClaimedProcess
	for _, c := range a.Claims {
		// Of what was pruned the record is gone, and the lease with it.
		if p := s.Processes[c.Record.ID]; p != nil && p.Life == c.Record.Life {
			c.Record = *p.answer().Record
			claims = append(claims, c)
		}
	}
	a.Claims = claims
	return a
}

// SettleWrite is A9: the Op of a Stamped that asks what became of a write. It
// takes the place of one that was not done.
type SettleWrite struct{}

func (SettleWrite) step(*State) Answer { return Answer{} }

// Outcome is what became of a write: registry.WriteOutcome, with the code of
// its refusal.
type Outcome struct {
	Done     bool
	Refusal  registry.Code
	Revision uint64
}
