package workload

import (
	"context"
	"fmt"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// How often a process that is granted is used before the next one comes, and
// among how many sessions, with and without a frame, grants go around.
const (
	grantUses    = 40
	grantScopes  = 3
	grantFrameID = "frame"
)

// change makes a call that must not be repeated. When nobody knows whether it
// happened, somebody looks: what is looked at soon leaves few ways in which
// things may have come about.
func (a *actor) change(ctx context.Context, call, look model.Op) *history.Op {
	o := a.client.Do(ctx, call)
	if o.Outcome == history.Unknown {
		a.until(ctx, look)
	}
	return o
}

func grantSession(number int) string { return fmt.Sprint("session-", number) }

// grantScope draws a scope.
func (a *actor) grantScope() registry.SessionScope {
	scope := registry.SessionScope{SessionID: grantSession(a.random.IntN(grantScopes))}
	if a.random.IntN(2) == 0 {
		scope.AgentFrameID = grantFrameID
	}
	return scope
}

// granted is a process that wakes a session, as granted ones do.
func granted(id string, at place) registry.ProcessRegistration {
	r := registration(id, "", registry.FencingOptional)
	r.WakeTarget = &registry.SessionScope{SessionID: grantSession(at.number % grantScopes)}
	return r
}

// grantTurn is one call on grants that others give, take and move too.
func (a *actor) grantTurn(ctx context.Context) {
	at := a.place("grant")
	id := a.places.use(at, grantUses)
	if !a.known(ctx, granted(id, at)) {
		return
	}
	look := model.HandleGrantsForProcess{ProcessID: id}
	switch weighted(a.random, 12, 5, 8, 2, 1, 10) {
	case 0:
		label := fmt.Sprintf("%s/%d", a.client.name, a.next())
		a.change(ctx, model.GrantHandle{Scope: a.grantScope(), ProcessID: id, Descriptor: registry.ProcessHandleDescriptor{Label: &label}}, look)
	case 1:
		a.change(ctx, model.RevokeHandle{Scope: a.grantScope(), ProcessID: id}, look)
	case 2:
		a.change(ctx, model.TransferHandleGrants{From: a.grantScope(), To: a.grantScope(), ProcessIDs: a.several(at, id)}, look)
	case 3:
		session := grantSession(a.random.IntN(grantScopes))
		a.change(ctx, model.DeleteSessionProcessState{SessionID: session}, model.ListHandleGrants{Scope: registry.SessionScope{SessionID: session}})
	case 4:
		a.change(ctx, model.CompleteProcess{ProcessID: id, Output: success(`"done"`)}, model.GetProcess{ProcessID: id})
	case 5:
		a.grantRead(ctx, id)
	}
}

// several is the process at a place, and every third time that of the next
// place with it: they move together or not at all.
func (a *actor) several(at place, id string) []string {
	if a.random.IntN(3) > 0 {
		return []string{id}
	}
	next := place{at.kind, (at.number + 1) % a.places.count}
	return []string{id, a.places.use(next, grantUses)}
}

func (a *actor) grantRead(ctx context.Context, id string) {
	switch weighted(a.random, 3, 2, 3, 2) {
	case 0:
		a.client.Do(ctx, model.HasHandleGrant{Scope: a.grantScope(), ProcessID: id})
	case 1:
		a.client.Do(ctx, model.ListHandleGrants{Scope: a.grantScope(), Live: a.random.IntN(2) == 0})
	case 2:
		a.client.Do(ctx, model.HandleGrantsForProcess{ProcessID: id})
	case 3:
		a.client.Do(ctx, model.GetProcess{ProcessID: id})
	}
}
