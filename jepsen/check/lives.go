package check

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
)

// ends tells whether a call may end its process.
func ends(o *history.Op) bool {
	_, completes := o.Call.(model.CompleteProcess)
	return completes && o.Outcome != history.Refused
}

// prunes tells whether an operation may have removed processes.
func prunes(o *history.Op) bool {
	_, is := o.Call.(model.PruneTerminalProcesses)
	return is && o.Outcome != history.Refused
}

// prunable finds the processes that a prune may have removed, with the call that
// may have ended them first, and the prunes.
func prunable(ops []*history.Op) (ended map[string]*history.Op, pruned []*history.Op) {
	ended = make(map[string]*history.Op)
	var reachNs int64 // what was ended by a call of after that stays
	for _, o := range ops {
		if prunes(o) {
			pruned = append(pruned, o)
			reachNs = max(reachNs, reach(o, ops))
		}
	}
	for _, o := range ops {
		if id, _ := processOf(o.Call); ends(o) && ended[id] == nil && o.InvokeNs < reachNs {
			ended[id] = o
		}
	}
	return ended, pruned
}

// reach is the time after which nobody calls what a prune may yet remove: it has
// returned, or the clock has come to what it goes by.
func reach(o *history.Op, ops []*history.Op) int64 {
	at := int64(math.MaxInt64)
	if o.Outcome == history.OK {
		at = o.ReturnNs
	}
	cutoffMs := o.Call.(model.PruneTerminalProcesses).CutoffMs
	for _, other := range ops {
		if other.Judged() && other.Info.ClockMs >= cutoffMs {
			at = min(at, other.ReturnNs)
		}
	}
	return at
}

// mayBePruned tells whether a process may have been removed at all.
func (v *view) mayBePruned(id string) bool { return v.ended[id] != nil }

// prunedBetween tells whether a process may have been removed after one
// operation had been called and before another one had returned.
func (v *view) prunedBetween(id string, from, to *history.Op) bool {
	return v.mayBePruned(id) && slices.ContainsFunc(v.pruned, func(p *history.Op) bool {
		return p.InvokeNs < to.ReturnNs && (p.Outcome == history.Unknown || p.ReturnNs > from.InvokeNs)
	})
}

// checkLives judges that nothing of a life shows in a later one. Which lives
// there were is known from records; what was written at a revision before a life
// began was written to an earlier one.
func checkLives(v *view) (violations []Violation, checked, _ string) {
	lives := make(map[string][]uint64)
	for _, o := range v.judged {
		if r := o.Answer.Record; r != nil && !slices.Contains(lives[r.ID], r.Life) {
			lives[r.ID] = append(lives[r.ID], r.Life)
		}
	}
	count := 0
	for _, id := range slices.Sorted(maps.Keys(lives)) {
		slices.Sort(lives[id])
		count += len(lives[id])
	}
	l := &lifeOf{lives: lives, appended: make(map[string]*history.Op), granted: make(map[string]*history.Op)}
	for _, o := range v.judged { // in the order of revisions
		if found := l.step(o); found != nil {
			violations = append(violations, *found)
		}
	}
	return violations, fmt.Sprintf("%d lives of %d processes", count, len(lives)), ""
}

// lifeOf knows the lives of processes, and what was written when.
type lifeOf struct {
	// lives are the revisions at which those of a process began, ascending.
	lives map[string][]uint64
	// appended are acked appends by payload, granted acked claims by lease token.
	appended, granted map[string]*history.Op
}

// at is the latest life that had begun by a revision, as far as is known.
func (l *lifeOf) at(id string, revision uint64) uint64 {
	i, found := slices.BinarySearchFunc(l.lives[id], revision, cmp.Compare[uint64])
	if found {
		return revision
	}
	if i == 0 {
		return 0
	}
	return l.lives[id][i-1]
}

// step looks at what an answer shows, and keeps what was written.
func (l *lifeOf) step(o *history.Op) *Violation {
	id, _ := processOf(o.Call)
	if o.Outcome != history.OK {
		return nil
	}
	life := l.at(id, o.Info.Revision)
	old := func(text string, by *history.Op) *Violation {
		found := violated(LivesAreApart, "%s at revision %d shows %s, which %s wrote at revision %d; a life began at revision %d",
			describe(o), o.Info.Revision, text, describe(by), by.Info.Revision, life).about(by, o)
		return &found
	}
	if r := o.Answer.Record; r != nil && r.Life < l.at(r.ID, o.Info.Revision) {
		found := violated(LivesAreApart, "%s at revision %d shows the life of revision %d; a life began at revision %d",
			describe(o), o.Info.Revision, r.Life, l.at(r.ID, o.Info.Revision)).about(o)
		return &found
	}
	for _, e := range o.Answer.Events {
		if by := l.appended[string(e.Payload)]; by != nil && e.ProcessID == id && by.Info.Revision < life {
			return old(fmt.Sprintf("event %d, %s", e.Sequence, e.Payload), by)
		}
	}
	if lease := o.Answer.Lease; lease != nil {
		by := l.granted[lease.LeaseToken]
		if by != nil && by.Info.Revision < life {
			return old(fmt.Sprintf("the lease of %s", lease.Owner.IncarnationID), by)
		}
		if by == nil && grants(o) != nil {
			l.granted[lease.LeaseToken] = o
		}
	}
	if call, appends := o.Call.(model.AppendEvent); appends {
		if payload := string(call.Request.Payload); l.appended[payload] == nil {
			l.appended[payload] = o
		}
	}
	return nil
}
