package check

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"math"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// maxWorlds bounds the search: more ways in which things may have happened than
// that are not followed.
const maxWorlds = 20_000

// maxRows bounds what is kept of rows, most of which are of earlier revisions.
const maxRows = 10_000

// replay is the main checker under way.
//
// Revisions are dense: every operation that changes something makes the next
// one. So what made each revision is either one of the known operations that
// were answered with it, or an unknown one; the known ones besides changed
// nothing and are asked of the model as it is then. Where unknown operations
// have to fill in, all ways are followed at once, each in a world of its own,
// until answers refute them. What is left of no world is a violation.
type replay struct {
	view     *view
	evidence *evidence
	streamed *streamedEvidence
	ahead    *ahead
	worlds   []*world
	// groups are the known operations by revision; last is the last of those.
	groups map[uint64][]*history.Op
	last   uint64
	// twins are what twinsOf found.
	twins map[*history.Op]*history.Op
	// returned is, for each revision, when the first operation had returned that
	// was answered with it or a later one: what made the revision was called
	// before that.
	returned []int64
	// called is, for each revision, when the last operation was called that was
	// answered with it or an earlier one: what made the next happened after that.
	called []int64
	// gone is what goneNs found.
	gone map[int]int64
	// position is where the last known operation was.
	position when
	// mismatch is what refuted the last worlds of a revision.
	mismatch []Violation
	filled   int
	most     int
	// rows are the fingerprints of rows of several worlds, made with seed.
	rows map[*model.Process]uint64
	seed maphash.Seed
}

// checkModel replays a history.
func checkModel(v *view) ([]Violation, string, string) {
	r := &replay{view: v, evidence: collect(v), gone: goneNs(v), streamed: collectStreams(v.Streams), groups: make(map[uint64][]*history.Op), worlds: []*world{{state: model.New()}}}
	r.twins = twinsOf(v.unknown, r.evidence.never)
	for _, o := range v.judged {
		r.groups[o.Info.Revision] = append(r.groups[o.Info.Revision], o)
		r.last = max(r.last, o.Info.Revision)
	}
	if count := uint64(len(v.judged) + len(v.unknown)); r.last > count {
		return []Violation{violated(AnswersAgree, "there are %d revisions, and only %d operations that can have made them", r.last, count)}, "", ""
	}
	r.returned = make([]int64, r.last+2)
	r.returned[r.last+1] = math.MaxInt64
	for revision := int64(r.last); revision >= 0; revision-- {
		r.returned[revision] = r.returned[revision+1]
		for _, o := range r.groups[uint64(revision)] {
			r.returned[revision] = min(r.returned[revision], o.ReturnNs)
		}
	}
	r.called = make([]int64, r.last+1)
	for revision := range r.called {
		r.called[revision] = r.called[max(revision, 1)-1]
		for _, o := range r.groups[uint64(revision)] {
			r.called[revision] = max(r.called[revision], o.InvokeNs)
		}
	}
	r.ahead = lookAhead(v, r.evidence.never, r.groups, r.last)
	undecided := ""
	revision := uint64(0)
	for ; revision <= r.last && len(r.mismatch) == 0 && undecided == ""; revision++ {
		undecided = r.step(revision)
	}
	checked := fmt.Sprintf("%d answers over %d revisions, %d of them made by operations of unknown outcome, at most %d worlds",
		len(v.judged), revision-1, r.filled, r.most)
	return r.mismatch, checked, undecided
}

// step goes on to a revision.
func (r *replay) step(revision uint64) (undecided string) {
	group := r.groups[revision]
	maker := makerOf(group)
	next, refuted := r.reach(revision, group, maker)
	if len(next) == 0 && maker != nil {
		// What refutes the others is of interest, too.
		next, refuted = r.reach(revision, group, nil)
	}
	if len(next) == 0 {
		r.mismatch = r.explain(revision, group, refuted)
		return ""
	}
	r.worlds = r.merge(next)
	r.most = max(r.most, len(r.worlds))
	if len(r.worlds) > maxWorlds {
		return fmt.Sprintf("more than %d ways in which the first %d revisions may have come about", maxWorlds, revision)
	}
	if len(group) > 0 {
		last := group[len(group)-1].Info
		r.position = when{revision, last.ClockMs, last.LeaseTimeMs}
		for _, w := range r.worlds {
			w.lastUnknown = nil
		}
	} else {
		r.filled++
	}
	return ""
}

// reach follows all worlds to a revision, which only the maker can have made if
// one is known.
func (r *replay) reach(revision uint64, group []*history.Op, maker *history.Op) (next []*world, refuted []refutation) {
	for _, w := range r.worlds {
		if revision == 0 {
			found, refutes := r.ask(w, group, nil)
			next, refuted = append(next, found...), appendNew(refuted, refutes)
			continue
		}
		alone := maker != nil
		for i, o := range group {
			// What made the revision was there before what only looked at it.
			if i > 0 && (o.Info.LeaseTimeMs > group[0].Info.LeaseTimeMs || o.Info.ClockMs > group[0].Info.ClockMs) {
				break
			}
			if isRead(o.Call) || o.Outcome != history.OK || maker != nil && o != maker {
				continue
			}
			for _, made := range r.known(w, o) {
				alone = alone || r.alone(w, o)
				found, refutes := r.ask(made, group, o)
				next, refuted = append(next, found...), appendNew(refuted, refutes)
			}
		}
		if alone {
			continue
		}
		for _, made := range r.unknown(w, revision, group) {
			found, refutes := r.ask(made, group, nil)
			next, refuted = append(next, found...), appendNew(refuted, refutes)
		}
	}
	return next, refuted
}

// refutation is an operation that refutes a world by its answer.
type refutation struct {
	o   *history.Op
	why *unlike
}

func appendNew(all []refutation, new *refutation) []refutation {
	if new == nil || slices.ContainsFunc(all, func(other refutation) bool { return other.o == new.o }) {
		return all
	}
	return append(all, *new)
}

func place(info registry.AnswerInfo) when {
	return when{info.Revision, info.ClockMs, info.LeaseTimeMs}
}

// splits are the worlds in which every lease that an operation may look at, if
// it is vague, is live or not.
func (w *world) splits(call model.Op, leaseTimeMs uint64) []*world {
	if id, one := processOf(call); one {
		return w.split(id, leaseTimeMs)
	}
	worlds := []*world{w}
	hands, looks := call.(model.ClaimNext)
	if !looks {
		return worlds
	}
	for id := range w.vague {
		if p := w.state.Processes[id]; p == nil || !p.IsOf(hands.Kinds) {
			continue
		}
		var all []*world
		for _, each := range worlds {
			for _, one := range each.split(id, leaseTimeMs) {
				all = append(all, one.splitDelay(id, leaseTimeMs)...)
			}
		}
		worlds = all
	}
	return worlds
}

// known tries whether a known operation made a revision.
func (r *replay) known(w *world, o *history.Op) (made []*world) {
	id, _ := processOf(o.Call)
	for _, each := range w.splits(o.Call, o.Info.LeaseTimeMs) {
		next := each.forkAt(place(o.Info), o.Call)
		if grants(o) == nil {
			// What it grants says nothing about the lease before.
			next.correct(o)
		}
		answer := next.state.Do(asked(o))
		if next.state.Revision != o.Info.Revision || differs(o, answer) != nil {
			continue
		}
		next.forgetPruned(o.Call)
		for i := range o.Answer.Claims {
			next.leaseKnown(o.Answer.Claims[i].Lease.ProcessID)
		}
		if v, ok := next.vague[id]; ok {
			next.setVague(id, v.after(o, next.state.Processes[id]))
		}
		made = append(made, next)
	}
	return made
}

// after is what stays vague of a row that a known operation has changed.
func (v vague) after(o *history.Op, p *model.Process) vague {
	switch o.Call.(type) {
	case model.ClaimProcessLease, model.ReclaimProcessLease, model.RenewProcessLease, model.CompleteProcessLease:
		v.leaseVague, v.fencingVague = false, false
	case model.ReleaseForRetry:
		v.leaseVague, v.delayVague, v.fencingVague = false, false, false
	default:
		if p != nil && p.Revision == o.Info.Revision {
			v.changed = span{}
		}
	}
	return v
}

// ask asks the known operations of a revision beside the one that made it:
// they change nothing.
func (r *replay) ask(w *world, group []*history.Op, maker *history.Op) (worlds []*world, refuted *refutation) {
	worlds = []*world{w}
	for _, o := range group {
		if o == maker {
			continue
		}
		var next []*world
		for _, each := range worlds {
			for _, one := range each.splits(o.Call, o.Info.LeaseTimeMs) {
				if why := one.looks(o); why != nil {
					refuted = &refutation{o, why}
					continue
				}
				next = append(next, one)
			}
		}
		if worlds = next; len(worlds) == 0 {
			return nil, refuted
		}
	}
	return worlds, nil
}

// looks asks one operation that changes nothing, and says what is wrong with its
// answer.
func (w *world) looks(o *history.Op) *unlike {
	w.correct(o)
	w.at(place(o.Info))
	asks := w
	if !isRead(o.Call) {
		asks = w.forkAt(place(o.Info), o.Call)
	}
	answer := asks.state.Do(asked(o))
	why := differs(o, answer)
	if why == nil && asks.state.Revision != w.state.Revision {
		why = &unlike{what: fmt.Sprintf("answered with revision %d, the model makes another one", o.Info.Revision)}
	}
	return why
}

// explain says why nothing is left.
func (r *replay) explain(revision uint64, group []*history.Op, refuted []refutation) []Violation {
	if len(refuted) > 0 {
		// One of them is the reason, and which one nobody can know.
		first := slices.MinFunc(refuted, func(a, b refutation) int {
			return cmp.Compare(max(a.o.InvokeNs, a.o.ReturnNs), max(b.o.InvokeNs, b.o.ReturnNs))
		})
		return []Violation{violated(AnswersAgree, "%s at revision %d, clock %d, lease time %d: %s",
			describe(first.o), first.o.Info.Revision, first.o.Info.ClockMs, first.o.Info.LeaseTimeMs, first.why).about(first.o)}
	}
	text := fmt.Sprintf("nothing that was sent can have made revision %d", revision)
	violation := Violation{Sentence: AnswersAgree}
	for _, o := range group {
		w := r.worlds[0].forkAt(place(o.Info), o.Call)
		w.correct(o)
		answer := w.state.Do(asked(o))
		if why := differs(o, answer); why != nil {
			text += fmt.Sprintf("\n%s: %s", describe(o), why)
		}
		violation = violation.about(o)
	}
	for next := revision; len(violation.Ops) == 0; next++ {
		// Whoever was answered next shows that there was one.
		if group := r.groups[next]; len(group) > 0 {
			violation = violation.about(group[0])
		}
	}
	violation.Detail = text
	return []Violation{violation}
}

// merge leaves, of worlds that nothing but their unknown operations tells apart,
// those in which the fewest have happened: whatever may come of another one may
// come of one that has used less. Rows do not change once a step is over, so what
// is known of them is kept while there is more than one world.
func (r *replay) merge(worlds []*world) []*world {
	if len(worlds) < 2 {
		r.rows = nil
		return worlds
	}
	if r.rows == nil || len(r.rows) > maxRows {
		r.seed, r.rows = maphash.MakeSeed(), make(map[*model.Process]uint64)
	}
	slices.SortStableFunc(worlds, func(a, b *world) int { return cmp.Compare(len(a.used), len(b.used)) })
	kept := make(map[uint64][][]int)
	return slices.DeleteFunc(worlds, func(w *world) bool {
		mark := w.fingerprint(r.seed, r.rows)
		if w.lastUnknown != nil {
			mark ^= maphash.Comparable(r.seed, w.lastUnknown.Index<<1|1)
		}
		open := r.open(w)
		if slices.ContainsFunc(kept[mark], func(less []int) bool { return within(less, open) }) {
			return true
		}
		kept[mark] = append(kept[mark], open)
		return false
	})
}

// within tells whether everything in one ascending list is in another.
func within(less, more []int) bool {
	for _, i := range less {
		if _, found := slices.BinarySearch(more, i); !found {
			return false
		}
	}
	return true
}
