package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/registry"
)

func (a *app) clusterCommand() *cobra.Command {
	return noun("cluster", "Look at the cluster, its leader and its members",
		"The nodes of a cluster hold the same state; one of them leads.",
		"  holdfast cluster status\n  holdfast cluster transfer-leadership --to n2",
		a.clusterStatus(), a.clusterTransfer(), a.clusterAdd(), a.clusterRemove())
}

// clusterReport is the status, with the state's hashes if they were asked for.
type clusterReport struct {
	registry.ClusterStatus
	State *registry.StateReport `json:"state,omitempty"`
}

func (a *app) clusterStatus() *cobra.Command {
	var verify bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the members of the cluster",
		Long: `Shows the leader, the term and every member as far as it can be reached. With
--verify every member also hashes its state at one and the same log entry; the
exit code is 1 if the hashes differ or a member gave none.`,
		Example: "  holdfast cluster status\n  holdfast cluster status --verify --output json",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "compare the state of all members too")
	cmd.RunE = a.calls(func(ctx context.Context, s server, _ []string) error {
		status, err := s.ClusterStatus(ctx)
		if err != nil {
			return err
		}
		report := clusterReport{ClusterStatus: status}
		if verify {
			state, err := s.VerifyState(ctx)
			if err != nil {
				return err
			}
			report.State = &state
		}
		if err := a.emit(report, func(t *table) { statusRows(t, &report) }); err != nil {
			return err
		}
		if report.State != nil && !report.State.Agree {
			return disagreement(report.State)
		}
		return nil
	})
	return cmd
}

// disagreement is the error of a verification that did not find all members
// with the same state: replicas that differ are something else than one that
// could not be asked.
func disagreement(report *registry.StateReport) error {
	hashes := map[string][]string{}
	var missing []string
	for _, member := range report.Members {
		if member.Hash == "" {
			missing = append(missing, fmt.Sprintf("%s (%s)", member.ID, member.Error))
			continue
		}
		hashes[member.Hash] = append(hashes[member.Hash], member.ID)
	}
	if len(hashes) > 1 {
		return registry.Errorf(registry.CodeCorrupt, registry.Fields{},
			"the replicas differ at log index %d: keep the data folders of all of them, and do not restart any", report.Index)
	}
	return registry.Errorf(registry.CodeInternal, registry.Fields{},
		"not every member could be compared at log index %d: %s", report.Index, strings.Join(missing, ", "))
}

func (a *app) clusterTransfer() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:     "transfer-leadership",
		Short:   "Hand the leadership to another node",
		Long:    "Hands the leadership to the named voter, or to the most advanced one, and shows the cluster once a leader is known again.",
		Example: "  holdfast cluster transfer-leadership\n  holdfast cluster transfer-leadership --to n2",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&to, "to", "", "the `id` of the node that is to lead")
	cmd.RunE = a.calls(func(ctx context.Context, s server, _ []string) error {
		if err := s.TransferLeadership(ctx, to); err != nil {
			return err
		}
		return a.emitStatus(ctx, s)
	})
	return cmd
}

// awaitLeader asks for the status until it names a leader.
func awaitLeader(ctx context.Context, s server) (registry.ClusterStatus, error) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		status, err := s.ClusterStatus(ctx)
		if err == nil && status.Leader != "" {
			return status, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			if err == nil {
				err = ctx.Err()
			}
			return status, err
		}
	}
}

func statusRows(t *table, report *clusterReport) {
	leader := report.Leader
	if leader == "" {
		leader = "none known"
	}
	t.row("leader", leader)
	t.row("term", number(report.Term))
	t.row("cluster id", report.ClusterID)
	t.line("")
	hashes := map[string]registry.MemberState{}
	header := []string{"ID", "ADDRESS", "VOTER", "ROLE", "APPLIED", "REVISION", "LAST CONTACT", "VERSION"}
	if report.State != nil {
		header = append(header, "STATE")
		for _, member := range report.State.Members {
			hashes[member.ID] = member
		}
	}
	t.row(header...)
	for _, m := range report.Members {
		cells := []string{m.ID, m.Addr, yesNo(m.Voter)}
		if m.Error != "" {
			cells = append(cells, "unknown", "-", "-", "-", "-")
		} else {
			contact := time.Duration(m.LastContactMs) * time.Millisecond
			cells = append(cells, m.Role, number(m.AppliedIndex), number(m.Revision), contact.String(), m.Version)
		}
		if report.State != nil {
			cells = append(cells, shortHash(hashes[m.ID]))
		}
		t.row(cells...)
	}
	for _, m := range report.Members {
		if m.Error != "" {
			t.line("")
			t.line(m.ID + ": " + oneLine(m.Error))
		}
	}
	if report.State != nil {
		t.line("")
		t.row("same state everywhere", yesNo(report.State.Agree))
		t.row("at log index", number(report.State.Index))
	}
}

func shortHash(m registry.MemberState) string {
	switch {
	case m.Hash == "":
		return "unknown"
	case len(m.Hash) > 12:
		return m.Hash[:12]
	default:
		return m.Hash
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// buildVersion says which build this is.
type buildVersion struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
}

func currentVersion() buildVersion {
	v := buildVersion{Version: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			v.Revision = setting.Value
		case "vcs.modified":
			v.Modified = setting.Value == "true"
		}
	}
	return v
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version of this program",
		Long:    "Shows the version of this program, the revision it was built from and the Go version it was built with.",
		Example: "  holdfast version\n  holdfast version --output json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a.begun = true
			v := currentVersion()
			return a.emit(v, func(t *table) {
				t.row("version", v.Version)
				t.fact("revision", v.Revision)
				t.row("go", v.Go)
			})
		},
	}
}
