package check

import (
	"fmt"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
)

// single is a history in which each process has its own operations: a claim-next
// is a claim of each process that it got, a release for a retry is a release. A
// claim-next of unknown outcome may have got any process of its kinds.
func single(ops []*history.Op) []*history.Op {
	var kinds map[string]string
	var all []*history.Op
	for _, o := range ops {
		switch call := o.Call.(type) {
		case model.ClaimNext:
			if o.Outcome == history.Unknown && kinds == nil {
				kinds = kindsOf(ops)
			}
			all = append(all, singleClaims(o, call, kinds)...)
		case model.ReleaseForRetry:
			one := *o
			one.Call = model.CompleteProcessLease{Completion: call.Completion}
			all = append(all, &one)
		default:
			all = append(all, o)
		}
	}
	return all
}

// kindsOf are the kinds of the processes that somebody registered.
func kindsOf(ops []*history.Op) map[string]string {
	kinds := make(map[string]string)
	for _, o := range ops {
		if call, ok := o.Call.(model.RegisterProcess); ok && o.Outcome != history.Refused {
			kinds[call.Registration.ID] = call.Registration.Identity.Kind
		}
	}
	return kinds
}

func singleClaims(o *history.Op, call model.ClaimNext, kinds map[string]string) (claims []*history.Op) {
	add := func(id string, answer model.Answer) {
		one := *o
		one.Call = model.ClaimProcessLease{ProcessID: id, Owner: call.Owner, TTLMs: call.TTLMs}
		one.Answer = answer
		claims = append(claims, &one)
	}
	if o.Outcome == history.Unknown {
		for id, kind := range kinds {
			if len(call.Kinds) == 0 || slices.Contains(call.Kinds, kind) {
				add(id, o.Answer)
			}
		}
	}
	for i := range o.Answer.Claims {
		add(o.Answer.Claims[i].Lease.ProcessID, model.Answer{Lease: &o.Answer.Claims[i].Lease})
	}
	return claims
}

// retry is a delay of a process.
type retry struct {
	op *history.Op
	// untilMs is the lease time before which it is not to be handed out.
	untilMs uint64
}

// mayHaveEnded tells whether a lease may have been over before a release: by
// another release of it, or by what is of unknown outcome.
func mayHaveEnded(v *view, release model.ReleaseForRetry, o *history.Op) bool {
	token := release.Completion.LeaseToken
	return slices.ContainsFunc(v.Ops, func(other *history.Op) bool {
		if other == o || other.Outcome == history.Refused || other.InvokeNs > o.ReturnNs {
			return false
		}
		switch call := other.Call.(type) {
		case model.ClaimNext:
			return other.Outcome == history.Unknown
		case model.ClaimProcessLease:
			return other.Outcome == history.Unknown && call.ProcessID == release.Completion.ProcessID
		case model.ReleaseForRetry:
			return call.Completion.LeaseToken == token
		case model.CompleteProcessLease:
			return call.Completion.LeaseToken == token
		}
		return false
	})
}

// checkQueue judges what claim-next handed out, without the model: no process
// before its delay was over, none that had ended, each time with the next number
// of its attempts.
func checkQueue(v *view) (violations []Violation, checked, _ string) {
	delayed := make(map[string]retry)
	holder := make(map[string]string)
	attempts := make(map[string]*history.Op)
	count := make(map[string]uint64)
	ended := make(map[string]*history.Op)
	handed := 0
	for _, o := range v.judged {
		if o.Outcome != history.OK {
			continue
		}
		switch call := o.Call.(type) {
		case model.ReleaseForRetry:
			if id := call.Completion.ProcessID; holder[id] == call.Completion.LeaseToken && !mayHaveEnded(v, call, o) {
				delayed[id] = retry{o, o.Info.LeaseTimeMs + call.RetryAfterMs}
				holder[id] = ""
			}
			continue
		case model.CompleteProcessLease:
			if id := call.Completion.ProcessID; holder[id] == call.Completion.LeaseToken {
				holder[id] = ""
			}
		case model.CompleteProcess:
			ended[o.Answer.Record.ID] = o
		}
		if l := grants(o); l != nil {
			holder[l.ProcessID] = l.LeaseToken
		}
		for i := range o.Answer.Claims {
			c := &o.Answer.Claims[i]
			id := c.Lease.ProcessID
			handed++
			if d, late := delayed[id]; late && d.op.Info.Revision < o.Info.Revision && o.Info.LeaseTimeMs < d.untilMs {
				violations = append(violations, violated(NoEarlyRetry, "%s was handed %s at lease time %d, which %s had delayed until %d",
					describe(o), id, o.Info.LeaseTimeMs, describe(d.op), d.untilMs).about(d.op, o))
			}
			if by := ended[id]; by != nil && by.Info.Revision < o.Info.Revision && !v.mayBePruned(id) {
				violations = append(violations, violated(OnlyWhatRuns, "%s was handed %s, which %s had completed", describe(o), id, describe(by)).about(by, o))
			}
			if by := attempts[id]; by != nil && c.Attempt <= count[id] && !v.mayBePruned(id) {
				violations = append(violations, violated(AttemptsCount, "%s was handed %s for the %d. time, %s for the %d. before it",
					describe(o), id, c.Attempt, describe(by), count[id]).about(by, o))
			}
			attempts[id], count[id], holder[id] = o, c.Attempt, c.Lease.LeaseToken
			delete(delayed, id)
		}
	}
	return violations, fmt.Sprintf("%d processes handed out", handed), ""
}
