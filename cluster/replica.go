package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/decide"
	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// replica is the state machine as raft drives it. It keeps the index that the
// state machine itself has reached: raft's own applied index runs ahead of it,
// and raft's no-ops and barriers never get here.
type replica struct {
	machine  *fsm.Machine
	identity *Identity
	logger   *slog.Logger
	fatal    func(error)
	// membersChanged is called after the identity adopted new instances.
	membersChanged func()
	// snapshotTaken is called when a snapshot begins.
	snapshotTaken func()
	metrics       *metrics
	// waiting are the calls to wake when processes become ready.
	waiting decide.Waiting
	hub     *hub

	applied atomic.Uint64
	waiters waiters
	// broken is set once an entry could not be applied: from then on this
	// replica answers nothing any more.
	broken atomic.Bool
	hashes stateHashes
	// started is set once raft has started: what is restored afterwards was
	// sent by the leader. restoreFailed is why the start had to end.
	started       atomic.Bool
	restoreFailed error
}

var (
	_ raft.FSM                = (*replica)(nil)
	_ raft.ConfigurationStore = (*replica)(nil)
)

// errBroken is the answer of a replica that stopped.
var errBroken = errors.New("this replica met a log entry that it cannot apply")

// Apply implements raft.FSM. It returns an *fsm.EntryResult or an error.
func (r *replica) Apply(entry *raft.Log) any {
	if r.broken.Load() {
		return errBroken
	}
	begin := time.Now()
	result, err := r.machine.Apply(entry.Index, entry.Term, entry.Data)
	r.metrics.applySeconds.Observe(time.Since(begin).Seconds())
	if result.Refused {
		r.metrics.refusedEntries.Inc()
	}
	if err == nil && result.MembersChanged {
		err = r.adoptMembers()
	}
	if err != nil {
		r.broken.Store(true)
		r.fatal(fmt.Errorf("%w. Do not delete anything: run a version that knows this entry, or restore this node from the others", err))
		return err
	}
	if result.Checkpoint != nil {
		r.hashes.begin(entry.Index, result.Checkpoint)
	}
	r.advance(entry.Index)
	r.waiting.Wake(result.Ready)
	r.hub.publish(result.Changes)
	return &result
}

// StoreConfiguration implements raft.ConfigurationStore: membership entries
// move the index too, or a membership change in an idle cluster would leave
// the state machine behind the commit index for good.
func (r *replica) StoreConfiguration(index uint64, _ raft.Configuration) {
	if r.broken.Load() {
		return
	}
	r.machine.Skip(index)
	r.advance(index)
}

// Snapshot implements raft.FSM.
func (r *replica) Snapshot() (raft.FSMSnapshot, error) {
	if r.broken.Load() {
		return nil, errBroken
	}
	r.snapshotTaken()
	return persister{r.machine.Snapshot(), r}, nil
}

// Restore implements raft.FSM.
func (r *replica) Restore(source io.ReadCloser) error {
	defer source.Close()
	if r.broken.Load() {
		return errBroken
	}
	if err := r.restore(source); err != nil {
		if !r.started.Load() {
			r.restoreFailed = err
		}
		return err
	}
	if r.started.Load() {
		failpoint("snapshot.install.after")
	}
	return nil
}

func (r *replica) restore(source io.Reader) error {
	begin := time.Now()
	file := meteredReader{Reader: source, meter: newMeter(r.logger, "restoring a snapshot", sizeOf(source))}
	if failpoints && r.started.Load() {
		file.atEnd = func() { failpoint("snapshot.install.before_swap") }
	}
	if err := r.machine.Restore(file); err != nil {
		return err
	}
	r.metrics.snapshots.WithLabelValues("restore").Observe(time.Since(begin).Seconds())
	if err := r.adoptMembers(); err != nil {
		return err
	}
	p := r.position()
	r.advance(p.Index)
	r.hub.reset(p.Revision)
	r.logger.Info("restored a snapshot", "index", r.applied.Load(), "bytes", file.bytes, "took", time.Since(begin).Round(time.Millisecond))
	return nil
}

func (r *replica) adoptMembers() error {
	var clusterID string
	var members []fsm.Member
	r.machine.Read(func(v fsm.View) { clusterID, members = v.Position().ClusterID, v.Members() })
	changed, err := r.identity.adopt(clusterID, members)
	if err != nil {
		return err
	}
	if changed {
		r.logger.Info("recorded instances", "cluster", clusterID, "members", len(members))
		// The callback closes connections; raft's apply must not wait for it.
		go r.membersChanged()
	}
	return nil
}

func (r *replica) position() (p fsm.Position) {
	r.machine.Read(func(v fsm.View) { p = v.Position() })
	return p
}

func (r *replica) advance(index uint64) {
	r.applied.Store(index)
	r.waiters.release(index)
}

// awaitApplied waits until the state machine has reached an index.
func (r *replica) awaitApplied(ctx context.Context, index uint64) error {
	if r.applied.Load() >= index {
		return nil
	}
	reached := r.waiters.add(index)
	if r.applied.Load() >= index {
		return nil
	}
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// persister writes a frozen state into raft's snapshot sink.
type persister struct {
	snapshot *fsm.Snapshot
	replica  *replica
}

// Persist implements raft.FSMSnapshot.
func (p persister) Persist(sink raft.SnapshotSink) error {
	if sink, ok := sink.(*snapshotSink); ok {
		sink.own = true
	}
	failpoint("snapshot.write.begin")
	begin := time.Now()
	file := meteredWriter{sink, newMeter(p.replica.logger, "writing a snapshot", 0)}
	if err := p.snapshot.Write(file); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	failpoint("snapshot.write.before_close")
	if err := sink.Close(); err != nil {
		return err
	}
	failpoint("snapshot.write.after_close")
	p.replica.metrics.snapshots.WithLabelValues("write").Observe(time.Since(begin).Seconds())
	p.replica.logger.Info("wrote a snapshot", "index", p.snapshot.Index(), "bytes", file.bytes, "took", time.Since(begin).Round(time.Millisecond))
	return nil
}

// Release implements raft.FSMSnapshot: a frozen state needs no release.
func (persister) Release() {}

// waiters are those who wait for the state machine to reach an index. There
// are few at a time, and most wait for the same indexes.
type waiters struct {
	mu      sync.Mutex
	waiting map[uint64]chan struct{}
}

// add returns a channel that is closed once the index is released.
func (w *waiters) add(index uint64) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch, ok := w.waiting[index]; ok {
		return ch
	}
	if w.waiting == nil {
		w.waiting = make(map[uint64]chan struct{})
	}
	ch := make(chan struct{})
	w.waiting[index] = ch
	return ch
}

func (w *waiters) release(index uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for wanted, ch := range w.waiting {
		if wanted <= index {
			close(ch)
			delete(w.waiting, wanted)
		}
	}
}

// hashesKept is how many checkpoints a node remembers.
const hashesKept = 4

// stateHashes computes the hashes of checkpoints beside the state machine.
type stateHashes struct {
	mu      sync.Mutex
	indexes []uint64
	byIndex map[uint64]*stateHash
}

type stateHash struct {
	done chan struct{}
	hash string
	err  error
}

func (h *stateHashes) begin(index uint64, snapshot *fsm.Snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byIndex == nil {
		h.byIndex = make(map[uint64]*stateHash)
	}
	if len(h.indexes) >= hashesKept {
		delete(h.byIndex, h.indexes[0])
		h.indexes = h.indexes[1:]
	}
	entry := &stateHash{done: make(chan struct{})}
	h.indexes = append(h.indexes, index)
	h.byIndex[index] = entry
	go func() {
		entry.hash, entry.err = snapshot.Hash()
		close(entry.done)
	}()
}

// get waits for the hash of a checkpoint that was applied.
func (h *stateHashes) get(ctx context.Context, index uint64) (string, error) {
	h.mu.Lock()
	entry := h.byIndex[index]
	h.mu.Unlock()
	if entry == nil {
		return "", registry.Errorf(registry.CodeCompacted, registry.Fields{},
			"the checkpoint at log index %d is not kept here: verify the state again", index)
	}
	select {
	case <-entry.done:
		return entry.hash, entry.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
