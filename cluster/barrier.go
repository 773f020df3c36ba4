package cluster

import (
	"context"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// maxReadWait bounds a read whose caller set no deadline.
const maxReadWait = 10 * time.Second

// Read implements decide.Log.
func (n *Node) Read(ctx context.Context, read func(fsm.View)) error {
	if registry.OptionsFrom(ctx).ReadLevel == registry.Stale {
		if err := n.notBroken(); err != nil {
			return err
		}
	} else if err := n.readBarrier(ctx); err != nil {
		n.answer(ctx, nil)
		return err
	}
	// Under one lock: a revision from later would promise more than was read.
	var at fsm.Position
	n.replica.machine.Read(func(v fsm.View) {
		read(v)
		at = v.Position()
	})
	n.answer(ctx, &at)
	return nil
}

// AwaitReady implements decide.Log. Only the leader waits: it learns first of
// what is ready, and it is where the claim has to go.
func (n *Node) AwaitReady(ctx context.Context, kinds []string, waitMs uint64, done func(fsm.View) bool) error {
	r := n.reign.Load()
	if r == nil {
		n.answer(ctx, nil)
		return n.notLeader()
	}
	if err := n.replica.waiting.Await(ctx, kinds, waitMs, r.ended, n.replica.machine.Read, done); err != nil {
		return registry.Errorf(registry.CodeOverloaded, registry.Fields{RetryAfterMs: new(uint64(retryHintMs))},
			"the call ended while it waited for work: nothing was done")
	}
	return nil
}

// readBarrier returns once every write that was acked before the call is
// applied here. Raft dissertation, section 6.4, with two changes: the term is
// confirmed by asking voters for theirs, since raft.VerifyLeader also counts
// non-voters and answers to heartbeats that were sent before the call; and the
// commit index may be used at once, because the takeover of this term, which
// only a node that serves has applied, follows everything committed before.
//
//  1. This node serves term T: it proposed T's takeover and has applied it.
//  2. The index to wait for is raft's commit index.
//  3. A quorum of the voters says, asked after the call began, that its term
//     is T. Such a voter has not voted in a later term before that, so there
//     was no later leader when the call began, and none that acked a write.
//  4. This node still serves term T.
//  5. The state machine has applied the index.
//  6. The caller reads under the read lock.
func (n *Node) readBarrier(ctx context.Context) error {
	r := n.reign.Load()
	if r == nil {
		return n.notLeader()
	}
	if mutant == skipsReadBarrier {
		return nil
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, maxReadWait)
		defer cancel()
	}
	index := n.raft.CommitIndex()
	begin := time.Now()
	defer func() { n.metrics.barrierSeconds.Observe(time.Since(begin).Seconds()) }()
	if err := n.confirm(ctx, r); err != nil {
		return n.notConfirmed(err)
	}
	if n.reign.Load() != r || n.raft.CurrentTerm() != r.term || n.raft.State() != raft.Leader {
		return n.notLeader()
	}
	if err := n.replica.awaitApplied(ctx, index); err != nil {
		return n.notConfirmed(err)
	}
	return nil
}

// confirm is step 3.
func (n *Node) confirm(ctx context.Context, r *reign) error {
	if mutant == trustsVerifyLeader {
		return n.raft.VerifyLeader().Error()
	}
	return r.confirms.await(ctx)
}

// notConfirmed is the refusal of a read that could not be made linearizable.
func (n *Node) notConfirmed(err error) error {
	if e, ok := err.(*registry.Error); ok {
		return e
	}
	return registry.Errorf(registry.CodeNoLeader, registry.Fields{},
		"node %s could not confirm in time that it still leads: nothing was read, try again", n.config.ID)
}
