package transport

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// fakeLogs is a node's knowledge of some processes, in which a test makes things
// happen.
type fakeLogs struct {
	mu        sync.Mutex
	lives     map[string]uint64
	events    map[string][]registry.ProcessEvent
	followers map[int]fakeFollower
	next      int
	// onCatchUp is what catching up does.
	onCatchUp func() error
	caughtUp  atomic.Int64
	contactMs atomic.Uint64

	changes []registry.ProcessChange
	more    chan struct{}
}

type fakeFollower struct {
	processID string
	wake      func()
}

func newFakeLogs() *fakeLogs {
	return &fakeLogs{lives: map[string]uint64{}, events: map[string][]registry.ProcessEvent{}, followers: map[int]fakeFollower{}, more: make(chan struct{})}
}

func (f *fakeLogs) WatchEvents(w registry.EventWatch) (registry.WatchedEvents, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w.ProcessID == "panic" {
		panic("as the test wants it")
	}
	life := f.lives[w.ProcessID]
	if life == 0 || w.After.Life != 0 && w.After.Life != life {
		code := registry.CodeLifeEnded
		if w.After.Life == 0 {
			code = registry.CodeNotFound
		}
		return registry.WatchedEvents{}, registry.Errorf(code, registry.Fields{ProcessID: w.ProcessID}, "gone")
	}
	page := registry.WatchedEvents{Life: life}
	for i, size := int(w.After.Sequence), 0; i < len(f.events[w.ProcessID]); i++ {
		if size >= registry.WatchPageBytes || len(page.Events) == registry.WatchPageRows {
			page.More = true
			break
		}
		page.Events = append(page.Events, f.events[w.ProcessID][i])
		size += len(f.events[w.ProcessID][i].Payload)
	}
	return page, nil
}

func (f *fakeLogs) FollowProcess(processID string, wake func()) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	place := f.next
	f.followers[place] = fakeFollower{processID, wake}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.followers, place)
	}
}

func (f *fakeLogs) WatchChanges(after registry.ChangeCursor) (registry.WatchedChanges, <-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	present := registry.ChangeCursor{ClusterID: "c", Revision: uint64(len(f.changes))}
	if after == (registry.ChangeCursor{}) {
		return registry.WatchedChanges{Cursor: present}, nil, nil
	}
	if after.ClusterID != "c" || after.Revision > present.Revision {
		return registry.WatchedChanges{}, nil, registry.Errorf(registry.CodeCompacted, registry.Fields{}, "not here")
	}
	if after.Revision == present.Revision {
		return registry.WatchedChanges{Cursor: after}, f.more, nil
	}
	return registry.WatchedChanges{Changes: f.changes[after.Revision:], Cursor: present}, nil, nil
}

func (f *fakeLogs) CatchUp(context.Context) error {
	f.caughtUp.Add(1)
	f.mu.Lock()
	onCatchUp := f.onCatchUp
	f.mu.Unlock()
	if onCatchUp != nil {
		return onCatchUp()
	}
	return nil
}

func (f *fakeLogs) LastContactMs() uint64 { return f.contactMs.Load() }

// happens changes what is known of a process, and wakes who follows it.
func (f *fakeLogs) happens(processID string, change func()) {
	f.mu.Lock()
	change()
	f.changes = append(f.changes, registry.ProcessChange{Revision: uint64(len(f.changes)) + 1, ProcessID: processID, Life: 1, Kind: registry.ChangeAppended, Sequence: 1})
	close(f.more)
	f.more = make(chan struct{})
	var wake []func()
	for _, follower := range f.followers {
		if follower.processID == processID {
			wake = append(wake, follower.wake)
		}
	}
	f.mu.Unlock()
	for _, w := range wake {
		w()
	}
}

func (f *fakeLogs) register(processID string, life uint64) {
	f.happens(processID, func() { f.lives[processID], f.events[processID] = life, nil })
}

func (f *fakeLogs) append(processID string, bytes int) {
	f.happens(processID, func() {
		f.events[processID] = append(f.events[processID], registry.ProcessEvent{
			ProcessID: processID, Sequence: uint64(len(f.events[processID])) + 1, EventType: "note",
			Payload: registry.JSON(`"` + strings.Repeat("x", bytes) + `"`),
		})
	})
}

func (f *fakeLogs) prune(processID string) {
	f.happens(processID, func() { delete(f.lives, processID); delete(f.events, processID) })
}

func (f *fakeLogs) following() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.followers)
}

// watchRig is a server with streams, and a client of them.
type watchRig struct {
	t       *testing.T
	logs    *fakeLogs
	metrics *Metrics
	stop    chan struct{}
	client  pb.WatchesClient
	ctx     context.Context
}

func newWatchRig(t *testing.T, limits WatchLimits) *watchRig {
	t.Helper()
	r := &watchRig{t: t, logs: newFakeLogs(), metrics: NewMetrics(), stop: make(chan struct{})}
	_, addr := serveConfig(t, ServerConfig{Backend: newFake("n1", true), Watches: r.logs, WatchLimits: limits, Metrics: r.metrics, Stopping: r.stop})
	r.client = pb.NewWatchesClient(newCallTo(t, addr))
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithTimeout(t.Context(), patience)
	t.Cleanup(func() {
		cancel()
		// Whatever became of the streams, nobody is left behind.
		r.eventually("all watches are let go", func() bool {
			return r.logs.following() == 0 && testutil.ToFloat64(r.metrics.watches) == 0 && openStreams(r.metrics) == 0
		})
	})
	return r
}

func (r *watchRig) eventually(what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Errorf("gave up waiting until %s", what)
			return
		}
	}
}

func openStreams(m *Metrics) float64 {
	return testutil.ToFloat64(m.watchStreams.WithLabelValues("events")) + testutil.ToFloat64(m.watchStreams.WithLabelValues("changes"))
}

// watchTo is one stream of events.
type watchTo struct {
	r      *watchRig
	stream grpc.BidiStreamingClient[pb.WatchEventsRequest, pb.WatchEventsResponse]
	// unread is what came with an item that was read.
	unread []*pb.WatchedEvents
	empty  int
}

func (r *watchRig) open() *watchTo {
	r.t.Helper()
	stream, err := r.client.WatchEvents(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return &watchTo{r: r, stream: stream}
}

func (w *watchTo) ask(request *pb.WatchEventsRequest) {
	w.r.t.Helper()
	if err := w.stream.Send(request); err != nil {
		w.r.t.Fatal(err)
	}
}

func (w *watchTo) add(watches ...*pb.EventWatch) {
	w.r.t.Helper()
	w.ask(&pb.WatchEventsRequest{Add: watches})
}

// next reads one item.
func (w *watchTo) next() (*pb.WatchedEvents, error) {
	for len(w.unread) == 0 {
		response, err := w.stream.Recv()
		if err != nil {
			return nil, err
		}
		if w.unread = response.GetWatched(); len(w.unread) == 0 {
			w.empty++
		}
	}
	said := w.unread[0]
	w.unread = w.unread[1:]
	return said, nil
}

// expect reads one item and compares it, written short: id, life, sequences, and
// the code that a watch ended with.
func (w *watchTo) expect(want string) {
	w.r.t.Helper()
	said, err := w.next()
	if err != nil {
		w.r.t.Fatalf("%v, want %s", err, want)
	}
	if got := shortly(said); got != want {
		w.r.t.Fatalf("got %s, want %s", got, want)
	}
}

func shortly(said *pb.WatchedEvents) string {
	text := fmt.Sprintf("%d: life %d", said.GetId(), said.GetLife())
	for _, e := range said.GetEvents() {
		text += fmt.Sprintf(" %d", e.GetSequence())
	}
	if said.GetEnded() != nil {
		text += " " + wire.ErrorFromDetail(said.GetEnded()).Code.String()
	}
	return text
}

// ends reads on until the stream ends, and returns why.
func (w *watchTo) ends() *registry.Error {
	w.r.t.Helper()
	for {
		if _, err := w.next(); err != nil {
			failed, answered := wire.ErrorFromStatus(err)
			if !answered {
				w.r.t.Fatalf("the stream ended with %v", err)
			}
			return failed
		}
	}
}

var errNoLeader = registry.Errorf(registry.CodeNoLeader, registry.Fields{}, "the test has none")
