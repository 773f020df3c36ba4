package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-registry/holdfast/decide"
	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// The bounds of the proposal queue. A full queue refuses at once: waiting in it
// for longer than a caller would is no use to anybody.
const (
	maxQueued     = 4096
	retryHintMs   = 50
	enqueueWait   = 5 * time.Second
	tickInterval  = time.Second
	maxFatalTerms = 3
)

// maxCommandBytes bounds one encoded command: a request may be stored twice in
// it, as the payload and as the output that it means.
const maxCommandBytes = 2*registry.MaxRequestBytes + 256<<10

// reign is the time in which this node serves one term as leader: from its
// applied takeover to the loss of leadership.
type reign struct {
	term  uint64
	clock leaderClock
	// ended is closed when leadership is over.
	ended    chan struct{}
	confirms *confirmations

	mu sync.Mutex
	// paused refuses proposals while leadership is handed over.
	closed, paused bool
	queue          chan *proposal
	// overloaded counts refusals of a full queue.
	overloaded prometheus.Counter
}

// proposal is one command on its way.
type proposal struct {
	// command is the encoded command.
	command []byte
	// done gets exactly one outcome.
	done chan outcome

	mu sync.Mutex
	// taken is set by the proposer, given up by the caller: whoever comes
	// first decides whether the command is proposed.
	taken, givenUp bool
}

type outcome struct {
	result fsm.Result
	entry  *fsm.EntryResult
	err    *registry.Error
}

// position is where the state stood when the command was answered, nil when it
// was not.
func (o outcome) position() *fsm.Position {
	if o.entry == nil {
		return nil
	}
	return &fsm.Position{Revision: o.result.Revision, ClockMs: o.result.ClockMs, LeaseTimeMs: o.result.LeaseTimeMs}
}

func newReign(term uint64, clock leaderClock, queue int, overloaded prometheus.Counter) *reign {
	return &reign{term: term, clock: clock, ended: make(chan struct{}), queue: make(chan *proposal, queue), overloaded: overloaded}
}

// take claims a proposal for the log; false when its caller gave up.
func (p *proposal) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = !p.givenUp
	return p.taken
}

// giveUp takes a proposal back; false when it may be in the log already.
func (p *proposal) giveUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.givenUp = !p.taken
	return p.givenUp
}

// enqueue queues a proposal, or says why not.
func (r *reign) enqueue(p *proposal, notLeader func() *registry.Error) *registry.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return notLeader()
	}
	if r.paused {
		return registry.Errorf(registry.CodeNotLeader, registry.Fields{}, "the leader is handing its leadership over: nothing was done, try again")
	}
	select {
	case r.queue <- p:
		return nil
	default:
		r.overloaded.Inc()
		return registry.Errorf(registry.CodeOverloaded, registry.Fields{RetryAfterMs: new(uint64(retryHintMs))},
			"the leader has %d writes waiting: nothing was done, try again after %d ms", cap(r.queue), retryHintMs)
	}
}

// end closes the reign: nothing more is queued, and what is queued is answered.
func (r *reign) end(notLeader func() *registry.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	close(r.ended)
	for {
		select {
		case p := <-r.queue:
			if p.take() {
				p.done <- outcome{err: notLeader()}
			}
		default:
			return
		}
	}
}

// proposer turns the queue of a reign into log entries: while one entry is
// being committed the next one gathers.
type proposer struct {
	node  *Node
	reign *reign
	// refusing measures for how long raft has refused proposals because of a
	// leadership transfer; zero while it does not.
	refusing stopwatch
	commands []byte
	batch    []*proposal
	// held is a proposal that did not fit into the batch before.
	held *proposal
}

func newProposer(n *Node, r *reign) *proposer {
	return &proposer{node: n, reign: r, refusing: stopwatch{step: 2 * tickInterval}}
}

// run proposes until the reign ends.
func (p *proposer) run() {
	silence := time.NewTimer(p.node.config.tick)
	defer silence.Stop()
	for {
		next := p.held
		p.held = nil
		if next == nil {
			select {
			case <-p.reign.ended:
				return
			case next = <-p.reign.queue:
			case <-silence.C:
				next = p.tick()
			}
		}
		if next != nil {
			p.gather(next)
			p.propose()
		}
		silence.Reset(p.node.config.tick)
	}
}

// tick makes a proposal that only moves the clock, if something runs on it.
func (p *proposer) tick() *proposal {
	needed := false
	p.node.replica.machine.Read(func(v fsm.View) { needed = v.NeedsTime() })
	if !needed {
		return nil
	}
	return p.node.newTick()
}

// newTick makes the proposal of a tick, nil when this node cannot go on.
func (n *Node) newTick() *proposal {
	command, err := fsm.AppendCommand(nil, fsm.Command{Body: &fsm.Tick{}})
	if err != nil {
		n.fatal(fmt.Errorf("encode a tick: %w", err))
		return nil
	}
	return &proposal{command: command, done: make(chan outcome, 1)}
}

// gather fills a batch with what is queued, up to the bounds of an entry. A
// command over the bound goes alone.
func (p *proposer) gather(next *proposal) {
	p.batch, p.commands = p.batch[:0], p.commands[:0]
	for {
		if next.take() {
			if len(p.batch) > 0 && len(p.commands)+len(next.command) > fsm.MaxEntryBytes {
				p.held = next
				return
			}
			p.batch = append(p.batch, next)
			p.commands = append(p.commands, next.command...)
			if len(p.batch) >= fsm.MaxEntryCommands {
				return
			}
		}
		select {
		case next = <-p.reign.queue:
		default:
			return
		}
	}
}

// propose commits one batch and answers its proposals.
func (p *proposer) propose() {
	if len(p.batch) == 0 {
		return
	}
	failpoint("propose.before")
	entry := fsm.AppendEntry(nil, p.reign.term, p.reign.clock.stampMs(), len(p.batch), p.commands)
	begin := time.Now()
	future := p.node.raft.Apply(entry, enqueueWait)
	result, err := p.node.entryResult(future)
	p.node.metrics.batchCommands.Observe(float64(len(p.batch)))
	p.node.metrics.batchBytes.Observe(float64(len(entry)))
	p.node.metrics.commitSeconds.Observe(time.Since(begin).Seconds())
	p.watchTransfer(future.Error())
	for i, proposed := range p.batch {
		if err != nil {
			proposed.done <- outcome{err: err}
			continue
		}
		proposed.done <- outcome{result: result.Results[i], entry: result}
	}
	clear(p.batch)
}

// watchTransfer reports fatal when raft goes on refusing proposals because of
// a leadership transfer that is over: hashicorp/raft issue 696, which only a
// restart mends.
func (p *proposer) watchTransfer(err error) {
	if !errors.Is(err, raft.ErrLeadershipTransferInProgress) {
		p.refusing.reset()
		return
	}
	if stuck := p.refusing.look(time.Now()); stuck > maxFatalTerms*p.node.config.Timing.Election {
		p.node.fatalAlarm(watchdogTransfer, fmt.Errorf("raft has refused every write for %v because of a leadership transfer that does not end: restart this node", stuck.Round(time.Millisecond)))
	}
}

// entryResult waits for an entry and sorts out what became of it. Raft's
// refusals before the log are definite; once an entry may have been sent
// anywhere, its outcome is unknown.
func (n *Node) entryResult(future raft.ApplyFuture) (*fsm.EntryResult, *registry.Error) {
	err := future.Error()
	switch {
	case err == nil:
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return nil, n.notLeader()
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return nil, registry.Errorf(registry.CodeOverloaded, registry.Fields{RetryAfterMs: new(uint64(retryHintMs))},
			"raft took no entry for %v, its disk may be slow: nothing was done, try again", enqueueWait)
	default:
		return nil, registry.Errorf(registry.CodeOutcomeUnknown, registry.Fields{}, "the write may or may not have happened: %v", err)
	}
	switch response := future.Response().(type) {
	case *fsm.EntryResult:
		if response.Refused {
			return nil, n.notLeader()
		}
		return response, nil
	default:
		return nil, registry.Errorf(registry.CodeOutcomeUnknown, registry.Fields{}, "the write was committed, and this node could not apply it: %v", response)
	}
}

// Propose implements decide.Log.
func (n *Node) Propose(ctx context.Context, decide decide.Decision) (fsm.Result, error) {
	out, err := n.proposeEntry(ctx, decide)
	n.answer(ctx, out.position())
	if err != nil {
		return fsm.Result{}, err
	}
	return out.result, nil
}

func (n *Node) proposeEntry(ctx context.Context, decide decide.Decision) (outcome, error) {
	// The reign is looked up before the decision: its queue leads into entries
	// of its own term only, so that a decision never crosses a term.
	r := n.reign.Load()
	if r == nil {
		return outcome{}, n.notLeader()
	}
	c, err := decide(n.replica.machine)
	if err != nil {
		return outcome{}, err
	}
	p := &proposal{done: make(chan outcome, 1)}
	if p.command, err = fsm.AppendCommand(nil, c); err != nil {
		return outcome{}, registry.Errorf(registry.CodeInternal, registry.Fields{}, "encode the command: %v", err)
	}
	if size, limit := uint64(len(p.command)), uint64(maxCommandBytes); size > limit {
		return outcome{}, registry.Errorf(registry.CodeTooLarge, registry.Fields{Field: "request", Limit: &limit, Value: &size},
			"the request makes a command of %d bytes, the limit is %d", size, limit)
	}
	if refusal := r.enqueue(p, n.notLeader); refusal != nil {
		return outcome{}, refusal
	}
	select {
	case out := <-p.done:
		if out.err != nil {
			return out, out.err
		}
		return out, nil
	case <-ctx.Done():
	}
	if p.giveUp() {
		return outcome{}, registry.Errorf(registry.CodeOverloaded, registry.Fields{RetryAfterMs: new(uint64(retryHintMs))},
			"the call ended while the write was still waiting to be proposed: nothing was done")
	}
	return outcome{}, registry.Errorf(registry.CodeOutcomeUnknown, registry.Fields{},
		"the call ended before the write was committed: it may or may not happen")
}
