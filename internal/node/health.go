package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

const (
	// readyTimeout bounds one look at readiness, readyPoll is the time between
	// two while AwaitLeader waits.
	readyTimeout = 2 * time.Second
	readyPoll    = 20 * time.Millisecond
	// healthPoll is the time between two looks of the health service. While
	// the node is not ready, which a look mostly finds out without asking
	// anybody, they follow each other faster.
	healthPoll         = time.Second
	healthPollNotReady = 200 * time.Millisecond
)

var errStopping = errors.New("the node is stopping")

// checkReady makes one linearizable read, here or at the leader: a node is
// ready when it can have one answered, and once it has caught up after its
// start. Until then it adds nothing to a majority.
func (n *Node) checkReady(ctx context.Context) error {
	select {
	case <-n.stopping:
		return errStopping
	default:
	}
	if _, _, self := n.Leader(); self {
		return n.Read(ctx, func(fsm.View) {})
	}
	conn, leader, _, err := leaderConns{n}.LeaderConn(ctx)
	if err != nil {
		return err
	}
	var trailer metadata.MD
	if _, err := pb.NewRegistryClient(conn).GetProcessLease(ctx, &pb.GetProcessLeaseRequest{ProcessId: "readyz"}, grpc.Trailer(&trailer)); err != nil {
		return fmt.Errorf("leader %s: %w", leader, err)
	}
	answer, _ := wire.AnswerFromTrailer(trailer)
	return n.awaitCaughtUp(ctx, answer.Revision)
}

// awaitCaughtUp waits, once after a start, until this node has applied as much
// as the leader had.
func (n *Node) awaitCaughtUp(ctx context.Context, revision uint64) error {
	if n.caughtUp.Load() {
		return nil
	}
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	for {
		var own uint64
		if err := n.Read(registry.WithReadLevel(ctx, registry.Stale), func(v fsm.View) { own = v.Position().Revision }); err != nil {
			return err
		}
		if own >= revision {
			n.caughtUp.Store(true)
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("this node is catching up: it has applied revision %d, the leader had %d", own, revision)
		case <-poll.C:
		}
	}
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

// wakeHealth makes the health service look at once.
func (n *Node) wakeHealth() {
	select {
	case n.leaderChanged <- struct{}{}:
	default:
	}
}

// watchHealth keeps the health service by what checkReady finds, until the node
// stops.
func (n *Node) watchHealth() {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
		err := n.checkReady(ctx)
		cancel()
		n.setServing(err == nil)
		wait := healthPoll
		if err != nil {
			wait = healthPollNotReady
		}
		again := time.NewTimer(wait)
		select {
		case <-n.stopping:
			again.Stop()
			return
		case <-again.C:
		case <-n.leaderChanged:
			again.Stop()
		}
	}
}

// setServing says through the health service whether the node is of use, for
// the server as a whole and by the names of its services.
func (n *Node) setServing(ready bool) {
	n.ready.Store(ready)
	status := healthpb.HealthCheckResponse_NOT_SERVING
	if ready {
		status = healthpb.HealthCheckResponse_SERVING
	}
	for _, service := range []string{"", pb.Registry_ServiceDesc.ServiceName, pb.Admin_ServiceDesc.ServiceName} {
		n.public.Health.SetServingStatus(service, status)
	}
}
