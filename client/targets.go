package client

import (
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/holdfast-registry/holdfast/registry"
)

const (
	// silenceQuiet is how long a leader that left a call without an answer is
	// not gone to directly. Erring costs one hop a call, for the given
	// addresses hand on; trusting a silent leader costs an attempt timeout.
	silenceQuiet = time.Minute
	// silenceAfter is how long an address may leave a call unanswered before
	// the end of the caller's context counts as its silence.
	silenceAfter = time.Second
	// maxLearned bounds the connections to addresses that answers named.
	maxLearned = 16
)

// target is one address with its connection.
type target struct {
	addr string
	conn *grpc.ClientConn
	// given by the user, and not learnt from an answer.
	given bool
	// avoidUntil is when a leader that kept silent is gone to again.
	avoidUntil time.Time
}

// targets knows where calls can go.
//
// Calls go to the leader when a connection to it stands, and otherwise to one
// of the given addresses, which stays the same until it fails. A call never
// waits for a connection to a leader that an answer named: that address need
// not lead anywhere from here, while a given one does or nothing does.
type targets struct {
	connect func(addr string) (*grpc.ClientConn, error)

	mu      sync.Mutex
	closed  bool
	byAddr  map[string]*target
	given   []*target
	current int // index in given
	leader  *target
	// term is the one in which the leader was named, to tell old news.
	term uint64
}

func newTargets(connect func(addr string) (*grpc.ClientConn, error)) *targets {
	return &targets{connect: connect, byAddr: make(map[string]*target)}
}

// give adds an address of the user.
func (t *targets) give(addr string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byAddr[addr] != nil {
		return nil
	}
	added, err := t.add(addr)
	if err != nil {
		return err
	}
	added.given = true
	t.given = append(t.given, added)
	return nil
}

func (t *targets) add(addr string) (*target, error) {
	conn, err := t.connect(addr)
	if err != nil {
		return nil, err
	}
	added := &target{addr: addr, conn: conn}
	t.byAddr[addr] = added
	return added, nil
}

// pick returns where the next try goes: to the leader if it may, and can.
func (t *targets) pick(follow bool) *target {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.leader; follow && l != nil && !time.Now().Before(l.avoidUntil) {
		if l.conn.GetState() == connectivity.Ready {
			return l
		}
		l.conn.Connect() // it stays idle after the first failure otherwise
	}
	return t.given[t.current]
}

// learn takes note of the leader that an answer named.
func (t *targets) learn(answer registry.AnswerInfo) {
	if answer.LeaderAddr == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if t.leader != nil && (answer.Term < t.term || t.leader.addr == answer.LeaderAddr) {
		return
	}
	next := t.byAddr[answer.LeaderAddr]
	if next == nil {
		if !t.makeRoom() {
			return
		}
		var err error
		if next, err = t.add(answer.LeaderAddr); err != nil {
			return // an address that cannot even be parsed
		}
	}
	t.leader, t.term = next, answer.Term
	next.conn.Connect()
}

// makeRoom keeps the learnt addresses from growing without end, as in a place
// where nodes get new addresses. It closes only connections that do not stand,
// so that it cuts off no call.
func (t *targets) makeRoom() bool {
	if len(t.byAddr)-len(t.given) < maxLearned {
		return true
	}
	for addr, old := range t.byAddr {
		if !old.given && old.conn.GetState() != connectivity.Ready {
			old.conn.Close()
			delete(t.byAddr, addr)
			return true
		}
	}
	return false
}

// failed takes note that a target is of no use now. A leader is forgotten until
// an answer names one; silent tells that it took a call and did not answer. A
// given address makes way for the next one.
func (t *targets) failed(bad *target, silent bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if silent {
		bad.avoidUntil = time.Now().Add(silenceQuiet)
	}
	if bad == t.leader {
		t.leader = nil
	}
	// Concurrent calls that failed at the same address move on only once.
	if bad == t.given[t.current] {
		t.current = (t.current + 1) % len(t.given)
	}
}

func (t *targets) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, target := range t.byAddr {
		target.conn.Close()
	}
}

// count is how many addresses the user gave.
func (t *targets) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.given)
}
