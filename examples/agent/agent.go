package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

// pollInterval is the time between two looks at the registry.
const pollInterval = 100 * time.Millisecond

// work is the agent: it does a step, waits for a signal, does another step and
// ends. All that it writes goes through its lease.
func work(ctx context.Context, c *client.Client, process string) error {
	lease, err := c.Claim(ctx, process, client.LocalOwner("agent"), 10*time.Second)
	if err != nil {
		return err
	}
	defer lease.Release(ctx)
	// Cancelled before anybody else can get the lease.
	ctx = lease.Context()
	if _, err := lease.RecordFirstStarted(ctx, nowMs()); err != nil {
		return err
	}
	say("agent", "began under fencing token %d", lease.Fence().FencingToken)

	step, err := lease.AppendEvent(ctx, registry.ProcessEventAppendRequest{EventType: eventStep, Payload: registry.JSON(`{"did":"found a table at eight"}`),
		// If the answer is lost and the run begun again, it is still one event.
		Replay: &registry.Replay{Key: "step 1"}})
	if err != nil {
		return err
	}
	say("agent", "wrote %s %s", step.Event.EventType, step.Event.Payload)

	signal, err := awaitSignal(ctx, c, lease, step.Event.Sequence)
	if err != nil {
		return err
	}
	var told struct{ Text string }
	if err := json.Unmarshal(signal.Payload, &told); err != nil {
		return err
	}
	say("agent", "was told %q", told.Text)
	if _, err := lease.AppendEvent(ctx, registry.ProcessEventAppendRequest{EventType: eventStep, Payload: registry.JSON(`{"did":"booked it"}`),
		Replay: &registry.Replay{Key: "step 2"}}); err != nil {
		return err
	}
	if _, err := lease.CompleteProcess(ctx, registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(`"a table at eight"`)}); err != nil {
		return err
	}
	say("agent", "completed")
	return lease.Release(ctx)
}

// awaitSignal says in the record what the agent waits for, waits for it, and
// marks the wake that came with it as consumed.
func awaitSignal(ctx context.Context, c *client.Client, lease *client.Lease, afterSequence uint64) (registry.ProcessEvent, error) {
	process := lease.Lease().ProcessID
	var none registry.ProcessEvent
	if _, err := lease.SetProcessWait(ctx, registry.WaitState{
		Kind: registry.WaitSignal, Name: signalName, EventType: eventApprove, Ordinal: 1,
		Key: fmt.Sprintf("process:%s:%s:1", process, eventApprove), SinceMs: nowMs(),
	}); err != nil {
		return none, err
	}
	say("agent", "waits for the signal %s", signalName)
	signal, err := awaitEvent(ctx, c, process, eventApprove, afterSequence)
	if err != nil {
		return none, err
	}
	if err := c.AckWake(ctx, process, signal.Sequence); err != nil {
		return none, err
	}
	wakes, err := c.WakeEventsAfter(ctx, process, 0, registry.PageRequest{})
	if err != nil {
		return none, err
	}
	if len(wakes.Items) > 0 {
		return none, fmt.Errorf("%d wakes are left after the ack", len(wakes.Items))
	}
	_, err = lease.ClearProcessWait(ctx)
	return signal, err
}

// awaitEvent waits for an event of a type behind a sequence. It may have been
// stored already, and the wait goes on over a change of leader.
func awaitEvent(ctx context.Context, c *client.Client, process, eventType string, afterSequence uint64) (registry.ProcessEvent, error) {
	watch := c.WatchEvents(registry.EventWatch{
		ProcessID: process, EventType: eventType, After: registry.EventCursor{Sequence: afterSequence},
	})
	defer watch.Close()
	return watch.Next(ctx)
}

// answer is somebody else: once the agent waits, they signal it. A signal needs
// no lease, since it comes from outside.
func answer(ctx context.Context, c *client.Client, process string) error {
	for {
		record, err := c.GetProcess(ctx, process)
		if err != nil {
			return err
		}
		if record.Wait != nil {
			break
		}
		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	result, err := c.AppendEvent(ctx, process, registry.ProcessEventAppendRequest{EventType: eventApprove, Payload: registry.JSON(`{"text":"yes, book it"}`)}, nil)
	if err != nil {
		return err
	}
	wake := result.WakeDelivery
	if wake == nil {
		return fmt.Errorf("the signal woke nobody")
	}
	say("person", "signalled %s, which wakes %q with %q", signalName, wake.TargetSessionID, wake.Input)
	return nil
}

func nowMs() uint64 { return uint64(time.Now().UnixMilli()) }
