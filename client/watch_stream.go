package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

const (
	// defaultSilence is how long a stream may say nothing. Nodes send an empty
	// message every five seconds.
	defaultSilence = 15 * time.Second
	// streamLinger is how long a stream without watches is kept for the next.
	streamLinger = 10 * time.Second
	// steadyStream is how long a stream must have stood for its end to be no
	// failure that waits grow by.
	steadyStream = 5 * time.Second
	// fieldSlow is the field of the Overloaded that cuts off a client which did not
	// read: no other node would do better.
	fieldSlow = "stream"
	// watchesAtOnce bounds one request: a thousand of the longest ids.
	watchesAtOnce = 1000
)

// watchStream is the one stream that carries all watches of events of a client.
// It is opened for the first watch, opened again wherever a node answers, and
// ended some time after the last.
//
// Two goroutines serve all watches: one keeps a stream open and sends, the other
// one receives. Every watch knows how far it has come, so a new stream needs
// nothing of the one before.
type watchStream struct {
	client *Client
	done   sync.WaitGroup

	mu      sync.Mutex
	running bool
	watches map[*EventWatch]struct{}
	// byID are the watches that the node of the present stream knows.
	byID   map[uint64]*EventWatch
	lastID uint64
	// What the node is still to be told. Those to add are in watches too, unless
	// they ended since.
	adding    []*EventWatch
	crediting []*EventWatch
	removing  []uint64
	// signal tells the sender that there is something to tell.
	signal chan struct{}
}

func newWatchStream(c *Client) *watchStream {
	return &watchStream{client: c, watches: make(map[*EventWatch]struct{}), signal: make(chan struct{}, 1)}
}

// close ends all watches with the client.
func (s *watchStream) close(end func()) {
	s.mu.Lock()
	end()
	s.mu.Unlock()
	s.done.Wait()
}

// goes runs a goroutine that ends with the client, false when that has ended.
func (s *watchStream) goes(run func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client.ctx.Err() != nil {
		return false
	}
	s.done.Go(run)
	return true
}

// begin adds a watch, and has a stream opened if there is none.
func (s *watchStream) begin(watch registry.EventWatch, most int) *EventWatch {
	w := &EventWatch{stream: s, most: most, ready: make(chan struct{}, 1), watch: watch, read: watch.After}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client.ctx.Err() != nil {
		w.err = errClientClosed
		return w
	}
	s.watches[w] = struct{}{}
	s.adding = append(s.adding, w)
	s.rouse()
	if !s.running {
		s.running = true
		s.done.Go(s.run)
	}
	return w
}

var errClientClosed = registry.Errorf(registry.CodeNoLeader, registry.Fields{}, "the client was closed")

func (s *watchStream) rouse() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// take returns the next event of a watch if there is one here, or why there
// will be none.
func (s *watchStream) take(w *EventWatch) (event registry.ProcessEvent, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(w.pages) == 0 {
		return event, false, w.err
	}
	event = w.pages[0][0]
	w.read = registry.EventCursor{Life: w.watch.After.Life, Sequence: event.Sequence}
	if w.pages[0] = w.pages[0][1:]; len(w.pages[0]) == 0 {
		w.pages[0] = nil
		w.pages = w.pages[1:]
		if w.owed++; w.owed == 1 && w.id != 0 && w.err == nil {
			s.crediting = append(s.crediting, w)
			s.rouse()
		}
	}
	return event, true, nil
}

// end ends a watch, if it has not ended before.
func (s *watchStream) end(w *EventWatch, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.id != 0 {
		s.removing = append(s.removing, w.id)
	}
	s.forget(w, err)
	s.rouse()
}

// forget drops a watch that has ended. The lock must be held.
func (s *watchStream) forget(w *EventWatch, err error) {
	if w.err == nil {
		w.err = err
	}
	delete(s.watches, w)
	delete(s.byID, w.id)
	w.id = 0
	w.rouse()
}

func (w *EventWatch) rouse() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// run keeps a stream open for as long as there are watches.
func (s *watchStream) run() {
	c := s.client
	for tries := 1; ; tries++ {
		began := time.Now()
		to := c.targets.pick(false)
		failed := s.serve(to)
		if s.stopped(failed) {
			return
		}
		if failed == nil {
			continue // a watch came just as the last one had gone
		}
		if failed.Code != registry.CodeOverloaded || failed.Fields.Field != fieldSlow {
			c.targets.failed(to, false)
		}
		if time.Since(began) > steadyStream {
			tries = 1
		}
		wait := pause(failed, tries)
		c.options.logger.Debug("opening the stream of events again", "addr", to.addr, "tries", tries, "wait", wait, "error", failed)
		c.sleep(c.ctx, wait)
	}
}

// stopped tells whether the stream is not opened again: nobody needs it, or
// trying again would change nothing.
func (s *watchStream) stopped(failed *registry.Error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var why error
	switch {
	case s.client.ctx.Err() != nil:
		why = errClientClosed
	case failed != nil && !passes(failed):
		why = failed
	}
	if why != nil {
		for w := range s.watches {
			s.forget(w, why)
		}
	}
	s.byID, s.crediting, s.removing = nil, nil, nil
	if len(s.watches) == 0 {
		s.adding, s.running = nil, false
	}
	return !s.running
}

// passes tells that another node, or the same one later, may do better.
func passes(failed *registry.Error) bool {
	switch failed.Code {
	case registry.CodeUnsupported, registry.CodeUnauthenticated, registry.CodePermissionDenied, registry.CodeInvalidArgument, registry.CodeTooLarge:
		return false
	}
	return true
}

// serve serves all watches over one stream until that fails; nil when it was
// ended because it is not needed.
func (s *watchStream) serve(to *target) *registry.Error {
	ctx, cancel := context.WithCancelCause(s.client.ctx)
	defer cancel(nil)
	limit := s.client.options.streamSilence
	silence := time.AfterFunc(limit, func() { cancel(errSilent) })
	defer silence.Stop()
	stream, err := pb.NewWatchesClient(to.conn).WatchEvents(ctx)
	if err != nil {
		return streamError(ctx, err)
	}
	s.reset()
	var receiving sync.WaitGroup
	defer receiving.Wait()
	defer cancel(nil)
	receiving.Go(func() {
		for {
			response, err := stream.Recv()
			if err == nil {
				silence.Reset(limit)
				err = s.receive(response)
			}
			if err != nil {
				cancel(err)
				return
			}
		}
	})
	return s.send(ctx, stream)
}

// send tells the node what it is to be told, until the stream fails or has been
// without any watch for a while.
func (s *watchStream) send(ctx context.Context, stream grpc.BidiStreamingClient[pb.WatchEventsRequest, pb.WatchEventsResponse]) *registry.Error {
	linger := time.NewTimer(streamLinger)
	defer linger.Stop()
	for {
		for request := s.collect(); request != nil; request = s.collect() {
			if err := stream.Send(request); err != nil {
				// Why it failed is what the receiver gets.
				<-ctx.Done()
				return streamError(ctx, err)
			}
			linger.Reset(streamLinger)
		}
		select {
		case <-ctx.Done():
			return streamError(ctx, ctx.Err())
		case <-s.signal:
		case <-linger.C:
			if s.idle() {
				return nil
			}
			linger.Reset(streamLinger)
		}
	}
}

func (s *watchStream) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watches) == 0
}

// reset prepares for a stream that knows of no watch yet.
func (s *watchStream) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID = make(map[uint64]*EventWatch)
	s.adding, s.crediting, s.removing = nil, nil, nil
	for w := range s.watches {
		w.id = 0
		s.adding = append(s.adding, w)
	}
}

// collect makes the next request, nil if there is nothing to tell.
func (s *watchStream) collect() *pb.WatchEventsRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	request := &pb.WatchEventsRequest{}
	n := min(len(s.adding), watchesAtOnce)
	for _, w := range s.adding[:n] {
		if _, wanted := s.watches[w]; !wanted || w.id != 0 {
			continue
		}
		s.lastID++
		w.id, w.owed = s.lastID, 0
		s.byID[w.id] = w
		request.Add = append(request.Add, wire.EventWatchToPB(w.id, w.watch, uint32(max(0, w.most-len(w.pages)))))
	}
	clear(s.adding[:n])
	s.adding = s.adding[n:]
	for _, w := range s.crediting {
		if w.id != 0 && w.owed > 0 {
			request.Credit = append(request.Credit, &pb.WatchCredit{Id: w.id, Pages: w.owed})
			w.owed = 0
		}
	}
	request.Remove = s.removing
	s.crediting, s.removing = nil, nil
	if n == 0 && len(request.Credit)+len(request.Remove) == 0 {
		return nil
	}
	return request
}

// receive takes in what a node says. An error ends the stream.
func (s *watchStream) receive(response *pb.WatchEventsResponse) error {
	for _, said := range response.GetWatched() {
		events, err := wire.EventsFromPB(said.GetEvents())
		if err != nil {
			return wire.AnswerError(err)
		}
		s.mu.Lock()
		err = s.enter(said, events)
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// enter takes in what a node says of one watch. The lock must be held.
func (s *watchStream) enter(said *pb.WatchedEvents, events []registry.ProcessEvent) error {
	w := s.byID[said.GetId()]
	if w == nil {
		return nil // it was closed meanwhile
	}
	if said.GetEnded() != nil {
		s.ended(w, wire.ErrorFromDetail(said.GetEnded()))
		return nil
	}
	w.tries = 0
	if w.watch.After.Life == 0 {
		w.watch.After.Life, w.read.Life = said.GetLife(), said.GetLife()
	}
	after, err := w.follow(said.GetLife(), events)
	if err != nil || len(events) == 0 {
		return err
	}
	w.watch.After = after
	w.pages = append(w.pages, events)
	w.rouse()
	return nil
}

// follow checks that a page follows what has arrived, and returns the place
// behind it. Of a page that does not nothing is taken: the watch is asked for
// again from where it was.
func (w *EventWatch) follow(life uint64, events []registry.ProcessEvent) (after registry.EventCursor, err error) {
	after = w.watch.After
	if life != after.Life {
		return after, broken("events of life %d of process `%s`, asked for those of life %d", life, w.watch.ProcessID, after.Life)
	}
	if len(events) > 0 && len(w.pages) >= w.most {
		return after, broken("%d pages of process `%s` came, asked for %d", len(w.pages)+1, w.watch.ProcessID, w.most)
	}
	for i := range events {
		next, complete := events[i].Sequence, w.watch.EventType == "" && !w.watch.EndOnly
		if next <= after.Sequence || complete && next != after.Sequence+1 {
			return after, broken("event %d of process `%s` came behind event %d", next, w.watch.ProcessID, after.Sequence)
		}
		if events[i].Semantics.Terminal == nil && w.watch.EndOnly {
			return after, broken("event %d of process `%s` ended nothing, asked for the one that did", next, w.watch.ProcessID)
		}
		after.Sequence = next
	}
	return after, nil
}

// broken is the end of a stream that does not keep what it promises.
func broken(format string, args ...any) error {
	return registry.Errorf(registry.CodeInternal, registry.Fields{}, format, args...)
}

// ended takes in that the node has ended a watch: for good, or until another try.
// The lock must be held.
func (s *watchStream) ended(w *EventWatch, why *registry.Error) {
	again := false
	switch why.Code {
	case registry.CodeNotLeader, registry.CodeNoLeader:
		again = true
	case registry.CodeOverloaded:
		again = why.Fields.Field != "watches"
	}
	if !again {
		s.forget(w, why)
		return
	}
	delete(s.byID, w.id)
	w.id = 0
	w.tries++
	time.AfterFunc(pause(why, w.tries), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		// A stream that was opened since has it already.
		if _, wanted := s.watches[w]; wanted && w.id == 0 {
			s.adding = append(s.adding, w)
			s.rouse()
		}
	})
}

// errSilent ends a stream on which nothing comes.
var errSilent = registry.Errorf(registry.CodeNoLeader, registry.Fields{}, "the node has said nothing for too long")

// streamError is why a stream has failed.
func streamError(ctx context.Context, err error) *registry.Error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	var failed *registry.Error
	if errors.As(err, &failed) {
		return failed
	}
	if failed, answered := wire.ErrorFromStatus(err); answered {
		return failed
	}
	code := registry.CodeNoLeader
	if status.Code(err) == codes.Unimplemented {
		code = registry.CodeUnsupported
	}
	return registry.Errorf(code, registry.Fields{}, "the stream ended: %v", err)
}
