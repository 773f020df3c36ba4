package transport

import (
	"context"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
	"github.com/holdfast-registry/holdfast/transport/wire/wiretest"
)

// callRow is one rpc: the call, the arguments that the backend must get, and
// the answer that the caller must get, nil for none.
type callRow struct {
	method string
	args   []any
	want   any
	call   func(ctx context.Context, to *callTo) (any, error)
}

// Arguments of calls, each field set.
var (
	aRegistration = wiretest.Full[registry.ProcessRegistration](1)
	aRef          = wiretest.Full[registry.ProcessExternalRef](2)
	aFence        = wiretest.Full[*registry.Fence](3)
	aFilter       = wiretest.Full[registry.ProcessListFilter](4)
	aPage         = wiretest.Full[registry.PageRequest](5)
	anOutput      = wiretest.Full[registry.ProcessAwaitOutput](6)
	aStart        = wiretest.Full[registry.ProcessStarted](7)
	anAbandon     = wiretest.Full[registry.AbandonRequest](8)
	aWait         = wiretest.Full[registry.WaitState](9)
	anAppend      = wiretest.Full[registry.ProcessEventAppendRequest](10)
	aScope        = wiretest.Full[registry.SessionScope](11)
	otherScope    = wiretest.Full[registry.SessionScope](12)
	aDescriptor   = wiretest.Full[registry.ProcessHandleDescriptor](13)
	anOwner       = wiretest.Full[registry.LeaseOwnerIdentity](14)
	aLease        = wiretest.Full[registry.ProcessLease](15)
	aClaimNext    = wiretest.Full[registry.ClaimNextRequest](17)
	aCompletion   = wiretest.Full[registry.ProcessLeaseCompletion](16)
)

// someOperations are two operations of a batch.
var someOperations = []registry.Operation{
	registry.RegisterProcessOperation{Registration: aRegistration}, registry.AckWakeOperation{ProcessID: "p", Sequence: 7},
}

// read returns an answer's value, once there is an answer.
func read[M, G any](m M, err error, convert func(M) (G, error)) (any, error) {
	if err != nil {
		return nil, err
	}
	value, err := convert(m)
	return value, err
}

// same stands for the answers that are no message of their own.
func same[G any](value G) (G, error) { return value, nil }

// readPage returns the page of a list's answer.
func readPage[P, G any](rows []*P, token string, err error, convert func([]*P, string) (registry.Page[G], error)) (any, error) {
	if err != nil {
		return nil, err
	}
	page, err := convert(rows, token)
	return page, err
}

func pageOf[T any]() any { return answerOf[registry.Page[T]]() }

var callRows = []callRow{
	{"OpenSession", nil, answerOf[string](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().OpenSession(ctx, &pb.OpenSessionRequest{})
		return read(m.GetSessionId(), err, same)
	}},
	{"CloseSession", []any{"s"}, nil, func(ctx context.Context, to *callTo) (any, error) {
		_, err := to.registry().CloseSession(ctx, &pb.CloseSessionRequest{SessionId: "s"})
		return nil, err
	}},
	{"ClaimNext", []any{aClaimNext}, answerOf[[]registry.ClaimedProcess](), func(ctx context.Context, to *callTo) (any, error) {
		m := wire.ClaimNextRequestToPB(aClaimNext)
		m.Session = wire.SessionToPB(to.stamp)
		answer, err := to.registry().ClaimNext(ctx, m)
		return read(answer, err, wire.ClaimedFromPB)
	}},
	{"ReleaseForRetry", []any{aCompletion, uint64(7)}, nil, func(ctx context.Context, to *callTo) (any, error) {
		_, err := to.registry().ReleaseForRetry(ctx, &pb.ReleaseForRetryRequest{Completion: wire.CompletionToPB(aCompletion), RetryAfterMs: 7})
		return nil, err
	}},
	{"Batch", []any{someOperations}, answerOf[[]registry.OperationAnswer](), func(ctx context.Context, to *callTo) (any, error) {
		operations, err := wire.OperationsToPB(someOperations)
		if err != nil {
			return nil, err
		}
		answer, err := to.registry().Batch(ctx, &pb.BatchRequest{Operations: operations, Session: wire.SessionToPB(to.stamp)})
		return read(answer.GetAnswers(), err, wire.OperationAnswersFromPB)
	}},
	{"SettleWrite", []any{*aStamp}, answerOf[registry.WriteOutcome](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().SettleWrite(ctx, &pb.SettleWriteRequest{Stamp: wire.SessionToPB(aStamp)})
		return read(m, err, wire.WriteOutcomeFromPB)
	}},
	{"DurabilityTier", nil, answerOf[registry.DurabilityTier](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().DurabilityTier(ctx, &pb.DurabilityTierRequest{})
		return read(m.GetTier(), err, wire.TierFromPB)
	}},
	{"RegisterProcess", []any{aRegistration}, answerOf[registry.ProcessRecord](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().RegisterProcess(ctx, &pb.RegisterProcessRequest{Registration: wire.RegistrationToPB(aRegistration)})
		return read(m.GetRecord(), err, wire.RecordFromPB)
	}},
	{"SetExternalRef", []any{"p", aRef, aFence}, answerOf[registry.ProcessRecord](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().SetExternalRef(ctx, &pb.SetExternalRefRequest{ProcessId: "p", Ref: wire.ExternalRefToPB(aRef), Fence: wire.FenceToPB(aFence)})
		return read(m.GetRecord(), err, wire.RecordFromPB)
	}},
	{"GetProcess", []any{"p"}, answerOf[registry.ProcessRecord](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().GetProcess(ctx, &pb.GetProcessRequest{ProcessId: "p"})
		return read(m.GetRecord(), err, wire.RecordFromPB)
	}},
	{"ListProcesses", []any{aFilter, aPage}, pageOf[registry.ProcessRecord](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().ListProcesses(ctx, &pb.ListProcessesRequest{Filter: wire.FilterToPB(aFilter), Page: wire.PageToPB(aPage)})
		return readPage(m.GetRecords(), m.GetNextPageToken(), err, wire.RecordPageFromPB)
	}},
	{"ListNonTerminal", []any{aPage}, pageOf[registry.ProcessRecord](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().ListNonTerminal(ctx, &pb.ListNonTerminalRequest{Page: wire.PageToPB(aPage)})
		return readPage(m.GetRecords(), m.GetNextPageToken(), err, wire.RecordPageFromPB)
	}},
	{"CompleteProcess", []any{"p", anOutput, aFence}, answerOf[registry.ProcessRecord](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().CompleteProcess(ctx, &pb.CompleteProcessRequest{ProcessId: "p", Output: wire.OutputToPB(anOutput), Fence: wire.FenceToPB(aFence)})
		return read(m.GetRecord(), err, wire.RecordFromPB)
	}},
	{"RecordFirstStarted", []any{"p", aStart, aFence}, answerOf[registry.ProcessRecord](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().RecordFirstStarted(ctx, &pb.RecordFirstStartedRequest{ProcessId: "p", Started: wire.StartedToPB(aStart), Fence: wire.FenceToPB(aFence)})
		return read(m.GetRecord(), err, wire.RecordFromPB)
	}},
	{"RequestProcessAbandon", []any{"p", anAbandon, aFence}, answerOf[registry.ProcessRecord](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().RequestProcessAbandon(ctx, &pb.RequestProcessAbandonRequest{ProcessId: "p", Request: wire.AbandonRequestToPB(anAbandon), Fence: wire.FenceToPB(aFence)})
		return read(m.GetRecord(), err, wire.RecordFromPB)
	}},
	{"SetProcessWait", []any{"p", aWait, aFence}, answerOf[registry.ProcessRecord](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().SetProcessWait(ctx, &pb.SetProcessWaitRequest{ProcessId: "p", Wait: wire.WaitToPB(aWait), Fence: wire.FenceToPB(aFence)})
		return read(m.GetRecord(), err, wire.RecordFromPB)
	}},
	{"ClearProcessWait", []any{"p", aFence}, answerOf[registry.ProcessRecord](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().ClearProcessWait(ctx, &pb.ClearProcessWaitRequest{ProcessId: "p", Fence: wire.FenceToPB(aFence)})
		return read(m.GetRecord(), err, wire.RecordFromPB)
	}},
	{"AppendEvent", []any{"p", anAppend, (*registry.Fence)(nil)}, answerOf[registry.ProcessEventAppendResult](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().AppendEvent(ctx, &pb.AppendEventRequest{ProcessId: "p", Request: wire.AppendRequestToPB(anAppend)})
		return read(m.GetResult(), err, wire.AppendResultFromPB)
	}},
	{"EventsAfter", []any{"p", uint64(7), aPage}, pageOf[registry.ProcessEvent](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().EventsAfter(ctx, &pb.EventsAfterRequest{ProcessId: "p", AfterSequence: 7, Page: wire.PageToPB(aPage)})
		return readPage(m.GetEvents(), m.GetNextPageToken(), err, wire.EventPageFromPB)
	}},
	{"CountEventsThrough", []any{"p", "t", uint64(8)}, answerOf[uint64](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().CountEventsThrough(ctx, &pb.CountEventsThroughRequest{ProcessId: "p", EventType: "t", UpToSequence: 8})
		return read(m.GetCount(), err, same)
	}},
	{"RecentEvents", []any{"p", uint64(9), aPage}, pageOf[registry.ProcessEvent](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().RecentEvents(ctx, &pb.RecentEventsRequest{ProcessId: "p", Limit: 9, Page: wire.PageToPB(aPage)})
		return readPage(m.GetEvents(), m.GetNextPageToken(), err, wire.EventPageFromPB)
	}},
	{"WakeEventsAfter", []any{"p", uint64(10), aPage}, pageOf[registry.ProcessEvent](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().WakeEventsAfter(ctx, &pb.WakeEventsAfterRequest{ProcessId: "p", AfterSequence: 10, Page: wire.PageToPB(aPage)})
		return readPage(m.GetEvents(), m.GetNextPageToken(), err, wire.EventPageFromPB)
	}},
	{"AckWake", []any{"p", uint64(11)}, nil, func(ctx context.Context, to *callTo) (any, error) {
		_, err := to.registry().AckWake(ctx, &pb.AckWakeRequest{ProcessId: "p", Sequence: 11})
		return nil, err
	}},
	{"GrantHandle", []any{aScope, "p", aDescriptor}, answerOf[registry.ProcessHandleGrant](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().GrantHandle(ctx, &pb.GrantHandleRequest{Scope: wire.ScopeToPB(aScope), ProcessId: "p", Descriptor_: wire.DescriptorToPB(aDescriptor)})
		return read(m.GetGrant(), err, wire.GrantFromPB)
	}},
	{"RevokeHandle", []any{aScope, "p"}, nil, func(ctx context.Context, to *callTo) (any, error) {
		_, err := to.registry().RevokeHandle(ctx, &pb.RevokeHandleRequest{Scope: wire.ScopeToPB(aScope), ProcessId: "p"})
		return nil, err
	}},
	{"TransferHandleGrants", []any{aScope, otherScope, []string{"p", "q"}}, nil, func(ctx context.Context, to *callTo) (any, error) {
		_, err := to.registry().TransferHandleGrants(ctx, &pb.TransferHandleGrantsRequest{From: wire.ScopeToPB(aScope), To: wire.ScopeToPB(otherScope), ProcessIds: []string{"p", "q"}})
		return nil, err
	}},
	{"ListHandleGrants", []any{aScope, aPage}, pageOf[registry.ProcessHandleGrantEntry](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().ListHandleGrants(ctx, &pb.ListHandleGrantsRequest{Scope: wire.ScopeToPB(aScope), Page: wire.PageToPB(aPage)})
		return readPage(m.GetEntries(), m.GetNextPageToken(), err, wire.EntryPageFromPB)
	}},
	{"ListLiveHandleGrants", []any{aScope, aPage}, pageOf[registry.ProcessHandleGrantEntry](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().ListLiveHandleGrants(ctx, &pb.ListLiveHandleGrantsRequest{Scope: wire.ScopeToPB(aScope), Page: wire.PageToPB(aPage)})
		return readPage(m.GetEntries(), m.GetNextPageToken(), err, wire.EntryPageFromPB)
	}},
	{"HasHandleGrant", []any{aScope, "p"}, true, func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().HasHandleGrant(ctx, &pb.HasHandleGrantRequest{Scope: wire.ScopeToPB(aScope), ProcessId: "p"})
		return read(m.GetGranted(), err, same)
	}},
	{"HandleGrantsForProcess", []any{"p", aPage}, pageOf[registry.ProcessHandleGrant](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().HandleGrantsForProcess(ctx, &pb.HandleGrantsForProcessRequest{ProcessId: "p", Page: wire.PageToPB(aPage)})
		return readPage(m.GetGrants(), m.GetNextPageToken(), err, wire.GrantPageFromPB)
	}},
	{"DeleteSessionProcessState", []any{"s"}, answerOf[registry.ProcessSessionDeleteReport](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().DeleteSessionProcessState(ctx, &pb.DeleteSessionProcessStateRequest{SessionId: "s"})
		return read(m.GetReport(), err, wire.DeleteReportFromPB)
	}},
	{"ClaimProcessLease", []any{"p", anOwner, uint64(12)}, answerOf[registry.ProcessLeaseClaimOutcome](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().ClaimProcessLease(ctx, &pb.ClaimProcessLeaseRequest{ProcessId: "p", Owner: wire.OwnerToPB(anOwner), TtlMs: 12})
		return read(m.GetOutcome(), err, wire.OutcomeFromPB)
	}},
	{"ReclaimProcessLease", []any{"p", anOwner, aLease, registry.VerdictDead, uint64(13)}, answerOf[registry.ProcessLeaseClaimOutcome](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().ReclaimProcessLease(ctx, &pb.ReclaimProcessLeaseRequest{
			ProcessId: "p", Owner: wire.OwnerToPB(anOwner), Observed: wire.LeaseToPB(aLease), Verdict: wire.VerdictToPB(registry.VerdictDead), TtlMs: 13,
		})
		return read(m.GetOutcome(), err, wire.OutcomeFromPB)
	}},
	{"RenewProcessLease", []any{aLease, uint64(14)}, answerOf[registry.ProcessLease](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().RenewProcessLease(ctx, &pb.RenewProcessLeaseRequest{Lease: wire.LeaseToPB(aLease), TtlMs: 14})
		return read(m.GetLease(), err, func(m *pb.ProcessLease) (registry.ProcessLease, error) { return wire.LeaseFromPB(m, "lease") })
	}},
	{"GetProcessLease", []any{"p"}, answerOf[*registry.ProcessLease](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().GetProcessLease(ctx, &pb.GetProcessLeaseRequest{ProcessId: "p"})
		return read(m.GetLease(), err, wire.OptionalLeaseFromPB)
	}},
	{"CompleteProcessLease", []any{aCompletion}, nil, func(ctx context.Context, to *callTo) (any, error) {
		_, err := to.registry().CompleteProcessLease(ctx, &pb.CompleteProcessLeaseRequest{Completion: wire.CompletionToPB(aCompletion)})
		return nil, err
	}},
	{"CheckFence", []any{"p", uint64(16)}, answerOf[registry.FenceStatus](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().CheckFence(ctx, &pb.CheckFenceRequest{ProcessId: "p", FencingToken: 16})
		return read(m.GetStatus(), err, wire.FenceStatusFromPB)
	}},
	{"PruneTerminalProcesses", []any{uint64(15)}, answerOf[registry.ProcessPruneReport](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.registry().PruneTerminalProcesses(ctx, &pb.PruneTerminalProcessesRequest{CutoffEpochMs: 15})
		return read(m.GetReport(), err, wire.PruneReportFromPB)
	}},
	{"ClusterStatus", nil, answerOf[registry.ClusterStatus](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.admin().ClusterStatus(ctx, &pb.ClusterStatusRequest{})
		return read(m, err, wire.ClusterStatusFromPB)
	}},
	{"TransferLeadership", []any{"n3"}, nil, func(ctx context.Context, to *callTo) (any, error) {
		_, err := to.admin().TransferLeadership(ctx, &pb.TransferLeadershipRequest{ToId: "n3"})
		return nil, err
	}},
	{"AddMember", []any{"n4", "n4.example:1"}, nil, func(ctx context.Context, to *callTo) (any, error) {
		_, err := to.admin().AddMember(ctx, &pb.AddMemberRequest{Id: "n4", Addr: "n4.example:1"})
		return nil, err
	}},
	{"RemoveMember", []any{"n4"}, nil, func(ctx context.Context, to *callTo) (any, error) {
		_, err := to.admin().RemoveMember(ctx, &pb.RemoveMemberRequest{Id: "n4"})
		return nil, err
	}},
	{"TakeSnapshot", nil, nil, func(ctx context.Context, to *callTo) (any, error) {
		_, err := to.admin().TakeSnapshot(ctx, &pb.TakeSnapshotRequest{})
		return nil, err
	}},
	{"VerifyState", nil, answerOf[registry.StateReport](), func(ctx context.Context, to *callTo) (any, error) {
		m, err := to.admin().VerifyState(ctx, &pb.VerifyStateRequest{})
		return read(m, err, wire.StateReportFromPB)
	}},
}

// rowOf finds the row of a method.
func rowOf(t *testing.T, method string) callRow {
	t.Helper()
	for _, row := range callRows {
		if row.method == method {
			return row
		}
	}
	t.Fatalf("no row for %s", method)
	return callRow{}
}

// TestEveryMethodHasARow keeps the table as complete as the .proto files.
func TestEveryMethodHasARow(t *testing.T) {
	rows := make(map[string]bool)
	for _, row := range callRows {
		rows[row.method] = true
	}
	methods := 0
	for _, file := range []protoreflect.FileDescriptor{pb.File_holdfast_v1_registry_proto, pb.File_holdfast_v1_admin_proto} {
		service := file.Services().Get(0).Methods()
		for i := range service.Len() {
			methods++
			if name := string(service.Get(i).Name()); !rows[name] {
				t.Errorf("no row for %s", name)
			}
		}
	}
	if methods == 0 || len(callRows) != methods {
		t.Errorf("%d methods, %d rows", methods, len(callRows))
	}
}
