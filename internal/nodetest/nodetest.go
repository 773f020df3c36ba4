// Package nodetest starts real nodes inside a test: real sockets on loopback,
// real raft, real files in the test's folder.
package nodetest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/cluster"
	"github.com/holdfast-registry/holdfast/internal/node"
)

// Patience bounds every wait of a test: far more than anything takes, so that
// a slow machine is not taken for a broken program.
const Patience = 60 * time.Second

// FastTiming makes elections quick; two busy cores still hold it.
var FastTiming = cluster.Timing{Heartbeat: 300 * time.Millisecond, Election: 300 * time.Millisecond, LeaderLease: 200 * time.Millisecond}

// Cluster is a set of nodes in this process.
type Cluster struct {
	T     testing.TB
	Peers []node.Peer
	Nodes []*node.Node
	// Fatals gets what nodes report as fatal.
	Fatals chan error
	change func(*node.Config)
}

// Exclusive keeps the cluster tests of different packages, which go test runs
// beside each other, from starving each other's elections: one of them runs at
// a time on this machine. The lock goes with the process.
func Exclusive(t testing.TB) {
	t.Helper()
	path := filepath.Join(os.TempDir(), fmt.Sprintf("holdfast-test-%d.lock", os.Getuid()))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
}

// FreeAddrs reserves loopback addresses that nobody listens on.
func FreeAddrs(t testing.TB, n int) []string {
	t.Helper()
	addrs := make([]string, n)
	for i := range addrs {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs[i] = l.Addr().String()
	}
	return addrs
}

// Start starts a cluster of n nodes and waits until a leader serves. change,
// when given, alters each node's configuration.
func Start(t testing.TB, n int, change func(*node.Config)) *Cluster {
	t.Helper()
	Exclusive(t)
	c := &Cluster{T: t, Fatals: make(chan error, 16), change: change}
	for i, addr := range FreeAddrs(t, n) {
		c.Peers = append(c.Peers, node.Peer{ID: fmt.Sprintf("n%d", i+1), Addr: addr})
	}
	c.Nodes = make([]*node.Node, n)
	dir := t.TempDir()
	for i := range c.Nodes {
		c.StartNode(i, filepath.Join(dir, c.Peers[i].ID))
	}
	t.Cleanup(c.Close)
	c.AwaitLeader()
	return c
}

// StartNode starts the i-th node on a data folder.
func (c *Cluster) StartNode(i int, dir string) {
	c.T.Helper()
	config := node.Config{
		ID: c.Peers[i].ID, DataDir: dir, Addr: c.Peers[i].Addr, Peers: c.Peers, Timing: FastTiming, Version: "test",
		Fatal: func(err error) { c.Fatals <- err }, Logger: Logger(c.T),
	}
	if c.change != nil {
		c.change(&config)
	}
	started, err := node.Start(c.T.Context(), config)
	if err != nil {
		c.T.Fatalf("start %s: %v", config.ID, err)
	}
	c.Nodes[i] = started
}

// Stop stops the i-th node.
func (c *Cluster) Stop(i int) {
	c.T.Helper()
	if err := c.Nodes[i].Close(context.Background()); err != nil {
		c.T.Errorf("stop %s: %v", c.Peers[i].ID, err)
	}
	c.Nodes[i] = nil
}

// Close stops all nodes.
func (c *Cluster) Close() {
	for _, n := range c.Nodes {
		if n != nil {
			n.Close(context.Background())
		}
	}
}

// AwaitLeader waits until a node serves as leader, and returns its place.
func (c *Cluster) AwaitLeader() int {
	c.T.Helper()
	deadline := time.Now().Add(Patience)
	for time.Now().Before(deadline) {
		for i, n := range c.Nodes {
			if n == nil {
				continue
			}
			if _, _, self := n.Leader(); self {
				return i
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	c.T.Fatal("no node came to serve as leader")
	return -1
}

// Addrs are the addresses of all nodes.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.Peers))
	for i, peer := range c.Peers {
		addrs[i] = peer.Addr
	}
	return addrs
}

// Logger logs warnings into the test's output while the test runs.
func Logger(t testing.TB) *slog.Logger {
	level := slog.LevelWarn
	if os.Getenv("HOLDFAST_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}
