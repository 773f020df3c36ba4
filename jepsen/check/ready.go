package check

import (
	"math"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// foundWithinNs is how long work may lie ready, once all faults are over, while
// somebody asks for it. Workers get through what has gathered in far less.
const foundWithinNs = 10e9

// endedSinceNs is what a lease or delay may take longer than it was to, in real
// time: lease time is behind by no more.
const endedSinceNs = (maxSilenceMs + schedulingMs) * 1e6

// workIsFound judges that after the faults all work is handed out that is ready,
// and how long that took at the most.
func workIsFound(v *view) (violations []Violation, longest int64) {
	asked := make(map[string]*history.Op)
	for _, o := range v.Ops {
		if call, asks := o.Call.(model.ClaimNext); asks && o.Returned() {
			for _, kind := range call.Kinds {
				if last := asked[kind]; last == nil || o.ReturnNs > last.ReturnNs {
					asked[kind] = o
				}
			}
		}
	}
	healed, well := healedNs(v)
	if len(asked) == 0 || !well {
		return nil, 0
	}
	gone := goneNs(v)
	touched := make(map[string][]*history.Op)
	for _, o := range spread(v.Ops) {
		if id, one := processOf(o.Call); one {
			touched[id] = append(touched[id], o)
		}
	}
	for _, j := range workOf(v.Ops) {
		last := asked[j.Identity.Kind]
		if j.added == nil || last == nil || j.Disposition != registry.Rerunnable {
			continue
		}
		for _, lay := range j.layReady(touched[j.ID], healed, last, gone) {
			longest = max(longest, lay.ns)
			if lay.ns > foundWithinNs {
				violations = append(violations, violated(WorkIsFound, "%s was ready since %s for %.1f s, up to %s",
					j.ID, describe(lay.since), ms(lay.ns)/1e3, describe(lay.until)).about(lay.since, lay.until))
			}
		}
	}
	return violations, longest
}

// healedNs is when the last fault was over. It is not well when one is not.
func healedNs(v *view) (at int64, well bool) {
	open := make(map[int]bool)
	for _, f := range v.Faults {
		open[f.Number] = f.Phase != history.Recovered
		at = max(at, f.AtNs)
	}
	for _, is := range open {
		if is {
			return 0, false
		}
	}
	return at, v.options.Complete
}

// lain is how long a process was ready for certain without being handed out.
type lain struct {
	since, until *history.Op
	ns           int64
}

// layReady are the times for which a job was ready, from when all was well to the
// last time that somebody asked for its kind. The operations on it are in the order
// of their calls. Those of unknown outcome may all have happened, until they are
// gone.
func (j *job) layReady(ops []*history.Op, healed int64, last *history.Op, gone map[int]int64) (all []lain) {
	k := keeper{since: j.added, heldNs: max(healed, j.added.ReturnNs)}
	for _, o := range ops {
		if o.Outcome == history.Refused || o.Outcome == history.Unknown && gone[o.Index] < j.added.InvokeNs {
			continue
		}
		readyNs := k.readyNs()
		if grants(o) != nil && o.InvokeNs > readyNs {
			all = append(all, lain{k.since, o, o.ReturnNs - readyNs})
		}
		if k.take(o, busyUntil(o, max(healed, o.ReturnNs)), gone); k.readyNs() != readyNs {
			k.since = o
		}
	}
	if readyNs := k.readyNs(); last.ReturnNs > readyNs {
		all = append(all, lain{k.since, last, last.ReturnNs - readyNs})
	}
	return all
}

// keeper is what keeps a job from being ready.
type keeper struct {
	// since is the operation that changed this last.
	since *history.Op
	// heldNs is up to when the lease with the token lasts, which is known, or the
	// delay that came with its release.
	heldNs int64
	token  string
	// perhaps are up to when all else may keep it, and when that is gone.
	perhaps []mayKeep
}

type mayKeep struct{ untilNs, goneNs int64 }

func (k *keeper) readyNs() int64 {
	at := k.heldNs
	for _, p := range k.perhaps {
		at = max(at, p.untilNs)
	}
	return at
}

// take goes on to an operation that keeps the job busy up to a time.
func (k *keeper) take(o *history.Op, untilNs int64, gone map[int]int64) {
	lease := grants(o)
	switch {
	case untilNs == 0:
	case lease != nil:
		k.heldNs, k.token = untilNs, lease.LeaseToken
		// What was gone before has had its lease before this one.
		k.perhaps = slices.DeleteFunc(k.perhaps, func(p mayKeep) bool { return p.goneNs < o.InvokeNs })
	case o.Outcome == history.OK && k.token != "" && releases(o.Call) == k.token:
		k.heldNs = untilNs
	case o.Outcome == history.Unknown && untilNs < math.MaxInt64:
		k.perhaps = append(k.perhaps, mayKeep{untilNs, gone[o.Index]})
	default:
		k.perhaps = append(k.perhaps, mayKeep{untilNs, math.MaxInt64})
	}
}

// releases is the token of the lease that a call releases, empty if it is none.
func releases(call model.Op) string {
	switch call := call.(type) {
	case model.CompleteProcessLease:
		return call.Completion.LeaseToken
	case model.ReleaseForRetry:
		return call.Completion.LeaseToken
	}
	return ""
}

// busyUntil is when a process is ready again after an operation that returned by a
// moment, at the latest; 0 where that changes nothing.
func busyUntil(o *history.Op, at int64) int64 {
	after := func(milliseconds uint64) int64 {
		if milliseconds > registry.MaxRetryAfterMs {
			return math.MaxInt64
		}
		return at + int64(milliseconds)*1e6 + endedSinceNs
	}
	switch call := o.Call.(type) {
	case model.ClaimProcessLease, model.ReclaimProcessLease, model.RenewProcessLease:
		return after(ttlOf(call))
	case model.ReleaseForRetry:
		return after(call.RetryAfterMs)
	case model.CompleteProcessLease:
		return at
	case model.CompleteProcess, model.RequestProcessAbandon:
		return math.MaxInt64
	}
	return 0
}
