package workload

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// jobKind is the kind of the processes that are handed out. Others, of other
// workloads, are left alone.
const jobKind = "job"

// longPollMs is how long a worker waits for work that is not there, every other
// time.
const longPollMs = 400

// waitKey is the context key of how long a claim-next may wait. The model knows
// no waits, so it is no part of the operation.
type waitKey struct{}

func waitMs(ctx context.Context) uint64 {
	ms, _ := ctx.Value(waitKey{}).(uint64)
	return ms
}

// queueTurn adds work, or works.
func (a *actor) queueTurn(ctx context.Context) {
	if a.random.IntN(5) < 2 {
		r := registration(fmt.Sprintf("job-%s-%d", a.client.name, a.next()), "", registry.FencingRequired)
		r.Identity.Kind = jobKind
		a.until(ctx, model.RegisterProcess{Registration: r})
		return
	}
	name := a.client.name
	claim := model.ClaimNext{
		Owner: registry.LeaseOwnerIdentity{OwnerID: name, IncarnationID: fmt.Sprintf("%s-%d", name, a.next())},
		TTLMs: 200 + a.random.Uint64N(1500), Limit: 1 + a.random.IntN(2), Kinds: []string{jobKind},
	}
	waiting := ctx
	if a.random.IntN(2) == 0 {
		waiting = context.WithValue(ctx, waitKey{}, uint64(longPollMs))
	}
	o := a.client.Do(waiting, claim)
	if o.Outcome != history.OK {
		return
	}
	for i := range o.Answer.Claims {
		lease := o.Answer.Claims[i].Lease
		a.workOn(ctx, &lease, claim.TTLMs)
	}
}

// workOn is what becomes of one process that was handed out.
func (a *actor) workOn(ctx context.Context, lease *registry.ProcessLease, ttlMs uint64) {
	completion := registry.ProcessLeaseCompletion{ProcessID: lease.ProcessID, LeaseToken: lease.LeaseToken}
	switch weighted(a.random, 8, 2, 4, 2, 3) {
	case 0:
		a.append(ctx, lease)
		a.until(ctx, model.CompleteProcess{ProcessID: lease.ProcessID, Output: success(`"done"`), Fence: lease.Fence()})
		a.release(ctx, lease)
	case 1:
		a.release(ctx, lease)
	case 2:
		a.client.Do(ctx, model.ReleaseForRetry{Completion: completion, RetryAfterMs: 100 + a.random.Uint64N(1500)})
	case 3:
		// Come back when it has run out, and has perhaps been handed out again.
		a.rest(ctx, time.Duration(ttlMs)*time.Millisecond, time.Duration(ttlMs+300)*time.Millisecond)
		a.tryStale(ctx, lease)
	case 4:
		// Die: the lease runs out.
	}
}
