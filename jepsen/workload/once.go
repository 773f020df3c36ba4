package workload

import (
	"context"
	"fmt"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// How long the processes of the workload once are used, and around how many
// scopes a handle goes.
const (
	onceUses   = 60
	onceScopes = 4
)

// handle is a grant that one client alone moves, so that it can only be where
// that client's transfers have brought it.
type handle struct {
	process string
	scope   int
}

func (a *actor) onceScope(number int) registry.SessionScope {
	return registry.SessionScope{SessionID: fmt.Sprintf("%s-%d", a.client.name, number%onceScopes)}
}

// onceTurn makes writes that would do something else if they were done twice:
// appends without a replay key to a log that others write to, transfers of a
// handle that nobody else moves, and claims.
func (a *actor) onceTurn(ctx context.Context) {
	switch weighted(a.random, 6, 6, 2) {
	case 0:
		id := a.places.use(a.place("once"), onceUses)
		if a.register(ctx, id, registry.FencingOptional) {
			a.change(ctx, a.entry(id, nil), model.EventsAfter{ProcessID: id})
		}
	case 1:
		a.moveHandle(ctx)
	case 2:
		a.claimOnce(ctx)
	}
}

// entry is an append without a replay key, of an event that differs from all
// others.
func (a *actor) entry(id string, fence *registry.Fence) model.AppendEvent {
	return model.AppendEvent{ProcessID: id, Fence: fence, Request: registry.ProcessEventAppendRequest{
		EventType: eventType, Payload: registry.JSON(fmt.Sprintf(`{"by":%q,"count":%d}`, a.client.name, a.next())),
	}}
}

// moveHandle moves the own handle one scope on. Where nobody knows whether it
// moved, the client looks for it.
func (a *actor) moveHandle(ctx context.Context) {
	if a.handle == nil {
		id := "handle-" + a.client.name
		if !a.register(ctx, id, registry.FencingOptional) {
			return
		}
		o := a.until(ctx, model.GrantHandle{Scope: a.onceScope(0), ProcessID: id})
		if o.Outcome == history.OK {
			a.handle = &handle{process: id}
		}
		return
	}
	h := a.handle
	call := model.TransferHandleGrants{From: a.onceScope(h.scope), To: a.onceScope(h.scope + 1), ProcessIDs: []string{h.process}}
	o := a.client.Do(ctx, call)
	if o.Outcome == history.OK {
		h.scope++
		return
	}
	look := a.until(ctx, model.HasHandleGrant{Scope: call.To, ProcessID: h.process})
	if look.Answer.Has {
		h.scope++
	}
}

// claimOnce claims under an incarnation that nobody has used, appends under the
// fence, and releases.
func (a *actor) claimOnce(ctx context.Context) {
	id := a.places.use(a.place("once"), onceUses)
	if !a.register(ctx, id, registry.FencingOptional) {
		return
	}
	if lease, _ := a.claim(ctx, id, a.ttlMs()); lease != nil {
		a.change(ctx, a.entry(id, lease.Fence()), model.EventsAfter{ProcessID: id})
		a.release(ctx, lease)
	}
}
