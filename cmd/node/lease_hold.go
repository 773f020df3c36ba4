package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

// holdFlags are the flags of lease hold.
type holdFlags struct {
	owner, incarnation string
	ttl, grace         time.Duration
}

func (a *app) leaseHold() *cobra.Command {
	var flags holdFlags
	cmd := &cobra.Command{
		Use:   "hold ID [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run a command under a lease that is kept",
		Long: `Takes the lease of a process, runs a command, keeps the lease renewed as long as it
runs, and releases it afterwards. The exit code is the command's own; 128 and the
number of the signal that killed it; 3 when the lease is held by somebody else
(the command was not run then); 4 when the lease was lost (the command was ended).

The command finds its lease in HOLDFAST_PROCESS_ID, HOLDFAST_FENCING_TOKEN and
HOLDFAST_LEASE_TOKEN, and the cluster in HOLDFAST_ADDRS. Signals to this program are
handed on to it.

When the lease cannot be renewed in time, or is another owner's, the command gets
SIGTERM, and SIGKILL when its grace is over, which is before anybody else can get
the lease. A command that runs on without this program (because only this program
was stopped) can still be late: resources that it writes to should check its
fencing token. On Linux the command dies with this program.

Without a terminal on stdin the command is the leader of a process group of its own,
and signals reach all of that. With one it stays in the terminal's, which sends
Ctrl-C to all by itself, and the end of the lease ends the command alone. What the
command leaves running when it ends is not under the lease any more.`,
		Example: `  holdfast lease hold nightly -- ./backup.sh
  holdfast lease hold nightly --ttl 1m --grace 5s --owner host-a -- ./backup.sh --full`,
		Args: holdArgs,
	}
	cmd.Flags().StringVar(&flags.owner, "owner", "", "the owner's `id` (default the host name)")
	cmd.Flags().StringVar(&flags.incarnation, "incarnation", "", "the owner's incarnation, an `id`; the same one gets its lease back (default random)")
	cmd.Flags().DurationVar(&flags.ttl, "ttl", 30*time.Second, "how long the lease lasts without a renewal")
	cmd.Flags().DurationVar(&flags.grace, "grace", 0, "how long the command may take to end after SIGTERM when the lease is lost (default a sixth of the ttl)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := flags.complete(cmd); err != nil {
			return err
		}
		a.begun = true
		s, err := a.dial(a.addrs, a.timeout)
		if err != nil {
			return fmt.Errorf("open the client: %w", err)
		}
		defer func() { _ = s.Close() }()
		return a.hold(cmd.Context(), s, args[0], flags, args[1:])
	}
	return cmd
}

// holdArgs takes a process id, two dashes and a command.
func holdArgs(cmd *cobra.Command, args []string) error {
	switch dash := cmd.ArgsLenAtDash(); {
	case len(args) == 0 || dash == 0:
		return wrongUsage("process id", "%s needs the process id: %s", cmd.CommandPath(), cmd.UseLine())
	case dash < 0 || dash == len(args):
		return wrongUsage("command", "%s needs a command behind two dashes: %s", cmd.CommandPath(), cmd.UseLine())
	case dash > 1:
		return wrongUsage("process id", "%s takes one process id before the two dashes, but got %d arguments", cmd.CommandPath(), dash)
	}
	return nil
}

func (f *holdFlags) complete(cmd *cobra.Command) error {
	if _, err := ttlMs(f.ttl); err != nil {
		return err
	}
	if !cmd.Flags().Changed("grace") {
		f.grace = f.ttl / 6
	} else if f.grace < 0 || f.grace > f.ttl/2 {
		return wrongUsage("--grace", "--grace %v is not between 0s and half of --ttl %v: give the lease a longer ttl", f.grace, f.ttl)
	}
	if !cmd.Flags().Changed("incarnation") {
		f.incarnation = randomID()
	}
	if f.owner == "" {
		host, err := os.Hostname()
		if err != nil {
			return wrongUsage("--owner", "the host has no name to be the owner's id: give --owner")
		}
		f.owner = host
	}
	return nil
}

// commandEnded ends a command whose exit code is an answer: that of the child
// that it ran, or how the process ended that it waited for.
type commandEnded struct{ code int }

func (e commandEnded) Error() string {
	return fmt.Sprintf("the command ended with exit code %d", e.code)
}

// hold claims the lease, runs the command, and releases the lease.
func (a *app) hold(ctx context.Context, s server, processID string, flags holdFlags, command []string) error {
	// Before the claim, so that no signal falls between it and the command.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwardedSignals...)
	defer signal.Stop(signals)

	// Opaque: others must not take the lease over because this program has
	// died, as long as something that it started may live.
	owner := registry.LeaseOwnerIdentity{OwnerID: flags.owner, IncarnationID: flags.incarnation}
	lease, err := client.Claim(ctx, s, processID, owner, flags.ttl, client.WithStopTime(flags.grace))
	var busy *client.BusyError
	if errors.As(err, &busy) {
		return a.showBusy(busy)
	} else if err != nil {
		return err
	}
	defer a.letGo(ctx, lease)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("the command was not run: %w", err)
	}

	child, err := a.startChild(command, lease.Lease())
	if err != nil {
		return err
	}
	code, err := child.await(lease, signals)
	if err != nil {
		a.report(err, a.output == outputJSON)
		return errNotHeld
	}
	if code != exitOK {
		return commandEnded{code}
	}
	return nil
}

// letGo gives the lease back. That it cannot be is no failure of the command.
func (a *app) letGo(ctx context.Context, lease *client.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.timeout)
	defer cancel()
	if err := lease.Release(ctx); err != nil {
		a.report(fmt.Errorf("the lease was not released and runs out by itself: %w", err), a.output == outputJSON)
	}
}

// showBusy tells who holds the lease. Stdout is the command's.
func (a *app) showBusy(busy *client.BusyError) error {
	if a.output == outputJSON {
		line, err := registry.MarshalJSONText(registry.ProcessLeaseClaimOutcome{Busy: &busy.Holder})
		if err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
		fmt.Fprintln(a.stderr, string(line))
		return errBusy
	}
	a.report(busy, false)
	return errBusy
}
