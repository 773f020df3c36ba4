package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/registry"
)

func (a *app) grantCommand() *cobra.Command {
	return noun("grant", "Say which sessions may address a process",
		`A grant lets a session scope address a process. A scope is a session, or one agent
frame inside it; each is a scope of its own. Grants guard nothing: who may execute
a process is what its lease says.`,
		"  holdfast grant add hello --session s1\n  holdfast grant list --session s1",
		a.grantAdd(), a.grantRevoke(), a.grantTransfer(), a.grantHas(), a.grantList())
}

// bindScope adds the flags that name a scope: --session and --frame, or others
// that say whose.
func bindScope(cmd *cobra.Command, scope *registry.SessionScope, session, frame string) {
	cmd.Flags().StringVar(&scope.SessionID, session, "", "the `session`")
	cmd.Flags().StringVar(&scope.AgentFrameID, frame, "", "the agent `frame` inside it (default the session itself)")
}

func (a *app) grantAdd() *cobra.Command {
	var scope registry.SessionScope
	var kind, label string
	cmd := &cobra.Command{
		Use:   "add ID --session SESSION",
		Short: "Grant a process to a session",
		Long: `Lets a session, or one frame of it, address a process, and shows the grant. Adding
it again replaces how the grant shows the process. A process that has ended can
be granted too.`,
		Example: "  holdfast grant add hello --session s1\n  holdfast grant add hello --session s1 --frame f1 --kind tool --label grep",
		Args:    one("process id"),
	}
	bindScope(cmd, &scope, "session", "frame")
	cmd.Flags().StringVar(&kind, "kind", "", "how the grant shows the process: its kind, a `text`")
	cmd.Flags().StringVar(&label, "label", "", "how the grant shows the process: its label, a `text`")
	require(cmd, "session")
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		descriptor := registry.ProcessHandleDescriptor{Kind: optional(cmd, "kind", kind), Label: optional(cmd, "label", label)}
		grant, err := s.GrantHandle(ctx, scope, args[0], descriptor)
		if err != nil {
			return err
		}
		return a.emit(grant, func(t *table) {
			t.row("process", grant.ProcessID)
			t.row("scope", scope.ScopeID())
			t.fact("kind", text(grant.Descriptor.Kind))
			t.fact("label", text(grant.Descriptor.Label))
		})
	})
	return cmd
}

func (a *app) grantRevoke() *cobra.Command {
	var scope registry.SessionScope
	cmd := &cobra.Command{
		Use:     "revoke ID --session SESSION",
		Short:   "Take a grant back",
		Long:    "Takes the grant of a process back from exactly this scope. If there is none, nothing changes, and that is no error.",
		Example: "  holdfast grant revoke hello --session s1\n  holdfast grant revoke hello --session s1 --frame f1",
		Args:    one("process id"),
	}
	bindScope(cmd, &scope, "session", "frame")
	require(cmd, "session")
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		if err := s.RevokeHandle(ctx, scope, args[0]); err != nil {
			return err
		}
		return a.emit(scopedProcess{scope, args[0]}, func(t *table) {
			t.line(oneLine(scope.ScopeID() + " holds no grant of " + args[0] + " any more"))
		})
	})
	return cmd
}

// scopedProcess names a grant in answers of calls that answer nothing
// themselves.
type scopedProcess struct {
	Scope     registry.SessionScope `json:"scope"`
	ProcessID string                `json:"process_id"`
}

func (a *app) grantTransfer() *cobra.Command {
	var from, to registry.SessionScope
	cmd := &cobra.Command{
		Use:   "transfer ID... --from SESSION --to SESSION",
		Short: "Move grants from one session to another",
		Long: `Moves the grants of the named processes from one scope to another, all of them or
none: if one is missing, nothing moves. Each keeps how it shows its process, and
replaces a grant that is there already. Where wakes go does not change by it.

After an unknown outcome look at both scopes before you repeat it: a transfer that
happened is refused the second time.`,
		Example: "  holdfast grant transfer hello --from s1 --to s2\n  holdfast grant transfer job-1 job-2 --from s1 --from-frame f1 --to s2 --output json",
		Args:    atLeastOne("process id"),
	}
	bindScope(cmd, &from, "from", "from-frame")
	bindScope(cmd, &to, "to", "to-frame")
	require(cmd, "from", "to")
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		if err := s.TransferHandleGrants(ctx, from, to, args); err != nil {
			return err
		}
		return a.emit(transfer{from, to, args}, func(t *table) {
			t.line(oneLine(fmt.Sprintf("%s now holds %s of %s", to.ScopeID(), counted(len(args), "grant"), from.ScopeID())))
		})
	})
	return cmd
}

// transfer is what was moved, as programs read it.
type transfer struct {
	From       registry.SessionScope `json:"from"`
	To         registry.SessionScope `json:"to"`
	ProcessIDs []string              `json:"process_ids"`
}

func (a *app) grantHas() *cobra.Command {
	var scope registry.SessionScope
	cmd := &cobra.Command{
		Use:   "has ID --session SESSION",
		Short: "Tell whether a session holds a process",
		Long: `Tells whether exactly this scope holds a grant of the process. The answer for what
is not known is no.`,
		Example: "  holdfast grant has hello --session s1\n  holdfast grant has hello --session s1 --output json",
		Args:    one("process id"),
	}
	bindScope(cmd, &scope, "session", "frame")
	require(cmd, "session")
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		has, err := s.HasHandleGrant(ctx, scope, args[0])
		if err != nil {
			return err
		}
		return a.emit(has, func(t *table) { t.line(yesNo(has)) })
	})
	return cmd
}

func (a *app) grantList() *cobra.Command {
	var scope registry.SessionScope
	var process string
	var live bool
	cmd := &cobra.Command{
		Use:   "list --session SESSION | --process ID",
		Short: "List the grants of a session, or of a process",
		Long: `With --session: what exactly this scope holds, by process id, with the processes as
they stand; a session without a frame shows no grants of its frames. With --live
those that have ended are left out. With --process: who holds a process, in all
scopes. With --output json a session's grants are pairs [grant, record].`,
		Example: "  holdfast grant list --session s1\n  holdfast grant list --session s1 --frame f1 --live\n  holdfast grant list --process hello --output json",
		Args:    cobra.NoArgs,
	}
	bindScope(cmd, &scope, "session", "frame")
	cmd.Flags().StringVar(&process, "process", "", "the process `id`")
	cmd.Flags().BoolVar(&live, "live", false, "only processes that have not ended")
	cmd.MarkFlagsOneRequired("session", "process")
	cmd.MarkFlagsMutuallyExclusive("session", "process")
	cmd.MarkFlagsMutuallyExclusive("frame", "process")
	cmd.MarkFlagsMutuallyExclusive("live", "process")
	cmd.RunE = a.calls(func(ctx context.Context, s server, _ []string) error {
		if cmd.Flags().Changed("process") {
			return a.listGrantsOf(ctx, s, process)
		}
		list := s.ListHandleGrants
		if live {
			list = s.ListLiveHandleGrants
		}
		entries, err := collect(ctx, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
			return list(ctx, scope, page)
		})
		if err != nil {
			return err
		}
		return a.showEntries(entries)
	})
	return cmd
}

func (a *app) listGrantsOf(ctx context.Context, s server, process string) error {
	grants, err := collect(ctx, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrant], error) {
		return s.HandleGrantsForProcess(ctx, process, page)
	})
	if err != nil {
		return err
	}
	return a.emit(grants, func(t *table) {
		if len(grants) == 0 {
			t.line("no session holds it")
			return
		}
		t.row("SESSION", "KIND", "LABEL")
		for _, grant := range grants {
			t.row(grant.SessionID, dash(grant.Descriptor.Kind), dash(grant.Descriptor.Label))
		}
	})
}

func (a *app) showEntries(entries []registry.ProcessHandleGrantEntry) error {
	return a.emit(entries, func(t *table) {
		if len(entries) == 0 {
			t.line("no grants")
			return
		}
		t.row("ID", "STATUS", "KIND", "LABEL", "UPDATED")
		for _, entry := range entries {
			t.row(entry.Record.ID, string(entry.Record.Status.State), dash(entry.Grant.Descriptor.Kind),
				dash(entry.Grant.Descriptor.Label), atTime(entry.Record.UpdatedAtMs))
		}
	})
}
