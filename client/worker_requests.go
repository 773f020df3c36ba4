package client

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// eventWatcher is a registry that tells of events as they come. That in memory
// is none.
type eventWatcher interface {
	WatchEvents(registry.EventWatch) *EventWatch
}

var _ eventWatcher = (*Client)(nil)

// watchAfter is how long a run has to last until its log is watched: short ones
// are looked at once, at their beginning, and are spared the rest.
const watchAfter = 100 * time.Millisecond

// follow delivers to a run what others ask of its process, until ctx ends. It
// looks as often as the lease is renewed, which finds everything; a watch of the
// log, where there is one, finds requests to cancel at once.
func (w *Worker) follow(ctx context.Context, run *Run) {
	var watching sync.WaitGroup
	defer watching.Wait()
	if watcher, ok := w.registry.(eventWatcher); ok {
		watching.Go(func() { w.watch(ctx, watcher, run) })
	}
	for sleep(ctx, w.timings.renewEvery) {
		if err := w.look(ctx, run); err != nil && ctx.Err() == nil {
			w.logger.Debug("looking for requests failed", "process", run.granted.ProcessID, "error", err)
		}
	}
}

// watch waits for a request to cancel.
func (w *Worker) watch(ctx context.Context, watcher eventWatcher, run *Run) {
	if !sleep(ctx, watchAfter) {
		return
	}
	watch := watcher.WatchEvents(registry.EventWatch{
		ProcessID: run.granted.ProcessID, EventType: registry.EventCancelRequested, After: registry.EventCursor{Life: run.process.Life},
	})
	defer watch.Close()
	event, err := watch.Next(ctx)
	if err == nil {
		run.interrupt(ErrCancelRequested, func() { run.cancelling = cancelReason(event) })
	} else if ctx.Err() == nil {
		w.logger.Debug("watching for requests failed", "process", run.granted.ProcessID, "error", err)
	}
}

// look delivers what was asked by now.
func (w *Worker) look(ctx context.Context, run *Run) error {
	record, err := w.registry.GetProcess(ctx, run.granted.ProcessID)
	gone := errors.Is(err, registry.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	switch {
	case gone || record.Status.State.Terminal() || record.Life != run.process.Life:
		run.interrupt(ErrProcessEnded, func() { run.ended = true })
		return nil
	case record.AbandonRequest != nil:
		run.interrupt(ErrAbandonRequested, func() { run.abandoning = reasonOf(record.AbandonRequest) })
	}
	if _, known := run.CancelRequested(); known {
		return nil
	}
	reason, err := w.cancelRequest(ctx, record.ID)
	if reason != nil {
		run.interrupt(ErrCancelRequested, func() { run.cancelling = reason })
	}
	return err
}

// reasonOf is the reason of an abandon request, empty if none was given.
func reasonOf(request *registry.AbandonRequest) *string {
	if request.Reason == nil {
		return new(string)
	}
	return request.Reason
}

// cancelRequest is the reason of the first request to cancel a process, empty if
// it has none; nil if there is no request. The log is read only when there is
// one.
func (w *Worker) cancelRequest(ctx context.Context, processID string) (*string, error) {
	count, err := w.registry.CountEventsThrough(ctx, processID, registry.EventCancelRequested, math.MaxUint64)
	if err != nil || count == 0 {
		return nil, err
	}
	events := registry.Each(ctx, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
		return w.registry.EventsAfter(ctx, processID, 0, page)
	})
	for event, err := range events {
		if err != nil {
			return nil, err
		}
		if event.EventType == registry.EventCancelRequested {
			return cancelReason(event), nil
		}
	}
	return nil, nil
}

// cancelReason is the reason of a request to cancel. Its payload is anybody's: a
// reason is a string, or there is none.
func cancelReason(event registry.ProcessEvent) *string {
	var payload struct{ Reason string }
	_ = json.Unmarshal(event.Payload, &payload)
	return &payload.Reason
}
