package node_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/node"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestAFeedOfChangesOutlivesNodesAndLeaders compares what a feed brings, over
// leaders and nodes that stop and start again, with the revisions that the
// writes were answered with.
func TestAFeedOfChangesOutlivesNodesAndLeaders(t *testing.T) {
	dirs := map[string]string{}
	c := nodetest.Start(t, 3, func(config *node.Config) { dirs[config.ID] = config.DataDir })
	ctx, cancel := context.WithTimeout(t.Context(), 3*nodetest.Patience)
	defer cancel()
	writer := dial(t, c.Addrs(), client.WithRetryTimeout(nodetest.Patience))
	feed := dial(t, c.Addrs()).WatchChanges(registry.ChangeCursor{})
	defer feed.Close()
	begin, err := feed.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var want, got []registry.ProcessChange
	write := func(n int) {
		t.Helper()
		for range n {
			var info registry.AnswerInfo
			id := fmt.Sprint("p", len(want)%7)
			if len(want) < 7 {
				record, err := writer.RegisterProcess(registry.WithAnswerInfo(ctx, &info), registration(id))
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, registry.ProcessChange{Revision: info.Revision, ProcessID: id, Life: record.Life, Kind: registry.ChangeRegistered})
				continue
			}
			sequence, err := note(registry.WithAnswerInfo(ctx, &info), writer, id, 1)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, registry.ProcessChange{Revision: info.Revision, ProcessID: id, Life: want[len(want)%7].Life, Kind: registry.ChangeAppended, Sequence: sequence})
		}
	}
	read := func() {
		t.Helper()
		for len(got) < len(want) {
			change, err := feed.Next(ctx)
			if err != nil {
				t.Fatalf("behind %v: %v", feed.Cursor(), err)
			}
			got = append(got, change)
		}
		if !slices.Equal(got, want) {
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("change %d is %+v, want %+v", i, got[i], want[i])
				}
			}
		}
	}
	write(20)
	read()
	for round := range 4 {
		victim := (c.AwaitLeader() + round%2) % 3
		c.Stop(victim)
		write(30)
		if round < 2 {
			read()
		}
		c.StartNode(victim, dirs[c.Peers[victim].ID])
		write(10)
		read()
	}
	// Everything once more, at another client, from the beginning.
	again := dial(t, c.Addrs()).WatchChanges(begin)
	got = nil
	feed.Close()
	feed = again
	defer again.Close()
	read()
	if cursor := feed.Cursor(); cursor.Revision != want[len(want)-1].Revision || cursor.ClusterID != begin.ClusterID {
		t.Errorf("the cursor is %v", cursor)
	}
}

// TestAChangeCursorThatCannotBeContinuedIsRefused: of another cluster, and from
// before a snapshot that the only node was started from.
func TestAChangeCursorThatCannotBeContinuedIsRefused(t *testing.T) {
	dirs := map[string]string{}
	c := nodetest.Start(t, 1, func(config *node.Config) { dirs[config.ID] = config.DataDir })
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	cl := dial(t, c.Addrs(), client.WithRetryTimeout(nodetest.Patience))
	register := func(id string) {
		t.Helper()
		if _, err := cl.RegisterProcess(ctx, registration(id)); err != nil {
			t.Fatal(err)
		}
	}
	feed := cl.WatchChanges(registry.ChangeCursor{})
	begin, err := feed.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	foreign := begin
	foreign.ClusterID = "another"
	w := cl.WatchChanges(foreign)
	if change, err := w.Next(ctx); !errors.Is(err, registry.ErrCompacted) {
		t.Errorf("a cursor of another cluster: %+v, %v", change, err)
	}
	if _, err := w.Next(ctx); !errors.Is(err, registry.ErrCompacted) {
		t.Errorf("asked again: %v", err)
	}
	w.Close()
	register("p")
	register("q")
	if change, err := feed.Next(ctx); err != nil || change.ProcessID != "p" {
		t.Fatalf("%+v, %v", change, err)
	}
	if err := cl.TakeSnapshot(ctx); err != nil {
		t.Fatal(err)
	}
	c.Stop(0)
	c.StartNode(0, dirs["n1"])
	c.AwaitLeader()
	register("r")
	// The feed had both before the node stopped.
	for _, want := range []string{"q", "r"} {
		if change, err := feed.Next(ctx); err != nil || change.ProcessID != want {
			t.Fatalf("%+v, %v, want %s", change, err, want)
		}
	}
	feed.Close()
	w = cl.WatchChanges(begin)
	defer w.Close()
	if change, err := w.Next(ctx); !errors.Is(err, registry.ErrCompacted) {
		t.Errorf("a cursor from before the snapshot: %+v, %v", change, err)
	}
}

// history is what was stored of one life of a process.
type history struct {
	life   uint64
	events []uint64 // payloads
	pruned bool
	// read is set if its followers had seen all of it before it was pruned.
	read bool
}

// seen is what one follower saw, from which cursor on.
type seen struct {
	process int
	after   registry.EventCursor
	watch   *client.EventWatch
	life    uint64
	values  []string
	err     error
}

// TestRandomHistoriesAreSeenAsTheyWere registers, appends, ends, prunes and
// restarts the node from snapshots, at random, under followers that begin at
// random places and read at their own pace. What each saw must be the log of one
// life, from its cursor to the end.
func TestRandomHistoriesAreSeenAsTheyWere(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	dirs := map[string]string{}
	c := nodetest.Start(t, 1, func(config *node.Config) {
		dirs[config.ID] = config.DataDir
		config.SnapshotEntries, config.SnapshotInterval, config.TrailingLogs = 16, 20*time.Millisecond, 4
	})
	ctx, cancel := context.WithTimeout(t.Context(), 3*nodetest.Patience)
	defer cancel()
	cl := dial(t, c.Addrs(), client.WithRetryTimeout(nodetest.Patience))

	const processes = 4
	id := func(process int) string { return fmt.Sprint("p", process) }
	histories := make([][]*history, processes)
	current := func(process int) *history {
		if n := len(histories[process]); n > 0 && !histories[process][n-1].pruned {
			return histories[process][n-1]
		}
		return nil
	}
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var following sync.WaitGroup
	var followers []*seen
	until := func(what string, holds func() bool) {
		t.Helper()
		for !holds() {
			if ctx.Err() != nil {
				t.Fatal("gave up waiting until " + what)
			}
			time.Sleep(time.Millisecond)
		}
	}
	prune := func(process int, read bool) {
		t.Helper()
		h := current(process)
		fatal(complete(ctx, cl, id(process), "1"))
		h.events = append(h.events, 0)
		for _, f := range followers {
			if read && f.process == process && f.life == h.life {
				until("a follower has seen the end", func() bool { return f.watch.Cursor().Sequence >= uint64(len(h.events)) })
			}
		}
		awaitPruned(ctx, t, cl)
		h.pruned, h.read = true, read
	}
	follow := func() {
		f := &seen{process: random.IntN(processes)}
		h := current(f.process)
		if h == nil {
			return // the life that the follower would get is not decided yet
		}
		f.after.Sequence = random.Uint64N(uint64(len(h.events)) + 1)
		if random.IntN(2) == 0 {
			f.after.Life = h.life
		}
		f.watch, f.life = cl.WatchEvents(registry.EventWatch{ProcessID: id(f.process), After: f.after}), h.life
		until("the follower knows which life it follows", func() bool { return f.watch.Cursor().Life == h.life })
		pace := time.Duration(random.IntN(4)) * time.Millisecond
		followers = append(followers, f)
		following.Go(func() {
			for event, err := range f.watch.All(ctx) {
				if err != nil {
					f.err = err
					return
				}
				f.values = append(f.values, fmt.Sprint(event.Sequence, "=", string(event.Payload)))
				time.Sleep(pace)
			}
		})
	}
	value := uint64(0)
	step := func() {
		t.Helper()
		process := random.IntN(processes)
		h := current(process)
		switch action := random.IntN(20); {
		case h == nil:
			record, err := cl.RegisterProcess(ctx, registration(id(process)))
			fatal(err)
			histories[process] = append(histories[process], &history{life: record.Life})
		case action < 15:
			value++
			_, err := note(ctx, cl, id(process), int(value))
			fatal(err)
			h.events = append(h.events, value)
		case action < 18:
			follow()
		default:
			prune(process, random.IntN(2) == 0)
		}
	}
	for i := range 600 {
		step()
		if i%150 == 149 {
			c.Stop(0)
			c.StartNode(0, dirs["n1"])
		}
	}
	// The end of everything ends every follower.
	for process := range processes {
		if current(process) != nil {
			prune(process, true)
		}
	}
	following.Wait()
	for _, f := range followers {
		i := slices.IndexFunc(histories[f.process], func(h *history) bool { return h.life == f.life })
		h := histories[f.process][i]
		// A slow reader may miss the last events of a life that is pruned: the log
		// is what there is, and there is none.
		if missing := uint64(len(h.events)) - f.after.Sequence - uint64(len(f.values)); missing > 0 && h.read {
			t.Errorf("a follower of %s behind %+v missed the last %d events", id(f.process), f.after, missing)
		}
		if !errors.Is(f.err, registry.ErrLifeEnded) {
			t.Errorf("a follower of %s behind %+v ended with %v", id(f.process), f.after, f.err)
		}
		for n, got := range f.values {
			sequence := f.after.Sequence + uint64(n) + 1
			if sequence > uint64(len(h.events)) {
				t.Errorf("%s of %s, which has %d events", got, id(f.process), len(h.events))
				break
			}
			want := fmt.Sprint(sequence, "=", h.events[sequence-1])
			if h.events[sequence-1] == 0 {
				want = got // the end, whose payload is the output's
			}
			if got != want {
				t.Errorf("a follower of %s behind %+v saw %s, want %s", id(f.process), f.after, got, want)
			}
		}
	}
	t.Logf("%d followers", len(followers))
}
