package check

import (
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// single are operations on one process each, out of those without batches: a
// claim-next is a claim of each process that it got, a release for a retry is a
// release.
func single(ops []*history.Op) (all []*history.Op) {
	for _, o := range spread(ops) {
		if call, releases := o.Call.(model.ReleaseForRetry); releases {
			o = as(o, model.CompleteProcessLease{Completion: call.Completion}, o.Answer)
		}
		all = append(all, o)
	}
	return all
}

// spread are operations with the claims that each claim-next stands for in its
// place. One of unknown outcome may have got any process that it could.
func spread(ops []*history.Op) (all []*history.Op) {
	work := workOf(ops)
	for _, o := range ops {
		if call, hands := o.Call.(model.ClaimNext); hands {
			all = append(all, claimsOf(o, call, work)...)
		} else {
			all = append(all, o)
		}
	}
	return all
}

// as is an operation with another call and answer.
func as(o *history.Op, call model.Op, answer model.Answer) *history.Op {
	other := *o
	other.Call, other.Answer = call, answer
	return &other
}

// claimsOf are the claims that a claim-next stands for.
func claimsOf(o *history.Op, call model.ClaimNext, work []*job) (claims []*history.Op) {
	claim := func(id string) model.Op {
		return model.ClaimProcessLease{ProcessID: id, Owner: call.Owner, TTLMs: call.TTLMs}
	}
	for i := range o.Answer.Claims {
		lease := &o.Answer.Claims[i].Lease
		claims = append(claims, as(o, claim(lease.ProcessID), model.Answer{Lease: lease}))
	}
	for _, j := range work {
		if o.Outcome == history.Unknown && j.isFor(call) && (j.ended == nil || j.ended.ReturnNs >= o.InvokeNs) {
			claims = append(claims, as(o, claim(j.ID), o.Answer))
		}
	}
	return claims
}

// job is a process that claim-next may hand out.
type job struct {
	registry.ProcessRegistration
	// added is the first registration that was acked, nil while there is none. ended
	// is a completion after which it is over for good, nil if there is none.
	added, ended *history.Op
}

// workOf are the processes that somebody registered, in that order.
func workOf(ops []*history.Op) (work []*job) {
	known := make(map[string]*job)
	livesOnce := !slices.ContainsFunc(ops, prunes)
	for _, o := range ops {
		switch call := o.Call.(type) {
		case model.RegisterProcess:
			r := call.Registration
			if known[r.ID] == nil && o.Outcome != history.Refused {
				known[r.ID] = &job{ProcessRegistration: r}
				work = append(work, known[r.ID])
			}
			if j := known[r.ID]; j != nil && j.added == nil && o.Outcome == history.OK {
				j.added = o
			}
		case model.CompleteProcess:
			if j := known[call.ProcessID]; j != nil && livesOnce && o.Outcome == history.OK {
				j.ended = o
			}
		}
	}
	return work
}

// isFor tells whether a job is of a kind that a claim-next asks for.
func (j *job) isFor(call model.ClaimNext) bool {
	return len(call.Kinds) == 0 || slices.Contains(call.Kinds, j.Identity.Kind)
}
