package cluster

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/registry"
)

// Peer is a node of the first configuration.
type Peer struct {
	ID string
	// Addr is where other nodes and clients reach it.
	Addr string
}

// Peers asks other nodes directly, over connections on which both sides have
// proven which instance they are.
type Peers interface {
	// CurrentTerm asks a node for its raft term. The read barrier rests on it:
	// the answer must have been given after the call was made.
	CurrentTerm(ctx context.Context, id, addr string) (uint64, error)
	// NodeStatus asks a node about itself.
	NodeStatus(ctx context.Context, id, addr string) (registry.NodeStatus, error)
	// StateHash asks a node for the hash of its state at a checkpoint.
	StateHash(ctx context.Context, id, addr string, index uint64) (string, error)
	// ReadIndex asks the leader for an index that is not below any write that
	// was acked before the call.
	ReadIndex(ctx context.Context, id, addr string) (uint64, error)
}

// Timing are the time-outs of raft. Zero values become the defaults.
type Timing struct {
	// Heartbeat is how long a follower waits for the leader before it stands
	// for election; Election how long an election may take.
	Heartbeat time.Duration
	Election  time.Duration
	// LeaderLease is how long a leader goes on without hearing from a quorum.
	LeaderLease time.Duration
}

// The defaults of Timing: a dead leader is replaced within about two seconds,
// and a node that is busy for half a second is not taken for dead.
const (
	defaultHeartbeat   = time.Second
	defaultElection    = time.Second
	defaultLeaderLease = 500 * time.Millisecond
)

// The defaults of the snapshot settings.
const (
	defaultSnapshotEntries  = 65_536
	defaultSnapshotInterval = 30 * time.Second
	// defaultTrailingLogs outlasts the transfer of a snapshot to a slow
	// follower, which would otherwise need another snapshot at its end: two
	// minutes of 1,000 entries a second. See Limits.TrailingBytes too.
	defaultTrailingLogs = 131_072
	// defaultSnapshotVerify is how often the kept snapshots are read through.
	defaultSnapshotVerify = time.Hour
)

// Config is what a node is made of.
type Config struct {
	// ID is the node's id in the cluster; Addr is where others reach it, as it
	// stands in the raft configuration.
	ID   string
	Addr string
	// Bootstrap is the first configuration. It is used once, when the node has
	// no data at all, and must be the same on all nodes that have it. A node
	// that joins a running cluster has none.
	Bootstrap []Peer
	Storage   *Storage
	Transport raft.Transport
	Peers     Peers
	Timing    Timing
	// SnapshotEntries is how many log entries may gather before a snapshot;
	// SnapshotInterval is how often that is looked at; TrailingLogs is how many
	// entries are kept behind one.
	SnapshotEntries  uint64
	SnapshotInterval time.Duration
	TrailingLogs     uint64
	// SnapshotVerifyInterval is how often every kept snapshot is read through,
	// to find out about a rotten disk before the snapshot is needed.
	SnapshotVerifyInterval time.Duration
	// Limits are when the watchdogs bark.
	Limits Limits
	Clock  Clock
	Logger *slog.Logger
	// Fatal is called once, from any goroutine, when the node cannot go on:
	// its state may differ from the others' or its disk is gone. The program
	// should end, since nothing but a restart helps.
	Fatal func(error)
	// OnMembersChange is called after instances were recorded, so that
	// connections of refused ones can be closed.
	OnMembersChange func()
	// OnLeaderChange is called when this node learns of another leader or of
	// none, and when it begins or ceases to serve as leader itself. It must not
	// block.
	OnLeaderChange func()
	// Version is what the node answers as its version.
	Version string

	// tick is the silence after which a tick is written, queue how many writes
	// may wait to be proposed. Only tests set them.
	tick  time.Duration
	queue int
}

func (c *Config) fill() error {
	switch {
	case c.ID == "":
		return errors.New("a node needs an id")
	case c.Addr == "":
		return errors.New("a node needs an address that others reach it at")
	case c.Storage == nil || c.Transport == nil || c.Peers == nil:
		return errors.New("a node needs storage, a transport and a way to ask its peers")
	}
	c.fillTunables()
	setDefault(&c.SnapshotVerifyInterval, defaultSnapshotVerify)
	setDefault(&c.tick, tickInterval)
	setDefault(&c.queue, maxQueued)
	if c.Clock == nil {
		c.Clock = SystemClock()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Fatal == nil {
		c.Fatal = func(error) {}
	}
	if c.OnMembersChange == nil {
		c.OnMembersChange = func() {}
	}
	if c.OnLeaderChange == nil {
		c.OnLeaderChange = func() {}
	}
	return nil
}

// Defaults are the settings that zero values become.
func Defaults() (c Config) {
	c.fillTunables()
	return c
}

func (c *Config) fillTunables() {
	setDefault(&c.Timing.Heartbeat, defaultHeartbeat)
	setDefault(&c.Timing.Election, defaultElection)
	setDefault(&c.Timing.LeaderLease, defaultLeaderLease)
	c.Limits.fill()
	setDefault(&c.SnapshotEntries, defaultSnapshotEntries)
	setDefault(&c.SnapshotInterval, defaultSnapshotInterval)
	setDefault(&c.TrailingLogs, defaultTrailingLogs)
}

func setDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

func (c *Config) raftConfig() *raft.Config {
	rc := raft.DefaultConfig()
	rc.LocalID = raft.ServerID(c.ID)
	rc.HeartbeatTimeout = c.Timing.Heartbeat
	rc.ElectionTimeout = c.Timing.Election
	rc.LeaderLeaseTimeout = c.Timing.LeaderLease
	rc.SnapshotThreshold = c.SnapshotEntries
	rc.SnapshotInterval = c.SnapshotInterval
	rc.TrailingLogs = c.TrailingLogs
	rc.Logger = RaftLogger(c.Logger.With("node", c.ID))
	// A batch is one raft entry already; more of them in one append would only
	// delay heartbeats.
	rc.MaxAppendEntries = 16
	return rc
}
