package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) sessionCommand() *cobra.Command {
	return noun("session", "End what a session has in the registry",
		"A session is known to the registry by its grants, and as the target of wakes.",
		"  holdfast session delete s1",
		a.sessionDelete())
}

func (a *app) sessionDelete() *cobra.Command {
	return &cobra.Command{
		Use:   "delete SESSION",
		Short: "Take all grants of a session back",
		Long: `Takes every grant of a session back, those of its frames too, and stops sending
wakes to it. No process is changed otherwise, or cancelled. The report counts the
grants, and names the running processes that lost one: orphaned are those that no
session holds any more, preserved the others. It is shown once: deleting the
session again reports nothing.`,
		Example: "  holdfast session delete s1\n  holdfast session delete s1 --output json",
		Args:    one("session id"),
		RunE: a.calls(func(ctx context.Context, s server, args []string) error {
			report, err := s.DeleteSessionProcessState(ctx, args[0])
			if err != nil {
				return err
			}
			return a.emit(report, func(t *table) {
				t.row("session", report.SessionID)
				t.row("grants taken back", number(report.RevokedHandleCount))
				t.fact("orphaned", strings.Join(report.OrphanedProcessIDs, ", "))
				t.fact("preserved", strings.Join(report.PreservedProcessIDs, ", "))
			})
		}),
	}
}
