// Command fenced-resource is a store outside the registry that is safe from
// late owners. It keeps texts over HTTP, and takes them under the current
// fencing token only. Worker a, a process of its own, is suspended just before a
// write; worker b takes over; worker a goes on, and its write is refused.
//
// Start a cluster with `go run ./cmd/node dev`, then `go run
// ./examples/fenced-resource`. It exits with 0 if everything went as it says.
// It suspends a process, and so needs a Unix.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

func main() {
	addrs := flag.String("addrs", "127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402", "addresses of nodes of the cluster")
	storeURL := flag.String("store", "", "internal: be worker a, and write to this store")
	process := flag.String("process", "", "internal: the process of worker a")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, *addrs, *storeURL, *process); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addrs, storeURL, process string) error {
	c, err := client.Dial(strings.Split(addrs, ","))
	if err != nil {
		return err
	}
	defer c.Close()
	if storeURL != "" {
		return lateWorker(ctx, c, storeURL, process)
	}
	return story(ctx, c, addrs)
}

// say prints a line of the story.
func say(who, format string, args ...any) {
	fmt.Printf("%s: %s\n", who, fmt.Sprintf(format, args...))
}

// story registers a process, lets worker a begin and worker b take over, and
// judges what the store holds in the end.
func story(ctx context.Context, c *client.Client, addrs string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	s := newStore(c)
	go http.Serve(listener, s)
	storeURL := "http://" + listener.Addr().String()

	process := "report-" + rand.Text()
	input := registry.ProcessInput{Kind: registry.InputExternal}
	if _, err := c.RegisterProcess(ctx, registry.ProcessRegistration{ID: process, Input: input,
		Identity: registry.DeriveIdentity(input), Disposition: registry.Rerunnable, Fencing: registry.FencingRequired}); err != nil {
		return err
	}
	a, err := startLateWorker(ctx, "--addrs", addrs, "--store", storeURL, "--process", process)
	if err != nil {
		return err
	}
	defer a.kill()
	if err := a.suspend(); err != nil {
		return err
	}
	b, err := takeOver(ctx, c, process)
	if err != nil {
		return err
	}
	defer b.Release(ctx)
	if err := a.resume(); err != nil {
		return err
	}
	if err := compete(ctx, a, b, storeURL); err != nil {
		return err
	}
	if got := s.read(process); got != (text{"report of b", b.Fence().FencingToken}) {
		return fmt.Errorf("the store holds %q under fencing token %d", got.content, got.token)
	}
	say("story", "the store holds \"report of b\": the late writes changed nothing")
	return a.end()
}

// compete lets both workers write: a before b has written, when only the
// cluster knows that it is late, and again afterwards.
func compete(ctx context.Context, a *child, b *client.Lease, storeURL string) error {
	lease := b.Lease()
	if err := a.writeOnce(); err != nil {
		return err
	}
	if err := put(ctx, storeURL, lease.ProcessID, "report of b", lease.FencingToken); err != nil {
		return err
	}
	if err := a.writeOnce(); err != nil {
		return err
	}
	_, err := b.CompleteProcess(ctx, registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("null")})
	return err
}

// takeOver claims the process for worker b as soon as the lease of a has ended.
func takeOver(ctx context.Context, c *client.Client, process string) (*client.Lease, error) {
	owner := client.LocalOwner("worker-b")
	for {
		lease, err := c.Claim(ctx, process, owner, time.Minute)
		var busy *client.BusyError
		if err == nil {
			say("worker b", "has %s under fencing token %d", process, lease.Fence().FencingToken)
			return lease, nil
		} else if !errors.As(err, &busy) {
			return nil, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
