package client

import (
	"context"
	"errors"

	"github.com/holdfast-registry/holdfast/registry"
)

// The writes of a handle are those of registry.Registry on its process and under
// its fence. Each first looks whether the lease is trusted, by the boot clock,
// and is refused without being sent when it is not: ErrLeaseLost or
// ErrLeaseClosed, both definite. In the stop time, with the handle's context
// cancelled, the lease is trusted still and last words get through. A write that
// the cluster answers with Fenced ends the handle at once.

// AppendEvent stores one event: registry.Events.
func (l *Lease) AppendEvent(ctx context.Context, request registry.ProcessEventAppendRequest) (registry.ProcessEventAppendResult, error) {
	return fenced(l, func(processID string, fence *registry.Fence) (registry.ProcessEventAppendResult, error) {
		return l.registry.AppendEvent(ctx, processID, request, fence)
	})
}

// CompleteProcess ends the process: registry.Processes. The lease is not
// released by it.
func (l *Lease) CompleteProcess(ctx context.Context, output registry.ProcessAwaitOutput) (registry.ProcessRecord, error) {
	return fenced(l, func(processID string, fence *registry.Fence) (registry.ProcessRecord, error) {
		return l.registry.CompleteProcess(ctx, processID, output, fence)
	})
}

// completeAndRelease ends the process and gives the lease back by one write,
// where the registry takes several as one; else it only ends the process.
func (l *Lease) completeAndRelease(ctx context.Context, output registry.ProcessAwaitOutput) error {
	batches, ok := l.registry.(registry.Batches)
	if !ok {
		_, err := l.CompleteProcess(ctx, output)
		return err
	}
	_, err := fenced(l, func(processID string, fence *registry.Fence) ([]registry.OperationAnswer, error) {
		answers, err := batches.Batch(ctx, []registry.Operation{
			registry.CompleteProcessOperation{ProcessID: processID, Output: output, Fence: fence},
			registry.CompleteProcessLeaseOperation{Completion: registry.ProcessLeaseCompletion{ProcessID: processID, LeaseToken: fence.LeaseToken}},
		})
		return answers, asAlone(err)
	})
	if err == nil {
		l.Close()
		l.releasing.Lock()
		defer l.releasing.Unlock()
		l.over = true
	}
	return err
}

// asAlone is the error that the refused operation of a batch would have got
// alone.
func asAlone(err error) error {
	var refused *registry.Error
	if !errors.As(err, &refused) || refused.Code != registry.CodeBatchRefused {
		return err
	}
	return registry.Errorf(registry.CodeByName(refused.Fields.OperationCode), refused.Fields, "%s", refused.Message)
}

// RecordFirstStarted stores that execution began, and that it was this lease's
// owner who began it: registry.Processes. The first call wins, and the record
// tells whose that was. Spec A21.
func (l *Lease) RecordFirstStarted(ctx context.Context, startedAtMs uint64) (registry.ProcessRecord, error) {
	started := registry.ProcessStarted{Owner: l.Lease().Owner, StartedAtMs: startedAtMs}
	return fenced(l, func(processID string, fence *registry.Fence) (registry.ProcessRecord, error) {
		return l.registry.RecordFirstStarted(ctx, processID, started, fence)
	})
}

// SetProcessWait stores what the process waits for: registry.Processes.
func (l *Lease) SetProcessWait(ctx context.Context, wait registry.WaitState) (registry.ProcessRecord, error) {
	return fenced(l, func(processID string, fence *registry.Fence) (registry.ProcessRecord, error) {
		return l.registry.SetProcessWait(ctx, processID, wait, fence)
	})
}

// ClearProcessWait removes the wait, if any: registry.Processes.
func (l *Lease) ClearProcessWait(ctx context.Context) (registry.ProcessRecord, error) {
	return fenced(l, func(processID string, fence *registry.Fence) (registry.ProcessRecord, error) {
		return l.registry.ClearProcessWait(ctx, processID, fence)
	})
}

// SetExternalRef attaches a reference to the process: registry.Processes.
func (l *Lease) SetExternalRef(ctx context.Context, ref registry.ProcessExternalRef) (registry.ProcessRecord, error) {
	return fenced(l, func(processID string, fence *registry.Fence) (registry.ProcessRecord, error) {
		return l.registry.SetExternalRef(ctx, processID, ref, fence)
	})
}

// fenced makes one write under the lease.
func fenced[T any](l *Lease, write func(processID string, fence *registry.Fence) (T, error)) (T, error) {
	processID, fence, err := l.mayWrite()
	if err != nil {
		var zero T
		return zero, err
	}
	answer, err := write(processID, fence)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.heed(err)
	}
	return answer, err
}

// mayWrite tells what a write needs, or why there must be none.
func (l *Lease) mayWrite() (processID string, fence *registry.Fence, err error) {
	now := l.judge()
	defer l.mu.Unlock()
	if l.end != nil && l.left(now) == 0 {
		return "", nil, l.end
	}
	return l.lease.ProcessID, l.lease.Fence(), nil
}
