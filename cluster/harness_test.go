package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/decide"
	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// patience bounds every wait: far more than anything takes.
const patience = 30 * time.Second

// testCluster is a set of nodes over raft's in-memory transport, with real
// bolt files. Nodes ask each other through asks, where faults are injected.
type testCluster struct {
	t     testing.TB
	dir   string
	mu    sync.Mutex
	nodes map[string]*Node
	wires map[string]*raft.InmemTransport
	peers []Peer
	// ask, when set, stands between a question for the term and its answer.
	ask    func(from, to string, answer func() (uint64, error)) (uint64, error)
	fatals chan error
	change func(*Config)
}

// newTestCluster starts n voters n1, n2, … change, when given, alters every
// node's configuration.
func newTestCluster(t testing.TB, n int, change func(*Config)) *testCluster {
	t.Helper()
	c := &testCluster{
		t: t, dir: t.TempDir(), nodes: make(map[string]*Node), wires: make(map[string]*raft.InmemTransport),
		fatals: make(chan error, 16), change: change,
	}
	for i := range n {
		id := fmt.Sprintf("n%d", i+1)
		c.peers = append(c.peers, Peer{ID: id, Addr: "mem-" + id})
	}
	c.meet()
	for _, peer := range c.peers {
		c.start(peer.ID, c.peers)
	}
	t.Cleanup(func() {
		for id := range c.nodes {
			c.stop(id)
		}
		for len(c.fatals) > 0 {
			t.Errorf("a node reported fatal: %v", <-c.fatals)
		}
	})
	return c
}

// meet makes the nodes know each other's instances, which the in-memory
// transport does not show them.
func (c *testCluster) meet() {
	c.t.Helper()
	storages := make(map[string]*Storage)
	for _, peer := range c.peers {
		storage, err := OpenStorage(filepath.Join(c.dir, peer.ID), peer.ID)
		if err != nil {
			c.t.Fatal(err)
		}
		defer storage.Close()
		storages[peer.ID] = storage
	}
	for _, storage := range storages {
		for _, other := range storages {
			if err := storage.identity.Admit(other.identity.Self()); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}

// start starts a node on its folder; bootstrap is empty for one that joins.
func (c *testCluster) start(id string, bootstrap []Peer) *Node {
	c.t.Helper()
	n, err := c.open(id, bootstrap)
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// open is start for a node that may refuse to start.
func (c *testCluster) open(id string, bootstrap []Peer) (*Node, error) {
	storage, err := OpenStorage(filepath.Join(c.dir, id), id)
	if err != nil {
		return nil, err
	}
	addr, wire := raft.NewInmemTransportWithTimeout(raft.ServerAddress("mem-"+id), 2*time.Second)
	c.mu.Lock()
	for other, otherWire := range c.wires {
		wire.Connect(raft.ServerAddress("mem-"+other), otherWire)
		otherWire.Connect(addr, wire)
	}
	c.wires[id] = wire
	c.mu.Unlock()
	config := Config{
		ID: id, Addr: string(addr), Bootstrap: bootstrap, Storage: storage, Transport: wire, Peers: testPeers{c, id},
		Timing: Timing{Heartbeat: 150 * time.Millisecond, Election: 150 * time.Millisecond, LeaderLease: 100 * time.Millisecond},
		Fatal:  func(err error) { c.fatals <- err },
		Logger: testLogger(c.t),
	}
	if c.change != nil {
		c.change(&config)
	}
	n, err := Open(config)
	if err != nil {
		return nil, errors.Join(err, storage.Close())
	}
	c.mu.Lock()
	c.nodes[id] = n
	c.mu.Unlock()
	return n, nil
}

func (c *testCluster) stop(id string) {
	c.t.Helper()
	c.mu.Lock()
	n := c.nodes[id]
	delete(c.nodes, id)
	c.mu.Unlock()
	if err := n.Close(); err != nil {
		c.t.Error(err)
	}
	if err := n.config.Storage.Close(); err != nil {
		c.t.Error(err)
	}
}

func (c *testCluster) node(id string) *Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[id]
}

// leader waits for a node other than those left out to serve.
func (c *testCluster) leader(leftOut ...string) *Node {
	c.t.Helper()
	skip := make(map[string]bool)
	for _, id := range leftOut {
		skip[id] = true
	}
	var found *Node
	c.eventually("a leader serves", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for id, n := range c.nodes {
			if !skip[id] && n.reign.Load() != nil {
				found = n
				return true
			}
		}
		return false
	})
	return found
}

// followers are the nodes other than one.
func (c *testCluster) others(than *Node) []*Node {
	var out []*Node
	for _, peer := range c.peers {
		if n := c.node(peer.ID); n != nil && n != than {
			out = append(out, n)
		}
	}
	return out
}

// partition cuts raft's wires between a node and all others.
func (c *testCluster) partition(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other, wire := range c.wires {
		if other != id {
			wire.Disconnect(raft.ServerAddress("mem-" + id))
			c.wires[id].Disconnect(raft.ServerAddress("mem-" + other))
		}
	}
}

// heal undoes partition.
func (c *testCluster) heal(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other, wire := range c.wires {
		if other != id {
			wire.Connect(raft.ServerAddress("mem-"+id), c.wires[id])
			c.wires[id].Connect(raft.ServerAddress("mem-"+other), wire)
		}
	}
}

// eventually polls until a condition holds.
func (c *testCluster) eventually(what string, holds func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			c.t.Fatalf("gave up waiting until %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (c *testCluster) interceptAsk(ask func(from, to string, answer func() (uint64, error)) (uint64, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ask = ask
}

// testPeers asks the other nodes by calling them.
type testPeers struct {
	c    *testCluster
	from string
}

var errUnreachable = errors.New("unreachable")

func (p testPeers) CurrentTerm(_ context.Context, id, _ string) (uint64, error) {
	p.c.mu.Lock()
	ask := p.c.ask
	p.c.mu.Unlock()
	answer := func() (uint64, error) {
		n := p.c.node(id)
		if n == nil {
			return 0, errUnreachable
		}
		return n.CurrentTerm(), nil
	}
	if ask == nil {
		return answer()
	}
	return ask(p.from, id, answer)
}

func (p testPeers) NodeStatus(ctx context.Context, id, _ string) (registry.NodeStatus, error) {
	if n := p.c.node(id); n != nil {
		return n.NodeStatus(ctx)
	}
	return registry.NodeStatus{}, errUnreachable
}

func (p testPeers) StateHash(ctx context.Context, id, _ string, index uint64) (string, error) {
	if n := p.c.node(id); n != nil {
		return n.StateHash(ctx, index)
	}
	return "", errUnreachable
}

func (p testPeers) ReadIndex(ctx context.Context, id, _ string) (uint64, error) {
	if n := p.c.node(id); n != nil {
		return n.ReadIndex(ctx)
	}
	return 0, errUnreachable
}

func testLogger(t testing.TB) *slog.Logger {
	if os.Getenv("HOLDFAST_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// registration is a plain process with one extra event type.
func registration(id string) registry.ProcessRegistration {
	return registry.ProcessRegistration{
		ID: id, Disposition: registry.Rerunnable, Identity: registry.ProcessIdentity{Kind: "external"},
		Input:      registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON("null")},
		EventTypes: []registry.ProcessEventType{{Name: "note", PayloadSchema: registry.JSON("{}")}},
	}
}

func mustRegister(t testing.TB, n *Node, id string) {
	t.Helper()
	if _, err := n.RegisterProcess(t.Context(), registration(id)); err != nil {
		t.Fatalf("register %s: %v", id, err)
	}
}

// short is a context for calls that are expected not to be answered.
func short(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// anyCommand decides a command that is always accepted.
func anyCommand(decide.Records) (fsm.Command, error) {
	return fsm.Command{Body: &fsm.Tick{}}, nil
}
