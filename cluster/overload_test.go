package cluster

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/registry"
)

// slowStore is a log store every append of which takes some time.
type slowStore struct {
	raft.LogStore
	delay   atomic.Int64
	appends atomic.Int64
}

func (s *slowStore) StoreLogs(logs []*raft.Log) error {
	time.Sleep(time.Duration(s.delay.Load()))
	s.appends.Add(1)
	return s.LogStore.StoreLogs(logs)
}

func (s *slowStore) StoreLog(log *raft.Log) error { return s.StoreLogs([]*raft.Log{log}) }

// TestMoreWritersThanTheQueueHolds has ten times as many writers as the queue
// admits write at once to a leader with a slow disk. Everything is judged by
// count and by ratio: nothing depends on how fast this machine is.
func TestMoreWritersThanTheQueueHolds(t *testing.T) {
	const queue, writers, writesEach = 200, 10 * 200, 5
	stores := make(map[string]*slowStore)
	c := newTestCluster(t, 3, func(config *Config) {
		// Thousands of writers on two cores under the race detector must not
		// look like a dead leader.
		config.Timing = Timing{Heartbeat: 2 * time.Second, Election: 2 * time.Second, LeaderLease: time.Second}
		stores[config.ID] = &slowStore{LogStore: config.Storage.LogStore}
		config.Storage.LogStore = stores[config.ID]
		config.queue = queue
	})
	leader := c.leader()
	mustRegister(t, leader, "p")
	term, reign := leader.CurrentTerm(), leader.reign.Load()
	const delay = 30 * time.Millisecond
	for _, store := range stores {
		store.delay.Store(int64(delay))
	}

	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var acked, refused atomic.Int64
	var mu sync.Mutex
	var wrong []error
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		wrong = append(wrong, err)
	}
	appends := stores[leader.config.ID].appends.Load()
	start := make(chan struct{})
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			<-start
			for i := range writesEach {
				request := registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON("1"), Replay: &registry.Replay{Key: fmt.Sprint(w, "/", i)}}
				queued := len(reign.queue)
				_, err := leader.AppendEvent(t.Context(), "p", request, nil)
				switch {
				case err == nil:
					acked.Add(1)
				case overloaded(err):
					refused.Add(1)
				default:
					fail(fmt.Errorf("a write was answered with %w", err))
				}
				if queued > queue {
					fail(fmt.Errorf("%d writes wait in a queue of %d", queued, queue))
				}
			}
		})
	}
	close(start)
	running.Wait()
	runtime.ReadMemStats(&after)

	for _, err := range wrong {
		t.Fatal(err)
	}
	if acked.Load()+refused.Load() != writers*writesEach {
		t.Errorf("%d acked and %d refused, of %d", acked.Load(), refused.Load(), writers*writesEach)
	}
	rounds := stores[leader.config.ID].appends.Load() - appends
	if acked.Load() < queue || refused.Load() < writers*writesEach/4 {
		t.Errorf("%d writes were acked and %d refused, by a queue of %d in %d appends", acked.Load(), refused.Load(), queue, rounds)
	}
	if leader.reign.Load() != reign || leader.CurrentTerm() != term {
		t.Errorf("term %d became %d", term, leader.CurrentTerm())
	}
	if after.HeapAlloc > before.HeapAlloc+(64<<20) {
		t.Errorf("the heap grew from %d to %d MiB", before.HeapAlloc>>20, after.HeapAlloc>>20)
	}
	// Everything that was acked is there, and nothing else.
	if stored := countEvents(t, leader, "p"); stored != acked.Load() {
		t.Errorf("%d events are stored, %d were acked", stored, acked.Load())
	}
	t.Logf("%d acked, %d refused, in %d appends of %v", acked.Load(), refused.Load(), rounds, delay)
}

// overloaded tells whether an error is a definite Overloaded with a hint.
func overloaded(err error) bool {
	var refusal *registry.Error
	return errors.As(err, &refusal) && refusal.Code == registry.CodeOverloaded && registry.IsDefinite(err) &&
		refusal.Fields.RetryAfterMs != nil && *refusal.Fields.RetryAfterMs > 0
}

// countEvents reads how many events a process has.
func countEvents(t *testing.T, n *Node, process string) (count int64) {
	t.Helper()
	var page registry.PageRequest
	for {
		events, err := n.EventsAfter(t.Context(), process, 0, page)
		if err != nil {
			t.Fatal(err)
		}
		count += int64(len(events.Items))
		if page.Token = events.NextToken; page.Token == "" {
			return count
		}
	}
}

// TestTheSurplusIsRefusedWhileTheDiskStandsStill counts the refusals before the
// disk takes anything: none of them can have waited for it.
func TestTheSurplusIsRefusedWhileTheDiskStandsStill(t *testing.T) {
	const queue, writers = 100, 10 * 100
	stores := make(map[string]*blockingStore)
	c := newTestCluster(t, 3, func(config *Config) {
		stores[config.ID] = &blockingStore{LogStore: config.Storage.LogStore, stuck: make(chan struct{}, 1)}
		config.Storage.LogStore = stores[config.ID]
		config.queue = queue
		// A thousand writers at once may keep heartbeats waiting.
		config.Timing = Timing{Heartbeat: 2 * time.Second, Election: 2 * time.Second, LeaderLease: time.Second}
	})
	leader := c.leader()
	mustRegister(t, leader, "p")
	term, store := leader.CurrentTerm(), stores[leader.config.ID]
	write := func(key string) error {
		request := registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON("1"), Replay: &registry.Replay{Key: key}}
		_, err := leader.AppendEvent(t.Context(), "p", request, nil)
		return err
	}
	unblock := store.block()
	t.Cleanup(unblock)
	answers := make(chan error, writers+1)
	go func() { answers <- write("first") }()
	<-store.stuck
	for i := range writers {
		go func() { answers <- write(fmt.Sprint(i)) }()
	}
	patient := time.After(patience)
	for refused := range writers - queue {
		select {
		case err := <-answers:
			if !overloaded(err) {
				t.Fatalf("while the disk stands still: %v", err)
			}
		case <-patient:
			t.Fatalf("%d of %d writes were refused, the queue holds %d", refused, writers, queue)
		}
	}
	unblock()
	for answered := range queue + 1 {
		select {
		case err := <-answers:
			if err != nil {
				t.Fatalf("an admitted write: %v", err)
			}
		case <-patient:
			t.Fatalf("%d of %d admitted writes were answered", answered, queue+1)
		}
	}
	if stored := countEvents(t, leader, "p"); stored != queue+1 {
		t.Errorf("%d events are stored, %d were admitted", stored, queue+1)
	}
	if leader.reign.Load() == nil || leader.CurrentTerm() != term {
		t.Errorf("term %d became %d", term, leader.CurrentTerm())
	}
}
