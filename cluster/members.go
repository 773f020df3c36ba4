package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/decide"
	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// The bounds of what operators ask for.
const (
	statusTimeout     = 2 * time.Second
	membershipTimeout = 10 * time.Second
	transferTimeout   = 10 * time.Second
	// catchUpPoll is how often a new member is asked how far it is;
	// catchUpGap is how close it must come to be promoted.
	catchUpPoll = 100 * time.Millisecond
	catchUpGap  = 64
)

// CurrentTerm returns this node's raft term. The read barriers of leaders rest
// on it: raft stores a new term before it votes in it.
func (n *Node) CurrentTerm() uint64 { return n.raft.CurrentTerm() }

// NodeStatus tells about this node.
func (n *Node) NodeStatus(context.Context) (registry.NodeStatus, error) {
	_, _, instanceID := n.identity.Self()
	p := n.replica.position()
	snapshotIndex := uint64(0)
	if snapshots, err := n.config.Storage.snapshots.List(); err == nil && len(snapshots) > 0 {
		snapshotIndex = snapshots[0].Index
	}
	return registry.NodeStatus{
		Role:          roleOf(n.raft.State()),
		Term:          n.raft.CurrentTerm(),
		LastContactMs: n.lastContactMs(),
		CommitIndex:   n.raft.CommitIndex(),
		AppliedIndex:  n.replica.applied.Load(),
		LastLogIndex:  n.raft.LastIndex(),
		SnapshotIndex: snapshotIndex,
		Revision:      p.Revision,
		ClockMs:       p.ClockMs,
		LeaseTimeMs:   p.LeaseTimeMs,
		InstanceID:    instanceID,
		Version:       n.config.Version,
	}, nil
}

func roleOf(state raft.RaftState) string {
	switch state {
	case raft.Leader:
		return "leader"
	case raft.Candidate:
		return "candidate"
	case raft.Shutdown:
		return "stopped"
	default:
		return "follower"
	}
}

// StateHash returns the hash of this node's state at a checkpoint, waiting for
// the node to get there.
func (n *Node) StateHash(ctx context.Context, index uint64) (string, error) {
	if err := n.replica.awaitApplied(ctx, index); err != nil {
		return "", registry.Errorf(registry.CodeNoLeader, registry.Fields{},
			"node %s did not reach log index %d in time", n.config.ID, index)
	}
	return n.replica.hashes.get(ctx, index)
}

// ClusterStatus implements registry.Admin.
func (n *Node) ClusterStatus(ctx context.Context) (registry.ClusterStatus, error) {
	clusterID, _, _ := n.identity.Self()
	status := registry.ClusterStatus{ClusterID: clusterID, Term: n.raft.CurrentTerm()}
	status.Leader, _, _ = n.Leader()
	for _, server := range n.servers() {
		status.Members = append(status.Members, registry.MemberStatus{
			ID: string(server.ID), Addr: string(server.Address), Voter: server.Suffrage == raft.Voter,
		})
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	inParallel(len(status.Members), func(i int) {
		m, err := &status.Members[i], error(nil)
		if m.ID == n.config.ID {
			m.NodeStatus, err = n.NodeStatus(ctx)
		} else {
			m.NodeStatus, err = n.config.Peers.NodeStatus(ctx, m.ID, m.Addr)
		}
		if err != nil {
			m.Error = err.Error()
		}
	})
	n.answer(ctx, nil)
	return status, nil
}

// inParallel runs n questions beside each other.
func inParallel(n int, ask func(i int)) {
	var asked sync.WaitGroup
	for i := range n {
		asked.Go(func() { ask(i) })
	}
	asked.Wait()
}

// TransferLeadership implements registry.Admin.
func (n *Node) TransferLeadership(ctx context.Context, toID string) error {
	if n.reign.Load() == nil {
		return n.notLeader()
	}
	targets := n.successors(ctx)
	if toID != "" {
		target, err := n.transferTarget(toID)
		if err != nil {
			return err
		}
		targets = []raft.Server{target}
	}
	_, err := n.transfer(ctx, targets)
	n.answer(ctx, nil)
	if err != nil {
		return registry.Errorf(registry.CodeOverloaded, registry.Fields{RetryAfterMs: new(uint64(1000))},
			"leadership was not handed over: %v. See `cluster status` for a voter that keeps up, and try again", err)
	}
	return nil
}

func (n *Node) transferTarget(toID string) (raft.Server, error) {
	if toID == n.config.ID {
		return raft.Server{}, registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "to"}, "node %s leads already", toID)
	}
	for _, server := range n.servers() {
		if string(server.ID) == toID && server.Suffrage == raft.Voter {
			return server, nil
		}
	}
	return raft.Server{}, registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "to"},
		"%s is not a voter of this cluster: see `cluster status`", toID)
}

// await waits for one of raft's futures, but not for ever.
func await(ctx context.Context, future raft.Future, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- future.Error() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AddMember implements registry.Admin. It is repeatable: a node that is a
// non-voter already is promoted once it has caught up.
func (n *Node) AddMember(ctx context.Context, id, addr string) error {
	if err := errors.Join(registry.ValidateID("id", id), registry.ValidateString("addr", addr)); err != nil {
		return err
	}
	if n.reign.Load() == nil {
		return n.notLeader()
	}
	if err := n.changeMembers(ctx, func() raft.IndexFuture {
		return n.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(addr), 0, membershipTimeout)
	}); err != nil {
		return err
	}
	if err := n.awaitCaughtUp(ctx, id, addr); err != nil {
		return registry.Errorf(registry.CodeOutcomeUnknown, registry.Fields{},
			"%s was added without a vote and has not caught up: %v. Repeat the call to have it promoted", id, err)
	}
	return n.changeMembers(ctx, func() raft.IndexFuture {
		return n.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(addr), 0, membershipTimeout)
	})
}

func (n *Node) awaitCaughtUp(ctx context.Context, id, addr string) error {
	poll := time.NewTicker(catchUpPoll)
	defer poll.Stop()
	var last error
	for {
		status, err := n.config.Peers.NodeStatus(ctx, id, addr)
		if last = err; err == nil {
			commit := n.raft.CommitIndex()
			if status.AppliedIndex+catchUpGap >= commit && status.AppliedIndex > 0 {
				return nil
			}
			last = fmt.Errorf("it is at log index %d of %d", status.AppliedIndex, commit)
		}
		select {
		case <-ctx.Done():
			return last
		case <-n.closing:
			return last
		case <-poll.C:
		}
	}
}

// RemoveMember implements registry.Admin.
func (n *Node) RemoveMember(ctx context.Context, id string) error {
	if err := registry.ValidateID("id", id); err != nil {
		return err
	}
	if n.reign.Load() == nil {
		return n.notLeader()
	}
	if !n.inConfiguration(id) {
		return registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "id"},
			"%s is not a member of this cluster: see `cluster status`", id)
	}
	return n.changeMembers(ctx, func() raft.IndexFuture {
		return n.raft.RemoveServer(raft.ServerID(id), 0, membershipTimeout)
	})
}

func (n *Node) changeMembers(ctx context.Context, change func() raft.IndexFuture) error {
	err := await(ctx, change(), membershipTimeout)
	n.answer(ctx, nil)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return n.notLeader()
	default:
		return registry.Errorf(registry.CodeOutcomeUnknown, registry.Fields{},
			"the membership may or may not have changed: %v. See `cluster status`", err)
	}
}

// TakeSnapshot implements registry.Admin.
func (n *Node) TakeSnapshot(ctx context.Context) error {
	err := await(ctx, n.raft.Snapshot(), time.Hour)
	n.answer(ctx, nil)
	if err == nil || errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return nil
	}
	return registry.Errorf(registry.CodeInternal, registry.Fields{}, "node %s wrote no snapshot: %v", n.config.ID, err)
}

// VerifyState implements registry.Admin.
func (n *Node) VerifyState(ctx context.Context) (registry.StateReport, error) {
	out, err := n.proposeEntry(ctx, func(decide.Records) (fsm.Command, error) {
		return fsm.Command{Body: &fsm.Checkpoint{}}, nil
	})
	n.answer(ctx, out.position())
	if err != nil {
		return registry.StateReport{}, err
	}
	report := registry.StateReport{Index: out.entry.Index, Agree: true}
	servers := n.servers()
	report.Members = make([]registry.MemberState, len(servers))
	inParallel(len(servers), func(i int) {
		m, err := &report.Members[i], error(nil)
		m.ID = string(servers[i].ID)
		if m.ID == n.config.ID {
			m.Hash, err = n.StateHash(ctx, report.Index)
		} else {
			m.Hash, err = n.config.Peers.StateHash(ctx, m.ID, string(servers[i].Address), report.Index)
		}
		if err != nil {
			m.Error = err.Error()
		}
	})
	for _, m := range report.Members {
		report.Agree = report.Agree && m.Error == "" && m.Hash == report.Members[0].Hash
	}
	return report, nil
}
