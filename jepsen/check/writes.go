package check

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// writes are the acked writes by the revision that they were answered at, which
// they made or not, and what was answered by when.
type writes struct {
	acked map[uint64][]*history.Op
	// changed are answers that show a record, by the revision at which that changed.
	changed map[uint64]*history.Op
	// latest are answers by the time of their return, each of a greater revision
	// than all before.
	latest []*history.Op
}

func newWrites(v *view) *writes {
	w := &writes{acked: make(map[uint64][]*history.Op), changed: make(map[uint64]*history.Op)}
	byReturn := slices.SortedFunc(slices.Values(v.judged), func(a, b *history.Op) int { return cmp.Compare(a.ReturnNs, b.ReturnNs) })
	for _, o := range byReturn {
		if n := len(w.latest); n == 0 || o.Info.Revision > w.latest[n-1].Info.Revision {
			w.latest = append(w.latest, o)
		}
		if o.Outcome == history.OK && o.Answer.Record != nil {
			w.changed[o.Answer.Record.Revision] = o
		}
		if o.Outcome == history.OK && !isRead(o.Call) {
			w.acked[o.Info.Revision] = append(w.acked[o.Info.Revision], o)
		}
	}
	return w
}

// latestBefore is an answer of the greatest revision among those that had
// returned by a time, nil without one.
func (w *writes) latestBefore(ns int64) *history.Op {
	n := sort.Search(len(w.latest), func(i int) bool { return w.latest[i].ReturnNs >= ns })
	if n == 0 {
		return nil
	}
	return w.latest[n-1]
}

// explains tells whether a write may have made a change.
func explains(o *history.Op, c *registry.ProcessChange) bool {
	id, _ := processOf(o.Call)
	same := id == c.ProcessID
	switch call := o.Call.(type) {
	case model.RegisterProcess:
		return same && c.Kind == registry.ChangeRegistered
	case model.AppendEvent:
		return same && c.Kind == registry.ChangeAppended && (o.Answer.Event == nil || o.Answer.Event.Sequence == c.Sequence)
	case model.CompleteProcess:
		return same && c.Kind == registry.ChangeEnded
	case model.RecordFirstStarted:
		return same && c.Kind == registry.ChangeStarted
	case model.SetExternalRef:
		return same && c.Kind == registry.ChangeExternalRef
	case model.RequestProcessAbandon:
		return same && c.Kind == registry.ChangeAbandonRequested
	case model.SetProcessWait, model.ClearProcessWait:
		return same && c.Kind == registry.ChangeWait
	case model.ClaimProcessLease:
		return same && !o.Answer.Busy && (c.Kind == registry.ChangeLease || c.Kind == registry.ChangeLeaseExtended)
	case model.ReclaimProcessLease, model.CompleteProcessLease:
		return same && !o.Answer.Busy && c.Kind == registry.ChangeLease
	case model.RenewProcessLease:
		return same && c.Kind == registry.ChangeLeaseExtended
	case model.ClaimNext:
		return c.Kind == registry.ChangeLease // a repeat leaves out what was pruned since
	case model.ReleaseForRetry:
		return call.Completion.ProcessID == c.ProcessID && c.Kind == registry.ChangeLease
	case model.AckWake:
		return same && c.Kind == registry.ChangeAck && call.Sequence == c.Sequence
	case model.GrantHandle, model.RevokeHandle:
		return same && c.Kind == registry.ChangeGrant
	case model.TransferHandleGrants:
		return c.Kind == registry.ChangeGrant && slices.Contains(call.ProcessIDs, c.ProcessID)
	case model.DeleteSessionProcessState:
		return c.Kind == registry.ChangeGrant || c.Kind == registry.ChangeWakeTarget
	case model.PruneTerminalProcesses:
		return c.Kind == registry.ChangePruned
	}
	return true // what the checkers of streams do not know may do anything
}

// contradicts says what an acked write tells of itself, when it made the
// revision of a change and the change does not say so.
func contradicts(o *history.Op, c *registry.ProcessChange) string {
	switch o.Call.(type) {
	case model.AppendEvent:
		// Under a replay key it may have been there before.
		if e := o.Answer.Event; e != nil && e.ReplayKey == "" && (c.ProcessID != e.ProcessID || c.Kind != registry.ChangeAppended || c.Sequence != e.Sequence) {
			return fmt.Sprintf("event %d", e.Sequence)
		}
	case model.ClaimProcessLease, model.ReclaimProcessLease, model.RenewProcessLease:
		if l := grants(o); l != nil && !explains(o, c) {
			return fmt.Sprintf("the lease of %s", l.Owner.IncarnationID)
		}
	case model.SetProcessWait, model.ClearProcessWait, model.GrantHandle:
		if !explains(o, c) {
			return "a success that it always makes"
		}
	case model.ClaimNext:
		if len(o.Answer.Claims) > 0 && !explains(o, c) {
			return fmt.Sprintf("%d claims", len(o.Answer.Claims))
		}
	case model.PruneTerminalProcesses:
		if n := o.Answer.Pruned.PrunedProcesses; n > 0 && c.Kind != registry.ChangePruned {
			return fmt.Sprintf("%d pruned processes", n)
		}
	}
	return ""
}
