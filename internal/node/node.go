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
	"google.golang.org/grpc"

	"github.com/holdfast-registry/holdfast/cluster"
	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport"
	"github.com/holdfast-registry/holdfast/transport/pb"
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
	// HTTPAddr is where /healthz and /readyz are served; "" for nowhere.
	HTTPAddr string
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
	// Timing overrides raft's time-outs; zero values are the defaults.
	Timing cluster.Timing
	// WrapLogStore, when set, puts a store of the caller's around raft's log
	// store. It is meant for fault injection.
	WrapLogStore func(raft.LogStore) raft.LogStore
}

// raftTimeout bounds one RPC of raft, but for the transfer of a snapshot, which
// gets more with its size.
const raftTimeout = 10 * time.Second

// stopGrace is how long calls under way may take when the node stops.
const stopGrace = 5 * time.Second

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
	n := &Node{config: config, logger: config.Logger}
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
		Transport: n.rpc, Peers: transport.NewPeers(n.conns), Timing: config.Timing,
		Logger: config.Logger, Fatal: config.Fatal, Version: config.Version,
		OnMembersChange: func() { n.listener.CloseRefused() },
	})
	if err != nil {
		return nil, err
	}
	opened.Store(n.Node)
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
	n.public = transport.NewServer(transport.ServerConfig{Backend: n.Node, Leader: leaderConns{n}, Log: n.logger})
	n.internal = transport.NewServer(transport.ServerConfig{
		Backend: n.Node, Node: n.Node, Log: n.logger, Options: transport.NodeServerOptions(),
	})
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

// serveHTTP serves the health endpoints.
func (n *Node) serveHTTP(ctx context.Context) error {
	if n.config.HTTPAddr == "" {
		return nil
	}
	var listen net.ListenConfig
	socket, err := listen.Listen(ctx, "tcp", n.config.HTTPAddr)
	if err != nil {
		return fmt.Errorf("node %s: HTTP: %w", n.config.ID, err)
	}
	n.httpAddr = socket.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := n.checkReady(ctx); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	n.http = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	n.serving.Go(func() {
		if err := n.http.Serve(socket); err != nil && !errors.Is(err, http.ErrServerClosed) {
			n.logger.Error("HTTP server ended", "error", err)
		}
	})
	return nil
}

const (
	// readyTimeout bounds one look at readiness, readyPoll is the time between
	// two while AwaitLeader waits.
	readyTimeout = 2 * time.Second
	readyPoll    = 20 * time.Millisecond
)

// checkReady makes one linearizable read, here or at the leader: a node is
// ready when it can have one answered.
func (n *Node) checkReady(ctx context.Context) error {
	if _, _, self := n.Leader(); self {
		return n.Read(ctx, func(fsm.View) {})
	}
	conn, leader, _, err := leaderConns{n}.LeaderConn(ctx)
	if err != nil {
		return err
	}
	if _, err := pb.NewRegistryClient(conn).GetProcessLease(ctx, &pb.GetProcessLeaseRequest{ProcessId: "readyz"}); err != nil {
		return fmt.Errorf("leader %s: %w", leader, err)
	}
	return nil
}

// AwaitLeader waits until a leader answers linearizable reads through this
// node.
func (n *Node) AwaitLeader(ctx context.Context) error {
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, readyTimeout)
		err := n.checkReady(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no leader answers: %w", err)
		case <-poll.C:
		}
	}
}

// Addr is the address that the node listens on.
func (n *Node) Addr() string { return n.listener.Addr().String() }

// HTTPAddr is where the health endpoints are, "" when they are not served.
func (n *Node) HTTPAddr() string { return n.httpAddr }

// Close stops the node: no new calls, those under way get some time, then raft
// and the files are closed.
func (n *Node) Close(ctx context.Context) error {
	n.closeOnce.Do(func() { n.closeErr = n.close(ctx) })
	return n.closeErr
}

func (n *Node) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	n.public.Health.Shutdown()
	n.stopServer(ctx, n.public)
	if n.http != nil {
		if err := n.http.Shutdown(ctx); err != nil {
			n.http.Close()
		}
	}
	err := n.Node.Close()
	n.stopServer(ctx, n.internal)
	err = errors.Join(err, n.conns.Close(), n.rpc.Close(), n.listener.Close())
	n.serving.Wait()
	return errors.Join(err, n.storage.Close())
}

// stopServer lets the calls of a server end, and cuts them when the time is up.
func (n *Node) stopServer(ctx context.Context, server *transport.Server) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		server.GracefulStop()
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		server.Stop()
		<-stopped
	}
}

// abandon stops what a failed Start had begun.
func (n *Node) abandon() {
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
