package network

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/transport"
)

// patience bounds every wait for what must come.
const patience = 20 * time.Second

// quiet is for how long nothing may come through a cut link.
const quiet = 150 * time.Millisecond

// peer is the network side of a node: its real listener, behind the proxy.
type peer struct {
	t      *testing.T
	id     string
	front  string
	listen *transport.Listener
	stream *transport.RaftStream
}

type everybody struct{ transport.Hello }

func (e everybody) Self() transport.Hello           { return e.Hello }
func (everybody) Admit(transport.Hello, bool) error { return nil }

// newPeers starts listeners n1, n2, … behind a proxy.
func newPeers(t *testing.T, count int) (*Proxy, []*peer) {
	proxy := NewProxy()
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	ids := map[string]string{}
	var peers []*peer
	for i := range count {
		inner, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p := &peer{t: t, id: fmt.Sprintf("n%d", i+1)}
		p.listen = transport.NewListener(inner, transport.Config{Identity: everybody{transport.Hello{NodeID: p.id, InstanceID: "i"}}})
		t.Cleanup(func() { p.listen.Close() })
		if p.front, err = proxy.Front(p.id, inner.Addr().String()); err != nil {
			t.Fatal(err)
		}
		ids[p.front] = p.id
		p.stream = p.listen.RaftStream(p.front, func(addr string) (string, bool) { return ids[addr], true })
		peers = append(peers, p)
	}
	return proxy, peers
}

// dial connects two peers as raft does, and returns both ends.
func (p *peer) dial(to *peer) (near, far net.Conn) {
	p.t.Helper()
	near, err := p.stream.Dial(raft.ServerAddress(to.front), patience)
	if err != nil {
		p.t.Fatal(err)
	}
	if far, err = to.stream.Accept(); err != nil {
		p.t.Fatal(err)
	}
	for _, conn := range []net.Conn{near, far} {
		p.t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(patience))
	}
	return near, far
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("read %q, %v; want %q", got, err, text)
	}
}

func expectSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(quiet))
	n, err := conn.Read(make([]byte, 16))
	var timeout net.Error
	if n != 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("%d bytes and %v came through a cut link", n, err)
	}
	conn.SetReadDeadline(time.Now().Add(patience))
}

func expectError(t *testing.T, conn net.Conn) {
	t.Helper()
	var timeout net.Error
	if n, err := conn.Read(make([]byte, 16)); n != 0 || err == nil || (errors.As(err, &timeout) && timeout.Timeout()) {
		t.Fatalf("read %d bytes, %v from a connection that was reset", n, err)
	}
}

func TestACutHoldsOneDirectionBackAndLosesNothing(t *testing.T) {
	proxy, peers := newPeers(t, 2)
	near, far := peers[0].dial(peers[1])
	send(t, near, "before")
	expect(t, far, "before")
	proxy.Set(Link{"n1", "n2"}, Rule{Cut: true})
	send(t, near, "held")
	expectSilence(t, far)
	send(t, far, "back")
	expect(t, near, "back")
	proxy.Set(Link{"n1", "n2"}, Rule{})
	expect(t, far, "held")
}

func TestACutIsThatOfOnePairOnly(t *testing.T) {
	proxy, peers := newPeers(t, 3)
	near, far := peers[0].dial(peers[1])
	other, otherFar := peers[2].dial(peers[1])
	proxy.Set(Link{"n1", "n2"}, Rule{Cut: true})
	send(t, near, "held")
	send(t, other, "through")
	expect(t, otherFar, "through")
	expectSilence(t, far)
	// It holds for a connection that n2 dialed, too.
	reverse, reverseFar := func() (net.Conn, net.Conn) {
		proxy.Heal()
		a, b := peers[1].dial(peers[0])
		proxy.Set(Link{"n1", "n2"}, Rule{Cut: true})
		return a, b
	}()
	send(t, reverse, "asked")
	expect(t, reverseFar, "asked")
	send(t, reverseFar, "answered")
	expectSilence(t, reverse)
	proxy.Heal()
	expect(t, reverse, "answered")
}

func TestANewConnectionWaitsBehindACut(t *testing.T) {
	proxy, peers := newPeers(t, 2)
	proxy.Set(Link{"n1", "n2"}, Rule{Cut: true})
	if conn, err := peers[0].stream.Dial(raft.ServerAddress(peers[1].front), quiet); err == nil {
		conn.Close()
		t.Fatal("a connection was made over a cut link")
	}
	proxy.Heal()
	near, far := peers[0].dial(peers[1])
	send(t, near, "open")
	expect(t, far, "open")
}

func TestWhoSendsNoPrefaceIsAClient(t *testing.T) {
	proxy, peers := newPeers(t, 1)
	conn, err := net.Dial("tcp", peers[0].front)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	proxy.Set(Link{Clients, "n1"}, Rule{Cut: true})
	send(t, conn, "PRI * HTTP/2.0\r\n")
	accepted := make(chan net.Conn)
	go func() {
		if far, err := peers[0].listen.Public().Accept(); err == nil {
			accepted <- far
		}
	}()
	select {
	case <-accepted:
		t.Fatal("a client came through a cut link")
	case <-time.After(quiet):
	}
	proxy.Heal()
	select {
	case far := <-accepted:
		defer far.Close()
		far.SetDeadline(time.Now().Add(patience))
		expect(t, far, "PRI * HTTP/2.0\r\n")
	case <-time.After(patience):
		t.Fatal("the client did not come through")
	}
}

func TestALostAnswerTakesItsConnectionWithIt(t *testing.T) {
	proxy, peers := newPeers(t, 2)
	near, far := peers[0].dial(peers[1])
	conn, err := net.Dial("tcp", peers[0].front)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	send(t, conn, "PRI * HTTP/2.0\r\n")
	node, err := peers[0].listen.Public().Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	node.SetDeadline(time.Now().Add(patience))
	expect(t, node, "PRI * HTTP/2.0\r\n")
	send(t, node, "before")
	expect(t, conn, "before")
	proxy.LoseAnswers(1000)
	proxy.Heal()
	send(t, conn, "asked")
	expect(t, node, "asked")
	send(t, far, "between nodes")
	expect(t, near, "between nodes")
	send(t, node, "answer")
	expectError(t, conn)
	expectError(t, node)
}

func TestAResetBreaksBothEndsAndDropsWhatWasHeld(t *testing.T) {
	proxy, peers := newPeers(t, 2)
	near, far := peers[0].dial(peers[1])
	proxy.Set(Link{"n1", "n2"}, Rule{Cut: true})
	send(t, near, "held")
	expectSilence(t, far)
	proxy.Reset(Link{"n1", "n2"})
	proxy.Heal()
	expectError(t, far)
	expectError(t, near)
}

func TestDelayedBytesKeepTheirOrder(t *testing.T) {
	proxy, peers := newPeers(t, 2)
	near, far := peers[0].dial(peers[1])
	const delay = 60 * time.Millisecond
	proxy.Set(Link{"n1", "n2"}, Rule{Delay: delay, Jitter: delay, LossPercent: 10})
	var sent bytes.Buffer
	began := time.Now()
	for i := range 40 {
		text := fmt.Sprintf("<%d>", i)
		sent.WriteString(text)
		send(t, near, text)
	}
	expect(t, far, sent.String())
	if took := time.Since(began); took < delay {
		t.Errorf("bytes that are delayed by %v took %v", delay, took)
	}
	// The way back is not delayed.
	began = time.Now()
	send(t, far, "back")
	expect(t, near, "back")
	if took := time.Since(began); took > delay {
		t.Errorf("the other direction took %v", took)
	}
}

func TestASlowLinkIsAsSlowAsItSays(t *testing.T) {
	proxy, peers := newPeers(t, 2)
	near, far := peers[0].dial(peers[1])
	proxy.Set(Link{"n1", "n2"}, Rule{BytesPerSecond: 400_000})
	go near.Write(make([]byte, 5*segmentBytes))
	began := time.Now()
	if _, err := io.ReadFull(far, make([]byte, 5*segmentBytes)); err != nil {
		t.Fatal(err)
	}
	// The last segment need not wait for itself.
	if took, least := time.Since(began), 4*segmentBytes*time.Second/400_000; took < least {
		t.Errorf("80 KiB at 400,000 bytes a second took %v, at least %v are due", took, least)
	}
	// And nothing of that stays when the rule goes.
	proxy.Set(Link{"n1", "n2"}, Rule{BytesPerSecond: 1})
	send(t, near, "slow")
	expect(t, far, "slow")
	send(t, near, "stuck")
	expectSilence(t, far)
	proxy.Heal()
	expect(t, far, "stuck")
}

func TestTheEndOfOneDirectionIsPassedOn(t *testing.T) {
	_, peers := newPeers(t, 1)
	conn, err := net.Dial("tcp", peers[0].front)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	send(t, conn, "PRI")
	far, err := peers[0].listen.Public().Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	conn.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(far); err != nil || string(got) != "PRI" {
		t.Fatalf("%q, %v", got, err)
	}
	send(t, far, "still here")
	expect(t, conn, "still here")
}

func TestANodeThatIsDownEndsConnections(t *testing.T) {
	_, peers := newPeers(t, 2)
	peers[1].listen.Close()
	if conn, err := peers[0].stream.Dial(raft.ServerAddress(peers[1].front), patience); err == nil {
		conn.Close()
		t.Fatal("a connection to a node that is down")
	}
}

func TestRulesAreDescribed(t *testing.T) {
	for want, rule := range map[string]Rule{
		"fine": {}, "cut": {Cut: true, Delay: 1}, "delay 1s to 3s loss 5% 10 bytes/s": {Delay: time.Second, Jitter: 2 * time.Second, LossPercent: 5, BytesPerSecond: 10},
	} {
		if got := rule.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
