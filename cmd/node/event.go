package main

import (
	"context"
	"math"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/registry"
)

func (a *app) eventCommand() *cobra.Command {
	return noun("event", "Append to the event log of a process, and read it",
		"Every process has an event log: sequences 1, 2, 3 and so on, append only.",
		"  holdfast event append hello --type progress --payload '{\"done\":1}'\n  holdfast event list hello",
		a.eventAppend(), a.eventList(), a.eventRecent(), a.eventCount(), a.eventWatch())
}

func (a *app) eventAppend() *cobra.Command {
	var eventType, payload, replayKey string
	cmd := &cobra.Command{
		Use:   "append ID --type TYPE --payload JSON",
		Short: "Append one event",
		Long: `Appends one event of a type that the process declares, and shows it as it is
stored. With --replay-key it can be repeated: an event that is stored under the
key with the same type and payload is shown instead of a second one. Terminal
events and process.cancel_requested need a key.

With --lease-token and --fencing-token the event is stored only while that lease
is the current one; otherwise the append is refused with Fenced.`,
		Example: `  holdfast event append hello --type progress --payload '{"done":1}'
  holdfast event append hello --type progress --payload @payload.json --replay-key step-1
  holdfast event append hello --type progress --payload '{"done":2}' --lease-token 5f0c --fencing-token 7`,
		Args: one("process id"),
	}
	cmd.Flags().StringVar(&eventType, "type", "", "the event `type`")
	cmd.Flags().StringVar(&payload, "payload", "", "the payload, as `JSON`")
	cmd.Flags().StringVar(&replayKey, "replay-key", "", "the `key` that makes the append repeatable")
	require(cmd, "type", "payload")
	fence := bindFence(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		raw, err := a.readJSON("--payload", payload)
		if err != nil {
			return err
		}
		request := registry.ProcessEventAppendRequest{EventType: eventType, Payload: raw}
		if cmd.Flags().Changed("replay-key") {
			request.Replay = &registry.Replay{Key: replayKey}
		}
		return a.calls(func(ctx context.Context, s server, args []string) error {
			result, err := s.AppendEvent(ctx, args[0], request, fence.fence(cmd))
			if err != nil {
				return err
			}
			return a.showAppended(result)
		})(cmd, args)
	}
	return cmd
}

func (a *app) eventList() *cobra.Command {
	var after uint64
	cmd := &cobra.Command{
		Use:   "list ID",
		Short: "List the events of a process",
		Long:  "Lists the events of a process in the order of their sequences, from the first one or from what follows --after.",
		Example: `  holdfast event list hello
  holdfast event list hello --after 10 --output json`,
		Args: one("process id"),
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "only events with a greater sequence than this `number`")
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		events, err := collect(ctx, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
			return s.EventsAfter(ctx, args[0], after, page)
		})
		if err != nil {
			return err
		}
		return a.showEvents(events)
	})
	return cmd
}

func (a *app) eventRecent() *cobra.Command {
	var limit uint64
	cmd := &cobra.Command{
		Use:     "recent ID",
		Short:   "List the last events of a process",
		Long:    "Lists the last events of a process, the newest at the end.",
		Example: "  holdfast event recent hello\n  holdfast event recent hello --limit 1 --output json",
		Args:    one("process id"),
	}
	cmd.Flags().Uint64Var(&limit, "limit", 10, "at most this `number` of events")
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		events, err := collect(ctx, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
			return s.RecentEvents(ctx, args[0], limit, page)
		})
		if err != nil {
			return err
		}
		return a.showEvents(events)
	})
	return cmd
}

func (a *app) eventCount() *cobra.Command {
	var eventType string
	var through uint64
	cmd := &cobra.Command{
		Use:   "count ID --type TYPE",
		Short: "Count the events of a type",
		Long: `Counts the events of one type, all of them or up to and including a sequence. A
type that never occurred counts 0, declared or not.`,
		Example: "  holdfast event count hello --type progress\n  holdfast event count hello --type progress --through 10 --output json",
		Args:    one("process id"),
	}
	cmd.Flags().StringVar(&eventType, "type", "", "the event `type`")
	cmd.Flags().Uint64Var(&through, "through", 0, "only events up to and including this sequence, a `number` (default all)")
	require(cmd, "type")
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		if !cmd.Flags().Changed("through") {
			through = math.MaxUint64
		}
		count, err := s.CountEventsThrough(ctx, args[0], eventType, through)
		if err != nil {
			return err
		}
		return a.emit(count, func(t *table) { t.line(number(count)) })
	})
	return cmd
}

// showAppended writes the answer to an append.
func (a *app) showAppended(result registry.ProcessEventAppendResult) error {
	return a.emit(result, func(t *table) {
		event := result.Event
		t.row("process", event.ProcessID)
		t.row("sequence", number(event.Sequence))
		t.row("type", event.EventType)
		t.row("payload", compact(event.Payload))
		t.fact("replay key", event.ReplayKey)
		t.row("occurred", atTime(event.OccurredAtMs))
		if delivery := result.WakeDelivery; delivery != nil {
			t.row("wakes", delivery.TargetScopeID)
			t.row("wake id", delivery.WakeID)
		}
	})
}

// showEvents writes a list of events.
func (a *app) showEvents(events []registry.ProcessEvent) error {
	return a.emit(events, func(t *table) {
		if len(events) == 0 {
			t.line("no events")
			return
		}
		t.row("SEQUENCE", "OCCURRED", "TYPE", "REPLAY KEY", "PAYLOAD")
		for _, event := range events {
			key := event.ReplayKey
			if key == "" {
				key = "-"
			}
			t.row(number(event.Sequence), atTime(event.OccurredAtMs), event.EventType, key, compact(event.Payload))
		}
	})
}
