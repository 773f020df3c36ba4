package transport

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// LeaderConns finds the connection to the leader's node-to-node server.
type LeaderConns interface {
	// LeaderConn returns a connection to the leader, which need not stand yet,
	// and who that is. It is an error when no leader is known or when it is
	// this node itself. The connection must honour call options, as gRPC's own
	// does, and must have no retry policy.
	LeaderConn(ctx context.Context) (conn grpc.ClientConnInterface, leaderID, leaderAddr string, err error)
}

// method is what the interceptors know of one method.
type method struct {
	// local methods are about the node that is asked.
	local bool
	// write tells that a lost answer leaves the outcome unknown.
	write  bool
	answer protoreflect.MessageType
}

// localMethods are answered by whatever node is asked.
var localMethods = map[string]bool{
	pb.Registry_DurabilityTier_FullMethodName: true,
	pb.Admin_ClusterStatus_FullMethodName:     true,
	pb.Admin_TakeSnapshot_FullMethodName:      true,
}

// methodTable returns the methods of Registry and Admin by their full names. It
// reads the .proto descriptors, so that a new method is known by itself; a
// method that says NO_SIDE_EFFECTS there is a read.
func methodTable() map[string]method {
	table := make(map[string]method)
	for _, file := range []protoreflect.FileDescriptor{pb.File_holdfast_v1_registry_proto, pb.File_holdfast_v1_admin_proto} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				m := service.Methods().Get(j)
				answer, err := protoregistry.GlobalTypes.FindMessageByName(m.Output().FullName())
				if err != nil {
					panic(err) // the generated code registers every message before main begins
				}
				name := "/" + string(service.FullName()) + "/" + string(m.Name())
				options, _ := m.Options().(*descriptorpb.MethodOptions)
				table[name] = method{
					local:  localMethods[name],
					write:  options.GetIdempotencyLevel() != descriptorpb.MethodOptions_NO_SIDE_EFFECTS,
					answer: answer,
				}
			}
		}
	}
	return table
}

// forwarder hands the calls that only the leader can answer on to it, once.
//
// A call is never tried again here: whoever made it knows whether it may be
// repeated, and the answer's trailer tells it where to go next time.
type forwarder struct {
	leader  func() (id, addr string, self bool)
	conns   LeaderConns
	methods map[string]method
}

// forward is the interceptor. The order of its steps is what makes the answer
// true: a failure before the headers went out is definite, one after is not.
func (f *forwarder) forward(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	method, ok := f.methods[info.FullMethod]
	if !ok || method.local || isStale(request) {
		return handle(ctx, request)
	}
	if _, _, self := f.leader(); self {
		return handle(ctx, request)
	}
	conn, leaderID, leaderAddr, err := f.conns.LeaderConn(ctx)
	if err != nil {
		f.copyTrailer(ctx, nil, leaderID, leaderAddr)
		return nil, registry.Errorf(registry.CodeNoLeader, registry.Fields{}, "no leader to hand the call to: %v", err)
	}

	message := request.(proto.Message)
	answer := method.answer.New().Interface()
	sent := wire.NewSentTracker()
	var trailer metadata.MD
	err = conn.Invoke(ctx, info.FullMethod, message, answer, sent.Option(), grpc.Trailer(&trailer))
	f.copyTrailer(ctx, trailer, leaderID, leaderAddr)
	if err == nil {
		return answer, nil
	}
	if _, answered := wire.ErrorFromStatus(err); answered {
		return nil, err
	}
	failed := wire.CallError(err, sent, message, method.write)
	if mutant == forwardsAgain && failed.Code == registry.CodeOutcomeUnknown && ctx.Err() == nil {
		return f.forward(ctx, request, info, handle)
	}
	failed.Fields.LeaderID, failed.Fields.LeaderAddr = leaderID, leaderAddr
	return nil, failed
}

// copyTrailer hands the leader's answer info back or, when none came, names the
// leader that was asked.
func (f *forwarder) copyTrailer(ctx context.Context, trailer metadata.MD, leaderID, leaderAddr string) {
	values := trailer[wire.AnswerKey]
	answer := metadata.MD{wire.AnswerKey: values}
	if len(values) == 0 {
		answer = wire.AnswerTrailer(registry.AnswerInfo{LeaderID: leaderID, LeaderAddr: leaderAddr})
	}
	_ = grpc.SetTrailer(ctx, answer)
}

// isStale tells that a call wants no more than this node can answer. A level
// that is not known is not: the leader refuses it.
func isStale(request any) bool {
	m, ok := request.(leveled)
	return ok && m.GetReadLevel() == pb.ReadLevel_READ_LEVEL_STALE
}
