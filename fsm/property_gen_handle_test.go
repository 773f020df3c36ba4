package fsm_test

import (
	"context"
	"slices"

	"pgregory.net/rapid"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// grantCall draws a grant, at times to another frame of a session that the
// process is granted to.
func (h *harness) grantCall(t *rapid.T, id string) *call {
	op := model.GrantHandle{Scope: pick(t, scopes, "scope"), ProcessID: id, Descriptor: pick(t, descriptors, "descriptor")}
	if grants := h.model.Do(model.HandleGrantsForProcess{ProcessID: id}).Grants; len(grants) > 0 && rapid.Bool().Draw(t, "another frame") {
		op.Scope = registry.SessionScope{SessionID: pick(t, grants, "grant").SessionID, AgentFrameID: pick(t, []string{"", "f", "g"}, "frame")}
	}
	return made(id, op, func(ctx context.Context, r registry.Registry) model.Answer {
		grant, err := r.GrantHandle(ctx, op.Scope, id, op.Descriptor)
		return answerOf(err, func(a *model.Answer) { a.Grants = []registry.ProcessHandleGrant{grant} })
	})
}

// revokeCall draws a revoke, mostly of a grant that is there.
func (h *harness) revokeCall(t *rapid.T, id string) *call {
	op := model.RevokeHandle{Scope: h.holder(t), ProcessID: id}
	if ids := h.granted(op.Scope); len(ids) > 0 && !sometimes(t, "any process") {
		op.ProcessID = pick(t, ids, "granted process")
	}
	return made(op.ProcessID, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return done(r.RevokeHandle(ctx, op.Scope, op.ProcessID))
	})
}

// transferCall draws a transfer of some grants, from time to time with one
// among them that is not there.
func (h *harness) transferCall(t *rapid.T, id string) *call {
	op := model.TransferHandleGrants{From: h.holder(t), To: pick(t, scopes, "to")}
	if ids := h.granted(op.From); len(ids) > 0 {
		op.ProcessIDs = slices.Clone(rapid.Permutation(ids).Draw(t, "granted"))
		op.ProcessIDs = op.ProcessIDs[rapid.IntRange(0, len(ids)).Draw(t, "left out"):]
	}
	if sometimes(t, "one more") {
		op.ProcessIDs = append(op.ProcessIDs, id)
	}
	return made("", op, func(ctx context.Context, r registry.Registry) model.Answer {
		return done(r.TransferHandleGrants(ctx, op.From, op.To, op.ProcessIDs))
	})
}

// holder draws a scope, mostly one with grants.
func (h *harness) holder(t *rapid.T) registry.SessionScope {
	var holders []registry.SessionScope
	for _, scope := range scopes {
		if len(h.granted(scope)) > 0 {
			holders = append(holders, scope)
		}
	}
	if len(holders) == 0 || rarely(t, "any scope") {
		holders = scopes
	}
	return pick(t, holders, "holder")
}

// granted are the processes that a scope holds.
func (h *harness) granted(scope registry.SessionScope) (ids []string) {
	for _, entry := range h.model.Do(model.ListHandleGrants{Scope: scope}).Entries {
		ids = append(ids, entry.Grant.ProcessID)
	}
	return ids
}

// deleteSessionCall draws a session, at times one that an ended process wakes.
func (h *harness) deleteSessionCall(t *rapid.T, _ string) *call {
	from := sessions
	for _, id := range h.ended() {
		if target := h.model.Processes[id].Registration.WakeTarget; target != nil {
			from = append([]string{target.SessionID}, from...)
		}
	}
	op := model.DeleteSessionProcessState{SessionID: pick(t, from, "session")}
	return made("", op, func(ctx context.Context, r registry.Registry) model.Answer {
		report, err := r.DeleteSessionProcessState(ctx, op.SessionID)
		return answerOf(err, func(a *model.Answer) { a.Deleted = &report })
	})
}
