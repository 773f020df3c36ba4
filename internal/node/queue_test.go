package node_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

func mustClient(t *testing.T, addrs []string, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.Dial(addrs, append([]client.Option{client.WithRetryTimeout(nodetest.Patience)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func registerWork(ctx context.Context, c *client.Client, id, kind string) error {
	_, err := c.RegisterProcess(ctx, registry.ProcessRegistration{
		ID: id, Input: registry.ProcessInput{Kind: registry.InputExternal}, Disposition: registry.Rerunnable,
		Identity: registry.ProcessIdentity{Kind: kind},
	})
	return err
}

// TestFiftyWorkersClaimTenThousandProcessesOnceEach: no process is handed out
// twice, none is left over, and no fencing token is given twice.
func TestFiftyWorkersClaimTenThousandProcessesOnceEach(t *testing.T) {
	const workers, processes, atATime = 50, 10_000, 7
	cluster := nodetest.Start(t, 3, nil)
	c := mustClient(t, cluster.Addrs())
	var registering sync.WaitGroup
	for i := range workers {
		registering.Go(func() {
			for j := i; j < processes; j += workers {
				if err := registerWork(t.Context(), c, fmt.Sprintf("p%05d", j), "email"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	registering.Wait()

	var mu sync.Mutex
	claims, tokens := map[string]int{}, map[uint64]bool{}
	var working sync.WaitGroup
	for i := range workers {
		working.Go(func() {
			for {
				claimed, err := c.ClaimNext(t.Context(), registry.ClaimNextRequest{
					Owner: registry.LeaseOwnerIdentity{OwnerID: fmt.Sprint("worker ", i), IncarnationID: "1"},
					TTLMs: 600_000, Limit: atATime, Kinds: []string{"email"},
				})
				if err != nil {
					t.Error(err)
					return
				}
				if len(claimed) == 0 {
					return
				}
				mu.Lock()
				for _, claim := range claimed {
					claims[claim.Record.ID]++
					tokens[claim.Lease.FencingToken] = true
				}
				mu.Unlock()
			}
		})
	}
	working.Wait()
	for id, n := range claims {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
	if len(claims) != processes || len(tokens) != processes {
		t.Errorf("%d processes were claimed with %d tokens, there are %d", len(claims), len(tokens), processes)
	}
}

// TestAnIdleWorkerLearnsOfWorkAtOnce: it asks once and waits; nothing polls.
// Through a follower too.
func TestAnIdleWorkerLearnsOfWorkAtOnce(t *testing.T) {
	cluster := nodetest.Start(t, 3, nil)
	c := mustClient(t, cluster.Addrs())
	for i, addr := range cluster.Addrs() {
		kind := fmt.Sprint("kind ", i)
		waiting := mustClient(t, []string{addr})
		found := make(chan struct{})
		go func() {
			claimed, err := waiting.ClaimNext(t.Context(), registry.ClaimNextRequest{
				Owner: registry.LeaseOwnerIdentity{OwnerID: "w", IncarnationID: "1"}, TTLMs: 60_000, Limit: 1,
				Kinds: []string{kind}, WaitMs: registry.MaxClaimWaitMs,
			})
			if err != nil || len(claimed) != 1 || claimed[0].Record.Identity.Kind != kind {
				t.Errorf("%+v (%v)", claimed, err)
			}
			close(found)
		}()
		// Whether the call already waits when the work comes or not, it must get
		// it: both are worth trying, and nothing here needs one of them.
		if err := registerWork(t.Context(), c, kind, kind); err != nil {
			t.Fatal(err)
		}
		select {
		case <-found:
		case <-time.After(nodetest.Patience / 2):
			t.Fatal("the worker was not told")
		}
	}
}
