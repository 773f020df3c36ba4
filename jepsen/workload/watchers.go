package workload

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

const (
	// watchesEach is how many processes a watcher follows at a time, besides a
	// feed of changes.
	watchesEach = 3
	// watchable is among how many of the latest processes watchers choose.
	watchable = 16
	// leftMost bounds what is kept of cursors at which nobody has gone on yet.
	leftMost = 64
	// catchUpLimit is how long streams may take to bring all that there is. It is
	// more than a checker allows.
	catchUpLimit = 30 * time.Second
	// readByStream is how many of the latest processes each node is asked for in
	// the end.
	readByStream = 200
)

// Watchers follow streams while others work, let go, and go on elsewhere.
type Watchers struct {
	recorder *history.Recorder
	seed     uint64
	all      []*Watcher
	working  sync.WaitGroup

	mu sync.Mutex
	// left is where somebody let go of a stream: whoever comes next goes on there.
	left []history.Follow
}

// NewWatchers returns no watchers yet.
func NewWatchers(recorder *history.Recorder, seed uint64) *Watchers {
	return &Watchers{recorder: recorder, seed: seed}
}

// Add adds a watcher before Start.
func (ws *Watchers) Add(w *Watcher) { ws.all = append(ws.all, w) }

// Start has the watchers follow what there is. While there is load they let go
// and begin again all the time, but for one watch of each, and the feed of every
// other; what they follow when the load ends they follow until Close.
func (ws *Watchers) Start(load context.Context) {
	for i, w := range ws.all {
		for j := range watchesEach + 1 {
			a := &actor{client: w.Client, random: rand.New(rand.NewPCG(ws.seed, uint64(2000+100*i+j)))}
			turn, stays := ws.watchTurn, j == 0
			if j == watchesEach {
				turn, stays = ws.feedTurn, i%2 == 1
			}
			ws.working.Go(func() {
				for load.Err() == nil && w.ctx.Err() == nil {
					a.rest(load, 5*time.Millisecond, 500*time.Millisecond)
					ctx, end, pace := w.spell(load, a, stays)
					turn(load, ctx, w, a, pace)
					end()
				}
			})
		}
	}
}

// Close ends all streams, and the watchers.
func (ws *Watchers) Close() (err error) {
	for _, w := range ws.all {
		w.close()
	}
	ws.working.Wait()
	for _, w := range ws.all {
		err = errors.Join(err, w.streams.Close())
	}
	return err
}

// spell is how long a stream is followed: for a while, unless the load ends
// before, or for good. pace is a rest between two items, which most readers do
// without.
func (w *Watcher) spell(load context.Context, a *actor, stays bool) (ctx context.Context, end context.CancelFunc, pace func()) {
	ctx, cancel := context.WithCancel(w.ctx)
	length := 100*time.Millisecond + time.Duration(a.random.Int64N(int64(4*time.Second)))
	timer := time.AfterFunc(length, func() {
		if load.Err() == nil && !stays {
			cancel()
		}
	})
	pace = func() {}
	if a.random.IntN(4) == 0 {
		pace = func() {
			if load.Err() == nil {
				a.rest(ctx, time.Millisecond, 30*time.Millisecond)
			}
		}
	}
	return ctx, func() { timer.Stop(); cancel() }, pace
}

// watchTurn follows the events of a process: from the beginning or the middle,
// to its end alone, or from where somebody let go.
func (ws *Watchers) watchTurn(load, ctx context.Context, w *Watcher, a *actor, pace func()) {
	ids := ws.recorder.Processes()
	if len(ids) == 0 || load.Err() != nil {
		return
	}
	asked := history.Follow{Process: ids[max(0, len(ids)-1-a.random.IntN(watchable))]}
	switch weighted(a.random, 2, 3, 9, 1) {
	case 1:
		asked.Sequence = a.random.Uint64N(40)
	case 2:
		if left := ws.takeLeft(a, func(f history.Follow) bool { return f.Process != "" }); left != nil {
			asked = *left
		}
	case 3:
		asked.EndOnly = true
	}
	ws.leave(w.events(ctx, w.follow(asked), pace))
}

// feedTurn follows the changes of all processes, from where somebody let go if
// anybody did. What cannot be continued is begun anew, and what there is listed.
func (ws *Watchers) feedTurn(load, ctx context.Context, w *Watcher, a *actor, pace func()) {
	if load.Err() != nil {
		return
	}
	asked := history.Follow{}
	if left := ws.takeLeft(a, func(f history.Follow) bool { return f.Process == "" }); left != nil {
		asked = *left
	}
	left := w.changes(ctx, w.follow(asked), pace)
	ws.leave(left)
	if left == nil && load.Err() == nil {
		w.Do(ctx, model.ListProcesses{Filter: registry.ProcessListFilter{Status: registry.StatusAny}})
	}
}

// leave keeps where a stream was let go of.
func (ws *Watchers) leave(left *history.Follow) {
	if left == nil {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.left = append(ws.left, *left); len(ws.left) > leftMost {
		ws.left = ws.left[1:]
	}
}

// takeLeft draws one of the places where somebody let go.
func (ws *Watchers) takeLeft(a *actor, wanted func(history.Follow) bool) *history.Follow {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	var at []int
	for i, f := range ws.left {
		if wanted(f) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return nil
	}
	i := at[a.random.IntN(len(at))]
	left := ws.left[i]
	ws.left = slices.Delete(ws.left, i, i+1)
	return &left
}

// Retire ends the watchers that know none of the nodes that there are now.
func (ws *Watchers) Retire(addrs []string) {
	for _, w := range ws.all {
		if !slices.ContainsFunc(w.addrs, func(addr string) bool { return slices.Contains(addrs, addr) }) {
			w.close()
		}
	}
}

// CatchUp is for when everything was read back: each node is asked for the
// events of the latest processes from the beginning, and all streams that go on
// are waited for until they have brought what there is. Whether they did is for
// a checker to say.
func (ws *Watchers) CatchUp(ctx context.Context) {
	ids := ws.recorder.Processes()
	ids = ids[max(0, len(ids)-readByStream):]
	for _, w := range ws.all {
		if len(w.addrs) == 1 && w.ctx.Err() == nil {
			for _, id := range ids {
				s := w.follow(history.Follow{Process: id})
				ws.working.Go(func() { w.events(w.ctx, s, func() {}) })
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpLimit)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for ends := ws.recorder.Ends(); !ws.recorder.AllCaughtUp(ends); {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}
