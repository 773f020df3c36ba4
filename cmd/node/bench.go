package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/bench"
)

// The bounds of the bench flags.
const (
	maxBenchCallers = 10_000
	maxBenchTime    = 24 * time.Hour
)

func (a *app) benchCommand() *cobra.Command {
	var sessions bool
	config := bench.Config{}
	level := ""
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Load a cluster and measure how it answers",
		Long: `Loads a running cluster through the client and measures it. Workloads:

  lifecycle    register, claim, two fenced appends, complete, release: six calls
  write        append an event
  read         read a process, linearizable or with --read-level stale
  lease-renew  renew a lease

Without --rate every caller makes its next call when the one before is answered
(a closed loop). With --rate calls are begun at that rate whether or not earlier
ones were answered, and a latency counts from the moment the call was due, so
that a stall shows in all calls that it delayed.

The processes of a run stay in the cluster: use one that holds nothing else.`,
		Example: `  holdfast bench --workload lifecycle --callers 64 --time 10s
  holdfast bench --workload read --read-level stale --callers 16 --output json
  holdfast bench --workload write --rate 2000 --callers 64`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Workload, "workload", "lifecycle", "what to do: lifecycle, write, read or lease-renew")
	flags.StringVar(&level, "read-level", "linearizable", "how fresh reads must be: linearizable or stale")
	flags.IntVar(&config.Callers, "callers", 64, "how many callers work beside each other")
	flags.DurationVar(&config.Time, "time", 10*time.Second, "how long to measure")
	flags.DurationVar(&config.WarmUp, "warm-up", 2*time.Second, "how long to load before measuring")
	flags.Float64Var(&config.Rate, "rate", 0, "begin so many iterations a second instead of waiting for answers")
	flags.IntVar(&config.PayloadBytes, "payload-bytes", 256, "the size of an event's payload")
	flags.BoolVar(&sessions, "sessions", false, "stamp writes so that each happens once, as the Go client does unless told otherwise")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkBench(&config, level); err != nil {
			return err
		}
		a.begun = true
		var options []client.Option
		if !sessions {
			options = append(options, client.WithoutSessions())
		}
		s, err := a.dial(a.addrs, a.timeout, options...)
		if err != nil {
			return fmt.Errorf("open the client: %w", err)
		}
		// Nothing is left to save when the run is over.
		defer func() { _ = s.Close() }()
		config.Prefix = "bench-" + randomID()
		config.Progress = func(p bench.Progress) {
			phase := "measuring"
			if p.WarmingUp {
				phase = "warming up"
			}
			fmt.Fprintf(a.stderr, "%s, %4.0f s: %d done, %d failed\n", phase, p.Elapsed.Seconds(), p.Iterations, p.Errors)
		}
		result, err := bench.Run(cmd.Context(), s, config)
		if err != nil {
			return err
		}
		return a.emit(result, func(t *table) { benchRows(t, &result) })
	}
	return cmd
}

func checkBench(config *bench.Config, level string) error {
	switch level {
	case "linearizable":
	case "stale":
		if config.Workload != "read" {
			return wrongUsage("read-level", "--read-level stale goes with --workload read")
		}
		config.Workload = "read-stale"
	default:
		return wrongUsage("read-level", "--read-level is linearizable or stale, not %q", level)
	}
	if !slices.Contains(bench.Workloads(), config.Workload) {
		return wrongUsage("workload", "--workload is one of %s, not %q", strings.Join(bench.Workloads(), ", "), config.Workload)
	}
	switch {
	case config.Callers < 1 || config.Callers > maxBenchCallers:
		return wrongUsage("callers", "--callers is 1 to %d, not %d", maxBenchCallers, config.Callers)
	case config.Time <= 0 || config.Time > maxBenchTime:
		return wrongUsage("time", "--time is more than 0 and at most %v, not %v", maxBenchTime, config.Time)
	case config.WarmUp < 0 || config.WarmUp > maxBenchTime:
		return wrongUsage("warm-up", "--warm-up is 0 to %v, not %v", maxBenchTime, config.WarmUp)
	case config.Rate < 0:
		return wrongUsage("rate", "--rate is not negative, or 0 for a closed loop")
	case config.PayloadBytes < 0 || config.PayloadBytes > 1<<20:
		return wrongUsage("payload-bytes", "--payload-bytes is 0 to %d, not %d", 1<<20, config.PayloadBytes)
	}
	return nil
}

func benchRows(t *table, r *bench.Result) {
	loop := r.Loop + " loop"
	if r.Rate > 0 {
		loop = fmt.Sprintf("open loop, %g iterations/s wanted", r.Rate)
	}
	t.row("WORKLOAD", r.Workload, fmt.Sprintf("%d callers, %s, %g s", r.Callers, loop, r.Seconds))
	t.row("CALLS/S", fmt.Sprintf("%.0f", r.OpsPerSecond), "")
	if r.Workload == "lifecycle" {
		t.row("LIFE CYCLES/S", fmt.Sprintf("%.0f", r.LifecyclesPerSec), "")
	}
	l := r.LatencyMs
	t.row("LATENCY ms", fmt.Sprintf("p50 %.2f", l.P50), fmt.Sprintf("p90 %.2f, p99 %.2f, p99.9 %.2f, max %.2f, mean %.2f", l.P90, l.P99, l.P999, l.Max, l.Mean))
	t.row("ERRORS", fmt.Sprint(r.Errors), "")
	for _, code := range sortedKeys(r.ErrorCodes) {
		t.row("", code, fmt.Sprint(r.ErrorCodes[code]))
	}
}

func sortedKeys(counts map[string]uint64) []string {
	keys := make([]string, 0, len(counts))
	for key := range counts {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
