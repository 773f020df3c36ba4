package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-registry/holdfast/transport"
)

// The bounds of the steps of a stop. A node that cannot go on stops faster: its
// heartbeats keep others from taking over.
const (
	// handoverLimit bounds the handover of the leadership.
	handoverLimit = 3 * time.Second
	// stopGrace is how long calls under way may take.
	stopGrace = 5 * time.Second
	// raftStopLimit is how long raft may take to stop, which it does not while
	// its log store hangs.
	raftStopLimit = 3 * time.Second
	failedLimit   = time.Second
)

// Close stops the node, so that no caller is left in doubt about a write:
//
//  1. Health and /readyz say that the node is stopping.
//  2. The leadership is handed over, if this node has it and another voter can
//     be reached. Writes under way are answered before. Meanwhile calls go on
//     to arrive; they are refused as NotLeader, and handed on as soon as there
//     is another leader.
//  3. The gRPC servers end. Connections are told to go away and closed when
//     their last call is answered; new ones are closed before they carry a
//     call, which callers can tell from a lost answer.
//  4. Raft stops. No call waits for it any more.
//  5. HTTP, the connections to other nodes, the listener and the files close.
//
// The leadership goes first, because until it is gone every follower sends its
// writes here. Calls that outlast the time for them are cut off.
func (n *Node) Close(ctx context.Context) error {
	n.closeOnce.Do(func() { n.closeErr = n.close(ctx) })
	return n.closeErr
}

func (n *Node) close(ctx context.Context) error {
	grace, raftLimit := stopGrace, raftStopLimit
	if n.failed.Load() {
		grace, raftLimit = failedLimit, failedLimit
	}
	close(n.stopping)
	n.public.Health.Shutdown()
	n.handOver(ctx)
	n.drain(ctx, grace)
	stopped := n.stopRaft(raftLimit)
	if n.http != nil {
		httpCtx, cancel := context.WithTimeout(ctx, failedLimit)
		defer cancel()
		if err := n.http.Shutdown(httpCtx); err != nil {
			n.http.Close()
		}
	}
	err := errors.Join(stopped, n.conns.Close(), n.rpc.Close(), n.listener.Close())
	n.serving.Wait()
	if stopped != nil {
		// Closing the files would wait for the same append.
		return err
	}
	return errors.Join(err, n.storage.Close())
}

// handOver gives the leadership away. That it fails keeps no node from
// stopping: the others elect a leader then.
func (n *Node) handOver(ctx context.Context) {
	if n.config.NoHandover || n.failed.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handoverLimit)
	defer cancel()
	began := time.Now()
	to, err := n.HandOver(ctx)
	switch {
	case err != nil:
		n.logger.Warn("the leadership was not handed over", "error", err)
	case to != "":
		n.logger.Info("handed the leadership over", "to", to, "took", time.Since(began).Round(time.Millisecond))
	}
}

// drain ends both gRPC servers at the same time: calls of one can wait for the
// other's, of another node.
func (n *Node) drain(ctx context.Context, grace time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	close(n.draining)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stopServer(ctx, n.internal)
	}()
	stopServer(ctx, n.public)
	<-stopped
}

// stopServer lets the calls of a server end, and cuts them when the time is up.
func stopServer(ctx context.Context, server *transport.Server) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		server.GracefulStop()
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		go server.Stop()
		// It waits for handlers, and one that waits for a hanging log store
		// does not end before raft does.
		select {
		case <-stopped:
		case <-time.After(failedLimit):
		}
	}
}

// stopRaft stops raft, but does not wait for it for ever.
func (n *Node) stopRaft(limit time.Duration) error {
	stopped := make(chan error, 1)
	go func() { stopped <- n.Node.Close() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-stopped:
		return err
	case <-timer.C:
		return fmt.Errorf("node %s: raft did not stop within %v; its log store hangs", n.config.ID, limit)
	}
}

// fatal notes that the node cannot go on, and says so.
func (n *Node) fatal(err error) {
	n.failed.Store(true)
	if n.config.Fatal != nil {
		n.config.Fatal(err)
	}
}
