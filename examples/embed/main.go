// Command embed is the smallest program that uses a cluster: it registers a
// process, works on it under a lease that keeps itself, and ends it. Start a
// cluster with `go run ./cmd/node dev`, then `go run ./examples/embed`.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.SetFlags(0)
		log.Print(err)
		os.Exit(1)
	}
}

// The body of run stands in README.md too; a test keeps both in step.
func run(ctx context.Context) error {
	c, err := client.Dial([]string{"127.0.0.1:7400", "127.0.0.1:7401", "127.0.0.1:7402"})
	if err != nil {
		return err
	}
	defer c.Close()
	input := registry.ProcessInput{Kind: registry.InputExternal}
	if _, err = c.RegisterProcess(ctx, registry.ProcessRegistration{ID: "embed-1", Input: input,
		Identity: registry.DeriveIdentity(input), Disposition: registry.Rerunnable, Fencing: registry.FencingRequired}); err != nil {
		return err
	}
	lease, err := c.Claim(ctx, "embed-1", client.LocalOwner("me"), 30*time.Second)
	if err != nil {
		return err // a *client.BusyError names who is at work on it
	}
	defer lease.Release(ctx)
	answer, err := work(lease.Context()) // cancelled before anybody else can get the lease
	if err != nil {
		return err
	}
	_, err = lease.CompleteProcess(ctx, registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: answer})
	return err // client.ErrLeaseLost if it was lost after all
}

// work stands for what the process is about.
func work(context.Context) (registry.JSON, error) { return registry.JSON(`42`), nil }
