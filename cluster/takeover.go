package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/decide"
	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// formationWait is how long the first leader of a cluster waits to meet all
// nodes of the first configuration, so that the first takeover records every
// instance. A node that is down at that time is recorded when it is met.
const formationWait = 2 * time.Second

// followLeadership starts and ends reigns as raft tells of leadership. It
// drains the channel at once, since raft stands still while nobody does.
func (n *Node) followLeadership(changes <-chan bool) {
	defer n.background.Done()
	end := func() {}
	defer func() { end() }()
	for {
		select {
		case <-n.closing:
			return
		case leader := <-changes:
			end()
			end = func() {}
			if leader {
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan struct{})
				go func() {
					defer close(done)
					n.takeOver(ctx)
				}()
				end = func() {
					cancel()
					n.endReign()
					<-done
				}
			}
		}
	}
}

// endReign stops serving. It is called again by the reign's own goroutine.
func (n *Node) endReign() {
	if r := n.reign.Swap(nil); r != nil {
		n.identity.setIntroduce(nil)
		r.end(n.notLeader)
		n.config.OnLeaderChange()
	}
}

// takeOver proposes the takeover of a new term, and serves once it is applied.
func (n *Node) takeOver(ctx context.Context) {
	defer n.endReign()
	n.awaitFormation(ctx)
	result, term, ok := n.proposeTakeover(ctx)
	if !ok {
		return
	}
	r := newReign(term, newLeaderClock(n.config.Clock, result.ClockMs), n.config.queue, n.metrics.overloaded)
	r.confirms = newConfirmations(n, term, r.ended)
	n.reign.Store(r)
	if ctx.Err() != nil {
		return
	}
	n.identity.setIntroduce(n.introduceMember)
	n.logger.Info("serving as leader", "term", term, "revision", result.Revision)
	n.metrics.takeovers.Inc()
	n.signalServing()
	p := newProposer(n, r)
	p.run()
}

// awaitFormation waits, in a cluster that has no id yet, until every node of
// the configuration was met.
func (n *Node) awaitFormation(ctx context.Context) {
	if clusterID, _, _ := n.identity.Self(); clusterID != "" {
		return
	}
	deadline := time.NewTimer(formationWait)
	defer deadline.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		missing := false
		for _, server := range n.servers() {
			missing = missing || !n.identity.knows(string(server.ID))
		}
		if !missing {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-deadline.C:
			return
		case <-poll.C:
		}
	}
}

// proposeTakeover proposes the takeover until it is applied, leadership ends,
// or nothing has moved for so long that raft must be stuck.
func (n *Node) proposeTakeover(ctx context.Context) (*fsm.EntryResult, uint64, bool) {
	limit := maxFatalTerms * n.config.Timing.Election
	const looks = 10
	progress := newProgress(n, 2*limit/looks)
	for ctx.Err() == nil {
		term := n.raft.CurrentTerm()
		entry, err := fsm.EncodeEntry(fsm.Entry{Term: term, StampMs: n.config.Clock.WallMs(), Commands: []fsm.Command{{Body: &fsm.Takeover{
			Proposer: n.config.ID, ClusterID: newID(), Members: n.identity.met(),
		}}}})
		if err != nil {
			n.fatal(fmt.Errorf("encode a takeover: %w", err))
			return nil, 0, false
		}
		future := n.raft.Apply(entry, limit)
		applied := make(chan struct{})
		go func() {
			_ = future.Error()
			close(applied)
		}()
		for waiting := true; waiting; {
			select {
			case <-applied:
				waiting = false
			case <-ctx.Done():
				return nil, 0, false
			case <-time.After(limit / looks):
				if stuck := progress.stuckFor(); stuck > limit && n.raft.State() == raft.Leader {
					n.fatalAlarm(watchdogTakeover, fmt.Errorf("the takeover of term %d was not applied and nothing moved for %v: restart this node", term, stuck.Round(time.Millisecond)))
					return nil, 0, false
				}
			}
		}
		result, refusal := n.entryResult(future)
		if refusal == nil {
			return result, term, true
		}
		n.logger.Warn("takeover refused", "term", term, "error", refusal)
		if stuck := progress.stuckFor(); stuck > limit && n.raft.State() == raft.Leader {
			n.fatalAlarm(watchdogTakeover, fmt.Errorf("raft has refused the takeover for %v: restart this node", stuck.Round(time.Millisecond)))
			return nil, 0, false
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil, 0, false
}

// progress tells for how long neither raft's commit index nor the state
// machine has moved. A long replay after a restart moves.
type progress struct {
	node            *Node
	commit, applied uint64
	standing        stopwatch
}

func newProgress(n *Node, step time.Duration) *progress {
	p := &progress{node: n, standing: stopwatch{step: step}}
	p.stuckFor()
	return p
}

func (p *progress) stuckFor() time.Duration {
	commit, applied := p.node.raft.CommitIndex(), p.node.replica.applied.Load()
	if commit != p.commit || applied != p.applied {
		p.commit, p.applied = commit, applied
		p.standing.reset()
	}
	return p.standing.look(time.Now())
}

// introduceMember records an instance that was met after the takeover. It runs
// on its own, since the caller holds a connection open.
func (n *Node) introduceMember(m fsm.Member) {
	if !n.introducing.CompareAndSwap(false, true) {
		return
	}
	n.background.Add(1)
	go func() {
		defer n.background.Done()
		defer n.introducing.Store(false)
		if !n.inConfiguration(m.NodeID) {
			n.logger.Warn("a node that is not in the cluster asked to be let in", "node", m.NodeID, "instance", m.InstanceID)
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), enqueueWait)
		defer cancel()
		result, err := n.Propose(ctx, func(decide.Records) (fsm.Command, error) {
			return fsm.Command{Body: &fsm.RecordMember{Member: m}}, nil
		})
		if err == nil && result.Refusal != nil {
			err = result.Refusal
		}
		if err != nil {
			n.logger.Warn("could not record an instance", "node", m.NodeID, "instance", m.InstanceID, "error", err)
		}
	}()
}

// notLeader is the refusal of a node that does not serve as leader.
func (n *Node) notLeader() *registry.Error {
	addr, id := n.raft.LeaderWithID()
	fields := registry.Fields{LeaderID: string(id), LeaderAddr: string(addr)}
	switch {
	case id == "":
		return registry.Errorf(registry.CodeNoLeader, fields, "node %s knows no leader: nothing was done, try again", n.config.ID)
	case string(id) == n.config.ID:
		return registry.Errorf(registry.CodeNotLeader, registry.Fields{}, "node %s leads but does not serve yet: nothing was done, try again", n.config.ID)
	default:
		return registry.Errorf(registry.CodeNotLeader, fields, "node %s does not lead, %s at %s does: nothing was done", n.config.ID, id, addr)
	}
}
