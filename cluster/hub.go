package cluster

import (
	"sync"
	"sync/atomic"

	"github.com/holdfast-registry/holdfast/registry"
)

// hub spreads the news of what was applied. It says that something may have
// changed, never what is true: whoever is woken reads the state. Applying an
// entry costs it the copying of the entry's changes, however many follow.
type hub struct {
	mu     sync.Mutex
	window window
	// more is closed when there are further changes; nil while nobody waits.
	more chan struct{}

	// news tells the goroutine that wakes followers to look at the window.
	news      chan struct{}
	followers followers
}

func newHub(limit int) *hub {
	return &hub{window: newWindow(limit), news: make(chan struct{}, 1), followers: followers{byProcess: make(map[string]*follower)}}
}

// publish tells of the changes of an entry that was applied. It never waits for
// anybody who listens.
func (h *hub) publish(changes []registry.ProcessChange) {
	if len(changes) > 0 {
		h.update(func() { h.window.add(changes) })
	}
}

// reset tells that the state was replaced: anything may have changed.
func (h *hub) reset(revision uint64) {
	h.update(func() { h.window.reset(revision) })
}

func (h *hub) update(change func()) {
	h.mu.Lock()
	change()
	if h.more != nil {
		close(h.more)
		h.more = nil
	}
	h.mu.Unlock()
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// behind returns the first changes after a revision, or else a channel that is
// closed when there are any. kept is false when the window does not reach back
// that far.
func (h *hub) behind(revision uint64) (changes []registry.ProcessChange, more <-chan struct{}, kept bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if revision < h.window.floor {
		return nil, nil, false
	}
	if changes = h.window.behind(revision, registry.WatchPageRows); len(changes) > 0 {
		return changes, nil, true
	}
	if h.more == nil {
		h.more = make(chan struct{})
	}
	return nil, h.more, true
}

// wokenAtOnce is how many changes are looked at under the lock at a time.
const wokenAtOnce = 1024

// run wakes followers until the node is closed. It is beside the state machine:
// when it falls behind by more than the window holds, it wakes everybody.
func (h *hub) run(closing <-chan struct{}) {
	var place uint64
	ids := make([]string, 0, wokenAtOnce)
	for {
		select {
		case <-closing:
			return
		case <-h.news:
		}
		for {
			var complete bool
			h.mu.Lock()
			ids, place, complete = h.window.from(ids[:0], place, wokenAtOnce)
			h.mu.Unlock()
			if !complete {
				h.followers.wakeAll()
			}
			if len(ids) == 0 {
				break
			}
			h.followers.wake(ids)
		}
		clear(ids[:cap(ids)])
	}
}

// followers are those who want to hear of one process each.
type followers struct {
	count     atomic.Int64
	mu        sync.Mutex
	byProcess map[string]*follower
}

// follower is one of the followers of a process, which are linked in a ring.
type follower struct {
	processID  string
	wake       func()
	prev, next *follower
}

// follow has wake called whenever the process may have changed from now on,
// until the returned function was called, and perhaps once more while it is. wake
// must return at once and call nothing of the hub.
func (f *followers) follow(processID string, wake func()) (unfollow func()) {
	added := &follower{processID: processID, wake: wake}
	f.mu.Lock()
	defer f.mu.Unlock()
	if first := f.byProcess[processID]; first == nil {
		added.prev, added.next = added, added
		f.byProcess[processID] = added
	} else {
		added.prev, added.next = first.prev, first
		added.prev.next, added.next.prev = added, added
	}
	f.count.Add(1)
	return func() { f.remove(added) }
}

func (f *followers) remove(gone *follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if gone.next == nil {
		return
	}
	if gone.next == gone {
		delete(f.byProcess, gone.processID)
	} else {
		gone.prev.next, gone.next.prev = gone.next, gone.prev
		if f.byProcess[gone.processID] == gone {
			f.byProcess[gone.processID] = gone.next
		}
	}
	gone.prev, gone.next = nil, nil
	f.count.Add(-1)
}

func (f *followers) wake(processIDs []string) {
	if f.count.Load() == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range processIDs {
		f.wakeRing(f.byProcess[id])
	}
}

func (f *followers) wakeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, first := range f.byProcess {
		f.wakeRing(first)
	}
}

func (f *followers) wakeRing(first *follower) {
	for at := first; at != nil; at = at.next {
		at.wake()
		if at.next == first {
			return
		}
	}
}
