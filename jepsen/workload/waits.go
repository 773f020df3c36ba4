package workload

import (
	"context"
	"fmt"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// waitUses is how often a process that waits is used before the next one comes.
const waitUses = 40

// waitTurn is one call, or the life of an owner for three calls, on a process
// that others start, make wait and ask to abandon too.
func (a *actor) waitTurn(ctx context.Context) {
	at := a.place("wait")
	id := a.places.use(at, waitUses)
	if !a.register(ctx, id, registry.FencingOptional) {
		return
	}
	look := model.GetProcess{ProcessID: id}
	switch weighted(a.random, 12, 8, 2, 4, 3, 8, 2, 4, 1) {
	case 0:
		a.change(ctx, a.wait(id, nil), look)
	case 1:
		a.change(ctx, model.ClearProcessWait{ProcessID: id}, look)
	case 2:
		request := registry.AbandonRequest{RequestedBy: a.client.name, RequestedAtMs: uint64(a.next())}
		a.change(ctx, model.RequestProcessAbandon{ProcessID: id, Request: request}, look)
	case 3:
		owner := registry.LeaseOwnerIdentity{OwnerID: a.client.name, IncarnationID: fmt.Sprint(a.next())}
		a.change(ctx, model.RecordFirstStarted{ProcessID: id, Started: registry.ProcessStarted{Owner: owner, StartedAtMs: uint64(a.count)}}, look)
	case 4:
		ref := registry.ProcessExternalRef{Backend: "elsewhere", ID: fmt.Sprint(a.random.IntN(2))}
		a.change(ctx, model.SetExternalRef{ProcessID: id, Ref: ref}, look)
	case 5:
		a.client.Do(ctx, look)
	case 6:
		waiting := a.random.IntN(2) == 0
		a.client.Do(ctx, model.ListProcesses{Filter: registry.ProcessListFilter{Waiting: &waiting}})
	case 7:
		a.waitUnderLease(ctx, id)
	case 8:
		a.change(ctx, model.CompleteProcess{ProcessID: id, Output: success(`"done"`)}, look)
	}
}

// wait is a wait that differs from all others.
func (a *actor) wait(id string, fence *registry.Fence) model.SetProcessWait {
	name := fmt.Sprintf("%s/%d", a.client.name, a.next())
	return model.SetProcessWait{ProcessID: id, Fence: fence, Wait: registry.WaitState{Kind: registry.WaitSignal, Name: name, EventType: eventType, SinceMs: uint64(a.count)}}
}

// waitUnderLease waits and goes on as an owner, who may have been superseded in
// between, and tries once more after the end.
func (a *actor) waitUnderLease(ctx context.Context, id string) {
	lease, _ := a.claim(ctx, id, a.ttlMs())
	if lease == nil {
		return
	}
	look := model.GetProcess{ProcessID: id}
	a.change(ctx, a.wait(id, lease.Fence()), look)
	a.change(ctx, model.ClearProcessWait{ProcessID: id, Fence: lease.Fence()}, look)
	a.release(ctx, lease)
	if a.random.IntN(2) == 0 {
		a.change(ctx, a.wait(id, lease.Fence()), look)
	}
}
