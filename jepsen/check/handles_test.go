package check

import (
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestAHandleThatMovesTwiceIsFound has one client that moves a handle from a to
// b and on, as it was told.
func TestAHandleThatMovesTwiceIsFound(t *testing.T) {
	scope := func(name string) registry.SessionScope { return registry.SessionScope{SessionID: name} }
	grant := func(to string) model.Op { return model.GrantHandle{Scope: scope(to), ProcessID: "p"} }
	move := func(from, to string) model.Op {
		return model.TransferHandleGrants{From: scope(from), To: scope(to), ProcessIDs: []string{"p"}}
	}
	look := func(at string) model.Op { return model.HasHandleGrant{Scope: scope(at), ProcessID: "p"} }
	type told struct {
		call    model.Op
		outcome history.Outcome
		answer  model.Answer
	}
	ok, unknown := model.Answer{}, model.Answer{Code: registry.CodeOutcomeUnknown}
	notGranted, here := model.Answer{Code: registry.CodeNotGranted}, model.Answer{Has: true}
	for _, test := range []struct {
		name  string
		calls []told
		found bool
	}{
		{"it moves once each time", []told{{move("a", "b"), history.OK, ok}, {look("b"), history.OK, here}, {move("b", "c"), history.OK, ok}}, false},
		{"a second try of an acked transfer finds nothing to move", []told{{move("a", "b"), history.Refused, notGranted}}, true},
		{"it is not where it was moved to", []told{{move("a", "b"), history.OK, ok}, {look("b"), history.OK, ok}}, true},
		{"it is where it was moved from", []told{{move("a", "b"), history.OK, ok}, {look("a"), history.OK, here}}, true},
		{"it is moved from where it is not", []told{{move("a", "b"), history.OK, ok}, {move("a", "c"), history.OK, ok}}, true},
		{"a transfer of unknown outcome happened", []told{{move("a", "b"), history.Unknown, unknown}, {look("b"), history.OK, here}, {move("b", "c"), history.OK, ok}}, false},
		{"one did not happen", []told{{move("a", "b"), history.Unknown, unknown}, {look("b"), history.OK, ok}, {move("a", "b"), history.OK, ok}}, false},
		{"one happens late", []told{{move("a", "b"), history.Unknown, unknown}, {look("a"), history.OK, here}, {move("a", "c"), history.Refused, notGranted}, {look("b"), history.OK, here}}, false},
		{"one happened elsewhere", []told{{move("a", "b"), history.Unknown, unknown}, {look("c"), history.OK, here}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var ops []*history.Op
			for i, c := range append([]told{{grant("a"), history.OK, ok}}, test.calls...) {
				ops = append(ops, &history.Op{
					Index: i, Client: "c", Call: c.call, InvokeNs: int64(i * 10), ReturnNs: int64(i*10 + 5), Outcome: c.outcome, Answer: c.answer,
					Info: registry.AnswerInfo{Revision: uint64(i + 1), Term: 1},
				})
			}
			violations, checked, _ := checkHandles(newView(&history.History{Ops: ops}, Options{}))
			if found := len(violations) == 1 && violations[0].Sentence == MovedOnce; found != test.found || len(violations) > 1 {
				t.Errorf("found %v (%s)", violations, checked)
			}
			// Where another client moves it too, nothing follows.
			ops = append(ops, &history.Op{Index: len(ops), Client: "d", Call: move("a", "b"), Outcome: history.Unknown})
			if violations, _, _ := checkHandles(newView(&history.History{Ops: ops}, Options{})); len(violations) > 0 {
				t.Errorf("with another client: found %v", violations)
			}
		})
	}
}
