package client

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// madeClock is a boot clock that stands still unless a test moves it.
type madeClock struct {
	mu  sync.Mutex
	now time.Duration
}

func (c *madeClock) read() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *madeClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += d
}

// leaseNode is a fake node that grants one lease. What it does with single
// methods a test may replace.
type leaseNode struct {
	*fakeNode
	clock *madeClock
	// renewals gets every renewal that arrives.
	renewals chan *pb.RenewProcessLeaseRequest

	mu      sync.Mutex
	granted registry.ProcessLease
	special map[string]answerFunc
}

// at is when the clock of a leaseNode begins.
const at = 100 * time.Second

func newLeaseNode(t *testing.T) *leaseNode {
	n := &leaseNode{
		clock: &madeClock{now: at}, renewals: make(chan *pb.RenewProcessLeaseRequest, 100),
		granted: registry.ProcessLease{
			ProcessID: "p", Owner: registry.LeaseOwnerIdentity{OwnerID: "me", IncarnationID: "1"},
			LeaseToken: "token", FencingToken: 7, ExpiresAtMs: 1000,
		},
		special: make(map[string]answerFunc),
	}
	n.fakeNode = newFakeNode(t, n.respond)
	return n
}

// on replaces what the node does with a kind of request.
func (n *leaseNode) on(request proto.Message, answer answerFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.special[string(request.ProtoReflect().Descriptor().Name())] = answer
}

func (n *leaseNode) respond(ctx context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error) {
	if renewal, ok := request.(*pb.RenewProcessLeaseRequest); ok {
		n.renewals <- renewal
	}
	n.mu.Lock()
	special := n.special[string(request.ProtoReflect().Descriptor().Name())]
	n.mu.Unlock()
	if special != nil {
		return special(ctx, request)
	}
	return n.agree(request), registry.AnswerInfo{}, nil
}

// agree is the answer of a cluster that lets everything pass.
func (n *leaseNode) agree(request proto.Message) proto.Message {
	record := wire.RecordToPB(registry.ProcessRecord{ID: "p"})
	switch request := request.(type) {
	case *pb.OpenSessionRequest:
		return &pb.OpenSessionResponse{SessionId: "s"}
	case *pb.CloseSessionRequest:
		return &pb.CloseSessionResponse{}
	case *pb.ClaimProcessLeaseRequest:
		return &pb.ClaimProcessLeaseResponse{Outcome: wire.OutcomeToPB(registry.ProcessLeaseClaimOutcome{Acquired: &n.granted})}
	case *pb.RenewProcessLeaseRequest:
		request.Lease.ExpiresAtMs += 1000
		return &pb.RenewProcessLeaseResponse{Lease: request.GetLease()}
	case *pb.CompleteProcessLeaseRequest:
		return &pb.CompleteProcessLeaseResponse{}
	case *pb.AppendEventRequest:
		return &pb.AppendEventResponse{Result: wire.AppendResultToPB(anAppended)}
	case *pb.CompleteProcessRequest:
		return &pb.CompleteProcessResponse{Record: record}
	case *pb.RecordFirstStartedRequest:
		return &pb.RecordFirstStartedResponse{Record: record}
	case *pb.SetProcessWaitRequest:
		return &pb.SetProcessWaitResponse{Record: record}
	case *pb.ClearProcessWaitRequest:
		return &pb.ClearProcessWaitResponse{Record: record}
	case *pb.SetExternalRefRequest:
		return &pb.SetExternalRefResponse{Record: record}
	default:
		return responseTo(request)
	}
}

// client is a client that counts trust by the node's clock.
func (n *leaseNode) client(t *testing.T, opts ...Option) *Client {
	return mustDial(t, []string{n.addr}, append(opts, n.clockOption())...)
}

func (n *leaseNode) clockOption() Option {
	return func(o *options) { o.bootClock = n.clock.read }
}

// claim claims the process for half a minute, with a margin of two seconds and
// three to stop in: the work goes on for 25 s without a renewal.
func (n *leaseNode) claim(t *testing.T) *Lease {
	t.Helper()
	return n.claimBy(t, n.client(t))
}

func (n *leaseNode) claimBy(t *testing.T, c *Client) *Lease {
	t.Helper()
	l, err := c.Claim(t.Context(), "p", n.granted.Owner, ttl, WithMargin(margin), WithStopTime(stopTime))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

const (
	ttl      = 30 * time.Second
	margin   = 2 * time.Second
	stopTime = 3 * time.Second
	trusted  = ttl - margin
	working  = trusted - stopTime
)

// awaitRenewal waits until a renewal arrives.
func (n *leaseNode) awaitRenewal(t *testing.T) *pb.RenewProcessLeaseRequest {
	t.Helper()
	select {
	case renewal := <-n.renewals:
		return renewal
	case <-time.After(patience):
		t.Fatal("no renewal came")
		return nil
	}
}

// runUntil lets the clock go on, at about ten times the speed of the world, until
// something has come about.
func (n *leaseNode) runUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come about that %s", what)
		}
		n.clock.pass(10 * time.Millisecond)
	}
}

// awaitTrust waits until the answer of a renewal has arrived, after which the
// lease is trusted this long.
func awaitTrust(t *testing.T, l *Lease, left time.Duration) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for l.TrustLeft() != left {
		if time.Now().After(deadline) {
			t.Fatalf("trusted for %v, want %v", l.TrustLeft(), left)
		}
		time.Sleep(time.Millisecond)
	}
}

// awaitEnd waits for the end of a handle's context and returns its cause.
func awaitEnd(t *testing.T, l *Lease) error {
	t.Helper()
	select {
	case <-l.Context().Done():
		return context.Cause(l.Context())
	case <-time.After(patience):
		t.Fatal("the context was not cancelled")
		return nil
	}
}

// isLost tells whether a handle's Lost is closed.
func isLost(l *Lease) bool {
	select {
	case <-l.Lost():
		return true
	default:
		return false
	}
}

// appendOne makes the write that most tests make.
func appendOne(ctx context.Context, l *Lease) error {
	_, err := l.AppendEvent(ctx, registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON("1")})
	return err
}
