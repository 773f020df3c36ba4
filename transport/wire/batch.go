package wire

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// OperationsToPB returns the wire form of a batch's operations. An operation
// that this version does not know is an error.
func OperationsToPB(operations []registry.Operation) ([]*pb.BatchOperation, error) {
	out := make([]*pb.BatchOperation, len(operations))
	for i, operation := range operations {
		out[i] = new(pb.BatchOperation)
		if !setOperation(out[i], operation) {
			return nil, registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "operations", Operation: new(uint64(i))},
				"operation %d of the batch is a %T: use one of the operations of package registry", i, operation)
		}
	}
	return out, nil
}

func setOperation(m *pb.BatchOperation, operation registry.Operation) bool {
	switch o := operation.(type) {
	case registry.RegisterProcessOperation:
		m.Operation = &pb.BatchOperation_RegisterProcess{RegisterProcess: &pb.RegisterProcessRequest{Registration: RegistrationToPB(o.Registration)}}
	case registry.SetExternalRefOperation:
		m.Operation = &pb.BatchOperation_SetExternalRef{SetExternalRef: &pb.SetExternalRefRequest{ProcessId: o.ProcessID, Ref: ExternalRefToPB(o.Ref), Fence: FenceToPB(o.Fence)}}
	case registry.CompleteProcessOperation:
		m.Operation = &pb.BatchOperation_CompleteProcess{CompleteProcess: &pb.CompleteProcessRequest{ProcessId: o.ProcessID, Output: OutputToPB(o.Output), Fence: FenceToPB(o.Fence)}}
	case registry.RecordFirstStartedOperation:
		m.Operation = &pb.BatchOperation_RecordFirstStarted{RecordFirstStarted: &pb.RecordFirstStartedRequest{ProcessId: o.ProcessID, Started: StartedToPB(o.Started), Fence: FenceToPB(o.Fence)}}
	case registry.RequestProcessAbandonOperation:
		m.Operation = &pb.BatchOperation_RequestProcessAbandon{RequestProcessAbandon: &pb.RequestProcessAbandonRequest{ProcessId: o.ProcessID, Request: AbandonRequestToPB(o.Request), Fence: FenceToPB(o.Fence)}}
	case registry.SetProcessWaitOperation:
		m.Operation = &pb.BatchOperation_SetProcessWait{SetProcessWait: &pb.SetProcessWaitRequest{ProcessId: o.ProcessID, Wait: WaitToPB(o.Wait), Fence: FenceToPB(o.Fence)}}
	case registry.ClearProcessWaitOperation:
		m.Operation = &pb.BatchOperation_ClearProcessWait{ClearProcessWait: &pb.ClearProcessWaitRequest{ProcessId: o.ProcessID, Fence: FenceToPB(o.Fence)}}
	case registry.AppendEventOperation:
		m.Operation = &pb.BatchOperation_AppendEvent{AppendEvent: &pb.AppendEventRequest{ProcessId: o.ProcessID, Request: AppendRequestToPB(o.Request), Fence: FenceToPB(o.Fence)}}
	case registry.AckWakeOperation:
		m.Operation = &pb.BatchOperation_AckWake{AckWake: &pb.AckWakeRequest{ProcessId: o.ProcessID, Sequence: o.Sequence}}
	case registry.GrantHandleOperation:
		m.Operation = &pb.BatchOperation_GrantHandle{GrantHandle: &pb.GrantHandleRequest{Scope: ScopeToPB(o.Scope), ProcessId: o.ProcessID, Descriptor_: DescriptorToPB(o.Descriptor)}}
	case registry.RevokeHandleOperation:
		m.Operation = &pb.BatchOperation_RevokeHandle{RevokeHandle: &pb.RevokeHandleRequest{Scope: ScopeToPB(o.Scope), ProcessId: o.ProcessID}}
	case registry.TransferHandleGrantsOperation:
		m.Operation = &pb.BatchOperation_TransferHandleGrants{TransferHandleGrants: &pb.TransferHandleGrantsRequest{From: ScopeToPB(o.From), To: ScopeToPB(o.To), ProcessIds: o.ProcessIDs}}
	case registry.DeleteSessionProcessStateOperation:
		m.Operation = &pb.BatchOperation_DeleteSessionProcessState{DeleteSessionProcessState: &pb.DeleteSessionProcessStateRequest{SessionId: o.SessionID}}
	default:
		return setLeaseOperation(m, operation)
	}
	return true
}

func setLeaseOperation(m *pb.BatchOperation, operation registry.Operation) bool {
	switch o := operation.(type) {
	case registry.ClaimProcessLeaseOperation:
		m.Operation = &pb.BatchOperation_ClaimProcessLease{ClaimProcessLease: &pb.ClaimProcessLeaseRequest{ProcessId: o.ProcessID, Owner: OwnerToPB(o.Owner), TtlMs: o.TTLMs}}
	case registry.ReclaimProcessLeaseOperation:
		m.Operation = &pb.BatchOperation_ReclaimProcessLease{ReclaimProcessLease: &pb.ReclaimProcessLeaseRequest{
			ProcessId: o.ProcessID, Owner: OwnerToPB(o.Owner), Observed: LeaseToPB(o.Observed), Verdict: VerdictToPB(o.Verdict), TtlMs: o.TTLMs,
		}}
	case registry.RenewProcessLeaseOperation:
		m.Operation = &pb.BatchOperation_RenewProcessLease{RenewProcessLease: &pb.RenewProcessLeaseRequest{Lease: LeaseToPB(o.Lease), TtlMs: o.TTLMs}}
	case registry.CompleteProcessLeaseOperation:
		m.Operation = &pb.BatchOperation_CompleteProcessLease{CompleteProcessLease: &pb.CompleteProcessLeaseRequest{Completion: CompletionToPB(o.Completion)}}
	case registry.ReleaseForRetryOperation:
		m.Operation = &pb.BatchOperation_ReleaseForRetry{ReleaseForRetry: &pb.ReleaseForRetryRequest{Completion: CompletionToPB(o.Completion), RetryAfterMs: o.RetryAfterMs}}
	default:
		return false
	}
	return true
}

// OperationsFromPB reads a batch's operations.
func OperationsFromPB(list []*pb.BatchOperation) ([]registry.Operation, error) {
	out := make([]registry.Operation, len(list))
	for i, m := range list {
		operation, err := operationFromPB(m)
		if err != nil {
			return nil, atOperation(i, err)
		}
		out[i] = operation
	}
	return out, nil
}

// atOperation names the operation in an error about it.
func atOperation(operation int, err error) error {
	if refusal, ok := err.(*registry.Error); ok {
		named := *refusal
		named.Fields.Operation, named.Fields.OperationCode = new(uint64(operation)), refusal.Code.String()
		named.Message = fmt.Sprintf("operation %d: %s", operation, refusal.Message)
		return &named
	}
	return err
}

func operationFromPB(m *pb.BatchOperation) (registry.Operation, error) {
	switch o := m.GetOperation().(type) {
	case *pb.BatchOperation_RegisterProcess:
		registration, err := RegistrationFromPB(o.RegisterProcess.GetRegistration())
		return registry.RegisterProcessOperation{Registration: registration}, err
	case *pb.BatchOperation_SetExternalRef:
		in := o.SetExternalRef
		ref, err := ExternalRefFromPB(in.GetRef())
		return registry.SetExternalRefOperation{ProcessID: in.GetProcessId(), Ref: ref, Fence: FenceFromPB(in.GetFence())}, err
	case *pb.BatchOperation_CompleteProcess:
		in := o.CompleteProcess
		output, err := OutputFromPB(in.GetOutput())
		return registry.CompleteProcessOperation{ProcessID: in.GetProcessId(), Output: output, Fence: FenceFromPB(in.GetFence())}, err
	case *pb.BatchOperation_RecordFirstStarted:
		in := o.RecordFirstStarted
		started, err := StartedFromPB(in.GetStarted())
		return registry.RecordFirstStartedOperation{ProcessID: in.GetProcessId(), Started: started, Fence: FenceFromPB(in.GetFence())}, err
	case *pb.BatchOperation_RequestProcessAbandon:
		in := o.RequestProcessAbandon
		request, err := AbandonRequestFromPB(in.GetRequest())
		return registry.RequestProcessAbandonOperation{ProcessID: in.GetProcessId(), Request: request, Fence: FenceFromPB(in.GetFence())}, err
	case *pb.BatchOperation_SetProcessWait:
		in := o.SetProcessWait
		wait, err := WaitFromPB(in.GetWait())
		return registry.SetProcessWaitOperation{ProcessID: in.GetProcessId(), Wait: wait, Fence: FenceFromPB(in.GetFence())}, err
	case *pb.BatchOperation_ClearProcessWait:
		in := o.ClearProcessWait
		return registry.ClearProcessWaitOperation{ProcessID: in.GetProcessId(), Fence: FenceFromPB(in.GetFence())}, nil
	case *pb.BatchOperation_AppendEvent:
		in := o.AppendEvent
		request, err := AppendRequestFromPB(in.GetRequest())
		return registry.AppendEventOperation{ProcessID: in.GetProcessId(), Request: request, Fence: FenceFromPB(in.GetFence())}, err
	case *pb.BatchOperation_AckWake:
		return registry.AckWakeOperation{ProcessID: o.AckWake.GetProcessId(), Sequence: o.AckWake.GetSequence()}, nil
	default:
		return handleOperationFromPB(m)
	}
}

func handleOperationFromPB(m *pb.BatchOperation) (registry.Operation, error) {
	switch o := m.GetOperation().(type) {
	case *pb.BatchOperation_GrantHandle:
		in := o.GrantHandle
		scope, err := ScopeFromPB(in.GetScope(), "scope")
		return registry.GrantHandleOperation{Scope: scope, ProcessID: in.GetProcessId(), Descriptor: DescriptorFromPB(in.GetDescriptor_())}, err
	case *pb.BatchOperation_RevokeHandle:
		scope, err := ScopeFromPB(o.RevokeHandle.GetScope(), "scope")
		return registry.RevokeHandleOperation{Scope: scope, ProcessID: o.RevokeHandle.GetProcessId()}, err
	case *pb.BatchOperation_TransferHandleGrants:
		in := o.TransferHandleGrants
		from, err := ScopeFromPB(in.GetFrom(), "from")
		if err != nil {
			return nil, err
		}
		to, err := ScopeFromPB(in.GetTo(), "to")
		return registry.TransferHandleGrantsOperation{From: from, To: to, ProcessIDs: in.GetProcessIds()}, err
	case *pb.BatchOperation_DeleteSessionProcessState:
		return registry.DeleteSessionProcessStateOperation{SessionID: o.DeleteSessionProcessState.GetSessionId()}, nil
	default:
		return leaseOperationFromPB(m)
	}
}

func leaseOperationFromPB(m *pb.BatchOperation) (registry.Operation, error) {
	switch o := m.GetOperation().(type) {
	case *pb.BatchOperation_ClaimProcessLease:
		in := o.ClaimProcessLease
		owner, err := OwnerFromPB(in.GetOwner(), "owner")
		return registry.ClaimProcessLeaseOperation{ProcessID: in.GetProcessId(), Owner: owner, TTLMs: in.GetTtlMs()}, err
	case *pb.BatchOperation_ReclaimProcessLease:
		in := o.ReclaimProcessLease
		owner, err := OwnerFromPB(in.GetOwner(), "owner")
		if err != nil {
			return nil, err
		}
		observed, err := LeaseFromPB(in.GetObserved(), "observed")
		if err != nil {
			return nil, err
		}
		verdict, err := VerdictFromPB(in.GetVerdict())
		return registry.ReclaimProcessLeaseOperation{ProcessID: in.GetProcessId(), Owner: owner, Observed: observed, Verdict: verdict, TTLMs: in.GetTtlMs()}, err
	case *pb.BatchOperation_RenewProcessLease:
		lease, err := LeaseFromPB(o.RenewProcessLease.GetLease(), "lease")
		return registry.RenewProcessLeaseOperation{Lease: lease, TTLMs: o.RenewProcessLease.GetTtlMs()}, err
	case *pb.BatchOperation_CompleteProcessLease:
		completion, err := CompletionFromPB(o.CompleteProcessLease.GetCompletion())
		return registry.CompleteProcessLeaseOperation{Completion: completion}, err
	case *pb.BatchOperation_ReleaseForRetry:
		completion, err := CompletionFromPB(o.ReleaseForRetry.GetCompletion())
		return registry.ReleaseForRetryOperation{Completion: completion, RetryAfterMs: o.ReleaseForRetry.GetRetryAfterMs()}, err
	default:
		var d decoder
		d.refuse("operation", "the operation is missing, or not known to this version")
		return nil, d.err
	}
}

// OperationAnswersToPB returns the wire form of a batch's answers.
func OperationAnswersToPB(answers []registry.OperationAnswer) []*pb.BatchAnswer {
	return rows(answers, func(m *pb.BatchAnswer, a *registry.OperationAnswer) {
		m.Record = pointer(a.Record, func(r *registry.ProcessRecord) *pb.ProcessRecord { return RecordToPB(*r) })
		m.Append = pointer(a.Append, func(r *registry.ProcessEventAppendResult) *pb.ProcessEventAppendResult { return AppendResultToPB(*r) })
		m.Grant = pointer(a.Grant, func(g *registry.ProcessHandleGrant) *pb.ProcessHandleGrant { return GrantToPB(*g) })
		m.Claim = pointer(a.Claim, func(o *registry.ProcessLeaseClaimOutcome) *pb.ProcessLeaseClaimOutcome { return OutcomeToPB(*o) })
		m.Lease = pointer(a.Lease, leaseToPB)
		m.Deleted = pointer(a.Deleted, func(r *registry.ProcessSessionDeleteReport) *pb.ProcessSessionDeleteReport {
			return DeleteReportToPB(*r)
		})
	})
}

// OperationAnswersFromPB reads a batch's answers.
func OperationAnswersFromPB(list []*pb.BatchAnswer) ([]registry.OperationAnswer, error) {
	answers := make([]registry.OperationAnswer, len(list))
	for i, m := range list {
		a := &answers[i]
		for _, read := range []error{
			readOptional(m.Record, RecordFromPB, &a.Record),
			readOptional(m.Append, AppendResultFromPB, &a.Append),
			readOptional(m.Grant, GrantFromPB, &a.Grant),
			readOptional(m.Claim, OutcomeFromPB, &a.Claim),
			readOptional(m.Lease, func(m *pb.ProcessLease) (registry.ProcessLease, error) { return LeaseFromPB(m, "lease") }, &a.Lease),
			readOptional(m.Deleted, DeleteReportFromPB, &a.Deleted),
		} {
			if read != nil {
				return nil, read
			}
		}
	}
	return answers, nil
}

// readOptional reads a message that may be absent into where it belongs.
func readOptional[M, T any](m *M, read func(*M) (T, error), to **T) error {
	if m == nil {
		return nil
	}
	value, err := read(m)
	*to = &value
	return err
}
