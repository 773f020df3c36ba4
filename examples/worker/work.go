package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

// sendingTime is how long an email takes: longer than it takes to kill whoever
// sends it.
const sendingTime = 2 * time.Second

// eventSent is appended when an email is out.
const eventSent = "sent"

// work is a worker, as a program of yours would have it: it runs the emails of
// a kind until it is told to end.
func work(ctx context.Context, c *client.Client, name, kind string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	send := func(ctx context.Context, run *client.Run) (any, error) {
		say(name, "sends %s, attempt %d", run.Process().ID, run.Attempt())
		select {
		case <-time.After(sendingTime): // stands for the work
		case <-ctx.Done(): // before anybody else can have it
			return nil, context.Cause(ctx)
		}
		// The replay key makes it one event, also when an attempt after this one
		// comes so far.
		_, err := run.AppendEvent(ctx, registry.ProcessEventAppendRequest{EventType: eventSent, Payload: registry.JSON("{}"),
			Replay: &registry.Replay{Key: eventSent}})
		if err != nil {
			return nil, client.Retry(time.Second, err)
		}
		return name, nil // what the process ends with
	}
	w, err := client.NewWorker(c, client.Handlers{kind: send}, client.WithWorkerID(name), client.WithConcurrency(2),
		// Short, so that the story is: the defaults are for hosts that may
		// pause for seconds.
		client.WithLeaseTTL(3*time.Second), client.WithSweepInterval(time.Second))
	if err != nil {
		return err
	}
	return w.Run(ctx)
}
