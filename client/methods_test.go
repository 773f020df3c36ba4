package client

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
	"github.com/holdfast-registry/holdfast/transport/wire/wiretest"
)

// The values that the methods are called with and answer.
var (
	aRecord       = wiretest.Full[registry.ProcessRecord](1)
	aRegistration = wiretest.Full[registry.ProcessRegistration](2)
	aRef          = wiretest.Full[registry.ProcessExternalRef](3)
	aFence        = wiretest.Full[registry.Fence](4)
	aFilter       = wiretest.Full[registry.ProcessListFilter](5)
	anOutput      = wiretest.Full[registry.ProcessAwaitOutput](6)
	aStart        = wiretest.Full[registry.ProcessStarted](7)
	anAbandon     = wiretest.Full[registry.AbandonRequest](8)
	aWait         = wiretest.Full[registry.WaitState](9)
	anAppend      = wiretest.Full[registry.ProcessEventAppendRequest](10)
	anAppended    = wiretest.Full[registry.ProcessEventAppendResult](11)
	anEvent       = wiretest.Full[registry.ProcessEvent](12)
	aScope        = wiretest.Full[registry.SessionScope](13)
	otherScope    = wiretest.Full[registry.SessionScope](14)
	aDescriptor   = wiretest.Full[registry.ProcessHandleDescriptor](15)
	aGrant        = wiretest.Full[registry.ProcessHandleGrant](16)
	anEntry       = wiretest.Full[registry.ProcessHandleGrantEntry](17)
	aDeletion     = wiretest.Full[registry.ProcessSessionDeleteReport](18)
	anOwner       = wiretest.Full[registry.LeaseOwnerIdentity](19)
	aLease        = wiretest.Full[registry.ProcessLease](20)
	anOutcome     = wiretest.Full[registry.ProcessLeaseClaimOutcome](21)
	aCompletion   = wiretest.Full[registry.ProcessLeaseCompletion](22)
	aPrune        = wiretest.Full[registry.ProcessPruneReport](23)
	aStatus       = wiretest.Full[registry.ClusterStatus](24)
	aReport       = wiretest.Full[registry.StateReport](25)
	aFenceStatus  = wiretest.Full[registry.FenceStatus](26)

	aPage  = registry.PageRequest{Size: 7, Token: "from here"}
	aStamp = registry.SessionStamp{ID: "session", Sequence: 3, Floor: 2}
)

// methodCase says of one method what the client must send, and what it must
// make of an answer.
type methodCase struct {
	name   string
	call   func(ctx context.Context, c *Client) (any, error)
	sent   proto.Message
	answer proto.Message
	want   any
}

const stale = pb.ReadLevel_READ_LEVEL_STALE

func methodCases() []methodCase {
	stamp, fence, page := wire.SessionToPB(&aStamp), wire.FenceToPB(&aFence), wire.PageToPB(aPage)
	record := wire.RecordToPB(aRecord)
	records := registry.Page[registry.ProcessRecord]{Items: []registry.ProcessRecord{aRecord}, NextToken: "more"}
	events := registry.Page[registry.ProcessEvent]{Items: []registry.ProcessEvent{anEvent}, NextToken: "more"}
	entries := registry.Page[registry.ProcessHandleGrantEntry]{Items: []registry.ProcessHandleGrantEntry{anEntry}, NextToken: "more"}
	grants := registry.Page[registry.ProcessHandleGrant]{Items: []registry.ProcessHandleGrant{aGrant}, NextToken: "more"}
	pbRecords, pbEvents := wire.RecordsToPB(records.Items), wire.EventsToPB(events.Items)
	pbEntries, pbGrants := wire.EntriesToPB(entries.Items), wire.GrantsToPB(grants.Items)
	return []methodCase{
		{"RegisterProcess", func(ctx context.Context, c *Client) (any, error) { return c.RegisterProcess(ctx, aRegistration) },
			&pb.RegisterProcessRequest{Registration: wire.RegistrationToPB(aRegistration), Session: stamp},
			&pb.RegisterProcessResponse{Record: record}, aRecord},
		{"SetExternalRef", func(ctx context.Context, c *Client) (any, error) { return c.SetExternalRef(ctx, "p", aRef, &aFence) },
			&pb.SetExternalRefRequest{ProcessId: "p", Ref: wire.ExternalRefToPB(aRef), Fence: fence, Session: stamp},
			&pb.SetExternalRefResponse{Record: record}, aRecord},
		{"GetProcess", func(ctx context.Context, c *Client) (any, error) { return c.GetProcess(ctx, "p") },
			&pb.GetProcessRequest{ProcessId: "p", ReadLevel: stale},
			&pb.GetProcessResponse{Record: record}, aRecord},
		{"ListProcesses", func(ctx context.Context, c *Client) (any, error) { return c.ListProcesses(ctx, aFilter, aPage) },
			&pb.ListProcessesRequest{Filter: wire.FilterToPB(aFilter), Page: page, ReadLevel: stale},
			&pb.ListProcessesResponse{Records: pbRecords, NextPageToken: "more"}, records},
		{"ListNonTerminal", func(ctx context.Context, c *Client) (any, error) { return c.ListNonTerminal(ctx, aPage) },
			&pb.ListNonTerminalRequest{Page: page, ReadLevel: stale},
			&pb.ListNonTerminalResponse{Records: pbRecords, NextPageToken: "more"}, records},
		{"CompleteProcess", func(ctx context.Context, c *Client) (any, error) {
			return c.CompleteProcess(ctx, "p", anOutput, &aFence)
		},
			&pb.CompleteProcessRequest{ProcessId: "p", Output: wire.OutputToPB(anOutput), Fence: fence, Session: stamp},
			&pb.CompleteProcessResponse{Record: record}, aRecord},
		{"RecordFirstStarted", func(ctx context.Context, c *Client) (any, error) {
			return c.RecordFirstStarted(ctx, "p", aStart, &aFence)
		},
			&pb.RecordFirstStartedRequest{ProcessId: "p", Started: wire.StartedToPB(aStart), Fence: fence, Session: stamp},
			&pb.RecordFirstStartedResponse{Record: record}, aRecord},
		{"RequestProcessAbandon", func(ctx context.Context, c *Client) (any, error) {
			return c.RequestProcessAbandon(ctx, "p", anAbandon, &aFence)
		},
			&pb.RequestProcessAbandonRequest{ProcessId: "p", Request: wire.AbandonRequestToPB(anAbandon), Fence: fence, Session: stamp},
			&pb.RequestProcessAbandonResponse{Record: record}, aRecord},
		{"SetProcessWait", func(ctx context.Context, c *Client) (any, error) { return c.SetProcessWait(ctx, "p", aWait, &aFence) },
			&pb.SetProcessWaitRequest{ProcessId: "p", Wait: wire.WaitToPB(aWait), Fence: fence, Session: stamp},
			&pb.SetProcessWaitResponse{Record: record}, aRecord},
		{"ClearProcessWait", func(ctx context.Context, c *Client) (any, error) { return c.ClearProcessWait(ctx, "p", &aFence) },
			&pb.ClearProcessWaitRequest{ProcessId: "p", Fence: fence, Session: stamp},
			&pb.ClearProcessWaitResponse{Record: record}, aRecord},
		{"AppendEvent", func(ctx context.Context, c *Client) (any, error) { return c.AppendEvent(ctx, "p", anAppend, &aFence) },
			&pb.AppendEventRequest{ProcessId: "p", Request: wire.AppendRequestToPB(anAppend), Fence: fence, Session: stamp},
			&pb.AppendEventResponse{Result: wire.AppendResultToPB(anAppended)}, anAppended},
		{"EventsAfter", func(ctx context.Context, c *Client) (any, error) { return c.EventsAfter(ctx, "p", 5, aPage) },
			&pb.EventsAfterRequest{ProcessId: "p", AfterSequence: 5, Page: page, ReadLevel: stale},
			&pb.EventsAfterResponse{Events: pbEvents, NextPageToken: "more"}, events},
		{"CountEventsThrough", func(ctx context.Context, c *Client) (any, error) { return c.CountEventsThrough(ctx, "p", "type", 5) },
			&pb.CountEventsThroughRequest{ProcessId: "p", EventType: "type", UpToSequence: 5, ReadLevel: stale},
			&pb.CountEventsThroughResponse{Count: 9}, uint64(9)},
		{"RecentEvents", func(ctx context.Context, c *Client) (any, error) { return c.RecentEvents(ctx, "p", 5, aPage) },
			&pb.RecentEventsRequest{ProcessId: "p", Limit: 5, Page: page, ReadLevel: stale},
			&pb.RecentEventsResponse{Events: pbEvents, NextPageToken: "more"}, events},
		{"WakeEventsAfter", func(ctx context.Context, c *Client) (any, error) { return c.WakeEventsAfter(ctx, "p", 5, aPage) },
			&pb.WakeEventsAfterRequest{ProcessId: "p", AfterSequence: 5, Page: page, ReadLevel: stale},
			&pb.WakeEventsAfterResponse{Events: pbEvents, NextPageToken: "more"}, events},
		{"AckWake", func(ctx context.Context, c *Client) (any, error) { return nil, c.AckWake(ctx, "p", 5) },
			&pb.AckWakeRequest{ProcessId: "p", Sequence: 5, Session: stamp},
			&pb.AckWakeResponse{}, nil},
		{"GrantHandle", func(ctx context.Context, c *Client) (any, error) { return c.GrantHandle(ctx, aScope, "p", aDescriptor) },
			&pb.GrantHandleRequest{Scope: wire.ScopeToPB(aScope), ProcessId: "p", Descriptor_: wire.DescriptorToPB(aDescriptor), Session: stamp},
			&pb.GrantHandleResponse{Grant: wire.GrantToPB(aGrant)}, aGrant},
		{"RevokeHandle", func(ctx context.Context, c *Client) (any, error) { return nil, c.RevokeHandle(ctx, aScope, "p") },
			&pb.RevokeHandleRequest{Scope: wire.ScopeToPB(aScope), ProcessId: "p", Session: stamp},
			&pb.RevokeHandleResponse{}, nil},
		{"TransferHandleGrants", func(ctx context.Context, c *Client) (any, error) {
			return nil, c.TransferHandleGrants(ctx, aScope, otherScope, []string{"p", "q"})
		},
			&pb.TransferHandleGrantsRequest{From: wire.ScopeToPB(aScope), To: wire.ScopeToPB(otherScope), ProcessIds: []string{"p", "q"}, Session: stamp},
			&pb.TransferHandleGrantsResponse{}, nil},
		{"ListHandleGrants", func(ctx context.Context, c *Client) (any, error) { return c.ListHandleGrants(ctx, aScope, aPage) },
			&pb.ListHandleGrantsRequest{Scope: wire.ScopeToPB(aScope), Page: page, ReadLevel: stale},
			&pb.ListHandleGrantsResponse{Entries: pbEntries, NextPageToken: "more"}, entries},
		{"ListLiveHandleGrants", func(ctx context.Context, c *Client) (any, error) { return c.ListLiveHandleGrants(ctx, aScope, aPage) },
			&pb.ListLiveHandleGrantsRequest{Scope: wire.ScopeToPB(aScope), Page: page, ReadLevel: stale},
			&pb.ListLiveHandleGrantsResponse{Entries: pbEntries, NextPageToken: "more"}, entries},
		{"HasHandleGrant", func(ctx context.Context, c *Client) (any, error) { return c.HasHandleGrant(ctx, aScope, "p") },
			&pb.HasHandleGrantRequest{Scope: wire.ScopeToPB(aScope), ProcessId: "p", ReadLevel: stale},
			&pb.HasHandleGrantResponse{Granted: true}, true},
		{"HandleGrantsForProcess", func(ctx context.Context, c *Client) (any, error) { return c.HandleGrantsForProcess(ctx, "p", aPage) },
			&pb.HandleGrantsForProcessRequest{ProcessId: "p", Page: page, ReadLevel: stale},
			&pb.HandleGrantsForProcessResponse{Grants: pbGrants, NextPageToken: "more"}, grants},
		{"DeleteSessionProcessState", func(ctx context.Context, c *Client) (any, error) { return c.DeleteSessionProcessState(ctx, "s") },
			&pb.DeleteSessionProcessStateRequest{SessionId: "s", Session: stamp},
			&pb.DeleteSessionProcessStateResponse{Report: wire.DeleteReportToPB(aDeletion)}, aDeletion},
		{"ClaimProcessLease", func(ctx context.Context, c *Client) (any, error) { return c.ClaimProcessLease(ctx, "p", anOwner, 5) },
			&pb.ClaimProcessLeaseRequest{ProcessId: "p", Owner: wire.OwnerToPB(anOwner), TtlMs: 5, Session: stamp},
			&pb.ClaimProcessLeaseResponse{Outcome: wire.OutcomeToPB(anOutcome)}, anOutcome},
		{"ReclaimProcessLease", func(ctx context.Context, c *Client) (any, error) {
			return c.ReclaimProcessLease(ctx, "p", anOwner, aLease, registry.VerdictDead, 5)
		},
			&pb.ReclaimProcessLeaseRequest{ProcessId: "p", Owner: wire.OwnerToPB(anOwner), Observed: wire.LeaseToPB(aLease), Verdict: wire.VerdictToPB(registry.VerdictDead), TtlMs: 5, Session: stamp},
			&pb.ReclaimProcessLeaseResponse{Outcome: wire.OutcomeToPB(anOutcome)}, anOutcome},
		{"RenewProcessLease", func(ctx context.Context, c *Client) (any, error) { return c.RenewProcessLease(ctx, aLease, 5) },
			&pb.RenewProcessLeaseRequest{Lease: wire.LeaseToPB(aLease), TtlMs: 5, Session: stamp},
			&pb.RenewProcessLeaseResponse{Lease: wire.LeaseToPB(aLease)}, aLease},
		{"GetProcessLease", func(ctx context.Context, c *Client) (any, error) { return c.GetProcessLease(ctx, "p") },
			&pb.GetProcessLeaseRequest{ProcessId: "p", ReadLevel: stale},
			&pb.GetProcessLeaseResponse{Lease: wire.LeaseToPB(aLease)}, &aLease},
		{"CompleteProcessLease", func(ctx context.Context, c *Client) (any, error) {
			return nil, c.CompleteProcessLease(ctx, aCompletion)
		},
			&pb.CompleteProcessLeaseRequest{Completion: wire.CompletionToPB(aCompletion), Session: stamp},
			&pb.CompleteProcessLeaseResponse{}, nil},
		{"CheckFence", func(ctx context.Context, c *Client) (any, error) { return c.CheckFence(ctx, "p", 5) },
			&pb.CheckFenceRequest{ProcessId: "p", FencingToken: 5},
			&pb.CheckFenceResponse{Status: wire.FenceStatusToPB(aFenceStatus)}, aFenceStatus},
		{"PruneTerminalProcesses", func(ctx context.Context, c *Client) (any, error) { return c.PruneTerminalProcesses(ctx, 5) },
			&pb.PruneTerminalProcessesRequest{CutoffEpochMs: 5, Session: stamp},
			&pb.PruneTerminalProcessesResponse{Report: wire.PruneReportToPB(aPrune)}, aPrune},
		{"ClusterStatus", func(ctx context.Context, c *Client) (any, error) { return c.ClusterStatus(ctx) },
			&pb.ClusterStatusRequest{}, wire.ClusterStatusToPB(aStatus), aStatus},
		{"TransferLeadership", func(ctx context.Context, c *Client) (any, error) { return nil, c.TransferLeadership(ctx, "n2") },
			&pb.TransferLeadershipRequest{ToId: "n2"}, &pb.TransferLeadershipResponse{}, nil},
		{"AddMember", func(ctx context.Context, c *Client) (any, error) { return nil, c.AddMember(ctx, "n4", "n4:1") },
			&pb.AddMemberRequest{Id: "n4", Addr: "n4:1"}, &pb.AddMemberResponse{}, nil},
		{"RemoveMember", func(ctx context.Context, c *Client) (any, error) { return nil, c.RemoveMember(ctx, "n4") },
			&pb.RemoveMemberRequest{Id: "n4"}, &pb.RemoveMemberResponse{}, nil},
		{"TakeSnapshot", func(ctx context.Context, c *Client) (any, error) { return nil, c.TakeSnapshot(ctx) },
			&pb.TakeSnapshotRequest{}, &pb.TakeSnapshotResponse{}, nil},
		{"VerifyState", func(ctx context.Context, c *Client) (any, error) { return c.VerifyState(ctx) },
			&pb.VerifyStateRequest{}, wire.StateReportToPB(aReport), aReport},
	}
}

func TestEveryMethodSendsItsArgumentsAndReadsItsAnswer(t *testing.T) {
	node := newFakeNode(t, nil)
	c := mustDial(t, []string{node.addr})
	ctx := registry.WithSession(registry.WithReadLevel(t.Context(), registry.Stale), aStamp)
	for _, m := range methodCases() {
		t.Run(m.name, func(t *testing.T) {
			node.setAnswer(func(context.Context, proto.Message) (proto.Message, registry.AnswerInfo, error) {
				return m.answer, registry.AnswerInfo{}, nil
			})
			got, err := m.call(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, m.want) {
				t.Errorf("got %+v, want %+v", got, m.want)
			}
			if method := node.methods[len(node.methods)-1]; method != m.name {
				t.Errorf("called %s", method)
			}
			if !proto.Equal(node.last, m.sent) {
				t.Errorf("sent %v, want %v", node.last, m.sent)
			}

			node.setAnswer(refuse(registry.AnswerInfo{}, failure(registry.CodeFenced)))
			got, err = m.call(ctx, c)
			mustBe(t, err, registry.CodeFenced)
			if v := reflect.ValueOf(got); got != nil && !v.IsZero() {
				t.Errorf("%+v beside an error", got)
			}
		})
	}
}

// TestNoMethodIsForgotten holds the table against the interfaces.
func TestNoMethodIsForgotten(t *testing.T) {
	known := map[string]bool{"DurabilityTier": true} // has a test of its own
	for _, m := range methodCases() {
		known[m.name] = true
	}
	for _, of := range []reflect.Type{reflect.TypeFor[registry.Registry](), reflect.TypeFor[registry.Admin](), reflect.TypeFor[registry.Fences]()} {
		for i := range of.NumMethod() {
			if name := of.Method(i).Name; !known[name] {
				t.Errorf("%s is not tested", name)
			}
		}
	}
}

func TestUnreadableAnswerIsInternal(t *testing.T) {
	node := newFakeNode(t, func(context.Context, proto.Message) (proto.Message, registry.AnswerInfo, error) {
		return &pb.GetProcessResponse{}, registry.AnswerInfo{}, nil
	})
	err := readCall(t.Context(), mustDial(t, []string{node.addr}))
	mustBe(t, err, registry.CodeInternal)
	if !strings.Contains(err.Error(), "cannot be read") {
		t.Error(err)
	}
}
