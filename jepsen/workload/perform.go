package workload

import (
	"context"
	"fmt"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// perform makes the call that an op of the model stands for.
func perform(ctx context.Context, r Registry, call model.Op) (a model.Answer, err error) {
	switch op := call.(type) {
	case model.RegisterProcess:
		return record(r.RegisterProcess(ctx, op.Registration))
	case model.GetProcess:
		return record(r.GetProcess(ctx, op.ProcessID))
	case model.CompleteProcess:
		return record(r.CompleteProcess(ctx, op.ProcessID, op.Output, op.Fence))
	case model.RecordFirstStarted:
		return record(r.RecordFirstStarted(ctx, op.ProcessID, op.Started, op.Fence))
	case model.SetExternalRef:
		return record(r.SetExternalRef(ctx, op.ProcessID, op.Ref, op.Fence))
	case model.RequestProcessAbandon:
		return record(r.RequestProcessAbandon(ctx, op.ProcessID, op.Request, op.Fence))
	case model.SetProcessWait:
		return record(r.SetProcessWait(ctx, op.ProcessID, op.Wait, op.Fence))
	case model.ClearProcessWait:
		return record(r.ClearProcessWait(ctx, op.ProcessID, op.Fence))
	case model.ListProcesses:
		a.Records, err = whole(func(page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
			return r.ListProcesses(ctx, op.Filter, page)
		})
	case model.ListNonTerminal:
		a.Records, err = whole(func(page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
			return r.ListNonTerminal(ctx, page)
		})
	case model.PruneTerminalProcesses:
		report, err := r.PruneTerminalProcesses(ctx, op.CutoffMs)
		return model.Answer{Pruned: &report}, err
	default:
		return performOnPart(ctx, r, call)
	}
	return a, err
}

// performOnPart is perform for events, leases and handles.
func performOnPart(ctx context.Context, r Registry, call model.Op) (a model.Answer, err error) {
	switch op := call.(type) {
	case model.AppendEvent:
		result, err := r.AppendEvent(ctx, op.ProcessID, op.Request, op.Fence)
		return model.Answer{Event: &result.Event, Delivery: result.WakeDelivery}, err
	case model.EventsAfter:
		a.Events, err = whole(func(page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
			return r.EventsAfter(ctx, op.ProcessID, op.After, page)
		})
	case model.RecentEvents:
		a.Events, err = whole(func(page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
			return r.RecentEvents(ctx, op.ProcessID, op.Limit, page)
		})
	case model.CountEventsThrough:
		a.Count, err = r.CountEventsThrough(ctx, op.ProcessID, op.EventType, op.Through)
	case model.WakeEventsAfter:
		a.Events, err = whole(func(page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
			return r.WakeEventsAfter(ctx, op.ProcessID, op.After, page)
		})
	case model.AckWake:
		return a, r.AckWake(ctx, op.ProcessID, op.Sequence)
	case model.ClaimProcessLease:
		return claimed(r.ClaimProcessLease(ctx, op.ProcessID, op.Owner, op.TTLMs))
	case model.ReclaimProcessLease:
		return claimed(r.ReclaimProcessLease(ctx, op.ProcessID, op.Owner, op.Observed, op.Verdict, op.TTLMs))
	case model.RenewProcessLease:
		lease, err := r.RenewProcessLease(ctx, op.Lease, op.TTLMs)
		return model.Answer{Lease: &lease}, err
	case model.GetProcessLease:
		a.Lease, err = r.GetProcessLease(ctx, op.ProcessID)
	case model.CompleteProcessLease:
		return a, r.CompleteProcessLease(ctx, op.Completion)
	case model.CheckFence:
		status, err := r.CheckFence(ctx, op.ProcessID, op.FencingToken)
		return model.Answer{Fence: &status}, err
	case model.ClaimNext:
		a.Claims, err = r.ClaimNext(ctx, registry.ClaimNextRequest{Owner: op.Owner, TTLMs: op.TTLMs, Limit: op.Limit, Kinds: op.Kinds, WaitMs: waitMs(ctx)})
	case model.ReleaseForRetry:
		return a, r.ReleaseForRetry(ctx, op.Completion, op.RetryAfterMs)
	case model.Batch:
		return performBatch(ctx, r, op)
	case model.GrantHandle:
		grant, err := r.GrantHandle(ctx, op.Scope, op.ProcessID, op.Descriptor)
		return model.Answer{Grants: []registry.ProcessHandleGrant{grant}}, err
	case model.RevokeHandle:
		return a, r.RevokeHandle(ctx, op.Scope, op.ProcessID)
	case model.TransferHandleGrants:
		return a, r.TransferHandleGrants(ctx, op.From, op.To, op.ProcessIDs)
	case model.ListHandleGrants:
		list := r.ListHandleGrants
		if op.Live {
			list = r.ListLiveHandleGrants
		}
		a.Entries, err = whole(func(page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
			return list(ctx, op.Scope, page)
		})
	case model.HasHandleGrant:
		a.Has, err = r.HasHandleGrant(ctx, op.Scope, op.ProcessID)
	case model.HandleGrantsForProcess:
		a.Grants, err = whole(func(page registry.PageRequest) (registry.Page[registry.ProcessHandleGrant], error) {
			return r.HandleGrantsForProcess(ctx, op.ProcessID, page)
		})
	case model.DeleteSessionProcessState:
		report, err := r.DeleteSessionProcessState(ctx, op.SessionID)
		return model.Answer{Deleted: &report}, err
	default:
		panic(fmt.Sprintf("a workload cannot perform %T", call))
	}
	return a, err
}

func claimed(outcome registry.ProcessLeaseClaimOutcome, err error) (model.Answer, error) {
	if outcome.Busy != nil {
		return model.Answer{Lease: outcome.Busy, Busy: true}, err
	}
	return model.Answer{Lease: outcome.Acquired}, err
}

func record(r registry.ProcessRecord, err error) (model.Answer, error) {
	return model.Answer{Record: &r}, err
}

// whole reads a list that must fit into one page: a list of several pages is
// not one moment, and could not be judged as one. Workloads keep their lists
// short.
func whole[T any](list func(registry.PageRequest) (registry.Page[T], error)) ([]T, error) {
	page, err := list(registry.PageRequest{Size: registry.MaxPageSize})
	if err == nil && page.NextToken != "" {
		return nil, registry.Errorf(registry.CodeTooLarge, registry.Fields{}, "the list has more than one page of %d rows", len(page.Items))
	}
	return page.Items, err
}
