package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// nodeStream is an admitted connection from or to another node. The listener
// knows it until it is closed, by whomever.
type nodeStream struct {
	net.Conn
	owner   *Listener
	peer    Hello
	purpose Purpose
	dialed  bool
}

// Close closes the connection and forgets it.
func (s *nodeStream) Close() error {
	s.owner.mu.Lock()
	delete(s.owner.admitted, s)
	s.owner.mu.Unlock()
	return s.Conn.Close()
}

// admit makes a stream of a connection if Identity admits its peer. The stream
// is known before Identity is asked: were it the other way round, CloseRefused
// could run in between, and a peer that was refused meanwhile would stay.
func (l *Listener) admit(conn net.Conn, peer Hello, purpose Purpose, dialed bool) (*nodeStream, error) {
	stream := &nodeStream{Conn: conn, owner: l, peer: peer, purpose: purpose, dialed: dialed}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, net.ErrClosed
	}
	l.admitted[stream] = struct{}{}
	l.mu.Unlock()
	if err := l.identity.Admit(peer, dialed); err != nil {
		l.mu.Lock()
		delete(l.admitted, stream)
		l.mu.Unlock()
		return nil, err
	}
	return stream, nil
}

// CloseRefused asks Identity again about the peer of every open connection
// between nodes, dialed and accepted, and closes those that it refuses now. It
// is to be called whenever what Identity goes by has changed, such as the
// recorded instances of the members. It returns how many it closed.
func (l *Listener) CloseRefused() int {
	return l.closeAdmitted(func(s *nodeStream) bool {
		err := l.identity.Admit(s.peer, s.dialed)
		if err != nil {
			l.refusals.log("closed the connection of a node that is refused now", s.peer, s.RemoteAddr(), err)
		}
		return err != nil
	})
}

// closeAdmitted closes the streams that the caller picks, which is done outside
// of the lock because it asks Identity.
func (l *Listener) closeAdmitted(pick func(*nodeStream) bool) int {
	l.mu.Lock()
	streams := make([]*nodeStream, 0, len(l.admitted))
	for stream := range l.admitted {
		streams = append(streams, stream)
	}
	l.mu.Unlock()
	closed := 0
	for _, stream := range streams {
		if pick(stream) {
			stream.Close()
			closed++
		}
	}
	return closed
}

// dial is the dialer's half of the handshake between nodes: it connects, says
// who this node is and returns once both sides have admitted each other. All
// of it is bounded by the handshake timeout and by ctx.
//
// TLS comes in here: wrap conn in tls.Client after the TCP connection stands,
// and offer the ALPN protocol of the purpose.
func (l *Listener) dial(ctx context.Context, addr, wanted string, purpose Purpose) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	// Whatever ends ctx ends the reads and writes below too.
	unhook := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	peer, err := l.greet(conn, wanted, purpose)
	if !unhook() && err == nil {
		err = context.Cause(ctx)
	}
	var stream *nodeStream
	if err == nil {
		if stream, err = l.admit(conn, peer, purpose, true); err != nil && !errors.Is(err, net.ErrClosed) {
			err = fmt.Errorf("%w by this node: %w", ErrRefused, err)
		}
	}
	if err != nil {
		conn.Close()
		if errors.Is(err, ErrRefused) {
			l.refusals.log("connection to a node refused", Hello{NodeID: wanted, InstanceID: peer.InstanceID}, conn.RemoteAddr(), err)
		}
		return nil, fmt.Errorf("dial node %q at %s: %w", wanted, addr, err)
	}
	return stream, nil
}

// greet sends the preface and judges the answer.
func (l *Listener) greet(conn net.Conn, wanted string, purpose Purpose) (Hello, error) {
	self := l.identity.Self()
	preface, err := frame{kind: byte(purpose), hello: self, last: wanted}.encode(prefaceMagic)
	if err != nil {
		return Hello{}, err
	}
	if _, err := conn.Write(preface); err != nil {
		return Hello{}, err
	}
	answer, err := readFrame(conn, answerMagic)
	if isNetError(err) {
		return Hello{}, err
	}
	if err == nil {
		err = checkAnswer(self, answer, wanted)
	}
	if err != nil {
		return answer.hello, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return answer.hello, nil
}

// RaftStream is hashicorp/raft's stream layer over a Listener: streams to
// other nodes begin with our preface, in both directions.
type RaftStream struct {
	listener   *Listener
	advertised string
	nodeID     func(addr string) (nodeID string, ok bool)
}

var _ raft.StreamLayer = (*RaftStream)(nil)

// RaftStream returns the stream layer of this listener. advertised is the
// address under which the others know this node, which need not be the one it
// is bound to. nodeID tells which node is to be found at an address; it is
// called on every dial and must be safe for concurrent use.
func (l *Listener) RaftStream(advertised string, nodeID func(addr string) (nodeID string, ok bool)) *RaftStream {
	return &RaftStream{listener: l, advertised: advertised, nodeID: nodeID}
}

// Dial connects to the node at an address. It fails for an address that
// belongs to no node, and with ErrRefused when either side refuses the other.
// A timeout of 0 means the listener's handshake timeout.
func (s *RaftStream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	wanted, ok := s.nodeID(string(address))
	if !ok {
		return nil, fmt.Errorf("no member of the cluster has the address %q", address)
	}
	ctx := context.Background()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return s.listener.dial(ctx, string(address), wanted, PurposeRaft)
}

// Accept waits for the next raft stream of an admitted node.
func (s *RaftStream) Accept() (net.Conn, error) { return s.listener.raft.Accept() }

// Close stops accepting raft streams and closes the open ones in both
// directions, which raft's own transport leaves open when it is closed.
func (s *RaftStream) Close() error {
	s.listener.raft.Close()
	s.listener.closeAdmitted(func(stream *nodeStream) bool { return stream.purpose == PurposeRaft })
	return nil
}

// Addr is the advertised address.
func (s *RaftStream) Addr() net.Addr { return advertisedAddr(s.advertised) }

// advertisedAddr is a host and port that need not be resolvable here, so it is
// kept as text.
type advertisedAddr string

func (advertisedAddr) Network() string  { return "tcp" }
func (a advertisedAddr) String() string { return string(a) }
