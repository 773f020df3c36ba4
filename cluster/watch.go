package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// What streams of events and changes are made of. All of it is answered from
// what this node has applied, whoever leads: a follower may be behind, so
// whoever is told that something is missing here catches up and asks again.

// WatchEvents reads the next events of a watch, without a wait for any. Errors:
// InvalidArgument, NotFound, LifeEnded, Corrupt.
func (n *Node) WatchEvents(watch registry.EventWatch) (events registry.WatchedEvents, err error) {
	if err := watch.Validate(); err != nil {
		return events, err
	}
	if err := n.notBroken(); err != nil {
		return events, err
	}
	n.replica.machine.Read(func(v fsm.View) { events, err = v.WatchEvents(watch) })
	return events, err
}

// FollowProcess has wake called after this node has applied something that may
// have changed the process, until unfollow is called. What was applied before
// FollowProcess returned may go untold. wake must return at once, and must not
// follow or unfollow.
func (n *Node) FollowProcess(processID string, wake func()) (unfollow func()) {
	return n.replica.hub.followers.follow(processID, wake)
}

// WatchChanges reads the next changes behind a cursor. When there are none yet
// it returns a channel that is closed as soon as there may be. For the zero
// cursor it returns the present one. Errors: Compacted, Corrupt.
func (n *Node) WatchChanges(after registry.ChangeCursor) (registry.WatchedChanges, <-chan struct{}, error) {
	if err := n.notBroken(); err != nil {
		return registry.WatchedChanges{}, nil, err
	}
	// The state first: the window is never ahead of it.
	p := n.replica.position()
	present := registry.ChangeCursor{ClusterID: p.ClusterID, RestoreEpoch: p.RestoreEpoch, Revision: p.Revision}
	if after == (registry.ChangeCursor{}) {
		return registry.WatchedChanges{Cursor: present}, nil, nil
	}
	if after.ClusterID != present.ClusterID || after.RestoreEpoch != present.RestoreEpoch || after.Revision > present.Revision {
		return registry.WatchedChanges{}, nil, compacted("the cursor %v is of another history than this cluster's, which is at %v", after, present)
	}
	changes, more, kept := n.replica.hub.behind(after.Revision)
	if !kept {
		return registry.WatchedChanges{}, nil, compacted("the changes behind the cursor %v are no longer kept", after)
	}
	if len(changes) > 0 {
		after.Revision = changes[len(changes)-1].Revision
	}
	return registry.WatchedChanges{Changes: changes, Cursor: after}, more, nil
}

func compacted(format string, args ...any) error {
	return registry.Errorf(registry.CodeCompacted, registry.Fields{Field: "cursor"},
		"%s: take the present cursor, list what you need, and go on from that cursor", fmt.Sprintf(format, args...))
}

func (n *Node) notBroken() error {
	if n.replica.broken.Load() {
		return registry.Errorf(registry.CodeCorrupt, registry.Fields{}, "node %s: %v", n.config.ID, errBroken)
	}
	return nil
}

// CatchUp returns once this node has applied every write that was acked before
// the call, whichever node leads. Errors: NotLeader, NoLeader.
func (n *Node) CatchUp(ctx context.Context) error {
	if n.reign.Load() != nil {
		return n.readBarrier(ctx)
	}
	leader := n.notLeader()
	if leader.Fields.LeaderID == "" {
		return leader
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, maxReadWait)
		defer cancel()
	}
	index, err := n.config.Peers.ReadIndex(ctx, leader.Fields.LeaderID, leader.Fields.LeaderAddr)
	if err == nil {
		err = n.replica.awaitApplied(ctx, index)
	}
	var refusal *registry.Error
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	return registry.Errorf(registry.CodeNoLeader, registry.Fields{},
		"node %s could not learn in time how far it is behind the leader, try again: %v", n.config.ID, err)
}

// ReadIndex returns a log index for which the leader vouches: who has applied
// it has applied every write that was acked before the call. Errors: NotLeader,
// NoLeader.
func (n *Node) ReadIndex(ctx context.Context) (uint64, error) {
	if err := n.readBarrier(ctx); err != nil {
		return 0, err
	}
	return n.replica.applied.Load(), nil
}

// LastContactMs is the time since this node heard from the leader, 0 on the
// leader itself.
func (n *Node) LastContactMs() uint64 { return n.lastContactMs() }
