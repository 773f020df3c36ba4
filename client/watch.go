package client

import (
	"context"
	"iter"

	"github.com/holdfast-registry/holdfast/registry"
)

// pagesAhead is how many pages of events a node may send before the consumer of
// a watch has used the first: one to read, one on its way.
const pagesAhead = 2

// EventWatch follows the events of one process. It holds two pages of them at
// most (registry.WatchPageBytes each, or one larger event): what is not read
// here is left in the cluster. Its methods are for one goroutine at a time, but
// for Close, which any may call.
type EventWatch struct {
	stream *watchStream
	// most is how many pages there may be here.
	most int
	// ready has something in it when there is news for Next.
	ready chan struct{}

	// The lock of the stream guards all of these.
	watch registry.EventWatch // its cursor is behind all that has arrived
	read  registry.EventCursor
	pages [][]registry.ProcessEvent
	// err is why the watch has ended; pages come before it.
	err error
	// id names the watch on the stream that stands now, 0 when it is not there.
	id uint64
	// owed is how many pages the node is to be told that there is room for.
	owed uint32
	// tries is how often it could not begin, one time after the other.
	tries int
}

// WatchEvents begins to follow the events of a process: those that are stored
// behind the cursor, then those to come, in order, each once. It asks nobody
// yet: that the process is not known shows in the first Next.
//
// Any node serves it. When one goes down or is cut off, the watch goes on at
// another one, from its cursor, for as long as it takes. All watches of a client
// share one stream; a cluster lets a stream have 20,000. Spec 8.1.
func (c *Client) WatchEvents(watch registry.EventWatch) *EventWatch {
	return c.watches.begin(watch, pagesAhead)
}

// Next waits for the next event. After an error it answers that again. Errors:
// NotFound, LifeEnded (the process was pruned; a life that came since is another
// watch's), InvalidArgument, TooLarge, Overloaded (the stream has as many watches
// as it may), NoLeader (the watch or its client was closed), Unsupported. When
// the context ends first, the error is the context's, and the watch goes on.
func (w *EventWatch) Next(ctx context.Context) (registry.ProcessEvent, error) {
	for {
		event, ok, err := w.stream.take(w)
		if ok || err != nil {
			return event, err
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return registry.ProcessEvent{}, ctx.Err()
		}
	}
}

// All walks the events as Next gives them, and closes the watch in the end. An
// error ends the walk.
func (w *EventWatch) All(ctx context.Context) iter.Seq2[registry.ProcessEvent, error] {
	return func(yield func(registry.ProcessEvent, error) bool) {
		defer w.Close()
		each(ctx, w.Next, yield)
	}
}

// each yields one item after the other, until an error, which it yields too.
func each[T any](ctx context.Context, next func(context.Context) (T, error), yield func(T, error) bool) {
	for {
		item, err := next(ctx)
		if !yield(item, err) || err != nil {
			return
		}
	}
}

// Cursor is the place behind the last event that Next returned. It is good for
// another watch, on another client too.
func (w *EventWatch) Cursor() registry.EventCursor {
	w.stream.mu.Lock()
	defer w.stream.mu.Unlock()
	return w.read
}

// Close ends the watch. It may be called again.
func (w *EventWatch) Close() { w.stream.end(w, errWatchClosed) }

var errWatchClosed = registry.Errorf(registry.CodeNoLeader, registry.Fields{}, "the watch was closed")

// AwaitTerminal waits until a process has ended, and returns its output. It has
// no timeout but the context's, and outlasts nodes and leaders that go down.
// Errors: NotFound (the process is not known, or was pruned meanwhile), and those
// of EventWatch.Next. Spec 8.3.
func (c *Client) AwaitTerminal(ctx context.Context, processID string) (registry.ProcessAwaitOutput, error) {
	event, err := c.await(ctx, registry.EventWatch{ProcessID: processID, EndOnly: true})
	if err != nil {
		return registry.ProcessAwaitOutput{}, err
	}
	return event.Semantics.Terminal.AwaitOutput, nil
}

// AwaitEvent waits for the first event of a type with a sequence greater than
// after, which may be stored already. It is like AwaitTerminal otherwise; that
// the process ends does not end the wait.
func (c *Client) AwaitEvent(ctx context.Context, processID, eventType string, after uint64) (registry.ProcessEvent, error) {
	if eventType == "" {
		return registry.ProcessEvent{}, invalid("event_type", "no type of events to wait for is given")
	}
	return c.await(ctx, registry.EventWatch{ProcessID: processID, EventType: eventType, After: registry.EventCursor{Sequence: after}})
}

func (c *Client) await(ctx context.Context, watch registry.EventWatch) (registry.ProcessEvent, error) {
	w := c.watches.begin(watch, 1)
	defer w.Close()
	event, err := w.Next(ctx)
	if registry.CodeOf(err) == registry.CodeLifeEnded {
		err = registry.Errorf(registry.CodeNotFound, registry.Fields{ProcessID: watch.ProcessID}, "unknown process `%s`", watch.ProcessID)
	}
	return event, err
}
