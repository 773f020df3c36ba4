package transport

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

func TestListener(t *testing.T) {
	t.Run("HTTP2PrefaceGoesToPublicWithEveryByte", func(t *testing.T) {
		node := newTestNode(t, "n1", nil)
		waiting := acceptOne(t, node.Public())
		client := dialTCP(t, node.address())
		mustWrite(t, client, "PRI * HTTP/2.0")
		server := mustAccept(t, waiting)
		mustRead(t, server, "PRI * HTTP/2.0")
		mustWrite(t, server, "answer")
		mustRead(t, client, "answer")
	})
	t.Run("NodePrefaceGoesToItsPurpose", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		for _, purpose := range []Purpose{PurposeRaft, PurposeNode} {
			dialed, arrived := mustConnect(t, n1, n2, purpose)
			mustWrite(t, dialed, "to n2")
			mustRead(t, arrived, "to n2")
			mustWrite(t, arrived, "to n1")
			mustRead(t, dialed, "to n1")
		}
	})
	t.Run("AnyOtherFirstByteIsCut", func(t *testing.T) {
		node := newTestNode(t, "n1", nil)
		client := dialTCP(t, node.address())
		mustWrite(t, client, "\x16\x03\x01 a TLS hello")
		mustBeCut(t, client)
		node.log.await(t, "neither gRPC nor a node", "first_byte=0x16")
	})
	t.Run("MagicThatOnlyBeginsLikeOursIsCut", func(t *testing.T) {
		node := newTestNode(t, "n1", nil)
		client := dialTCP(t, node.address())
		mustWrite(t, client, "HEAD / HTTP/1.1\r\n\r\n")
		mustBeCut(t, client)
		node.log.await(t, "no preface of a node")
	})
	t.Run("SlowPeersDoNotBlockOthersAndAreCutAtTheDeadline", func(t *testing.T) {
		node := newTestNode(t, "n1", func(c *Config) { c.HandshakeTimeout = 2 * time.Second })
		begin := time.Now()
		var slow []net.Conn
		for i := range 30 {
			conn := dialTCP(t, node.address())
			slow = append(slow, conn)
			if i%2 == 1 {
				mustWrite(t, conn, "HFND\x01\x01")
			}
		}
		waiting := acceptOne(t, node.Public())
		mustWrite(t, dialTCP(t, node.address()), "P")
		mustAccept(t, waiting)
		if took := time.Since(begin); took >= 2*time.Second {
			t.Fatalf("a good connection waited %s behind slow ones", took)
		}
		for _, conn := range slow {
			mustBeCut(t, conn)
		}
	})
	t.Run("OneHandshakeTooManyIsCutAtOnceAndRoomComesBack", func(t *testing.T) {
		node := newTestNode(t, "n1", func(c *Config) { c.MaxHandshakes = 2; c.HandshakeTimeout = time.Hour })
		first := dialTCP(t, node.address())
		dialTCP(t, node.address())
		mustBeCut(t, dialTCP(t, node.address()))
		node.log.await(t, "too many are in their handshake", "limit=2")
		first.Close()
		node.log.await(t, "it sent nothing")
		// The room comes back just after that line, so a first try may be cut.
		waiting := acceptOne(t, node.Public())
		for give := time.Now().Add(patience); ; {
			conn := dialTCP(t, node.address())
			conn.Write([]byte("P"))
			select {
			case a := <-waiting:
				if a.err != nil {
					t.Fatal(a.err)
				}
				return
			case <-node.log.lines:
			}
			if time.Now().After(give) {
				t.Fatal("the room of a closed connection did not come back")
			}
		}
	})
	t.Run("ConnectionThatNobodyAcceptsIsCut", func(t *testing.T) {
		node := newTestNode(t, "n1", func(c *Config) { c.HandshakeTimeout = 200 * time.Millisecond })
		client := dialTCP(t, node.address())
		mustWrite(t, client, "P")
		mustBeCut(t, client)
	})
	t.Run("AcceptedConnectionHasNoDeadline", func(t *testing.T) {
		const timeout = 150 * time.Millisecond
		short := func(c *Config) { c.HandshakeTimeout = timeout }
		n1, n2 := newTestNode(t, "n1", short), newTestNode(t, "n2", short)
		waiting := acceptOne(t, n2.Public())
		client := dialTCP(t, n2.address())
		mustWrite(t, client, "P")
		public := mustAccept(t, waiting)
		dialed, arrived := mustConnect(t, n1, n2, PurposeRaft)
		// Deadlines are about time, so this test has to let some pass.
		<-time.After(2 * timeout)
		for _, conn := range []net.Conn{public, dialed, arrived} {
			mustWrite(t, conn, "late")
		}
		mustRead(t, client, "late")
		mustRead(t, arrived, "late")
		mustRead(t, dialed, "late")
	})
}

func TestListenerClose(t *testing.T) {
	t.Run("CutsEveryConnectionAndUnblocksEveryAccept", func(t *testing.T) {
		// No deadline may do the work of Close.
		never := func(c *Config) { c.HandshakeTimeout = time.Hour }
		n1, n2 := newTestNode(t, "n1", never), newTestNode(t, "n2", never)
		silent := dialTCP(t, n2.address())
		halfway := dialTCP(t, n2.address())
		mustWrite(t, halfway, "HFND\x01")
		untaken := dialTCP(t, n2.address())
		mustWrite(t, untaken, "P")
		toN2, fromN1 := mustConnect(t, n1, n2, PurposeRaft)
		fromN2, toN1 := mustConnect(t, n2, n1, PurposeNode)
		accepts := []<-chan accepted{
			acceptOne(t, n2.Node()),
			acceptOne(t, n2.RaftStream("", nil)),
		}
		closed := make(chan error, 1)
		go func() { closed <- n2.Close() }()
		select {
		case err := <-closed:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("Close hangs")
		}
		for _, conn := range []net.Conn{silent, halfway, untaken, toN2, toN1} {
			mustBeCut(t, conn)
		}
		for _, conn := range []net.Conn{fromN1, fromN2} {
			if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a connection of the closed listener answered a write with %v", err)
			}
		}
		accepts = append(accepts, acceptOne(t, n2.Public()))
		for _, accept := range accepts {
			select {
			case a := <-accept:
				if !errors.Is(a.err, net.ErrClosed) {
					t.Errorf("Accept returned %v, want net.ErrClosed", a.err)
				}
			case <-time.After(patience):
				t.Fatal("Accept hangs after Close")
			}
		}
		if err := n2.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
	t.Run("EndsADialUnderWay", func(t *testing.T) {
		mute := listenLoopback(t)
		arrived := acceptOne(t, mute)
		node := newTestNode(t, "n1", func(c *Config) { c.HandshakeTimeout = time.Hour })
		failed := make(chan error, 1)
		go func() {
			_, err := node.dial(context.Background(), mute.Addr().String(), "n2", PurposeRaft)
			failed <- err
		}()
		mustAccept(t, arrived)
		node.Close()
		select {
		case err := <-failed:
			if err == nil {
				t.Fatal("a dial of a closed listener succeeded")
			}
		case <-time.After(patience):
			t.Fatal("the dial hangs after Close")
		}
	})
	t.Run("ClosingOnePartLeavesTheOthers", func(t *testing.T) {
		node := newTestNode(t, "n1", nil)
		node.Node().Close()
		waiting := acceptOne(t, node.Public())
		mustWrite(t, dialTCP(t, node.address()), "P")
		mustAccept(t, waiting)
		other := newTestNode(t, "n2", nil)
		conn, err := other.dial(context.Background(), node.address(), "n1", PurposeNode)
		if err == nil {
			mustBeCut(t, conn)
		}
	})
}

// flakyListener fails a few times before it accepts.
type flakyListener struct {
	net.Listener
	failures int
}

func (f *flakyListener) Accept() (net.Conn, error) {
	if f.failures > 0 {
		f.failures--
		return nil, errors.New("too many open files")
	}
	return f.Listener.Accept()
}

func TestListenerSurvivesFailuresToAccept(t *testing.T) {
	node := newTestNodeOn(t, &flakyListener{Listener: listenLoopback(t), failures: 3}, "n1", nil)
	waiting := acceptOne(t, node.Public())
	mustWrite(t, dialTCP(t, node.address()), "P")
	mustAccept(t, waiting)
	node.log.await(t, "too many open files")
}
