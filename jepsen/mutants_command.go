package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/jepsen/mutants"
)

// errMissed ends the program as a broken promise does.
var errMissed = fmt.Errorf("%w: a mutant was not caught", errViolated)

func mutantsCommand() *cobra.Command {
	var only string
	var quick bool
	options := mutants.Options{}
	var help strings.Builder
	for _, m := range mutants.All() {
		fmt.Fprintf(&help, "  %-18s %s\n", m.Name, m.Breaks)
	}
	cmd := &cobra.Command{
		Use:   "mutants",
		Short: "Switch off one protection after the other, and see whether that is noticed",
		Long: `Builds the node with one protection switched off, by a build tag, and makes runs
until a promise is broken; where no run gets there, a test has to fail. The exit
code is 1 when a mutant was not caught that has to be, and 2 when that could not be
found out. With --control the protections stay on, and nothing must be found.

Mutants:
` + help.String(),
		Example: "  go run ./jepsen mutants --only fence_append,clock_back\n  go run ./jepsen mutants --quick",
		Args:    cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&only, "only", "", "`names` of the mutants, with commas between them (default all)")
	flags.BoolVar(&quick, "quick", false, "only the three that are caught soonest")
	flags.DurationVar(&options.Time, "time", 30*time.Second, "for how long clients work at most for each mutant")
	flags.Uint64Var(&options.Seed, "seed", 1, "`number` of the first run's seed")
	flags.BoolVar(&options.Control, "control", false, "leave the protections on: nothing must be found")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		chosen, err := mutants.Choose(only, quick)
		if err != nil {
			return err
		}
		if options.Dir, err = os.MkdirTemp("", "holdfast-mutants-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(options.Dir)) }()
		return hunt(cmd, chosen, options)
	}
	return cmd
}

// hunt hunts one mutant after the other.
func hunt(cmd *cobra.Command, chosen []mutants.Mutant, options mutants.Options) error {
	bad, began := 0, time.Now()
	var failures error
	for _, m := range chosen {
		f, err := m.Hunt(cmd.Context(), options)
		failures = errors.Join(failures, err)
		fmt.Fprintln(cmd.OutOrStdout(), f)
		switch {
		case options.Control && f.Caught != "":
			fmt.Fprintln(cmd.OutOrStdout(), f.Detail)
			bad++
		case f.Missed():
			bad++
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d mutants in %v\n", len(chosen), time.Since(began).Round(time.Second))
	switch {
	case bad > 0 && options.Control:
		return errors.Join(errViolated, failures)
	case bad > 0:
		return errors.Join(errMissed, failures)
	}
	return failures
}
