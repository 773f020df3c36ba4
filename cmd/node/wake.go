package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/registry"
)

func (a *app) wakeCommand() *cobra.Command {
	return noun("wake", "Read the wakes of a process, and mark them as consumed",
		`Events of some types wake a session. Who consumes the wakes of a process reads
those that are left, acts, and acks each.`,
		"  holdfast wake list hello\n  holdfast wake ack hello --sequence 4",
		a.wakeList(), a.wakeAck())
}

func (a *app) wakeList() *cobra.Command {
	var after uint64
	cmd := &cobra.Command{
		Use:   "list ID",
		Short: "List the wakes that nobody acked",
		Long: `Lists the events of a process that carry a wake and are not acked, in the order of
their sequences, from the first one or from what follows --after. Wakes that had
no target are among them.`,
		Example: "  holdfast wake list hello\n  holdfast wake list hello --after 10 --output json",
		Args:    one("process id"),
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "only events with a greater sequence than this `number`")
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		events, err := collect(ctx, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
			return s.WakeEventsAfter(ctx, args[0], after, page)
		})
		if err != nil {
			return err
		}
		return a.emit(events, func(t *table) {
			if len(events) == 0 {
				t.line("no wakes are left")
				return
			}
			t.row("SEQUENCE", "OCCURRED", "TYPE", "DEDUPE KEY", "INPUT")
			for _, event := range events {
				wake := event.Semantics.Wake
				t.row(number(event.Sequence), atTime(event.OccurredAtMs), event.EventType, wake.DedupeKey, wake.Input)
			}
		})
	})
	return cmd
}

// ack is what was acked, as programs read it.
type ack struct {
	ProcessID string `json:"process_id"`
	Sequence  uint64 `json:"sequence"`
}

func (a *app) wakeAck() *cobra.Command {
	var sequence uint64
	cmd := &cobra.Command{
		Use:   "ack ID --sequence NUMBER",
		Short: "Mark a wake as consumed",
		Long: `Marks the wake of an event as consumed, for all sessions, and for good. Doing so
again changes nothing. The event need not be there yet.`,
		Example: "  holdfast wake ack hello --sequence 4",
		Args:    one("process id"),
	}
	cmd.Flags().Uint64Var(&sequence, "sequence", 0, "the event's sequence, a `number`")
	require(cmd, "sequence")
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		if err := s.AckWake(ctx, args[0], sequence); err != nil {
			return err
		}
		return a.emit(ack{args[0], sequence}, func(t *table) {
			t.line(oneLine("event " + number(sequence) + " of " + args[0] + " wakes nobody any more"))
		})
	})
	return cmd
}
