package cluster

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// The watchdogs, as they stand in the metric of their alarms.
const (
	// watchdogAppend: one write of raft to the disk takes too long, or fails: to
	// the log, or of the term and the vote. Raft's heartbeats go on without the
	// disk, so nobody would take over, or this node again. Fatal.
	watchdogAppend = "log_append"
	// watchdogTakeover: the takeover of a term is not applied. Fatal.
	watchdogTakeover = "takeover"
	// watchdogTransfer: raft refuses writes because of a leadership transfer
	// that is over (hashicorp/raft issue 696). Fatal.
	watchdogTransfer = "leadership_transfer"
	// watchdogInstall: snapshots are sent to one peer again and again
	// (hashicorp/raft issue 697).
	watchdogInstall = "snapshot_install"
	// watchdogLag: a peer falls behind although it hears the heartbeats
	// (hashicorp/raft issue 612).
	watchdogLag = "follower_lag"
	// watchdogSnapshot: a snapshot on this disk cannot be read.
	watchdogSnapshot = "snapshot_corrupt"
)

var watchdogNames = []string{watchdogAppend, watchdogTakeover, watchdogTransfer, watchdogInstall, watchdogLag, watchdogSnapshot}

// Limits are when the watchdogs bark. Zero values become the defaults.
type Limits struct {
	// Append is how long one append to the log store may take, or one write of
	// the term or the vote.
	Append time.Duration
	// LagInterval is how often peers are asked how far they are; LagGrowths is
	// for how many times in a row the lag must have grown, to more than
	// LagEntries.
	LagInterval time.Duration
	LagGrowths  int
	LagEntries  uint64
	// Installs is how many snapshots may be sent to one peer within
	// InstallWindow.
	Installs      int
	InstallWindow time.Duration
	// LogBytes is how much may be appended to the log before a snapshot.
	LogBytes uint64
	// TrailingBytes is how much of the log may stay behind a snapshot; the
	// number of entries is bounded as well.
	TrailingBytes uint64
}

const (
	defaultAppendLimit   = 10 * time.Second
	defaultLagInterval   = 5 * time.Second
	defaultLagGrowths    = 6
	defaultLagEntries    = 1024
	defaultInstalls      = 3
	defaultInstallWindow = 10 * time.Minute
	defaultLogBytes      = 256 << 20
	defaultTrailingBytes = 1 << 30
)

func (l *Limits) fill() {
	setDefault(&l.Append, defaultAppendLimit)
	setDefault(&l.LagInterval, defaultLagInterval)
	setDefault(&l.LagGrowths, defaultLagGrowths)
	setDefault(&l.LagEntries, defaultLagEntries)
	setDefault(&l.Installs, defaultInstalls)
	setDefault(&l.InstallWindow, defaultInstallWindow)
	setDefault(&l.LogBytes, defaultLogBytes)
	setDefault(&l.TrailingBytes, defaultTrailingBytes)
}

// alarm counts an alarm and says what to do.
func (n *Node) alarm(watchdog, advice string, args ...any) {
	n.metrics.alarms.WithLabelValues(watchdog).Inc()
	n.logger.Error(advice, append([]any{"watchdog", watchdog}, args...)...)
}

// fatalAlarm is an alarm after which the node cannot go on.
func (n *Node) fatalAlarm(watchdog string, err error) {
	n.metrics.alarms.WithLabelValues(watchdog).Inc()
	n.fatal(err)
}

// watchDisk looks at the writes of raft to the disk: one that hangs is fatal,
// and much appended since the last snapshot asks for another.
func (n *Node) watchDisk() {
	defer n.background.Done()
	limit := n.config.Limits.Append
	interval := min(limit/4, time.Second)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	hanging := stopwatch{step: 2 * interval}
	var write uint64
	for {
		select {
		case <-n.closing:
			return
		case <-ticker.C:
		}
		// The same write as at the last look has gone on since then.
		if number := n.log.disk.writing.Load(); number == 0 || number != write {
			hanging.reset()
			write = number
		}
		if hangs := hanging.look(time.Now()); write != 0 && hangs > limit {
			n.fatalAlarm(watchdogAppend, fmt.Errorf("an append to the log store, or a write of the term or the vote, has taken more than %v, the limit is %v: "+
				"look at the disk of this node, then start the node again", hangs.Round(time.Millisecond), limit))
			return
		}
		n.adjustTrailing()
		if bytes := n.log.bytes.Load(); bytes >= n.config.Limits.LogBytes {
			n.logger.Info("taking a snapshot", "log_bytes", bytes)
			if err := n.TakeSnapshot(context.Background()); err != nil {
				n.logger.Warn("no snapshot was taken", "error", err)
			}
		}
	}
}

// watchedTransport counts the snapshots that are sent to each peer.
type watchedTransport struct {
	raft.Transport
	node *Node

	mu       sync.Mutex
	installs map[raft.ServerID][]time.Time
}

// InstallSnapshot implements raft.Transport.
func (w *watchedTransport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	w.node.metrics.installs.WithLabelValues(string(id)).Inc()
	limits := w.node.config.Limits
	if recent := w.count(id, time.Now().Add(-limits.InstallWindow)); recent > limits.Installs {
		w.node.alarm(watchdogInstall, "snapshots are sent to this peer again and again: stop it, empty its data folder after removing it from the cluster, and join it under a new id",
			"peer", id, "installs", recent, "within", limits.InstallWindow)
	}
	return w.Transport.InstallSnapshot(id, target, args, resp, data)
}

// count notes one install and returns how many there were since a moment.
func (w *watchedTransport) count(id raft.ServerID, since time.Time) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.installs == nil {
		w.installs = make(map[raft.ServerID][]time.Time)
	}
	recent := append(w.installs[id], time.Now())
	for len(recent) > 0 && recent[0].Before(since) {
		recent = recent[1:]
	}
	w.installs[id] = recent
	return len(recent)
}

// RequestPreVote implements raft.WithPreVote: embedding raft.Transport hides
// that the transport inside has it.
func (w *watchedTransport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	transport, ok := w.Transport.(raft.WithPreVote)
	if !ok {
		return raft.ErrUnsupportedProtocol
	}
	return transport.RequestPreVote(id, target, args, resp)
}

// peerLag is what the lag watchdog remembers of a peer.
type peerLag struct {
	lag     uint64
	growths int
}

// watchLag asks, while this node leads, how far its peers are.
func (n *Node) watchLag() {
	defer n.background.Done()
	ticker := time.NewTicker(n.config.Limits.LagInterval)
	defer ticker.Stop()
	lags := make(map[raft.ServerID]*peerLag)
	for {
		select {
		case <-n.closing:
			return
		case <-ticker.C:
		}
		if n.reign.Load() == nil {
			clear(lags)
			n.metrics.lag.Reset()
			continue
		}
		for _, server := range n.servers() {
			if string(server.ID) != n.config.ID {
				n.measureLag(server, lags)
			}
		}
	}
}

// measureLag asks one peer. A peer that does not answer, or has lost contact
// itself, is simply away, which others notice.
func (n *Node) measureLag(server raft.Server, lags map[raft.ServerID]*peerLag) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	status, err := n.config.Peers.NodeStatus(ctx, string(server.ID), string(server.Address))
	if err != nil || time.Duration(status.LastContactMs)*time.Millisecond > n.config.Timing.Heartbeat {
		delete(lags, server.ID)
		return
	}
	lag := n.replica.applied.Load() - min(n.replica.applied.Load(), status.AppliedIndex)
	n.metrics.lag.WithLabelValues(string(server.ID)).Set(float64(lag))
	before := lags[server.ID]
	if before == nil || lag <= before.lag {
		lags[server.ID] = &peerLag{lag: lag}
		return
	}
	before.lag, before.growths = lag, before.growths+1
	if limits := n.config.Limits; before.growths >= limits.LagGrowths && lag > limits.LagEntries {
		n.alarm(watchdogLag, "this peer falls further and further behind although it hears the heartbeats: restart it, and if that does not help, the leader",
			"peer", server.ID, "lag_entries", lag, "grown_times", before.growths)
		before.growths = 0
	}
}
