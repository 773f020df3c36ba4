// Command embed is the smallest program that uses a cluster: it registers a
// process, takes its lease, and ends it under the lease's fence. Start a
// cluster with `go run ./cmd/node dev`, then `go run ./examples/embed`.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

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
	claim, err := c.ClaimProcessLease(ctx, "embed-1", registry.LeaseOwnerIdentity{OwnerID: "me", IncarnationID: "run-1"}, 30_000)
	if err != nil {
		return err
	} else if claim.Busy != nil {
		return fmt.Errorf("%s is at work on it", claim.Busy.Owner.OwnerID)
	}
	output := registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(`42`)}
	_, err = c.CompleteProcess(ctx, "embed-1", output, claim.Acquired.Fence()) // Fenced if another owner took over
	return err
}
