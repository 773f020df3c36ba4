//go:build !unix

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "demo",
		Short:   "Kill a leader and a worker (on a Unix only)",
		Long:    "Starts a cluster and workers, and kills some of them. That needs a Unix.",
		Example: "  holdfast demo",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a.begun = true
			return errors.New("the demo stops and kills processes as a Unix does, and this system is none: try holdfast dev")
		},
	}
}
