package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// The bounds of a read barrier.
const (
	// maxReadWait bounds a read whose caller set no deadline.
	maxReadWait = 10 * time.Second
	// askTimeout bounds one question to a voter.
	askTimeout = 2 * time.Second
	// askPatience is how long a read waits for the voters that were asked first
	// before all others are asked too.
	askPatience = 10 * time.Millisecond
	// askPause is how long a voter that did not confirm is left alone.
	askPause = 20 * time.Millisecond
)

// Read implements decide.Log.
func (n *Node) Read(ctx context.Context, read func(fsm.View)) error {
	if registry.OptionsFrom(ctx).ReadLevel == registry.Stale {
		if n.replica.broken.Load() {
			return registry.Errorf(registry.CodeCorrupt, registry.Fields{}, "node %s: %v", n.config.ID, errBroken)
		}
	} else if err := n.readBarrier(ctx); err != nil {
		n.answer(ctx, nil)
		return err
	}
	n.replica.machine.Read(read)
	n.answer(ctx, nil)
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
	ctx, cancel := context.WithTimeout(ctx, maxReadWait)
	defer cancel()
	index := n.raft.CommitIndex()
	begin := time.Now()
	defer func() { n.metrics.barrierSeconds.Observe(time.Since(begin).Seconds()) }()
	if err := r.confirms.await(ctx); err != nil {
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

// notConfirmed is the refusal of a read that could not be made linearizable.
func (n *Node) notConfirmed(err error) error {
	if e, ok := err.(*registry.Error); ok {
		return e
	}
	return registry.Errorf(registry.CodeNoLeader, registry.Fields{},
		"node %s could not confirm in time that it still leads: nothing was read, try again", n.config.ID)
}

// confirmations counts which reads the voters have confirmed in one term.
// Every read takes the next ticket; a voter is asked by one goroutine with one
// question at a time, and its answer confirms all tickets that were taken
// before the question was sent, never one that was taken after.
type confirmations struct {
	node  *Node
	term  uint64
	ended <-chan struct{}

	mu sync.Mutex
	// ticket is the last one taken.
	ticket uint64
	voters map[raft.ServerID]*voter
	// waiting are the tickets that no quorum has confirmed yet, ascending.
	waiting []waitingRead
}

type waitingRead struct {
	ticket uint64
	done   chan struct{}
}

// voter is what one voter has confirmed.
type voter struct {
	confirmed uint64
	// asking is set while a question is under way; slow tells that the last
	// one failed or took too long, so that others are asked first.
	asking, slow bool
	// wanted wakes the voter's goroutine.
	wanted chan struct{}
}

func newConfirmations(n *Node, term uint64, ended <-chan struct{}) *confirmations {
	return &confirmations{node: n, term: term, ended: ended, voters: make(map[raft.ServerID]*voter)}
}

// await returns once a quorum has confirmed the term after it was called.
func (c *confirmations) await(ctx context.Context) error {
	done := make(chan struct{})
	c.mu.Lock()
	c.ticket++
	c.waiting = append(c.waiting, waitingRead{ticket: c.ticket, done: done})
	ticket := c.ticket
	c.ask(false)
	c.release()
	c.mu.Unlock()
	patience := time.NewTimer(askPatience)
	defer patience.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-c.ended:
			return c.node.notLeader()
		case <-patience.C:
			c.askOthers(ticket)
		case <-ctx.Done():
			c.forget(done)
			return ctx.Err()
		}
	}
}

// forget drops a read whose caller is gone.
func (c *confirmations) forget(done chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.waiting {
		if c.waiting[i].done == done {
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			return
		}
	}
}

// ask wakes the goroutines of as many voters as make a quorum, those first
// that have been answering, or of all voters. Who is asked decides only how
// soon a quorum answers, never whether there is one. The lock must be held.
func (c *confirmations) ask(all bool) {
	var asked, slow []*voter
	voters, own := 0, 0
	for _, server := range c.node.servers() {
		if server.Suffrage != raft.Voter {
			continue
		}
		voters++
		if string(server.ID) == c.node.config.ID {
			own = 1
			continue
		}
		v := c.voters[server.ID]
		if v == nil {
			v = &voter{wanted: make(chan struct{}, 1)}
			c.voters[server.ID] = v
			go c.askVoter(server.ID, v)
		}
		if v.slow {
			slow = append(slow, v)
		} else {
			asked = append(asked, v)
		}
	}
	missing := voters/2 + 1 - own
	asked = append(asked, slow...)
	for i, v := range asked {
		if i >= missing && !all {
			return
		}
		select {
		case v.wanted <- struct{}{}:
		default:
		}
	}
}

// askOthers asks all voters, once those that were asked first have kept a read
// waiting for too long, and prefers others from then on.
func (c *confirmations) askOthers(ticket uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.voters {
		v.slow = v.slow || v.confirmed < ticket && v.asking
	}
	c.ask(true)
}

// askVoter asks one voter for its term as long as there are reads it has not
// confirmed.
func (c *confirmations) askVoter(id raft.ServerID, v *voter) {
	for {
		select {
		case <-c.ended:
			return
		case <-v.wanted:
		}
		for c.askOnce(id, v) {
		}
	}
}

// askOnce asks once, and tells whether there is more to ask for.
func (c *confirmations) askOnce(id raft.ServerID, v *voter) bool {
	addr, member := c.node.addressOf(id)
	c.mu.Lock()
	ticket := c.ticket
	v.asking = member && len(c.waiting) > 0 && v.confirmed < c.waiting[len(c.waiting)-1].ticket
	needed := v.asking
	c.mu.Unlock()
	if !needed {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	term, err := c.node.config.Peers.CurrentTerm(ctx, string(id), addr)
	if err != nil || term != c.term {
		// Another term means that this one is ending: raft will tell.
		c.mu.Lock()
		v.asking, v.slow = false, true
		c.ask(true)
		c.mu.Unlock()
		select {
		case <-c.ended:
			return false
		case <-time.After(askPause):
			return true
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	v.asking, v.slow = false, false
	v.confirmed = max(v.confirmed, ticket)
	c.release()
	return true
}

// release lets all reads go that a quorum has confirmed. The configuration is
// read here, after those reads began. The lock must be held.
func (c *confirmations) release() {
	confirmed := c.quorumTicket()
	released := 0
	for _, read := range c.waiting {
		if read.ticket > confirmed {
			break
		}
		close(read.done)
		released++
	}
	if released > 0 {
		c.waiting = append(c.waiting[:0], c.waiting[released:]...)
	}
}

// quorumTicket returns the highest ticket that a quorum of the voters has
// confirmed. This node confirms everything itself, if it is a voter.
func (c *confirmations) quorumTicket() uint64 {
	var tickets []uint64
	for _, server := range c.node.servers() {
		if server.Suffrage != raft.Voter {
			continue
		}
		switch v := c.voters[server.ID]; {
		case string(server.ID) == c.node.config.ID:
			tickets = append(tickets, c.ticket)
		case v != nil:
			tickets = append(tickets, v.confirmed)
		default:
			tickets = append(tickets, 0)
		}
	}
	return quorumOf(tickets)
}

// quorumOf returns the highest value that more than half of the values reach.
func quorumOf(values []uint64) uint64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}
