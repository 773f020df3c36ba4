package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/client/liveness"

	"github.com/holdfast-registry/holdfast/registry"
)

func (a *app) leaseCommand() *cobra.Command {
	return noun("lease", "Claim, reclaim, renew, release and look at leases",
		`A lease says who may execute a process now. Every new grant has a greater fencing
token than all before it; writes that carry the token and fencing token of a
lease apply only while it is the current one.`,
		"  holdfast lease claim hello --owner me --ttl 30s\n  holdfast lease next --owner me\n  holdfast lease get hello",
		a.leaseClaim(), a.leaseNext(), a.leaseReclaim(), a.leaseRenew(), a.leaseRelease(), a.leaseGet(),
		a.leaseCheck(), a.leaseHold())
}

// ownerFlags are the flags that name who wants or holds a lease.
type ownerFlags struct {
	owner, incarnation string
	ttl                time.Duration
	// pid is the process that the lease is for. It is never this one, which ends
	// before anybody could look for it; 0 leaves the liveness opaque.
	pid uint32
}

func (f *ownerFlags) bind(cmd *cobra.Command, incarnationUsage string) {
	f.bindOwner(cmd, incarnationUsage)
	cmd.Flags().DurationVar(&f.ttl, "ttl", 0, "how long the lease lasts without a renewal, for example 30s")
	require(cmd, "ttl")
}

func (f *ownerFlags) bindOwner(cmd *cobra.Command, incarnationUsage string) {
	cmd.Flags().StringVar(&f.owner, "owner", "", "the owner's `id`")
	cmd.Flags().StringVar(&f.incarnation, "incarnation", "", incarnationUsage)
	require(cmd, "owner")
}

// bindClaimant adds the flags of who wants a lease.
func (f *ownerFlags) bindClaimant(cmd *cobra.Command) {
	f.bind(cmd, "the owner's incarnation, an `id`; the same one extends its lease (default random, and shown)")
	f.bindPID(cmd)
}

func (f *ownerFlags) bindPID(cmd *cobra.Command) {
	cmd.Flags().Uint32Var(&f.pid, pidFlag, 0, "the process of this host that the lease is for, a `number` such as $$")
}

const pidFlag = "pid"

func (f *ownerFlags) identity() registry.LeaseOwnerIdentity {
	return registry.LeaseOwnerIdentity{OwnerID: f.owner, IncarnationID: f.incarnation}
}

// claimant is the identity of who wants a lease.
func (f *ownerFlags) claimant(cmd *cobra.Command) (registry.LeaseOwnerIdentity, error) {
	if !cmd.Flags().Changed("incarnation") {
		f.incarnation = randomID()
	}
	identity := f.identity()
	if !cmd.Flags().Changed(pidFlag) {
		return identity, nil
	}
	var err error
	if identity.Liveness, err = liveness.Of(f.pid); err != nil {
		return identity, wrongUsage("--"+pidFlag, "--%s: %v", pidFlag, err)
	}
	return identity, nil
}

func (a *app) leaseClaim() *cobra.Command {
	var owner ownerFlags
	cmd := &cobra.Command{
		Use:   "claim ID --owner OWNER --ttl TIME",
		Short: "Take the lease of a process",
		Long: `Takes the lease of a process if it is free, released or expired. The owner that
already holds it, under the same incarnation, extends it and keeps its fencing
token. If somebody else holds it, the holder is shown and the exit code is 3.

With --pid the lease also says which process of this host it is for, so that
others here can take it over as soon as that process has ended: see lease reclaim.`,
		Example: `  holdfast lease claim hello --owner me --ttl 30s
  holdfast lease claim hello --owner me --ttl 30s --pid $$
  holdfast lease claim hello --owner me --incarnation i1 --ttl 5m --output json`,
		Args: one("process id"),
	}
	owner.bindClaimant(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ttl, err := ttlMs(owner.ttl)
		if err != nil {
			return err
		}
		claimant, err := owner.claimant(cmd)
		if err != nil {
			return err
		}
		return a.calls(func(ctx context.Context, s server, args []string) error {
			outcome, err := s.ClaimProcessLease(ctx, args[0], claimant, ttl)
			if err != nil {
				return err
			}
			return a.showClaim(outcome, "")
		})(cmd, args)
	}
	return cmd
}

func (a *app) leaseReclaim() *cobra.Command {
	var owner ownerFlags
	cmd := &cobra.Command{
		Use:   "reclaim ID --owner OWNER --ttl TIME --pid PID",
		Short: "Take over the lease of a holder that has died",
		Long: `Takes the lease of a process away from a holder whose own process has ended, before
the lease does. That can be seen only where the holder ran: on the same host, in
the same container and since the same boot, and only if it claimed with --pid or
through the Go client. Every other holder keeps its lease: it is shown, with the
reason, and the exit code is 3. A lease that nobody holds is claimed.

The lease is for the process that --pid names, so that it can be taken over in
turn.`,
		Example: "  holdfast lease reclaim hello --owner me --ttl 30s --pid $$",
		Args:    one("process id"),
	}
	owner.bindClaimant(cmd)
	require(cmd, pidFlag)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ttl, err := ttlMs(owner.ttl)
		if err != nil {
			return err
		}
		claimant, err := owner.claimant(cmd)
		if err != nil {
			return err
		}
		return a.calls(func(ctx context.Context, s server, args []string) error {
			return a.reclaim(ctx, s, args[0], claimant, ttl)
		})(cmd, args)
	}
	return cmd
}

// reclaim looks at the holder and takes its lease if it is dead. It is the
// server that decides whether anybody holds it, so it is asked in any case.
func (a *app) reclaim(ctx context.Context, s server, process string, claimant registry.LeaseOwnerIdentity, ttlMs uint64) error {
	observed, err := s.GetProcessLease(ctx, process)
	if err != nil {
		return err
	}
	// The own lease, after an answer that was lost, is given again by a claim.
	if observed == nil || observed.Owner.SameIncarnation(claimant) {
		outcome, err := s.ClaimProcessLease(ctx, process, claimant, ttlMs)
		if err != nil {
			return err
		}
		return a.showClaim(outcome, "")
	}
	judged := liveness.Judge(observed.Owner.Liveness, claimant.Liveness)
	outcome, err := s.ReclaimProcessLease(ctx, process, claimant, *observed, judged.Verdict, ttlMs)
	if err != nil {
		return err
	}
	reason := judged.Reason
	if judged.Verdict == registry.VerdictDead {
		reason = "somebody else was faster"
	}
	return a.showClaim(outcome, reason)
}

// randomID is 128 random bits as text.
func randomID() string {
	var id [16]byte
	// It cannot fail: the runtime ends the process first.
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

func (a *app) leaseRenew() *cobra.Command {
	var owner ownerFlags
	var held fenceFlags
	cmd := &cobra.Command{
		Use:   "renew ID --lease-token TOKEN --fencing-token N --owner OWNER --incarnation INCARNATION --ttl TIME",
		Short: "Extend a lease that is still held",
		Long: `Extends a live lease from now by the ttl. It is refused once the lease has
expired or was released, or somebody else has the process.`,
		Example: "  holdfast lease renew hello --lease-token 5f0c --fencing-token 7 --owner me --incarnation i1 --ttl 30s",
		Args:    one("process id"),
	}
	owner.bind(cmd, "the owner's incarnation, an `id`, as claimed")
	held.bind(cmd, "the lease's `token`, as lease claim showed it")
	require(cmd, "incarnation", leaseTokenFlag, fencingTokenFlag)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ttl, err := ttlMs(owner.ttl)
		if err != nil {
			return err
		}
		return a.calls(func(ctx context.Context, s server, args []string) error {
			lease := registry.ProcessLease{
				ProcessID:    args[0],
				Owner:        owner.identity(),
				LeaseToken:   held.leaseToken,
				FencingToken: held.fencingToken,
			}
			renewed, err := s.RenewProcessLease(ctx, lease, ttl)
			if err != nil {
				return err
			}
			return a.emit(renewed, func(t *table) { leaseRows(t, &renewed) })
		})(cmd, args)
	}
	return cmd
}

// released is what a release was about.
type released struct {
	ProcessID    string `json:"process_id"`
	LeaseToken   string `json:"lease_token"`
	RetryAfterMs uint64 `json:"retry_after_ms,omitempty"`
}

func (a *app) leaseRelease() *cobra.Command {
	var token string
	var retryAfter time.Duration
	cmd := &cobra.Command{
		Use:   "release ID --lease-token TOKEN",
		Short: "Give a lease back",
		Long: `Releases the lease with this token, so that the next claim need not wait for its
end. A token that is not the current one changes nothing, and is no error.

With --retry-after the process is left alone by lease next for so long. A lease
claim may still have it.`,
		Example: "  holdfast lease release hello --lease-token 5f0c\n  holdfast lease release hello --lease-token 5f0c --retry-after 5m",
		Args:    one("process id"),
	}
	cmd.Flags().StringVar(&token, leaseTokenFlag, "", "the lease's `token`, as lease claim showed it")
	cmd.Flags().DurationVar(&retryAfter, "retry-after", 0, "for how long lease next is not to hand the process out, for example 5m")
	require(cmd, leaseTokenFlag)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if most := registry.MaxRetryAfterMs * time.Millisecond; retryAfter < 0 || retryAfter > most {
			return wrongUsage("--retry-after", "--retry-after %v is not between 0s and %v", retryAfter, most)
		}
		return a.calls(func(ctx context.Context, s server, args []string) error {
			return a.release(ctx, s, args[0], token, retryAfter)
		})(cmd, args)
	}
	return cmd
}

// release gives a lease back, with or without a delay.
func (a *app) release(ctx context.Context, s server, process, token string, retryAfter time.Duration) (err error) {
	completion := registry.ProcessLeaseCompletion{ProcessID: process, LeaseToken: token}
	delay := uint64(retryAfter.Milliseconds())
	if delay == 0 {
		err = s.CompleteProcessLease(ctx, completion)
	} else {
		err = s.ReleaseForRetry(ctx, completion, delay)
	}
	if err != nil {
		return err
	}
	return a.emit(released{process, token, delay}, func(t *table) {
		t.line("no lease of " + oneLine(process) + " has this token any more")
		if delay > 0 {
			t.line("if it was the current one, lease next leaves the process alone for " + retryAfter.String())
		}
	})
}

func (a *app) leaseGet() *cobra.Command {
	return &cobra.Command{
		Use:   "get ID",
		Short: "Show who holds the lease of a process",
		Long: `Shows the lease that is held, expired or not: until somebody else claims it, an
expired lease still passes as a fence. A process without a lease, and one that is
not known, show none.`,
		Example: "  holdfast lease get hello\n  holdfast lease get hello --output json",
		Args:    one("process id"),
		RunE: a.calls(func(ctx context.Context, s server, args []string) error {
			var answer registry.AnswerInfo
			lease, err := s.GetProcessLease(registry.WithAnswerInfo(ctx, &answer), args[0])
			if err != nil {
				return err
			}
			return a.emit(lease, func(t *table) {
				if lease == nil {
					t.line("no lease")
					return
				}
				leaseRows(t, lease)
				if answer.ClockMs >= lease.ExpiresAtMs {
					t.row("state", "expired, and not yet taken by anybody else")
				}
			})
		}),
	}
}

// showClaim writes the answer to a claim, and sets the exit code of a busy one.
// The reason is why the holder keeps its lease, if anybody asked.
func (a *app) showClaim(outcome registry.ProcessLeaseClaimOutcome, reason string) error {
	err := a.emit(outcome, func(t *table) {
		if outcome.Busy != nil {
			t.line("busy: the lease is held by")
			leaseRows(t, outcome.Busy)
			t.fact("not dead", reason)
			return
		}
		leaseRows(t, outcome.Acquired)
	})
	if err == nil && outcome.Busy != nil {
		return errBusy
	}
	return err
}

func leaseRows(t *table, lease *registry.ProcessLease) {
	t.row("process", lease.ProcessID)
	t.row("owner", lease.Owner.OwnerID)
	t.row("incarnation", lease.Owner.IncarnationID)
	t.row("lease token", lease.LeaseToken)
	t.row("fencing token", number(lease.FencingToken))
	t.row("claimed", atTime(lease.ClaimedAtMs))
	t.row("expires", atTime(lease.ExpiresAtMs))
}

// ownerText is an owner on one line.
func ownerText(owner registry.LeaseOwnerIdentity) string {
	return owner.OwnerID + " (incarnation " + owner.IncarnationID + ")"
}
