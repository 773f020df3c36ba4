package main

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestWorkersOutliveTheirLeader kills the leader, a real process, while three
// workers are at work: every process ends, once, and none is run twice.
func TestWorkersOutliveTheirLeader(t *testing.T) {
	const workers, processes, killAt = 3, 150, 50
	nodetest.Exclusive(t)
	s := newSite(t, 3)
	dial := func() *client.Client {
		c, err := client.Dial(s.cluster.Addrs(), client.WithRetryTimeout(nodetest.Patience))
		s.check(err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := dial()
	for i := range processes {
		_, err := client.RegisterWork(t.Context(), c, registry.ProcessRegistration{
			ID: fmt.Sprintf("p%03d", i), Disposition: []registry.RecoveryDisposition{registry.Rerunnable, registry.OwnerBound}[i%2],
			Identity: registry.ProcessIdentity{Kind: "email"}, Input: registry.ProcessInput{Kind: registry.InputExternal},
		})
		s.check(err)
	}

	var mu sync.Mutex
	runs, total := map[string]int{}, 0
	kill, killed := make(chan struct{}), make(chan struct{})
	handler := func(ctx context.Context, run *client.Run) (any, error) {
		mu.Lock()
		runs[run.Process().ID]++
		if total++; total == killAt {
			close(kill)
		}
		last := total > 2*killAt
		mu.Unlock()
		if last {
			select {
			case <-killed:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return run.Attempt(), nil
	}
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	for range workers {
		w, err := client.NewWorker(dial(), client.Handlers{"email": handler}, client.WithConcurrency(5))
		s.check(err)
		working.Go(func() {
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	defer working.Wait()
	defer stop()
	<-kill
	leader, err := s.cluster.Leader(t.Context())
	s.check(err)
	s.check(s.cluster.Node(leader).Kill())
	close(killed)
	eventually(t, "every process ends", func() error {
		for record, err := range c.AllNonTerminal(t.Context()) {
			if err != nil {
				return err
			}
			return fmt.Errorf("%s is %s", record.ID, record.Status.State)
		}
		return nil
	})
	for i := range processes {
		id := fmt.Sprintf("p%03d", i)
		record, err := c.GetProcess(t.Context(), id)
		s.check(err)
		if record.Status.State != registry.StateCompleted || string(record.Status.AwaitOutput.Value) != "1" {
			t.Errorf("%s is %s: %+v", id, record.Status.State, record.Status.AwaitOutput)
		}
		mu.Lock()
		if runs[id] != 1 {
			t.Errorf("%s ran %d times", id, runs[id])
		}
		mu.Unlock()
	}
}
