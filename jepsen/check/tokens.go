package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// incarnation is one claimant of one process.
type incarnation struct{ process, owner, incarnation string }

func incarnationOf(l *registry.ProcessLease) incarnation {
	return incarnation{l.ProcessID, l.Owner.OwnerID, l.Owner.IncarnationID}
}

// checkTokens judges the fencing tokens of all leases that anybody saw, over
// all processes: they come from one counter.
func checkTokens(v *view) (violations []Violation, checked, _ string) {
	seen := make(map[uint64]*history.Op)
	for _, o := range v.judged {
		l := o.Answer.Lease
		if l == nil {
			continue
		}
		first := seen[l.FencingToken]
		if first == nil {
			seen[l.FencingToken] = o
			continue
		}
		if f := first.Answer.Lease; f.LeaseToken != l.LeaseToken || incarnationOf(f) != incarnationOf(l) {
			violations = append(violations, violated(TokensAreUnique, "fencing token %d belongs to %s of %s and to %s of %s",
				l.FencingToken, f.Owner.IncarnationID, f.ProcessID, l.Owner.IncarnationID, l.ProcessID).about(first, o))
		}
	}
	return append(violations, tokensGrow(v)...), fmt.Sprintf("%d fencing tokens", len(seen)), ""
}

// tokensGrow walks the claims as they are called, with the greatest token among
// those that had returned by then. A claim may return a lease that an earlier
// call of the same incarnation was granted, so it counts as called then.
func tokensGrow(v *view) (violations []Violation) {
	firstCall := make(map[incarnation]int64)
	for _, o := range v.Ops {
		if claim, ok := o.Call.(model.ClaimProcessLease); ok {
			who := incarnation{claim.ProcessID, claim.Owner.OwnerID, claim.Owner.IncarnationID}
			if at, known := firstCall[who]; !known || o.InvokeNs < at {
				firstCall[who] = o.InvokeNs
			}
		}
	}
	var called, returned []*history.Op
	for _, o := range v.judged {
		if _, claims := o.Call.(model.ClaimProcessLease); claims && grants(o) != nil {
			called, returned = append(called, o), append(returned, o)
		}
	}
	began := func(o *history.Op) int64 { return firstCall[incarnationOf(o.Answer.Lease)] }
	slices.SortFunc(called, func(a, b *history.Op) int { return cmp.Compare(began(a), began(b)) })
	slices.SortFunc(returned, func(a, b *history.Op) int { return cmp.Compare(a.ReturnNs, b.ReturnNs) })
	var greatest *history.Op
	next := 0
	for _, o := range called {
		for ; next < len(returned) && returned[next].ReturnNs < began(o); next++ {
			if greatest == nil || returned[next].Answer.Lease.FencingToken > greatest.Answer.Lease.FencingToken {
				greatest = returned[next]
			}
		}
		if greatest != nil && o.Answer.Lease.FencingToken <= greatest.Answer.Lease.FencingToken {
			violations = append(violations, violated(TokensGrow, "%s got %d after %s had got %d", describe(o),
				o.Answer.Lease.FencingToken, describe(greatest), greatest.Answer.Lease.FencingToken).about(greatest, o))
		}
	}
	return violations
}
