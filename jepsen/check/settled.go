package check

import (
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// settled tells whether an unknown operation can never again change anything,
// whether it has happened already or not. Worlds that differ in nothing else
// are the same.
func (w *world) settled(v *view, o *history.Op) bool {
	if w.lostItsLease(o.Call) {
		return true
	}
	id, ok := processOf(o.Call)
	p := w.state.Processes[id]
	if !ok || p == nil || v.mayBePruned(id) {
		// In another life it may still have a place.
		return false
	}
	if _, registers := o.Call.(model.RegisterProcess); registers {
		return true
	}
	switch call := o.Call.(type) {
	case model.RecordFirstStarted:
		return p.FirstStarted != nil
	case model.CompleteProcess, model.ClaimProcessLease, model.ReclaimProcessLease, model.SetProcessWait:
		return p.State != registry.StateRunning
	case model.RequestProcessAbandon:
		return p.State != registry.StateRunning || p.AbandonRequest != nil
	case model.SetExternalRef:
		return p.ExternalRef != nil
	case model.AckWake:
		return p.Acked[call.Sequence]
	case model.AppendEvent:
		return call.Request.Replay != nil && slices.ContainsFunc(p.Events, func(e model.Event) bool { return e.ReplayKey == call.Request.Replay.Key })
	}
	return false
}

// lostItsLease tells whether a call can only happen under a lease that is over: it
// was granted before the call, and does not come back.
func (w *world) lostItsLease(call model.Op) bool {
	id, _ := processOf(call)
	p, token := w.state.Processes[id], leaseTokenOf(call)
	return token != "" && (p == nil || !p.Lease.Held || p.Lease.Token != token)
}

// leaseTokenOf is the token of the lease that a call can only happen under, empty
// if there is none.
func leaseTokenOf(call model.Op) string {
	switch call := call.(type) {
	case model.RenewProcessLease:
		return call.Lease.LeaseToken
	case model.ReleaseForRetry:
		return call.Completion.LeaseToken
	case model.CompleteProcessLease:
		return call.Completion.LeaseToken
	}
	if fence := fenceOf(call); fence != nil {
		return fence.LeaseToken
	}
	return ""
}
