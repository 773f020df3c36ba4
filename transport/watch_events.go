package transport

import (
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// eventStream is one stream of WatchEvents. What is woken is queued, and the
// sender reads the state behind the cursor of one watch after the other: no
// event waits here for a client that does not read.
//
// Three goroutines work on it: one receives, one sends, and one catches up with
// the leader while there are watches that need it. The lock is held for a
// moment at a time, and never while the backend is called: it calls back under a
// lock of its own.
type eventStream struct {
	*pushing
	service *watchService
	stream  grpc.BidiStreamingServer[pb.WatchEventsRequest, pb.WatchEventsResponse]

	mu      sync.Mutex
	closed  bool
	watches map[uint64]*eventWatch
	// ready are the watches to look at next, in turn.
	ready []*eventWatch
	// said is what to tell besides.
	said []*pb.WatchedEvents
	// unsure are the watches that begin once this node has caught up.
	unsure   []*eventWatch
	catching bool
	// signal tells the sender that there is something ready or said.
	signal chan struct{}
}

// eventWatch is one watch of a stream.
type eventWatch struct {
	id       uint64
	unfollow func()

	// The lock of the stream guards these.
	credit uint32
	// begun is set once what this node knows of the process can be trusted.
	begun, queued, gone bool

	// These belong to the sender once the watch has begun.
	watch registry.EventWatch
	// told is set once the client knows which life it watches.
	told bool
}

func newEventStream(service *watchService, p *pushing, stream grpc.BidiStreamingServer[pb.WatchEventsRequest, pb.WatchEventsResponse]) *eventStream {
	return &eventStream{pushing: p, service: service, stream: stream, watches: make(map[uint64]*eventWatch), signal: make(chan struct{}, 1)}
}

// run sends until the stream ends.
func (s *eventStream) run() {
	s.goes(s.receive)
	defer s.close()
	silent := time.NewTimer(s.service.limits.Silence)
	defer silent.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.signal:
		case <-silent.C:
			if s.silence() <= 0 && !s.send(&pb.WatchEventsResponse{}) {
				return
			}
		}
		for response := s.collect(); response != nil; response = s.collect() {
			if !s.send(response) {
				return
			}
		}
		silent.Reset(s.silence())
	}
}

func (s *eventStream) send(response *pb.WatchEventsResponse) bool {
	return s.push(func() error { return s.stream.Send(response) })
}

// close lets go of all watches, also of those that are being added.
func (s *eventStream) close() {
	s.mu.Lock()
	s.closed = true
	watches := s.watches
	s.watches, s.ready, s.unsure = nil, nil, nil
	s.mu.Unlock()
	for _, w := range watches {
		w.unfollow()
	}
	s.service.count(-len(watches))
}

func (s *watchService) count(watches int) int64 {
	s.metrics.watches.Add(float64(watches))
	return s.watches.Add(int64(watches))
}

func (s *eventStream) receive() {
	for {
		request, err := s.stream.Recv()
		if err != nil {
			if err == io.EOF {
				err = errStreamEnded
			}
			s.cancel(err)
			return
		}
		for _, m := range request.GetAdd() {
			if refused := s.add(m); refused != nil {
				s.cancel(refused)
				return
			}
		}
		for _, m := range request.GetCredit() {
			s.grant(m.GetId(), m.GetPages())
		}
		for _, id := range request.GetRemove() {
			s.remove(id)
		}
		s.catchUp()
	}
}

// add begins a watch. It follows first and looks then, so that nothing can come
// between. An error is one of the whole stream.
func (s *eventStream) add(m *pb.EventWatch) *registry.Error {
	w := &eventWatch{id: m.GetId(), credit: m.GetCredit(), watch: wire.EventWatchFromPB(m)}
	if err := w.watch.Validate(); err != nil {
		return s.say(w.ended(err))
	}
	w.unfollow = s.service.backend.FollowProcess(w.watch.ProcessID, func() { s.wake(w) })
	duplicate, refusal := s.enter(w)
	switch {
	case duplicate:
		w.unfollow()
		return registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "add.id", Value: &w.id}, "the stream has a watch %d already", w.id)
	case refusal != nil:
		w.unfollow()
		return s.say(w.ended(refusal))
	}
	// A life that is here was there and can only end here; all else may be news
	// that has not come yet.
	sure := false
	if w.watch.After.Life != 0 {
		_, err := s.service.backend.WatchEvents(w.watch)
		sure = err == nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sure {
		s.begin(w)
	} else {
		s.unsure = append(s.unsure, w)
	}
	return nil
}

// enter enters a watch into the stream, within the limits.
func (s *eventStream) enter(w *eventWatch) (duplicate bool, refusal *registry.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, registry.Errorf(registry.CodeNoLeader, registry.Fields{}, "the stream has ended")
	}
	if s.watches[w.id] != nil {
		return true, nil
	}
	limits, inStream := s.service.limits, uint64(len(s.watches))+1
	if limit := uint64(limits.PerStream); inStream > limit {
		return false, overLimit("watches", limit, inStream, "the stream has %d watches, which is the limit: end some, or open another stream", limit)
	}
	if limit, inNode := uint64(limits.PerNode), uint64(s.service.count(1)); inNode > limit {
		s.service.count(-1)
		return false, overLimit("node.watches", limit, inNode, "this node has %d watches, which is the limit: ask another one", limit)
	}
	s.watches[w.id] = w
	return false, nil
}

// ended tells that a watch has ended.
func (w *eventWatch) ended(err error) *pb.WatchedEvents {
	return &pb.WatchedEvents{Id: w.id, Ended: wire.ErrorToDetail(err)}
}

// say has the sender tell something that is no event. A client that reads none
// of many refusals is cut off here, since nothing else bounds them.
func (s *eventStream) say(said *pb.WatchedEvents) *registry.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit := uint64(s.service.limits.PerStream); uint64(len(s.said)) >= limit {
		return overLimit("watches", limit, limit+1, "%d refused watches are unread, which is the limit: the stream is cut off", limit)
	}
	s.said = append(s.said, said)
	s.rouse()
	return nil
}

// rouse tells the sender to look for something to send.
func (s *eventStream) rouse() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// begin lets the sender look at a watch. The lock must be held.
func (s *eventStream) begin(w *eventWatch) {
	w.begun = true
	s.enqueue(w)
}

// enqueue has the sender look at a watch, after those that it has to look at
// already. The lock must be held.
func (s *eventStream) enqueue(w *eventWatch) {
	if w.queued || w.gone || !w.begun || s.closed {
		return
	}
	w.queued = true
	s.ready = append(s.ready, w)
	s.rouse()
}

// wake is called when the process of a watch may have changed.
func (s *eventStream) wake(w *eventWatch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Without credit it is looked at when there is some.
	if w.credit > 0 {
		s.enqueue(w)
	}
}

func (s *eventStream) grant(id uint64, pages uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.watches[id]; w != nil && pages > 0 {
		w.credit = max(w.credit, w.credit+pages)
		s.enqueue(w)
	}
}

func (s *eventStream) remove(id uint64) {
	s.mu.Lock()
	w := s.watches[id]
	s.mu.Unlock()
	if w != nil {
		s.forget(w)
	}
}

// forget lets go of a watch, once.
func (s *eventStream) forget(w *eventWatch) bool {
	s.mu.Lock()
	known := !s.closed && !w.gone
	if known {
		w.gone = true
		delete(s.watches, w.id)
	}
	s.mu.Unlock()
	if known {
		w.unfollow()
		s.service.count(-1)
	}
	return known
}

// catchUp brings this node up to date for the watches that need it, all of them
// at a time.
func (s *eventStream) catchUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.catching || len(s.unsure) == 0 {
		return
	}
	s.catching = true
	s.goes(func() {
		for {
			s.mu.Lock()
			unsure := s.unsure
			s.unsure = nil
			s.catching = len(unsure) > 0
			s.mu.Unlock()
			if len(unsure) == 0 {
				return
			}
			if err := s.service.backend.CatchUp(s.ctx); err != nil {
				for _, w := range unsure {
					if s.forget(w) {
						if refused := s.say(w.ended(err)); refused != nil {
							s.cancel(refused)
						}
					}
				}
				continue
			}
			s.mu.Lock()
			for _, w := range unsure {
				s.begin(w)
			}
			s.mu.Unlock()
		}
	})
}

// collect makes the next message, nil if there is nothing to say. It takes one
// page of each watch in turn, until the message is large enough.
func (s *eventStream) collect() *pb.WatchEventsResponse {
	response := &pb.WatchEventsResponse{}
	s.mu.Lock()
	n := min(len(s.said), registry.WatchPageRows)
	response.Watched, s.said = s.said[:n:n], s.said[n:]
	s.mu.Unlock()
	for bytes := 0; bytes < registry.WatchPageBytes; {
		w, mayHaveEvents := s.next()
		if w == nil {
			break
		}
		if said := s.look(w, mayHaveEvents); said != nil {
			response.Watched = append(response.Watched, said)
			bytes += proto.Size(said)
		}
	}
	if len(response.Watched) == 0 {
		return nil
	}
	return response
}

// next takes the first watch that is ready, and tells whether a page of its
// events may be sent.
func (s *eventStream) next() (*eventWatch, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) > 0 {
		w := s.ready[0]
		s.ready[0] = nil
		s.ready = s.ready[1:]
		w.queued = false
		if !w.gone {
			return w, w.credit > 0
		}
	}
	return nil, false
}

// look reads what is behind the cursor of a watch, nil if there is nothing.
func (s *eventStream) look(w *eventWatch, mayHaveEvents bool) *pb.WatchedEvents {
	if w.told && !mayHaveEvents {
		return nil
	}
	page, err := s.service.backend.WatchEvents(w.watch)
	if err != nil {
		if !s.forget(w) {
			return nil
		}
		return w.ended(err)
	}
	if !mayHaveEvents {
		page.Events = nil
	}
	if w.told && len(page.Events) == 0 {
		return nil
	}
	w.told = true
	w.watch.After.Life = page.Life
	if n := len(page.Events); n > 0 {
		w.watch.After.Sequence = page.Events[n-1].Sequence
		s.mu.Lock()
		w.credit--
		if page.More && w.credit > 0 {
			s.enqueue(w)
		}
		s.mu.Unlock()
	}
	return &pb.WatchedEvents{Id: w.id, Life: page.Life, Events: wire.EventsToPB(page.Events)}
}
