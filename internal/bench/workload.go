package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-registry/holdfast/registry"
)

// The workloads.
const (
	workloadLifecycle  = "lifecycle"
	workloadWrite      = "write"
	workloadRead       = "read"
	workloadReadStale  = "read-stale"
	workloadLeaseRenew = "lease-renew"
)

// iterate does one iteration and tells how many calls were answered.
type iterate func(ctx context.Context) (ops uint64, err error)

// makeWorkload sets up what one caller works on.
type makeWorkload func(ctx context.Context, c *caller) (iterate, error)

var workloads = map[string]makeWorkload{
	workloadLifecycle:  lifecycle,
	workloadWrite:      write,
	workloadRead:       read(registry.Linearizable),
	workloadReadStale:  read(registry.Stale),
	workloadLeaseRenew: leaseRenew,
}

// Workloads returns the names of the workloads, sorted.
func Workloads() []string {
	var names []string
	for name := range workloads {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// benchEvent is the type of the events that workloads append.
const benchEvent = "bench.note"

// leaseMs is the ttl of the leases: long enough that a stalled run loses none.
const leaseMs = 10 * 60 * 1000

func registration(id string) registry.ProcessRegistration {
	return registry.ProcessRegistration{
		ID: id, Disposition: registry.Rerunnable, Identity: registry.ProcessIdentity{Kind: "bench"},
		Input:      registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON("null")},
		EventTypes: []registry.ProcessEventType{{Name: benchEvent, PayloadSchema: registry.JSON("{}")}},
	}
}

// id names the n-th process of a caller.
func (c *caller) id(n uint64) string {
	return fmt.Sprintf("%s-%d-%d", c.run.config.Prefix, c.number, n)
}

func (c *caller) owner() registry.LeaseOwnerIdentity {
	return registry.LeaseOwnerIdentity{OwnerID: "bench", IncarnationID: c.id(0)}
}

func (c *caller) event() registry.ProcessEventAppendRequest {
	text := strings.Repeat("x", max(0, c.run.config.PayloadBytes-len(`{"t":""}`)))
	return registry.ProcessEventAppendRequest{EventType: benchEvent, Payload: registry.JSON(`{"t":"` + text + `"}`)}
}

// claim takes a lease that nobody else wants.
func (c *caller) claim(ctx context.Context, id string) (*registry.ProcessLease, error) {
	outcome, err := c.run.registry.ClaimProcessLease(ctx, id, c.owner(), leaseMs)
	if err != nil {
		return nil, err
	}
	if outcome.Acquired == nil {
		return nil, registry.Errorf(registry.CodeInternal, registry.Fields{}, "the lease of %s is held by somebody else", id)
	}
	return outcome.Acquired, nil
}

// lifecycle registers a process, claims it, appends twice under the fence,
// completes it and releases the lease.
func lifecycle(_ context.Context, c *caller) (iterate, error) {
	r, event := c.run.registry, c.event()
	result := registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(`"done"`)}
	var n uint64
	return func(ctx context.Context) (ops uint64, err error) {
		n++
		id := c.id(n)
		if _, err = r.RegisterProcess(ctx, registration(id)); err != nil {
			return 0, err
		}
		lease, err := c.claim(ctx, id)
		if err != nil {
			return 1, err
		}
		fence := lease.Fence()
		for i := range uint64(2) {
			if _, err = r.AppendEvent(ctx, id, event, fence); err != nil {
				return 2 + i, err
			}
		}
		if _, err = r.CompleteProcess(ctx, id, result, fence); err != nil {
			return 4, err
		}
		if err = r.CompleteProcessLease(ctx, registry.ProcessLeaseCompletion{ProcessID: id, LeaseToken: lease.LeaseToken}); err != nil {
			return 5, err
		}
		return 6, nil
	}, nil
}

// eventsPerProcess keeps the logs of the write workload short enough.
const eventsPerProcess = 10_000

// write appends events without a fence.
func write(_ context.Context, c *caller) (iterate, error) {
	event := c.event()
	var n uint64
	return func(ctx context.Context) (uint64, error) {
		id := c.id(n / eventsPerProcess)
		if n%eventsPerProcess == 0 {
			if _, err := c.run.registry.RegisterProcess(ctx, registration(id)); err != nil {
				return 0, err
			}
		}
		n++
		if _, err := c.run.registry.AppendEvent(ctx, id, event, nil); err != nil {
			return 0, err
		}
		return 1, nil
	}, nil
}

// read reads the caller's process.
func read(level registry.ReadLevel) makeWorkload {
	return func(ctx context.Context, c *caller) (iterate, error) {
		id := c.id(0)
		if _, err := c.run.registry.RegisterProcess(ctx, registration(id)); err != nil {
			return nil, err
		}
		return func(ctx context.Context) (uint64, error) {
			if _, err := c.run.registry.GetProcess(registry.WithReadLevel(ctx, level), id); err != nil {
				return 0, err
			}
			return 1, nil
		}, nil
	}
}

// leaseRenew renews the caller's lease.
func leaseRenew(ctx context.Context, c *caller) (iterate, error) {
	id := c.id(0)
	if _, err := c.run.registry.RegisterProcess(ctx, registration(id)); err != nil {
		return nil, err
	}
	lease, err := c.claim(ctx, id)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (uint64, error) {
		if _, err := c.run.registry.RenewProcessLease(ctx, *lease, leaseMs); err != nil {
			return 0, err
		}
		return 1, nil
	}, nil
}
