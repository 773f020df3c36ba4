package rounds

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

// The workload's numbers.
const (
	eventType = "entry"
	// leaseTTL is short, so that leases end while nodes are down.
	leaseTTL = 2 * time.Second
	// eventsPerProcess ends a process and begins the next one, which bounds
	// what every round has to read back.
	eventsPerProcess = 400
	// The appends of one turn of an owner.
	minAppends, maxAppends = 5, 25
	// keyedTries is how often an append with a replay key is sent.
	keyedTries = 3
	// callTimeout bounds one call: a paused node answers nothing.
	callTimeout = 4 * time.Second
)

// slot is a place that is held by one process after another. The owners of a
// slot compete for the lease of the process that is there.
type slot struct {
	name string

	mu         sync.Mutex
	generation int
	events     int
}

func (s *slot) process() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%s-%d", s.name, s.generation)
}

// full counts an event, and tells whether the process has enough of them.
func (s *slot) full(process string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if process != fmt.Sprintf("%s-%d", s.name, s.generation) {
		return false
	}
	s.events++
	return s.events >= eventsPerProcess
}

// leave goes on to the next process, unless somebody has done so already.
func (s *slot) leave(process string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if process == fmt.Sprintf("%s-%d", s.name, s.generation) {
		s.generation++
		s.events = 0
	}
}

// owner is one writer. It takes turns: claim, append under the lease, release
// (or walk away), and sometimes try the old fence again, which must fail.
type owner struct {
	name    string
	slot    *slot
	client  *client.Client
	history *History
	random  *rand.Rand

	turns, count int
	// known is the process that this owner has registered.
	known string
	// walkedAway is a lease that was left to expire.
	walkedAway *registry.ProcessLease
}

// run takes turns until the context ends.
func (o *owner) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := o.turn(ctx); err != nil {
			return err
		}
		o.rest(ctx, 20*time.Millisecond, 80*time.Millisecond)
	}
	return nil
}

// rest waits for a random time, which keeps the owners from moving in step.
func (o *owner) rest(ctx context.Context, least, most time.Duration) {
	timer := time.NewTimer(least + time.Duration(o.random.Int64N(int64(most-least))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (o *owner) turn(ctx context.Context) error {
	process := o.slot.process()
	if err := o.register(ctx, process); err != nil || o.known != process {
		return err
	}
	lease, err := o.claim(ctx, process)
	if err != nil || lease == nil {
		return err
	}
	full := false
	for range minAppends + o.random.IntN(maxAppends-minAppends) {
		appended, err := o.append(ctx, lease, false)
		if err != nil || ctx.Err() != nil {
			return err
		}
		switch appended.Code {
		case "Fenced":
			return nil
		case "":
			full = o.slot.full(process)
		}
		if full {
			return o.complete(ctx, lease)
		}
		o.rest(ctx, 4*time.Millisecond, 16*time.Millisecond)
	}
	if o.random.IntN(5) == 0 {
		o.walkedAway = lease
		return nil
	}
	return o.release(ctx, lease)
}

// register makes sure that the process exists. It can be repeated.
func (o *owner) register(ctx context.Context, process string) error {
	if o.known == process {
		return nil
	}
	registration := registry.ProcessRegistration{
		ID: process, Disposition: registry.Rerunnable,
		Input:      registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON("null")},
		Identity:   registry.ProcessIdentity{Kind: "external"},
		EventTypes: []registry.ProcessEventType{{Name: eventType, PayloadSchema: registry.JSON("{}")}},
		Fencing:    registry.FencingRequired,
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := o.client.RegisterProcess(call, registration)
	if err != nil {
		return unexpected("register "+process, err)
	}
	o.known = process
	o.history.opened(process)
	return nil
}

// claim asks for the lease under a new incarnation, again and again while the
// outcome is unknown: the same incarnation gets the lease that it already has.
// It returns nil when somebody else has it, or time is over.
func (o *owner) claim(ctx context.Context, process string) (*registry.ProcessLease, error) {
	o.turns++
	identity := registry.LeaseOwnerIdentity{OwnerID: o.name, IncarnationID: fmt.Sprintf("%s-%d", o.name, o.turns)}
	claim := o.history.beginClaim(Claim{Process: process, Owner: o.name, Incarnation: identity.IncarnationID})
	outcome := Refused
	for ctx.Err() == nil {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		answer, err := o.client.ClaimProcessLease(call, process, identity, uint64(leaseTTL.Milliseconds()))
		cancel()
		switch {
		case err == nil && answer.Acquired != nil:
			o.history.endClaim(claim, Acked, "", answer.Acquired.FencingToken)
			return answer.Acquired, nil
		case err == nil:
			o.history.endClaim(claim, outcome, "Busy", answer.Busy.FencingToken)
			return nil, o.tryWalkedAway(ctx, answer.Busy)
		case registry.CodeOf(err) == registry.CodeTerminal:
			o.history.endClaim(claim, outcome, "Terminal", 0)
			o.slot.leave(process)
			return nil, nil
		case registry.IsDefinite(err):
			o.history.endClaim(claim, outcome, registry.CodeOf(err).String(), 0)
			return nil, unexpected("claim "+process, err)
		}
		if err := unexpected("claim "+process, err); err != nil {
			return nil, err
		}
		outcome = Unknown
	}
	return nil, nil
}

// append sends one event. An event with a replay key is sent again while its
// outcome is unknown. The Code of what it returns is empty when it was acked.
func (o *owner) append(ctx context.Context, lease *registry.ProcessLease, stale bool) (*Append, error) {
	o.count++
	request := registry.ProcessEventAppendRequest{
		EventType: eventType,
		Payload:   registry.JSON(fmt.Sprintf(`{"writer":%q,"count":%d,"token":%d}`, o.name, o.count, lease.FencingToken)),
	}
	tries := 1
	if o.count%2 == 0 {
		request.Replay = &registry.Replay{Key: fmt.Sprintf("%s/%d", o.name, o.count)}
		tries = keyedTries
	}
	entry := Append{
		Process: lease.ProcessID, Payload: string(request.Payload), EventType: eventType,
		FencingToken: lease.FencingToken, Stale: stale,
	}
	if request.Replay != nil {
		entry.ReplayKey = request.Replay.Key
	}
	a := o.history.beginAppend(entry)
	outcome, code := Refused, ""
	for try := 0; try < tries && ctx.Err() == nil; try++ {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		result, err := o.client.AppendEvent(call, lease.ProcessID, request, lease.Fence())
		cancel()
		if err == nil {
			o.history.endAppend(a, Acked, "", result.Event.Sequence)
			return a, nil
		}
		code = registry.CodeOf(err).String()
		if err := unexpected("append to "+lease.ProcessID, err); err != nil {
			return a, err
		}
		if registry.IsDefinite(err) {
			break
		}
		outcome = Unknown
	}
	if code == "" {
		// It was not sent, because the run is over.
		code = registry.CodeNoLeader.String()
	}
	o.history.endAppend(a, outcome, code, 0)
	return a, nil
}

// release gives the lease back, and at times appends under it afterwards.
func (o *owner) release(ctx context.Context, lease *registry.ProcessLease) error {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := o.client.CompleteProcessLease(call, registry.ProcessLeaseCompletion{ProcessID: lease.ProcessID, LeaseToken: lease.LeaseToken})
	if err != nil {
		return unexpected("release "+lease.ProcessID, err)
	}
	if o.random.IntN(3) > 0 {
		return nil
	}
	_, err = o.append(ctx, lease, true)
	return err
}

// tryWalkedAway appends under a lease that was left to expire, once somebody
// else is known to hold a later one.
func (o *owner) tryWalkedAway(ctx context.Context, holder *registry.ProcessLease) error {
	old := o.walkedAway
	if old == nil || old.ProcessID != holder.ProcessID || holder.FencingToken <= old.FencingToken {
		return nil
	}
	o.walkedAway = nil
	_, err := o.append(ctx, old, true)
	return err
}

// complete ends the process, under the fence that its registration requires.
func (o *owner) complete(ctx context.Context, lease *registry.ProcessLease) error {
	output := registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(`"full"`)}
	for ctx.Err() == nil {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		_, err := o.client.CompleteProcess(call, lease.ProcessID, output, lease.Fence())
		cancel()
		switch {
		case err == nil:
			o.history.ended(lease.ProcessID)
			o.slot.leave(lease.ProcessID)
			return nil
		case registry.IsDefinite(err):
			return unexpected("complete "+lease.ProcessID, err)
		}
		if err := unexpected("complete "+lease.ProcessID, err); err != nil {
			return err
		}
	}
	return nil
}

// unexpected returns an error that faults of the cluster do not explain, such
// as NotFound of a process that was registered.
func unexpected(what string, err error) error {
	switch registry.CodeOf(err) {
	case registry.CodeNotLeader, registry.CodeNoLeader, registry.CodeOverloaded, registry.CodeOutcomeUnknown, registry.CodeFenced:
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w (%s)", what, err, registry.CodeOf(err))
}
