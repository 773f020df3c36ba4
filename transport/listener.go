package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

// The defaults of a Config.
const (
	// DefaultHandshakeTimeout bounds everything before a connection is handed
	// to whoever serves it.
	DefaultHandshakeTimeout = 5 * time.Second
	// DefaultMaxHandshakes bounds how many accepted connections may be in that
	// phase at once.
	DefaultMaxHandshakes = 512
)

// lingerTimeout is how long a refused peer has to read why.
const lingerTimeout = time.Second

// Config is what a Listener needs. Identity is required; zero values of the
// others mean the defaults.
type Config struct {
	Identity Identity
	Logger   *slog.Logger
	// HandshakeTimeout bounds the first byte, the preface, its answer and the
	// wait to be accepted, all together. Dialing is bounded by it too.
	HandshakeTimeout time.Duration
	// MaxHandshakes bounds the accepted connections in their handshake; one
	// more is closed at once.
	MaxHandshakes int
}

// Listener lets one TCP address serve three things. The first byte that a
// connection sends tells which:
//
//	'P'   the HTTP/2 preface "PRI * …": a gRPC caller       -> Public
//	'H'   our preface "HFND": another node, by its purpose  -> RaftStream or Node
//	else  closed
//
// It also is where connections to other nodes are dialed, so that it knows
// every open connection between nodes together with who is on the other side:
// see CloseRefused. All methods are safe for concurrent use.
type Listener struct {
	inner         net.Listener
	identity      Identity
	logger        *slog.Logger
	refusals      refusalLog
	timeout       time.Duration
	maxHandshakes int

	public *subListener
	node   *subListener
	raft   *subListener

	// ctx ends when the listener is closed; dials end with it.
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu          sync.Mutex
	closed      bool
	handshaking map[net.Conn]struct{}
	admitted    map[*nodeStream]struct{}
}

// NewListener takes over inner and starts accepting. Connections that nobody
// accepts from their part within the handshake timeout are closed.
func NewListener(inner net.Listener, config Config) *Listener {
	l := &Listener{
		inner:         inner,
		identity:      config.Identity,
		logger:        config.Logger,
		timeout:       config.HandshakeTimeout,
		maxHandshakes: config.MaxHandshakes,
		public:        newSubListener(inner.Addr()),
		node:          newSubListener(inner.Addr()),
		raft:          newSubListener(inner.Addr()),
		handshaking:   make(map[net.Conn]struct{}),
		admitted:      make(map[*nodeStream]struct{}),
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	if l.timeout <= 0 {
		l.timeout = DefaultHandshakeTimeout
	}
	if l.maxHandshakes <= 0 {
		l.maxHandshakes = DefaultMaxHandshakes
	}
	l.refusals.logger = l.logger
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.tasks.Add(1)
	go l.acceptLoop()
	return l
}

// Addr is the address that the listener is bound to.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Public is where gRPC connections of clients arrive. Closing it closes this
// part only.
func (l *Listener) Public() net.Listener { return l.public }

// Node is where gRPC connections of other nodes arrive, after their preface
// was admitted. Closing it closes this part only.
func (l *Listener) Node() net.Listener { return l.node }

// Close stops listening and closes every connection that is in its handshake,
// waits to be accepted, or leads from or to another node. Connections that
// Public handed out belong to their server. It returns when nothing of the
// listener runs any more; calling it again does nothing.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.tasks.Wait()
		return nil
	}
	l.closed = true
	handshaking := make([]net.Conn, 0, len(l.handshaking))
	for conn := range l.handshaking {
		handshaking = append(handshaking, conn)
	}
	l.mu.Unlock()

	l.cancel()
	err := l.inner.Close()
	for _, part := range []*subListener{l.public, l.node, l.raft} {
		part.Close()
	}
	for _, conn := range handshaking {
		conn.Close()
	}
	l.closeAdmitted(func(*nodeStream) bool { return true })
	l.tasks.Wait()
	return err
}

// acceptLoop only accepts and counts; everything that waits for the peer runs
// in a goroutine of the connection.
func (l *Listener) acceptLoop() {
	defer l.tasks.Done()
	const minDelay, maxDelay = 5 * time.Millisecond, time.Second
	delay := minDelay
	for {
		conn, err := l.inner.Accept()
		if err == nil {
			delay = minDelay
			l.admitHandshake(conn)
			continue
		}
		if l.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return
		}
		// Out of file descriptors or the like: it passes, so wait and go on.
		l.logger.Error("cannot accept a connection, trying again", "error", err, "delay", delay)
		select {
		case <-time.After(delay):
		case <-l.ctx.Done():
			return
		}
		delay = min(2*delay, maxDelay)
	}
}

func (l *Listener) admitHandshake(conn net.Conn) {
	l.mu.Lock()
	full := len(l.handshaking) >= l.maxHandshakes
	if l.closed || full {
		l.mu.Unlock()
		conn.Close()
		if full {
			l.logger.Debug("connection closed: too many are in their handshake", "remote", conn.RemoteAddr(), "limit", l.maxHandshakes)
		}
		return
	}
	l.handshaking[conn] = struct{}{}
	// Under the lock that Close takes first, so that its Wait sees the task.
	l.tasks.Add(1)
	l.mu.Unlock()
	go func() {
		defer l.tasks.Done()
		l.split(conn)
		l.mu.Lock()
		delete(l.handshaking, conn)
		l.mu.Unlock()
	}()
}

// split reads the first byte of a connection and sends it on its way.
//
// TLS comes in here: wrap conn in tls.Server before the first byte is read,
// finish the handshake under the same deadline, and let the negotiated ALPN
// protocol take the place of the first byte. Listener.dial is the other side.
func (l *Listener) split(conn net.Conn) {
	deadline := time.Now().Add(l.timeout)
	conn.SetDeadline(deadline)
	var first [1]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		l.logger.Debug("connection closed: it sent nothing", "remote", conn.RemoteAddr(), "error", err)
		conn.Close()
		return
	}
	switch first[0] {
	case 'P':
		conn.SetDeadline(time.Time{})
		l.public.offer(&unreadConn{Conn: conn, unread: first[:]}, deadline)
	case prefaceMagic[0]:
		l.acceptNode(&unreadConn{Conn: conn, unread: first[:]}, deadline)
	default:
		l.logger.Debug("connection closed: neither gRPC nor a node; is the caller using TLS?", "remote", conn.RemoteAddr(), "first_byte", fmt.Sprintf("%#02x", first[0]))
		conn.Close()
	}
}

// acceptNode is the acceptor's half of the handshake between nodes.
func (l *Listener) acceptNode(conn *unreadConn, deadline time.Time) {
	self := l.identity.Self()
	preface, err := readFrame(conn, prefaceMagic)
	if errors.Is(err, errMagic) || isNetError(err) {
		l.logger.Debug("connection closed: no preface of a node", "remote", conn.RemoteAddr(), "error", err)
		conn.Close()
		return
	}
	if err == nil {
		err = checkPreface(self, preface)
	}
	var stream *nodeStream
	if err == nil {
		stream, err = l.admit(conn, preface.hello, Purpose(preface.kind), false)
	}
	if err != nil {
		l.refusals.log("refused a connection of a node", preface.hello, conn.RemoteAddr(), err)
		l.refuse(conn, refusal(self, err))
		return
	}
	answer, err := frame{kind: statusOK, hello: self}.encode(answerMagic)
	if err == nil {
		_, err = conn.Write(answer)
	}
	if err != nil {
		l.logger.Debug("connection closed: the node did not take the answer", "remote", conn.RemoteAddr(), "error", err)
		stream.Close()
		return
	}
	conn.SetDeadline(time.Time{})
	part := l.raft
	if stream.purpose == PurposeNode {
		part = l.node
	}
	part.offer(stream, deadline)
}

// refuse sends the reason and then reads for a moment, because closing a
// socket that has unread bytes resets it and the peer would lose the reason.
func (l *Listener) refuse(conn *unreadConn, f frame) {
	defer conn.Close()
	answer, err := f.encode(answerMagic)
	if err != nil {
		l.logger.Error("cannot form the answer to a node", "error", err)
		return
	}
	conn.SetDeadline(time.Now().Add(lingerTimeout))
	if _, err := conn.Write(answer); err != nil {
		return
	}
	if half, ok := conn.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		io.CopyN(io.Discard, conn, 1<<16)
	}
}

// isNetError tells that reading stopped because of the connection and not
// because of what it carried.
func isNetError(err error) bool {
	var netErr net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &netErr)
}

// subListener is one part of a Listener: a net.Listener fed by a channel.
type subListener struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newSubListener(addr net.Addr) *subListener {
	return &subListener{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept waits for the next connection of this part; after Close it returns
// net.ErrClosed.
func (s *subListener) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close unblocks Accept. Connections that wait to be accepted are closed.
func (s *subListener) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// Addr is the address that all parts share.
func (s *subListener) Addr() net.Addr { return s.addr }

// offer hands a connection to Accept; one that is not taken is closed.
func (s *subListener) offer(conn net.Conn, deadline time.Time) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case s.conns <- conn:
		return
	case <-s.done:
	case <-timer.C:
	}
	conn.Close()
}

// unreadConn gives back the byte that split looked at.
type unreadConn struct {
	net.Conn
	unread []byte
}

// Read returns the unread byte first.
func (c *unreadConn) Read(p []byte) (int, error) {
	if len(c.unread) == 0 || len(p) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// refusalLog writes each refusal at Warn when it is new and at Debug while it
// goes on: nodes redial many times a second, and the reason stays the same.
type refusalLog struct {
	logger *slog.Logger
	mu     sync.Mutex
	seen   map[string]time.Time
}

// The quiet time of one refusal, and how many are remembered.
const (
	refusalQuiet   = 30 * time.Second
	maxRefusalSeen = 64
)

func (r *refusalLog) log(text string, peer Hello, remote net.Addr, reason error) {
	key := text + peer.NodeID + reason.Error()
	now := time.Now()
	r.mu.Lock()
	last, seen := r.seen[key]
	level := slog.LevelDebug
	if !seen || now.Sub(last) >= refusalQuiet {
		level = slog.LevelWarn
		if r.seen == nil || len(r.seen) >= maxRefusalSeen {
			r.seen = make(map[string]time.Time)
		}
		r.seen[key] = now
	}
	r.mu.Unlock()
	r.logger.Log(context.Background(), level, text, "node", peer.NodeID, "instance", peer.InstanceID, "remote", remote, "reason", reason)
}
