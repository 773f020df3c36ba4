package node_test

import (
	"context"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

func TestThreeNodesReplicateALifeCycle(t *testing.T) {
	c := nodetest.Start(t, 3, nil)
	ctx := context.Background()
	leader := c.Nodes[c.AwaitLeader()]
	if _, err := leader.RegisterProcess(ctx, registry.ProcessRegistration{
		ID: "p1", Disposition: registry.Rerunnable, Input: registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON("null")},
		Identity:   registry.ProcessIdentity{Kind: "external"},
		EventTypes: []registry.ProcessEventType{{Name: "note", PayloadSchema: registry.JSON("{}")}},
	}); err != nil {
		t.Fatal(err)
	}
	owner := registry.LeaseOwnerIdentity{OwnerID: "w1", IncarnationID: "1"}
	claim, err := leader.ClaimProcessLease(ctx, "p1", owner, 30_000)
	if err != nil || claim.Acquired == nil {
		t.Fatal(claim, err)
	}
	if _, err := leader.AppendEvent(ctx, "p1", registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON(`{"a": 1}`)}, claim.Acquired.Fence()); err != nil {
		t.Fatal(err)
	}
	record, err := leader.CompleteProcess(ctx, "p1", registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("1")}, claim.Acquired.Fence())
	if err != nil || record.Status.State != registry.StateCompleted {
		t.Fatal(record, err)
	}
	events, err := leader.EventsAfter(ctx, "p1", 0, registry.PageRequest{})
	if err != nil || len(events.Items) != 2 {
		t.Fatal(events, err)
	}
	report, err := leader.VerifyState(ctx)
	if err != nil || !report.Agree {
		t.Fatal(report, err)
	}
	t.Log(report)
	status, err := leader.ClusterStatus(ctx)
	t.Logf("%+v %v", status, err)
}
