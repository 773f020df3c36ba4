package process_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestWallClocksAnHourApartEndNoLease has each of three real nodes lead under a
// lease that lasts a minute, with wall clocks two hours apart at the most.
func TestWallClocksAnHourApartEndNoLease(t *testing.T) {
	nodetest.Exclusive(t)
	offsets := map[string]string{"n1": "0s", "n2": "1h", "n3": "-1h"}
	cluster, err := process.NewCluster(process.Options{Binary: binary, Dir: t.TempDir(), Env: func(id string) []string {
		return []string{"HOLDFAST_TEST_WALL_OFFSET=" + offsets[id]}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cluster.Close() })
	c, err := client.Dial(cluster.Addrs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	// The node that is ahead comes last: had it led first, the clock would be
	// ahead from the beginning and never jump.
	for _, i := range []int{0, 2} {
		if err := cluster.Node(i).Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := cluster.Node(0).AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process is registered", func() error {
		_, err := c.RegisterProcess(t.Context(), note("held"))
		return err
	})
	holder := registry.LeaseOwnerIdentity{OwnerID: "holder", IncarnationID: "1"}
	claim, err := c.ClaimProcessLease(t.Context(), "held", holder, 60_000)
	if err != nil || claim.Acquired == nil {
		t.Fatalf("%+v, %v", claim, err)
	}
	lease := *claim.Acquired
	if err := errors.Join(cluster.Start(), cluster.AwaitReady(t.Context())); err != nil {
		t.Fatal(err)
	}
	created, clocks := uint64(0), []uint64{}
	for i := range 2 * cluster.Len() {
		to := cluster.Node(i % cluster.Len()).ID
		eventually(t, to+" leads", func() error {
			status, err := c.ClusterStatus(t.Context())
			if err != nil || status.Leader == to {
				return err
			}
			return errors.Join(c.TransferLeadership(t.Context(), to), fmt.Errorf("%s still leads", status.Leader))
		})
		var answer registry.AnswerInfo
		eventually(t, "a process is registered under "+to, func() error {
			record, err := c.RegisterProcess(registry.WithAnswerInfo(t.Context(), &answer), note(fmt.Sprint("p", i)))
			if err == nil && record.CreatedAtMs < created {
				t.Fatalf("created_at went back from %d to %d under %s", created, record.CreatedAtMs, to)
			}
			created = max(created, record.CreatedAtMs)
			return err
		})
		clocks = append(clocks, answer.ClockMs)
		eventually(t, "somebody else claims", func() error {
			claim, err := c.ClaimProcessLease(t.Context(), "held", registry.LeaseOwnerIdentity{OwnerID: "other", IncarnationID: "1"}, 60_000)
			if err == nil && claim.Acquired != nil {
				t.Fatalf("the lease was taken under %s: %+v", to, claim.Acquired)
			}
			return err
		})
		if lease, err = c.RenewProcessLease(t.Context(), lease, 60_000); err != nil {
			t.Fatalf("renew under %s: %v", to, err)
		}
	}
	if ahead := time.Duration(int64(slices.Max(clocks))-time.Now().UnixMilli()) * time.Millisecond; ahead < 50*time.Minute {
		t.Errorf("the clock is %v ahead: the node that is an hour ahead cannot have led", ahead)
	}
}

func note(id string) registry.ProcessRegistration {
	return registry.ProcessRegistration{
		ID: id, Disposition: registry.Rerunnable, Identity: registry.ProcessIdentity{Kind: "external"},
		Input:      registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON("null")},
		EventTypes: []registry.ProcessEventType{{Name: "note", PayloadSchema: registry.JSON("{}")}},
	}
}
