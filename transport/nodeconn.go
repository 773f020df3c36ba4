package transport

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// A connection to another node on which nothing comes back for
// nodeKeepalive + nodeKeepaliveTimeout is given up, so that calls after a
// partition do not wait for TCP's own retransmissions. gRPC allows no less
// than 10 s.
const (
	nodeKeepalive        = 10 * time.Second
	nodeKeepaliveTimeout = 3 * time.Second
)

// NodeServerOptions are the options that a gRPC server on Listener.Node needs
// to get on with the NodeConns of its peers: it must allow their pings, which
// gRPC otherwise takes for an attack.
func NodeServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: nodeKeepalive / 2, PermitWithoutStream: true}),
	}
}

// NodeConns holds one gRPC connection to each other node, made when it is
// first asked for. All methods are safe for concurrent use.
type NodeConns struct {
	listener *Listener
	extra    []grpc.DialOption

	mu     sync.Mutex
	closed bool
	conns  map[string]peerConn // by node id
}

type peerConn struct {
	addr string
	conn *grpc.ClientConn
}

// NewNodeConns makes an empty set of connections, dialed through the listener
// so that they carry its preface. The options come after its own.
func NewNodeConns(listener *Listener, options ...grpc.DialOption) *NodeConns {
	return &NodeConns{listener: listener, extra: options, conns: make(map[string]peerConn)}
}

// Conn returns the connection to the node of this id at this address. It does
// not wait for the connection to stand: a call on it fails with Unavailable
// when the node cannot be reached, or is not who it should be. A connection to
// an earlier address of the node is closed, and the calls on it are cancelled.
// After Close it returns net.ErrClosed.
func (n *NodeConns) Conn(id, addr string) (*grpc.ClientConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	old, ok := n.conns[id]
	if ok && old.addr == addr {
		return old.conn, nil
	}
	conn, err := n.dial(id, addr)
	if err != nil {
		return nil, fmt.Errorf("connection to node %q at %s: %w", id, addr, err)
	}
	if ok {
		old.conn.Close()
	}
	n.conns[id] = peerConn{addr: addr, conn: conn}
	return conn, nil
}

func (n *NodeConns) dial(id, addr string) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return n.listener.dial(ctx, addr, id, PurposeNode)
		}),
		// Not gRPC's business: the listener dials, and will do TLS.
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: nodeKeepalive, Timeout: nodeKeepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			// A node that comes back should be found at once: elections and
			// read barriers wait for it.
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: n.listener.timeout,
		}),
		grpc.WithDisableServiceConfig(),
		// Whoever calls knows whether a call may be repeated; nobody else may.
		grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(
			grpc.WaitForReady(false),
			grpc.MaxCallRecvMsgSize(wire.MaxMessageBytes),
			grpc.MaxCallSendMsgSize(wire.MaxMessageBytes),
		),
	}
	// passthrough, because our own dialer resolves the name on each attempt.
	return grpc.NewClient("passthrough:///"+addr, append(options, n.extra...)...)
}

// Reconnect makes connections that wait for their next attempt try at once. It
// is to be called when a refusal may have passed.
func (n *NodeConns) Reconnect() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, peer := range n.conns {
		peer.conn.ResetConnectBackoff()
	}
}

// Close closes all connections; calls on them are cancelled.
func (n *NodeConns) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for id, peer := range n.conns {
		peer.conn.Close()
		delete(n.conns, id)
	}
	return nil
}

// Peers asks other nodes what only nodes may ask. Calls end with their context
// or at once when the node cannot be reached or refuses the connection; they
// are never repeated. It is safe for concurrent use.
type Peers struct {
	conns *NodeConns
}

// NewPeers asks over these connections.
func NewPeers(conns *NodeConns) *Peers { return &Peers{conns: conns} }

// CurrentTerm asks a node for its raft term. The answer counts every vote that
// the node gave before it.
func (p *Peers) CurrentTerm(ctx context.Context, id, addr string) (uint64, error) {
	answer, err := ask(ctx, p, id, addr, pb.NodeClient.CurrentTerm, &pb.CurrentTermRequest{})
	return answer.GetTerm(), err
}

// NodeStatus asks a node what it says of itself.
func (p *Peers) NodeStatus(ctx context.Context, id, addr string) (registry.NodeStatus, error) {
	answer, err := ask(ctx, p, id, addr, pb.NodeClient.NodeStatus, &pb.NodeStatusRequest{})
	return wire.NodeStatusFromPB(answer.GetStatus()), err
}

// StateHash asks a node for the hash that its state had at a checkpoint entry;
// the node waits until it has applied that. Errors: Compacted.
func (p *Peers) StateHash(ctx context.Context, id, addr string, index uint64) (string, error) {
	answer, err := ask(ctx, p, id, addr, pb.NodeClient.StateHash, &pb.StateHashRequest{Index: index})
	return answer.GetHash(), err
}

// ReadIndex asks the leader for a log index that is not below any write which
// was acked before the call. Errors: NotLeader, NoLeader.
func (p *Peers) ReadIndex(ctx context.Context, id, addr string) (uint64, error) {
	answer, err := ask(ctx, p, id, addr, pb.NodeClient.ReadIndex, &pb.ReadIndexRequest{})
	return answer.GetIndex(), err
}

// ask makes one call to one node. An error that the node answered comes back
// as it is; any other one names the node.
func ask[Req, Resp any](ctx context.Context, p *Peers, id, addr string, call func(pb.NodeClient, context.Context, Req, ...grpc.CallOption) (*Resp, error), request Req) (*Resp, error) {
	conn, err := p.conns.Conn(id, addr)
	if err != nil {
		return nil, err
	}
	answer, err := call(pb.NewNodeClient(conn), ctx, request)
	if err == nil {
		return answer, nil
	}
	if answered, ok := wire.ErrorFromStatus(err); ok {
		return nil, answered
	}
	return nil, fmt.Errorf("ask node %q at %s: %w", id, addr, err)
}
