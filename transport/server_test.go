package transport

import (
	"context"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
	"github.com/holdfast-registry/holdfast/transport/wire/wiretest"
)

// within bounds a test's calls.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// refused returns the error of ours that a call must have given.
func refused(t *testing.T, err error) *registry.Error {
	t.Helper()
	e, ok := wire.ErrorFromStatus(err)
	if !ok {
		t.Fatalf("no error of ours: %v", err)
	}
	return e
}

// takenOne returns the one call that a backend must have got.
func takenOne(t *testing.T, backend *fakeBackend) seenCall {
	t.Helper()
	calls := backend.taken()
	if len(calls) != 1 {
		t.Fatalf("%s got %d calls: %v", backend.id, len(calls), calls)
	}
	return calls[0]
}

// checkRow makes the call of a row and checks that it reaches the backend and
// comes back, and with which options.
func checkRow(t *testing.T, row callRow, to *callTo, backend *fakeBackend) {
	t.Helper()
	got, err := row.call(within(t), to)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, row.want) {
		t.Errorf("answer\ngot  %+v\nwant %+v", got, row.want)
	}
	seen := takenOne(t, backend)
	if seen.method != row.method {
		t.Errorf("%s reached %s", row.method, seen.method)
	}
	if !reflect.DeepEqual(seen.args, row.args) {
		t.Errorf("arguments\ngot  %+v\nwant %+v", seen.args, row.args)
	}
	fields := requestFields(t, row.method)
	if carries := fields.ByName("session") != nil; carries && !reflect.DeepEqual(seen.stamp, to.stamp) {
		t.Errorf("session stamp %+v, want %+v", seen.stamp, to.stamp)
	} else if !carries && seen.stamp != nil {
		t.Errorf("session stamp %+v out of nowhere", seen.stamp)
	}
	wantLevel := registry.Linearizable
	if fields.ByName("read_level") != nil && to.level == pb.ReadLevel_READ_LEVEL_STALE {
		wantLevel = registry.Stale
	}
	if seen.read != wantLevel {
		t.Errorf("read level %d, want %d", seen.read, wantLevel)
	}
	want := backend.info
	if row.method == "DurabilityTier" {
		// It takes no context, so its backend cannot fill the info in.
		want = registry.AnswerInfo{LeaderID: backend.id, LeaderAddr: backend.addr}
	}
	if info := to.answered(t); info != want {
		t.Errorf("answer info %+v, want %+v", info, want)
	}
}

func requestFields(t *testing.T, method string) protoreflect.FieldDescriptors {
	t.Helper()
	for _, file := range []protoreflect.FileDescriptor{pb.File_holdfast_v1_registry_proto, pb.File_holdfast_v1_admin_proto} {
		if found := file.Services().Get(0).Methods().ByName(protoreflect.Name(method)); found != nil {
			return found.Input().Fields()
		}
	}
	t.Fatalf("no method %s", method)
	return nil
}

var aStamp = wiretest.Full[*registry.SessionStamp](40)

func TestEveryCallReachesTheMethodOfItsName(t *testing.T) {
	backend := newFake("leader", true)
	_, addr := serveConfig(t, ServerConfig{Backend: backend})
	to := newCallTo(t, addr)
	for _, with := range []struct {
		name  string
		level pb.ReadLevel
		stamp *registry.SessionStamp
	}{
		{"with a stamp, linearizable", pb.ReadLevel_READ_LEVEL_LINEARIZABLE, aStamp},
		{"without a stamp, stale", pb.ReadLevel_READ_LEVEL_STALE, nil},
	} {
		to.level, to.stamp = with.level, with.stamp
		for _, row := range callRows {
			t.Run(row.method+" "+with.name, func(t *testing.T) { checkRow(t, row, to, backend) })
		}
	}
}

// TestEveryCallReturnsTheErrorOfItsMethod catches a handler that drops one.
func TestEveryCallReturnsTheErrorOfItsMethod(t *testing.T) {
	backend := newFake("leader", true)
	backend.fail(registry.Errorf(registry.CodeCompacted, registry.Fields{ProcessID: "p"}, "compacted"))
	_, addr := serveConfig(t, ServerConfig{Backend: backend})
	to := newCallTo(t, addr)
	for _, row := range callRows {
		if row.method == "DurabilityTier" {
			continue // it cannot fail
		}
		_, err := row.call(within(t), to)
		if e := refused(t, err); e.Code != registry.CodeCompacted || e.Fields.ProcessID != "p" {
			t.Errorf("%s: %+v", row.method, e)
		}
		if info := to.answered(t); info != backend.info {
			t.Errorf("%s: answer info %+v", row.method, info)
		}
	}
}

// checkCatalogue sends every error with every field over a connection.
func checkCatalogue(t *testing.T, to *callTo, backend *fakeBackend) {
	for _, info := range registry.Codes() {
		for _, unknown := range []bool{false, info.Definite} {
			sent := &registry.Error{Code: info.Code, Message: "why " + info.Name, Fields: wiretest.Full[registry.Fields](uint64(info.Code)), Unknown: unknown}
			backend.fail(sent)
			_, err := to.registry().GetProcess(within(t), &pb.GetProcessRequest{ProcessId: "p"})
			if arrived := refused(t, err); !reflect.DeepEqual(arrived, sent) {
				t.Errorf("sent    %+v\narrived %+v", sent, arrived)
			}
			if answered := to.answered(t); answered != backend.info {
				t.Errorf("%s: answer info %+v", info.Name, answered)
			}
		}
	}
}

func TestTheWholeCatalogueCrossesAConnection(t *testing.T) {
	backend := newFake("leader", true)
	_, addr := serveConfig(t, ServerConfig{Backend: backend})
	checkCatalogue(t, newCallTo(t, addr), backend)
}

func TestPanicIsInternalAndLeavesTheServerUp(t *testing.T) {
	backend, log := newFake("leader", true), newLogLines()
	_, addr := serveConfig(t, ServerConfig{Backend: backend, Log: slog.New(log)})
	to := newCallTo(t, addr)

	backend.set(nil, func(context.Context) { panic("the bug") })
	_, err := to.registry().GetProcess(within(t), &pb.GetProcessRequest{})
	if e := refused(t, err); e.Code != registry.CodeInternal || e.Definite() || strings.Contains(e.Message, "the bug") {
		t.Errorf("got %+v", e)
	}
	if info := to.answered(t); info != backend.info {
		t.Errorf("answer info %+v", info)
	}
	log.await(t, "panic in a call", pb.Registry_GetProcess_FullMethodName, "the bug", "fakeBackend")

	backend.set(nil, nil)
	if _, err := to.registry().GetProcess(within(t), &pb.GetProcessRequest{}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestRequestsOverTheLimitAreTooLarge(t *testing.T) {
	backend := newFake("leader", true)
	_, addr := serveConfig(t, ServerConfig{Backend: backend})
	to := newCallTo(t, addr)
	// 5 MiB is over what gRPC takes by default, too.
	for _, size := range []int{registry.MaxRequestBytes + 1, 5 << 20} {
		_, err := to.registry().GetProcess(within(t), &pb.GetProcessRequest{ProcessId: strings.Repeat("x", size)})
		e := refused(t, err)
		if e.Code != registry.CodeTooLarge || e.Fields.Field != "request" || *e.Fields.Limit != registry.MaxRequestBytes || *e.Fields.Value <= uint64(size) {
			t.Errorf("%d bytes: %+v", size, e)
		}
		if info := to.answered(t); info.LeaderID != backend.id || info.LeaderAddr != backend.addr {
			t.Errorf("answer info %+v", info)
		}
	}
	if calls := backend.taken(); len(calls) != 0 {
		t.Errorf("the backend got %v", calls)
	}
	if _, err := to.registry().GetProcess(within(t), &pb.GetProcessRequest{ProcessId: strings.Repeat("x", registry.MaxRequestBytes-100)}); err != nil {
		t.Errorf("a request within the limit: %v", err)
	}
}

func TestWhatCannotBeReadNeverReachesTheBackend(t *testing.T) {
	backend := newFake("leader", true)
	_, addr := serveConfig(t, ServerConfig{Backend: backend})
	to := newCallTo(t, addr)
	badInput := wire.RegistrationToPB(aRegistration)
	badInput.Input.Kind = 99
	for field, call := range map[string]func() error{
		"registration": func() error {
			_, err := to.registry().RegisterProcess(within(t), &pb.RegisterProcessRequest{})
			return err
		},
		"input.kind": func() error {
			_, err := to.registry().RegisterProcess(within(t), &pb.RegisterProcessRequest{Registration: badInput})
			return err
		},
		"to": func() error {
			_, err := to.registry().TransferHandleGrants(within(t), &pb.TransferHandleGrantsRequest{From: wire.ScopeToPB(aScope)})
			return err
		},
		"observed": func() error {
			_, err := to.registry().ReclaimProcessLease(within(t), &pb.ReclaimProcessLeaseRequest{Owner: wire.OwnerToPB(anOwner)})
			return err
		},
		"verdict": func() error {
			_, err := to.registry().ReclaimProcessLease(within(t), &pb.ReclaimProcessLeaseRequest{Owner: wire.OwnerToPB(anOwner), Observed: wire.LeaseToPB(aLease), Verdict: 9})
			return err
		},
		"read_level": func() error {
			_, err := to.registry().GetProcess(within(t), &pb.GetProcessRequest{ReadLevel: 9})
			return err
		},
	} {
		if e := refused(t, call()); e.Code != registry.CodeInvalidArgument || e.Fields.Field != field {
			t.Errorf("%s: %+v", field, e)
		}
		if info := to.answered(t); info.LeaderID != backend.id {
			t.Errorf("%s: answer info %+v", field, info)
		}
	}
	if calls := backend.taken(); len(calls) != 0 {
		t.Errorf("the backend got %v", calls)
	}
}

// TestRequestsThatMissMessagesNeverPanic sends every request empty.
func TestRequestsThatMissMessagesNeverPanic(t *testing.T) {
	log := newLogLines()
	_, addr := serveConfig(t, ServerConfig{Backend: newFake("leader", true), Log: slog.New(log)})
	to := newCallTo(t, addr)
	for name, method := range methodTable() {
		service, short, _ := strings.Cut(name[1:], "/")
		request := dynamicRequest(t, service, short)
		if err := to.Invoke(within(t), name, request, method.answer.New().Interface()); err != nil {
			if e := refused(t, err); e.Code != registry.CodeInvalidArgument || e.Fields.Field == "" {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
}

func TestNodeServiceIsServedToNodesOnly(t *testing.T) {
	backend := newFake("n1", true)
	_, public := serveConfig(t, ServerConfig{Backend: backend})
	server, private := serveConfig(t, ServerConfig{Backend: backend, Node: backend, Options: NodeServerOptions()})

	_, err := pb.NewNodeClient(newCallTo(t, public)).CurrentTerm(within(t), &pb.CurrentTermRequest{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("on the public server: %v", err)
	}
	node := pb.NewNodeClient(newCallTo(t, private))
	term, err := node.CurrentTerm(within(t), &pb.CurrentTermRequest{})
	if err != nil || term.GetTerm() != answerOf[uint64]() {
		t.Errorf("term %v, %v", term, err)
	}
	asked, err := node.NodeStatus(within(t), &pb.NodeStatusRequest{})
	if err != nil || wire.NodeStatusFromPB(asked.GetStatus()) != answerOf[registry.NodeStatus]() {
		t.Errorf("status %v, %v", asked, err)
	}
	backend.taken()
	hash, err := node.StateHash(within(t), &pb.StateHashRequest{Index: 77})
	if err != nil || hash.GetHash() != answerOf[string]() {
		t.Errorf("hash %v, %v", hash, err)
	}
	if seen := takenOne(t, backend); !reflect.DeepEqual(seen.args, []any{uint64(77)}) {
		t.Errorf("asked for %v", seen.args)
	}
	backend.fail(registry.Errorf(registry.CodeCompacted, registry.Fields{}, "gone"))
	_, err = node.StateHash(within(t), &pb.StateHashRequest{Index: 77})
	if e := refused(t, err); e.Code != registry.CodeCompacted {
		t.Errorf("got %+v", e)
	}
	if server.Health != nil {
		t.Error("the node-to-node server has a health service")
	}
}

func TestHealthAndReflectionAreOnThePublicServer(t *testing.T) {
	backend := newFake("n1", true)
	server, public := serveConfig(t, ServerConfig{Backend: backend})
	_, private := serveConfig(t, ServerConfig{Backend: backend, Node: backend})

	answer, err := healthpb.NewHealthClient(newCallTo(t, public)).Check(within(t), &healthpb.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health %v, %v", answer, err)
	}
	services := server.GetServiceInfo()
	for _, name := range []string{"holdfast.v1.Registry", "holdfast.v1.Admin", "grpc.reflection.v1.ServerReflection"} {
		if _, ok := services[name]; !ok {
			t.Errorf("the public server lacks %s", name)
		}
	}
	if _, err := healthpb.NewHealthClient(newCallTo(t, private)).Check(within(t), &healthpb.HealthCheckRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("health on the node-to-node server: %v", err)
	}
}

func TestInterceptorsOfTheNodeMayRefuseWithErrorsOfTheRegistry(t *testing.T) {
	backend := newFake("leader", true)
	guard := func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if md, _ := metadata.FromIncomingContext(ctx); len(md.Get("authorization")) == 0 {
			return nil, registry.Errorf(registry.CodeUnauthenticated, registry.Fields{}, "who are you?")
		}
		return handle(ctx, request)
	}
	_, addr := serveConfig(t, ServerConfig{Backend: backend, Options: []grpc.ServerOption{grpc.ChainUnaryInterceptor(guard)}})
	to := newCallTo(t, addr)
	_, err := to.registry().GetProcess(within(t), &pb.GetProcessRequest{})
	if e := refused(t, err); e.Code != registry.CodeUnauthenticated || status.Code(err) != codes.Unauthenticated {
		t.Errorf("got %+v", e)
	}
	if _, err := to.registry().GetProcess(metadata.AppendToOutgoingContext(within(t), "authorization", "me"), &pb.GetProcessRequest{}); err != nil {
		t.Errorf("with a name: %v", err)
	}
}

// dynamicRequest makes the empty request of a method.
func dynamicRequest(t *testing.T, service, short string) proto.Message {
	t.Helper()
	for _, file := range []protoreflect.FileDescriptor{pb.File_holdfast_v1_registry_proto, pb.File_holdfast_v1_admin_proto} {
		if s := file.Services().Get(0); string(s.FullName()) == service {
			return newMessage(t, s.Methods().ByName(protoreflect.Name(short)).Input())
		}
	}
	t.Fatalf("no service %s", service)
	return nil
}
