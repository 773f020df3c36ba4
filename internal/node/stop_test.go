package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/holdfast-registry/holdfast/cluster"
	"github.com/holdfast-registry/holdfast/internal/node"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// TestALeaderHandsOverBeforeItStops looks at the terms the moment the leader
// has stopped: the others must be in a later one already, and not wait until
// they miss their leader.
func TestALeaderHandsOverBeforeItStops(t *testing.T) {
	logs := newLogLines()
	c := nodetest.Start(t, 3, func(config *node.Config) { config.Logger = slog.New(slog.NewTextHandler(logs, nil)) })
	leader := c.AwaitLeader()
	before := c.Nodes[leader].CurrentTerm()
	c.Stop(leader)
	logs.await(t, "handed the leadership over", "node="+c.Peers[leader].ID)
	newest := uint64(0)
	for _, n := range c.Nodes {
		if n != nil {
			newest = max(newest, n.CurrentTerm())
		}
	}
	if newest <= before {
		t.Errorf("the leader of term %d stopped, and the others are in term %d", before, newest)
	}
	next := c.AwaitLeader()
	if _, err := c.Nodes[next].RegisterProcess(t.Context(), registration("p")); err != nil {
		t.Error(err)
	}
}

// TestAHandoverLeavesNoWriteInDoubt hands the leadership around under writers
// that go straight to whoever leads.
func TestAHandoverLeavesNoWriteInDoubt(t *testing.T) {
	c := nodetest.Start(t, 3, nil)
	if _, err := c.Nodes[c.AwaitLeader()].RegisterProcess(t.Context(), registration("p")); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), nodetest.Patience)
	defer stop()
	var writers sync.WaitGroup
	var acked, refused, enough atomic.Uint64
	progress := make(chan struct{})
	for w := range 8 {
		writers.Go(func() {
			for i := 0; enough.Load() == 0 && ctx.Err() == nil; i++ {
				note := registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON(fmt.Sprintf(`{"w":%d,"i":%d}`, w, i))}
				for enough.Load() == 0 && ctx.Err() == nil {
					_, err := c.Nodes[c.AwaitLeader()].AppendEvent(ctx, "p", note, nil)
					if err == nil {
						acked.Add(1)
						select {
						case progress <- struct{}{}:
						default:
						}
						break
					}
					if !errors.Is(err, registry.ErrNotLeader) && !errors.Is(err, registry.ErrNoLeader) {
						t.Errorf("writer %d: %v", w, err)
						enough.Store(1)
						return
					}
					refused.Add(1)
				}
			}
		})
	}
	const handovers = 12
	for done := 0; done < handovers && !t.Failed(); {
		for range 20 {
			select {
			case <-progress:
			case <-ctx.Done():
				t.Fatal("the writers stand still")
			}
		}
		to, err := c.Nodes[c.AwaitLeader()].HandOver(ctx)
		switch {
		case err != nil:
			t.Errorf("handover %d: %v", done, err)
		case to != "":
			done++
		}
	}
	enough.Store(1)
	writers.Wait()
	t.Logf("%d writes, %d refused", acked.Load(), refused.Load())
	events := uint64(0)
	for after := uint64(0); ; {
		page, err := c.Nodes[c.AwaitLeader()].EventsAfter(ctx, "p", after, registry.PageRequest{})
		if errors.Is(err, registry.ErrNotLeader) || errors.Is(err, registry.ErrNoLeader) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) == 0 {
			break
		}
		events += uint64(len(page.Items))
		after = page.Items[len(page.Items)-1].Sequence
	}
	if events != acked.Load() {
		t.Errorf("%d events are stored, %d were acked", events, acked.Load())
	}
}

// TestAHandoverWaitsForWritesUnderWay has a write that one follower of four has
// stored and a majority has not. Raft would hand the leadership to that one and
// leave the caller in doubt.
func TestAHandoverWaitsForWritesUnderWay(t *testing.T) {
	c, gates := gatedCluster(t, 5, nil)
	place := c.AwaitLeader()
	leader, ahead := c.Nodes[place], c.Nodes[(place+1)%5]
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	before, err := ahead.NodeStatus(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var held []*gate
	for i := 2; i < 5; i++ {
		g := gates[c.Peers[(place+i)%5].ID]
		g.hold()
		held = append(held, g)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := leader.RegisterProcess(ctx, registration("p"))
		answered <- err
	}()
	for _, g := range held {
		<-g.waiting
	}
	for now := before; now.LastLogIndex == before.LastLogIndex; {
		if now, err = ahead.NodeStatus(ctx); err != nil || ctx.Err() != nil {
			t.Fatal("no follower stores the entry", err)
		}
	}
	short, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if to, err := leader.HandOver(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("handed over to %q, %v", to, err)
	}
	for _, g := range held {
		g.release()
	}
	if err := <-answered; err != nil {
		t.Errorf("the write under way: %v", err)
	}
	// What failed is forgotten: writes are taken again, and so is a handover.
	if _, err := leader.RegisterProcess(ctx, registration("q")); err != nil {
		t.Errorf("a write afterwards: %v", err)
	}
	if to, err := leader.HandOver(ctx); err != nil || to == "" {
		t.Errorf("handed over to %q, %v", to, err)
	}
}

// TestANodeAloneStopsAtOnce stops all nodes of a cluster, one after the other:
// the last one leads, or tries to, and nobody is there to take over.
func TestANodeAloneStopsAtOnce(t *testing.T) {
	c := nodetest.Start(t, 2, nil)
	leader := c.AwaitLeader()
	c.Stop(1 - leader)
	began := time.Now()
	c.Stop(leader)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	single := nodetest.Cluster{T: t, Peers: []node.Peer{{ID: "n1", Addr: nodetest.FreeAddrs(t, 1)[0]}}, Nodes: make([]*node.Node, 1), Fatals: c.Fatals}
	single.StartNode(0, t.TempDir())
	single.AwaitLeader()
	began = time.Now()
	single.Stop(0)
	if took := time.Since(began); took > time.Second {
		t.Errorf("a cluster of one took %v", took)
	}
}

func connect(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestAFollowerOfHealthHoldsUpNoStop has a stream that would keep gRPC's
// graceful stop waiting until its time is up.
func TestAFollowerOfHealthHoldsUpNoStop(t *testing.T) {
	c := nodetest.Start(t, 1, nil)
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	watch, err := healthpb.NewHealthClient(connect(t, c.Peers[0].Addr)).Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	awaitStatus(t, watch, healthpb.HealthCheckResponse_SERVING)
	began := time.Now()
	c.Stop(0)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	awaitStatus(t, watch, healthpb.HealthCheckResponse_NOT_SERVING)
	if _, err := watch.Recv(); err == nil {
		t.Error("the stream goes on")
	}
}

// TestASilentCallerHoldsUpNoStopForLong has a caller that never ends HTTP/2's
// handshake. gRPC would wait two minutes for it.
func TestASilentCallerHoldsUpNoStopForLong(t *testing.T) {
	c := nodetest.Start(t, 1, nil)
	slow, err := net.Dial("tcp", c.Peers[0].Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	// The server's settings come first: now gRPC has the connection.
	if _, err := slow.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c.Stop(0)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// gate is a log store whose appends can be held up.
type gate struct {
	raft.LogStore
	mu      sync.Mutex
	held    chan struct{} // appends wait for it to be closed
	waiting chan struct{} // told of every append that waits
	failure error         // what appends fail with
}

func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held, g.waiting = make(chan struct{}), make(chan struct{}, 1)
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.held)
	g.held = nil
}

func (g *gate) StoreLog(log *raft.Log) error { return g.StoreLogs([]*raft.Log{log}) }

func (g *gate) StoreLogs(logs []*raft.Log) error {
	g.mu.Lock()
	held, waiting, failure := g.held, g.waiting, g.failure
	g.mu.Unlock()
	if failure != nil {
		return failure
	}
	if held != nil {
		select {
		case waiting <- struct{}{}:
		default:
		}
		<-held
	}
	return g.LogStore.StoreLogs(logs)
}

// gatedCluster starts nodes whose disks the test can hold up.
func gatedCluster(t *testing.T, count int, change func(*node.Config)) (*nodetest.Cluster, map[string]*gate) {
	t.Helper()
	gates := make(map[string]*gate)
	c := nodetest.Start(t, count, func(config *node.Config) {
		g := &gate{}
		gates[config.ID] = g
		config.WrapLogStore = func(inner raft.LogStore) raft.LogStore {
			g.LogStore = inner
			return g
		}
		if change != nil {
			change(config)
		}
	})
	return c, gates
}

// TestAStopAnswersWritesUnderWay has a write wait for the disk while its node
// begins to stop.
func TestAStopAnswersWritesUnderWay(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprintf("of a cluster of %d", nodes), func(t *testing.T) {
			c, gates := gatedCluster(t, nodes, nil)
			leader := c.AwaitLeader()
			ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
			defer cancel()
			conn := connect(t, c.Peers[leader].Addr)
			watch, err := healthpb.NewHealthClient(connect(t, c.Peers[leader].Addr)).Watch(ctx, &healthpb.HealthCheckRequest{})
			if err != nil {
				t.Fatal(err)
			}
			awaitStatus(t, watch, healthpb.HealthCheckResponse_SERVING)
			g := gates[c.Peers[leader].ID]
			g.hold()
			answered := make(chan error, 1)
			go func() {
				_, err := pb.NewRegistryClient(conn).RegisterProcess(ctx, &pb.RegisterProcessRequest{Registration: wire.RegistrationToPB(registration("p"))})
				answered <- err
			}()
			<-g.waiting
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				c.Stop(leader)
			}()
			awaitStatus(t, watch, healthpb.HealthCheckResponse_NOT_SERVING)
			g.release()
			if err := <-answered; err != nil {
				t.Errorf("the write under way: %v", err)
			}
			<-stopped
			_, err = pb.NewRegistryClient(connect(t, c.Peers[leader].Addr)).RegisterProcess(ctx, &pb.RegisterProcessRequest{Registration: wire.RegistrationToPB(registration("q"))})
			if err == nil || !strings.Contains(err.Error(), "refused") {
				t.Errorf("a write after the stop: %v", err)
			}
		})
	}
}

// TestANodeWhoseDiskHangsCanBeStopped has raft wait for an append that never
// returns, as it does for a disk that is gone.
func TestANodeWhoseDiskHangsCanBeStopped(t *testing.T) {
	c, gates := gatedCluster(t, 1, func(config *node.Config) { config.Limits = cluster.Limits{Append: 200 * time.Millisecond} })
	g := gates["n1"]
	g.hold()
	defer g.release()
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	go func() { _, _ = c.Nodes[0].RegisterProcess(ctx, registration("p")) }()
	select {
	case err := <-c.Fatals:
		if !strings.Contains(err.Error(), "look at the disk") {
			t.Errorf("the node reported %v", err)
		}
	case <-ctx.Done():
		t.Fatal("the node did not report that its disk hangs")
	}
	began := time.Now()
	err := c.Nodes[0].Close(ctx)
	if err == nil || !strings.Contains(err.Error(), "its log store hangs") {
		t.Errorf("it stopped with %v", err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
	c.Nodes[0] = nil
}

// TestANodeWhoseDiskIsFullEnds has an append of the leader fail: it must not
// stay in the cluster and be elected again and again.
func TestANodeWhoseDiskIsFullEnds(t *testing.T) {
	c, gates := gatedCluster(t, 3, nil)
	leader := c.AwaitLeader()
	g := gates[c.Peers[leader].ID]
	g.mu.Lock()
	g.failure = syscall.ENOSPC
	g.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	if _, err := c.Nodes[leader].RegisterProcess(ctx, registration("p")); err == nil {
		t.Error("a write that was not stored was acked")
	}
	select {
	case err := <-c.Fatals:
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "Make room on the disk") {
			t.Errorf("the node reported %v", err)
		}
	case <-ctx.Done():
		t.Fatal("the node did not report that its disk is full")
	}
	c.Stop(leader)
	next := c.AwaitLeader()
	if _, err := c.Nodes[next].RegisterProcess(ctx, registration("p")); err != nil {
		t.Errorf("a write through the others: %v", err)
	}
}
