package node_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/node"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

// inParallel does n things, some at a time, and stops the test at an error.
func inParallel(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	var group sync.WaitGroup
	next := make(chan int)
	for range 64 {
		group.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func complete(ctx context.Context, c *client.Client, id, value string) error {
	_, err := c.CompleteProcess(ctx, id, registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(value)}, nil)
	return err
}

func note(ctx context.Context, c registry.Events, id string, n int) (uint64, error) {
	appended, err := c.AppendEvent(ctx, id, registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON(fmt.Sprint(n))}, nil)
	return appended.Event.Sequence, err
}

// TestTenThousandWaitsOnOneClient has as many goroutines wait for the end of a
// process each. Besides those there must be few, and little memory.
func TestTenThousandWaitsOnOneClient(t *testing.T) {
	const waits = 10_000
	c := nodetest.Start(t, 3, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*nodetest.Patience)
	defer cancel()
	writer := dial(t, c.Addrs())
	id := func(i int) string { return fmt.Sprintf("p%05d", i) }
	inParallel(t, waits, func(i int) error {
		_, err := writer.RegisterProcess(ctx, registration(id(i)))
		return err
	})
	waiter := dial(t, c.Addrs())
	goroutines, heap := runtime.NumGoroutine(), heapInUse()
	var waiting sync.WaitGroup
	answered := make(chan error, waits)
	for i := range waits {
		waiting.Go(func() {
			output, err := waiter.AwaitTerminal(ctx, id(i))
			if err == nil && string(output.Value) != fmt.Sprint(i) {
				err = fmt.Errorf("process %d ended with %s", i, output.Value)
			}
			answered <- err
		})
	}
	awaitMetric(t, c, "holdfast_watches", waits)
	if more := runtime.NumGoroutine() - goroutines - waits; more > 100 {
		t.Errorf("%d goroutines besides the %d that wait", more, waits)
	}
	perWait := (heapInUse() - heap) / waits
	t.Logf("%d bytes of heap for a wait, client and nodes together", perWait)
	if perWait > 8<<10 {
		t.Errorf("%d bytes of heap for a wait", perWait)
	}
	inParallel(t, waits, func(i int) error { return complete(ctx, writer, id(i), fmt.Sprint(i)) })
	waiting.Wait()
	close(answered)
	for err := range answered {
		if err != nil {
			t.Fatal(err)
		}
	}
	awaitMetric(t, c, "holdfast_watches", 0)
}

func heapInUse() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapInuse)
}

// metricOf is the sum of a metric's values, or how often it was observed.
func metricOf(t *testing.T, n *node.Node, name string) (sum float64) {
	t.Helper()
	families, err := n.Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// awaitMetric waits until the nodes together show a value.
func awaitMetric(t *testing.T, c *nodetest.Cluster, name string, want float64) {
	t.Helper()
	deadline := time.Now().Add(nodetest.Patience)
	var got float64
	for time.Now().Before(deadline) {
		got = 0
		for _, n := range c.Nodes {
			if n != nil {
				got += metricOf(t, n, name)
			}
		}
		if got == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s is %v, want %v", name, got, want)
}

// follower reads a watch from a cursor on, and checks what comes against what
// must.
type follower struct {
	watch *client.EventWatch
	after uint64
}

// read reads up to a sequence.
func (f *follower) read(ctx context.Context, through uint64) error {
	for f.after < through {
		event, err := f.watch.Next(ctx)
		if err != nil {
			return fmt.Errorf("behind event %d: %w", f.after, err)
		}
		if event.Sequence != f.after+1 || string(event.Payload) != fmt.Sprint(event.Sequence) {
			return fmt.Errorf("event %d with payload %s behind event %d", event.Sequence, event.Payload, f.after)
		}
		f.after++
	}
	return nil
}

// TestWatchesOutliveNodesAndLeaders has many followers, at every node and from
// any cursor, while leaders and followers stop and start again, with snapshots
// so close that a node which comes back gets one. Each must see the log: in
// order, without gap or repeat.
func TestWatchesOutliveNodesAndLeaders(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dirs := map[string]string{}
	c := nodetest.Start(t, 3, func(config *node.Config) {
		dirs[config.ID] = config.DataDir
		config.SnapshotEntries, config.SnapshotInterval, config.TrailingLogs = 32, 50*time.Millisecond, 8
	})
	ctx, cancel := context.WithTimeout(t.Context(), 3*nodetest.Patience)
	defer cancel()
	writer := dial(t, c.Addrs())
	if _, err := writer.RegisterProcess(ctx, registration("p")); err != nil {
		t.Fatal(err)
	}
	written := uint64(0)
	write := func(n int) {
		t.Helper()
		for range n {
			sequence, err := note(ctx, writer, "p", int(written)+1)
			if err != nil || sequence != written+1 {
				t.Fatalf("event %d was stored as %d, %v", written+1, sequence, err)
			}
			written++
		}
	}
	// Each client begins at another node.
	var clients []*client.Client
	for i := range c.Peers {
		addrs := append(c.Addrs()[i:], c.Addrs()[:i]...)
		clients = append(clients, dial(t, addrs))
	}
	var followers []*follower
	follow := func() {
		after := random.Uint64N(written + 1)
		f := &follower{after: after, watch: clients[random.IntN(len(clients))].WatchEvents(registry.EventWatch{ProcessID: "p", After: registry.EventCursor{Sequence: after}})}
		t.Cleanup(f.watch.Close)
		followers = append(followers, f)
	}
	readAll := func() {
		t.Helper()
		for _, f := range followers {
			if err := f.read(ctx, written); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(30)
	for range 10 {
		follow()
	}
	readAll()
	restart := func(i int, meanwhile func()) {
		t.Helper()
		c.Stop(i)
		meanwhile()
		c.StartNode(i, dirs[c.Peers[i].ID])
	}
	installs := 0.0
	for round := range 4 {
		leader := c.AwaitLeader()
		victim := leader
		if round%2 == 1 {
			victim = (leader + 1 + random.IntN(2)) % 3
		}
		restart(victim, func() {
			write(100)
			follow()
			// Some read meanwhile, the others when the node is back.
			for _, f := range followers {
				if random.IntN(2) == 0 {
					if err := f.read(ctx, written); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
		write(10)
		follow()
		readAll()
		for _, n := range c.Nodes {
			installs = max(installs, metricOf(t, n, "holdfast_snapshot_installs_total"))
		}
	}
	if got := followers[0].watch.Cursor(); got.Sequence != written || got.Life == 0 {
		t.Errorf("the cursor is %+v, %d were written", got, written)
	}
	if installs == 0 {
		t.Error("no node that came back was sent a snapshot")
	}
	t.Logf("%d events, %d followers, %v snapshots sent by one node", written, len(followers), installs)
}

// TestAWatchNeverMixesLives prunes and registers again under followers.
func TestAWatchNeverMixesLives(t *testing.T) {
	c := nodetest.Start(t, 3, nil)
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	writer, other := dial(t, c.Addrs()), dialOnly(t, c.Addrs()[(c.AwaitLeader()+1)%3])
	if _, err := other.AwaitTerminal(ctx, "p"); !errors.Is(err, registry.ErrNotFound) || err.Error() != "unknown process `p`" {
		t.Fatalf("waiting for what is not there: %v", err)
	}
	var cursor registry.EventCursor
	for life := range 20 {
		record, err := writer.RegisterProcess(ctx, registration("p"))
		if err != nil {
			t.Fatal(err)
		}
		if life > 0 {
			old := other.WatchEvents(registry.EventWatch{ProcessID: "p", After: cursor})
			if event, err := old.Next(ctx); !errors.Is(err, registry.ErrLifeEnded) {
				t.Fatalf("life %d: the cursor of the last one saw %+v, %v", life, event, err)
			}
			old.Close()
		}
		w := other.WatchEvents(registry.EventWatch{ProcessID: "p"})
		waiting := make(chan error, 1)
		go func() {
			_, err := other.AwaitEvent(ctx, "p", "never", 0)
			waiting <- err
		}()
		for n := range 3 {
			if _, err := note(ctx, writer, "p", life); err != nil {
				t.Fatal(err)
			}
			event, err := w.Next(ctx)
			if err != nil || event.Sequence != uint64(n)+1 || string(event.Payload) != fmt.Sprint(life) {
				t.Fatalf("life %d: %+v, %v", life, event, err)
			}
		}
		if cursor = w.Cursor(); cursor != (registry.EventCursor{Life: record.Life, Sequence: 3}) {
			t.Fatalf("life %d: cursor %+v, life %d", life, cursor, record.Life)
		}
		if err := complete(ctx, writer, "p", "1"); err != nil {
			t.Fatal(err)
		}
		if output, err := other.AwaitTerminal(ctx, "p"); err != nil || string(output.Value) != "1" {
			t.Fatalf("life %d: %+v, %v", life, output, err)
		}
		if _, err := w.Next(ctx); err != nil {
			t.Fatal(err)
		}
		awaitPruned(ctx, t, writer)
		if event, err := w.Next(ctx); !errors.Is(err, registry.ErrLifeEnded) {
			t.Fatalf("life %d, pruned: %+v, %v", life, event, err)
		}
		w.Close()
		if err := <-waiting; !errors.Is(err, registry.ErrNotFound) {
			t.Fatalf("life %d, pruned: the wait ended with %v", life, err)
		}
	}
}

// awaitPruned prunes until one process went. The cluster's clock must have moved
// on since it ended.
func awaitPruned(ctx context.Context, t *testing.T, c *client.Client) {
	t.Helper()
	for {
		report, err := c.PruneTerminalProcesses(ctx, ^uint64(0))
		if err != nil {
			t.Fatal(err)
		}
		if report.PrunedProcesses > 0 {
			return
		}
	}
}

// TestStreamsLeaveNothingBehind ends watches in every way there is, and counts
// goroutines.
func TestStreamsLeaveNothingBehind(t *testing.T) {
	c := nodetest.Start(t, 1, nil)
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	if _, err := c.Nodes[0].RegisterProcess(ctx, registration("p")); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	for range 5 {
		cl, err := client.Dial(c.Addrs())
		if err != nil {
			t.Fatal(err)
		}
		feed := cl.WatchChanges(registry.ChangeCursor{})
		if _, err := feed.Begin(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := note(ctx, cl, "p", 1); err != nil {
			t.Fatal(err)
		}
		w := cl.WatchEvents(registry.EventWatch{ProcessID: "p"})
		if _, err := w.Next(ctx); err != nil {
			t.Fatal(err)
		}
		closed := cl.WatchEvents(registry.EventWatch{ProcessID: "p"})
		closed.Close()
		closed.Close()
		if _, err := closed.Next(ctx); !errors.Is(err, registry.ErrNoLeader) {
			t.Errorf("a closed watch: %v", err)
		}
		ended, end := context.WithCancel(ctx)
		waits := make(chan error, 2)
		for range cap(waits) {
			go func() {
				_, err := cl.AwaitTerminal(ended, "p")
				waits <- err
			}()
		}
		awaitMetric(t, c, "holdfast_watches", 3)
		end()
		for range cap(waits) {
			if err := <-waits; !errors.Is(err, context.Canceled) {
				t.Errorf("a wait whose context ended: %v", err)
			}
		}
		cl.Close()
		if _, err := w.Next(ctx); err != nil && !errors.Is(err, registry.ErrNoLeader) {
			t.Errorf("a watch of a closed client: %v", err)
		}
		if _, err := feed.Next(ctx); err != nil && !errors.Is(err, registry.ErrNoLeader) {
			t.Errorf("a feed of a closed client: %v", err)
		}
		if _, err := cl.AwaitTerminal(ctx, "p"); !errors.Is(err, registry.ErrNoLeader) {
			t.Errorf("a wait at a closed client: %v", err)
		}
		feed.Close()
		late := cl.WatchChanges(registry.ChangeCursor{})
		if _, err := late.Begin(ctx); !errors.Is(err, registry.ErrNoLeader) {
			t.Errorf("a feed at a closed client: %v", err)
		}
		late.Close()
	}
	awaitMetric(t, c, "holdfast_watches", 0)
	awaitMetric(t, c, "holdfast_watch_streams", 0)
	deadline := time.Now().Add(nodetest.Patience)
	for runtime.NumGoroutine() > before+3 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before+3 {
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines before, %d after:\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
	}
}

// TestAStopEndsStreamsAndTheirClientsGoOn stops the node that serves a stream:
// the stop does not wait for it, and the client finds another node.
func TestAStopEndsStreamsAndTheirClientsGoOn(t *testing.T) {
	c := nodetest.Start(t, 3, nil)
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	leader := c.AwaitLeader()
	serves := (leader + 1) % 3
	writer := dial(t, c.Addrs())
	if _, err := writer.RegisterProcess(ctx, registration("p")); err != nil {
		t.Fatal(err)
	}
	watcher := dial(t, append(c.Addrs()[serves:], c.Addrs()[:serves]...))
	ended := make(chan error, 1)
	go func() {
		_, err := watcher.AwaitTerminal(ctx, "p")
		ended <- err
	}()
	awaitMetric(t, c, "holdfast_watches", 1)
	if metricOf(t, c.Nodes[serves], "holdfast_watches") != 1 {
		t.Fatal("another node serves the stream")
	}
	began := time.Now()
	c.Stop(serves)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the stop took %v", took)
	}
	awaitMetric(t, c, "holdfast_watches", 1)
	if err := complete(ctx, writer, "p", "1"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestANodeThatIsCutOffHandsItsWatchersOn: a follower alone cannot know what it
// misses, and must not keep those who wait.
func TestANodeThatIsCutOffHandsItsWatchersOn(t *testing.T) {
	c := nodetest.Start(t, 3, func(config *node.Config) { config.WatchLimits.Contact = 500 * time.Millisecond })
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	if _, err := c.Nodes[c.AwaitLeader()].RegisterProcess(ctx, registration("p")); err != nil {
		t.Fatal(err)
	}
	alone := (c.AwaitLeader() + 1) % 3
	watcher := dial(t, []string{c.Addrs()[alone]})
	w := watcher.WatchEvents(registry.EventWatch{ProcessID: "p"})
	defer w.Close()
	awaitMetric(t, c, "holdfast_watches", 1)
	for i := range c.Nodes {
		if i != alone {
			c.Stop(i)
		}
	}
	awaitMetric(t, c, "holdfast_watches", 0)
}
