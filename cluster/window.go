package cluster

import (
	"sort"

	"github.com/holdfast-registry/holdfast/registry"
)

// windowChanges is how many changes a node keeps for feeds. One revision has
// fewer: it touches at most the grants of a session and the processes that wake
// it. With the longest ids it is 35 MiB, with usual ones a fifth of that.
const windowChanges = 1 << 16

// window holds the last changes, by revision ascending.
type window struct {
	// ring holds the change of place p, counted from 0 without end, at p modulo
	// its length once it has its full length, which is limit.
	ring  []registry.ProcessChange
	limit int
	// end is the place of the next change.
	end uint64
	// floor is the revision whose successors are all in the window.
	floor uint64
}

func newWindow(limit int) window { return window{limit: limit} }

// start is the place of the oldest change in the window.
func (w *window) start() uint64 { return w.end - uint64(len(w.ring)) }

func (w *window) at(place uint64) *registry.ProcessChange {
	return &w.ring[place%uint64(w.limit)]
}

// add takes in changes, and lets as many old ones go.
func (w *window) add(changes []registry.ProcessChange) {
	for i := range changes {
		if len(w.ring) < w.limit {
			w.ring = append(w.ring, changes[i])
		} else {
			old := w.at(w.end)
			w.floor = old.Revision
			*old = changes[i]
		}
		w.end++
	}
}

// reset forgets everything: the state is at a revision now, and how it got
// there is not known.
func (w *window) reset(revision uint64) {
	// Places go on, from one that no reader has reached.
	w.end = (w.end/uint64(w.limit) + 2) * uint64(w.limit)
	w.ring = nil
	w.floor = revision
}

// behind returns copies of the first changes after a revision, up to a number,
// but all changes of a revision. The revision must not be below the floor.
func (w *window) behind(revision uint64, limit int) []registry.ProcessChange {
	start := w.start()
	skip := sort.Search(len(w.ring), func(i int) bool { return w.at(start+uint64(i)).Revision > revision })
	var changes []registry.ProcessChange
	for place := start + uint64(skip); place < w.end; place++ {
		c := w.at(place)
		if len(changes) >= limit && c.Revision != changes[len(changes)-1].Revision {
			break
		}
		changes = append(changes, *c)
	}
	return changes
}

// from appends the process ids of the changes from a place on, up to a number,
// and returns the place behind them. complete tells that none was let go since.
func (w *window) from(ids []string, place uint64, limit int) (_ []string, next uint64, complete bool) {
	if place < w.start() {
		return ids, w.end, false
	}
	next = min(w.end, place+uint64(limit))
	for ; place < next; place++ {
		ids = append(ids, w.at(place).ProcessID)
	}
	return ids, next, true
}
