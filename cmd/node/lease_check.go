package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

// errNotHeld ends a command that found a lease lost. What it found is already
// written, and it only sets the exit code.
var errNotHeld = errors.New("the lease is not held any more")

func (a *app) leaseCheck() *cobra.Command {
	var fencingToken uint64
	cmd := &cobra.Command{
		Use:   "check ID --fencing-token N",
		Short: "Tell whether a fencing token is the current one",
		Long: `Tells whether a fencing token is that of the lease which the process has: neither
superseded nor released. If not, the exit code is 4. An expired lease that nobody
has taken is still current.

The answer may be old when it arrives. A resource that guards itself by fencing
tokens also remembers the greatest that it let through, and refuses smaller ones.`,
		Example: "  holdfast lease check hello --fencing-token 7\n  holdfast lease check hello --fencing-token 7 --output json",
		Args:    one("process id"),
	}
	cmd.Flags().Uint64Var(&fencingToken, fencingTokenFlag, 0, "the fencing token to check, a `number`")
	require(cmd, fencingTokenFlag)
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		status, err := s.CheckFence(ctx, args[0], fencingToken)
		if err != nil {
			return err
		}
		err = a.emit(status, func(t *table) {
			t.row("current", yesNo(status.Current))
			t.row("live", yesNo(status.Live))
			t.row("fencing token", number(status.FencingToken))
			t.row("lease time left", number(status.LeaseTimeLeftMs)+" ms")
		})
		if err == nil && !status.Current {
			return errNotHeld
		}
		return err
	})
	return cmd
}
