package registry

import "context"

// Batches makes several writes one. Spec A26.
type Batches interface {
	// Batch does operations in their order, all or none, as one log entry. Each
	// is decided on what those before it did, and answered as it would be
	// alone. If one is refused, or a claim is Busy, nothing is done, and the
	// error is BatchRefused with the operation's index and code. It is safe for
	// concurrent use. Errors: InvalidArgument (no operation, or one that is
	// wrong by itself), TooLarge (more than MaxBatchOperations, or, over the
	// network, more than MaxRequestBytes in all), BatchRefused, NotLeader, NoLeader, Overloaded,
	// OutcomeUnknown.
	Batch(ctx context.Context, operations []Operation) ([]OperationAnswer, error)
}

// Operation is one write of a batch: the arguments of the method of its name.
// Its session is that of the batch.
type Operation interface {
	// Do does the operation alone.
	Do(ctx context.Context, r Batchable) (OperationAnswer, error)
}

// Batchable is what has the methods that operations stand for.
type Batchable interface {
	Registry
	Queue
}

// OperationAnswer is what an operation's method returned; what it does not
// return is nil.
type OperationAnswer struct {
	Record  *ProcessRecord
	Append  *ProcessEventAppendResult
	Grant   *ProcessHandleGrant
	Claim   *ProcessLeaseClaimOutcome
	Lease   *ProcessLease
	Deleted *ProcessSessionDeleteReport
}

// The operations.
type (
	RegisterProcessOperation struct{ Registration ProcessRegistration }
	SetExternalRefOperation  struct {
		ProcessID string
		Ref       ProcessExternalRef
		Fence     *Fence
	}
	CompleteProcessOperation struct {
		ProcessID string
		Output    ProcessAwaitOutput
		Fence     *Fence
	}
	RecordFirstStartedOperation struct {
		ProcessID string
		Started   ProcessStarted
		Fence     *Fence
	}
	RequestProcessAbandonOperation struct {
		ProcessID string
		Request   AbandonRequest
		Fence     *Fence
	}
	SetProcessWaitOperation struct {
		ProcessID string
		Wait      WaitState
		Fence     *Fence
	}
	ClearProcessWaitOperation struct {
		ProcessID string
		Fence     *Fence
	}
	AppendEventOperation struct {
		ProcessID string
		Request   ProcessEventAppendRequest
		Fence     *Fence
	}
	AckWakeOperation struct {
		ProcessID string
		Sequence  uint64
	}
	GrantHandleOperation struct {
		Scope      SessionScope
		ProcessID  string
		Descriptor ProcessHandleDescriptor
	}
	RevokeHandleOperation struct {
		Scope     SessionScope
		ProcessID string
	}
	TransferHandleGrantsOperation struct {
		From, To   SessionScope
		ProcessIDs []string
	}
	DeleteSessionProcessStateOperation struct{ SessionID string }
	ClaimProcessLeaseOperation         struct {
		ProcessID string
		Owner     LeaseOwnerIdentity
		TTLMs     uint64
	}
	ReclaimProcessLeaseOperation struct {
		ProcessID string
		Owner     LeaseOwnerIdentity
		Observed  ProcessLease
		Verdict   HolderVerdict
		TTLMs     uint64
	}
	RenewProcessLeaseOperation struct {
		Lease ProcessLease
		TTLMs uint64
	}
	CompleteProcessLeaseOperation struct{ Completion ProcessLeaseCompletion }
	ReleaseForRetryOperation      struct {
		Completion   ProcessLeaseCompletion
		RetryAfterMs uint64
	}
)

func recorded(record ProcessRecord, err error) (OperationAnswer, error) {
	return OperationAnswer{Record: &record}, err
}

func claimed(outcome ProcessLeaseClaimOutcome, err error) (OperationAnswer, error) {
	return OperationAnswer{Claim: &outcome}, err
}

// Do implements Operation.
func (o RegisterProcessOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return recorded(r.RegisterProcess(ctx, o.Registration))
}

// Do implements Operation.
func (o SetExternalRefOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return recorded(r.SetExternalRef(ctx, o.ProcessID, o.Ref, o.Fence))
}

// Do implements Operation.
func (o CompleteProcessOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return recorded(r.CompleteProcess(ctx, o.ProcessID, o.Output, o.Fence))
}

// Do implements Operation.
func (o RecordFirstStartedOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return recorded(r.RecordFirstStarted(ctx, o.ProcessID, o.Started, o.Fence))
}

// Do implements Operation.
func (o RequestProcessAbandonOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return recorded(r.RequestProcessAbandon(ctx, o.ProcessID, o.Request, o.Fence))
}

// Do implements Operation.
func (o SetProcessWaitOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return recorded(r.SetProcessWait(ctx, o.ProcessID, o.Wait, o.Fence))
}

// Do implements Operation.
func (o ClearProcessWaitOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return recorded(r.ClearProcessWait(ctx, o.ProcessID, o.Fence))
}

// Do implements Operation.
func (o AppendEventOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	result, err := r.AppendEvent(ctx, o.ProcessID, o.Request, o.Fence)
	return OperationAnswer{Append: &result}, err
}

// Do implements Operation.
func (o AckWakeOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return OperationAnswer{}, r.AckWake(ctx, o.ProcessID, o.Sequence)
}

// Do implements Operation.
func (o GrantHandleOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	grant, err := r.GrantHandle(ctx, o.Scope, o.ProcessID, o.Descriptor)
	return OperationAnswer{Grant: &grant}, err
}

// Do implements Operation.
func (o RevokeHandleOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return OperationAnswer{}, r.RevokeHandle(ctx, o.Scope, o.ProcessID)
}

// Do implements Operation.
func (o TransferHandleGrantsOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return OperationAnswer{}, r.TransferHandleGrants(ctx, o.From, o.To, o.ProcessIDs)
}

// Do implements Operation.
func (o DeleteSessionProcessStateOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	report, err := r.DeleteSessionProcessState(ctx, o.SessionID)
	return OperationAnswer{Deleted: &report}, err
}

// Do implements Operation.
func (o ClaimProcessLeaseOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return claimed(r.ClaimProcessLease(ctx, o.ProcessID, o.Owner, o.TTLMs))
}

// Do implements Operation.
func (o ReclaimProcessLeaseOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return claimed(r.ReclaimProcessLease(ctx, o.ProcessID, o.Owner, o.Observed, o.Verdict, o.TTLMs))
}

// Do implements Operation.
func (o RenewProcessLeaseOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	lease, err := r.RenewProcessLease(ctx, o.Lease, o.TTLMs)
	return OperationAnswer{Lease: &lease}, err
}

// Do implements Operation.
func (o CompleteProcessLeaseOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return OperationAnswer{}, r.CompleteProcessLease(ctx, o.Completion)
}

// Do implements Operation.
func (o ReleaseForRetryOperation) Do(ctx context.Context, r Batchable) (OperationAnswer, error) {
	return OperationAnswer{}, r.ReleaseForRetry(ctx, o.Completion, o.RetryAfterMs)
}
