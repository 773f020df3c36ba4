package workload

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// How often the processes of each kind are used before the next one comes: a
// checker that searches has to search through all calls on one.
const (
	registerUses = 60
	leaseUses    = 12
)

// registerTurn is one call on a process that others register and complete too.
func (a *actor) registerTurn(ctx context.Context) {
	at := a.place("reg")
	id := a.places.use(at, registerUses)
	variant := fmt.Sprint(weighted(a.random, 8, 2, 1))
	switch weighted(a.random, 40, 30, 15, 10, 5) {
	case 0:
		a.client.Do(ctx, model.RegisterProcess{Registration: registration(id, variant, registry.FencingOptional)})
	case 1:
		a.client.Do(ctx, model.GetProcess{ProcessID: id})
	case 2:
		owner := registry.LeaseOwnerIdentity{OwnerID: a.client.name, IncarnationID: fmt.Sprint(a.next())}
		a.client.Do(ctx, model.RecordFirstStarted{ProcessID: id, Started: registry.ProcessStarted{Owner: owner, StartedAtMs: uint64(a.count)}})
	case 3:
		a.client.Do(ctx, model.CompleteProcess{ProcessID: id, Output: success(variant)})
	case 4:
		output := registry.ProcessAwaitOutput{Kind: registry.OutputCancelled, Message: variant}
		a.client.Do(ctx, model.CompleteProcess{ProcessID: id, Output: output})
	}
}

// ttlMs draws for how long a lease is wanted: short, so that it ends under its
// owner; middling; or longer than any fault lasts.
func (a *actor) ttlMs() uint64 {
	switch weighted(a.random, 4, 5, 1) {
	case 0:
		return 200 + a.random.Uint64N(800)
	case 1:
		return 1500 + a.random.Uint64N(2500)
	default:
		return 20_000
	}
}

// leaseTurn claims a lease, uses it, and lets go of it in one way or another.
func (a *actor) leaseTurn(ctx context.Context) {
	at := a.place("lease")
	id := a.places.use(at, leaseUses)
	if !a.register(ctx, id, registry.FencingOptional) {
		return
	}
	ttlMs := a.ttlMs()
	lease, claim := a.claim(ctx, id, ttlMs)
	if lease == nil {
		if claim.Answer.Busy {
			a.tryLost(ctx, claim.Answer.Lease)
		}
		return
	}
	for range 1 + a.random.IntN(6) {
		if ctx.Err() != nil || !a.useLease(ctx, lease, ttlMs) {
			break
		}
		a.rest(ctx, 4*time.Millisecond, 60*time.Millisecond)
	}
	switch weighted(a.random, 6, 3, 1) {
	case 0:
		a.release(ctx, lease)
		if a.random.IntN(3) == 0 {
			a.tryStale(ctx, lease)
		}
	case 1:
		a.lost = lease
	case 2:
		// Stay away until the lease has run out, and come back.
		if ttlMs < 5000 {
			a.rest(ctx, time.Duration(ttlMs)*time.Millisecond, time.Duration(ttlMs+300)*time.Millisecond)
			a.tryStale(ctx, lease)
		}
	}
}

// useLease does something with a lease. It answers false when it is over.
func (a *actor) useLease(ctx context.Context, lease *registry.ProcessLease, ttlMs uint64) bool {
	var o *history.Op
	switch weighted(a.random, 4, 2, 2, 4) {
	case 0:
		o = a.client.Do(ctx, model.RenewProcessLease{Lease: *lease, TTLMs: ttlMs})
	case 1:
		o = a.client.Do(ctx, model.GetProcessLease{ProcessID: lease.ProcessID})
	case 2:
		o = a.client.Do(ctx, model.ClaimProcessLease{ProcessID: lease.ProcessID, Owner: lease.Owner, TTLMs: ttlMs})
		if o.Outcome == history.OK && !o.Answer.Busy {
			*lease = *o.Answer.Lease
		}
	case 3:
		o = a.append(ctx, lease)
	}
	return o.Outcome != history.Refused || !o.Judged()
}

// tryStale uses a lease that was released or has run out.
func (a *actor) tryStale(ctx context.Context, lease *registry.ProcessLease) {
	switch weighted(a.random, 2, 2, 1) {
	case 0:
		a.append(ctx, lease)
	case 1:
		a.client.Do(ctx, model.RenewProcessLease{Lease: *lease, TTLMs: 1000})
	case 2:
		a.release(ctx, lease)
	}
}

// tryLost uses a lease that was left to expire, once somebody else is known to
// hold a later one.
func (a *actor) tryLost(ctx context.Context, holder *registry.ProcessLease) {
	old := a.lost
	if old == nil || old.ProcessID != holder.ProcessID || holder.FencingToken <= old.FencingToken {
		return
	}
	a.lost = nil
	a.tryStale(ctx, old)
}

// waking is a process whose events wake a session, which may ack each of them.
func waking(id string, at place) registry.ProcessRegistration {
	r := registration(id, "", registry.FencingRequired)
	r.EventTypes[0].Semantics.Wake = &registry.WakeSpec{
		Input:     registry.Selector{Kind: registry.SelectPointer, Text: "/by"},
		DedupeKey: registry.DedupeKey{Kind: registry.DedupeEventIdentity},
	}
	r.WakeTarget = &registry.SessionScope{SessionID: fmt.Sprint("waked-", at.number)}
	return r
}

// logTurn is the life of an owner: claim, start, append under the fence, and
// complete once the log is long enough.
func (a *actor) logTurn(ctx context.Context) {
	at := a.place("log")
	id := a.places.use(at, 1<<30)
	if !a.known(ctx, waking(id, at)) {
		return
	}
	lease, claim := a.claim(ctx, id, 2000)
	switch {
	case claim.Answer.Code == registry.CodeTerminal:
		a.places.leave(at, id)
		return
	case lease == nil:
		if claim.Answer.Busy {
			a.tryLost(ctx, claim.Answer.Lease)
		}
		return
	}
	started := registry.ProcessStarted{Owner: lease.Owner, StartedAtMs: uint64(a.next())}
	a.client.Do(ctx, model.RecordFirstStarted{ProcessID: id, Started: started, Fence: lease.Fence()})
	for range 3 + a.random.IntN(15) {
		o := a.append(ctx, lease)
		if ctx.Err() != nil || o.Answer.Code == registry.CodeFenced {
			return
		}
		a.rest(ctx, 2*time.Millisecond, 20*time.Millisecond)
	}
	if a.random.IntN(4) == 0 {
		a.client.Do(ctx, model.EventsAfter{ProcessID: id, After: a.random.Uint64N(40)})
	}
	a.endLogTurn(ctx, at, lease)
}

func (a *actor) endLogTurn(ctx context.Context, at place, lease *registry.ProcessLease) {
	switch weighted(a.random, 10, 4, 2) {
	case 0:
		a.release(ctx, lease)
		switch weighted(a.random, 4, 2, 1) {
		case 1:
			a.append(ctx, lease)
		case 2:
			a.complete(ctx, lease, `"too late"`)
		}
	case 1:
		a.lost = lease
	case 2:
		o := a.complete(ctx, lease, `"done"`)
		if o.Outcome == history.OK {
			a.places.leave(at, lease.ProcessID)
		}
	}
}
