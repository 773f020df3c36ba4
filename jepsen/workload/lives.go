package workload

import (
	"context"
	"math"
	"time"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// lifeUses is how often a process that lives several lives is used before the
// next one comes: often enough for some lives.
const lifeUses = 60

// otherType is the type of the events that a life takes in which actors append
// in vain.
const otherType = "note"

// lifeTurn works on processes that others complete, prune and register anew all
// the time: whoever works does not know in which life.
func (a *actor) lifeTurn(ctx context.Context) {
	at := a.place("life")
	id := a.places.use(at, lifeUses)
	switch weighted(a.random, 10, 8, 2, 3, 4) {
	case 0:
		a.liveOn(ctx, id)
	case 1:
		a.change(ctx, a.entry(id, nil), model.EventsAfter{ProcessID: id})
	case 2:
		a.until(ctx, model.CompleteProcess{ProcessID: id, Output: success(`"done"`)})
	case 3:
		a.prune(ctx, id)
	case 4:
		a.lifeRead(ctx, id)
	}
}

// life is a registration. Lives of one process differ in what they take: two of
// three declare the events that actors append. So an append that was decided for
// one life, or for none, and comes to another must be decided anew.
func (a *actor) life(id string) registry.ProcessRegistration {
	r := registration(id, "", registry.FencingOptional)
	if a.random.IntN(3) == 0 {
		r.EventTypes[0].Name = otherType
	}
	return r
}

// liveOn registers a process, which has no effect on one that lives, leases it
// and writes under the lease. A lease that it walks away from may be of a life
// that is over when it comes back.
func (a *actor) liveOn(ctx context.Context, id string) {
	o := a.until(ctx, model.RegisterProcess{Registration: a.life(id)})
	if o.Outcome != history.OK && o.Answer.Code != registry.CodeAlreadyExists {
		return
	}
	lease, _ := a.claim(ctx, id, a.ttlMs())
	if lease == nil {
		return
	}
	started := registry.ProcessStarted{Owner: lease.Owner, StartedAtMs: uint64(a.next())}
	a.until(ctx, model.RecordFirstStarted{ProcessID: id, Started: started, Fence: lease.Fence()})
	for range 1 + a.random.IntN(4) {
		a.append(ctx, lease)
		a.rest(ctx, time.Millisecond, 20*time.Millisecond)
	}
	label := a.client.name
	a.change(ctx, model.GrantHandle{Scope: a.grantScope(), ProcessID: id, Descriptor: registry.ProcessHandleDescriptor{Label: &label}},
		model.HandleGrantsForProcess{ProcessID: id})
	if a.random.IntN(2) == 0 {
		a.release(ctx, lease)
		return
	}
	a.rest(ctx, time.Millisecond, 300*time.Millisecond)
	a.tryStale(ctx, lease)
}

// prunedAgeMs is how long ago something has to have ended where prunes are kept to
// the beginning. No call is tried again for as long.
const prunedAgeMs = 5000

// prune removes everything that has ended, or, where that is kept to the beginning,
// what ended some time ago. Where nobody knows what came of it, somebody looks at
// what should be gone.
func (a *actor) prune(ctx context.Context, id string) {
	cutoffMs := uint64(math.MaxInt64)
	if until := a.places.prunesUntil; !until.IsZero() {
		if a.client.clockMs < prunedAgeMs || time.Now().After(until) {
			return
		}
		cutoffMs = a.client.clockMs - prunedAgeMs
	}
	a.change(ctx, model.PruneTerminalProcesses{CutoffMs: cutoffMs}, model.ListProcesses{Filter: registry.ProcessListFilter{Status: registry.StatusAny}})
	a.client.Do(ctx, model.GetProcess{ProcessID: id})
}

func (a *actor) lifeRead(ctx context.Context, id string) {
	switch a.random.IntN(4) {
	case 0:
		a.client.Do(ctx, model.GetProcess{ProcessID: id})
	case 1:
		a.client.Do(ctx, model.EventsAfter{ProcessID: id})
	case 2:
		a.client.Do(ctx, model.GetProcessLease{ProcessID: id})
	case 3:
		a.client.Do(ctx, model.HandleGrantsForProcess{ProcessID: id})
	}
}

// longUses is how often a process that is only written to is used before the
// next one comes: often enough for more events than a stream brings at once.
const longUses = 120

// streamTurn makes what others follow: processes that live several lives, and
// some that live on, with many events that come one close upon the other.
func (a *actor) streamTurn(ctx context.Context) {
	if a.random.IntN(6) > 0 {
		a.lifeTurn(ctx)
		return
	}
	id := a.places.use(place{"long", 0}, longUses)
	if !a.register(ctx, id, registry.FencingOptional) {
		return
	}
	for range 1 + a.random.IntN(10) {
		a.change(ctx, a.entry(id, nil), model.EventsAfter{ProcessID: id})
	}
}
