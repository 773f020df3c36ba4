package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

// streams is what the commands that wait need of a server.
type streams interface {
	WatchEvents(watch registry.EventWatch) *client.EventWatch
	WatchChanges(after registry.ChangeCursor) *client.ChangeWatch
	AwaitTerminal(ctx context.Context, processID string) (registry.ProcessAwaitOutput, error)
}

// waits makes the RunE of a command that lasts until there is an answer, or
// until it is interrupted. --timeout bounds it if it was given for it.
func (a *app) waits(body func(ctx context.Context, s server, w streams, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.begun = true
		ctx, cancel := cmd.Context(), context.CancelFunc(func() {})
		if _, elsewhere := a.sources["timeout"]; cmd.Flags().Changed("timeout") && !elsewhere {
			ctx, cancel = context.WithTimeout(ctx, a.timeout)
		}
		defer cancel()
		s, err := a.dial(a.addrs, a.timeout, client.WithoutSessions())
		if err != nil {
			return fmt.Errorf("open the client: %w", err)
		}
		defer func() { _ = s.Close() }()
		w, ok := s.(streams)
		if !ok {
			return registry.Errorf(registry.CodeUnsupported, registry.Fields{}, "this registry has no streams")
		}
		return body(ctx, s, w, args)
	}
}

// interrupted tells that a command which follows something was told to end.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, ctx.Err())
}

func (a *app) eventWatch() *cobra.Command {
	var watch registry.EventWatch
	var untilTerminal bool
	cmd := &cobra.Command{
		Use:   "watch ID",
		Short: "Follow the events of a process",
		Long: `Shows the events of a process as they come, one on a line: first those that are
stored, from the first one or from what follows --after, then the new ones, in
order, each once. It goes on when nodes and leaders go down, and ends when it is
interrupted, after --timeout if that is given here, or when the process is pruned.

With --until-terminal it ends with the event that ended the process.`,
		Example: `  holdfast event watch hello
  holdfast event watch hello --after 10 --output json
  holdfast event watch hello --type progress --until-terminal --timeout 5m`,
		Args: one("process id"),
	}
	cmd.Flags().Uint64Var(&watch.After.Sequence, "after", 0, "only events with a greater sequence than this `number`")
	cmd.Flags().StringVar(&watch.EventType, "type", "", "only events of this `type`")
	cmd.Flags().BoolVar(&untilTerminal, "until-terminal", false, "end when the process has ended")
	cmd.RunE = a.waits(func(ctx context.Context, s server, w streams, args []string) error {
		watch.ProcessID = args[0]
		var err error
		if untilTerminal {
			err = a.followToTheEnd(ctx, s, w, watch)
		} else {
			_, err = a.followEvents(ctx, w, watch)
		}
		if interrupted(ctx, err) {
			return nil
		}
		return err
	})
	return cmd
}

// followEvents shows events until something keeps it from going on, and returns
// how far it has come.
func (a *app) followEvents(ctx context.Context, w streams, watch registry.EventWatch) (uint64, error) {
	events := w.WatchEvents(watch)
	defer events.Close()
	for event, err := range events.All(ctx) {
		if err == nil {
			err = a.showEvent(event)
		}
		if err != nil {
			return events.Cursor().Sequence, err
		}
	}
	return events.Cursor().Sequence, nil
}

var errProcessEnded = errors.New("the process has ended")

// followToTheEnd shows events until the process has ended, and what there is
// then. The event that ended it may be none of those that are asked for.
func (a *app) followToTheEnd(ctx context.Context, s server, w streams, watch registry.EventWatch) error {
	following, end := context.WithCancelCause(ctx)
	waiting := make(chan struct{})
	defer func() { <-waiting }()
	defer end(nil)
	go func() {
		defer close(waiting)
		_, err := w.AwaitTerminal(following, watch.ProcessID)
		if err == nil {
			err = errProcessEnded
		}
		end(err)
	}()
	through, err := a.followEvents(following, w, watch)
	if context.Cause(following) != errProcessEnded {
		return err
	}
	rest, err := collect(ctx, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
		return s.EventsAfter(ctx, watch.ProcessID, through, page)
	})
	for _, event := range rest {
		if err == nil && (watch.EventType == "" || watch.EventType == event.EventType) {
			err = a.showEvent(event)
		}
	}
	return err
}

// showEvent writes one event on one line.
func (a *app) showEvent(event registry.ProcessEvent) error {
	return a.emitLine(event, func(t *table) {
		key := event.ReplayKey
		if key == "" {
			key = "-"
		}
		t.row(number(event.Sequence), atTime(event.OccurredAtMs), event.EventType, key, compact(event.Payload))
	})
}

// The exit codes of process await, beside exitOK for success.
const (
	exitFailed    = 5
	exitCancelled = 6
	exitAbandoned = 7
)

func (a *app) processAwait() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "await ID",
		Short: "Wait until a process has ended",
		Long: `Waits until a process has ended, for as long as it takes, and shows its output.
With --timeout on the command line it gives up after that time. It goes on waiting
when nodes and leaders go down.

The exit code tells how the process ended: 0 success, 5 failure, 6 cancelled,
7 abandoned. 1 is an error: the process is not known, was pruned meanwhile, or had
not ended in time.`,
		Example: "  holdfast process await hello\n  holdfast process await hello --timeout 5m --output json",
		Args:    one("process id"),
	}
	cmd.RunE = a.waits(func(ctx context.Context, _ server, w streams, args []string) error {
		output, err := w.AwaitTerminal(ctx, args[0])
		if interrupted(ctx, err) {
			return fmt.Errorf("process `%s` had not ended when the wait ended: %w", args[0], err)
		} else if err != nil {
			return err
		}
		if err := a.showOutput(output); err != nil {
			return err
		}
		switch output.Kind {
		case registry.OutputSuccess:
			return nil
		case registry.OutputFailure:
			return commandEnded{exitFailed}
		case registry.OutputCancelled:
			return commandEnded{exitCancelled}
		default:
			return commandEnded{exitAbandoned}
		}
	})
	return cmd
}

// showOutput writes what a process ended with.
func (a *app) showOutput(output registry.ProcessAwaitOutput) error {
	return a.emit(output, func(t *table) {
		t.row("type", string(output.Kind))
		if output.Kind == registry.OutputSuccess {
			t.row("value", compact(output.Value))
		}
		t.fact("class", string(output.Class))
		t.fact("code", output.Code)
		t.fact("message", output.Message)
		if output.Raw != nil {
			t.row("raw", compact(output.Raw))
		}
		if evidence := output.Evidence; evidence != nil {
			t.row("writer", string(evidence.Writer))
			if evidence.Owner != nil {
				t.row("owner", evidence.Owner.OwnerID)
			}
		}
	})
}

func (a *app) changesCommand() *cobra.Command {
	return noun("changes", "Follow what changes about processes",
		"Every write that changes something about a process can be followed, over all processes.",
		"  holdfast changes watch",
		a.changesWatch())
}

// shownChange is a change with the cursor behind it.
type shownChange struct {
	registry.ProcessChange
	Cursor string `json:"cursor"`
}

func (a *app) changesWatch() *cobra.Command {
	var after string
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Follow the changes of all processes",
		Long: `Shows the changes of all processes as they come, one on a line: at which revision,
of which process and life, and of which kind, but not what the process is like now:
"process get" tells that. It begins with the present, or behind a cursor, which comes
with every change as JSON and with the first line otherwise; a cluster keeps the
last 65,536 changes, and an older cursor is Compacted.

It goes on when nodes and leaders go down, and ends when it is interrupted, or after
--timeout if that is given here.`,
		Example: "  holdfast changes watch\n  holdfast changes watch --after 6c1f0d.0.1234 --output json",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&after, "after", "", "only changes behind this `cursor` (default the present)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cursor, err := registry.ParseChangeCursor(after)
		if err != nil {
			return wrongUsage("--after", "--after %q is not a cursor of changes: take one that came with a change", after)
		}
		return a.waits(func(ctx context.Context, _ server, w streams, _ []string) error {
			err := a.followChanges(ctx, w, cursor)
			if interrupted(ctx, err) {
				return nil
			}
			return err
		})(cmd, args)
	}
	return cmd
}

func (a *app) followChanges(ctx context.Context, w streams, after registry.ChangeCursor) error {
	changes := w.WatchChanges(after)
	defer changes.Close()
	begin, err := changes.Begin(ctx)
	if err != nil {
		return err
	}
	if a.output == outputText {
		fmt.Fprintf(a.stdout, "# behind %v: revision, kind, life, sequence, process\n", begin)
	}
	for change, err := range changes.All(ctx) {
		if err != nil {
			return err
		}
		err = a.emitLine(shownChange{change, changes.Cursor().String()}, func(t *table) {
			sequence := "-"
			if change.Sequence > 0 {
				sequence = number(change.Sequence)
			}
			t.row(number(change.Revision), change.Kind.String(), number(change.Life), sequence, change.ProcessID)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
