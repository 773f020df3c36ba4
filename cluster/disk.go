package cluster

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// disk is the way of raft's writes to the disk of this node: to the log, and to
// the stable store, which holds its term and its vote.
//
// A write that failed is the last one. Nobody knows what became of its bytes,
// and a sync that succeeds after one that failed does not bring them back. Raft
// would go on: a leader that stepped down would take entries of the next one
// while there may be more of its own behind them, and a follower that had cut
// off a conflict would count it to its log still, and could be elected for it.
// Where its term cannot be written, raft panics. So whoever of raft comes to
// write after that stands still, until the program that was told closes the node.
type disk struct {
	closing <-chan struct{}
	// failed is called with the error. It must not block.
	failed func(error)
	// writing is the number of the write under way, 0 when there is none.
	writing atomic.Uint64

	mu     sync.Mutex
	writes uint64
	// broken is why there are no writes any more.
	broken error
	// begun is set by the first write that succeeds. Raft writes its term before
	// it has goroutines of its own; that this fails is for start to tell.
	begun bool
}

// write makes one write. It returns the error of the write that failed, so that
// the calls under way are answered, but never comes back from a later one.
func (d *disk) write(what string, do func() error) error {
	d.mu.Lock()
	if d.broken != nil && d.begun {
		d.mu.Unlock()
		d.halt()
	}
	defer d.mu.Unlock()
	d.writes++
	d.writing.Store(d.writes)
	err := do()
	d.writing.Store(0)
	if err != nil && mutant == ignoresDiskErrors {
		err = nil
	}
	if err == nil {
		d.begun = true
		return nil
	}
	d.broken = fmt.Errorf("%s failed: %w. Make room on the disk of this node or mend it, then start the node again", what, err)
	if d.begun {
		d.failed(d.broken)
	}
	return d.broken
}

func (d *disk) hasBegun() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.begun
}

// halt keeps a goroutine of raft from going on, and ends it when the node is
// closed.
func (d *disk) halt() {
	<-d.closing
	runtime.Goexit()
}

// start starts raft, which begins with its term and panics where it cannot
// write it.
func (d *disk) start(newRaft func() (*raft.Raft, error)) (r *raft.Raft, err error) {
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.begun && d.broken != nil {
			recover()
			err = d.broken
		}
	}()
	return newRaft()
}

// diskFailed ends the node: its disk is full or broken. Raft makes a leader step
// down, which the same node may be elected after, and a follower refuse the
// entry; neither mends a disk.
func (n *Node) diskFailed(err error) {
	n.fatalAlarm(watchdogAppend, err)
}

// watchedLog measures a log store. It is what raft appends to.
type watchedLog struct {
	raft.LogStore
	disk    *disk
	metrics *metrics
	// bytes counts what was appended since the last snapshot.
	bytes atomic.Uint64
	sizes logSizes
}

// StoreLog implements raft.LogStore.
func (w *watchedLog) StoreLog(log *raft.Log) error { return w.StoreLogs([]*raft.Log{log}) }

// StoreLogs implements raft.LogStore. Raft appends from one goroutine.
func (w *watchedLog) StoreLogs(logs []*raft.Log) error {
	failpoint("log.append.before")
	begin := time.Now()
	err := w.disk.write("an append to the log store", func() error { return w.LogStore.StoreLogs(logs) })
	failpoint("log.append.after")
	w.metrics.appendSeconds.Observe(time.Since(begin).Seconds())
	if err != nil {
		return err
	}
	for _, log := range logs {
		w.bytes.Add(uint64(len(log.Data)))
		w.sizes.add(log.Index, uint64(len(log.Data)))
	}
	return nil
}

// DeleteRange implements raft.LogStore.
func (w *watchedLog) DeleteRange(first, last uint64) error {
	return w.disk.write("a removal from the log store", func() error { return w.LogStore.DeleteRange(first, last) })
}

// watchedStable is what raft keeps its term and its vote in. Beside raft's own
// loop a heartbeat of a later term writes to it.
type watchedStable struct {
	raft.StableStore
	disk *disk
}

// Set implements raft.StableStore.
func (w *watchedStable) Set(key, value []byte) error {
	return w.write(func() error { return w.StableStore.Set(key, value) })
}

// SetUint64 implements raft.StableStore.
func (w *watchedStable) SetUint64(key []byte, value uint64) error {
	return w.write(func() error { return w.StableStore.SetUint64(key, value) })
}

func (w *watchedStable) write(do func() error) error {
	err := w.disk.write("a write of the term or the vote", do)
	if err != nil && w.disk.hasBegun() {
		w.disk.halt() // raft panics when it gets the error
	}
	return err
}
