// Command agent is one run of an agent: it works in steps, asks somebody, waits
// for the answer as a durable process does, and ends. What it did, what it waits
// for and what it was told is in the registry, so that another worker could go
// on with it at any point, and an owner that has lost it can write nothing.
//
// Start a cluster with `go run ./cmd/node dev`, then `go run ./examples/agent`.
// It exits with 0 if everything went as it says.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

func main() {
	addrs := flag.String("addrs", "127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402", "addresses of nodes of the cluster")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, strings.Split(*addrs, ",")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// say prints a line of the story.
func say(who, format string, args ...any) {
	fmt.Printf("%s: %s\n", who, fmt.Sprintf(format, args...))
}

// run registers a run of the agent, works on it, and has somebody answer it.
func run(ctx context.Context, addrs []string) error {
	c, err := client.Dial(addrs)
	if err != nil {
		return err
	}
	defer c.Close()
	process := "agent-" + rand.Text()
	if err := register(ctx, c, process); err != nil {
		return err
	}
	say("caller", "registered %s", process)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		err := answer(ctx, c, process)
		if err != nil {
			cancel() // nobody will answer the agent
		}
		answered <- err
	}()
	if err := work(ctx, c, process); err != nil {
		cancel()
		return errors.Join(err, <-answered)
	}
	if err := <-answered; err != nil {
		return err
	}
	return check(ctx, c, process)
}

// The events of the agent. The names of signals begin with "signal." by
// convention.
const (
	eventStep    = "step"
	signalName   = "approve"
	eventApprove = "signal." + signalName
)

// register stores what the run is about: its input, its events, and the session
// that it wakes.
func register(ctx context.Context, c *client.Client, process string) error {
	input := registry.ProcessInput{Kind: registry.InputEngine, Engine: "agent", Payload: registry.JSON(`{"task":"book a table"}`)}
	env := "tools of 2026-11"
	_, err := c.RegisterProcess(ctx, registry.ProcessRegistration{
		ID: process, Input: input, Identity: registry.DeriveIdentity(input), EnvRef: &env,
		// Anybody may run it again from the start, and only its owner may write.
		Disposition: registry.Rerunnable, Fencing: registry.FencingRequired,
		WakeTarget: &registry.SessionScope{SessionID: "session of " + process},
		EventTypes: []registry.ProcessEventType{
			{Name: eventStep, PayloadSchema: registry.JSON(`{"type":"object","required":["did"]}`)},
			{
				Name: eventApprove, PayloadSchema: registry.JSON(`{"type":"object","required":["text"]}`),
				// A signal wakes the session with its text.
				Semantics: registry.EventSemanticsSpec{Wake: &registry.WakeSpec{
					Input:     registry.Selector{Kind: registry.SelectPointer, Text: "/text"},
					DedupeKey: registry.DedupeKey{Kind: registry.DedupeEventIdentity},
				}},
			},
		},
	})
	return err
}

// check reads back what is left of the run.
func check(ctx context.Context, c *client.Client, process string) error {
	record, err := c.GetProcess(ctx, process)
	if err != nil {
		return err
	}
	events, err := registry.Collect(ctx, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
		return c.EventsAfter(ctx, process, 0, page)
	})
	if err != nil {
		return err
	}
	var types []string
	for _, event := range events {
		types = append(types, event.EventType)
	}
	lease, err := c.GetProcessLease(ctx, process)
	if err != nil {
		return err
	}
	want := []string{eventStep, eventApprove, eventStep, registry.EventCompleted}
	if record.Status.State != registry.StateCompleted || record.Wait != nil || lease != nil || strings.Join(types, " ") != strings.Join(want, " ") {
		return fmt.Errorf("%s is %s with the events %v, the wait %v and the lease %v", process, record.Status.State, types, record.Wait, lease)
	}
	say("caller", "%s is %s, nobody holds it, and its log has %s", process, record.Status.State, strings.Join(types, ", "))
	return nil
}
