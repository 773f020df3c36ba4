package cluster

import (
	"context"
	"errors"
	"io"
	"time"
)

// errClosed ends background work of a node that is closed.
var errClosed = errors.New("the node was closed")

// watchSnapshots verifies the kept snapshots from time to time, since a disk
// rots silently: a snapshot is needed on the day the node starts again, and by
// then the log behind it is gone. bad are those that were found at the start.
func (n *Node) watchSnapshots(bad []badSnapshot) {
	ctx, cancel := n.untilClosed()
	defer cancel()
	n.alarmSnapshots(bad)
	verified := n.config.Storage.snapshots.startFrom
	ticker := time.NewTicker(n.config.SnapshotVerifyInterval)
	defer ticker.Stop()
	for {
		if index, needed := n.verifySnapshots(verified); needed {
			n.replaceSnapshot(ctx, index)
		}
		verified = ""
		select {
		case <-n.closing:
			return
		case <-ticker.C:
		}
	}
}

// verifySnapshots reads every kept snapshot through, but for one that was just
// verified, and spares the disk. It tells whether a new snapshot is needed, and
// up to which entry it must reach.
func (n *Node) verifySnapshots(verified string) (index uint64, needed bool) {
	store := n.config.Storage.snapshots
	kept, err := store.kept()
	if err != nil {
		n.logger.Warn("the snapshots could not be verified", "error", err)
		return 0, false
	}
	var bad, found []badSnapshot
	for i, snapshot := range kept {
		if snapshot.id == verified {
			continue
		}
		err := snapshot.damage
		if err == nil {
			err = store.verify(snapshot.id, func(file io.Reader, _ int64) io.Reader {
				return &pacedReader{Reader: file, stop: n.closing}
			})
		}
		switch {
		case errors.Is(err, errClosed):
			return 0, false
		case err == nil:
			store.show(snapshot.id)
			continue
		case store.outdated(snapshot):
			// Newer ones took its place meanwhile, and it is being removed.
			continue
		}
		bad = append(bad, badSnapshot{snapshot, err})
		if store.hide(snapshot.id) {
			found = append(found, badSnapshot{snapshot, err})
		}
		index = max(index, snapshot.index)
		needed = needed || i == 0 || len(found) > 0
	}
	n.alarmSnapshots(found)
	n.metrics.corruptSnapshots.Set(float64(len(bad)))
	return index, needed
}

func (n *Node) alarmSnapshots(found []badSnapshot) {
	for _, b := range found {
		n.metrics.corruptSnapshots.Inc()
		n.alarm(watchdogSnapshot, "a snapshot on this disk cannot be read: check the disk. A new snapshot is taken now; until the log says so, do not stop this node",
			"file", n.config.Storage.snapshots.path(b.id), "index", b.index, "error", b.err)
	}
}

// replaceSnapshot takes a new snapshot as soon as the state holds what the bad
// ones held.
func (n *Node) replaceSnapshot(ctx context.Context, index uint64) {
	store := n.config.Storage.snapshots
	before := store.newest()
	for ctx.Err() == nil {
		if n.replica.awaitApplied(ctx, index) != nil {
			return
		}
		if err := n.TakeSnapshot(ctx); err != nil {
			n.logger.Error("no new snapshot was taken in place of one that cannot be read; it is tried again later", "error", err)
			return
		}
		if taken := store.newest(); taken != before {
			n.logger.Info("a new snapshot was taken in place of one that cannot be read", "file", store.path(taken))
			return
		}
		// Raft writes none before it has applied an entry since its start.
		index = n.replica.applied.Load() + 1
	}
}

// untilClosed is a context that ends when the node is closed.
func (n *Node) untilClosed() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-n.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
