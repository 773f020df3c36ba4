package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) clusterAdd() *cobra.Command {
	var id, addr string
	cmd := &cobra.Command{
		Use:   "add --id ID --addr HOST:PORT",
		Short: "Let a new node into the cluster",
		Long: `Lets a node in that runs with "holdfast serve --join": without a vote at first, and
with one as soon as it has caught up. The id must never have been used by a node
that lost its data. Repeat the command if it ends before the node has its vote;
give it more time with --timeout if the node has much to fetch.`,
		Example: "  holdfast serve --id n4 --data-dir data/n4 --addr 127.0.0.1:7403 --join &\n" +
			"  holdfast cluster add --id n4 --addr 127.0.0.1:7403 --timeout 5m",
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&id, "id", "", "the `id` of the node")
	cmd.Flags().StringVar(&addr, "addr", "", "where the others reach it, `host:port`")
	require(cmd, "id", "addr")
	cmd.RunE = a.calls(func(ctx context.Context, s server, _ []string) error {
		if err := s.AddMember(ctx, id, addr); err != nil {
			return err
		}
		return a.emitStatus(ctx, s)
	})
	return cmd
}

func (a *app) clusterRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove ID",
		Short: "Take a node out of the cluster for good",
		Long: `Takes a node out of the cluster. Do it with a node that lost its data or will not
come back, before a new one is let in for it under another id. The id cannot be
used again with an empty data folder.`,
		Example: "  holdfast cluster remove n3",
		Args:    one("node id"),
	}
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		if err := s.RemoveMember(ctx, args[0]); err != nil {
			return err
		}
		return a.emitStatus(ctx, s)
	})
	return cmd
}

// emitStatus shows the cluster after a change.
func (a *app) emitStatus(ctx context.Context, s server) error {
	status, err := awaitLeader(ctx, s)
	if err != nil {
		return fmt.Errorf("the cluster was changed, but no leader is known yet: %w", err)
	}
	report := clusterReport{ClusterStatus: status}
	return a.emit(report, func(t *table) { statusRows(t, &report) })
}
