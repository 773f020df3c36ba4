//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// demoPoll is the time between two looks at the registry.
const demoPoll = 100 * time.Millisecond

// sameLease tells how a lease differs from what it was before.
func sameLease(before, after *registry.ProcessLease) error {
	switch {
	case before == nil || after == nil:
		return errors.New("there is no lease")
	case after.LeaseToken != before.LeaseToken || after.FencingToken != before.FencingToken || after.ExpiresAtMs < before.ExpiresAtMs:
		return fmt.Errorf("it was %+v, and is %+v", *before, *after)
	}
	return nil
}

// stillEnded tells which process is not completed although that was acked.
func (d *demo) stillEnded(ctx context.Context, ended map[string]bool) error {
	for id := range ended {
		record, err := d.client.GetProcess(ctx, id)
		if err != nil {
			return err
		}
		if record.Status.State != registry.StateCompleted {
			return fmt.Errorf("%s is %s", id, record.Status.State)
		}
	}
	return nil
}

// underWay tells whether an attempt is the current one, and has not ended.
func (d *demo) underWay(ctx context.Context, line demoLine) bool {
	status, err := d.client.CheckFence(ctx, line.ID, line.Token)
	if err != nil || !status.Live {
		return false
	}
	record, err := d.client.GetProcess(ctx, line.ID)
	return err == nil && !record.Status.State.Terminal()
}

func movedOn(from, to demoLine) error {
	if to.Worker == from.Worker || to.Token <= from.Token {
		return fmt.Errorf("%s had token %d, and then %s token %d", from.Worker, from.Token, to.Worker, to.Token)
	}
	return nil
}

// lateWrite writes as the owner of a lease that is not the current one would,
// and tells how it was not stopped.
func (d *demo) lateWrite(ctx context.Context, stale *registry.ProcessLease) error {
	if stale == nil {
		return errors.New("the worker had no lease")
	}
	_, err := d.client.CompleteProcess(ctx, stale.ProcessID,
		registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(`"late"`)}, stale.Fence())
	if !errors.Is(err, registry.ErrFenced) {
		return fmt.Errorf("the answer was %w", errors.Join(err, errors.New("not Fenced")))
	}
	record, err := d.client.GetProcess(ctx, stale.ProcessID)
	if err == nil && record.Status.AwaitOutput != nil && string(record.Status.AwaitOutput.Value) == `"late"` {
		err = errors.New("it ended the process")
	}
	return err
}

// awaitAll waits until all processes have ended, and tells meanwhile what the
// workers do.
func (d *demo) awaitAll(ctx context.Context, ids []string) error {
	again := time.NewTicker(demoPoll)
	defer again.Stop()
	for len(ids) > 0 {
		record, err := d.client.GetProcess(ctx, ids[0])
		if err != nil {
			return err
		}
		if record.Status.State.Terminal() {
			ids = ids[1:]
			continue
		}
		select {
		case line := <-d.team.lines:
			if line.Did == demoEnded {
				d.say("  %s sent %s", line.Worker, line.ID)
			}
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%s has not ended: %w", ids[0], ctx.Err())
		}
	}
	return nil
}

// eachOnce tells which process does not have exactly the two events that one
// run of it leaves.
func (d *demo) eachOnce(ctx context.Context, ids []string) error {
	for _, id := range ids {
		page, err := d.client.EventsAfter(ctx, id, 0, registry.PageRequest{})
		if err != nil {
			return err
		}
		var types []string
		for _, event := range page.Items {
			types = append(types, event.EventType)
		}
		if !slices.Equal(types, []string{demoSent, registry.EventCompleted}) {
			return fmt.Errorf("the log of %s is %v", id, types)
		}
	}
	return nil
}

// sameEverywhere waits until every node could be asked, and tells how their
// states differ.
func (d *demo) sameEverywhere(ctx context.Context) error {
	for {
		report, err := d.client.VerifyState(ctx)
		missing := err
		for _, m := range report.Members {
			if m.Hash == "" {
				missing = fmt.Errorf("%s: %s", m.ID, m.Error)
			}
		}
		if missing == nil && (!report.Agree || len(report.Members) != demoNodes) {
			return fmt.Errorf("at entry %d: %+v", report.Index, report.Members)
		} else if missing == nil {
			return nil
		}
		select {
		case <-time.After(demoPoll):
		case <-ctx.Done():
			return missing
		}
	}
}
