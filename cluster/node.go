package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-registry/holdfast/decide"
	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// Node is one node of a cluster. It is a registry.Registry and a
// registry.Admin, safe for concurrent use. Calls that only the leader can
// answer get NotLeader or NoLeader elsewhere.
type Node struct {
	*decide.Registry

	config   Config
	logger   *slog.Logger
	raft     *raft.Raft
	replica  *replica
	identity *Identity
	log      *watchedLog
	metrics  *metrics

	// reign is set while this node serves as leader.
	reign       atomic.Pointer[reign]
	introducing atomic.Bool
	handingOver atomic.Bool

	closing    chan struct{}
	closeOnce  sync.Once
	background sync.WaitGroup
	fatalOnce  sync.Once

	servingMu sync.Mutex
	serving   chan struct{}
}

var (
	_ registry.Registry = (*Node)(nil)
	_ registry.Admin    = (*Node)(nil)
	_ registry.Fences   = (*Node)(nil)
	_ decide.Log        = (*Node)(nil)

	_ prometheus.Collector = (*Node)(nil)
)

// logsCached is how many log entries are kept in memory besides the log store.
// An entry is a batch, of 512 KiB at most but for a single large command.
const logsCached = 128

// Open starts a node on its storage. A folder without any data bootstraps the
// first configuration, if there is one; a folder with data goes on with what
// it has.
func Open(config Config) (*Node, error) {
	if err := config.fill(); err != nil {
		return nil, err
	}
	testConfig(&config)
	n := &Node{
		config:   config,
		logger:   config.Logger.With("node", config.ID),
		identity: config.Storage.Identity(),
		metrics:  newMetrics(),
		closing:  make(chan struct{}),
		serving:  make(chan struct{}),
	}
	writes := &disk{closing: n.closing, failed: n.diskFailed}
	n.log = &watchedLog{LogStore: config.Storage.LogStore, disk: writes, metrics: n.metrics, sizes: logSizes{most: config.TrailingLogs}}
	n.replica = &replica{
		machine: fsm.NewMachine(), identity: n.identity, logger: n.logger, metrics: n.metrics, hub: newHub(windowChanges), fatal: n.fatal,
		membersChanged: config.OnMembersChange, snapshotTaken: func() { n.log.bytes.Store(0) },
	}
	n.Registry = decide.NewRegistry(n, registry.TierDurable, rand.Reader)
	bad, err := (&recovery{dir: config.Storage.dir, nodeID: config.ID, snapshots: config.Storage.snapshots, log: n.log, logger: n.logger}).check()
	if err != nil {
		return nil, err
	}
	if err := n.bootstrap(); err != nil {
		return nil, err
	}
	leadership := make(chan bool, 64)
	rc := config.raftConfig()
	rc.NotifyCh = leadership
	// What was just appended is read again at once, to be sent to the others
	// and to be applied.
	recent, err := raft.NewLogCache(logsCached, n.log)
	if err != nil {
		return nil, fmt.Errorf("log cache: %w", err)
	}
	stable := &watchedStable{StableStore: config.Storage.store, disk: writes}
	transport := &watchedTransport{Transport: config.Transport, node: n}
	if n.raft, err = writes.start(func() (*raft.Raft, error) {
		return raft.NewRaft(rc, n.replica, recent, stable, config.Storage.snapshots, transport)
	}); err != nil {
		return nil, errors.Join(fmt.Errorf("start raft: %w", err), n.replica.restoreFailed)
	}
	n.replica.started.Store(true)
	config.Storage.snapshots.anyFrom()
	n.background.Go(func() { n.watchSnapshots(bad) })
	n.background.Go(func() { n.replica.hub.run(n.closing) })
	n.background.Add(4)
	go n.followLeadership(leadership)
	go n.observeLeader()
	go n.watchDisk()
	go n.watchLag()
	return n, nil
}

// bootstrap writes the first configuration into an empty log.
func (n *Node) bootstrap() error {
	storage := n.config.Storage
	hasState, err := raft.HasExistingState(storage.LogStore, storage.store, storage.snapshots)
	if err != nil {
		return fmt.Errorf("look for existing data: %w", err)
	}
	if hasState || len(n.config.Bootstrap) == 0 {
		return nil
	}
	var configuration raft.Configuration
	self := false
	for _, peer := range n.config.Bootstrap {
		self = self || (peer.ID == n.config.ID && peer.Addr == n.config.Addr)
		configuration.Servers = append(configuration.Servers, raft.Server{
			Suffrage: raft.Voter, ID: raft.ServerID(peer.ID), Address: raft.ServerAddress(peer.Addr),
		})
	}
	if !self {
		return fmt.Errorf("the first configuration does not hold this node, %s at %s", n.config.ID, n.config.Addr)
	}
	err = raft.BootstrapCluster(n.config.raftConfig(), storage.LogStore, storage.store, storage.snapshots, n.config.Transport, configuration)
	if err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	return nil
}

// Close stops the node. Calls under way are answered, as unknown where their
// write may have been sent. The storage stays open.
func (n *Node) Close() error {
	var err error
	n.closeOnce.Do(func() {
		close(n.closing)
		n.endReign()
		err = n.raft.Shutdown().Error()
		n.background.Wait()
	})
	return err
}

// fatal reports, once, that this node cannot go on.
func (n *Node) fatal(err error) {
	n.fatalOnce.Do(func() {
		n.logger.Error("this node cannot go on", "error", err)
		n.config.Fatal(err)
	})
}

// Leader tells who leads as far as this node knows, and whether it serves as
// leader itself.
func (n *Node) Leader() (id, addr string, self bool) {
	leaderAddr, leaderID := n.raft.LeaderWithID()
	return string(leaderID), string(leaderAddr), n.reign.Load() != nil
}

// AwaitServing waits until this node serves as leader.
func (n *Node) AwaitServing(ctx context.Context) error {
	for {
		n.servingMu.Lock()
		changed := n.serving
		n.servingMu.Unlock()
		if n.reign.Load() != nil {
			return nil
		}
		select {
		case <-changed:
		case <-n.closing:
			return errors.New("the node was closed")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// signalServing wakes those who wait for a reign.
func (n *Node) signalServing() {
	n.servingMu.Lock()
	defer n.servingMu.Unlock()
	close(n.serving)
	n.serving = make(chan struct{})
	n.config.OnLeaderChange()
}

// answer fills in the caller's answer info: where the state stood when the call
// was answered, or where it stands when at is nil.
func (n *Node) answer(ctx context.Context, at *fsm.Position) {
	info := registry.OptionsFrom(ctx).Answer
	if info == nil {
		return
	}
	*info = registry.AnswerInfo{Term: n.raft.CurrentTerm()}
	info.LeaderID, info.LeaderAddr, _ = n.Leader()
	info.LastContactMs = n.lastContactMs()
	if at == nil {
		now := n.replica.position()
		at = &now
	}
	info.Revision, info.ClockMs, info.LeaseTimeMs = at.Revision, at.ClockMs, at.LeaseTimeMs
}

// started is when this process began.
var started = time.Now()

// lastContactMs is the time since this node heard from the leader.
func (n *Node) lastContactMs() uint64 {
	if n.raft.State() == raft.Leader {
		return 0
	}
	last := n.raft.LastContact()
	if last.IsZero() {
		return uint64(time.Since(started).Milliseconds())
	}
	return uint64(max(0, time.Since(last).Milliseconds()))
}

// servers returns the latest configuration, which may not be committed yet.
func (n *Node) servers() []raft.Server {
	future := n.raft.GetConfiguration()
	if future.Error() != nil {
		return nil
	}
	return future.Configuration().Servers
}

// addressOf returns where a member is reached.
func (n *Node) addressOf(id raft.ServerID) (addr string, ok bool) {
	for _, server := range n.servers() {
		if server.ID == id {
			return string(server.Address), true
		}
	}
	return "", false
}

// MemberAt returns the id of the member at an address.
func (n *Node) MemberAt(addr string) (id string, ok bool) {
	for _, server := range n.servers() {
		if string(server.Address) == addr {
			return string(server.ID), true
		}
	}
	return "", false
}

func (n *Node) inConfiguration(id string) bool {
	_, ok := n.addressOf(raft.ServerID(id))
	return ok
}

// newID draws 128 random bits in hex.
func newID() string {
	var random [16]byte
	rand.Read(random[:])
	return hex.EncodeToString(random[:])
}
