// Command jepsen injects failures into clusters of real processes and judges
// what their clients saw.
//
//	go run ./jepsen run --time 30s --workload mixed --nemesis kill,pause,partition --seed 7
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/jepsen/rounds"
)

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore)
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// execute is the program without its process: it returns the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use: "jepsen", Short: "Inject failures into real clusters and judge what clients saw",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.AddCommand(runCommand(), checkCommand(), soakCommand(), roundsCommand())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "jepsen:", err)
		var violation *rounds.Violation
		if errors.Is(err, errViolated) || errors.As(err, &violation) {
			return 1
		}
		return 2
	}
	return 0
}

func roundsCommand() *cobra.Command {
	var count, nodes int
	var seed uint64
	var dir string
	var keep bool
	cmd := &cobra.Command{
		Use:   "rounds",
		Short: "Kill and restart nodes under load: no acked write may be lost",
		Long: `Runs real node processes and writers that append events under leases all the
time. Each round kills or pauses one or two nodes, brings them back, waits for a
serving leader and reads everything back. The exit code is 1 when a promise did
not hold; the nodes' folders and the history are kept then.`,
		Example: "  go run ./jepsen rounds --rounds 200\n  go run ./jepsen rounds --rounds 20 --seed 7 --keep",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().IntVar(&count, "rounds", 200, "`number` of rounds")
	cmd.Flags().Uint64Var(&seed, "seed", 0, "`number` that decides the faults (default random, and printed)")
	cmd.Flags().IntVar(&nodes, "nodes", 3, "`number` of nodes")
	cmd.Flags().StringVar(&dir, "dir", "", "`folder` for data, logs and history (default a temporary one)")
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the folder of a run without violations too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if count < 1 || nodes < 1 {
			return errors.New("--rounds and --nodes must be at least 1")
		}
		if !cmd.Flags().Changed("seed") {
			seed = rand.Uint64()
		}
		if dir == "" {
			dir, err = os.MkdirTemp("", "holdfast-jepsen-")
		} else {
			// What somebody named is not ours to remove.
			keep, err = true, os.MkdirAll(dir, 0o750)
		}
		if err != nil {
			return err
		}
		err = runRounds(cmd.Context(), cmd.OutOrStdout(), rounds.Options{Dir: dir, Rounds: count, Seed: seed, Nodes: nodes})
		if err != nil || keep {
			fmt.Fprintf(cmd.OutOrStdout(), "data, logs and history (%s) are in %s\n", rounds.HistoryFile, dir)
			return err
		}
		return os.RemoveAll(dir)
	}
	return cmd
}

func runRounds(ctx context.Context, out io.Writer, options rounds.Options) (err error) {
	fmt.Fprintf(out, "seed %d, %d nodes, %d rounds\n", options.Seed, options.Nodes, options.Rounds)
	if options.Binary, err = process.Build(ctx, options.Dir); err != nil {
		return err
	}
	options.Progress = out
	report, err := rounds.Run(ctx, options)
	fmt.Fprintf(out, "%d rounds in %v: %d processes, %d claims, %d acked appends, %d of unknown outcome, %d refused, %d events read back\n",
		report.Rounds, report.Elapsed.Round(time.Second), report.Processes, report.Claims,
		report.AckedAppends, report.Unknown, report.Refused, report.Read)
	if err != nil {
		return fmt.Errorf("%w\n(seed %d)", err, options.Seed)
	}
	fmt.Fprintln(out, "every promise held")
	return nil
}
