package wire

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

func dial(t *testing.T, target string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableServiceConfig())
	conn, err := grpc.NewClient("passthrough:///"+target, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

func serve(t *testing.T, service pb.RegistryServer) string {
	t.Helper()
	listener := listen(t)
	server := grpc.NewServer()
	if service != nil {
		pb.RegisterRegistryServer(server, service)
	}
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// ackWake makes one call and returns what CallError makes of its failure, as a
// write and as a read.
func ackWake(t *testing.T, ctx context.Context, conn *grpc.ClientConn, request *pb.AckWakeRequest) (write, read *registry.Error, sent bool) {
	t.Helper()
	tracker := NewSentTracker()
	_, err := pb.NewRegistryClient(conn).AckWake(ctx, request, tracker.Option())
	if err == nil {
		t.Fatal("the call succeeded")
	}
	return CallError(err, tracker, request, true), CallError(err, tracker, request, false), tracker.Sent()
}

func patiently(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestRefusedConnectionIsDefinite(t *testing.T) {
	listener := listen(t)
	listener.Close()
	write, read, sent := ackWake(t, patiently(t), dial(t, listener.Addr().String()), &pb.AckWakeRequest{})
	if sent || write.Code != registry.CodeNoLeader || !write.Definite() || read.Code != registry.CodeNoLeader {
		t.Errorf("sent %v, write %v %q, read %v", sent, write.Code, write.Message, read.Code)
	}
}

func TestDeadlineBeforeAConnectionStandsIsDefinite(t *testing.T) {
	dialing := make(chan struct{}, 1)
	conn := dial(t, "nowhere", grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		select {
		case dialing <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	ctx, cancel := context.WithCancel(patiently(t))
	go func() { <-dialing; cancel() }()
	write, _, sent := ackWake(t, ctx, conn, &pb.AckWakeRequest{})
	if sent || write.Code != registry.CodeNoLeader || !write.Definite() {
		t.Errorf("sent %v, write %v %q", sent, write.Code, write.Message)
	}
}

// hangUp closes the connection as soon as a call has come in.
type hangUp struct {
	pb.UnimplementedRegistryServer
	came chan struct{}
}

func (h *hangUp) AckWake(ctx context.Context, _ *pb.AckWakeRequest) (*pb.AckWakeResponse, error) {
	close(h.came)
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestCutConnectionIsUnknownForWritesOnly(t *testing.T) {
	listener := listen(t)
	server, service := grpc.NewServer(), &hangUp{came: make(chan struct{})}
	pb.RegisterRegistryServer(server, service)
	go server.Serve(listener)
	go func() { <-service.came; server.Stop() }()
	write, read, sent := ackWake(t, patiently(t), dial(t, listener.Addr().String()), &pb.AckWakeRequest{})
	if !sent || write.Code != registry.CodeOutcomeUnknown || write.Definite() || read.Code != registry.CodeNoLeader || !read.Definite() {
		t.Errorf("sent %v, write %v, read %v", sent, write.Code, read.Code)
	}
}

func TestDeadlineWithoutAnAnswerIsUnknown(t *testing.T) {
	service := &hangUp{came: make(chan struct{})}
	ctx, cancel := context.WithCancel(patiently(t))
	go func() { <-service.came; cancel() }()
	write, _, sent := ackWake(t, ctx, dial(t, serve(t, service)), &pb.AckWakeRequest{})
	if !sent || write.Code != registry.CodeOutcomeUnknown {
		t.Errorf("sent %v, write %v", sent, write.Code)
	}
}

// answering refuses every call with an error of ours.
type answering struct{ pb.UnimplementedRegistryServer }

func (answering) AckWake(ctx context.Context, _ *pb.AckWakeRequest) (*pb.AckWakeResponse, error) {
	_ = grpc.SetTrailer(ctx, AnswerTrailer(registry.AnswerInfo{LeaderID: "n2"}))
	return nil, ErrorToStatus(registry.Errorf(registry.CodeFenced, registry.Fields{ProcessID: "p"}, "fenced"))
}

func TestAnsweredErrorsAreReturned(t *testing.T) {
	request, tracker := &pb.AckWakeRequest{}, NewSentTracker()
	var trailer metadata.MD
	_, err := pb.NewRegistryClient(dial(t, serve(t, answering{}))).AckWake(patiently(t), request, tracker.Option(), grpc.Trailer(&trailer))
	e := CallError(err, tracker, request, true)
	if e.Code != registry.CodeFenced || e.Fields.ProcessID != "p" || !tracker.Sent() {
		t.Errorf("got %+v, sent %v", e, tracker.Sent())
	}
	if info, ok := AnswerFromTrailer(trailer); !ok || info.LeaderID != "n2" {
		t.Errorf("answer info %+v, %v", info, ok)
	}
}

func TestServersWithoutTheCallAreUnsupported(t *testing.T) {
	for name, service := range map[string]pb.RegistryServer{"no service": nil, "no method": pb.UnimplementedRegistryServer{}} {
		write, _, _ := ackWake(t, patiently(t), dial(t, serve(t, service)), &pb.AckWakeRequest{})
		if write.Code != registry.CodeUnsupported || !write.Definite() {
			t.Errorf("%s: %v", name, write.Code)
		}
	}
}

func TestRequestsThatCannotBeSentAreRefused(t *testing.T) {
	conn := dial(t, serve(t, answering{}))
	write, _, _ := ackWake(t, patiently(t), conn, &pb.AckWakeRequest{ProcessId: "not \xff UTF-8"})
	if write.Code != registry.CodeInvalidArgument || write.Fields.Field != "request" || !write.Definite() {
		t.Errorf("bad text: %+v", write)
	}
}

func TestSizeOfRequests(t *testing.T) {
	// One byte of tag and three of length go before the text.
	fits := &pb.AckWakeRequest{ProcessId: strings.Repeat("x", registry.MaxRequestBytes-4)}
	if refused := CheckSize(fits); refused != nil {
		t.Errorf("a request of the size allowed: %v", refused)
	}
	over := &pb.AckWakeRequest{ProcessId: fits.ProcessId + "x"}
	refused := CheckSize(over)
	if refused == nil || refused.Code != registry.CodeTooLarge || refused.Fields.Field != "request" ||
		*refused.Fields.Limit != registry.MaxRequestBytes || *refused.Fields.Value != registry.MaxRequestBytes+1 {
		t.Errorf("one byte more: %+v", refused)
	}
}
