// Package node assembles a node: it opens the storage, lets one address serve
// gRPC, raft and the calls between nodes, and joins package cluster, which
// knows no gRPC, with package transport, which knows no raft state. The
// program, the tests and the examples start nodes with it.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/holdfast-registry/holdfast/cluster"
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport"
)

// Peer is a node of the first configuration.
type Peer = cluster.Peer

// Config is what a node is started with.
type Config struct {
	// ID is the node's id; DataDir its data folder, made if missing.
	ID      string
	DataDir string
	// Addr is where the node listens.
	Addr string
	// HTTPAddr is where /healthz, /readyz and /metrics are served; "" for
	// nowhere. Pprof serves Go's profiles under /debug/pprof/ there too.
	HTTPAddr string
	Pprof    bool
	// Peers is the first configuration, the same on all its nodes. The node's
	// own entry is the address that others reach it at. It is not looked at
	// once there is data.
	Peers []Peer
	// Advertise is the address that others reach this node at when Peers does
	// not hold it: a node that waits to be added to a running cluster.
	Advertise string
	// Logger gets the node's log lines; nil discards them.
	Logger *slog.Logger
	// Fatal is called at most once, when the node cannot go on and the program
	// should end.
	Fatal   func(error)
	Version string
	// Timing overrides raft's time-outs, Limits those of the watchdogs; zero
	// values are the defaults, here and below.
	Timing cluster.Timing
	Limits cluster.Limits
	// SnapshotEntries is how many log entries may gather before a snapshot;
	// SnapshotInterval is how often that is looked at; TrailingLogs is how many
	// entries are kept behind one.
	SnapshotEntries  uint64
	SnapshotInterval time.Duration
	TrailingLogs     uint64
	// NoHandover makes the node stop without handing its leadership over, for
	// nodes that stop together.
	NoHandover bool
	// WatchLimits bound the streams of events and changes.
	WatchLimits transport.WatchLimits
	// WrapLogStore, when set, puts a store of the caller's around raft's log
	// store. It is meant for fault injection.
	WrapLogStore func(raft.LogStore) raft.LogStore
}

// raftTimeout bounds one RPC of raft, but for the transfer of a snapshot, which
// gets more with its size.
const raftTimeout = 10 * time.Second

// Node is a running node. All methods are safe for concurrent use.
type Node struct {
	*cluster.Node

	config   Config
	logger   *slog.Logger
	storage  *cluster.Storage
	listener *transport.Listener
	conns    *transport.NodeConns
	rpc      *raft.NetworkTransport
	public   *transport.Server
	internal *transport.Server
	http     *http.Server
	httpAddr string
	serving  sync.WaitGroup

	metrics *prometheus.Registry
	calls   *transport.Metrics
	// leaderChanged wakes the health service; ready is what it said last.
	leaderChanged chan struct{}
	ready         atomic.Bool
	// caughtUp is set once this node has applied what the leader had.
	caughtUp atomic.Bool
	// stopping is closed when the node begins to stop, draining when its
	// servers do.
	stopping, draining chan struct{}
	// failed is set when the node reported that it cannot go on.
	failed atomic.Bool

	closeOnce sync.Once
	closeErr  error
}

// Start starts a node. It returns as soon as the node takes calls; AwaitLeader
// tells when a leader answers them. When ctx ends before that, what was
// started is stopped again.
func Start(ctx context.Context, config Config) (_ *Node, err error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	advertised, err := advertisedAddr(config)
	if err != nil {
		return nil, err
	}
	n := &Node{
		config: config, logger: config.Logger.With("node", config.ID), leaderChanged: make(chan struct{}, 1),
		stopping: make(chan struct{}), draining: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			n.abandon()
		}
	}()
	if n.storage, err = cluster.OpenStorage(config.DataDir, config.ID); err != nil {
		return nil, err
	}
	if config.WrapLogStore != nil {
		n.storage.LogStore = config.WrapLogStore(n.storage.LogStore)
	}
	var listen net.ListenConfig
	socket, err := listen.Listen(ctx, "tcp", config.Addr)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", config.ID, err)
	}
	var opened atomic.Pointer[cluster.Node]
	n.listener = transport.NewListener(socket, transport.Config{Identity: identity{n.storage.Identity()}, Logger: config.Logger})
	n.conns = transport.NewNodeConns(n.listener)
	n.rpc = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:  n.listener.RaftStream(advertised, memberAt(&opened, config.Peers)),
		MaxPool: 3,
		// No pipelining: a pipeline can stand still for good while heartbeats
		// go on (hashicorp/raft issue 612). Batches make up for it.
		MaxRPCsInFlight: 1,
		Timeout:         raftTimeout,
		Logger:          cluster.RaftLogger(config.Logger),
	})
	n.Node, err = cluster.Open(cluster.Config{
		ID: config.ID, Addr: advertised, Bootstrap: config.Peers, Storage: n.storage,
		Transport: n.rpc, Peers: transport.NewPeers(n.conns), Timing: config.Timing, Limits: config.Limits,
		SnapshotEntries: config.SnapshotEntries, SnapshotInterval: config.SnapshotInterval, TrailingLogs: config.TrailingLogs,
		Logger: config.Logger, Fatal: n.fatal, Version: config.Version,
		OnLeaderChange: n.wakeHealth,
		OnMembersChange: func() {
			n.listener.CloseRefused()
			n.conns.Reconnect()
		},
	})
	if err != nil {
		return nil, err
	}
	opened.Store(n.Node)
	n.metrics, n.calls = n.newMetrics()
	n.serveRPC()
	if err = n.serveHTTP(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// advertisedAddr is the address under which the others know this node.
func advertisedAddr(config Config) (string, error) {
	for _, peer := range config.Peers {
		if peer.ID == config.ID {
			return peer.Addr, nil
		}
	}
	if len(config.Peers) > 0 {
		return "", fmt.Errorf("node %s is not among the peers: every node needs the same list, its own entry included", config.ID)
	}
	if config.Advertise == "" {
		return "", fmt.Errorf("node %s has no peers and no address that others reach it at", config.ID)
	}
	return config.Advertise, nil
}

// memberAt looks up who is at an address: among the members once the node is
// open, before that among the peers it was started with.
func memberAt(opened *atomic.Pointer[cluster.Node], peers []Peer) func(addr string) (string, bool) {
	return func(addr string) (string, bool) {
		if n := opened.Load(); n != nil {
			return n.MemberAt(addr)
		}
		for _, peer := range peers {
			if peer.Addr == addr {
				return peer.ID, true
			}
		}
		return "", false
	}
}

// identity fits the cluster's identity to the transport's interface.
type identity struct{ known *cluster.Identity }

func (i identity) Self() transport.Hello {
	clusterID, nodeID, instanceID := i.known.Self()
	return transport.Hello{ClusterID: clusterID, NodeID: nodeID, InstanceID: instanceID}
}

func (i identity) Admit(peer transport.Hello, _ bool) error {
	return i.known.Admit(peer.ClusterID, peer.NodeID, peer.InstanceID)
}

// serveRPC starts the two gRPC servers of the address: one for everybody, and
// one for the other nodes, where handed on calls arrive and are not handed on
// again.
func (n *Node) serveRPC() {
	n.public = transport.NewServer(transport.ServerConfig{
		Backend: n.Node, Watches: n.Node, WatchLimits: n.config.WatchLimits, Leader: leaderConns{n}, Log: n.logger, Metrics: n.calls, Stopping: n.draining,
	})
	n.internal = transport.NewServer(transport.ServerConfig{
		Backend: n.Node, Node: n.Node, Log: n.logger, Metrics: n.calls, Options: transport.NodeServerOptions(),
	})
	n.setServing(false)
	n.serving.Go(n.watchHealth)
	for server, listener := range map[*transport.Server]net.Listener{n.public: n.listener.Public(), n.internal: n.listener.Node()} {
		n.serving.Go(func() {
			if err := server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) && !errors.Is(err, net.ErrClosed) {
				n.logger.Error("gRPC server ended", "error", err)
			}
		})
	}
}

// leaderConns finds the leader for calls that are handed on.
type leaderConns struct{ n *Node }

func (l leaderConns) LeaderConn(context.Context) (grpc.ClientConnInterface, string, string, error) {
	id, addr, _ := l.n.Leader()
	switch id {
	case "":
		return nil, "", "", fmt.Errorf("node %s knows no leader", l.n.config.ID)
	case l.n.config.ID:
		return nil, "", "", fmt.Errorf("node %s leads but does not serve yet", id)
	}
	conn, err := l.n.conns.Conn(id, addr)
	if err != nil {
		return nil, id, addr, err
	}
	return conn, id, addr, nil
}

// Addr is the address that the node listens on.
func (n *Node) Addr() string { return n.listener.Addr().String() }

// HTTPAddr is where the health endpoints are, "" when they are not served.
func (n *Node) HTTPAddr() string { return n.httpAddr }

// abandon stops what a failed Start had begun.
func (n *Node) abandon() {
	close(n.stopping)
	if n.public != nil {
		n.public.Stop()
		n.internal.Stop()
	}
	if n.Node != nil {
		n.Node.Close()
	}
	if n.conns != nil {
		n.conns.Close()
	}
	if n.rpc != nil {
		n.rpc.Close()
	}
	if n.listener != nil {
		n.listener.Close()
	}
	n.serving.Wait()
	if n.storage != nil {
		n.storage.Close()
	}
}

// ParsePeers reads a list of peers, "n1=host:port,n2=host:port".
func ParsePeers(text string) ([]Peer, error) {
	var peers []Peer
	ids, addrs := make(map[string]bool), make(map[string]bool)
	for _, entry := range strings.Split(text, ",") {
		id, addr, ok := strings.Cut(strings.TrimSpace(entry), "=")
		if !ok {
			return nil, fmt.Errorf("peer %q is not of the form id=host:port", entry)
		}
		if err := registry.ValidateID("peer id", id); err != nil {
			return nil, err
		}
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" || port == "0" {
			return nil, fmt.Errorf("peer %s: %q is not an address of the form host:port", id, addr)
		}
		if ids[id] || addrs[addr] {
			return nil, fmt.Errorf("peer %s at %s: every peer needs an id and an address of its own", id, addr)
		}
		ids[id], addrs[addr] = true, true
		peers = append(peers, Peer{ID: id, Addr: addr})
	}
	return peers, nil
}
