package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/memory"
)

// A worker takes the lease of a process, appends an event under it and completes
// the process. It needs a running cluster, so it is compiled only:
// `go run ./cmd/node dev` starts one.
func Example() {
	c, err := client.Dial([]string{"127.0.0.1:7400", "127.0.0.1:7401", "127.0.0.1:7402"},
		client.WithRetryTimeout(5*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	_, err = c.RegisterProcess(ctx, registry.ProcessRegistration{
		ID:          "job-1",
		Input:       registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(`{"file":"a.csv"}`)},
		Disposition: registry.Rerunnable,
		Identity:    registry.ProcessIdentity{Kind: "import"},
		EventTypes:  []registry.ProcessEventType{{Name: "row.imported", PayloadSchema: registry.JSON(`{"type":"object"}`)}},
		Fencing:     registry.FencingRequired,
	})
	if err != nil {
		log.Fatal(err)
	}
	lease, err := c.Claim(ctx, "job-1", client.LocalOwner("worker-1"), 30*time.Second)
	var busy *client.BusyError
	if errors.As(err, &busy) {
		log.Fatalf("%s holds the lease", busy.Holder.Owner.OwnerID)
	} else if err != nil {
		log.Fatal(err)
	}
	defer lease.Release(ctx)
	work := lease.Context()

	_, err = lease.AppendEvent(work, registry.ProcessEventAppendRequest{
		EventType: "row.imported",
		Payload:   registry.JSON(`{"row":1}`),
		Replay:    &registry.Replay{Key: "row-1"},
	})
	switch {
	case errors.Is(err, client.ErrLeaseLost):
		log.Fatal("somebody else may take over: stop working")
	case errors.Is(err, registry.ErrOutcomeUnknown):
		log.Print("perhaps stored; under the same replay key it may be sent again")
	case err != nil:
		log.Fatal(err)
	}
	output := registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(`{"rows":1}`)}
	if _, err := lease.CompleteProcess(work, output); err != nil {
		log.Fatal(err)
	}

	for record, err := range c.AllProcesses(ctx, registry.ProcessListFilter{Status: registry.StatusAny}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(record.ID, record.Status.State)
	}
}

// Where an owner can be seen to have died, its work is taken over at once. The
// same code runs on a cluster; here it is the registry in memory.
func ExampleClaimOrReclaim() {
	ctx, r := context.Background(), memory.New()
	input := registry.ProcessInput{Kind: registry.InputExternal}
	if _, err := r.RegisterProcess(ctx, registry.ProcessRegistration{
		ID: "job-1", Input: input, Disposition: registry.Rerunnable, Identity: registry.DeriveIdentity(input)}); err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"worker-1", "worker-2"} {
		outcome, err := client.ClaimOrReclaim(ctx, r, "job-1", client.LocalOwner(name), 30_000)
		if err != nil {
			log.Fatal(err)
		}
		if outcome.Busy != nil {
			// Both run in this very process, so the holder is alive.
			fmt.Println(name, "leaves it to", outcome.Busy.Owner.OwnerID)
			continue
		}
		fmt.Println(name, "has fencing token", outcome.Acquired.FencingToken)
	}
	// Output:
	// worker-1 has fencing token 1
	// worker-2 leaves it to worker-1
}

// A worker in ten lines, over a cluster.
func ExampleWorker() {
	send := func(context.Context, registry.JSON) error { return nil }
	work := func(ctx context.Context, c *client.Client) error {
		w, err := client.NewWorker(c, client.Handlers{
			"email": func(ctx context.Context, run *client.Run) (any, error) {
				if err := send(ctx, run.Input().Metadata); err != nil {
					return nil, client.Retry(time.Minute, err) // any other error is what the process fails with
				}
				return "sent", nil // what the process ends with
			},
		})
		if err != nil {
			return err
		}
		return w.Run(ctx) // until ctx ends; then handlers get ten seconds to finish
	}
	c, err := client.Dial([]string{"127.0.0.1:7400", "127.0.0.1:7401", "127.0.0.1:7402"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := work(ctx, c); err != nil {
		log.Fatal(err)
	}
}

// A worker over the registry in memory, as the tests of a program have it. It
// runs until its context ends; here that is when the work is done.
func ExampleNewWorker() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	r := memory.New()
	w, err := client.NewWorker(r, client.Handlers{"email": func(ctx context.Context, run *client.Run) (any, error) {
		fmt.Printf("attempt %d at %s: %s\n", run.Attempt(), run.Process().ID, run.Input().Metadata)
		if run.Attempt() == 1 {
			return nil, client.Retry(time.Millisecond, errors.New("the mail server is busy"))
		}
		return "sent", nil // what the process ends with
	}}, client.WithObserver(func(s client.Settled) {
		if s.Outcome == client.OutcomeCompleted {
			fmt.Println(s.ProcessID, "has ended")
			stop()
		}
	}))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := w.Register(ctx, registry.ProcessRegistration{
		ID:          "email-1",
		Identity:    registry.ProcessIdentity{Kind: "email"},
		Input:       registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(`{"to":"ada"}`)},
		Disposition: registry.Rerunnable,
	}); err != nil {
		log.Fatal(err)
	}
	if err := w.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// attempt 1 at email-1: {"to":"ada"}
	// attempt 2 at email-1: {"to":"ada"}
	// email-1 has ended
}

// Waiting for a process, and following another one. These examples need a running
// cluster, so they are compiled only.
func ExampleClient_AwaitTerminal() {
	_ = func(ctx context.Context, c *client.Client) error {
		output, err := c.AwaitTerminal(ctx, "job-7") // until it has ended, through any failover
		if err != nil {
			return err
		}
		fmt.Println(output.Kind)
		for event, err := range c.WatchEvents(registry.EventWatch{ProcessID: "job-8"}).All(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(event.Sequence, event.EventType) // history first, then what happens: in order, each once
		}
		return nil
	}
}

// A projection: what there is, and then whatever changes.
func ExampleClient_WatchChanges() {
	_ = func(ctx context.Context, c *client.Client, project func(processID string) error) error {
		changes := c.WatchChanges(registry.ChangeCursor{})
		defer changes.Close()
		if _, err := changes.Begin(ctx); err != nil { // from here on nothing is missed
			return err
		}
		for record, err := range c.AllProcesses(ctx, registry.ProcessListFilter{Status: "any"}) {
			if err != nil {
				return err
			} else if err := project(record.ID); err != nil {
				return err
			}
		}
		for change, err := range changes.All(ctx) {
			if err != nil {
				return err // Compacted: begin anew
			} else if err := project(change.ProcessID); err != nil { // reads the process
				return err
			}
		}
		return nil
	}
}
