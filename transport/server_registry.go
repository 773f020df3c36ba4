package transport

import (
	"context"

	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// registryService serves the Registry service of a backend. Each method reads
// its arguments, calls the backend's method of the same name and returns what
// came out, error and answer together: the status interceptor drops the answer
// of a call that failed.
type registryService struct {
	pb.UnimplementedRegistryServer
	backend Backend
}

func (s *registryService) OpenSession(ctx context.Context, _ *pb.OpenSessionRequest) (*pb.OpenSessionResponse, error) {
	id, err := s.backend.OpenSession(ctx)
	return &pb.OpenSessionResponse{SessionId: id}, err
}

func (s *registryService) CloseSession(ctx context.Context, in *pb.CloseSessionRequest) (*pb.CloseSessionResponse, error) {
	return &pb.CloseSessionResponse{}, s.backend.CloseSession(ctx, in.GetSessionId())
}

func (s *registryService) SettleWrite(ctx context.Context, in *pb.SettleWriteRequest) (*pb.SettleWriteResponse, error) {
	stamp, err := wire.RequiredStampFromPB(in.GetStamp())
	if err != nil {
		return nil, err
	}
	outcome, err := s.backend.SettleWrite(ctx, stamp)
	return wire.WriteOutcomeToPB(outcome), err
}

func (s *registryService) DurabilityTier(context.Context, *pb.DurabilityTierRequest) (*pb.DurabilityTierResponse, error) {
	return &pb.DurabilityTierResponse{Tier: wire.TierToPB(s.backend.DurabilityTier())}, nil
}

func (s *registryService) RegisterProcess(ctx context.Context, in *pb.RegisterProcessRequest) (*pb.RegisterProcessResponse, error) {
	registration, err := wire.RegistrationFromPB(in.GetRegistration())
	if err != nil {
		return nil, err
	}
	record, err := s.backend.RegisterProcess(ctx, registration)
	return &pb.RegisterProcessResponse{Record: wire.RecordToPB(record)}, err
}

func (s *registryService) SetExternalRef(ctx context.Context, in *pb.SetExternalRefRequest) (*pb.SetExternalRefResponse, error) {
	ref, err := wire.ExternalRefFromPB(in.GetRef())
	if err != nil {
		return nil, err
	}
	record, err := s.backend.SetExternalRef(ctx, in.GetProcessId(), ref, wire.FenceFromPB(in.GetFence()))
	return &pb.SetExternalRefResponse{Record: wire.RecordToPB(record)}, err
}

func (s *registryService) GetProcess(ctx context.Context, in *pb.GetProcessRequest) (*pb.GetProcessResponse, error) {
	record, err := s.backend.GetProcess(ctx, in.GetProcessId())
	return &pb.GetProcessResponse{Record: wire.RecordToPB(record)}, err
}

func (s *registryService) ListProcesses(ctx context.Context, in *pb.ListProcessesRequest) (*pb.ListProcessesResponse, error) {
	filter, err := wire.FilterFromPB(in.GetFilter())
	if err != nil {
		return nil, err
	}
	page, err := s.backend.ListProcesses(ctx, filter, wire.PageFromPB(in.GetPage()))
	return &pb.ListProcessesResponse{Records: wire.RecordsToPB(page.Items), NextPageToken: page.NextToken}, err
}

func (s *registryService) ListNonTerminal(ctx context.Context, in *pb.ListNonTerminalRequest) (*pb.ListNonTerminalResponse, error) {
	page, err := s.backend.ListNonTerminal(ctx, wire.PageFromPB(in.GetPage()))
	return &pb.ListNonTerminalResponse{Records: wire.RecordsToPB(page.Items), NextPageToken: page.NextToken}, err
}

func (s *registryService) CompleteProcess(ctx context.Context, in *pb.CompleteProcessRequest) (*pb.CompleteProcessResponse, error) {
	output, err := wire.OutputFromPB(in.GetOutput())
	if err != nil {
		return nil, err
	}
	record, err := s.backend.CompleteProcess(ctx, in.GetProcessId(), output, wire.FenceFromPB(in.GetFence()))
	return &pb.CompleteProcessResponse{Record: wire.RecordToPB(record)}, err
}

func (s *registryService) RecordFirstStarted(ctx context.Context, in *pb.RecordFirstStartedRequest) (*pb.RecordFirstStartedResponse, error) {
	started, err := wire.StartedFromPB(in.GetStarted())
	if err != nil {
		return nil, err
	}
	record, err := s.backend.RecordFirstStarted(ctx, in.GetProcessId(), started, wire.FenceFromPB(in.GetFence()))
	return &pb.RecordFirstStartedResponse{Record: wire.RecordToPB(record)}, err
}

func (s *registryService) RequestProcessAbandon(ctx context.Context, in *pb.RequestProcessAbandonRequest) (*pb.RequestProcessAbandonResponse, error) {
	request, err := wire.AbandonRequestFromPB(in.GetRequest())
	if err != nil {
		return nil, err
	}
	record, err := s.backend.RequestProcessAbandon(ctx, in.GetProcessId(), request, wire.FenceFromPB(in.GetFence()))
	return &pb.RequestProcessAbandonResponse{Record: wire.RecordToPB(record)}, err
}

func (s *registryService) SetProcessWait(ctx context.Context, in *pb.SetProcessWaitRequest) (*pb.SetProcessWaitResponse, error) {
	wait, err := wire.WaitFromPB(in.GetWait())
	if err != nil {
		return nil, err
	}
	record, err := s.backend.SetProcessWait(ctx, in.GetProcessId(), wait, wire.FenceFromPB(in.GetFence()))
	return &pb.SetProcessWaitResponse{Record: wire.RecordToPB(record)}, err
}

func (s *registryService) ClearProcessWait(ctx context.Context, in *pb.ClearProcessWaitRequest) (*pb.ClearProcessWaitResponse, error) {
	record, err := s.backend.ClearProcessWait(ctx, in.GetProcessId(), wire.FenceFromPB(in.GetFence()))
	return &pb.ClearProcessWaitResponse{Record: wire.RecordToPB(record)}, err
}

func (s *registryService) AppendEvent(ctx context.Context, in *pb.AppendEventRequest) (*pb.AppendEventResponse, error) {
	request, err := wire.AppendRequestFromPB(in.GetRequest())
	if err != nil {
		return nil, err
	}
	appended, err := s.backend.AppendEvent(ctx, in.GetProcessId(), request, wire.FenceFromPB(in.GetFence()))
	return &pb.AppendEventResponse{Result: wire.AppendResultToPB(appended)}, err
}

func (s *registryService) EventsAfter(ctx context.Context, in *pb.EventsAfterRequest) (*pb.EventsAfterResponse, error) {
	page, err := s.backend.EventsAfter(ctx, in.GetProcessId(), in.GetAfterSequence(), wire.PageFromPB(in.GetPage()))
	return &pb.EventsAfterResponse{Events: wire.EventsToPB(page.Items), NextPageToken: page.NextToken}, err
}

func (s *registryService) CountEventsThrough(ctx context.Context, in *pb.CountEventsThroughRequest) (*pb.CountEventsThroughResponse, error) {
	count, err := s.backend.CountEventsThrough(ctx, in.GetProcessId(), in.GetEventType(), in.GetUpToSequence())
	return &pb.CountEventsThroughResponse{Count: count}, err
}

func (s *registryService) RecentEvents(ctx context.Context, in *pb.RecentEventsRequest) (*pb.RecentEventsResponse, error) {
	page, err := s.backend.RecentEvents(ctx, in.GetProcessId(), in.GetLimit(), wire.PageFromPB(in.GetPage()))
	return &pb.RecentEventsResponse{Events: wire.EventsToPB(page.Items), NextPageToken: page.NextToken}, err
}

func (s *registryService) WakeEventsAfter(ctx context.Context, in *pb.WakeEventsAfterRequest) (*pb.WakeEventsAfterResponse, error) {
	page, err := s.backend.WakeEventsAfter(ctx, in.GetProcessId(), in.GetAfterSequence(), wire.PageFromPB(in.GetPage()))
	return &pb.WakeEventsAfterResponse{Events: wire.EventsToPB(page.Items), NextPageToken: page.NextToken}, err
}

func (s *registryService) AckWake(ctx context.Context, in *pb.AckWakeRequest) (*pb.AckWakeResponse, error) {
	return &pb.AckWakeResponse{}, s.backend.AckWake(ctx, in.GetProcessId(), in.GetSequence())
}

func (s *registryService) GrantHandle(ctx context.Context, in *pb.GrantHandleRequest) (*pb.GrantHandleResponse, error) {
	scope, err := wire.ScopeFromPB(in.GetScope(), "scope")
	if err != nil {
		return nil, err
	}
	grant, err := s.backend.GrantHandle(ctx, scope, in.GetProcessId(), wire.DescriptorFromPB(in.GetDescriptor_()))
	return &pb.GrantHandleResponse{Grant: wire.GrantToPB(grant)}, err
}

func (s *registryService) RevokeHandle(ctx context.Context, in *pb.RevokeHandleRequest) (*pb.RevokeHandleResponse, error) {
	scope, err := wire.ScopeFromPB(in.GetScope(), "scope")
	if err != nil {
		return nil, err
	}
	return &pb.RevokeHandleResponse{}, s.backend.RevokeHandle(ctx, scope, in.GetProcessId())
}

func (s *registryService) TransferHandleGrants(ctx context.Context, in *pb.TransferHandleGrantsRequest) (*pb.TransferHandleGrantsResponse, error) {
	from, err := wire.ScopeFromPB(in.GetFrom(), "from")
	if err != nil {
		return nil, err
	}
	to, err := wire.ScopeFromPB(in.GetTo(), "to")
	if err != nil {
		return nil, err
	}
	return &pb.TransferHandleGrantsResponse{}, s.backend.TransferHandleGrants(ctx, from, to, in.GetProcessIds())
}

func (s *registryService) ListHandleGrants(ctx context.Context, in *pb.ListHandleGrantsRequest) (*pb.ListHandleGrantsResponse, error) {
	scope, err := wire.ScopeFromPB(in.GetScope(), "scope")
	if err != nil {
		return nil, err
	}
	page, err := s.backend.ListHandleGrants(ctx, scope, wire.PageFromPB(in.GetPage()))
	return &pb.ListHandleGrantsResponse{Entries: wire.EntriesToPB(page.Items), NextPageToken: page.NextToken}, err
}

func (s *registryService) ListLiveHandleGrants(ctx context.Context, in *pb.ListLiveHandleGrantsRequest) (*pb.ListLiveHandleGrantsResponse, error) {
	scope, err := wire.ScopeFromPB(in.GetScope(), "scope")
	if err != nil {
		return nil, err
	}
	page, err := s.backend.ListLiveHandleGrants(ctx, scope, wire.PageFromPB(in.GetPage()))
	return &pb.ListLiveHandleGrantsResponse{Entries: wire.EntriesToPB(page.Items), NextPageToken: page.NextToken}, err
}

func (s *registryService) HasHandleGrant(ctx context.Context, in *pb.HasHandleGrantRequest) (*pb.HasHandleGrantResponse, error) {
	scope, err := wire.ScopeFromPB(in.GetScope(), "scope")
	if err != nil {
		return nil, err
	}
	granted, err := s.backend.HasHandleGrant(ctx, scope, in.GetProcessId())
	return &pb.HasHandleGrantResponse{Granted: granted}, err
}

func (s *registryService) HandleGrantsForProcess(ctx context.Context, in *pb.HandleGrantsForProcessRequest) (*pb.HandleGrantsForProcessResponse, error) {
	page, err := s.backend.HandleGrantsForProcess(ctx, in.GetProcessId(), wire.PageFromPB(in.GetPage()))
	return &pb.HandleGrantsForProcessResponse{Grants: wire.GrantsToPB(page.Items), NextPageToken: page.NextToken}, err
}

func (s *registryService) DeleteSessionProcessState(ctx context.Context, in *pb.DeleteSessionProcessStateRequest) (*pb.DeleteSessionProcessStateResponse, error) {
	report, err := s.backend.DeleteSessionProcessState(ctx, in.GetSessionId())
	return &pb.DeleteSessionProcessStateResponse{Report: wire.DeleteReportToPB(report)}, err
}

func (s *registryService) ClaimProcessLease(ctx context.Context, in *pb.ClaimProcessLeaseRequest) (*pb.ClaimProcessLeaseResponse, error) {
	owner, err := wire.OwnerFromPB(in.GetOwner(), "owner")
	if err != nil {
		return nil, err
	}
	outcome, err := s.backend.ClaimProcessLease(ctx, in.GetProcessId(), owner, in.GetTtlMs())
	return &pb.ClaimProcessLeaseResponse{Outcome: wire.OutcomeToPB(outcome)}, err
}

func (s *registryService) ReclaimProcessLease(ctx context.Context, in *pb.ReclaimProcessLeaseRequest) (*pb.ReclaimProcessLeaseResponse, error) {
	owner, err := wire.OwnerFromPB(in.GetOwner(), "owner")
	if err != nil {
		return nil, err
	}
	observed, err := wire.LeaseFromPB(in.GetObserved(), "observed")
	if err != nil {
		return nil, err
	}
	verdict, err := wire.VerdictFromPB(in.GetVerdict())
	if err != nil {
		return nil, err
	}
	outcome, err := s.backend.ReclaimProcessLease(ctx, in.GetProcessId(), owner, observed, verdict, in.GetTtlMs())
	return &pb.ReclaimProcessLeaseResponse{Outcome: wire.OutcomeToPB(outcome)}, err
}

func (s *registryService) RenewProcessLease(ctx context.Context, in *pb.RenewProcessLeaseRequest) (*pb.RenewProcessLeaseResponse, error) {
	lease, err := wire.LeaseFromPB(in.GetLease(), "lease")
	if err != nil {
		return nil, err
	}
	renewed, err := s.backend.RenewProcessLease(ctx, lease, in.GetTtlMs())
	return &pb.RenewProcessLeaseResponse{Lease: wire.LeaseToPB(renewed)}, err
}

func (s *registryService) GetProcessLease(ctx context.Context, in *pb.GetProcessLeaseRequest) (*pb.GetProcessLeaseResponse, error) {
	lease, err := s.backend.GetProcessLease(ctx, in.GetProcessId())
	return &pb.GetProcessLeaseResponse{Lease: wire.OptionalLeaseToPB(lease)}, err
}

func (s *registryService) CompleteProcessLease(ctx context.Context, in *pb.CompleteProcessLeaseRequest) (*pb.CompleteProcessLeaseResponse, error) {
	completion, err := wire.CompletionFromPB(in.GetCompletion())
	if err != nil {
		return nil, err
	}
	return &pb.CompleteProcessLeaseResponse{}, s.backend.CompleteProcessLease(ctx, completion)
}

func (s *registryService) ClaimNext(ctx context.Context, in *pb.ClaimNextRequest) (*pb.ClaimNextResponse, error) {
	request, err := wire.ClaimNextRequestFromPB(in)
	if err != nil {
		return nil, err
	}
	claimed, err := s.backend.ClaimNext(ctx, request)
	return wire.ClaimedToPB(claimed), err
}

func (s *registryService) ReleaseForRetry(ctx context.Context, in *pb.ReleaseForRetryRequest) (*pb.ReleaseForRetryResponse, error) {
	completion, err := wire.CompletionFromPB(in.GetCompletion())
	if err != nil {
		return nil, err
	}
	return &pb.ReleaseForRetryResponse{}, s.backend.ReleaseForRetry(ctx, completion, in.GetRetryAfterMs())
}

func (s *registryService) Batch(ctx context.Context, in *pb.BatchRequest) (*pb.BatchResponse, error) {
	operations, err := wire.OperationsFromPB(in.GetOperations())
	if err != nil {
		return nil, err
	}
	answers, err := s.backend.Batch(ctx, operations)
	return &pb.BatchResponse{Answers: wire.OperationAnswersToPB(answers)}, err
}

func (s *registryService) CheckFence(ctx context.Context, in *pb.CheckFenceRequest) (*pb.CheckFenceResponse, error) {
	status, err := s.backend.CheckFence(ctx, in.GetProcessId(), in.GetFencingToken())
	return &pb.CheckFenceResponse{Status: wire.FenceStatusToPB(status)}, err
}

func (s *registryService) PruneTerminalProcesses(ctx context.Context, in *pb.PruneTerminalProcessesRequest) (*pb.PruneTerminalProcessesResponse, error) {
	report, err := s.backend.PruneTerminalProcesses(ctx, in.GetCutoffEpochMs())
	return &pb.PruneTerminalProcessesResponse{Report: wire.PruneReportToPB(report)}, err
}
