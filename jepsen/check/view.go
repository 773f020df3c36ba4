package check

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// view is a history in the orders that checkers need.
type view struct {
	*history.History
	options Options
	// judged are the operations that the state answered, by revision and then
	// by lease time; unknown are those that may have happened.
	judged, unknown []*history.Op
	// byIndex are all operations.
	byIndex map[int]*history.Op
	// noInfo are judged ones without the metadata that orders them.
	noInfo []*history.Op
	// ended and pruned are what prunable found.
	ended  map[string]*history.Op
	pruned []*history.Op
}

func newView(h *history.History, options Options) *view {
	v := &view{History: h, options: options, byIndex: make(map[int]*history.Op, len(h.Ops))}
	v.ended, v.pruned = prunable(h.Ops)
	for _, o := range h.Ops {
		v.byIndex[o.Index] = o
		switch {
		case o.Judged() && o.Info.Term == 0:
			v.noInfo = append(v.noInfo, o)
		case o.Judged():
			v.judged = append(v.judged, o)
		case o.Outcome == history.Unknown && !isRead(o.Call):
			v.unknown = append(v.unknown, o)
		}
	}
	slices.SortStableFunc(v.judged, func(a, b *history.Op) int {
		return cmp.Or(cmp.Compare(a.Info.Revision, b.Info.Revision), cmp.Compare(a.Info.LeaseTimeMs, b.Info.LeaseTimeMs),
			cmp.Compare(a.Info.ClockMs, b.Info.ClockMs), cmp.Compare(rank(a), rank(b)), cmp.Compare(a.InvokeNs, b.InvokeNs))
	})
	return v
}

// rank puts what may have made a revision before what was refused at it.
func rank(o *history.Op) int {
	if o.Outcome == history.OK {
		return 0
	}
	return 1
}

// isRead tells whether a call changes nothing.
func isRead(call model.Op) bool {
	switch call.(type) {
	case model.GetProcess, model.ListProcesses, model.ListNonTerminal, model.EventsAfter, model.RecentEvents,
		model.CountEventsThrough, model.WakeEventsAfter, model.GetProcessLease, model.ListHandleGrants,
		model.HasHandleGrant, model.HandleGrantsForProcess, model.CheckFence:
		return true
	}
	return false
}

// processOf is the process that a call is about; false when it is about several
// or none.
func processOf(call model.Op) (id string, ok bool) {
	switch op := call.(type) {
	case model.RegisterProcess:
		return op.Registration.ID, true
	case model.RenewProcessLease:
		return op.Lease.ProcessID, true
	case model.CompleteProcessLease:
		return op.Completion.ProcessID, true
	case model.ReleaseForRetry:
		return op.Completion.ProcessID, true
	case model.TransferHandleGrants:
		if len(op.ProcessIDs) == 1 {
			return op.ProcessIDs[0], true
		}
		return "", false
	}
	if field := reflect.ValueOf(call).FieldByName("ProcessID"); field.IsValid() {
		return field.String(), true
	}
	return "", false
}

// grants tells whether an operation was answered with a lease of its caller, and
// which: by a claim, a reclaim or a renewal.
func grants(o *history.Op) *registry.ProcessLease {
	if o.Outcome != history.OK || o.Answer.Busy {
		return nil
	}
	switch o.Call.(type) {
	case model.ClaimProcessLease, model.ReclaimProcessLease, model.RenewProcessLease:
		return o.Answer.Lease
	}
	return nil
}

// ttlOf is the ttl that a granting call asked for.
func ttlOf(call model.Op) uint64 {
	switch op := call.(type) {
	case model.ClaimProcessLease:
		return op.TTLMs
	case model.ReclaimProcessLease:
		return op.TTLMs
	case model.RenewProcessLease:
		return op.TTLMs
	}
	return 0
}

// fenceOf is the fence that a call brought, nil if it brought none.
func fenceOf(call model.Op) *registry.Fence {
	field := reflect.ValueOf(call).FieldByName("Fence")
	if !field.IsValid() {
		return nil
	}
	fence, _ := field.Interface().(*registry.Fence)
	return fence
}

// String of an operation for the details of violations.
func describe(o *history.Op) string {
	id, _ := processOf(o.Call)
	if o.Whole != nil {
		return fmt.Sprintf("operation %d, %s %s in a batch by %s", o.Whole.Index, history.CallName(o.Call), id, o.Client)
	}
	return fmt.Sprintf("operation %d, %s %s by %s", o.Index, history.CallName(o.Call), id, o.Client)
}
