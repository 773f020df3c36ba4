package network

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// segmentBytes is how much is read, timed and written at once.
	segmentBytes = 16 << 10
	// segmentsUnderWay bounds what a direction holds back; then its sender has
	// to wait, as when a TCP window is full.
	segmentsUnderWay = 16
)

// segment is some bytes on their way, or the end of them.
type segment struct {
	data    []byte
	arrived time.Time
	end     bool
}

// session is one connection through the proxy.
type session struct {
	dialer, node net.Conn
	// done is closed when the session is over.
	done chan struct{}
	over sync.Once
	// lost is how many of a thousand segments to the dialer are lost, with the
	// session; nil for none.
	lost *atomic.Int32
}

// close ends both connections.
func (s *session) close() {
	s.over.Do(func() {
		close(s.done)
		s.dialer.Close()
		s.node.Close()
	})
}

// reset ends both connections as a middlebox or a crashed host would: both
// sides get an error.
func (s *session) reset() {
	for _, conn := range []net.Conn{s.dialer, s.node} {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
	}
	s.close()
}

// run moves bytes both ways until the session is over. first was read from the
// dialer already.
func (s *session) run(first []byte, there, back *gate) {
	for _, g := range []*gate{there, back} {
		g.join(s)
		defer g.leave(s)
	}
	var both sync.WaitGroup
	both.Go(func() { s.pump(s.dialer, s.node, first, there) })
	both.Go(func() { s.pump(s.node, s.dialer, nil, back) })
	both.Wait()
	s.close()
}

// pump moves the bytes of one direction.
func (s *session) pump(from, to net.Conn, first []byte, g *gate) {
	segments := make(chan segment, segmentsUnderWay)
	go s.read(from, first, segments)
	p := &pacer{gate: g, random: rand.New(rand.NewPCG(rand.Uint64(), 0))}
	for next := range segments {
		if !p.pass(next.arrived, len(next.data), s.done) {
			return
		}
		if next.end {
			// The other direction may go on.
			if tcp, ok := to.(*net.TCPConn); ok {
				tcp.CloseWrite()
			}
			return
		}
		if to == s.dialer && s.lost != nil && rand.Int32N(1000) < s.lost.Load() {
			s.reset()
			return
		}
		if _, err := to.Write(next.data); err != nil {
			s.close()
			return
		}
	}
}

// read cuts what arrives into segments.
func (s *session) read(from net.Conn, first []byte, out chan<- segment) {
	defer close(out)
	send := func(next segment) bool {
		next.arrived = time.Now()
		select {
		case out <- next:
			return true
		case <-s.done:
			return false
		}
	}
	if len(first) > 0 && !send(segment{data: first}) {
		return
	}
	for {
		data := make([]byte, segmentBytes)
		n, err := from.Read(data)
		if n > 0 && !send(segment{data: data[:n]}) {
			return
		}
		switch {
		case errors.Is(err, io.EOF):
			send(segment{end: true})
			return
		case err != nil:
			s.close()
			return
		}
	}
}
