package history

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// Ends are how everything was when it was read last: what streams have to come
// to when nothing is written any more.
type Ends struct {
	Processes map[string]ProcessEnd
	// Revision is the greatest that any answer told.
	Revision uint64
}

// ProcessEnd is how one process was read last.
type ProcessEnd struct {
	// Life is 0 for a process that there is not.
	Life uint64
	// Log is the whole of the log.
	Log []registry.ProcessEvent
	// Record and Read are the operations that read the two.
	Record, Read *Op
}

// EndsOf takes the ends from the operations of a run.
func EndsOf(ops []*Op) Ends {
	e := Ends{Processes: make(map[string]ProcessEnd)}
	for _, o := range ops {
		if !o.Judged() {
			continue
		}
		e.Revision = max(e.Revision, o.Info.Revision)
		switch call := o.Call.(type) {
		case model.GetProcess:
			end := e.Processes[call.ProcessID]
			if end.Record == nil || o.InvokeNs > end.Record.InvokeNs {
				end.Record, end.Life = o, 0
				if o.Outcome == OK {
					end.Life = o.Answer.Record.Life
				}
				e.Processes[call.ProcessID] = end
			}
		case model.EventsAfter:
			end := e.Processes[call.ProcessID]
			if call.After == 0 && (end.Read == nil || o.InvokeNs > end.Read.InvokeNs) {
				end.Read, end.Log = o, o.Answer.Events
				e.Processes[call.ProcessID] = end
			}
		}
	}
	return e
}

// Behind says what a stream that the cluster has not ended has yet to bring,
// nothing when that is nothing.
func (e Ends) Behind(s *Stream) string {
	if s.Process == "" {
		if last := s.Revision(); last < e.Revision {
			return fmt.Sprintf("it has come to revision %d of %d", last, e.Revision)
		}
		return ""
	}
	end, life, last := e.Processes[s.Process], s.Life, s.Sequence
	if n := len(s.Items); n > 0 {
		life, last = s.Items[n-1].Life, s.Items[n-1].Event.Sequence
	}
	if end.Record == nil || end.Read == nil {
		return ""
	}
	if end.Life == 0 || life != 0 && life != end.Life {
		return fmt.Sprintf("it goes on in life %d, and the last is %d", life, end.Life)
	}
	for i := len(end.Log) - 1; i >= 0 && end.Log[i].Sequence > last; i-- {
		if !s.EndOnly || end.Log[i].Semantics.Terminal != nil {
			return fmt.Sprintf("it has come to event %d, the log has event %d", last, end.Log[i].Sequence)
		}
	}
	return ""
}

// Revision is how far a feed has come, 0 where that is not known before it began.
func (s *Stream) Revision() uint64 {
	text := s.Cursor
	if n := len(s.Items); n > 0 {
		if change := s.Items[n-1].Change; change != nil {
			return change.Revision
		}
		text = s.Items[n-1].Cursor
	}
	cursor, err := registry.ParseChangeCursor(text)
	if err != nil {
		return 0
	}
	return cursor.Revision
}

// Ends are the ends by what was read so far.
func (r *Recorder) Ends() Ends {
	r.mu.Lock()
	defer r.mu.Unlock()
	return EndsOf(r.history.Ops)
}

// AllCaughtUp tells whether no stream that goes on has anything yet to bring.
func (r *Recorder) AllCaughtUp(e Ends) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.history.Streams {
		if !s.Over() && e.Behind(s) != "" {
			return false
		}
	}
	return true
}
