package workload

import (
	"context"
	"fmt"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// recentEvents is how many events are asked for where only the latest are.
const recentEvents = 5

// otherTurn makes a call that no other kind of turn makes.
func (a *actor) otherTurn(ctx context.Context) {
	log := a.places.use(a.place("log"), 1<<30)
	switch weighted(a.random, 2, 2, 3, 3, 3, 3, 8, 4) {
	case 0:
		a.client.Do(ctx, model.ListNonTerminal{})
	case 1:
		a.client.Do(ctx, model.ListProcesses{Filter: registry.ProcessListFilter{Status: registry.StatusFilter(registry.StateCompleted)}})
	case 2:
		a.client.Do(ctx, model.RecentEvents{ProcessID: log, Limit: recentEvents})
	case 3:
		a.client.Do(ctx, model.CountEventsThrough{ProcessID: log, EventType: eventType, Through: a.random.Uint64N(40)})
	case 4:
		a.client.Do(ctx, model.WakeEventsAfter{ProcessID: log, After: a.random.Uint64N(40)})
	case 5:
		a.until(ctx, model.AckWake{ProcessID: log, Sequence: 1 + a.random.Uint64N(40)})
	case 6:
		a.checkFence(ctx)
	case 7:
		a.takeOver(ctx)
	}
}

// checkFence asks, as a resource would, about the token of a lease that somebody
// holds, and about the one before.
func (a *actor) checkFence(ctx context.Context) {
	id := a.places.use(a.place("lease"), leaseUses)
	o := a.client.Do(ctx, model.GetProcessLease{ProcessID: id})
	if o.Outcome != history.OK || o.Answer.Lease == nil {
		a.client.Do(ctx, model.CheckFence{ProcessID: id, FencingToken: 1})
		return
	}
	a.client.Do(ctx, model.CheckFence{ProcessID: id, FencingToken: o.Answer.Lease.FencingToken})
	a.client.Do(ctx, model.CheckFence{ProcessID: id, FencingToken: o.Answer.Lease.FencingToken - 1})
}

// takeOver takes the lease of a process from whoever holds it, as somebody on the
// same host who saw the holder die, and keeps it or gives it back.
func (a *actor) takeOver(ctx context.Context) {
	id := a.places.use(a.place("take"), leaseUses)
	if !a.register(ctx, id, registry.FencingOptional) {
		return
	}
	owner := registry.LeaseOwnerIdentity{OwnerID: a.client.name, IncarnationID: fmt.Sprintf("%s-%d", a.client.name, a.next())}
	owner.Liveness = registry.LeaseOwnerLiveness{Kind: registry.LivenessLocalProcess, HostID: "host", BootID: "boot", PID: 1, ProcessStart: "1"}
	look := model.GetProcessLease{ProcessID: id}
	ttlMs := a.ttlMs()
	o := a.change(ctx, model.ClaimProcessLease{ProcessID: id, Owner: owner, TTLMs: ttlMs}, look)
	if o.Answer.Busy {
		verdict := registry.VerdictDead
		if a.random.IntN(4) == 0 {
			verdict = registry.VerdictUnknown
		}
		call := model.ReclaimProcessLease{ProcessID: id, Owner: owner, Observed: *o.Answer.Lease, Verdict: verdict, TTLMs: ttlMs}
		o = a.change(ctx, call, look)
	}
	if o.Outcome != history.OK || o.Answer.Busy {
		return
	}
	lease := *o.Answer.Lease
	a.append(ctx, &lease)
	if a.random.IntN(3) == 0 {
		a.release(ctx, &lease)
	}
}
