package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// checkOrder judges what the metadata of answers says about their order.
func checkOrder(v *view) (violations []Violation, checked, _ string) {
	for _, o := range v.noInfo {
		violations = append(violations, violated(AnswersCarryInfo, "%s was answered without metadata", describe(o)).about(o))
	}
	violations = append(violations, realTimeOrder(v.judged)...)
	violations = append(violations, clocksGrow(v.judged)...)
	return violations, fmt.Sprintf("%d answers", len(v.judged)), ""
}

// realTimeOrder walks the operations as they are called, with the greatest
// position of those that had returned by then.
func realTimeOrder(ops []*history.Op) (violations []Violation) {
	called, returned := slices.Clone(ops), slices.Clone(ops)
	slices.SortFunc(called, func(a, b *history.Op) int { return cmp.Compare(a.InvokeNs, b.InvokeNs) })
	slices.SortFunc(returned, func(a, b *history.Op) int { return cmp.Compare(a.ReturnNs, b.ReturnNs) })
	var latest struct{ revision, clock, leaseTime *history.Op }
	further := func(mark **history.Op, o *history.Op, of func(registry.AnswerInfo) uint64) {
		if *mark == nil || of(o.Info) > of((*mark).Info) {
			*mark = o
		}
	}
	next := 0
	for _, o := range called {
		for ; next < len(returned) && returned[next].ReturnNs < o.InvokeNs; next++ {
			further(&latest.revision, returned[next], revisionOf)
			further(&latest.clock, returned[next], clockOf)
			further(&latest.leaseTime, returned[next], leaseTimeOf)
		}
		for _, m := range []struct {
			what string
			mark *history.Op
			of   func(registry.AnswerInfo) uint64
		}{{"revision", latest.revision, revisionOf}, {"clock", latest.clock, clockOf}, {"lease time", latest.leaseTime, leaseTimeOf}} {
			if m.mark != nil && m.of(m.mark.Info) > m.of(o.Info) {
				violations = append(violations, violated(RealTimeOrder, "%s was answered at %s %d, after %s had returned with %d",
					describe(o), m.what, m.of(o.Info), describe(m.mark), m.of(m.mark.Info)).about(m.mark, o))
			}
		}
	}
	return violations
}

func revisionOf(info registry.AnswerInfo) uint64  { return info.Revision }
func clockOf(info registry.AnswerInfo) uint64     { return info.ClockMs }
func leaseTimeOf(info registry.AnswerInfo) uint64 { return info.LeaseTimeMs }

// clocksGrow walks the operations by revision. Those of one revision are in the
// order of their lease time, which leaves the clock to be looked at.
func clocksGrow(ops []*history.Op) (violations []Violation) {
	for i := 1; i < len(ops); i++ {
		before, o := ops[i-1], ops[i]
		if o.Info.ClockMs < before.Info.ClockMs || o.Info.LeaseTimeMs < before.Info.LeaseTimeMs {
			violations = append(violations, violated(ClocksGrow, "%s at revision %d has clock %d and lease time %d, %s at revision %d had %d and %d",
				describe(o), o.Info.Revision, o.Info.ClockMs, o.Info.LeaseTimeMs,
				describe(before), before.Info.Revision, before.Info.ClockMs, before.Info.LeaseTimeMs).about(before, o))
		}
	}
	return violations
}
