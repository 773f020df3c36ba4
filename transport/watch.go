package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// WatchBackend is what streams are made of: what this node has applied, whoever
// leads. All its methods but CatchUp return at once.
type WatchBackend interface {
	// WatchEvents reads the next events of a watch. A node that is behind may
	// answer NotFound or LifeEnded, or with an earlier life, until it has caught
	// up. Errors: InvalidArgument, TooLarge, NotFound, LifeEnded, Corrupt.
	WatchEvents(watch registry.EventWatch) (registry.WatchedEvents, error)
	// FollowProcess has wake called after anything was applied that may have
	// changed the process. wake neither waits nor calls the backend.
	FollowProcess(processID string, wake func()) (unfollow func())
	// WatchChanges reads the next changes behind a cursor, or returns a channel
	// that is closed when there may be some. For the zero cursor it returns the
	// present one and no channel. Errors: Compacted, Corrupt.
	WatchChanges(after registry.ChangeCursor) (registry.WatchedChanges, <-chan struct{}, error)
	// CatchUp returns once this node has applied every write that was acked
	// before the call. Errors: NotLeader, NoLeader.
	CatchUp(ctx context.Context) error
	// LastContactMs is how long ago this node heard from the leader.
	LastContactMs() uint64
}

// WatchLimits bound the streams of a node. Zero values are the defaults.
type WatchLimits struct {
	// Streams is how many there may be at a time.
	Streams int
	// PerStream and PerNode are how many processes may be watched.
	PerStream, PerNode int
	// SendWait is how long a client may leave a message unread.
	SendWait time.Duration
	// Silence is how long a stream says nothing before it sends an empty message.
	Silence time.Duration
	// Contact is for how long the leader may be out of sight: a node that hears
	// nothing cannot know what it misses, and its clients must go elsewhere.
	Contact time.Duration
}

// The defaults of WatchLimits. A wait was measured to take 1.3 KB of heap, on the
// node and in its client together.
const (
	defaultWatchStreams   = 1_000
	defaultWatchPerStream = 20_000
	defaultWatchPerNode   = 200_000
	defaultWatchSendWait  = 10 * time.Second
	defaultWatchSilence   = 5 * time.Second
	defaultWatchContact   = 5 * time.Second
)

func (l WatchLimits) filled() WatchLimits {
	fill := func(limit *int, byDefault int) {
		if *limit == 0 {
			*limit = byDefault
		}
	}
	fill(&l.Streams, defaultWatchStreams)
	fill(&l.PerStream, defaultWatchPerStream)
	fill(&l.PerNode, defaultWatchPerNode)
	l.SendWait = orDefault(l.SendWait, defaultWatchSendWait)
	l.Silence = orDefault(l.Silence, defaultWatchSilence)
	l.Contact = orDefault(l.Contact, defaultWatchContact)
	return l
}

func orDefault(d, byDefault time.Duration) time.Duration {
	if d == 0 {
		return byDefault
	}
	return d
}

// watchService serves the Watches service.
type watchService struct {
	pb.UnimplementedWatchesServer
	backend WatchBackend
	limits  WatchLimits
	log     *slog.Logger
	metrics *Metrics
	// stopping is closed when the server stops, nil for never.
	stopping <-chan struct{}

	streams, watches atomic.Int64
}

func (s *watchService) WatchEvents(stream grpc.BidiStreamingServer[pb.WatchEventsRequest, pb.WatchEventsResponse]) error {
	return s.serve(stream.Context(), "events", func(p *pushing) {
		newEventStream(s, p, stream).run()
	})
}

func (s *watchService) WatchChanges(request *pb.WatchChangesRequest, stream grpc.ServerStreamingServer[pb.WatchChangesResponse]) error {
	return s.serve(stream.Context(), "changes", func(p *pushing) {
		(&changeStream{service: s, pushing: p, stream: stream, after: wire.ChangeCursorFromPB(request.GetAfter())}).run()
	})
}

// serve runs a stream until it ends, beside the goroutines that send and
// receive: one of them may be held up in gRPC, and is set free by the return.
func (s *watchService) serve(ctx context.Context, kind string, run func(*pushing)) error {
	if n, limit := s.streams.Add(1), int64(s.limits.Streams); n > limit {
		s.streams.Add(-1)
		return wire.ErrorToStatus(overLimit("streams", uint64(limit), uint64(n), "this node serves %d streams already, which is the limit: ask another one", limit))
	}
	defer s.streams.Add(-1)
	open := s.metrics.watchStreams.WithLabelValues(kind)
	open.Inc()
	defer open.Dec()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &pushing{service: s, ctx: ctx, cancel: cancel, last: time.Now()}
	p.goes(func() { run(p) })
	p.goes(p.watchLeader)
	<-ctx.Done()
	select {
	case <-s.stopping:
		return wire.ErrorToStatus(registry.Errorf(registry.CodeNoLeader, registry.Fields{},
			"this node is stopping: go on at another one, from the last cursor"))
	default:
	}
	switch cause := context.Cause(ctx); cause {
	case errStreamEnded:
		return nil
	case context.Canceled, context.DeadlineExceeded:
		return status.FromContextError(cause).Err()
	default:
		return wire.ErrorToStatus(cause)
	}
}

func overLimit(field string, limit, value uint64, format string, args ...any) *registry.Error {
	return registry.Errorf(registry.CodeOverloaded, registry.Fields{Field: field, Limit: &limit, Value: &value}, format, args...)
}

// errStreamEnded is the cause when a client ends its stream in good order.
var errStreamEnded = errors.New("the client ended the stream")

// pushing is a stream that is being served. Its context ends with the stream,
// and the first cause is what the client gets.
type pushing struct {
	service *watchService
	ctx     context.Context
	cancel  context.CancelCauseFunc

	mu   sync.Mutex
	last time.Time // when the last message was sent
}

// goes runs a part of the stream in a goroutine of its own. Not even a panic in
// it takes more down than the stream.
func (p *pushing) goes(part func()) {
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				p.service.log.Error("panic in a stream", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
				p.cancel(registry.Errorf(registry.CodeInternal, registry.Fields{}, "the stream panicked; the node's log says more"))
			}
		}()
		part()
	}()
}

// push sends a message, and gives the stream up if that takes too long: what a
// client does not read must not pile up here, and it has its cursors.
func (p *pushing) push(send func() error) bool {
	limit := p.service.limits.SendWait
	overdue := time.AfterFunc(limit, func() {
		if p.ctx.Err() == nil {
			p.service.metrics.watchCutoffs.Inc()
		}
		p.cancel(registry.Errorf(registry.CodeOverloaded, registry.Fields{Field: "stream"},
			"nothing was read for %v: the stream is cut off, go on from the last cursor", limit))
	})
	defer overdue.Stop()
	if err := send(); err != nil {
		p.cancel(err)
		return false
	}
	p.mu.Lock()
	p.last = time.Now()
	p.mu.Unlock()
	return p.ctx.Err() == nil
}

// silence is how much longer the stream may say nothing.
func (p *pushing) silence() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.last.Add(p.service.limits.Silence))
}

// watchLeader ends the stream of a node that has lost sight of the leader.
func (p *pushing) watchLeader() {
	limit := p.service.limits.Contact
	look := time.NewTicker(limit / 5)
	defer look.Stop()
	for p.ctx.Err() == nil {
		if silent := time.Duration(p.service.backend.LastContactMs()) * time.Millisecond; silent > limit {
			p.cancel(registry.Errorf(registry.CodeNoLeader, registry.Fields{},
				"this node has not heard from a leader for %v: go on at another one, from the last cursor", silent.Round(time.Millisecond)))
			return
		}
		select {
		case <-p.ctx.Done():
		case <-look.C:
		}
	}
}
