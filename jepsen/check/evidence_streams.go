package check

import (
	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// streamedEvidence is what streams tell of operations whose answers nobody saw:
// which change made a revision, and which event has a place in a life. It leaves
// few ways in which things may have come about. Streams that contradict each
// other, or the answers, are found elsewhere.
type streamedEvidence struct {
	changes map[uint64][]*registry.ProcessChange
	events  map[spot]*registry.ProcessEvent
}

func collectStreams(streams []*history.Stream) *streamedEvidence {
	e := &streamedEvidence{changes: make(map[uint64][]*registry.ProcessChange), events: make(map[spot]*registry.ProcessEvent)}
	from := make(map[uint64]int)
	for _, s := range streams {
		for _, item := range s.Items {
			switch {
			case item.Event != nil:
				e.events[spot{life{item.Event.ProcessID, item.Life}, item.Event.Sequence}] = item.Event
			case item.Change != nil:
				// Several feeds bring the same: one of them says it all.
				at := item.Change.Revision
				if by, known := from[at]; !known || by == s.Index {
					from[at] = s.Index
					e.changes[at] = append(e.changes[at], item.Change)
				}
			}
		}
	}
	return e
}

// mayMake tells whether an operation can have made a revision.
func (e *streamedEvidence) mayMake(o *history.Op, revision uint64) bool {
	for _, c := range e.changes[revision] {
		if !explains(o, c) {
			return false
		}
	}
	return true
}

// tells tells whether a feed brought what made a revision.
func (e *streamedEvidence) tells(revision uint64) bool { return len(e.changes[revision]) > 0 }

// mayWrite tells whether an event that an operation has written is the one that
// came in its place.
func (e *streamedEvidence) mayWrite(s *model.State, event *registry.ProcessEvent) bool {
	p := s.Processes[event.ProcessID]
	if p == nil {
		return true
	}
	came := e.events[spot{life{event.ProcessID, p.Life}, event.Sequence}]
	return came == nil || sameEvent(came, event)
}
