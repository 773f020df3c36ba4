package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/registry"
)

// nextFlags are the flags of lease next, beside those of the owner.
type nextFlags struct {
	kinds []string
	limit int
	wait  time.Duration
}

const (
	nextTTL = 30 * time.Second
	maxWait = registry.MaxClaimWaitMs * time.Millisecond
)

func (a *app) leaseNext() *cobra.Command {
	var owner ownerFlags
	var next nextFlags
	cmd := &cobra.Command{
		Use:   "next --owner OWNER",
		Short: "Take the leases of the oldest processes that are ready",
		Long: `Takes the leases of processes without being told which: the oldest that are ready,
each with a fencing token of its own. Ready is a running process that nobody asked
to abandon, without a live lease or a delay (lease release --retry-after), and
rerunnable, or owner_bound and not started.

With --wait it waits until something is ready. When nothing is, it says so, and the
exit code is 0 all the same. --timeout counts on top of --wait.`,
		Example: `  holdfast lease next --owner me
  holdfast lease next --owner me --kind email --kind fax --limit 10 --ttl 1m --output json
  holdfast lease next --owner me --pid $$ --wait 30s`,
		Args: cobra.NoArgs,
	}
	owner.bindOwner(cmd, "the owner's incarnation, an `id` (default random, and shown)")
	owner.bindPID(cmd)
	flags := cmd.Flags()
	flags.DurationVar(&owner.ttl, "ttl", nextTTL, "how long the leases last without a renewal")
	flags.StringArrayVar(&next.kinds, "kind", nil, "only processes whose identity has this `kind`; may be given several times (default all)")
	flags.IntVar(&next.limit, "limit", 1, "at most this `number` of processes")
	flags.DurationVar(&next.wait, "wait", 0, "how long to wait until something is ready")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		request, err := next.request(cmd, &owner)
		if err != nil {
			return err
		}
		return a.callsWithin(a.timeout+next.wait, func(ctx context.Context, s server, _ []string) error {
			claimed, err := s.ClaimNext(ctx, request)
			if err != nil {
				return err
			}
			return a.showClaimed(claimed)
		})(cmd, args)
	}
	return cmd
}

// request is what the flags ask for.
func (f *nextFlags) request(cmd *cobra.Command, owner *ownerFlags) (registry.ClaimNextRequest, error) {
	request := registry.ClaimNextRequest{Limit: f.limit, Kinds: f.kinds, WaitMs: uint64(f.wait.Milliseconds())}
	switch {
	case f.limit < 1 || f.limit > registry.MaxClaims:
		return request, wrongUsage("--limit", "--limit %d is not between 1 and %d", f.limit, registry.MaxClaims)
	case len(f.kinds) > registry.MaxClaimKinds:
		return request, wrongUsage("--kind", "--kind is given %d times, and at most %d are allowed", len(f.kinds), registry.MaxClaimKinds)
	case f.wait < 0 || f.wait > maxWait:
		return request, wrongUsage("--wait", "--wait %v is not between 0s and %v", f.wait, maxWait)
	}
	var err error
	if request.TTLMs, err = ttlMs(owner.ttl); err != nil {
		return request, err
	}
	request.Owner, err = owner.claimant(cmd)
	return request, err
}

// showClaimed writes what was leased. An empty answer is [] as JSON.
func (a *app) showClaimed(claimed []registry.ClaimedProcess) error {
	if claimed == nil {
		claimed = []registry.ClaimedProcess{}
	}
	return a.emit(claimed, func(t *table) {
		if len(claimed) == 0 {
			t.line("nothing is ready")
		}
		for i := range claimed {
			if i > 0 {
				t.line("")
			}
			leaseRows(t, &claimed[i].Lease)
			t.row("kind", claimed[i].Record.Identity.Kind)
			t.row("attempt", number(claimed[i].Attempt))
		}
	})
}
