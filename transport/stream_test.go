package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// raftTransport starts raft's own transport over the stream layer of a node.
func raftTransport(t *testing.T, node *testNode, members map[string]string) *raft.NetworkTransport {
	t.Helper()
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: node.RaftStream("advertised-"+node.identity.Self().NodeID+":7000", func(addr string) (string, bool) {
			id, ok := members[addr]
			return id, ok
		}),
		Logger:          hclog.NewNullLogger(),
		MaxPool:         2,
		MaxRPCsInFlight: 1,
		Timeout:         patience,
	})
	t.Cleanup(func() { transport.Close() })
	return transport
}

func TestRaftTransportOverRaftStream(t *testing.T) {
	n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
	members := map[string]string{n1.address(): "n1", n2.address(): "n2"}
	t1, t2 := raftTransport(t, n1, members), raftTransport(t, n2, members)

	t.Run("LocalAddressIsTheAdvertisedOne", func(t *testing.T) {
		if got := t1.LocalAddr(); got != "advertised-n1:7000" {
			t.Fatalf("%q", got)
		}
	})
	t.Run("VotesAndEntriesCrossBothWays", func(t *testing.T) {
		stop := serveRaft(t2, func(rpc raft.RPC) {
			switch request := rpc.Command.(type) {
			case *raft.AppendEntriesRequest:
				rpc.Respond(&raft.AppendEntriesResponse{Term: request.Term, LastLog: uint64(len(request.Entries)), Success: true}, nil)
			default:
				rpc.Respond(nil, errors.New("only entries here"))
			}
		})
		defer stop()
		stop1 := serveRaft(t1, func(rpc raft.RPC) {
			rpc.Respond(&raft.RequestVoteResponse{Term: rpc.Command.(*raft.RequestVoteRequest).Term, Granted: true}, nil)
		})
		defer stop1()
		for term := uint64(1); term <= 3; term++ {
			request := &raft.AppendEntriesRequest{Term: term, PrevLogEntry: 1, Entries: []*raft.Log{{Index: 1, Data: bytes.Repeat([]byte("x"), 100_000)}}}
			var response raft.AppendEntriesResponse
			if err := t1.AppendEntries("n2", raft.ServerAddress(n2.address()), request, &response); err != nil {
				t.Fatal(err)
			}
			if response.Term != term || response.LastLog != 1 || !response.Success {
				t.Fatalf("%+v", response)
			}
		}
		var vote raft.RequestVoteResponse
		if err := t2.RequestVote("n1", raft.ServerAddress(n1.address()), &raft.RequestVoteRequest{Term: 9}, &vote); err != nil || !vote.Granted || vote.Term != 9 {
			t.Fatalf("%+v, %v", vote, err)
		}
	})
	t.Run("SnapshotIsStreamed", func(t *testing.T) {
		const size = 3 << 20
		var received int64
		stop := serveRaft(t2, func(rpc raft.RPC) {
			received, _ = io.Copy(io.Discard, rpc.Reader)
			rpc.Respond(&raft.InstallSnapshotResponse{Success: true}, nil)
		})
		var response raft.InstallSnapshotResponse
		err := t1.InstallSnapshot("n2", raft.ServerAddress(n2.address()), &raft.InstallSnapshotRequest{Term: 1, Size: size}, &response, io.LimitReader(zeroes{}, size))
		stop()
		if err != nil || !response.Success || received != size {
			t.Fatalf("%+v, %v, %d bytes arrived", response, err, received)
		}
	})
	t.Run("AddressOfNoMemberIsRefused", func(t *testing.T) {
		err := t1.AppendEntries("n9", "127.0.0.1:1", &raft.AppendEntriesRequest{}, &raft.AppendEntriesResponse{})
		mustFailWith(t, err, "no member of the cluster has the address", "127.0.0.1:1")
	})
	t.Run("AddressOfAnotherMemberIsRefused", func(t *testing.T) {
		wrong := raftTransport(t, newTestNode(t, "n3", nil), map[string]string{n2.address(): "n1"})
		err := wrong.AppendEntries("n1", raft.ServerAddress(n2.address()), &raft.AppendEntriesRequest{}, &raft.AppendEntriesResponse{})
		mustFailWith(t, err, `this is node "n2" and not "n1"`)
	})
}

// serveRaft answers the RPCs of a transport until stopped.
func serveRaft(transport *raft.NetworkTransport, answer func(raft.RPC)) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case rpc := <-transport.Consumer():
				answer(rpc)
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { return len(p), nil }

func TestRaftStreamDial(t *testing.T) {
	t.Run("TimeoutBoundsAPeerThatNeverAnswers", func(t *testing.T) {
		mute := listenLoopback(t)
		node := newTestNode(t, "n1", func(c *Config) { c.HandshakeTimeout = time.Hour })
		stream := node.RaftStream("n1:7000", func(string) (string, bool) { return "n2", true })
		_, err := stream.Dial(raft.ServerAddress(mute.Addr().String()), 50*time.Millisecond)
		mustFailWith(t, err, "n2")
		if !isTimeout(err) || errors.Is(err, ErrRefused) {
			t.Errorf("%v is not a timeout", err)
		}
	})
	t.Run("HandshakeTimeoutBoundsItToo", func(t *testing.T) {
		mute := listenLoopback(t)
		node := newTestNode(t, "n1", func(c *Config) { c.HandshakeTimeout = 50 * time.Millisecond })
		stream := node.RaftStream("n1:7000", func(string) (string, bool) { return "n2", true })
		if _, err := stream.Dial(raft.ServerAddress(mute.Addr().String()), 0); !isTimeout(err) {
			t.Errorf("%v is not a timeout", err)
		}
	})
	t.Run("FailsAfterTheListenerWasClosed", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		n1.Close()
		stream := n1.RaftStream("n1:7000", func(string) (string, bool) { return "n2", true })
		if conn, err := stream.Dial(raft.ServerAddress(n2.address()), patience); err == nil {
			conn.Close()
			t.Fatal("dialed")
		}
	})
}

func TestRaftStreamCloseCutsRaftStreamsOnly(t *testing.T) {
	n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
	dialed, _ := mustConnect(t, n1, n2, PurposeRaft)
	_, arrived := mustConnect(t, n2, n1, PurposeRaft)
	nodeDialed, nodeArrived := mustConnect(t, n1, n2, PurposeNode)
	n2.RaftStream("", nil).Close()
	mustBeCut(t, dialed)
	mustBeCut(t, arrived)
	mustWrite(t, nodeDialed, "still here")
	mustRead(t, nodeArrived, "still here")
}

func TestCloseRefused(t *testing.T) {
	t.Run("CutsBothDirectionsOfAPeerThatIsRefusedNow", func(t *testing.T) {
		n1, n2, n3 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil), newTestNode(t, "n3", nil)
		out, _ := mustConnect(t, n2, n1, PurposeRaft)
		_, in := mustConnect(t, n1, n2, PurposeNode)
		keep, kept := mustConnect(t, n3, n1, PurposeRaft)
		if n := n1.CloseRefused(); n != 0 {
			t.Fatalf("closed %d while everybody is admitted", n)
		}
		n1.identity.setAdmit(func(peer Hello, _ bool) error {
			if peer.NodeID == "n2" {
				return errors.New("n2 was recorded with another instance")
			}
			return nil
		})
		if n := n1.CloseRefused(); n != 2 {
			t.Fatalf("closed %d, want 2", n)
		}
		mustBeCut(t, out)
		mustBeCut(t, in)
		n1.log.await(t, "level=WARN", "refused now", "n2 was recorded")
		mustWrite(t, keep, "still here")
		mustRead(t, kept, "still here")
		if n := n1.CloseRefused(); n != 0 {
			t.Fatalf("closed %d again", n)
		}
	})
	t.Run("FindsAPeerThatIsBeingAdmitted", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		// The set of instances changes while Admit is about to say yes by the
		// old one.
		asked := false
		n2.identity.setAdmit(func(Hello, bool) error {
			if asked {
				return errors.New("refused now")
			}
			asked = true
			if n := n2.CloseRefused(); n != 1 {
				t.Errorf("closed %d, want 1", n)
			}
			return nil
		})
		conn, err := n1.dial(context.Background(), n2.address(), "n2", PurposeRaft)
		if err == nil {
			mustBeCut(t, conn)
		}
	})
	t.Run("ForgetsClosedConnections", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		for _, purpose := range []Purpose{PurposeRaft, PurposeNode} {
			dialed, arrived := mustConnect(t, n1, n2, purpose)
			for _, conn := range []net.Conn{dialed, arrived} {
				conn.Close()
			}
		}
		for _, node := range []*testNode{n1, n2} {
			node.mu.Lock()
			if n := len(node.admitted); n != 0 {
				t.Errorf("%d connections are still known", n)
			}
			node.mu.Unlock()
		}
	})
}
