package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// eventType is the type of all events that actors append.
const eventType = "entry"

// unknownTries is how often a call is made again whose outcome is unknown and
// that may be repeated.
const unknownTries = 3

// actor is what works behind one client.
type actor struct {
	client *Client
	places *places
	random *rand.Rand
	// count makes what the actor writes unique.
	count int
	// registered are the processes that it knows to exist.
	registered map[string]bool
	// lost is a lease that it let go of and may try again.
	lost *registry.ProcessLease
	// handle is the grant that it alone moves.
	handle *handle
}

func (a *actor) next() int {
	a.count++
	return a.count
}

// rest waits for a random time, which keeps the actors from moving in step.
func (a *actor) rest(ctx context.Context, least, most time.Duration) {
	timer := time.NewTimer(least + time.Duration(a.random.Int64N(int64(most-least))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// place draws where to work.
func (a *actor) place(kind string) place { return place{kind, a.random.IntN(a.places.count)} }

// until makes a call that may be repeated until its outcome is known.
func (a *actor) until(ctx context.Context, call model.Op) *history.Op {
	o := a.client.Do(ctx, call)
	for try := 1; try < unknownTries && o.Outcome == history.Unknown && ctx.Err() == nil; try++ {
		o = a.client.Do(ctx, call)
	}
	return o
}

// register makes sure that a process is there.
func (a *actor) register(ctx context.Context, id string, fencing registry.FencingMode) bool {
	return a.known(ctx, registration(id, "", fencing))
}

// known is register for a process that is not like all others.
func (a *actor) known(ctx context.Context, r registry.ProcessRegistration) bool {
	if a.registered[r.ID] {
		return true
	}
	o := a.until(ctx, model.RegisterProcess{Registration: r})
	a.registered[r.ID] = o.Outcome == history.OK
	return a.registered[r.ID]
}

// registration is a process whose input makes it differ from others of its id.
func registration(id, variant string, fencing registry.FencingMode) registry.ProcessRegistration {
	return registry.ProcessRegistration{
		ID: id, Disposition: registry.Rerunnable, Fencing: fencing,
		Input:      registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(fmt.Sprintf("%q", variant))},
		Identity:   registry.ProcessIdentity{Kind: "external"},
		EventTypes: []registry.ProcessEventType{{Name: eventType, PayloadSchema: registry.JSON("{}")}},
	}
}

// claim asks for a lease under an incarnation of its own, again while the
// outcome is unknown: the same incarnation gets the lease that it has. It
// returns nil when it was not acquired.
func (a *actor) claim(ctx context.Context, id string, ttlMs uint64) (*registry.ProcessLease, *history.Op) {
	name := a.client.name
	owner := registry.LeaseOwnerIdentity{OwnerID: name, IncarnationID: fmt.Sprintf("%s-%d", name, a.next())}
	o := a.until(ctx, model.ClaimProcessLease{ProcessID: id, Owner: owner, TTLMs: ttlMs})
	if o.Outcome != history.OK || o.Answer.Busy {
		return nil, o
	}
	// A copy: the answer belongs to the history.
	lease := *o.Answer.Lease
	return &lease, o
}

// append appends an event under a lease; half of the events have a replay key
// and are sent again while their outcome is unknown.
func (a *actor) append(ctx context.Context, lease *registry.ProcessLease) *history.Op {
	count := a.next()
	call := model.AppendEvent{ProcessID: lease.ProcessID, Fence: lease.Fence(), Request: registry.ProcessEventAppendRequest{
		EventType: eventType,
		Payload:   registry.JSON(fmt.Sprintf(`{"by":%q,"count":%d,"token":%d}`, a.client.name, count, lease.FencingToken)),
	}}
	if count%2 == 0 {
		return a.client.Do(ctx, call)
	}
	call.Request.Replay = &registry.Replay{Key: fmt.Sprintf("%s/%d", a.client.name, count)}
	return a.until(ctx, call)
}

func (a *actor) release(ctx context.Context, lease *registry.ProcessLease) *history.Op {
	return a.client.Do(ctx, model.CompleteProcessLease{Completion: registry.ProcessLeaseCompletion{ProcessID: lease.ProcessID, LeaseToken: lease.LeaseToken}})
}

// complete ends the process of a lease.
func (a *actor) complete(ctx context.Context, lease *registry.ProcessLease, value string) *history.Op {
	return a.until(ctx, model.CompleteProcess{ProcessID: lease.ProcessID, Output: success(value), Fence: lease.Fence()})
}

func success(value string) registry.ProcessAwaitOutput {
	return registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(value)}
}
