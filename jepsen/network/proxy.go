package network

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// dialTimeout bounds the way from the proxy to its node, on the same machine.
const dialTimeout = 5 * time.Second

// Proxy stands in front of the nodes of one machine. Nodes and clients go to
// the address of a front, and the proxy goes on to the node behind it.
type Proxy struct {
	tasks sync.WaitGroup
	// done is closed with the proxy.
	done chan struct{}
	// lost is how many of a thousand answers to clients are lost.
	lost atomic.Int32

	mu     sync.Mutex
	closed bool
	fronts []net.Listener
	gates  map[Link]*gate
	// open are the connections whose dialer is not known yet too.
	open map[net.Conn]struct{}
}

var _ Network = (*Proxy)(nil)

// NewProxy returns a proxy without fronts.
func NewProxy() *Proxy {
	return &Proxy{done: make(chan struct{}), gates: make(map[Link]*gate), open: make(map[net.Conn]struct{})}
}

// Front opens an address that leads to the node that listens on backend. It
// stays open while the node is down; connections end at once then.
func (p *Proxy) Front(node, backend string) (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		l.Close()
		return "", net.ErrClosed
	}
	p.fronts = append(p.fronts, l)
	p.tasks.Go(func() { p.accept(l, node, backend) })
	return l.Addr().String(), nil
}

func (p *Proxy) accept(l net.Listener, node, backend string) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of file descriptors or the like: it passes.
			select {
			case <-time.After(10 * time.Millisecond):
			case <-p.done:
			}
			continue
		}
		if !p.enter(conn) {
			return
		}
		p.tasks.Go(func() {
			defer p.exit(conn)
			p.serve(conn, node, backend)
		})
	}
}

func (p *Proxy) enter(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		conn.Close()
		return false
	}
	p.open[conn] = struct{}{}
	return true
}

func (p *Proxy) exit(conn net.Conn) {
	conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
}

// serve is one connection.
func (p *Proxy) serve(conn net.Conn, node, backend string) {
	from, first, err := identify(conn)
	if err != nil {
		return
	}
	there := Link{from, node}
	// The node must not see a connection on which nothing can come, nor one
	// whose dialer has given up: its first packet would never have come through.
	waited, open := p.awaitOpen(there)
	if !open {
		return
	}
	if waited {
		more, here := peek(conn)
		if !here {
			return
		}
		first = append(first, more...)
	}
	onward, err := net.DialTimeout("tcp", backend, dialTimeout)
	if err != nil {
		return
	}
	if !p.enter(onward) {
		return
	}
	defer p.exit(onward)
	s := &session{dialer: conn, node: onward, done: make(chan struct{})}
	if from == Clients {
		s.lost = &p.lost
	}
	s.run(first, p.gate(there), p.gate(there.Back()))
}

// awaitOpen waits until a link lets something through, which is when the first
// packet of a connection would have come through.
func (p *Proxy) awaitOpen(link Link) (waited, open bool) {
	g := p.gate(link)
	for {
		rule, changed := g.look()
		if !rule.Cut {
			return waited, true
		}
		waited = true
		select {
		case <-changed:
		case <-p.done:
			return waited, false
		}
	}
}

// peek tells whether the dialer of a connection is still there, and returns a
// byte if it has sent more.
func peek(conn net.Conn) (more []byte, here bool) {
	conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	defer conn.SetReadDeadline(time.Time{})
	more = make([]byte, 1)
	n, err := conn.Read(more)
	return more[:n], err == nil || errors.Is(err, os.ErrDeadlineExceeded)
}

func (p *Proxy) gate(link Link) *gate {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.gates[link]
	if g == nil {
		g = newGate()
		p.gates[link] = g
	}
	return g
}

// Name implements Network.
func (p *Proxy) Name() string { return "proxy" }

// CanDelay implements Network.
func (p *Proxy) CanDelay() bool { return true }

// Set implements Network. It never fails.
func (p *Proxy) Set(link Link, rule Rule) error {
	p.gate(link).set(rule)
	return nil
}

// Reset implements Network. What was held back of the connections is gone.
func (p *Proxy) Reset(link Link) { p.gate(link).reset() }

// LoseAnswers breaks, for so many of a thousand segments that a node sends to a
// client, the connection in place of passing them on: what the client had asked
// for is done, and it is not told. Heal does not end it; 0 does.
func (p *Proxy) LoseAnswers(perMille int) { p.lost.Store(int32(perMille)) }

// Heal implements Network.
func (p *Proxy) Heal() error {
	p.mu.Lock()
	var all []*gate
	for _, g := range p.gates {
		all = append(all, g)
	}
	p.mu.Unlock()
	for _, g := range all {
		if rule, _ := g.look(); rule != (Rule{}) {
			g.set(Rule{})
		}
	}
	return nil
}

// Close implements Network. It returns when every connection has ended.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.done)
	var err error
	for _, l := range p.fronts {
		err = errors.Join(err, l.Close())
	}
	for conn := range p.open {
		conn.Close()
	}
	gates := make([]*gate, 0, len(p.gates))
	for _, g := range p.gates {
		gates = append(gates, g)
	}
	p.fronts = nil
	p.mu.Unlock()
	for _, g := range gates {
		g.reset()
		g.set(Rule{})
	}
	p.tasks.Wait()
	return err
}
