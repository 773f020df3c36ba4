package client

import (
	"context"
	"iter"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// ChangeWatch follows the changes of all processes. It holds two pages at most:
// what is not read here stays in the cluster, for as long as that keeps it. Its
// methods are for one goroutine at a time, but for Close, which any may call.
type ChangeWatch struct {
	client *Client
	cancel context.CancelFunc
	done   chan struct{}
	// pages has what the stream brings; err is why it ends, once that is closed.
	pages chan registry.WatchedChanges
	err   error

	// page is being read, and left is what is left of it; begun is set when the
	// cursor of the beginning is known.
	begun  bool
	page   registry.WatchedChanges
	left   []registry.ProcessChange
	cursor registry.ChangeCursor
}

// WatchChanges begins to follow the changes of all processes behind a cursor;
// the zero cursor is the present. A change tells that there is something new
// about a process, and not what: it is meant for projections, which read the
// process then. They begin like this:
//
//	w := c.WatchChanges(registry.ChangeCursor{})
//	defer w.Close()
//	if _, err := w.Begin(ctx); err != nil { … }        // from here on nothing is missed
//	for record, err := range c.AllProcesses(ctx, …) { … } // what there is
//	for change, err := range w.All(ctx) { … }             // what becomes of it
//
// A cluster keeps the last 65,536 changes, on every node since its start or its
// last restored snapshot. An older cursor, or one of another history, is
// Compacted, once as many answers say so as the client has addresses: then begin
// anew. Any node serves the stream, and it goes on at another one by itself.
// Spec 8.2.
func (c *Client) WatchChanges(after registry.ChangeCursor) *ChangeWatch {
	ctx, cancel := context.WithCancel(c.ctx)
	w := &ChangeWatch{client: c, cancel: cancel, done: make(chan struct{}), pages: make(chan registry.WatchedChanges), cursor: after}
	if !c.watches.goes(func() { w.run(ctx, after) }) {
		w.err = errClientClosed
		close(w.pages)
		close(w.done)
	}
	return w
}

// Begin waits until the stream stands, and returns the cursor that it begins at.
// Errors: as Next.
func (w *ChangeWatch) Begin(ctx context.Context) (registry.ChangeCursor, error) {
	if !w.begun {
		if err := w.turn(ctx); err != nil {
			return registry.ChangeCursor{}, err
		}
	}
	return w.cursor, nil
}

// Next waits for the next change. After an error it answers that again. Errors:
// Compacted (the changes behind the cursor are not kept any more), Unsupported,
// NoLeader (the watch or its client was closed). When the context ends first, the
// error is the context's, and the watch goes on.
func (w *ChangeWatch) Next(ctx context.Context) (registry.ProcessChange, error) {
	for len(w.left) == 0 {
		if err := w.turn(ctx); err != nil {
			return registry.ProcessChange{}, err
		}
	}
	change := w.left[0]
	w.left = w.left[1:]
	switch {
	case len(w.left) == 0:
		w.cursor = w.page.Cursor
	case w.left[0].Revision != change.Revision:
		w.cursor.Revision = change.Revision
	}
	return change, nil
}

// turn waits for the next page.
func (w *ChangeWatch) turn(ctx context.Context) error {
	select {
	case page, ok := <-w.pages:
		if !ok {
			return w.err
		}
		if w.page, w.left = page, page.Changes; !w.begun || len(page.Changes) == 0 {
			w.begin()
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin takes over the cursor that the stream begins at. With changes on the
// first page it is the one that was asked for.
func (w *ChangeWatch) begin() {
	w.begun = true
	if len(w.left) == 0 {
		w.cursor = w.page.Cursor
	}
}

// All walks the changes as Next gives them, and closes the watch in the end. An
// error ends the walk.
func (w *ChangeWatch) All(ctx context.Context) iter.Seq2[registry.ProcessChange, error] {
	return func(yield func(registry.ProcessChange, error) bool) {
		defer w.Close()
		each(ctx, w.Next, yield)
	}
}

// Cursor is the place behind the last change that Next returned. All changes of
// a revision happened at once, so with some of them still to come it is the place
// before the first of them: to go on from there is to get those again.
func (w *ChangeWatch) Cursor() registry.ChangeCursor { return w.cursor }

// Close ends the watch. It may be called again.
func (w *ChangeWatch) Close() {
	w.cancel()
	<-w.done
}

// run keeps a stream open until the watch or its client is closed, or there is
// nothing to be had any more.
func (w *ChangeWatch) run(ctx context.Context, after registry.ChangeCursor) {
	defer close(w.done)
	defer close(w.pages)
	c := w.client
	compacted := 0
	for tries := 1; ; tries++ {
		to, before := c.targets.pick(false), after
		failed := w.serve(ctx, to, &after)
		if after != before {
			tries, compacted = 1, 0
		}
		if failed.Code == registry.CodeCompacted {
			compacted++
		}
		switch {
		case ctx.Err() != nil:
			w.err = errWatchClosed
			return
		case !passes(failed), compacted >= c.targets.count():
			w.err = failed
			return
		}
		if failed.Code != registry.CodeOverloaded || failed.Fields.Field != fieldSlow {
			c.targets.failed(to, false)
		}
		wait := pause(failed, tries)
		c.options.logger.Debug("opening the stream of changes again", "addr", to.addr, "tries", tries, "wait", wait, "error", failed)
		c.sleep(ctx, wait)
	}
}

// serve hands on what one stream brings, until that fails. A page that nobody
// takes keeps the next from being received: the node notices, and in the end cuts
// the stream off.
func (w *ChangeWatch) serve(ctx context.Context, to *target, after *registry.ChangeCursor) *registry.Error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := w.client.options.streamSilence
	silence := time.AfterFunc(limit, func() { cancel(errSilent) })
	defer silence.Stop()
	stream, err := pb.NewWatchesClient(to.conn).WatchChanges(ctx, &pb.WatchChangesRequest{After: wire.ChangeCursorToPB(*after)})
	for err == nil {
		var response *pb.WatchChangesResponse
		silence.Reset(limit)
		if response, err = stream.Recv(); err != nil {
			break
		}
		silence.Stop()
		if response.GetCursor() == nil {
			continue
		}
		page, err := wire.WatchedChangesFromPB(response)
		if err != nil {
			return wire.AnswerError(err)
		}
		select {
		case w.pages <- page:
			*after = page.Cursor
		case <-ctx.Done():
			return streamError(ctx, ctx.Err())
		}
	}
	return streamError(ctx, err)
}
