package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/registry"
)

// The most that is looked at to say how much a prune is about to delete. The
// number is for a person who is asked, and a large one need not be exact.
const (
	maxPreviewed = 1_000
	maxLookedAt  = 20_000
)

func (a *app) processPrune() *cobra.Command {
	var olderThan time.Duration
	var yes bool
	cmd := &cobra.Command{
		Use:   "prune --older-than TIME",
		Short: "Delete processes that ended long ago",
		Long: `Deletes every process that has ended and was last updated longer ago than a time,
with its events, wake acks, grants and lease, and reports how many there were. The
time is counted on the cluster's clock. Running processes are never deleted. What
is deleted cannot be brought back; its ids can be registered again.

It says what it is about to delete, and asks, unless --yes is given. A prune that
is interrupted has deleted whole processes only, and goes on when it is repeated.
Give it more time with --timeout if there is much to delete.`,
		Example: "  holdfast process prune --older-than 168h\n  holdfast process prune --older-than 720h --yes --timeout 10m --output json",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().DurationVar(&olderThan, "older-than", 0, "how long ago the last update must be, for example 168h")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	require(cmd, "older-than")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case olderThan < 0:
			return wrongUsage("--older-than", "--older-than must not be negative, for example 168h")
		case !yes && !a.interactive():
			return wrongUsage("--yes", "there is nobody to be asked, since stdin is no terminal: give --yes to delete without a question")
		}
		cutoffMs, ok, err := a.agreedCutoff(cmd, olderThan, yes)
		if err != nil || !ok {
			return err
		}
		return a.calls(func(ctx context.Context, s server, _ []string) error {
			report, err := s.PruneTerminalProcesses(ctx, cutoffMs)
			if err != nil {
				return err
			}
			return a.emit(report, func(t *table) {
				t.row("deleted processes", number(report.PrunedProcesses))
				t.row("deleted events", number(report.PrunedEvents))
				t.row("last updated before", atTime(cutoffMs))
			})
		})(cmd, args)
	}
	return cmd
}

// agreedCutoff works out the cutoff, and asks whether to go on. The question has
// all the time it takes: only the calls are bounded by --timeout.
func (a *app) agreedCutoff(cmd *cobra.Command, olderThan time.Duration, yes bool) (cutoffMs uint64, ok bool, err error) {
	var matches int
	var more bool
	err = a.calls(func(ctx context.Context, s server, _ []string) (err error) {
		nowMs, err := clusterClock(ctx, s)
		if err != nil {
			return err
		}
		if ago := uint64(olderThan.Milliseconds()); ago < nowMs {
			cutoffMs = nowMs - ago
		}
		if !yes {
			matches, more, err = countPrunable(ctx, s, cutoffMs)
		}
		return err
	})(cmd, nil)
	if err != nil || yes {
		return cutoffMs, err == nil, err
	}
	what := counted(matches, "process")
	if more {
		what = "at least " + what
	}
	question := fmt.Sprintf("This deletes every process that ended and was last updated before %s\n"+
		"on the cluster's clock, with all that belongs to it: %s at the moment.\nType yes to go on: ", atTime(cutoffMs), what)
	agreed, err := a.ask(cmd.Context(), question)
	if err == nil && !agreed {
		err = registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "--yes"}, "nothing was deleted, because the answer was not yes")
	}
	return cutoffMs, agreed, err
}

// clusterClock is the time on the cluster's clock. Reads tell only when the last
// entry was written, which in a cluster at rest may be long ago. Releasing a
// lease that does not exist is an entry, and changes nothing.
func clusterClock(ctx context.Context, s server) (nowMs uint64, err error) {
	var answer registry.AnswerInfo
	nothing := registry.ProcessLeaseCompletion{ProcessID: "no process, only the time", LeaseToken: randomID()}
	err = s.CompleteProcessLease(registry.WithAnswerInfo(ctx, &answer), nothing)
	return answer.ClockMs, err
}

// countPrunable counts what a prune would delete; more tells that it stopped
// early.
func countPrunable(ctx context.Context, s server, cutoffMs uint64) (matches int, more bool, err error) {
	lookedAt := 0
	for _, state := range []registry.ProcessState{registry.StateCompleted, registry.StateFailed, registry.StateCancelled, registry.StateAbandoned} {
		list := func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
			page.Size = registry.MaxPageSize
			return s.ListProcesses(ctx, registry.ProcessListFilter{Status: registry.StatusFilter(state)}, page)
		}
		for record, err := range registry.Each(ctx, list) {
			if err != nil {
				return matches, more, err
			}
			if record.UpdatedAtMs < cutoffMs {
				matches++
			}
			if lookedAt++; matches >= maxPreviewed || lookedAt >= maxLookedAt {
				return matches, true, nil
			}
		}
	}
	return matches, false, nil
}

// isTerminal tells whether somebody can be asked on a file: it is a character
// device, and not the one that programs without anybody get.
func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	nobody, err := os.Stat(os.DevNull)
	return err == nil && !os.SameFile(info, nobody)
}

// ask writes a question to stderr, since stdout is for the answer, and reads a
// line. Only "yes" is yes. The end of the context ends the wait: the line stays
// with the goroutine that reads it, in a program that is about to end.
func (a *app) ask(ctx context.Context, question string) (bool, error) {
	fmt.Fprint(a.stderr, question)
	type reply struct {
		line string
		err  error
	}
	replies := make(chan reply, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(a.stdin, 1<<10)).ReadString('\n')
		replies <- reply{line, err}
	}()
	select {
	case r := <-replies:
		if r.err != nil && !errors.Is(r.err, io.EOF) {
			return false, fmt.Errorf("read the answer: %w", r.err)
		}
		return strings.TrimSpace(r.line) == "yes", nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
