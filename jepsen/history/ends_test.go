package history

import (
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestWhatAStreamHasYetToBring has a process whose second life has two events, of
// which the second ended it, and one that was pruned.
func TestWhatAStreamHasYetToBring(t *testing.T) {
	answered := func(call model.Op, atNs int64, answer model.Answer) *Op {
		o := &Op{Call: call, InvokeNs: atNs, ReturnNs: atNs + 1, Outcome: OK, Answer: answer, Info: registry.AnswerInfo{Revision: 9, Term: 1}}
		if answer.Code != 0 {
			o.Outcome = Refused
		}
		return o
	}
	log := []registry.ProcessEvent{{ProcessID: "p", Sequence: 1}, {ProcessID: "p", Sequence: 2, Semantics: registry.EventSemantics{Terminal: &registry.EventTerminal{}}}}
	ends := EndsOf([]*Op{
		answered(model.EventsAfter{ProcessID: "p"}, 4, model.Answer{Events: log}),
		answered(model.GetProcess{ProcessID: "p"}, 3, model.Answer{Record: &registry.ProcessRecord{ID: "p", Life: 5}}),
		answered(model.GetProcess{ProcessID: "p"}, 1, model.Answer{Record: &registry.ProcessRecord{ID: "p", Life: 2}}),
		answered(model.EventsAfter{ProcessID: "p"}, 2, model.Answer{}),
		answered(model.GetProcess{ProcessID: "gone"}, 3, model.Answer{Code: registry.CodeNotFound}),
		answered(model.EventsAfter{ProcessID: "gone"}, 4, model.Answer{}),
	})
	event := func(life uint64, i int) []Item { return []Item{{Life: life, Event: &log[i]}} }
	feed := func(revision uint64) []Item {
		return []Item{{Cursor: "c.0.7"}, {Change: &registry.ProcessChange{Revision: revision}}}
	}
	for _, test := range []struct {
		name   string
		stream Stream
		behind bool
	}{
		{"nothing has come", Stream{Follow: Follow{Process: "p"}}, true},
		{"the last event is missing", Stream{Follow: Follow{Process: "p"}, Items: event(5, 0)}, true},
		{"all has come", Stream{Follow: Follow{Process: "p"}, Items: event(5, 1)}, false},
		{"all was there before", Stream{Follow: Follow{Process: "p", Life: 5, Sequence: 2}}, false},
		{"the cursor is ahead", Stream{Follow: Follow{Process: "p", Life: 5, Sequence: 7}}, false},
		{"the end has not come", Stream{Follow: Follow{Process: "p", EndOnly: true}}, true},
		{"the end alone has come", Stream{Follow: Follow{Process: "p", EndOnly: true}, Items: event(5, 1)}, false},
		{"the life is over", Stream{Follow: Follow{Process: "p", Life: 2, Sequence: 2}}, true},
		{"the process is gone", Stream{Follow: Follow{Process: "gone"}}, true},
		{"nobody read the process", Stream{Follow: Follow{Process: "other"}}, false},
		{"a feed has not begun", Stream{}, true},
		{"a feed lacks the last revision", Stream{Items: feed(8)}, true},
		{"a feed has all", Stream{Items: feed(9)}, false},
		{"a feed begins at the end", Stream{Items: []Item{{Cursor: "c.0.9"}}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if behind := ends.Behind(&test.stream); (behind != "") != test.behind {
				t.Errorf("behind: %q", behind)
			}
		})
	}
}
