package transport

import (
	"context"
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// serveNode runs a gRPC server, with the health service, on the node part of
// a listener.
func serveNode(t *testing.T, node *testNode, register func(*grpc.Server)) {
	t.Helper()
	server := grpc.NewServer(NodeServerOptions()...)
	healthpb.RegisterHealthServer(server, health.NewServer())
	if register != nil {
		register(server)
	}
	go server.Serve(node.Node())
	t.Cleanup(server.Stop)
}

func newTestConns(t *testing.T, node *testNode) *NodeConns {
	t.Helper()
	conns := NewNodeConns(node.Listener)
	t.Cleanup(func() { conns.Close() })
	return conns
}

func mustConn(t *testing.T, conns *NodeConns, id, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := conns.Conn(id, addr)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func checkHealth(t *testing.T, conn *grpc.ClientConn) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	return err
}

// awaitState waits until a connection is in a state.
func awaitState(t *testing.T, conn *grpc.ClientConn, want connectivity.State) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for state := conn.GetState(); state != want; state = conn.GetState() {
		if !conn.WaitForStateChange(ctx, state) {
			t.Fatalf("the connection stays %s, want %s", state, want)
		}
	}
}

func TestNodeConns(t *testing.T) {
	t.Run("CallsCrossAndTheConnectionIsKept", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		serveNode(t, n2, nil)
		conns := newTestConns(t, n1)
		first := mustConn(t, conns, "n2", n2.address())
		if err := checkHealth(t, first); err != nil {
			t.Fatal(err)
		}
		if again := mustConn(t, conns, "n2", n2.address()); again != first {
			t.Error("a second connection to the same node")
		}
	})
	t.Run("NewAddressReplacesTheConnection", func(t *testing.T) {
		n1, n2, moved := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil), newTestNode(t, "n2", nil)
		serveNode(t, moved, nil)
		conns := newTestConns(t, n1)
		old := mustConn(t, conns, "n2", n2.address())
		next := mustConn(t, conns, "n2", moved.address())
		if old.GetState() != connectivity.Shutdown {
			t.Error("the connection to the old address is open")
		}
		if err := checkHealth(t, next); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("RefusalReachesTheCaller", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		serveNode(t, n2, nil)
		n2.identity.setAdmit(func(Hello, bool) error { return errors.New("n1 lost its data") })
		err := checkHealth(t, mustConn(t, newTestConns(t, n1), "n2", n2.address()))
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%v is not Unavailable", err)
		}
		mustFailWith(t, err, "n1 lost its data")
	})
	t.Run("WrongNodeAtTheAddressIsRefused", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		serveNode(t, n2, nil)
		err := checkHealth(t, mustConn(t, newTestConns(t, n1), "n3", n2.address()))
		mustFailWith(t, err, `this is node \"n2\" and not \"n3\"`)
	})
	t.Run("ClosedPortFailsAtOnceAndIsFoundWhenItComesBack", func(t *testing.T) {
		n1 := newTestNode(t, "n1", nil)
		inner := listenLoopback(t)
		addr := inner.Addr().String()
		inner.Close()
		conn := mustConn(t, newTestConns(t, n1), "n2", addr)
		if err := checkHealth(t, conn); status.Code(err) != codes.Unavailable {
			t.Fatalf("%v is not Unavailable", err)
		}
		inner, err := net.Listen("tcp", addr)
		if err != nil {
			t.Skipf("the port was taken by somebody else: %v", err)
		}
		serveNode(t, newTestNodeOn(t, inner, "n2", nil), nil)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true)); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("CloseRefusedCutsACallUnderWay", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		serveNode(t, n2, nil)
		conn := mustConn(t, newTestConns(t, n1), "n2", n2.address())
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		watch, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := watch.Recv(); err != nil {
			t.Fatal(err)
		}
		n2.identity.setAdmit(func(Hello, bool) error { return errors.New("n1 has another instance") })
		if n := n2.CloseRefused(); n != 1 {
			t.Fatalf("closed %d, want 1", n)
		}
		if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
			t.Fatalf("%v is not Unavailable", err)
		}
		awaitState(t, conn, connectivity.Idle)
		mustFailWith(t, checkHealth(t, conn), "n1 has another instance")
	})
	t.Run("CloseEndsEverything", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		conns := newTestConns(t, n1)
		conn := mustConn(t, conns, "n2", n2.address())
		conns.Close()
		if conn.GetState() != connectivity.Shutdown {
			t.Error("a connection is open after Close")
		}
		if _, err := conns.Conn("n2", n2.address()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v, want net.ErrClosed", err)
		}
	})
}

// fakeNode answers the Node service.
type fakeNode struct {
	pb.UnimplementedNodeServer
	status registry.NodeStatus
}

func (f *fakeNode) CurrentTerm(context.Context, *pb.CurrentTermRequest) (*pb.CurrentTermResponse, error) {
	return &pb.CurrentTermResponse{Term: 7}, nil
}

func (f *fakeNode) NodeStatus(context.Context, *pb.NodeStatusRequest) (*pb.NodeStatusResponse, error) {
	return &pb.NodeStatusResponse{Status: wire.NodeStatusToPB(f.status)}, nil
}

func (f *fakeNode) ReadIndex(context.Context, *pb.ReadIndexRequest) (*pb.ReadIndexResponse, error) {
	return &pb.ReadIndexResponse{Index: 41}, nil
}

func (f *fakeNode) StateHash(_ context.Context, request *pb.StateHashRequest) (*pb.StateHashResponse, error) {
	if request.GetIndex() < 5 {
		return nil, wire.ErrorToStatus(registry.Errorf(registry.CodeCompacted, registry.Fields{}, "too old"))
	}
	return &pb.StateHashResponse{Hash: "abc"}, nil
}

func TestPeers(t *testing.T) {
	n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
	fake := &fakeNode{status: registry.NodeStatus{Role: "follower", Term: 7, AppliedIndex: 41, InstanceID: "i2", Version: "v1"}}
	serveNode(t, n2, func(s *grpc.Server) { pb.RegisterNodeServer(s, fake) })
	conns := newTestConns(t, n1)
	peers := NewPeers(conns)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	t.Run("AnswersCross", func(t *testing.T) {
		if term, err := peers.CurrentTerm(ctx, "n2", n2.address()); err != nil || term != 7 {
			t.Errorf("term %d, %v", term, err)
		}
		if status, err := peers.NodeStatus(ctx, "n2", n2.address()); err != nil || status != fake.status {
			t.Errorf("status %+v, %v", status, err)
		}
		if hash, err := peers.StateHash(ctx, "n2", n2.address(), 5); err != nil || hash != "abc" {
			t.Errorf("hash %q, %v", hash, err)
		}
		if index, err := peers.ReadIndex(ctx, "n2", n2.address()); err != nil || index != 41 {
			t.Errorf("read index %d, %v", index, err)
		}
	})
	t.Run("ErrorThatTheNodeAnsweredComesBack", func(t *testing.T) {
		if _, err := peers.StateHash(ctx, "n2", n2.address(), 4); !errors.Is(err, registry.ErrCompacted) {
			t.Errorf("%v is not Compacted", err)
		}
	})
	t.Run("NodeThatRefusesIsNamed", func(t *testing.T) {
		_, err := peers.CurrentTerm(ctx, "n3", n2.address())
		mustFailWith(t, err, `ask node "n3" at `+n2.address())
	})
	t.Run("ContextEndsACall", func(t *testing.T) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := peers.CurrentTerm(ended, "n2", n2.address()); status.Code(err) != codes.Canceled {
			t.Errorf("%v is not Canceled", err)
		}
	})
	t.Run("FailsAfterTheConnectionsWereClosed", func(t *testing.T) {
		conns.Close()
		if _, err := peers.CurrentTerm(ctx, "n2", n2.address()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v, want net.ErrClosed", err)
		}
	})
}
