package network

import (
	"math/rand/v2"
	"sync"
	"time"
)

// retransmission is how long a lost segment keeps what follows it waiting: the
// least time-out of TCP on Linux.
const retransmission = 200 * time.Millisecond

// gate holds the rule of a link, and the connections that cross it.
type gate struct {
	mu   sync.Mutex
	rule Rule
	// changed is closed and replaced with every new rule.
	changed  chan struct{}
	sessions map[*session]struct{}
}

func newGate() *gate {
	return &gate{changed: make(chan struct{}), sessions: make(map[*session]struct{})}
}

func (g *gate) set(rule Rule) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rule = rule
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gate) look() (Rule, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rule, g.changed
}

func (g *gate) join(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sessions[s] = struct{}{}
}

func (g *gate) leave(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, s)
}

// reset breaks every connection that crosses the gate.
func (g *gate) reset() {
	g.mu.Lock()
	var all []*session
	for s := range g.sessions {
		all = append(all, s)
	}
	g.mu.Unlock()
	for _, s := range all {
		s.reset()
	}
}

// pacer times the bytes of one direction of one connection.
type pacer struct {
	gate   *gate
	random *rand.Rand
	// due is when the last segment was let through; no later one passes it.
	due time.Time
}

// pass waits until a segment that arrived at a time may go on. It follows
// changes of the rule while it waits, and gives up when done is closed.
func (p *pacer) pass(arrived time.Time, size int, done <-chan struct{}) bool {
	lost := p.random.IntN(100)
	part := p.random.Float64()
	for {
		rule, changed := p.gate.look()
		if rule.Cut {
			select {
			case <-changed:
				continue
			case <-done:
				return false
			}
		}
		if rule == (Rule{}) {
			// What waited for its turn under an earlier rule does so no more.
			p.due = time.Time{}
			return true
		}
		due := arrived.Add(rule.Delay + time.Duration(part*float64(rule.Jitter)))
		if lost < rule.LossPercent {
			due = due.Add(retransmission)
		}
		if due.Before(p.due) {
			due = p.due
		}
		if wait := time.Until(due); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-changed:
				timer.Stop()
				continue
			case <-done:
				timer.Stop()
				return false
			}
		}
		p.due = due
		if rule.BytesPerSecond > 0 {
			// What was sent keeps the line busy for as long.
			now := time.Now()
			p.due = now.Add(time.Duration(size) * time.Second / time.Duration(rule.BytesPerSecond))
		}
		return true
	}
}
