package transport

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
	"github.com/holdfast-registry/holdfast/transport/wire/wiretest"
)

// seenCall is one call that a fakeBackend got.
type seenCall struct {
	method string
	args   []any
	read   registry.ReadLevel
	stamp  *registry.SessionStamp
}

// fakeBackend records its calls and answers each with a full value, the error
// it was given, or a panic.
type fakeBackend struct {
	id, addr string
	leads    bool
	info     registry.AnswerInfo

	mu    sync.Mutex
	err   error
	act   func(ctx context.Context)
	calls []seenCall
}

var _ Backend = (*fakeBackend)(nil)

// reply is what every method of the fake does.
func reply[T any](f *fakeBackend, ctx context.Context, method string, args ...any) (T, error) {
	options := registry.OptionsFrom(ctx)
	f.mu.Lock()
	f.calls = append(f.calls, seenCall{method: method, args: args, read: options.ReadLevel, stamp: options.Session})
	err, act := f.err, f.act
	f.mu.Unlock()
	if options.Answer != nil {
		*options.Answer = f.info
	}
	if act != nil {
		act(ctx)
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return answerOf[T](), nil
}

// done is reply for methods that only fail or not.
func done(f *fakeBackend, ctx context.Context, method string, args ...any) error {
	_, err := reply[registry.Fence](f, ctx, method, args...)
	return err
}

// answerOf is what the fake answers where a T is wanted.
func answerOf[T any]() T { return wiretest.Full[T](31) }

func (f *fakeBackend) fail(err error) { f.set(err, nil) }

func (f *fakeBackend) set(err error, act func(ctx context.Context)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.act = err, act
}

// taken returns the calls since the last time.
func (f *fakeBackend) taken() []seenCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := slices.Clone(f.calls)
	f.calls = nil
	return calls
}

func (f *fakeBackend) Leader() (string, string, bool) { return f.id, f.addr, f.leads }

func (f *fakeBackend) OpenSession(ctx context.Context) (string, error) {
	return reply[string](f, ctx, "OpenSession")
}

func (f *fakeBackend) ClaimNext(ctx context.Context, request registry.ClaimNextRequest) ([]registry.ClaimedProcess, error) {
	return reply[[]registry.ClaimedProcess](f, ctx, "ClaimNext", request)
}

func (f *fakeBackend) ReleaseForRetry(ctx context.Context, completion registry.ProcessLeaseCompletion, retryAfterMs uint64) error {
	return done(f, ctx, "ReleaseForRetry", completion, retryAfterMs)
}

func (f *fakeBackend) Batch(ctx context.Context, operations []registry.Operation) ([]registry.OperationAnswer, error) {
	return reply[[]registry.OperationAnswer](f, ctx, "Batch", operations)
}

func (f *fakeBackend) SettleWrite(ctx context.Context, stamp registry.SessionStamp) (registry.WriteOutcome, error) {
	return reply[registry.WriteOutcome](f, ctx, "SettleWrite", stamp)
}

func (f *fakeBackend) CloseSession(ctx context.Context, id string) error {
	return done(f, ctx, "CloseSession", id)
}

func (f *fakeBackend) DurabilityTier() registry.DurabilityTier {
	tier, _ := reply[registry.DurabilityTier](f, context.Background(), "DurabilityTier")
	return tier
}

func (f *fakeBackend) RegisterProcess(ctx context.Context, registration registry.ProcessRegistration) (registry.ProcessRecord, error) {
	return reply[registry.ProcessRecord](f, ctx, "RegisterProcess", registration)
}

func (f *fakeBackend) SetExternalRef(ctx context.Context, processID string, ref registry.ProcessExternalRef, fence *registry.Fence) (registry.ProcessRecord, error) {
	return reply[registry.ProcessRecord](f, ctx, "SetExternalRef", processID, ref, fence)
}

func (f *fakeBackend) GetProcess(ctx context.Context, processID string) (registry.ProcessRecord, error) {
	return reply[registry.ProcessRecord](f, ctx, "GetProcess", processID)
}

func (f *fakeBackend) ListProcesses(ctx context.Context, filter registry.ProcessListFilter, page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
	return reply[registry.Page[registry.ProcessRecord]](f, ctx, "ListProcesses", filter, page)
}

func (f *fakeBackend) ListNonTerminal(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
	return reply[registry.Page[registry.ProcessRecord]](f, ctx, "ListNonTerminal", page)
}

func (f *fakeBackend) CompleteProcess(ctx context.Context, processID string, output registry.ProcessAwaitOutput, fence *registry.Fence) (registry.ProcessRecord, error) {
	return reply[registry.ProcessRecord](f, ctx, "CompleteProcess", processID, output, fence)
}

func (f *fakeBackend) RecordFirstStarted(ctx context.Context, processID string, started registry.ProcessStarted, fence *registry.Fence) (registry.ProcessRecord, error) {
	return reply[registry.ProcessRecord](f, ctx, "RecordFirstStarted", processID, started, fence)
}

func (f *fakeBackend) RequestProcessAbandon(ctx context.Context, processID string, request registry.AbandonRequest, fence *registry.Fence) (registry.ProcessRecord, error) {
	return reply[registry.ProcessRecord](f, ctx, "RequestProcessAbandon", processID, request, fence)
}

func (f *fakeBackend) SetProcessWait(ctx context.Context, processID string, wait registry.WaitState, fence *registry.Fence) (registry.ProcessRecord, error) {
	return reply[registry.ProcessRecord](f, ctx, "SetProcessWait", processID, wait, fence)
}

func (f *fakeBackend) ClearProcessWait(ctx context.Context, processID string, fence *registry.Fence) (registry.ProcessRecord, error) {
	return reply[registry.ProcessRecord](f, ctx, "ClearProcessWait", processID, fence)
}

func (f *fakeBackend) AppendEvent(ctx context.Context, processID string, request registry.ProcessEventAppendRequest, fence *registry.Fence) (registry.ProcessEventAppendResult, error) {
	return reply[registry.ProcessEventAppendResult](f, ctx, "AppendEvent", processID, request, fence)
}

func (f *fakeBackend) EventsAfter(ctx context.Context, processID string, afterSequence uint64, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
	return reply[registry.Page[registry.ProcessEvent]](f, ctx, "EventsAfter", processID, afterSequence, page)
}

func (f *fakeBackend) CountEventsThrough(ctx context.Context, processID, eventType string, upToSequence uint64) (uint64, error) {
	return reply[uint64](f, ctx, "CountEventsThrough", processID, eventType, upToSequence)
}

func (f *fakeBackend) RecentEvents(ctx context.Context, processID string, limit uint64, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
	return reply[registry.Page[registry.ProcessEvent]](f, ctx, "RecentEvents", processID, limit, page)
}

func (f *fakeBackend) WakeEventsAfter(ctx context.Context, processID string, afterSequence uint64, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
	return reply[registry.Page[registry.ProcessEvent]](f, ctx, "WakeEventsAfter", processID, afterSequence, page)
}

func (f *fakeBackend) AckWake(ctx context.Context, processID string, sequence uint64) error {
	return done(f, ctx, "AckWake", processID, sequence)
}

func (f *fakeBackend) GrantHandle(ctx context.Context, scope registry.SessionScope, processID string, descriptor registry.ProcessHandleDescriptor) (registry.ProcessHandleGrant, error) {
	return reply[registry.ProcessHandleGrant](f, ctx, "GrantHandle", scope, processID, descriptor)
}

func (f *fakeBackend) RevokeHandle(ctx context.Context, scope registry.SessionScope, processID string) error {
	return done(f, ctx, "RevokeHandle", scope, processID)
}

func (f *fakeBackend) TransferHandleGrants(ctx context.Context, from, to registry.SessionScope, processIDs []string) error {
	return done(f, ctx, "TransferHandleGrants", from, to, processIDs)
}

func (f *fakeBackend) ListHandleGrants(ctx context.Context, scope registry.SessionScope, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
	return reply[registry.Page[registry.ProcessHandleGrantEntry]](f, ctx, "ListHandleGrants", scope, page)
}

func (f *fakeBackend) ListLiveHandleGrants(ctx context.Context, scope registry.SessionScope, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
	return reply[registry.Page[registry.ProcessHandleGrantEntry]](f, ctx, "ListLiveHandleGrants", scope, page)
}

func (f *fakeBackend) HasHandleGrant(ctx context.Context, scope registry.SessionScope, processID string) (bool, error) {
	return reply[bool](f, ctx, "HasHandleGrant", scope, processID)
}

func (f *fakeBackend) HandleGrantsForProcess(ctx context.Context, processID string, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrant], error) {
	return reply[registry.Page[registry.ProcessHandleGrant]](f, ctx, "HandleGrantsForProcess", processID, page)
}

func (f *fakeBackend) DeleteSessionProcessState(ctx context.Context, sessionID string) (registry.ProcessSessionDeleteReport, error) {
	return reply[registry.ProcessSessionDeleteReport](f, ctx, "DeleteSessionProcessState", sessionID)
}

func (f *fakeBackend) ClaimProcessLease(ctx context.Context, processID string, owner registry.LeaseOwnerIdentity, ttlMs uint64) (registry.ProcessLeaseClaimOutcome, error) {
	return reply[registry.ProcessLeaseClaimOutcome](f, ctx, "ClaimProcessLease", processID, owner, ttlMs)
}

func (f *fakeBackend) ReclaimProcessLease(ctx context.Context, processID string, owner registry.LeaseOwnerIdentity, observed registry.ProcessLease, verdict registry.HolderVerdict, ttlMs uint64) (registry.ProcessLeaseClaimOutcome, error) {
	return reply[registry.ProcessLeaseClaimOutcome](f, ctx, "ReclaimProcessLease", processID, owner, observed, verdict, ttlMs)
}

func (f *fakeBackend) RenewProcessLease(ctx context.Context, lease registry.ProcessLease, ttlMs uint64) (registry.ProcessLease, error) {
	return reply[registry.ProcessLease](f, ctx, "RenewProcessLease", lease, ttlMs)
}

func (f *fakeBackend) GetProcessLease(ctx context.Context, processID string) (*registry.ProcessLease, error) {
	return reply[*registry.ProcessLease](f, ctx, "GetProcessLease", processID)
}

func (f *fakeBackend) CompleteProcessLease(ctx context.Context, completion registry.ProcessLeaseCompletion) error {
	return done(f, ctx, "CompleteProcessLease", completion)
}

func (f *fakeBackend) CheckFence(ctx context.Context, processID string, fencingToken uint64) (registry.FenceStatus, error) {
	return reply[registry.FenceStatus](f, ctx, "CheckFence", processID, fencingToken)
}

func (f *fakeBackend) PruneTerminalProcesses(ctx context.Context, cutoffEpochMs uint64) (registry.ProcessPruneReport, error) {
	return reply[registry.ProcessPruneReport](f, ctx, "PruneTerminalProcesses", cutoffEpochMs)
}

func (f *fakeBackend) ClusterStatus(ctx context.Context) (registry.ClusterStatus, error) {
	return reply[registry.ClusterStatus](f, ctx, "ClusterStatus")
}

func (f *fakeBackend) TransferLeadership(ctx context.Context, toID string) error {
	return done(f, ctx, "TransferLeadership", toID)
}

func (f *fakeBackend) AddMember(ctx context.Context, id, addr string) error {
	return done(f, ctx, "AddMember", id, addr)
}

func (f *fakeBackend) RemoveMember(ctx context.Context, id string) error {
	return done(f, ctx, "RemoveMember", id)
}

func (f *fakeBackend) TakeSnapshot(ctx context.Context) error { return done(f, ctx, "TakeSnapshot") }

func (f *fakeBackend) VerifyState(ctx context.Context) (registry.StateReport, error) {
	return reply[registry.StateReport](f, ctx, "VerifyState")
}

// CurrentTerm, NodeStatus and StateHash make it a NodeBackend too.
func (f *fakeBackend) CurrentTerm() uint64 {
	term, _ := reply[uint64](f, context.Background(), "CurrentTerm")
	return term
}

func (f *fakeBackend) NodeStatus(ctx context.Context) (registry.NodeStatus, error) {
	return reply[registry.NodeStatus](f, ctx, "NodeStatus")
}

func (f *fakeBackend) ReadIndex(ctx context.Context) (uint64, error) {
	return reply[uint64](f, ctx, "ReadIndex")
}

func (f *fakeBackend) StateHash(ctx context.Context, index uint64) (string, error) {
	return reply[string](f, ctx, "StateHash", index)
}

// newFake is a backend that leads, or does not, and says so in its answers.
func newFake(id string, leads bool) *fakeBackend {
	f := &fakeBackend{id: id, addr: id + ".example:1", leads: leads, info: wiretest.Full[registry.AnswerInfo](uint64(len(id)))}
	f.info.LeaderID, f.info.LeaderAddr = f.id, f.addr
	return f
}

// serveConfig runs a server on loopback and returns where.
func serveConfig(t *testing.T, config ServerConfig) (*Server, string) {
	t.Helper()
	listener := listenLoopback(t)
	server := NewServer(config)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return server, listener.Addr().String()
}

// callTo connects to a server. Its calls carry the stamp or the read level,
// whichever their request has a field for, and leave their trailer.
type callTo struct {
	*grpc.ClientConn
	mu      sync.Mutex
	level   pb.ReadLevel
	stamp   *registry.SessionStamp
	trailer metadata.MD
}

func newCallTo(t *testing.T, addr string) *callTo {
	t.Helper()
	to := &callTo{}
	conn, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageBytes)),
		// Windows that grow take what nobody reads: up to 16 MiB of it.
		grpc.WithStaticStreamWindowSize(64<<10),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}),
		grpc.WithUnaryInterceptor(to.dress))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	to.ClientConn = conn
	return to
}

func (c *callTo) dress(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	m := request.(proto.Message).ProtoReflect()
	fields := m.Descriptor().Fields()
	if field := fields.ByName("read_level"); field != nil && !m.Has(field) {
		m.Set(field, protoreflect.ValueOfEnum(c.level.Number()))
	}
	if field := fields.ByName("session"); field != nil && c.stamp != nil {
		m.Set(field, protoreflect.ValueOfMessage(wire.SessionToPB(c.stamp).ProtoReflect()))
	}
	var trailer metadata.MD
	err := invoke(ctx, method, request, answer, conn, append(options, grpc.Trailer(&trailer))...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trailer = trailer
	return err
}

// answered is the answer info of the last call.
func (c *callTo) answered(t *testing.T) registry.AnswerInfo {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := len(c.trailer[wire.AnswerKey]); got != 1 {
		t.Errorf("the trailer has %d answer infos", got)
	}
	info, ok := wire.AnswerFromTrailer(c.trailer)
	if !ok {
		t.Errorf("no answer info in the trailer %v", c.trailer)
	}
	return info
}

func (c *callTo) registry() pb.RegistryClient { return pb.NewRegistryClient(c) }
func (c *callTo) admin() pb.AdminClient       { return pb.NewAdminClient(c) }

// atLeader is a LeaderConns that always names the same leader.
type atLeader struct {
	conn grpc.ClientConnInterface
	err  error
}

func (a atLeader) LeaderConn(context.Context) (grpc.ClientConnInterface, string, string, error) {
	return a.conn, "leader", "leader.example:1", a.err
}
