package client

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// patience is how long a test waits for an event that must come.
const patience = 20 * time.Second

// answerFunc answers one call of a fake node; the answer info goes into the
// trailer whatever else it returns.
type answerFunc func(ctx context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error)

// fakeNode is a real gRPC server whose answers a test makes up.
type fakeNode struct {
	pb.UnimplementedRegistryServer
	pb.UnimplementedAdminServer
	addr   string
	server *grpc.Server

	mu      sync.Mutex
	answer  answerFunc
	methods []string
	last    proto.Message
}

func newFakeNode(t *testing.T, answer answerFunc) *fakeNode {
	t.Helper()
	return serveFakeNode(t, listenLoopback(t), answer)
}

func serveFakeNode(t *testing.T, listener net.Listener, answer answerFunc) *fakeNode {
	t.Helper()
	f := &fakeNode{addr: listener.Addr().String(), answer: answer}
	f.server = grpc.NewServer(grpc.UnaryInterceptor(f.intercept))
	pb.RegisterRegistryServer(f.server, f)
	pb.RegisterAdminServer(f.server, f)
	go f.server.Serve(listener)
	t.Cleanup(f.server.Stop)
	return f
}

func (f *fakeNode) intercept(ctx context.Context, request any, info *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
	f.mu.Lock()
	f.methods = append(f.methods, info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:])
	f.last = request.(proto.Message)
	answer := f.answer
	f.mu.Unlock()
	response, answered, err := answer(ctx, request.(proto.Message))
	if answered != (registry.AnswerInfo{}) {
		grpc.SetTrailer(ctx, wire.AnswerTrailer(answered))
	}
	return response, wire.ErrorToStatus(err)
}

func (f *fakeNode) setAnswer(answer answerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// calls is how often the node was called.
func (f *fakeNode) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.methods)
}

// mustHave checks how often each of some nodes was called.
func mustHave(t *testing.T, nodes []*fakeNode, want ...int) {
	t.Helper()
	var got []int
	for _, node := range nodes {
		got = append(got, node.calls())
	}
	if !slices.Equal(got, want) {
		t.Fatalf("the nodes were called %v times, want %v", got, want)
	}
}

// ok answers every write and GetProcess alike.
func ok(info registry.AnswerInfo) answerFunc {
	return func(_ context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error) {
		return responseTo(request), info, nil
	}
}

func responseTo(request proto.Message) proto.Message {
	switch request.(type) {
	case *pb.AckWakeRequest:
		return &pb.AckWakeResponse{}
	case *pb.GetProcessRequest:
		return &pb.GetProcessResponse{Record: wire.RecordToPB(registry.ProcessRecord{ID: "p"})}
	case *pb.ClusterStatusRequest:
		return &pb.ClusterStatusResponse{}
	case *pb.TakeSnapshotRequest:
		return &pb.TakeSnapshotResponse{}
	case *pb.DurabilityTierRequest:
		return &pb.DurabilityTierResponse{Tier: wire.TierToPB(registry.TierDurable)}
	default:
		panic(request)
	}
}

// refuse answers every call with an error.
func refuse(info registry.AnswerInfo, failed *registry.Error) answerFunc {
	return func(context.Context, proto.Message) (proto.Message, registry.AnswerInfo, error) {
		return nil, info, failed
	}
}

// refuseFirst refuses the first n calls and then answers.
func refuseFirst(n int, failed *registry.Error) answerFunc {
	var mu sync.Mutex
	return func(_ context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error) {
		mu.Lock()
		defer mu.Unlock()
		if n > 0 {
			n--
			return nil, registry.AnswerInfo{}, failed
		}
		return responseTo(request), registry.AnswerInfo{}, nil
	}
}

// hang takes calls and never answers them, not even when their deadline comes,
// as a node that was cut off would.
func hang(t *testing.T) answerFunc {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	return func(context.Context, proto.Message) (proto.Message, registry.AnswerInfo, error) {
		<-release
		return nil, registry.AnswerInfo{}, errors.New("released")
	}
}

func failure(code registry.Code) *registry.Error {
	return registry.Errorf(code, registry.Fields{}, "made up: %s", code)
}

func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// onRetry is the option that runs a function as soon as the client has decided
// to try a call again, just before it waits.
func onRetry(do func()) Option {
	return WithLogger(slog.New(retryHandler{slog.DiscardHandler, do}))
}

type retryHandler struct {
	slog.Handler
	do func()
}

func (retryHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h retryHandler) Handle(context.Context, slog.Record) error {
	h.do()
	return nil
}

// closedPort is an address that refuses connections.
func closedPort(t *testing.T) string {
	t.Helper()
	listener := listenLoopback(t)
	listener.Close()
	return listener.Addr().String()
}

// mustDial makes a client without sessions that does not give up while a test
// lasts, unless an option says otherwise.
func mustDial(t *testing.T, addrs []string, opts ...Option) *Client {
	t.Helper()
	return mustDialSessions(t, addrs, append([]Option{WithoutSessions()}, opts...)...)
}

// mustDialSessions is mustDial with sessions.
func mustDialSessions(t *testing.T, addrs []string, opts ...Option) *Client {
	t.Helper()
	opts = append([]Option{WithRetryTimeout(patience), WithAttemptTimeout(patience)}, opts...)
	c, err := Dial(addrs, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func addrsOf(nodes []*fakeNode) []string {
	var addrs []string
	for _, node := range nodes {
		addrs = append(addrs, node.addr)
	}
	return addrs
}

// awaitLeader waits until the client would go to this leader directly.
func awaitLeader(t *testing.T, c *Client, addr string) {
	t.Helper()
	c.targets.mu.Lock()
	leader := c.targets.leader
	c.targets.mu.Unlock()
	if leader == nil || leader.addr != addr {
		t.Fatalf("the client's leader is %+v, want %s", leader, addr)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for state := leader.conn.GetState(); state != connectivity.Ready; state = leader.conn.GetState() {
		if !leader.conn.WaitForStateChange(ctx, state) {
			t.Fatalf("no connection to the leader: %s", state)
		}
	}
}

// mustBe checks the code of an error, and that it is one of the catalogue.
func mustBe(t *testing.T, err error, code registry.Code) *registry.Error {
	t.Helper()
	var failed *registry.Error
	if !errors.As(err, &failed) {
		t.Fatalf("%v is no *registry.Error, want %s", err, code)
	}
	if failed.Code != code {
		t.Fatalf("%s: %v, want %s", failed.Code, err, code)
	}
	return failed
}

// The two calls most tests make: a write and a read.
func writeCall(ctx context.Context, c *Client) error { return c.AckWake(ctx, "p", 1) }

func readCall(ctx context.Context, c *Client) error {
	_, err := c.GetProcess(ctx, "p")
	return err
}

// cutAfterHeaders is a node by hand: it speaks just enough HTTP/2 to take a
// call, and closes the connection as soon as the headers of one are there. It
// counts them.
func cutAfterHeaders(t *testing.T) (addr string, headers func() int) {
	t.Helper()
	listener := listenLoopback(t)
	var mu sync.Mutex
	count := 0
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if readToHeaders(conn) == nil {
				mu.Lock()
				count++
				mu.Unlock()
			}
			conn.Close()
		}
	}()
	return listener.Addr().String(), func() int {
		mu.Lock()
		defer mu.Unlock()
		return count
	}
}

func readToHeaders(conn net.Conn) error {
	const preface, typeHeaders = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 1
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.CopyN(io.Discard, conn, int64(len(preface))); err != nil {
		return err
	}
	emptySettings := []byte{0, 0, 0, 4, 0, 0, 0, 0, 0}
	if _, err := conn.Write(emptySettings); err != nil {
		return err
	}
	for {
		var header [9]byte
		if _, err := io.ReadFull(conn, header[:]); err != nil {
			return err
		}
		length := int64(binary.BigEndian.Uint32(append([]byte{0}, header[:3]...)))
		if _, err := io.CopyN(io.Discard, conn, length); err != nil {
			return err
		}
		if header[3] == typeHeaders {
			return nil
		}
	}
}
