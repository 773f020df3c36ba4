package check

import (
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// checkHandles judges, without the model and without revisions, the grants of
// processes that one client alone grants and moves: where they are follows from
// what that client was told, one call after the other.
func checkHandles(v *view) (violations []Violation, checked, _ string) {
	ops, deleted := make(map[string][]*history.Op), make(map[string]bool)
	for _, o := range v.Ops { // in the order of their calls
		for _, id := range movedBy(o.Call) {
			ops[id] = append(ops[id], o)
		}
		if call, deletes := o.Call.(model.DeleteSessionProcessState); deletes {
			deleted[call.SessionID] = true
		}
	}
	handles, moves := 0, 0
	for _, id := range slices.Sorted(maps.Keys(ops)) {
		if !movesAlone(ops[id], deleted) {
			continue
		}
		handles++
		h := new(handle)
		for _, o := range ops[id] {
			before := slices.Collect(maps.Keys(h.at))
			if wrong := h.step(o); wrong != "" {
				violations = append(violations, violated(MovedOnce, "%s %s: by all that its client was told it can only be in %v",
					describe(o), wrong, before).about(o))
				break
			}
		}
		moves += h.moves
	}
	return violations, fmt.Sprintf("%d transfers of %d handles that one client moves", moves, handles), ""
}

// movedBy are the processes whose grants a call writes or looks for.
func movedBy(call model.Op) []string {
	switch op := call.(type) {
	case model.TransferHandleGrants:
		return op.ProcessIDs
	case model.GrantHandle, model.RevokeHandle, model.HasHandleGrant:
		id, _ := processOf(op)
		return []string{id}
	}
	return nil
}

// movesAlone tells whether it is one client that works on a handle, whose calls
// follow each other: one grant that was acked, then transfers of this handle
// alone. deleted are the sessions whose grants somebody may have deleted.
func movesAlone(ops []*history.Op, deleted map[string]bool) bool {
	moves := false
	for i, o := range ops {
		if o.Client != ops[0].Client || (i > 0 && o.InvokeNs < ops[i-1].ReturnNs) {
			return false
		}
		switch call := o.Call.(type) {
		case model.TransferHandleGrants:
			if i == 0 || len(call.ProcessIDs) > 1 || call.From == call.To || deleted[call.From.SessionID] || deleted[call.To.SessionID] {
				return false
			}
			moves = true
		case model.GrantHandle:
			if i > 0 || o.Outcome != history.OK {
				return false
			}
		case model.RevokeHandle:
			return false
		}
	}
	_, granted := ops[0].Call.(model.GrantHandle)
	return granted && moves
}

// handle is what is known of where a handle is.
type handle struct {
	// at are the scopes in which it may be.
	at map[registry.SessionScope]bool
	// late are the transfers of unknown outcome, which may yet happen.
	late  []model.TransferHandleGrants
	moves int
}

// is takes note of where the handle was just now.
func (h *handle) is(scope registry.SessionScope) {
	h.at = map[registry.SessionScope]bool{scope: true}
	h.spread()
}

// spread adds where late transfers may have brought the handle.
func (h *handle) spread() {
	for range h.late {
		for _, call := range h.late {
			if h.at[call.From] {
				h.at[call.To] = true
			}
		}
	}
}

func (h *handle) onlyIn(scope registry.SessionScope) bool { return len(h.at) == 1 && h.at[scope] }

// step takes in one call of the client. It answers what is wrong with it, if
// something is.
func (h *handle) step(o *history.Op) string {
	switch call := o.Call.(type) {
	case model.GrantHandle:
		h.is(call.Scope)
	case model.TransferHandleGrants:
		switch {
		case o.Outcome == history.Unknown:
			h.late = append(h.late, call)
			h.spread()
		case o.Outcome == history.OK && !h.at[call.From]:
			return "moved the handle from where it is not"
		case o.Outcome == history.OK:
			h.moves++
			h.is(call.To)
		case o.Answer.Code == registry.CodeNotGranted && h.onlyIn(call.From):
			return "did not find the handle"
		}
	case model.HasHandleGrant:
		switch {
		case o.Outcome == history.OK && o.Answer.Has && !h.at[call.Scope]:
			return "found the handle where it is not"
		case o.Outcome == history.OK && o.Answer.Has:
			h.is(call.Scope)
		case o.Outcome == history.OK && h.onlyIn(call.Scope):
			return "did not find the handle"
		}
	}
	return ""
}
