package workload

import (
	"context"
	"fmt"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// batchUses is how often a pair of logs is used before the next one comes.
const batchUses = 40

// batchTurn makes several writes one: on logs that others write to as well, or the
// life of a process from its registration to its end.
func (a *actor) batchTurn(ctx context.Context) {
	if a.random.IntN(3) == 0 {
		a.batchLife(ctx)
		return
	}
	at := a.place("pair")
	one := a.places.use(at, batchUses)
	other := one + "-other"
	if !a.register(ctx, one, registry.FencingOptional) || !a.register(ctx, other, registry.FencingOptional) {
		return
	}
	ops := []model.Op{a.entry(one, nil), a.entry(other, nil)}
	switch weighted(a.random, 6, 2, 2) {
	case 1:
		ops = append(ops, a.wait(one, nil), model.ClearProcessWait{ProcessID: other})
	case 2:
		// Nobody holds this lease: what comes before must not have happened.
		ops = append(ops, a.entry(one, &registry.Fence{LeaseToken: "none", FencingToken: 1}))
	}
	o := a.change(ctx, model.Batch{Ops: ops}, model.EventsAfter{ProcessID: one})
	if o.Outcome == history.Unknown || a.random.IntN(4) == 0 {
		a.client.Do(ctx, model.EventsAfter{ProcessID: other})
	}
}

// batchLife registers, grants and claims a process at once, and at once writes to
// it, ends it and releases it.
func (a *actor) batchLife(ctx context.Context) {
	name := a.client.name
	id := fmt.Sprintf("batch-%s-%d", name, a.next())
	claim := model.ClaimProcessLease{ProcessID: id, Owner: registry.LeaseOwnerIdentity{OwnerID: name, IncarnationID: id}, TTLMs: a.ttlMs()}
	look := model.GetProcessLease{ProcessID: id}
	o := a.change(ctx, model.Batch{Ops: []model.Op{
		model.RegisterProcess{Registration: registration(id, "", registry.FencingRequired)},
		model.GrantHandle{Scope: a.grantScope(), ProcessID: id},
		claim,
	}}, look)
	if o.Outcome != history.OK {
		return
	}
	lease := o.Answer.Batch[2].Lease
	release := registry.ProcessLeaseCompletion{ProcessID: id, LeaseToken: lease.LeaseToken}
	a.change(ctx, model.Batch{Ops: []model.Op{
		a.entry(id, lease.Fence()),
		model.CompleteProcess{ProcessID: id, Output: success(`"done"`), Fence: lease.Fence()},
		model.CompleteProcessLease{Completion: release},
	}}, look)
	a.client.Do(ctx, model.GetProcess{ProcessID: id})
}
