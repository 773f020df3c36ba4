//go:build unix

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

const (
	// demoKind is the kind of the demo's work, demoSent the event at its end.
	demoKind = "email"
	demoSent = "sent"
	// demoWork is how long one email takes.
	demoWork = time.Second
	// demoTTL outlasts an election.
	demoTTL = 8 * time.Second
)

// demoWorker sends emails until it is told to end. It says what it does on
// stdout, as demoTeam reads it.
func (a *app) demoWorker(ctx context.Context, name string) error {
	c, err := client.Dial(a.addrs, client.WithAttemptTimeout(2*time.Second))
	if err != nil {
		return err
	}
	defer c.Close()
	send := func(ctx context.Context, run *client.Run) (any, error) {
		id := run.Process().ID
		a.tell(demoLine{Worker: name, Did: demoBegan, ID: id, Token: run.Lease().Fence().FencingToken})
		select {
		case <-time.After(demoWork):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		// The key makes it one event, also when another attempt comes this far.
		_, err := run.AppendEvent(ctx, registry.ProcessEventAppendRequest{
			EventType: demoSent, Payload: registry.JSON("{}"), Replay: &registry.Replay{Key: demoSent},
		})
		if err != nil {
			return nil, client.Retry(time.Second, err)
		}
		return name, nil
	}
	settled := func(s client.Settled) {
		if s.Outcome == client.OutcomeCompleted {
			a.tell(demoLine{Worker: name, Did: demoEnded, ID: s.ProcessID})
		}
	}
	w, err := client.NewWorker(c, client.Handlers{demoKind: send}, client.WithWorkerID(name), client.WithConcurrency(1),
		client.WithLeaseTTL(demoTTL), client.WithSweepInterval(time.Second), client.WithObserver(settled))
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

// tell writes a line that demoTeam reads.
func (a *app) tell(line demoLine) {
	fmt.Fprintln(a.stdout, line.Worker, line.Did, line.ID, line.Token, time.Now().UnixMilli())
}
