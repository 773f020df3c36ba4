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

// queueTurn adds work, or works. Work is given back more often than it is done,
// and done faster than it is added all the same.
func (a *actor) queueTurn(ctx context.Context) {
	if a.random.IntN(4) == 0 {
		r := registration(fmt.Sprintf("job-%s-%d", a.client.name, a.next()), "", registry.FencingRequired)
		r.Identity.Kind = jobKind
		a.until(ctx, model.RegisterProcess{Registration: r})
		return
	}
	waiting := ctx
	if a.random.IntN(2) == 0 {
		waiting = context.WithValue(ctx, waitKey{}, uint64(longPollMs))
	}
	ttlMs := 200 + a.random.Uint64N(1500)
	for _, lease := range a.claimNext(waiting, ttlMs, 1+a.random.IntN(2)) {
		a.workOn(ctx, &lease, ttlMs)
	}
}

// claimNext asks for work under an incarnation of its own. What it got when the
// answer was lost nobody works on before the lease has run out.
func (a *actor) claimNext(ctx context.Context, ttlMs uint64, limit int) (leases []registry.ProcessLease) {
	name := a.client.name
	o := a.client.Do(ctx, model.ClaimNext{
		Owner: registry.LeaseOwnerIdentity{OwnerID: name, IncarnationID: fmt.Sprintf("%s-%d", name, a.next())},
		TTLMs: ttlMs, Limit: limit, Kinds: []string{jobKind},
	})
	for i := range o.Answer.Claims {
		leases = append(leases, o.Answer.Claims[i].Lease)
	}
	return leases
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

// How much work is taken at once, and for how long, where what is left is done.
const (
	drainLimit = 20
	drainTTLMs = 5000
)

// Drain does the work that is left when the others have gone, until all that was
// added is done or the context ends: whatever is never handed out is then known to
// have lain ready while somebody asked for it. No other operation may be under way.
func Drain(ctx context.Context, c *Client) {
	a := &actor{client: c}
	for ctx.Err() == nil && workIsLeft(c.recorder.Ops()) {
		for _, lease := range a.claimNext(context.WithValue(ctx, waitKey{}, uint64(longPollMs)), drainTTLMs, drainLimit) {
			a.complete(ctx, &lease, `"done"`)
		}
	}
}

// workIsLeft tells whether work was added that nobody may have done.
func workIsLeft(ops []*history.Op) bool {
	left := make(map[string]bool)
	for _, o := range ops {
		switch call := o.Call.(type) {
		case model.RegisterProcess:
			if o.Outcome == history.OK && call.Registration.Identity.Kind == jobKind {
				left[call.Registration.ID] = true
			}
		case model.CompleteProcess:
			if o.Outcome != history.Refused {
				delete(left, call.ProcessID)
			}
		}
	}
	return len(left) > 0
}
