package check

import (
	"slices"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
)

// TestWhatOutlivesAPruneIsFound puts something of one life into a later one.
func TestWhatOutlivesAPruneIsFound(t *testing.T) {
	for name, spoil := range map[string]func(h *history.History, of func(id string, at uint64) bool) bool{
		"an event": func(h *history.History, old func(string, uint64) bool) bool {
			for _, o := range h.Ops {
				call, reads := o.Call.(model.EventsAfter)
				if !reads || len(o.Answer.Events) == 0 {
					continue
				}
				by := find(h, func(a *history.Op, append model.AppendEvent) bool {
					return a.Outcome == history.OK && append.ProcessID == call.ProcessID && a.Info.Revision < o.Info.Revision && old(call.ProcessID, a.Info.Revision)
				})
				if by != nil && by.Info.Revision < o.Info.Revision {
					o.Answer.Events = append(slices.Clone(o.Answer.Events), *by.Answer.Event)
					return true
				}
			}
			return false
		},
		"a lease": func(h *history.History, old func(string, uint64) bool) bool {
			o := h.Ops[len(h.Ops)-1]
			for _, o = range slices.Backward(h.Ops) {
				if call, reads := o.Call.(model.GetProcessLease); reads {
					by := find(h, func(a *history.Op, claim model.ClaimProcessLease) bool {
						return grants(a) != nil && claim.ProcessID == call.ProcessID && old(call.ProcessID, a.Info.Revision)
					})
					if by != nil {
						o.Answer.Lease = by.Answer.Lease
						return true
					}
				}
			}
			return false
		},
		"a record": func(h *history.History, old func(string, uint64) bool) bool {
			for _, o := range slices.Backward(h.Ops) {
				if call, reads := o.Call.(model.GetProcess); reads && o.Outcome == history.OK {
					by := find(h, func(a *history.Op, get model.GetProcess) bool {
						return a.Outcome == history.OK && get.ProcessID == call.ProcessID && a.Answer.Record.Life < o.Answer.Record.Life
					})
					if by != nil {
						o.Answer.Record = by.Answer.Record
						return true
					}
				}
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(50) {
				h := simulateLives(seed, 250, 0)
				latest := make(map[string]uint64)
				for _, o := range h.Ops {
					if r := o.Answer.Record; r != nil {
						latest[r.ID] = max(latest[r.ID], r.Life)
					}
				}
				if !spoil(h, func(id string, at uint64) bool { return at < latest[id] }) {
					continue
				}
				if violations, _, _ := checkLives(newView(h, whole)); len(violations) > 0 && violations[0].Sentence == LivesAreApart {
					return
				}
			}
			t.Fatal("no history in which it was found")
		})
	}
}
