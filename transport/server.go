package transport

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// Backend is the registry that a server serves. Its methods return *Error
// values of the registry's catalogue and fill in the call's AnswerInfo. One
// that is asked to write, or to read linearizably, while it does not lead
// answers NotLeader and names the leader.
type Backend interface {
	registry.Registry
	registry.Admin
	registry.Fences
	registry.Queue
	registry.Batches
	registry.Sessions
	// Leader names the leader, or returns empty texts when none is known. self
	// tells that it is this node. It does not wait.
	Leader() (id, addr string, self bool)
}

// NodeBackend is what a node answers to the other nodes of its cluster.
type NodeBackend interface {
	// CurrentTerm is raft's current term, with every vote that was given
	// already counted. It does not wait.
	CurrentTerm() uint64
	// NodeStatus is what the node says of itself.
	NodeStatus(ctx context.Context) (registry.NodeStatus, error)
	// StateHash is the hash that the state had right after the checkpoint entry
	// of this index; it waits until that is applied. Errors: Compacted.
	StateHash(ctx context.Context, index uint64) (string, error)
	// ReadIndex is a log index for which the leader vouches: who has applied it
	// has applied every write that was acked before the call. Errors: NotLeader,
	// NoLeader.
	ReadIndex(ctx context.Context) (uint64, error)
}

// ServerConfig says what a server serves, and to whom.
type ServerConfig struct {
	// Backend answers the Registry and Admin services.
	Backend Backend
	// Node answers the Node service. It makes this the server that only other
	// nodes can reach; without it this is the public server, which offers
	// health and reflection.
	Node NodeBackend
	// Watches, when set, offers the Watches service within WatchLimits.
	Watches     WatchBackend
	WatchLimits WatchLimits
	// Leader, when set, makes a node that does not lead hand calls on to the
	// leader. It must be nil on the server that handed on calls arrive at, so
	// that no call is handed on twice.
	Leader LeaderConns
	// Log gets a line for every panic in a handler; nil is slog.Default.
	Log *slog.Logger
	// Metrics, when set, counts the calls.
	Metrics *Metrics
	// Stopping, when set, ends the contexts of streams when it is closed. A
	// graceful stop waits for streams, and theirs is no end of their own.
	Stopping <-chan struct{}
	// Options are further options of the gRPC server: credentials, stats
	// handlers, keepalive. Interceptors among them see a call before it is
	// handed on to the leader, and may return errors of the registry.
	Options []grpc.ServerOption
}

// Server is a gRPC server with the services of a node.
type Server struct {
	*grpc.Server
	// Health is the public server's health service, serving from the start;
	// nil on the node-to-node server.
	Health *health.Server
}

// streamWorkers is how many goroutines of a server are kept for calls. A fresh
// goroutine grows its stack anew in every call, which took a seventh of a
// leader's time under reads; calls beyond these get a fresh one.
const streamWorkers = 128

// NewServer makes a server. The caller serves it on a listener and stops it.
func NewServer(config ServerConfig) *Server {
	log := config.Log
	if log == nil {
		log = slog.Default()
	}
	calls := &calls{backend: config.Backend, log: log, methods: methodTable()}
	inner := []grpc.UnaryServerInterceptor{calls.limit}
	if config.Leader != nil {
		inner = append(inner, (&forwarder{leader: config.Backend.Leader, conns: config.Leader, methods: calls.methods}).forward)
	}
	inner = append(inner, calls.answer)

	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(wire.MaxMessageBytes),
		grpc.MaxSendMsgSize(wire.MaxMessageBytes),
		grpc.NumStreamWorkers(streamWorkers),
		// Stopping waits for connections that have not finished HTTP/2's
		// handshake, and gRPC gives them two minutes.
		grpc.ConnectionTimeout(DefaultHandshakeTimeout),
	}
	if config.Metrics != nil {
		label := publicServer
		if config.Node != nil {
			label = nodeServer
		}
		options = append(options, grpc.ChainUnaryInterceptor(config.Metrics.unary(label)), grpc.ChainStreamInterceptor(config.Metrics.stream(label)))
	}
	if config.Stopping != nil {
		options = append(options, grpc.ChainStreamInterceptor(endStreams(config.Stopping)))
	}
	options = append(options, grpc.ChainUnaryInterceptor(calls.status, calls.recover))
	options = append(options, config.Options...)
	options = append(options, grpc.ChainUnaryInterceptor(inner...))

	server := &Server{Server: grpc.NewServer(options...)}
	pb.RegisterRegistryServer(server, &registryService{backend: config.Backend})
	pb.RegisterAdminServer(server, &adminService{backend: config.Backend})
	if config.Watches != nil {
		watches := &watchService{backend: config.Watches, limits: config.WatchLimits.filled(), log: log, metrics: config.Metrics, stopping: config.Stopping}
		if watches.metrics == nil {
			watches.metrics = NewMetrics()
		}
		pb.RegisterWatchesServer(server, watches)
	}
	if config.Node != nil {
		pb.RegisterNodeServer(server, &nodeService{backend: config.Node})
		return server
	}
	server.Health = health.NewServer()
	healthpb.RegisterHealthServer(server, server.Health)
	reflection.Register(server)
	return server
}

// endStreams makes the contexts of streams end when stopping is closed.
func endStreams(stopping <-chan struct{}) grpc.StreamServerInterceptor {
	return func(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		ctx, cancel := context.WithCancel(stream.Context())
		defer cancel()
		go func() {
			select {
			case <-stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
		return handle(service, endingStream{stream, ctx})
	}
}

// endingStream is a stream with a context of its own.
type endingStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context implements grpc.ServerStream.
func (s endingStream) Context() context.Context { return s.ctx }

// calls holds what every call of a server needs, whatever its method. Its
// interceptors run in the order status, recover, limit, forward, answer.
type calls struct {
	backend Backend
	log     *slog.Logger
	methods map[string]method
}

// status turns whatever error comes out of a call into its wire form.
func (c *calls) status(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	answer, err := handle(ctx, request)
	if err != nil {
		return nil, wire.ErrorToStatus(err)
	}
	return answer, nil
}

// recover keeps a panic from taking the node and all its other calls down.
func (c *calls) recover(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (answer any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			c.log.Error("panic in a call", "method", info.FullMethod, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			answer, err = nil, registry.Errorf(registry.CodeInternal, registry.Fields{}, "%s panicked; the node's log says more", info.FullMethod)
		}
	}()
	return handle(ctx, request)
}

// limit refuses requests over the registry's size, spec A16.
func (c *calls) limit(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if m, ok := request.(proto.Message); ok {
		if refused := wire.CheckSize(m); refused != nil {
			c.setTrailer(ctx, registry.AnswerInfo{})
			return nil, refused
		}
	}
	return handle(ctx, request)
}

// answer puts the call's options into the context, and the answer info that the
// backend fills in into the trailer: of a success, an error and a panic alike.
func (c *calls) answer(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if _, ok := c.methods[info.FullMethod]; !ok {
		return handle(ctx, request)
	}
	var answered registry.AnswerInfo
	defer func() { c.setTrailer(ctx, answered) }()
	options := registry.CallOptions{Answer: &answered}
	switch m := request.(type) {
	case interface{ GetSession() *pb.SessionStamp }:
		options.Session = wire.SessionFromPB(m.GetSession())
	case leveled:
		level, err := wire.ReadLevelFromPB(m.GetReadLevel())
		if err != nil {
			return nil, err
		}
		options.ReadLevel = level
	}
	return handle(registry.WithOptions(ctx, options), request)
}

// setTrailer names the leader where the backend did not come to do so.
func (c *calls) setTrailer(ctx context.Context, info registry.AnswerInfo) {
	if info.LeaderID == "" {
		info.LeaderID, info.LeaderAddr, _ = c.backend.Leader()
	}
	// It fails on a call that has ended only, whose caller sees no trailer.
	_ = grpc.SetTrailer(ctx, wire.AnswerTrailer(info))
}

// leveled is every request of a read.
type leveled interface{ GetReadLevel() pb.ReadLevel }
