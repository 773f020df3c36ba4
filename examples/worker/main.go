// Command worker shows work that moves on. It registers ten emails, starts three
// workers, each a process of its own, kills one of them while it sends, and
// looks what became of the emails in the end.
//
// Start a cluster with `go run ./cmd/node dev`, then `go run ./examples/worker`.
// It exits with 0 if everything went as it says. What a worker is made of is in
// work.go.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

func main() {
	addrs := flag.String("addrs", "127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402", "addresses of nodes of the cluster")
	name := flag.String("name", "", "internal: be the worker of this name")
	kind := flag.String("kind", "", "internal: the kind of the emails")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, *addrs, *name, *kind); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addrs, name, kind string) error {
	c, err := client.Dial(strings.Split(addrs, ","))
	if err != nil {
		return err
	}
	defer c.Close()
	if name != "" {
		return work(ctx, c, name, kind)
	}
	return story(ctx, c, addrs)
}

// say prints a line of the story.
func say(who, format string, args ...any) {
	fmt.Printf("%s: %s\n", who, fmt.Sprintf(format, args...))
}

// The size of the story.
const emails, workers = 10, 3

// story registers the emails, has them sent, and judges what was done.
func story(ctx context.Context, c *client.Client, addrs string) error {
	// A kind of its own, so that the workers find nothing else.
	kind := "email-" + rand.Text()[:6]
	var ids []string
	for i := range emails {
		id := fmt.Sprintf("%s-%d", kind, i+1)
		if _, err := client.RegisterWork(ctx, c, registry.ProcessRegistration{
			ID: id, Identity: registry.ProcessIdentity{Kind: kind},
			Input:       registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(`{"to":"ada"}`)},
			Disposition: registry.Rerunnable,
			EventTypes:  []registry.ProcessEventType{{Name: eventSent, PayloadSchema: registry.JSON(`{}`)}},
		}); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	say("story", "registered %d emails", emails)

	team, err := startTeam(ctx, workers, "--addrs", addrs, "--kind", kind)
	if err != nil {
		return err
	}
	defer team.kill()
	victim, interrupted, err := team.killOneThatSends(ctx)
	if err != nil {
		return err
	}
	say("story", "killed %s while it sent %s", victim, interrupted)
	if err := awaitEnd(ctx, c, ids); err != nil {
		return err
	}
	if err := judge(ctx, c, ids, victim, interrupted); err != nil {
		return err
	}
	return team.end()
}

// awaitEnd waits until every process has ended.
func awaitEnd(ctx context.Context, c *client.Client, ids []string) error {
	for _, id := range ids {
		for {
			record, err := c.GetProcess(ctx, id)
			if err != nil {
				return err
			}
			if record.Status.State.Terminal() {
				break
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("%s has not ended: %w", id, ctx.Err())
			}
		}
	}
	return nil
}

// judge looks into the logs: every email was sent and completed once, and the
// one that was interrupted by somebody else than who began it.
func judge(ctx context.Context, c *client.Client, ids []string, victim, interrupted string) error {
	for _, id := range ids {
		record, err := c.GetProcess(ctx, id)
		if err != nil {
			return err
		}
		page, err := c.EventsAfter(ctx, id, 0, registry.PageRequest{})
		if err != nil {
			return err
		}
		var types []string
		for _, event := range page.Items {
			types = append(types, event.EventType)
		}
		if !slices.Equal(types, []string{eventSent, registry.EventCompleted}) {
			return fmt.Errorf("%s is %s, and its log has %v", id, record.Status.State, types)
		}
		if id != interrupted {
			continue
		}
		began, ended := record.FirstStarted.Owner.OwnerID, string(record.Status.AwaitOutput.Value)
		if began != victim || ended == fmt.Sprintf("%q", victim) {
			return fmt.Errorf("%s was begun by %s and ended by %s", id, began, ended)
		}
		say("story", "%s was begun by %s and ended by %s", id, began, strings.Trim(ended, `"`))
	}
	say("story", "all %d emails were sent and completed, each once", len(ids))
	return nil
}
