package cluster

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/registry"
)

// successorTimeout bounds the question to the other voters how far they are. A
// voter that needs longer for it would be slow to take over too.
const successorTimeout = 500 * time.Millisecond

// errNoSuccessor is returned when no other voter could be reached.
var errNoSuccessor = errors.New("no other voter could be reached")

// HandOver gives the leadership to the voter that is furthest ahead, and
// returns its id once this node does not lead any more. On a node that does not
// lead it does nothing and returns "". When no other voter can be reached or
// ctx ends before, it fails, and this node goes on leading.
//
// No write ends with an unknown outcome because of it: see transfer.
func (n *Node) HandOver(ctx context.Context) (toID string, err error) {
	if n.raft.State() != raft.Leader {
		return "", nil
	}
	return n.transfer(ctx, n.successors(ctx))
}

// successors are the other voters that answer, the furthest ahead first. Raft's
// own choice goes by what the leader remembers of its followers, and so may
// fall on one that is gone.
func (n *Node) successors(ctx context.Context) []raft.Server {
	var voters []raft.Server
	for _, server := range n.servers() {
		if server.Suffrage == raft.Voter && string(server.ID) != n.config.ID {
			voters = append(voters, server)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, successorTimeout)
	defer cancel()
	type candidate struct {
		server raft.Server
		status registry.NodeStatus
		err    error
	}
	asked := make([]candidate, len(voters))
	inParallel(len(voters), func(i int) {
		c := &asked[i]
		c.server = voters[i]
		c.status, c.err = n.config.Peers.NodeStatus(ctx, string(c.server.ID), string(c.server.Address))
	})
	asked = slices.DeleteFunc(asked, func(c candidate) bool { return c.err != nil })
	slices.SortStableFunc(asked, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.status.LastLogIndex, a.status.LastLogIndex), cmp.Compare(b.status.AppliedIndex, a.status.AppliedIndex))
	})
	successors := make([]raft.Server, len(asked))
	for i, c := range asked {
		successors[i] = c.server
	}
	return successors
}

// transfer hands the leadership to the first of the targets that takes it.
//
// Raft answers entries that are under way when leadership ends with "leadership
// lost", even when the new leader has all of them. Therefore nothing new is
// taken from here on, and what was taken before is answered first. If nobody
// takes the leadership, this node goes on as before.
func (n *Node) transfer(ctx context.Context, targets []raft.Server) (toID string, err error) {
	if len(targets) == 0 {
		return "", errNoSuccessor
	}
	if !n.handingOver.CompareAndSwap(false, true) {
		return "", errors.New("leadership is being handed over already")
	}
	defer n.handingOver.Store(false)
	ctx, cancel := context.WithTimeout(ctx, transferTimeout)
	defer cancel()
	if r := n.reign.Load(); r != nil {
		r.pause(true)
		defer r.pause(false)
		if err := n.drain(ctx, r); err != nil {
			return "", err
		}
	}
	for _, target := range targets {
		err = await(ctx, n.raft.LeadershipTransferToServer(target.ID, target.Address), transferTimeout)
		if n.raft.State() != raft.Leader {
			return string(target.ID), nil
		}
		if err == nil {
			// Lost and regained at once: raft does not tell when in between.
			err = errors.New("this node was elected again")
		}
		if ctx.Err() != nil {
			break
		}
	}
	return "", err
}

// pause makes a reign refuse proposals, or take them again.
func (r *reign) pause(paused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = paused
}

// drain waits until every proposal of a paused reign is answered. A tick is
// queued behind them: batches are answered in their order.
func (n *Node) drain(ctx context.Context, r *reign) error {
	last := n.newTick()
	if last == nil {
		return errors.New("this node cannot go on")
	}
	select {
	case r.queue <- last:
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-last.done:
		return nil
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// observeLeader tells of every change of the leader that this node knows.
func (n *Node) observeLeader() {
	defer n.background.Done()
	// One place is enough: who is told looks at the leader of the moment.
	changes := make(chan raft.Observation, 1)
	observer := raft.NewObserver(changes, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	n.raft.RegisterObserver(observer)
	defer n.raft.DeregisterObserver(observer)
	for {
		select {
		case <-n.closing:
			return
		case <-changes:
			n.config.OnLeaderChange()
		}
	}
}
