package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/registry"
)

func (a *app) processCommand() *cobra.Command {
	return noun("process", "Register processes, look at them, end them and delete old ones",
		"A process is a durable background activity: an agent run, a job, a tool call.",
		`  holdfast process register --id hello --disposition rerunnable --input '{"type":"external"}'
  holdfast process list --status any`,
		a.processRegister(), a.processGet(), a.processList(), a.processStarted(), a.processCancel(), a.processComplete(),
		a.processWait(), a.processAbandonRequest(), a.processExternalRef(), a.processAwait(), a.processPrune())
}

func (a *app) processRegister() *cobra.Command {
	var f registerFlags
	cmd := &cobra.Command{
		Use:   "register --id ID --disposition WORD --input JSON",
		Short: "Register a process",
		Long: `Registers a process, and shows its record. Registering the same again changes
nothing and shows the record that is there; another registration under the same
id is refused.

The input says what the process is to do. Its type is external {metadata},
engine {kind, payload}, tool_call {call} or session_turn {create_request,
turn_input, output_contract}; engine and tool_call need --env-ref. The identity
that lists show is derived from it.

The seven core event types (process.completed and so on) are always declared.
--event-type declares more: a bare name for an event with any payload, or an
object {"name", "payload_schema": {"schema"}, "semantics"}.

JSON values may also be given as @file, and one of them as - for stdin.`,
		Example: `  holdfast process register --id hello --disposition rerunnable --input '{"type":"external"}' --event-type progress
  holdfast process register --id job-7 --disposition owner_bound --fencing required \
    --input '{"type":"engine","kind":"render","payload":{"frames":240}}' --env-ref env-1
  holdfast process register --id job-8 --disposition rerunnable --input @input.json --event-type @event-type.json`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.id, "id", "", "the process `id`")
	flags.StringVar(&f.disposition, "disposition", "", "what may be done when its owner is gone, a `word`: rerunnable, owner_bound or externally_owned")
	flags.StringVar(&f.input, "input", "", "what it is to do, as `JSON`")
	flags.StringVar(&f.envRef, "env-ref", "", "the captured execution environment, a `reference`")
	flags.StringArrayVar(&f.eventTypes, "event-type", nil, "one more event type, as `JSON` or a bare name; may be repeated")
	flags.StringVar(&f.wakeTarget, "wake-target", "", "the `session` that its wakes go to")
	flags.StringVar(&f.wakeFrame, "wake-target-frame", "", "the agent `frame` inside that session")
	flags.StringVar(&f.fencing, "fencing", "", "`mode`: optional, or required to refuse lifecycle writes without the current fence")
	require(cmd, "id", "disposition", "input")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		registration, err := a.readRegistration(&f, optional(cmd, "env-ref", f.envRef))
		if err != nil {
			return err
		}
		return a.calls(func(ctx context.Context, s server, _ []string) error {
			record, err := s.RegisterProcess(ctx, registration)
			if err != nil {
				return err
			}
			return a.showRecord(record)
		})(cmd, args)
	}
	return cmd
}

// registerFlags are the flags of process register, as given.
type registerFlags struct {
	id, disposition, input, envRef, fencing string
	wakeTarget, wakeFrame                   string
	eventTypes                              []string
}

func (a *app) readRegistration(f *registerFlags, envRef *string) (registry.ProcessRegistration, error) {
	registration := registry.ProcessRegistration{
		ID:          f.id,
		Disposition: registry.RecoveryDisposition(f.disposition),
		EnvRef:      envRef,
		Fencing:     registry.FencingMode(f.fencing),
	}
	switch registration.Disposition {
	case registry.Rerunnable, registry.OwnerBound, registry.ExternallyOwned:
	default:
		return registration, wrongUsage("--disposition", "--disposition %q is none of rerunnable, owner_bound and externally_owned", f.disposition)
	}
	switch registration.Fencing {
	case "", registry.FencingOptional, registry.FencingRequired:
	default:
		return registration, wrongUsage("--fencing", "--fencing %q is neither optional nor required", f.fencing)
	}
	if f.wakeTarget != "" {
		registration.WakeTarget = &registry.SessionScope{SessionID: f.wakeTarget, AgentFrameID: f.wakeFrame}
	} else if f.wakeFrame != "" {
		return registration, wrongUsage("--wake-target-frame", "--wake-target-frame needs the session too: --wake-target SESSION")
	}
	raw, err := a.readJSON("--input", f.input)
	if err != nil {
		return registration, err
	}
	if err := registration.Input.UnmarshalJSON(raw); err != nil {
		return registration, badFlag("--input", err)
	}
	registration.Identity = registry.DeriveIdentity(registration.Input)
	for _, text := range f.eventTypes {
		eventType, err := a.readEventType(text)
		if err != nil {
			return registration, err
		}
		registration.EventTypes = append(registration.EventTypes, eventType)
	}
	return registration, nil
}

// readEventType reads --event-type. A bare name stands for a plain event with
// any payload: what most people try first needs no JSON.
func (a *app) readEventType(text string) (registry.ProcessEventType, error) {
	const flag = "--event-type"
	trimmed := strings.TrimSpace(text)
	if trimmed != "" && !strings.ContainsAny(trimmed[:1], `{["-@`) {
		return registry.ProcessEventType{Name: trimmed, PayloadSchema: registry.JSON("{}")}, nil
	}
	raw, err := a.readJSON(flag, text)
	if err != nil {
		return registry.ProcessEventType{}, err
	}
	var eventType registry.ProcessEventType
	if err := eventType.UnmarshalJSON(raw); err != nil {
		return registry.ProcessEventType{}, badFlag(flag, err)
	}
	return eventType, nil
}

func (a *app) processGet() *cobra.Command {
	return &cobra.Command{
		Use:     "get ID",
		Short:   "Show a process",
		Long:    "Shows the record of a process as it stands: what was registered, its status, and the output once it has ended.",
		Example: "  holdfast process get hello\n  holdfast process get hello --output json",
		Args:    one("process id"),
		RunE: a.calls(func(ctx context.Context, s server, args []string) error {
			record, err := s.GetProcess(ctx, args[0])
			if err != nil {
				return err
			}
			return a.showRecord(record)
		}),
	}
}

func (a *app) processList() *cobra.Command {
	var status string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List processes by id",
		Long: `Lists processes in the order of their ids, with all their pages. Without --status
only running ones are shown. A long list is read in several steps, so it is not
one moment of the registry; a process that matched all the time is in it once.`,
		Example: "  holdfast process list\n  holdfast process list --status any --limit 20\n  holdfast process list --status failed --output json",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&status, "status", "running", "`word`: any, running, completed, failed, cancelled or abandoned")
	cmd.Flags().IntVar(&limit, "limit", 0, "at most this `number` of processes; 0 for all")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		filter := registry.ProcessListFilter{Status: registry.StatusFilter(status)}
		if err := registry.ValidateFilter(filter); err != nil || status == "" {
			return wrongUsage("--status", "--status %q is none of any, running, completed, failed, cancelled and abandoned", status)
		}
		if limit < 0 {
			return wrongUsage("--limit", "--limit must not be negative")
		}
		return a.calls(func(ctx context.Context, s server, _ []string) error {
			// An empty list is [] and not null.
			records := []registry.ProcessRecord{}
			list := func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
				if limit > 0 {
					page.Size = min(limit-len(records), registry.MaxPageSize)
				}
				return s.ListProcesses(ctx, filter, page)
			}
			for record, err := range registry.Each(ctx, list) {
				if err != nil {
					return err
				}
				records = append(records, record)
				if len(records) == limit {
					break
				}
			}
			return a.showRecords(records)
		})(cmd, args)
	}
	return cmd
}

func (a *app) processStarted() *cobra.Command {
	var owner, incarnation string
	var startedAtMs uint64
	cmd := &cobra.Command{
		Use:   "started ID --owner OWNER --incarnation INCARNATION",
		Short: "Record that a process began to run",
		Long: `Stores who first began to run a process, and when. Only the first call stores
anything; every call shows the record, so compare its owner with your own.`,
		Example: "  holdfast process started hello --owner me --incarnation i1\n  holdfast process started hello --owner me --incarnation i1 --lease-token 5f0c --fencing-token 7",
		Args:    one("process id"),
	}
	cmd.Flags().StringVar(&owner, "owner", "", "the owner's `id`")
	cmd.Flags().StringVar(&incarnation, "incarnation", "", "the owner's incarnation, an `id`")
	cmd.Flags().Uint64Var(&startedAtMs, "started-at-ms", 0, "when it began, in epoch `milliseconds` (default now)")
	require(cmd, "owner", "incarnation")
	fence := bindFence(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("started-at-ms") {
			startedAtMs = uint64(time.Now().UnixMilli())
		}
		started := registry.ProcessStarted{
			Owner:       registry.LeaseOwnerIdentity{OwnerID: owner, IncarnationID: incarnation},
			StartedAtMs: startedAtMs,
		}
		return a.calls(func(ctx context.Context, s server, args []string) error {
			record, err := s.RecordFirstStarted(ctx, args[0], started, fence.fence(cmd))
			if err != nil {
				return err
			}
			return a.showRecord(record)
		})(cmd, args)
	}
	return cmd
}

func (a *app) processCancel() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "cancel ID",
		Short: "Ask a process to stop",
		Long: `Appends the event process.cancel_requested, which whoever runs the process is to
look out for. The status does not change by it. The same reason twice is one
event, another reason a second one.`,
		Example: "  holdfast process cancel hello --reason 'no longer needed'",
		Args:    one("process id"),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, a `text`")
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		result, err := s.AppendEvent(ctx, args[0], registry.CancelRequest(args[0], optional(cmd, "reason", reason)), nil)
		if err != nil {
			return err
		}
		return a.showAppended(result)
	})
	return cmd
}

func (a *app) processComplete() *cobra.Command {
	var result string
	cmd := &cobra.Command{
		Use:   "complete ID --result JSON",
		Short: "End a process with its output",
		Long: `Ends a process for good, and shows its record. The output is one of
  {"type":"success","value":ANY}
  {"type":"failure","class":"execution","code":"CODE","message":"TEXT"}
  {"type":"cancelled","message":"TEXT"}
  {"type":"abandoned","evidence":{"writer":"sweep","epoch_ms":N}}
Completing again with an equal output changes nothing. The lease is not released
by it. With --lease-token and --fencing-token it happens only while that lease is
the current one.`,
		Example: `  holdfast process complete hello --result '{"type":"success","value":42}'
  holdfast process complete hello --result @output.json --lease-token 5f0c --fencing-token 7`,
		Args: one("process id"),
	}
	cmd.Flags().StringVar(&result, "result", "", "the output, as `JSON`")
	require(cmd, "result")
	fence := bindFence(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		raw, err := a.readJSON("--result", result)
		if err != nil {
			return err
		}
		output, err := registry.ParseAwaitOutput(raw)
		if err != nil {
			return badFlag("--result", err)
		}
		return a.calls(func(ctx context.Context, s server, args []string) error {
			record, err := s.CompleteProcess(ctx, args[0], output, fence.fence(cmd))
			if err != nil {
				return err
			}
			return a.showRecord(record)
		})(cmd, args)
	}
	return cmd
}

// showRecord writes one record.
func (a *app) showRecord(r registry.ProcessRecord) error {
	return a.emit(r, func(t *table) {
		t.row("id", r.ID)
		t.row("status", string(r.Status.State))
		t.row("kind", r.Identity.Kind)
		if r.Identity.Label != nil {
			t.row("label", *r.Identity.Label)
		}
		t.row("disposition", string(r.Disposition))
		if r.Fencing == registry.FencingRequired {
			t.row("fencing", string(r.Fencing))
		}
		t.row("input", jsonText(r.Input))
		t.fact("event types", declaredTypes(r.EventTypes))
		if r.EnvRef != nil {
			t.row("env ref", *r.EnvRef)
		}
		if r.WakeTarget != nil {
			t.row("wake target", r.WakeTarget.ScopeID())
		}
		t.fact("created", atTime(r.CreatedAtMs))
		t.fact("updated", atTime(r.UpdatedAtMs))
		if r.FirstStarted != nil {
			t.row("started", atTime(r.FirstStarted.StartedAtMs)+" by "+ownerText(r.FirstStarted.Owner))
		}
		if r.Wait != nil {
			t.row("waiting for", string(r.Wait.Kind)+" "+r.Wait.Name)
		}
		if request := r.AbandonRequest; request != nil {
			t.row("abandon request", atTime(request.RequestedAtMs)+" by "+request.RequestedBy)
		}
		if r.ExternalRef != nil {
			t.row("external ref", r.ExternalRef.Backend+" "+r.ExternalRef.ID)
		}
		if r.Status.AwaitOutput != nil {
			t.row("output", jsonText(*r.Status.AwaitOutput))
		}
	})
}

// declaredTypes names the event types that a process declares beyond the core
// types, which all processes have.
func declaredTypes(types []registry.ProcessEventType) string {
	var names []string
	for _, t := range types {
		if _, core := registry.CoreEventType(t.Name); !core {
			names = append(names, t.Name)
		}
	}
	return strings.Join(names, ", ")
}

// showRecords writes a list of records.
func (a *app) showRecords(records []registry.ProcessRecord) error {
	return a.emit(records, func(t *table) {
		if len(records) == 0 {
			t.line("no processes match")
			return
		}
		t.row("ID", "STATUS", "DISPOSITION", "KIND", "LABEL", "UPDATED")
		for _, r := range records {
			t.row(r.ID, string(r.Status.State), string(r.Disposition), r.Identity.Kind, dash(r.Identity.Label), atTime(r.UpdatedAtMs))
		}
	})
}
