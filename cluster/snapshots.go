package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/fsm"
)

const (
	// snapshotFolder is where raft's store keeps snapshots; a folder in it that
	// ends in unfinishedSuffix is one that was being written.
	snapshotFolder   = "snapshots"
	unfinishedSuffix = ".tmp"
	// snapshotsKept is how many snapshots stay on the disk.
	snapshotsKept = 2
)

// snapshotStore is raft's store of snapshots with three additions. It knows
// which snapshots cannot be read and hides them from raft, which would send
// them to others and fall back silently to an older one at start. It lets raft
// see exactly one snapshot while a node starts, the one that was verified. And
// it verifies a snapshot from another node before it takes the place of one
// that can be read.
type snapshotStore struct {
	files *raft.FileSnapshotStore
	// all lists the same folder without the bound on what is kept.
	all *raft.FileSnapshotStore
	dir string

	mu         sync.Mutex
	unreadable map[string]bool
	// starting is set while raft starts, which may see the snapshot startFrom
	// only, none if that is empty.
	starting  bool
	startFrom string
}

var _ raft.SnapshotStore = (*snapshotStore)(nil)

func openSnapshots(dir string) (*snapshotStore, error) {
	files, err := raft.NewFileSnapshotStoreWithLogger(dir, snapshotsKept, hclog.NewNullLogger())
	if err != nil {
		return nil, err
	}
	all, err := raft.NewFileSnapshotStoreWithLogger(dir, 1<<20, hclog.NewNullLogger())
	if err != nil {
		return nil, err
	}
	return &snapshotStore{files: files, all: all, dir: filepath.Join(dir, snapshotFolder), unreadable: make(map[string]bool)}, nil
}

// List implements raft.SnapshotStore: the snapshots that raft may use, the
// newest first.
func (s *snapshotStore) List() ([]*raft.SnapshotMeta, error) {
	metas, err := s.all.List()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	metas = slices.DeleteFunc(metas, func(meta *raft.SnapshotMeta) bool {
		return s.unreadable[meta.ID] || s.starting && meta.ID != s.startFrom
	})
	return metas[:min(len(metas), snapshotsKept)], nil
}

// Open implements raft.SnapshotStore. It reads the whole file once to compare
// raft's checksum. What it returns tells its size.
func (s *snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, file, err := s.files.Open(id)
	if err != nil {
		return nil, nil, err
	}
	return meta, sizedFile{file, meta.Size}, nil
}

// sizedFile is an open snapshot.
type sizedFile struct {
	io.ReadCloser
	size int64
}

// sizeOf returns how long a snapshot is that raft hands out, 0 if unknown.
func sizeOf(r io.Reader) int64 {
	if wrapper, ok := r.(raft.ReadCloserWrapper); ok {
		r = wrapper.WrappedReadCloser()
	}
	if file, ok := r.(sizedFile); ok {
		return file.size
	}
	return 0
}

// Create implements raft.SnapshotStore.
func (s *snapshotStore) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, transport raft.Transport) (raft.SnapshotSink, error) {
	sink, err := s.files.Create(version, index, term, configuration, configurationIndex, transport)
	if err != nil {
		return nil, err
	}
	return &snapshotSink{SnapshotSink: sink, dir: s.path(sink.ID()) + unfinishedSuffix}, nil
}

// verify reads a snapshot through: raft's checksum of the file, and the frames.
// slow is put around the reading of the frames.
func (s *snapshotStore) verify(id string, slow func(io.Reader, int64) io.Reader) error {
	meta, file, err := s.Open(id)
	if err != nil {
		return err
	}
	defer file.Close()
	if file, ok := file.(sizedFile); ok && file.size == 0 {
		return errors.New("it is empty")
	}
	return fsm.VerifySnapshot(slow(file, meta.Size))
}

// keptSnapshot is a snapshot in the folder, whether it can be read or not.
type keptSnapshot struct {
	id          string
	term, index uint64
	// damage is why raft does not even list it.
	damage error
}

func (s *snapshotStore) path(id string) string { return filepath.Join(s.dir, id) }

// kept returns all snapshots of the folder, the newest first. Raft skips those
// whose description it cannot read, and would start as if they had never been.
func (s *snapshotStore) kept() ([]keptSnapshot, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	metas, err := s.all.List()
	if err != nil {
		return nil, err
	}
	var kept []keptSnapshot
	for _, entry := range entries {
		if !entry.IsDir() || strings.HasSuffix(entry.Name(), unfinishedSuffix) {
			continue
		}
		at := slices.IndexFunc(metas, func(meta *raft.SnapshotMeta) bool { return meta.ID == entry.Name() })
		if at >= 0 {
			kept = append(kept, keptSnapshot{id: metas[at].ID, term: metas[at].Term, index: metas[at].Index})
			continue
		}
		term, index, ok := numbersInName(entry.Name())
		if !ok {
			continue
		}
		kept = append(kept, keptSnapshot{id: entry.Name(), term: term, index: index, damage: errors.New("its meta.json cannot be read")})
	}
	slices.SortFunc(kept, newerFirst)
	return kept, nil
}

// numbersInName reads the term and the index out of the name that raft gives
// to a snapshot, "term-index-milliseconds".
func numbersInName(name string) (term, index uint64, ok bool) {
	parts := strings.Split(name, "-")
	if len(parts) != 3 {
		return 0, 0, false
	}
	term, errTerm := strconv.ParseUint(parts[0], 10, 64)
	index, errIndex := strconv.ParseUint(parts[1], 10, 64)
	return term, index, errTerm == nil && errIndex == nil
}

// removeUnfinished removes what a crash left of snapshots that were being
// written. Raft ignores them and never removes them. Nobody may be writing.
func (s *snapshotStore) removeUnfinished() (removed []string, err error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), unfinishedSuffix) {
			continue
		}
		if err := os.RemoveAll(s.path(entry.Name())); err != nil {
			return removed, err
		}
		removed = append(removed, entry.Name())
	}
	return removed, nil
}

// newest is the id of the newest snapshot that raft may use, "" without any.
func (s *snapshotStore) newest() string {
	metas, err := s.List()
	if err != nil || len(metas) == 0 {
		return ""
	}
	return metas[0].ID
}

// outdated tells whether raft has as many newer snapshots as it keeps. It has
// removed such a one or is about to, file by file.
func (s *snapshotStore) outdated(snapshot keptSnapshot) bool {
	metas, err := s.all.List()
	if err != nil {
		return false
	}
	newer := 0
	for _, meta := range metas {
		if newerFirst(keptSnapshot{id: meta.ID, term: meta.Term, index: meta.Index}, snapshot) < 0 {
			newer++
		}
	}
	return newer >= snapshotsKept
}

// newerFirst is the order in which raft looks at snapshots.
func newerFirst(a, b keptSnapshot) int {
	return cmp.Or(cmp.Compare(b.term, a.term), cmp.Compare(b.index, a.index), cmp.Compare(b.id, a.id))
}

// hide keeps a snapshot from raft, and tells whether that is new.
func (s *snapshotStore) hide(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unreadable[id] {
		return false
	}
	s.unreadable[id] = true
	return true
}

// show undoes hide: a disk may fail to read once.
func (s *snapshotStore) show(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unreadable, id)
}

// startOnlyFrom lets raft see one snapshot only, or none, until anyFrom.
func (s *snapshotStore) startOnlyFrom(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting, s.startFrom = true, id
}

func (s *snapshotStore) anyFrom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting = false
}

// snapshotSink is a snapshot that is being written, by this node's own state
// machine or from what another node sends. What another node sends is verified
// on its way: raft closes the sink, which removes an older snapshot, before it
// finds out whether the new one can be restored.
type snapshotSink struct {
	raft.SnapshotSink
	// dir is the folder that it is written in.
	dir string
	// own is set when this node writes its own state.
	own bool
	// pipe leads to the verification, whose result comes through verified.
	pipe     *io.PipeWriter
	verified chan error
	closed   bool
	// ended is set when raft's sink was told to keep it, or to drop it.
	ended bool
}

// Write implements io.Writer.
func (s *snapshotSink) Write(p []byte) (n int, err error) {
	if s.own {
		return s.SnapshotSink.Write(p)
	}
	if s.pipe == nil {
		failpoint("snapshot.install.begin")
		s.beginVerification()
		if failpoints {
			if n, err = s.SnapshotSink.Write(p[:len(p)/2]); err != nil {
				return n, err
			}
			failpoint("snapshot.install.middle")
		}
	}
	rest, err := s.SnapshotSink.Write(p[n:])
	if n += rest; err != nil {
		return n, err
	}
	if _, err := s.pipe.Write(p); err != nil {
		return n, fmt.Errorf("the snapshot that was sent to this node cannot be read: %w", err)
	}
	return n, nil
}

func (s *snapshotSink) beginVerification() {
	read, write := io.Pipe()
	s.pipe, s.verified = write, make(chan error, 1)
	go func() {
		err := fsm.VerifySnapshot(read)
		read.CloseWithError(err)
		s.verified <- err
	}()
}

// Close implements io.Closer: from here on the snapshot is kept.
func (s *snapshotSink) Close() error {
	if s.own || s.closed {
		return s.keep()
	}
	s.closed = true
	if s.pipe == nil {
		s.beginVerification()
	}
	s.pipe.Close()
	if err := <-s.verified; err != nil {
		return errors.Join(fmt.Errorf("the snapshot that was sent to this node cannot be read: %w", err), s.SnapshotSink.Cancel())
	}
	return s.keep()
}

// keep closes raft's sink. That syncs the files and the name of their folder, but
// not their own names in it, with which the log behind would be gone.
func (s *snapshotSink) keep() error {
	if s.ended {
		return s.SnapshotSink.Close()
	}
	s.ended = true
	if err := syncFolder(s.dir); err != nil {
		return errors.Join(err, s.SnapshotSink.Cancel())
	}
	return s.SnapshotSink.Close()
}

// Cancel implements raft.SnapshotSink.
func (s *snapshotSink) Cancel() error {
	s.ended = true
	if s.pipe != nil && !s.closed {
		s.closed = true
		s.pipe.CloseWithError(errors.New("cancelled"))
		<-s.verified
	}
	return s.SnapshotSink.Cancel()
}
