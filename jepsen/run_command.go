package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/jepsen/nemesis"
	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/jepsen/run"
	"github.com/holdfast-registry/holdfast/jepsen/workload"
)

// errViolated ends the program with the exit code of a broken promise. What was
// found has been written by then.
var errViolated = errors.New("a promise did not hold")

// choices lists what a run can be made of, for help texts.
func choices() string {
	var b strings.Builder
	b.WriteString("Workloads:\n")
	for _, w := range workload.All() {
		fmt.Fprintf(&b, "  %-12s %s\n", w.Name, w.Help)
	}
	b.WriteString("\nNemeses:\n")
	for _, n := range nemesis.All() {
		fmt.Fprintf(&b, "  %-12s %s\n", n.Name, n.Help)
	}
	return b.String()
}

// runFlags are the flags of a run.
type runFlags struct {
	run.Options
	keep bool
}

func (f *runFlags) bind(cmd *cobra.Command, length time.Duration) {
	flags := cmd.Flags()
	flags.IntVar(&f.Nodes, "nodes", 3, "`number` of nodes")
	flags.IntVar(&f.Clients, "clients", 8, "`number` of clients")
	flags.DurationVar(&f.Time, "time", length, "for how long clients work and nemeses strike")
	flags.StringVar(&f.Workload, "workload", "mixed", "`name` of what the clients do")
	flags.StringVar(&f.Nemeses, "nemesis", nemesis.Default, "`names` of the nemeses, with commas between them, or none")
	flags.Uint64Var(&f.Seed, "seed", 0, "`number` that decides faults and calls (default random, and printed)")
	flags.StringVar(&f.Net, "net", run.NetProxy, "`network` between nodes and clients: proxy, or netns (root on Linux; cuts only)")
	flags.StringVar(&f.Dir, "dir", "", "empty or new `folder` for all that a run leaves behind (default a temporary one)")
	flags.BoolVar(&f.keep, "keep", false, "keep the folder of a run without violations, and the nodes' data")
}

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Let clients work on a cluster while nemeses harm it, and judge what they saw",
		Long: `Starts real node processes behind a network that can be cut, lets clients work
and nemeses strike for a while, makes everything well, reads everything back and
judges the whole. The exit code is 0 when every promise held, 1 when one did not,
and 2 when the run could not be made or judged. The folder with the history, the
verdicts, the nodes' logs and report.html is kept when it was named by --dir,
with --keep, and when the exit code is not 0.

` + choices(),
		Example: "  go run ./jepsen run --time 30s --workload mixed --nemesis kill,pause,partition --seed 7\n" +
			"  go run ./jepsen run --nodes 5 --time 5m --nemesis slow,partition,membership --dir /tmp/run",
		Args: cobra.NoArgs,
	}
	f.bind(cmd, 30*time.Second)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return f.with(cmd, func(ctx context.Context) error {
			result, err := f.make(ctx)
			if err != nil {
				return err
			}
			return conclude(f.Progress, result)
		})
	}
	return cmd
}

// with does something with a binary, in a folder of this program alone: another
// one that builds at the same time must not change it under running nodes.
func (f *runFlags) with(cmd *cobra.Command, do func(context.Context) error) (err error) {
	if !cmd.Flags().Changed("seed") {
		f.Seed = rand.Uint64N(1_000_000)
	}
	f.Progress = cmd.OutOrStdout()
	if err := f.Options.Check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "holdfast-jepsen-binary-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if f.Binary, err = process.Build(cmd.Context(), dir, f.Tags()...); err != nil {
		return err
	}
	return do(cmd.Context())
}

// make makes a run in its folder, and removes the folder if nobody wants it.
func (f *runFlags) make(ctx context.Context) (result *run.Result, err error) {
	options, named := f.Options, f.Dir != ""
	if options.Dir, err = folder(f.Dir); err != nil {
		return nil, err
	}
	fmt.Fprintf(f.Progress, "seed %d, %d nodes, %d clients, workload %s, nemeses %s, network %s, folder %s\n",
		options.Seed, options.Nodes, options.Clients, options.Workload, options.Nemeses, options.Net, options.Dir)
	options.Binary = f.Binary
	if result, err = run.Run(ctx, options); err != nil {
		return nil, fmt.Errorf("%w\n(the folder is %s)", err, options.Dir)
	}
	for _, text := range result.Config.Skipped {
		fmt.Fprintln(f.Progress, text)
	}
	sound := len(result.Verdicts.Violations()) == 0 && len(result.Verdicts.Undecided()) == 0
	switch {
	case sound && !named && !f.keep:
		err = os.RemoveAll(options.Dir)
	case sound && !f.keep:
		err = run.Clean(options.Dir)
	}
	return result, err
}

// folder makes the folder of a run, or makes sure that it is empty.
func folder(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "holdfast-jepsen-")
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("--dir %s is not empty", dir)
	}
	if err != nil {
		return "", err
	}
	return filepath.Abs(dir)
}

// conclude writes what a run came to, with the summary in the last line.
func conclude(out io.Writer, result *run.Result) error {
	violations, undecided := result.Verdicts.Violations(), result.Verdicts.Undecided()
	for _, v := range result.Verdicts {
		fmt.Fprintf(out, "  %-20s %s\n", v.Checker, v.Checked)
	}
	for _, v := range violations {
		fmt.Fprintln(out, v.Error())
	}
	for _, text := range undecided {
		fmt.Fprintln(out, "undecided:", text)
	}
	if len(violations) > 0 || len(undecided) > 0 {
		fmt.Fprintf(out, "the report is %s\n", filepath.Join(result.Config.Dir, run.ReportFile))
	}
	fmt.Fprintf(out, "%d ops, %d faults, %d violations\n", result.Ops, result.Faults, len(violations))
	switch {
	case len(violations) > 0:
		return errViolated
	case len(undecided) > 0:
		return errors.New("not everything could be decided")
	}
	return nil
}

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check DIR",
		Short: "Judge the history of an earlier run again",
		Long: `Reads the history that a run has left in its folder, judges it again, and writes
verdicts and report anew. The exit codes are those of run.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			result, err := run.JudgeAgain(args[0])
			if err != nil {
				return err
			}
			result.Config.Dir = args[0]
			return conclude(cmd.OutOrStdout(), result)
		},
	}
}

func soakCommand() *cobra.Command {
	var f runFlags
	var each time.Duration
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Make one run after the other for a long time",
		Long: `Makes runs, each with the next seed, until the time is over or a promise does not
hold. Each has a cluster of its own, so that memory, disk and the time of judging
stay bounded. Folders of runs that were sound are removed. The exit codes are those
of run.

` + choices(),
		Example: "  go run ./jepsen soak --time 8h\n" +
			"  go run ./jepsen soak --time 1h --nemesis snapshot,fsync-fail,fsync-hang,powerloss",
		Args: cobra.NoArgs,
	}
	f.bind(cmd, 8*time.Hour)
	cmd.Flags().DurationVar(&each, "each", 2*time.Minute, "for how long each run lasts")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return f.with(cmd, func(ctx context.Context) error { return f.soak(ctx, each) })
	}
	return cmd
}

// soak makes runs of one length until the whole time is over.
func (f *runFlags) soak(ctx context.Context, each time.Duration) error {
	whole, began, parent := f.Time, time.Now(), f.Dir
	f.Time = min(each, whole)
	runs, ops, faults := 0, 0, 0
	for time.Since(began) < whole && ctx.Err() == nil {
		if parent != "" {
			f.Dir = filepath.Join(parent, fmt.Sprint("seed-", f.Seed))
		}
		result, err := f.make(ctx)
		if err != nil {
			return err
		}
		runs, ops, faults = runs+1, ops+result.Ops, faults+result.Faults
		if err := conclude(f.Progress, result); err != nil {
			return err
		}
		fmt.Fprintf(f.Progress, "%d runs in %v of %v: %d ops, %d faults, 0 violations\n",
			runs, time.Since(began).Round(time.Second), whole, ops, faults)
		f.Seed++
	}
	return nil
}
