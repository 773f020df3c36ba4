package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// The bounds of A4, in milliseconds, and what a machine with two busy cores may
// add to them.
const (
	maxSilenceMs = 1000
	roundingMs   = 20
	schedulingMs = 500
)

func ms(ns int64) float64 { return float64(ns) / 1e6 }

// checkLeaseTime compares lease time with the clock of the harness.
func checkLeaseTime(v *view) (violations []Violation, checked, _ string) {
	// A read is answered with the time of the last entry, which may be from long
	// before; an entry that was written for a call is as old as the call at most.
	var writes []*history.Op
	for _, o := range v.judged {
		if !isRead(o.Call) {
			writes = append(writes, o)
		}
	}
	violations = append(notTooFast(writes), leasesOutlive(v, writes)...)
	calms := calmTimes(v, writes)
	var total int64
	for _, c := range calms {
		total += c.toNs - c.fromNs
		violations = append(violations, keepsUp(c.ops)...)
		violations = append(violations, expiredIsFree(c, v)...)
	}
	return violations, fmt.Sprintf("%d writes, %.1f s of %d times without a fault", len(writes), ms(total)/1e3, len(calms)), ""
}

// notTooFast judges that between any two answers no more lease time passed than
// real time: lease time less the time of an answer's return never exceeds lease
// time less the time of an earlier answer's call.
func notTooFast(ops []*history.Op) (violations []Violation) {
	least, of := 0.0, (*history.Op)(nil)
	for _, o := range ops {
		l := float64(o.Info.LeaseTimeMs)
		if of != nil && l-ms(o.ReturnNs) > least+roundingMs {
			violations = append(violations, violated(NoEarlyEnd, "from %s to %s at most %.1f ms passed, and %d ms of lease time",
				describe(of), describe(o), ms(o.ReturnNs-of.InvokeNs), o.Info.LeaseTimeMs-of.Info.LeaseTimeMs).about(of, o))
			of = nil // what follows is compared with what follows
		}
		if at := l - ms(o.InvokeNs); of == nil || at < least {
			least, of = at, o
		}
	}
	return violations
}

// maxCountedMs is the most that an interruption counts where the term lasts.
// Where it does not, a leader without a majority writes on for maxReignMs, before
// it steps down, and what it wrote then may yet be committed by the next one.
const (
	maxCountedMs = 2000
	maxReignMs   = 500
)

// leasesOutlive judges that an interruption does not count as lease time: from
// an answer of before to one of after, at most so much passes as the cluster
// could write, and what counts by A4.
func leasesOutlive(v *view, writes []*history.Op) (violations []Violation) {
	held := make(map[int]history.Fault)
	for _, f := range v.Faults {
		if f.Phase == history.Held && f.Stops {
			held[f.Number] = f
		}
		begin, stops := held[f.Number]
		if f.Phase != history.End || !stops {
			continue
		}
		before, after := around(writes, begin.AtNs, f.AtNs)
		if before == nil || after == nil {
			continue
		}
		wrote := ms(after.ReturnNs-before.InvokeNs) - ms(f.AtNs-begin.AtNs)
		allowed := wrote + roundingMs
		if before.Info.Term == after.Info.Term {
			allowed += maxCountedMs
		} else {
			allowed += maxReignMs + schedulingMs
		}
		if passed := float64(after.Info.LeaseTimeMs - before.Info.LeaseTimeMs); passed > allowed {
			violations = append(violations, violated(LeasesOutlive, "fault %d (%s) let nobody write for %.0f ms; from %s to %s, while writing was possible for %.0f ms, %.0f ms of lease time passed",
				f.Number, f.Detail, ms(f.AtNs-begin.AtNs), describe(before), describe(after), wrote, passed).about(before, after))
		}
	}
	return violations
}

// around finds the last write that had returned by one moment, and the first
// to return of those that were called after another.
func around(writes []*history.Op, fromNs, toNs int64) (before, after *history.Op) {
	for _, o := range writes {
		if o.ReturnNs <= fromNs && (before == nil || o.ReturnNs > before.ReturnNs) {
			before = o
		}
		if o.InvokeNs >= toNs && (after == nil || o.ReturnNs < after.ReturnNs) {
			after = o
		}
	}
	return before, after
}

// calm is a time in which nothing was wrong, as far as is known: no fault was
// on, one term lasted, and writes were answered all the time.
type calm struct {
	fromNs, toNs int64
	ops          []*history.Op
}

// maxPauseNs is how long a calm time may be without a write: a longer one is
// an interruption, whatever its reason.
const maxPauseNs = 500e6

func calmTimes(v *view, writes []*history.Op) (calms []calm) {
	byReturn := slices.Clone(writes)
	slices.SortFunc(byReturn, func(a, b *history.Op) int { return cmp.Compare(a.ReturnNs, b.ReturnNs) })
	var now *calm
	end := func() {
		if now != nil && len(now.ops) > 1 {
			calms = append(calms, *now)
		}
		now = nil
	}
	next, open := 0, make(map[int]bool)
	for _, o := range byReturn {
		for ; next < len(v.Faults) && v.Faults[next].AtNs <= o.ReturnNs; next++ {
			end()
			if f := v.Faults[next]; f.Phase == history.Recovered {
				delete(open, f.Number)
			} else {
				open[f.Number] = true
			}
		}
		if len(open) > 0 {
			continue
		}
		if now != nil && (o.Info.Term != now.ops[0].Info.Term || o.ReturnNs-now.toNs > maxPauseNs) {
			end()
		}
		if now == nil {
			now = &calm{fromNs: o.ReturnNs}
		}
		// What was called before the calm began says when it was answered, but
		// not that things were well meanwhile.
		if o.InvokeNs >= now.fromNs || len(now.ops) == 0 {
			now.ops = append(now.ops, o)
		}
		now.toNs = o.ReturnNs
	}
	end()
	return calms
}

// keepsUp judges that lease time stays within a second of real time.
func keepsUp(ops []*history.Op) (violations []Violation) {
	ahead, of := 0.0, (*history.Op)(nil)
	for _, o := range ops {
		l := float64(o.Info.LeaseTimeMs)
		if of != nil && l-ms(o.InvokeNs) < ahead-maxSilenceMs-schedulingMs {
			violations = append(violations, violated(LeaseTimePasses, "from %s to %s at least %.0f ms passed, and %d ms of lease time",
				describe(of), describe(o), ms(o.InvokeNs-of.ReturnNs), o.Info.LeaseTimeMs-of.Info.LeaseTimeMs).about(of, o))
			of = nil
		}
		if at := l - ms(o.ReturnNs); of == nil || at > ahead {
			ahead, of = at, o
		}
	}
	return violations
}

// expiredIsFree judges that nobody is turned away by a lease that should have
// ended.
func expiredIsFree(c calm, v *view) (violations []Violation) {
	granted := make(map[string][]*history.Op)
	for _, o := range v.judged {
		if l := grants(o); l != nil {
			granted[l.LeaseToken] = append(granted[l.LeaseToken], o)
		}
	}
	for _, o := range c.ops {
		if !o.Answer.Busy || mayBeExtended(o.Answer.Lease, v.unknown) {
			continue
		}
		var last *history.Op
		for _, g := range granted[o.Answer.Lease.LeaseToken] {
			if g.Info.Revision <= o.Info.Revision {
				last = g
			}
		}
		if last == nil || last.InvokeNs < c.fromNs {
			continue
		}
		if passed, ttl := ms(o.InvokeNs-last.ReturnNs), float64(ttlOf(last.Call)); passed > ttl+maxSilenceMs+schedulingMs {
			violations = append(violations, violated(ExpiredIsFree, "%s was Busy %.0f ms after %s had got the lease for %.0f ms",
				describe(o), passed, describe(last), ttl).about(last, o))
		}
	}
	return violations
}

// mayBeExtended tells whether a call of unknown outcome may have made a lease
// last longer than its holder knows.
func mayBeExtended(l *registry.ProcessLease, unknown []*history.Op) bool {
	return slices.ContainsFunc(unknown, func(o *history.Op) bool {
		switch call := o.Call.(type) {
		case model.RenewProcessLease:
			return call.Lease.LeaseToken == l.LeaseToken
		case model.ClaimProcessLease:
			return call.ProcessID == l.ProcessID && call.Owner.SameIncarnation(l.Owner)
		}
		return false
	})
}

// checkRecovery judges what the harness itself saw: that the cluster came back
// after every fault, that nodes did not end, and that all replicas are the same
// in the end.
func checkRecovery(v *view) (violations []Violation, checked, _ string) {
	phases := make(map[int]history.Fault)
	for _, f := range v.Faults {
		phases[f.Number] = f
		if f.Name == history.NodeExit && f.Phase == history.Begin {
			violations = append(violations, Violation{Sentence: NodesStay, Detail: f.Detail, AtNs: f.AtNs})
		}
	}
	for _, f := range phases {
		if f.Phase == history.End && f.Name != history.NodeExit {
			violations = append(violations, Violation{Sentence: LeaderReturns, AtNs: f.AtNs,
				Detail: fmt.Sprintf("after fault %d, %s (%s), the cluster did not serve again", f.Number, f.Name, f.Detail)})
		}
	}
	checked = fmt.Sprintf("%d faults", len(phases))
	if !v.options.Complete {
		return violations, checked, ""
	}
	if v.State == nil {
		return append(violations, violated(ReplicasAgree, "the replicas could not be compared")), checked, ""
	}
	hashes, texts := make(map[string]bool), []string{}
	for _, member := range v.State.Members {
		hashes[member.Hash] = true
		texts = append(texts, fmt.Sprintf("%s: %s%s", member.ID, member.Hash, member.Error))
	}
	if !v.State.Agree || len(hashes) != 1 || hashes[""] || (v.options.Nodes > 0 && len(v.State.Members) != v.options.Nodes) {
		violations = append(violations, violated(ReplicasAgree, "at log index %d: %s", v.State.Index, strings.Join(texts, ", ")))
	}
	return violations, checked + fmt.Sprintf(", %d replicas", len(v.State.Members)), ""
}
