package cluster

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/klauspost/compress/zstd"
)

// folder is the data folder of one node that wrote a snapshot, another one three
// processes later, and then registered three more.
type folder struct {
	*testCluster
	// snapshots are the two, the newest first.
	snapshots []keptSnapshot
}

// registered are the processes of a folder. Snapshots are taken at c and f.
var registered = []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}

// newFolder makes a folder whose log keeps so many entries behind a snapshot.
func newFolder(t *testing.T, trailing uint64) *folder {
	t.Helper()
	f := &folder{testCluster: newTestCluster(t, 1, func(config *Config) {
		config.TrailingLogs = trailing
		config.SnapshotVerifyInterval = 20 * time.Millisecond
	})}
	n := f.leader()
	for _, id := range registered {
		mustRegister(t, n, id)
		if id != "c" && id != "f" {
			continue
		}
		if err := n.TakeSnapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := n.config.Storage.snapshots.kept()
	if err != nil || len(kept) != 2 {
		t.Fatalf("%d snapshots (%v), want 2", len(kept), err)
	}
	f.snapshots = kept
	f.stop("n1")
	return f
}

func (f *folder) path(i int, file string) string {
	return filepath.Join(f.dir, "n1", snapshotFolder, f.snapshots[i].id, file)
}

// spoil flips a bit in the middle of a file.
func spoil(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// truncate empties a file.
func truncate(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
}

// cutLog removes a range of the log; to 0 means to its end.
func (f *folder) cutLog(from, to uint64) {
	f.t.Helper()
	storage, err := OpenStorage(filepath.Join(f.dir, "n1"), "n1")
	if err != nil {
		f.t.Fatal(err)
	}
	defer storage.Close()
	if to == 0 {
		if to, err = storage.LogStore.LastIndex(); err != nil {
			f.t.Fatal(err)
		}
	}
	if err := storage.LogStore.DeleteRange(from, to); err != nil {
		f.t.Fatal(err)
	}
}

// starts checks that the node starts with everything that was registered.
func (f *folder) starts() *Node {
	f.t.Helper()
	n, err := f.open("n1", f.peers)
	if err != nil {
		f.t.Fatalf("the node does not start: %v", err)
	}
	f.leader()
	for _, id := range registered {
		if _, err := n.GetProcess(f.t.Context(), id); err != nil {
			f.t.Errorf("process %s: %v", id, err)
		}
	}
	return n
}

// refuses checks that the node does not start, and says what it should.
func (f *folder) refuses(texts ...string) {
	f.t.Helper()
	before := f.listing()
	_, err := f.open("n1", f.peers)
	if err == nil {
		f.t.Fatal("the node starts although entries are missing")
	}
	for _, text := range append(texts, "remove n1 from the cluster") {
		if !strings.Contains(err.Error(), text) {
			f.t.Errorf("it does not say %q: %v", text, err)
		}
	}
	if after := f.listing(); after != before {
		f.t.Errorf("the folder changed from\n%s\nto\n%s", before, after)
	}
}

// listing shows the snapshots of the folder, sizes included.
func (f *folder) listing() string {
	var out strings.Builder
	err := filepath.WalkDir(filepath.Join(f.dir, "n1", snapshotFolder), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		fmt.Fprintln(&out, path, info.Size())
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return out.String()
}

func TestANodeStartsAsLongAsEverythingCanBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, f *folder)
		bad   float64
	}{
		"nothing is spoilt":              {func(*testing.T, *folder) {}, 0},
		"the newest snapshot rots":       {func(t *testing.T, f *folder) { spoil(t, f.path(0, "state.bin")) }, 1},
		"the newest snapshot is gone":    {func(t *testing.T, f *folder) { os.Remove(f.path(0, "state.bin")) }, 1},
		"the newest snapshot is empty":   {func(t *testing.T, f *folder) { truncate(t, f.path(0, "state.bin")) }, 1},
		"its description cannot be read": {func(t *testing.T, f *folder) { truncate(t, f.path(0, "meta.json")) }, 1},
		"both snapshots rot": {func(t *testing.T, f *folder) {
			spoil(t, f.path(0, "state.bin"))
			spoil(t, f.path(1, "state.bin"))
		}, 2},
		"the older snapshot rots": {func(t *testing.T, f *folder) { spoil(t, f.path(1, "state.bin")) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t, 1000)
			c.spoil(t, f)
			n := f.starts()
			f.eventually("every bad snapshot raised an alarm", func() bool { return alarms(n, watchdogSnapshot) == c.bad })
			if c.bad == 0 {
				return
			}
			f.eventually("a new snapshot was taken", func() bool {
				metas, err := n.config.Storage.snapshots.List()
				return err == nil && len(metas) > 0 && metas[0].ID != f.snapshots[0].id && metas[0].ID != f.snapshots[1].id
			})
			f.stop("n1")
			f.starts()
		})
	}
}

func TestANodeWithAGapRefusesToStart(t *testing.T) {
	t.Run("the log begins behind the snapshot that can be read", func(t *testing.T) {
		f := newFolder(t, 1)
		spoil(t, f.path(0, "state.bin"))
		f.refuses(f.snapshots[0].id, "CRC mismatch", f.snapshots[1].id, fmt.Sprintf("entry %d of its log", f.snapshots[1].index+1))
	})
	t.Run("the description of the newest snapshot cannot be read", func(t *testing.T) {
		f := newFolder(t, 1)
		truncate(t, f.path(0, "meta.json"))
		f.refuses(f.snapshots[0].id, "meta.json cannot be read")
	})
	t.Run("no snapshot can be read and the log is compacted", func(t *testing.T) {
		f := newFolder(t, 1)
		spoil(t, f.path(0, "state.bin"))
		spoil(t, f.path(1, "state.bin"))
		f.refuses(f.snapshots[0].id, f.snapshots[1].id, "entry 1 of its log")
	})
	t.Run("no description can be read and the log is empty", func(t *testing.T) {
		// Raft would start with nothing at all.
		f := newFolder(t, 1)
		truncate(t, f.path(0, "meta.json"))
		truncate(t, f.path(1, "meta.json"))
		f.cutLog(1, 0)
		f.refuses("holds no entries")
	})
	t.Run("the log ends before the snapshot that cannot be read", func(t *testing.T) {
		// Raft would start from the older one without what was in between.
		f := newFolder(t, 1000)
		spoil(t, f.path(0, "state.bin"))
		f.cutLog(f.snapshots[1].index+1, 0)
		f.refuses(f.snapshots[0].id, fmt.Sprintf("entry %d of its log", f.snapshots[1].index+1))
	})
	t.Run("the log has a hole", func(t *testing.T) {
		f := newFolder(t, 1000)
		spoil(t, f.path(0, "state.bin"))
		f.cutLog(f.snapshots[0].index, f.snapshots[0].index)
		f.refuses(fmt.Sprintf("entry %d of its log", f.snapshots[0].index))
	})
	t.Run("the log has a hole behind a snapshot that can be read", func(t *testing.T) {
		f := newFolder(t, 1000)
		f.cutLog(f.snapshots[0].index+1, f.snapshots[0].index+1)
		f.refuses(fmt.Sprintf("entry %d of its log", f.snapshots[0].index+1))
	})
	t.Run("the snapshots are gone and the log is compacted", func(t *testing.T) {
		f := newFolder(t, 1)
		if err := os.RemoveAll(filepath.Join(f.dir, "n1", snapshotFolder)); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(f.dir, "n1", snapshotFolder), 0o750); err != nil {
			t.Fatal(err)
		}
		f.refuses("entry 1 of its log")
	})
	t.Run("the log file is empty", func(t *testing.T) {
		f := newFolder(t, 1000)
		truncate(t, filepath.Join(f.dir, "n1", logFile))
		if _, err := f.open("n1", f.peers); err == nil || !strings.Contains(err.Error(), "lost its log") {
			t.Fatalf("%v, want a refusal", err)
		}
	})
}

func TestASnapshotOfALaterVersionIsNotTakenForARottenOne(t *testing.T) {
	f := newFolder(t, 1)
	for i := range f.snapshots {
		rewrite(t, f, i, func(state []byte) []byte { state[7] = 9; return state })
	}
	f.refuses("version 9, this program reads 1", "run a version of this program that reads it")
}

// TestRaftDoesNotFallBackByItself gives a node a snapshot that is whole, and
// that the state machine refuses all the same.
func TestRaftDoesNotFallBackByItself(t *testing.T) {
	f := newFolder(t, 1000)
	rewrite(t, f, 0, func(state []byte) []byte { return repeatLastFrame(t, state) })
	if _, err := f.open("n1", f.peers); err == nil || !strings.Contains(err.Error(), "comes twice") {
		t.Fatalf("%v, want a refusal that says what is wrong with the newest snapshot", err)
	}
}

// repeatLastFrame makes a snapshot that has its last process twice.
func repeatLastFrame(t *testing.T, state []byte) []byte {
	t.Helper()
	decompressor, err := zstd.NewReader(bytes.NewReader(state[8:]))
	if err != nil {
		t.Fatal(err)
	}
	defer decompressor.Close()
	frames, err := io.ReadAll(decompressor)
	if err != nil {
		t.Fatal(err)
	}
	const headerBytes, endBytes = 5, 12
	last, count := 0, uint64(0)
	end := len(frames) - headerBytes - endBytes
	for at := 0; at < end; at += headerBytes + int(binary.BigEndian.Uint32(frames[at+1:])) {
		last = at
		count++
	}
	frames = append(frames[:end:end], frames[last:end]...)
	crc := crc32.Checksum(frames, crc32.MakeTable(crc32.Castagnoli))
	frames = append(frames, 255, 0, 0, 0, endBytes)
	frames = binary.BigEndian.AppendUint64(frames, count+1)
	frames = binary.BigEndian.AppendUint32(frames, crc)
	file := bytes.NewBuffer(bytes.Clone(state[:8]))
	compressor, err := zstd.NewWriter(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := compressor.Write(frames); err != nil {
		t.Fatal(err)
	}
	if err := compressor.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// rewrite changes a snapshot in a way that raft's own checksum does not show.
func rewrite(t *testing.T, f *folder, i int, change func(state []byte) []byte) {
	t.Helper()
	state, err := os.ReadFile(f.path(i, "state.bin"))
	if err != nil {
		t.Fatal(err)
	}
	state = change(state)
	store, err := openSnapshots(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sink, err := store.files.Create(1, f.snapshots[i].index, f.snapshots[i].term, raft.Configuration{}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Write(state); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"state.bin", "meta.json"} {
		data, err := os.ReadFile(filepath.Join(store.dir, sink.ID(), file))
		if err != nil {
			t.Fatal(err)
		}
		data = []byte(strings.ReplaceAll(string(data), sink.ID(), f.snapshots[i].id))
		if err := os.WriteFile(f.path(i, file), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUnfinishedSnapshotsAreRemovedAtTheStart(t *testing.T) {
	f := newFolder(t, 1)
	leftover := filepath.Join(f.dir, "n1", snapshotFolder, "7-99-1700000000000"+unfinishedSuffix)
	if err := os.MkdirAll(leftover, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(leftover, "state.bin"), []byte("HFSNAP"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := f.starts()
	if _, err := os.Stat(leftover); !os.IsNotExist(err) {
		t.Errorf("the leftover is still there (%v)", err)
	}
	if alarms(n, watchdogSnapshot) != 0 {
		t.Error("a leftover raised an alarm")
	}
}
