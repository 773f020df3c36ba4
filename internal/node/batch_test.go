package node_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestABatchOverACluster goes the whole way, through a follower too: register,
// grant and claim as one, then append, complete and release as one.
func TestABatchOverACluster(t *testing.T) {
	cluster := nodetest.Start(t, 3, nil)
	ctx := t.Context()
	owner := registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "1"}
	for i, addr := range cluster.Addrs() {
		c := mustClient(t, []string{addr})
		id := fmt.Sprint("p", i)
		begin := []registry.Operation{
			registry.RegisterProcessOperation{Registration: registry.ProcessRegistration{
				ID: id, Input: registry.ProcessInput{Kind: registry.InputExternal}, Disposition: registry.Rerunnable,
				Identity: registry.ProcessIdentity{Kind: "email"}, Fencing: registry.FencingRequired,
			}},
			registry.GrantHandleOperation{Scope: registry.SessionScope{SessionID: "s"}, ProcessID: id},
			registry.ClaimProcessLeaseOperation{ProcessID: id, Owner: owner, TTLMs: 60_000},
		}
		answers, err := c.Batch(ctx, begin)
		if err != nil {
			t.Fatal(err)
		}
		lease := answers[2].Claim.Acquired
		var refused *registry.Error
		begin[2] = registry.ClaimProcessLeaseOperation{ProcessID: id, Owner: registry.LeaseOwnerIdentity{OwnerID: "other", IncarnationID: "1"}, TTLMs: 60_000}
		if _, err := c.Batch(ctx, begin); !errors.As(err, &refused) || refused.Code != registry.CodeBatchRefused || *refused.Fields.Operation != 2 || refused.Fields.OperationCode != "Busy" {
			t.Errorf("a batch with a claim that is busy: %v", err)
		}
		answers, err = c.Batch(ctx, []registry.Operation{
			registry.AppendEventOperation{ProcessID: id, Fence: lease.Fence(), Request: registry.ProcessEventAppendRequest{EventType: registry.EventWaiting, Payload: registry.JSON(`{}`)}},
			registry.CompleteProcessOperation{ProcessID: id, Fence: lease.Fence(), Output: registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(`1`)}},
			registry.CompleteProcessLeaseOperation{Completion: registry.ProcessLeaseCompletion{ProcessID: id, LeaseToken: lease.LeaseToken}},
		})
		if err != nil || answers[0].Append.Event.Sequence != 1 || answers[1].Record.Status.State != registry.StateCompleted {
			t.Errorf("%+v (%v)", answers, err)
		}
		if held, err := c.GetProcessLease(ctx, id); err != nil || held != nil {
			t.Errorf("the lease is %+v (%v)", held, err)
		}
	}
}
