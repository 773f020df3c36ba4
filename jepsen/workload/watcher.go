package workload

import (
	"context"
	"log/slog"
	"path"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// Watcher is a client that follows streams. It has one stream of events, which
// carries all its watches.
type Watcher struct {
	*Client
	streams *client.Client
	// addrs are those that it knows. With one alone, what comes is of that node.
	addrs []string
	// node is the one that said something last.
	node atomic.Value
	// ctx ends when the watcher lets go of everything.
	ctx   context.Context
	close context.CancelFunc
}

// DialWatcher makes a watcher that knows these addresses. nodes are the names of
// nodes by address.
func DialWatcher(name string, addrs []string, nodes map[string]string, recorder *history.Recorder) (*Watcher, error) {
	w := &Watcher{addrs: addrs}
	listen := func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := open(ctx, desc, conn, method, opts...)
		if err != nil {
			return nil, err
		}
		node := nodeAt(path.Base(conn.Target()), nodes)
		return &heard{stream, func() { w.node.Store(node) }}, nil
	}
	var err error
	logger := slog.New(complaints{name, recorder, nodes})
	w.streams, err = client.Dial(addrs, client.WithoutSessions(), client.WithLogger(logger), client.WithDialOptions(grpc.WithStreamInterceptor(listen)),
		client.WithAttemptTimeout(2*time.Second), client.WithRetryTimeout(4*time.Second))
	if err != nil {
		return nil, err
	}
	w.Client = NewClient(name, w.streams, recorder)
	w.ctx, w.close = context.WithCancel(context.Background())
	return w, nil
}

// heard is a stream that tells when something came.
type heard struct {
	grpc.ClientStream
	tell func()
}

func (h *heard) RecvMsg(m any) error {
	err := h.ClientStream.RecvMsg(m)
	if err == nil {
		h.tell()
	}
	return err
}

// lastNode is the node that said something last, empty before any did.
func (w *Watcher) lastNode() string {
	node, _ := w.node.Load().(string)
	return node
}

// follow begins a stream in the history.
func (w *Watcher) follow(asked history.Follow) *history.Stream {
	return w.recorder.Follow(w.name, asked)
}

// events follows the events of a process until the context or the watch ends,
// with a rest after each. It returns where it let go, nil when the cluster ended
// the watch.
func (w *Watcher) events(ctx context.Context, s *history.Stream, rest func()) *history.Follow {
	watch := w.streams.WatchEvents(s.Watch())
	defer watch.Close()
	for {
		event, err := watch.Next(ctx)
		cursor := watch.Cursor()
		switch {
		case err != nil && ctx.Err() != nil:
			w.recorder.Leave(s, nil)
			return &history.Follow{Process: s.Process, EndOnly: s.EndOnly, Life: cursor.Life, Sequence: cursor.Sequence, Resumes: &s.Index}
		case err != nil:
			w.recorder.Leave(s, err)
			return nil
		}
		w.recorder.Item(s, history.Item{Node: w.lastNode(), Life: cursor.Life, Event: &event})
		rest()
	}
}

// changes follows the changes of all processes like events.
func (w *Watcher) changes(ctx context.Context, s *history.Stream, rest func()) *history.Follow {
	after, err := registry.ParseChangeCursor(s.Cursor)
	if err != nil {
		panic(err) // it was made by String
	}
	feed := w.streams.WatchChanges(after)
	defer feed.Close()
	cursor, err := feed.Begin(ctx)
	if err == nil {
		w.recorder.Item(s, history.Item{Node: w.lastNode(), Cursor: cursor.String()})
	}
	for err == nil {
		var change registry.ProcessChange
		if change, err = feed.Next(ctx); err == nil {
			w.recorder.Item(s, history.Item{Node: w.lastNode(), Change: &change})
			rest()
		}
	}
	if ctx.Err() == nil {
		w.recorder.Leave(s, err)
		return nil
	}
	w.recorder.Leave(s, nil)
	left := &history.Follow{}
	if cursor := feed.Cursor(); cursor != (registry.ChangeCursor{}) {
		left.Cursor, left.Resumes = cursor.String(), &s.Index
	}
	return left
}
