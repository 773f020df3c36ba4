package check

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

func judgeStreams(v *view) []Violation {
	watches, _, _ := checkWatches(v)
	feeds, _, _ := checkFeeds(v)
	return append(watches, feeds...)
}

func TestStreamsThatKeepEveryPromiseAreFoundRight(t *testing.T) {
	for _, lost := range []int{0, 5, 20} {
		t.Run(fmt.Sprintf("with %d percent of the answers lost", lost), func(t *testing.T) {
			for seed := range uint64(60) {
				for _, v := range judgeStreams(newView(simulateStreams(seed, 300, lost), whole)) {
					t.Error(v)
				}
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// TestStreamsTellWhatBecameOfUnknownOperations has the model replay histories
// with streams and without: both are sound, and streams leave fewer ways.
func TestStreamsTellWhatBecameOfUnknownOperations(t *testing.T) {
	most := func(h *history.History) (worlds int) {
		violations, checked, undecided := checkModel(newView(h, whole))
		expectNothing(t, Verdicts{{Checker: "model", Violations: violations, Undecided: undecided}})
		if _, err := fmt.Sscanf(checked[strings.LastIndex(checked, "at most"):], "at most %d worlds", &worlds); err != nil {
			t.Fatal(err)
		}
		return worlds
	}
	with, without := 0, 0
	for seed := range uint64(20) {
		// With many answers lost what is left is found by the streams alone.
		most(simulateStreams(seed, 200, 15))
		h := simulateStreams(seed, 200, 5)
		with += most(h)
		h.Streams = nil
		without += most(h)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d worlds with streams, %d without", with, without)
	if with >= without {
		t.Error("streams are no evidence")
	}
}

// pickStream returns the first stream that a function picks, nil without one. Its
// items are its own and may be changed.
func pickStream(h *history.History, pick func(s *history.Stream) bool) *history.Stream {
	for _, s := range h.Streams {
		if pick(s) {
			s.Items = slices.Clone(s.Items)
			return s
		}
	}
	return nil
}

// watchOf picks a watch of all events that brought so many.
func watchOf(h *history.History, events int) *history.Stream {
	return pickStream(h, func(s *history.Stream) bool { return s.Process != "" && !s.EndOnly && len(s.Items) >= events })
}

// changeEvent replaces an event of a stream by another one.
func changeEvent(s *history.Stream, i int, change func(e *registry.ProcessEvent)) bool {
	if s == nil {
		return false
	}
	event := *s.Items[i].Event
	change(&event)
	s.Items[i].Event = &event
	return true
}

// tellOtherwise has all feeds tell otherwise of an event that a watch brought.
func tellOtherwise(h *history.History, change func(e *registry.ProcessEvent, c *registry.ProcessChange) bool) bool {
	log := newLifelog(newView(h, whole))
	for _, s := range h.Streams {
		if s.Process == "" || len(s.Items) == 0 {
			continue
		}
		told := log.told[spot{life{s.Process, s.Items[0].Life}, s.Items[0].Event.Sequence}]
		if told == nil {
			continue
		}
		changed := *told
		if !change(s.Items[0].Event, &changed) {
			return false
		}
		for _, f := range h.Streams {
			for i := range f.Items {
				if c := f.Items[i].Change; c != nil && *c == *told {
					f.Items[i].Change = &changed
				}
			}
		}
		return true
	}
	return false
}

// brokenWatches are histories with one thing wrong in a stream of events.
var brokenWatches = []struct {
	name  string
	spoil func(h *history.History) bool
	want  Sentence
}{
	{"an event is left out", func(h *history.History) bool {
		s := watchOf(h, 3)
		if s == nil {
			return false
		}
		s.Items = slices.Delete(s.Items, 1, 2)
		return true
	}, WatchIsDense},
	{"an event comes twice", func(h *history.History) bool {
		s := watchOf(h, 2)
		if s == nil {
			return false
		}
		s.Items = slices.Insert(s.Items, 1, s.Items[0])
		return true
	}, WatchIsDense},
	{"two events change places", func(h *history.History) bool {
		s := watchOf(h, 3)
		if s == nil {
			return false
		}
		s.Items[1], s.Items[2] = s.Items[2], s.Items[1]
		return true
	}, WatchIsDense},
	{"the first event is left out", func(h *history.History) bool {
		s := watchOf(h, 2)
		if s == nil {
			return false
		}
		s.Items = s.Items[1:]
		return true
	}, WatchIsDense},
	{"an event of another process comes", func(h *history.History) bool {
		return changeEvent(watchOf(h, 1), 0, func(e *registry.ProcessEvent) { e.ProcessID += "0" })
	}, WatchIsDense},
	{"the life changes within a watch", func(h *history.History) bool {
		s := watchOf(h, 2)
		if s == nil {
			return false
		}
		s.Items[1].Life++
		return true
	}, WatchIsDense},
	{"a watch for the end gets another event", func(h *history.History) bool {
		s := watchOf(h, 1)
		if s == nil || s.Items[0].Event.Semantics.Terminal != nil {
			return false
		}
		s.EndOnly = true
		return true
	}, WatchIsDense},
	{"an event comes with the payload of another", func(h *history.History) bool {
		s := watchOf(h, 2)
		return s != nil && s.Items[0].Event.EventType == s.Items[1].Event.EventType && s.Items[0].Event.ReplayKey == s.Items[1].Event.ReplayKey &&
			changeEvent(s, 1, func(e *registry.ProcessEvent) { e.Payload = s.Items[0].Event.Payload })
	}, WatchIsLog},
	{"an event is told of as the end", func(h *history.History) bool {
		return tellOtherwise(h, func(_ *registry.ProcessEvent, c *registry.ProcessChange) bool {
			ended := c.Kind == registry.ChangeEnded
			c.Kind = registry.ChangeEnded
			return !ended
		})
	}, WatchIsLog},
	{"an event is told of at the revision of another", func(h *history.History) bool {
		return tellOtherwise(h, func(e *registry.ProcessEvent, c *registry.ProcessChange) bool {
			other := find(h, func(o *history.Op, call model.AppendEvent) bool {
				return o.Outcome == history.OK && call.Request.Replay == nil && string(call.Request.Payload) != string(e.Payload)
			})
			c.Revision = other.Info.Revision
			return true
		})
	}, WatchIsLog},
	{"an event comes with another time", func(h *history.History) bool {
		return changeEvent(watchOf(h, 1), 0, func(e *registry.ProcessEvent) { e.OccurredAtMs++ })
	}, WatchIsLog},
	{"an event comes with a payload that nobody sent", func(h *history.History) bool {
		return changeEvent(watchOf(h, 1), 0, func(e *registry.ProcessEvent) { e.Payload = registry.JSON("7") })
	}, WatchIsCommitted},
	{"an event comes with another type", func(h *history.History) bool {
		return changeEvent(watchOf(h, 1), 0, func(e *registry.ProcessEvent) { e.EventType = "other" })
	}, WatchIsCommitted},
	{"an event comes before it was sent", func(h *history.History) bool {
		s := watchOf(h, 1)
		if s == nil {
			return false
		}
		s.Items[0].AtNs = 1
		return true
	}, WatchIsCommitted},
	{"an event comes that was refused", func(h *history.History) bool {
		ends := history.EndsOf(h.Ops)
		s := pickStream(h, func(s *history.Stream) bool {
			n := len(s.Items)
			return s.Process != "" && !s.EndOnly && n > 0 && s.Items[n-1].Life == ends.Processes[s.Process].Life && ends.Behind(s) == ""
		})
		if s == nil {
			return false
		}
		refused := find(h, func(o *history.Op, call model.AppendEvent) bool {
			return o.Outcome == history.Refused && call.ProcessID == s.Process
		})
		if refused == nil {
			return false
		}
		last := s.Items[len(s.Items)-1]
		s.Items = append(s.Items, last)
		return changeEvent(s, len(s.Items)-1, func(e *registry.ProcessEvent) {
			e.Sequence, e.Payload, e.ReplayKey = e.Sequence+1, refused.Call.(model.AppendEvent).Request.Payload, ""
		})
	}, WatchIsCommitted},
	{"an event comes of a life that nobody began", func(h *history.History) bool {
		s := watchOf(h, 1)
		if s == nil || s.Life != 0 {
			return false
		}
		for i := range s.Items {
			s.Items[i].Life += 1e6
		}
		return true
	}, WatchIsCommitted},
	{"an event comes that the log does not have in the end", func(h *history.History) bool {
		ends := history.EndsOf(h.Ops)
		s := pickStream(h, func(s *history.Stream) bool {
			n := len(s.Items)
			return s.Process != "" && n > 0 && s.Items[n-1].Life == ends.Processes[s.Process].Life
		})
		if s == nil {
			return false
		}
		for _, o := range h.Ops {
			if call, reads := o.Call.(model.EventsAfter); reads && call.ProcessID == s.Process && call.After == 0 {
				o.Answer.Events = nil
			}
		}
		return true
	}, WatchIsCommitted},
	{"a watch is of a life before the present one", func(h *history.History) bool {
		log := newLifelog(newView(h, whole))
		s := pickStream(h, func(s *history.Stream) bool {
			lives := log.lives[s.Process]
			return s.Process != "" && s.Life == 0 && len(s.Items) > 0 && len(lives) > 1 && s.Items[0].Life == lives[len(lives)-2] &&
				log.shown[life{s.Process, lives[len(lives)-1]}].first != nil
		})
		if s == nil {
			return false
		}
		s.BeganNs = math.MaxInt64
		return true
	}, WatchIsFresh},
	{"a process is unknown that was registered", func(h *history.History) bool {
		s := pickStream(h, func(s *history.Stream) bool { return s.Process != "" && s.Life == 0 && len(s.Items) > 0 })
		if s == nil {
			return false
		}
		shows := find(h, func(o *history.Op, get model.GetProcess) bool {
			return get.ProcessID == s.Process && o.Outcome == history.OK && o.Answer.Record.Life == s.Items[0].Life
		})
		if shows == nil || s.BeganNs > shows.InvokeNs {
			return false
		}
		s.Items, s.LeftNs, s.Code = nil, s.BeganNs+1, registry.CodeNotFound
		return true
	}, WatchIsFresh},
	{"a watch ends although its life goes on", func(h *history.History) bool {
		log := newLifelog(newView(h, whole))
		s := pickStream(h, func(s *history.Stream) bool {
			n := len(s.Items)
			return s.Process != "" && n > 0 && s.Code == 0 && log.shown[life{s.Process, s.Items[0].Life}].last != nil &&
				log.shown[life{s.Process, s.Items[0].Life}].last.InvokeNs > s.Items[n-1].AtNs+1
		})
		if s == nil {
			return false
		}
		s.LeftNs, s.Code = s.Items[len(s.Items)-1].AtNs+1, registry.CodeLifeEnded
		return true
	}, StreamEnds},
	{"a watch ends with another error", func(h *history.History) bool {
		s := watchOf(h, 0)
		s.Code, s.Error = registry.CodeInternal, "broken"
		return true
	}, StreamEnds},
	{"a client could not take what a node sent", func(h *history.History) bool {
		h.Complaints = []history.Complaint{{Client: "w", Node: "n1", Text: "event 7 came behind event 5"}}
		return true
	}, NodesFollow},
	{"a watch goes on one event too late", resumedAt(1), StreamResumes},
	{"a watch goes on one event too early", resumedAt(-1), StreamResumes},
	{"a watch does not bring the last event", func(h *history.History) bool {
		ends := history.EndsOf(h.Ops)
		s := pickStream(h, func(s *history.Stream) bool {
			n := len(s.Items)
			return s.Process != "" && n > 0 && s.Code == 0 && s.LeftNs > h.Ops[len(h.Ops)-1].ReturnNs && s.Items[n-1].Life == ends.Processes[s.Process].Life
		})
		if s == nil {
			return false
		}
		s.Items = s.Items[:len(s.Items)-1]
		return true
	}, StreamsCatchUp},
	{"a watch brings the last event too late", func(h *history.History) bool {
		last := h.Ops[len(h.Ops)-1].ReturnNs
		s := pickStream(h, func(s *history.Stream) bool {
			return s.Process != "" && len(s.Items) > 0 && s.Code == 0 && s.LeftNs > last
		})
		if s == nil {
			return false
		}
		s.Items[len(s.Items)-1].AtNs = last + 2*catchUpBound.Nanoseconds()
		return true
	}, StreamsCatchUp},
	{"a watch of a life that was pruned does not end", func(h *history.History) bool {
		s := pickStream(h, func(s *history.Stream) bool { return s.Code == registry.CodeLifeEnded && len(s.Items) > 0 })
		if s == nil {
			return false
		}
		s.Code, s.LeftNs = 0, h.Ops[len(h.Ops)-1].ReturnNs+2*catchUpBound.Nanoseconds()
		return true
	}, StreamsCatchUp},
}

// resumedAt has a watch go on at another event than the one before had come to.
func resumedAt(off int) func(h *history.History) bool {
	return func(h *history.History) bool {
		s := pickStream(h, func(s *history.Stream) bool { return s.Process != "" && s.Resumes != nil && s.Sequence > 0 })
		if s == nil {
			return false
		}
		s.Sequence = uint64(int(s.Sequence) + off)
		return true
	}
}

func TestEveryKindOfBrokenWatchIsFound(t *testing.T) {
	for _, test := range brokenWatches {
		t.Run(test.name, func(t *testing.T) { findsBroken(t, test.spoil, test.want) })
	}
}

// findsBroken breaks one simulated history after the other until there is one
// with a place for it.
func findsBroken(t *testing.T, spoil func(h *history.History) bool, want Sentence) {
	t.Helper()
	for seed := range uint64(50) {
		h := simulateStreams(seed, 200, 3)
		if !spoil(h) {
			continue
		}
		found := judgeStreams(newView(h, whole))
		if !slices.ContainsFunc(found, func(v Violation) bool { return v.Sentence == want }) {
			t.Fatalf("seed %d: not found, but %v", seed, found)
		}
		return
	}
	t.Fatal("no history has a place for this")
}
