package cluster

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

// recovery is what a node finds in its data folder when it starts: whether the
// snapshots and the log together hold all that the node has ever acknowledged.
//
// Raft by itself starts from the newest snapshot that can be restored, skips
// those whose description cannot be read, and then reads the log from there on.
// Where an entry is missing it panics; where the log ends before the snapshot
// that could not be read, it starts without what was in between. A node that
// forgot entries it had acknowledged would vote for leaders that do not have
// them. So all of that is found out before raft starts.
type recovery struct {
	dir       string
	nodeID    string
	snapshots *snapshotStore
	log       raft.LogStore
	logger    *slog.Logger
}

// badSnapshot is a snapshot that cannot be read.
type badSnapshot struct {
	keptSnapshot
	err error
}

// check looks at the data folder. It returns the snapshots that cannot be read
// and whether raft may start; it lets raft see the one snapshot to start from.
func (r *recovery) check() ([]badSnapshot, error) {
	removed, err := r.snapshots.removeUnfinished()
	if err != nil {
		return nil, fmt.Errorf("remove snapshots that were never finished: %w", err)
	}
	if len(removed) > 0 {
		r.logger.Warn("removed snapshots that were never finished: the node was stopped while it wrote them", "folders", removed)
	}
	kept, err := r.snapshots.kept()
	if err != nil {
		return nil, fmt.Errorf("look at the snapshots: %w", err)
	}
	base, bad := r.newestReadable(kept)
	for _, b := range bad {
		r.snapshots.hide(b.id)
		r.logger.Error("a snapshot cannot be read", "file", r.snapshots.path(b.id), "index", b.index, "error", b.err)
	}
	if err := r.checkReach(base, bad); err != nil {
		return nil, err
	}
	if len(bad) > 0 {
		r.logger.Warn("starting from what can be read: nothing is missing, as the log holds what the unreadable snapshots held", "from_snapshot", base.id, "from_index", base.index)
	}
	r.snapshots.startOnlyFrom(base.id)
	return bad, nil
}

// newestReadable verifies snapshots, the newest first, until one can be read.
// Without any it returns the empty state before the first entry.
func (r *recovery) newestReadable(kept []keptSnapshot) (base keptSnapshot, bad []badSnapshot) {
	for _, snapshot := range kept {
		err := snapshot.damage
		if err == nil {
			err = r.snapshots.verify(snapshot.id, func(file io.Reader, size int64) io.Reader {
				return meteredReader{Reader: file, meter: newMeter(r.logger, "verifying a snapshot", size)}
			})
		}
		if err == nil {
			return snapshot, bad
		}
		bad = append(bad, badSnapshot{snapshot, err})
	}
	return keptSnapshot{}, bad
}

// checkReach checks that the log goes on where the base ends, without a gap, at
// least as far as any snapshot did.
func (r *recovery) checkReach(base keptSnapshot, bad []badSnapshot) error {
	first, err := r.log.FirstIndex()
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	last, err := r.log.LastIndex()
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	// After a snapshot was installed the log may still hold older entries with
	// a gap behind them, so only reading each entry tells.
	reach, missing := base.index, uint64(0)
	if last > base.index {
		if reach, err = r.readLog(base.index+1, last); err != nil {
			return err
		}
		if reach < last {
			missing = reach + 1
		}
	}
	if missing == 0 {
		for _, b := range bad {
			if b.index > reach {
				missing = reach + 1
			}
		}
	}
	if missing == 0 {
		return nil
	}
	return r.refusal(base, bad, first, last, missing)
}

// readLog reads entries and returns the last one before a gap.
func (r *recovery) readLog(from, to uint64) (reached uint64, err error) {
	begin := time.Now()
	var entry raft.Log
	for index := from; index <= to; index++ {
		switch err := r.log.GetLog(index, &entry); {
		case errors.Is(err, raft.ErrLogNotFound):
			return index - 1, nil
		case err != nil:
			return 0, fmt.Errorf("data folder %s: entry %d of %s cannot be read: %w. %s", r.dir, index, logFile, err, r.wayOut())
		}
		if time.Since(begin) > progressInterval {
			begin = time.Now()
			r.logger.Info("reading the log", "entry", index, "first", from, "last", to, "percent", 100*(index-from)/(to-from+1))
		}
	}
	return to, nil
}

// refusal says what is missing and what to do about it.
func (r *recovery) refusal(base keptSnapshot, bad []badSnapshot, first, last, missing uint64) error {
	var text strings.Builder
	fmt.Fprintf(&text, "data folder %s: this node cannot start, as entry %d of its log is nowhere to be found. ", r.dir, missing)
	for _, b := range bad {
		fmt.Fprintf(&text, "Snapshot %s, up to entry %d, cannot be read: %v. ", r.snapshots.path(b.id), b.index, b.err)
	}
	if base.id != "" {
		fmt.Fprintf(&text, "The newest snapshot that can be read, %s, ends at entry %d. ", r.snapshots.path(base.id), base.index)
	}
	if last == 0 {
		fmt.Fprintf(&text, "%s holds no entries. ", logFile)
	} else {
		fmt.Fprintf(&text, "%s holds entries between %d and %d. ", logFile, first, last)
	}
	text.WriteString(r.wayOut())
	return errors.New(text.String())
}

func (r *recovery) wayOut() string {
	return fmt.Sprintf("Bring the file back from a copy of this disk, or run a version of this program that reads it. "+
		"If a majority of the cluster runs without this node, do this instead: remove %s from the cluster, keep its folder aside, and join it under a new id with an empty folder", r.nodeID)
}
