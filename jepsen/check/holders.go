package check

import (
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// holder is what is known of the lease of a process at a revision.
type holder struct {
	lease *registry.ProcessLease
	// endMs is the lease time at which it ends at the earliest.
	endMs uint64
	// op is the operation that this is known from.
	op *history.Op
}

// checkHolders judges who held leases: in the order of revisions, and, for what
// is accepted from whom, in real time alone.
func checkHolders(v *view) (violations []Violation, checked, _ string) {
	byProcess := make(map[string][]*history.Op)
	for _, o := range v.judged {
		if id, ok := processOf(o.Call); ok {
			byProcess[id] = append(byProcess[id], o)
		}
	}
	for _, o := range v.unknown {
		if id, ok := processOf(o.Call); ok {
			byProcess[id] = append(byProcess[id], o)
		}
	}
	holders := 0
	for _, id := range slices.Sorted(maps.Keys(byProcess)) {
		found, count := oneHolder(v, byProcess[id])
		violations = append(append(violations, found...), staleAccepted(byProcess[id])...)
		holders += count
	}
	return violations, fmt.Sprintf("%d holders of %d processes", holders, len(byProcess)), ""
}

// oneHolder walks the operations of a process by revision. ops has the unknown
// ones at its end.
func oneHolder(v *view, ops []*history.Op) (violations []Violation, holders int) {
	if slices.ContainsFunc(ops, takesOver) {
		return nil, 0 // whether it could the model judges
	}
	var now *holder
	for _, o := range ops {
		if o.Outcome == history.Unknown {
			break
		}
		if renew, ok := o.Call.(model.RenewProcessLease); ok && o.Answer.Code == registry.CodeLeaseExpired {
			if now != nil && now.lease.LeaseToken == renew.Lease.LeaseToken && !v.prunedBetween(renew.Lease.ProcessID, now.op, o) && o.Info.LeaseTimeMs < now.earliestEnd(ops, o) {
				violations = append(violations, violated(NoEarlyEnd, "%s was refused at lease time %d; by %s the lease ends at %d",
					describe(o), o.Info.LeaseTimeMs, describe(now.op), now.endMs).about(now.op, o))
			}
			continue
		}
		if release, ok := o.Call.(model.CompleteProcessLease); ok && now != nil && release.Completion.LeaseToken == now.lease.LeaseToken {
			now = nil
		}
		l := o.Answer.Lease
		if l == nil {
			continue
		}
		if now != nil && v.prunedBetween(l.ProcessID, now.op, o) {
			now = nil // it may have been of an earlier life
		}
		end := l.ExpiresAtMs - o.Info.ClockMs + o.Info.LeaseTimeMs
		if now == nil || now.lease.LeaseToken != l.LeaseToken {
			holders++
			if now != nil && o.Info.LeaseTimeMs < now.earliestEnd(ops, o) {
				violations = append(violations, violated(OneHolder, "%s holds the lease of %s at lease time %d (%s), while by %s it is held by %s until %d",
					l.Owner.IncarnationID, l.ProcessID, o.Info.LeaseTimeMs, describe(o), describe(now.op), now.lease.Owner.IncarnationID, now.endMs).about(now.op, o))
			}
		}
		now = &holder{l, end, o}
	}
	return violations, holders
}

// takesOver tells whether an operation may have taken a lease from a live holder.
func takesOver(o *history.Op) bool {
	reclaim, is := o.Call.(model.ReclaimProcessLease)
	return is && reclaim.Verdict == registry.VerdictDead && o.Outcome != history.Refused
}

// earliestEnd is when a lease may have ended by what is known just before an
// operation: operations of unknown outcome may have released it, or renewed it
// for a shorter time.
func (h *holder) earliestEnd(ops []*history.Op, before *history.Op) uint64 {
	end := h.endMs
	for _, o := range slices.Backward(ops) {
		if o.Outcome != history.Unknown {
			break
		}
		if o.InvokeNs > before.ReturnNs {
			continue
		}
		switch call := o.Call.(type) {
		case model.CompleteProcessLease:
			if call.Completion.LeaseToken == h.lease.LeaseToken {
				return 0
			}
		case model.RenewProcessLease:
			if call.Lease.LeaseToken == h.lease.LeaseToken {
				end = min(end, h.op.Info.LeaseTimeMs+call.TTLMs)
			}
		case model.ClaimProcessLease:
			if call.Owner.SameIncarnation(h.lease.Owner) {
				end = min(end, h.op.Info.LeaseTimeMs+call.TTLMs)
			}
		}
	}
	return end
}

// staleAccepted looks, in real time, for writes that were accepted under a
// lease after it was known to be over: released, or followed by another.
func staleAccepted(ops []*history.Op) (violations []Violation) {
	// over is by which operation, returned first, a lease was over; later is
	// the operations that showed a greater fencing token, by their return.
	over := make(map[string]*history.Op)
	var shown []*history.Op
	for _, o := range ops {
		if o.Outcome != history.OK {
			continue
		}
		if release, ok := o.Call.(model.CompleteProcessLease); ok {
			token := release.Completion.LeaseToken
			if first := over[token]; first == nil || o.ReturnNs < first.ReturnNs {
				over[token] = o
			}
		}
		if o.Answer.Lease != nil {
			shown = append(shown, o)
		}
	}
	slices.SortFunc(shown, func(a, b *history.Op) int { return int(a.ReturnNs - b.ReturnNs) })
	// greatest is the greatest fencing token among the first i that were shown.
	greatest := make([]*history.Op, len(shown))
	for i, o := range shown {
		greatest[i] = o
		if i > 0 && greatest[i-1].Answer.Lease.FencingToken >= o.Answer.Lease.FencingToken {
			greatest[i] = greatest[i-1]
		}
	}
	for _, o := range ops {
		fence := usedFence(o)
		if fence == nil || o.Outcome != history.OK {
			continue
		}
		if by := over[fence.LeaseToken]; by != nil && by.ReturnNs < o.InvokeNs {
			violations = append(violations, violated(StaleIsRefused, "%s was accepted under fencing token %d, which %s had released",
				describe(o), fence.FencingToken, describe(by)).about(by, o))
		}
		i, _ := slices.BinarySearchFunc(shown, o.InvokeNs, func(s *history.Op, at int64) int { return int(s.ReturnNs - at) })
		if i > 0 && greatest[i-1].Answer.Lease.FencingToken > fence.FencingToken {
			violations = append(violations, violated(StaleIsRefused, "%s was accepted under fencing token %d, after %s had shown %d",
				describe(o), fence.FencingToken, describe(greatest[i-1]), greatest[i-1].Answer.Lease.FencingToken).about(greatest[i-1], o))
		}
	}
	return violations
}

// usedFence is the lease that a write was made under. A repeat of a keyed
// append, or of a completion, is under it as well: the fence is checked first.
func usedFence(o *history.Op) *registry.Fence {
	if renew, ok := o.Call.(model.RenewProcessLease); ok {
		return renew.Lease.Fence()
	}
	return fenceOf(o.Call)
}
