package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// The bounds of the questions to voters.
const (
	// askTimeout bounds one question to a voter.
	askTimeout = 2 * time.Second
	// askPatience is how long a read waits for the voters that were asked first
	// before all others are asked too.
	askPatience = 10 * time.Millisecond
	// askPause is how long a voter that did not confirm is left alone.
	askPause = 20 * time.Millisecond
)

// confirmations lets reads wait until a quorum of the voters has confirmed the
// term. Reads gather in an open round; the first question that is sent closes
// it and has its number, so that an answer confirms the rounds up to the number
// of its question, and never a read that came after the question was sent.
// Each voter is asked by one goroutine, one question at a time.
//
// Who is asked first decides only how soon a quorum answers: a round is
// confirmed by a quorum of the voters of the configuration as it is when the
// answers are counted, which is after its reads began.
type confirmations struct {
	node  *Node
	term  uint64
	ended <-chan struct{}

	mu sync.Mutex
	// closed is the number of the last round that was closed by a question.
	closed uint64
	// open is the round that gathers reads, nil when there is none.
	open *round
	// waiting are the closed rounds that no quorum has confirmed, in order.
	waiting []*round
	voters  map[raft.ServerID]*voter
	// missing is how many other voters made a quorum with this node when that
	// was last looked at.
	missing int
	// impatient is set while a look at the waiting rounds is due.
	impatient bool
}

// round is a set of reads that are confirmed together.
type round struct {
	number uint64
	// readers are those that still wait.
	readers int
	done    chan struct{}
}

// voter is what one other voter has confirmed.
type voter struct {
	confirmed uint64
	// asking is set while its goroutine has a question under way; slow tells
	// that the last one failed or took too long, so that others come first.
	asking, slow bool
	// wanted wakes its goroutine.
	wanted chan struct{}
}

func newConfirmations(n *Node, term uint64, ended <-chan struct{}) *confirmations {
	return &confirmations{node: n, term: term, ended: ended, voters: make(map[raft.ServerID]*voter)}
}

// await returns once a quorum has confirmed the term after it was called.
func (c *confirmations) await(ctx context.Context) error {
	joined := c.join()
	select {
	case <-joined.done:
		return nil
	case <-c.ended:
		return c.node.notLeader()
	case <-ctx.Done():
		c.mu.Lock()
		joined.readers--
		c.mu.Unlock()
		return ctx.Err()
	}
}

// join puts a read into the open round, and sees to it that enough voters will
// be asked.
func (c *confirmations) join() *round {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = &round{done: make(chan struct{})}
	}
	joined := c.open
	joined.readers++
	// A goroutine with a question under way looks for further rounds after it.
	asking := 0
	for _, v := range c.voters {
		if v.asking && !v.slow {
			asking++
		}
	}
	if c.missing == 0 || asking < c.missing {
		c.ask(false)
	}
	if c.missing == 0 {
		// This node alone is a quorum, and nobody will ask.
		c.close()
		c.release()
	}
	if !c.impatient {
		c.impatient = true
		waitsFor := c.closed + 1
		time.AfterFunc(askPatience, func() { c.lookAgain(waitsFor) })
	}
	return joined
}

// close ends the open round, if there is one: the next read begins another.
// The lock must be held.
func (c *confirmations) close() {
	if c.open == nil {
		return
	}
	c.closed++
	c.open.number = c.closed
	c.waiting = append(c.waiting, c.open)
	c.open = nil
}

// lookAgain asks all voters if a round still waits although the voters that
// were asked first have had their time, and prefers others from then on.
func (c *confirmations) lookAgain(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.impatient = false
	select {
	case <-c.ended:
		return
	default:
	}
	if !c.wanted(0) {
		return
	}
	oldest := c.closed + 1
	if len(c.waiting) > 0 {
		oldest = c.waiting[0].number
	}
	if oldest <= number {
		for _, v := range c.voters {
			v.slow = v.slow || v.asking && v.confirmed < oldest
		}
		c.ask(true)
	}
	c.impatient = true
	time.AfterFunc(askPatience, func() { c.lookAgain(oldest) })
}

// wanted tells whether somebody waits for more than is confirmed up to a round.
// The lock must be held.
func (c *confirmations) wanted(confirmed uint64) bool {
	if c.open != nil && c.open.readers > 0 {
		return true
	}
	return slices.ContainsFunc(c.waiting, func(r *round) bool { return r.number > confirmed && r.readers > 0 })
}

// ask wakes the goroutines of as many voters as make a quorum, those first
// that have been answering, or of all voters. The lock must be held.
func (c *confirmations) ask(all bool) {
	var prompt, slow []*voter
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
			prompt = append(prompt, v)
		}
	}
	c.missing = voters/2 + 1 - own
	for i, v := range append(prompt, slow...) {
		if i >= c.missing && !all {
			return
		}
		select {
		case v.wanted <- struct{}{}:
		default:
		}
	}
}

// askVoter asks one voter for its term as long as there are rounds that it has
// not confirmed.
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

// askOnce asks once, and tells whether to look for more to ask.
func (c *confirmations) askOnce(id raft.ServerID, v *voter) bool {
	addr, member := c.node.addressOf(id)
	c.mu.Lock()
	v.asking = member && c.wanted(v.confirmed)
	if !v.asking {
		c.mu.Unlock()
		return false
	}
	c.close()
	number := c.closed
	c.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	term, err := c.node.config.Peers.CurrentTerm(ctx, string(id), addr)

	c.mu.Lock()
	if err == nil && term == c.term {
		defer c.mu.Unlock()
		v.slow = false
		v.confirmed = max(v.confirmed, number)
		c.release()
		return true
	}
	// Another term means that this one is ending: raft will tell.
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

// release lets all reads go whose rounds a quorum has confirmed. The lock must
// be held.
func (c *confirmations) release() {
	confirmed := c.quorumRound()
	released := 0
	for _, r := range c.waiting {
		if r.number > confirmed {
			break
		}
		close(r.done)
		released++
	}
	c.waiting = slices.Delete(c.waiting, 0, released)
}

// quorumRound returns the last round that a quorum of the voters has confirmed.
// This node confirms everything itself, if it is a voter.
func (c *confirmations) quorumRound() uint64 {
	var confirmed []uint64
	for _, server := range c.node.servers() {
		if server.Suffrage != raft.Voter {
			continue
		}
		switch v := c.voters[server.ID]; {
		case string(server.ID) == c.node.config.ID:
			confirmed = append(confirmed, c.closed)
		case v != nil:
			confirmed = append(confirmed, v.confirmed)
		default:
			confirmed = append(confirmed, 0)
		}
	}
	return quorumOf(confirmed)
}

// quorumOf returns the highest value that more than half of the values reach.
func quorumOf(values []uint64) uint64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}
