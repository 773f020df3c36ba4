package check

import (
	"math"

	"github.com/holdfast-registry/holdfast/jepsen/history"
)

// How long what was lost may yet happen: a call that nobody waits for any more is
// not begun by a node that serves, and an entry that was not committed when a later
// leader served is never committed. chainedNs is how soon after the end of a fault
// another one counts with it.
const (
	lingersNs = 5e9
	chainedNs = 500e6
)

// goneNs is the time after which each unknown operation has happened or never
// will, by index.
func goneNs(v *view) map[int]int64 {
	gone := make(map[int]int64)
	faults := faultTimes(v.Faults)
	for _, o := range v.unknown {
		at := o.ReturnNs
		if !o.Returned() {
			at = math.MaxInt64 - lingersNs
		}
		for _, f := range faults {
			if f.beginNs <= at+chainedNs && f.endNs > at {
				at = f.endNs
			}
		}
		gone[o.Index] = at + lingersNs
	}
	return gone
}

// faultTime is from when to when a fault was on, its recovery included.
type faultTime struct{ beginNs, endNs int64 }

// faultTimes are the faults in the order in which they began.
func faultTimes(faults []history.Fault) (times []faultTime) {
	at := make(map[int]int)
	for _, f := range faults {
		i, known := at[f.Number]
		if !known {
			i = len(times)
			at[f.Number] = i
			times = append(times, faultTime{f.AtNs, math.MaxInt64 - lingersNs})
		}
		if f.Phase == history.Recovered {
			times[i].endNs = f.AtNs
		}
	}
	return times
}

// over tells whether an unknown operation can never again change anything in a
// world: because of what there is, or because somebody who called after it was
// gone was answered at the revision where the world is, or before.
func (r *replay) over(w *world, o *history.Op) bool {
	return r.called[min(w.state.Revision, r.last)] > r.gone[o.Index] || w.settled(r.view, o)
}

// open are the unknown operations that happened and would otherwise still have
// something to do.
func (r *replay) open(w *world) (open []int) {
	for _, i := range w.used {
		if !r.over(w, r.view.byIndex[i]) {
			open = append(open, i)
		}
	}
	return open
}
