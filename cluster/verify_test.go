package cluster

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestASnapshotThatRotsWhileTheNodeRunsIsReplaced(t *testing.T) {
	f := newFolder(t, 1)
	n := f.starts()
	spoil(t, f.path(0, "state.bin"))
	f.eventually("an alarm is raised", func() bool { return alarms(n, watchdogSnapshot) == 1 })
	f.eventually("raft has a new snapshot to start from", func() bool {
		metas, err := n.config.Storage.snapshots.List()
		return err == nil && len(metas) > 0 && metas[0].ID != f.snapshots[0].id && metas[0].Index > f.snapshots[0].index
	})
	metas, err := n.config.Storage.snapshots.List()
	if err != nil || slices.ContainsFunc(metas, func(meta *raft.SnapshotMeta) bool { return meta.ID == f.snapshots[0].id }) {
		t.Errorf("raft may still send or start from the bad one: %v, %v", metas, err)
	}
	gauge := func() float64 { return testutil.ToFloat64(n.metrics.corruptSnapshots) }
	f.eventually("the metric shows the one that is still there", func() bool { return gauge() == 1 })
	n.verifySnapshots("")
	mustRegister(t, n, "later")
	if err := n.TakeSnapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.eventually("the metric is back when its place was taken", func() bool { return gauge() == 0 })
	if alarms(n, watchdogSnapshot) != 1 {
		t.Error("one bad snapshot raised more than one alarm")
	}
	f.stop("n1")
	f.starts()
}

// TestASnapshotThatIsBeingRemovedRaisesNoAlarm looks at one that raft has half
// removed, as newer ones took its place.
func TestASnapshotThatIsBeingRemovedRaisesNoAlarm(t *testing.T) {
	for _, file := range []string{"state.bin", "meta.json"} {
		f := newFolder(t, 1)
		n := f.starts()
		reaped := f.snapshots[1]
		mustRegister(t, n, "later")
		if err := n.TakeSnapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		store := n.config.Storage.snapshots
		for _, left := range []string{"state.bin", "meta.json"} {
			if left == file {
				continue
			}
			if err := os.MkdirAll(store.path(reaped.id), 0o750); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(store.path(f.snapshots[0].id), left))
			if err != nil {
				t.Fatal(err)
			}
			data = bytes.ReplaceAll(data, []byte(f.snapshots[0].id), []byte(reaped.id))
			data = bytes.ReplaceAll(data, fmt.Appendf(nil, `"Index":%d`, f.snapshots[0].index), fmt.Appendf(nil, `"Index":%d`, reaped.index))
			if err := os.WriteFile(filepath.Join(store.path(reaped.id), left), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, needed := n.verifySnapshots(""); needed || alarms(n, watchdogSnapshot) != 0 {
			t.Errorf("without its %s, a snapshot that is being removed raised an alarm", file)
		}
		f.stop("n1")
	}
}

// spoilingTransport flips a bit in every snapshot that it sends, until it is
// told to stop.
type spoilingTransport struct {
	*raft.InmemTransport
	mended  chan struct{}
	refused chan error
}

type spoilingReader struct {
	io.Reader
	left int64
}

func (r *spoilingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.left >= 0 && r.left < int64(n) {
		p[r.left] ^= 1
	}
	r.left -= int64(n)
	return n, err
}

func (s spoilingTransport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	select {
	case <-s.mended:
	default:
		data = &spoilingReader{data, args.Size / 2}
	}
	err := s.InmemTransport.InstallSnapshot(id, target, args, resp, data)
	select {
	case s.refused <- err:
	default:
	}
	return err
}

// TestASpoiltTransferTakesTheReadableSnapshotsOfNobody sends a follower more
// spoilt snapshots than it keeps.
func TestASpoiltTransferTakesTheReadableSnapshotsOfNobody(t *testing.T) {
	mended, refused := make(chan struct{}), make(chan error, 100)
	c := newTestCluster(t, 3, func(config *Config) {
		config.TrailingLogs = 1
		config.Transport = spoilingTransport{InmemTransport: config.Transport.(*raft.InmemTransport), mended: mended, refused: refused}
	})
	leader := c.leader()
	follower := c.others(leader)[0]
	mustRegister(t, leader, "a")
	c.eventually("the follower has it", func() bool { return follower.replica.applied.Load() >= leader.replica.applied.Load() })
	if err := follower.TakeSnapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept, err := follower.config.Storage.snapshots.kept()
	if err != nil || len(kept) != 1 {
		t.Fatalf("%d snapshots (%v), want 1", len(kept), err)
	}
	id := follower.config.ID
	c.stop(id)
	for _, process := range []string{"b", "c", "d"} {
		mustRegister(t, leader, process)
	}
	if err := leader.TakeSnapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	follower = c.start(id, c.peers)
	for range snapshotsKept + 1 {
		if err := <-refused; err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Fatalf("a spoilt snapshot was answered with %v", err)
		}
	}
	now, err := follower.config.Storage.snapshots.kept()
	if err != nil || len(now) == 0 || now[len(now)-1].id != kept[0].id {
		t.Fatalf("the follower keeps %v (%v), want its own snapshot %s", now, err, kept[0].id)
	}
	close(mended)
	c.eventually("the follower has caught up", func() bool {
		return follower.replica.applied.Load() >= leader.replica.applied.Load()
	})
	report, err := leader.VerifyState(t.Context())
	if err != nil || !report.Agree {
		t.Fatalf("replicas differ: %+v, %v", report, err)
	}
}
