package node_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestAPruneDoesNotHoldUpWrites: a prune of many rows is many entries, and
// other writes get in between them. Counted are the writes that were begun and
// acked while it ran: one entry for all rows would let one or two through.
func TestAPruneDoesNotHoldUpWrites(t *testing.T) {
	const rows, perEntry, atOnce = 20_000, 1_000, 50
	cluster := nodetest.Start(t, 3, nil)
	c := mustClient(t, cluster.Addrs())
	ctx := t.Context()

	var ending sync.WaitGroup
	for worker := range 8 {
		ending.Go(func() {
			for first := worker * atOnce; first < rows; first += 8 * atOnce {
				var batch []registry.Operation
				for i := first; i < first+atOnce; i++ {
					id := fmt.Sprintf("p%06d", i)
					batch = append(batch, registry.RegisterProcessOperation{Registration: registry.ProcessRegistration{
						ID: id, Input: registry.ProcessInput{Kind: registry.InputExternal}, Disposition: registry.Rerunnable,
						Identity: registry.ProcessIdentity{Kind: "email"},
					}}, registry.CompleteProcessOperation{ProcessID: id, Output: registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(`1`)}})
				}
				if _, err := c.Batch(ctx, batch); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	if err := registerWork(ctx, c, "busy", "report"); err != nil {
		t.Fatal(err)
	}
	ending.Wait()

	pruned := make(chan struct{})
	go func() {
		defer close(pruned)
		report, err := c.PruneTerminalProcesses(ctx, 1<<63)
		if err != nil || report.PrunedProcesses != rows || report.PrunedEvents != rows {
			t.Errorf("%+v (%v)", report, err)
		}
	}()
	acked := 0
	for running := true; running; {
		if err := c.AckWake(ctx, "busy", uint64(acked)+1); err != nil {
			t.Fatal(err)
		}
		select {
		case <-pruned:
			running = false
		default:
			acked++
		}
	}
	if least := rows / perEntry / 2; acked < least {
		t.Errorf("%d writes were acked during a prune of %d rows, want %d at least", acked, rows, least)
	}
}
