package transport

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for an event that must come.
const patience = 20 * time.Second

// testIdentity admits everybody until told otherwise.
type testIdentity struct {
	mu    sync.Mutex
	self  Hello
	admit func(peer Hello, dialed bool) error
}

func (t *testIdentity) Self() Hello {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.self
}

func (t *testIdentity) Admit(peer Hello, dialed bool) error {
	t.mu.Lock()
	admit := t.admit
	t.mu.Unlock()
	if admit == nil {
		return nil
	}
	return admit(peer, dialed)
}

func (t *testIdentity) setAdmit(admit func(peer Hello, dialed bool) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.admit = admit
}

// logLines collects the log of a listener, and tells of each new line.
type logLines struct {
	slog.Handler
	lines chan string
}

func newLogLines() *logLines {
	l := &logLines{lines: make(chan string, 10_000)}
	l.Handler = slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})
	return l
}

func (l *logLines) Write(p []byte) (int, error) {
	l.lines <- string(p)
	return len(p), nil
}

// await returns the next line that holds all of the parts.
func (l *logLines) await(t *testing.T, parts ...string) {
	t.Helper()
	timeout := time.After(patience)
	var seen []string
lines:
	for {
		select {
		case line := <-l.lines:
			seen = append(seen, line)
			for _, part := range parts {
				if !strings.Contains(line, part) {
					continue lines
				}
			}
			return
		case <-timeout:
			t.Fatalf("no log line with %q in:\n%s", parts, strings.Join(seen, ""))
		}
	}
}

// testNode is a listener with its identity on a free port of loopback.
type testNode struct {
	*Listener
	identity *testIdentity
	log      *logLines
}

func newTestNode(t *testing.T, id string, change func(*Config)) *testNode {
	t.Helper()
	return newTestNodeOn(t, listenLoopback(t), id, change)
}

func newTestNodeOn(t *testing.T, inner net.Listener, id string, change func(*Config)) *testNode {
	t.Helper()
	node := &testNode{
		identity: &testIdentity{self: Hello{ClusterID: "cluster-1", NodeID: id, InstanceID: "instance-of-" + id}},
		log:      newLogLines(),
	}
	config := Config{Identity: node.identity, Logger: slog.New(node.log), HandshakeTimeout: patience}
	if change != nil {
		change(&config)
	}
	node.Listener = NewListener(inner, config)
	t.Cleanup(func() { node.Close() })
	return node
}

func (n *testNode) address() string { return n.Addr().String() }

func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inner.Close() })
	return inner
}

// dialTCP connects without a preface.
func dialTCP(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func mustWrite(t *testing.T, conn net.Conn, data string) {
	t.Helper()
	if _, err := io.WriteString(conn, data); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
	conn.SetReadDeadline(time.Time{})
}

// mustBeCut waits until the other side has closed the connection.
func mustBeCut(t *testing.T, conn net.Conn) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	n, err := conn.Read(make([]byte, 1))
	if n > 0 || err == nil || isTimeout(err) {
		t.Fatalf("the connection was not closed: read %d bytes, %v", n, err)
	}
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}

// accepted is one answer of Accept.
type accepted struct {
	conn net.Conn
	err  error
}

// acceptOne accepts in the background.
func acceptOne(t *testing.T, part interface{ Accept() (net.Conn, error) }) <-chan accepted {
	t.Helper()
	out := make(chan accepted, 1)
	go func() {
		conn, err := part.Accept()
		if err == nil {
			t.Cleanup(func() { conn.Close() })
		}
		out <- accepted{conn, err}
	}()
	return out
}

func mustAccept(t *testing.T, from <-chan accepted) net.Conn {
	t.Helper()
	select {
	case a := <-from:
		if a.err != nil {
			t.Fatal(a.err)
		}
		return a.conn
	case <-time.After(patience):
		t.Fatal("nothing was accepted")
		return nil
	}
}

// mustConnect dials from one node to the other and accepts there.
func mustConnect(t *testing.T, from, to *testNode, purpose Purpose) (dialed, arrived net.Conn) {
	t.Helper()
	part := to.raft
	if purpose == PurposeNode {
		part = to.node
	}
	waiting := acceptOne(t, part)
	dialed, err := from.dial(context.Background(), to.address(), to.identity.Self().NodeID, purpose)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close() })
	return dialed, mustAccept(t, waiting)
}

// mustFailWith checks that an error is a refusal whose text has all the parts.
func mustFailWith(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Fatalf("error %q lacks %q", err, part)
		}
	}
}
