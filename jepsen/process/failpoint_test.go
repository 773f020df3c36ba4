package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/registry"
)

const (
	// The thresholds of the nodes, which make snapshots and their transfer
	// frequent.
	snapshotEntries = 60
	trailingLogs    = 20
	// writers append at the same time, each to a process of its own.
	writers = 3
	// patience bounds every wait for something that must happen.
	patience = 40 * time.Second
)

// binary is the program with the named points.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "holdfast-process-")
		if err == nil {
			defer os.RemoveAll(dir)
			binary, err = process.Build(context.Background(), dir, "failpoints")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// crash is a named point, and who is to pass it.
type crash struct {
	point string
	// leader kills the leader, else a follower.
	leader bool
	// install has the follower miss so much that it gets a snapshot.
	install bool
}

var crashes = []crash{
	{point: "snapshot.write.begin", leader: true},
	{point: "snapshot.write.middle"},
	{point: "snapshot.write.before_close", leader: true},
	{point: "snapshot.write.after_close"},
	{point: "snapshot.install.begin", install: true},
	{point: "snapshot.install.middle", install: true},
	{point: "snapshot.install.before_swap", install: true},
	{point: "snapshot.install.after", install: true},
	{point: "propose.before", leader: true},
	{point: "log.append.before", leader: true},
	{point: "log.append.after", leader: true},
	{point: "log.append.before"},
	{point: "log.append.after"},
}

// TestACrashAtEveryStepOfSnapshotsAndLogLosesNothing kills nodes of one cluster
// at one named point after the other, while writers go on.
func TestACrashAtEveryStepOfSnapshotsAndLogLosesNothing(t *testing.T) {
	nodetest.Exclusive(t)
	s := newCrashSite(t)
	for _, c := range crashes {
		who := "a follower"
		if c.leader {
			who = "the leader"
		}
		if !t.Run(fmt.Sprintf("%s kills %s", c.point, who), func(t *testing.T) { s.crash(t, c) }) {
			return
		}
	}
}

// crashSite is a cluster of armed nodes with writers.
type crashSite struct {
	dir     string
	cluster *process.Cluster
	client  *client.Client

	mu sync.Mutex
	// acked are the acknowledged payloads of each process, in their order.
	acked map[string][]string
	// token is the last fencing token that was granted.
	token uint64
	wrong []error
}

func newCrashSite(t *testing.T) *crashSite {
	s := &crashSite{dir: t.TempDir(), acked: make(map[string][]string)}
	var err error
	s.cluster, err = process.NewCluster(process.Options{Binary: binary, Dir: s.dir, Env: func(id string) []string {
		return []string{
			"HOLDFAST_FAILPOINT_FILE=" + s.pointFile(id),
			fmt.Sprintf("HOLDFAST_SNAPSHOT_ENTRIES=%d", snapshotEntries),
			fmt.Sprintf("HOLDFAST_TRAILING_LOGS=%d", trailingLogs),
			"HOLDFAST_SNAPSHOT_INTERVAL=50ms",
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.cluster.Close(); err != nil {
			t.Error(err)
		}
		for i := range s.cluster.Len() {
			if log, err := os.ReadFile(s.cluster.Node(i).LogPath()); err == nil && t.Failed() {
				t.Logf("log of %s:\n%s", s.cluster.Node(i).ID, log)
			}
		}
	})
	if s.client, err = client.Dial(s.cluster.Addrs(), client.WithAttemptTimeout(2*time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.client.Close() })
	if err := errors.Join(s.cluster.Start(), s.cluster.AwaitReady(t.Context())); err != nil {
		t.Fatal(err)
	}
	s.write(t)
	return s
}

func (s *crashSite) pointFile(id string) string { return filepath.Join(s.dir, id+".failpoint") }

// arm arms a point of a node; "" disarms it.
func (s *crashSite) arm(t *testing.T, id, point string) {
	t.Helper()
	// Renamed into place, as the node may read it at any time.
	if err := os.WriteFile(s.pointFile(id)+".new", []byte(point), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.pointFile(id)+".new", s.pointFile(id)); err != nil {
		t.Fatal(err)
	}
}

// write starts the writers, which go on until the test ends.
func (s *crashSite) write(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		running.Wait()
		for _, err := range s.wrong {
			t.Error(err)
		}
	})
	for i := range writers {
		id := fmt.Sprintf("p%d", i)
		if _, err := s.client.RegisterProcess(ctx, note(id)); err != nil {
			t.Fatal(err)
		}
		running.Go(func() { s.writer(ctx, id) })
	}
}

// writer appends to a process, and takes and gives back its lease. What fails
// is left: only what was acknowledged must last.
func (s *crashSite) writer(ctx context.Context, id string) {
	owner := registry.LeaseOwnerIdentity{OwnerID: "w", IncarnationID: "1"}
	for n := 0; ctx.Err() == nil; n++ {
		payload := fmt.Sprintf(`{"n":%d,"pad":"%x"}`, n, bytes.Repeat([]byte{byte(n), byte(n >> 8), 7}, 100))
		_, err := s.client.AppendEvent(ctx, id, registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON(payload)}, nil)
		if err == nil {
			s.mu.Lock()
			s.acked[id] = append(s.acked[id], payload)
			s.mu.Unlock()
		}
		if n%5 > 0 || id != "p0" {
			continue
		}
		// One writer claims, so that grants come one after the other.
		claim, err := s.client.ClaimProcessLease(ctx, id, owner, 60_000)
		if err != nil || claim.Acquired == nil {
			continue
		}
		s.granted(claim.Acquired.FencingToken)
		_ = s.client.CompleteProcessLease(ctx, registry.ProcessLeaseCompletion{ProcessID: id, LeaseToken: claim.Acquired.LeaseToken})
	}
}

// granted notes a token. A release may have been lost, and then the same lease
// is answered again.
func (s *crashSite) granted(token uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token < s.token {
		s.wrong = append(s.wrong, fmt.Errorf("fencing token %d was granted after %d", token, s.token))
	}
	s.token = max(s.token, token)
}

// writes is how many appends were acknowledged.
func (s *crashSite) writes() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, payloads := range s.acked {
		n += len(payloads)
	}
	return n
}

// crash lets one node crash at a point, starts it again and checks everything.
func (s *crashSite) crash(t *testing.T, c crash) {
	victim, err := s.cluster.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !c.leader {
		victim = (victim + 1) % s.cluster.Len()
	}
	n := s.cluster.Node(victim)
	if c.install {
		s.leaveBehind(t, victim)
	}
	s.arm(t, n.ID, c.point)
	if c.install {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := n.AwaitCrash(ctx); err != nil {
		t.Fatalf("%s was not passed: %v", c.point, err)
	}
	log, err := os.ReadFile(n.LogPath())
	if err != nil || !bytes.HasSuffix(bytes.TrimSpace(log), []byte("failpoint "+c.point+": this process kills itself")) {
		t.Fatalf("%s ended in another way (%v)", n.ID, err)
	}
	s.arm(t, n.ID, "")
	before := s.writes()
	if err := errors.Join(n.Start(), n.AwaitReady(ctx)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "writes go on", func() error {
		if now := s.writes(); now < before+10 {
			return fmt.Errorf("%d writes were acknowledged since the crash", now-before)
		}
		return nil
	})
	s.verify(t)
}

// leaveBehind stops a node until the others have compacted the log that it
// would need.
func (s *crashSite) leaveBehind(t *testing.T, victim int) {
	t.Helper()
	id := s.cluster.Node(victim).ID
	if err := s.cluster.Node(victim).Kill(); err != nil {
		t.Fatal(err)
	}
	behind := uint64(0)
	eventually(t, "the others compacted their logs", func() error {
		status, err := s.client.ClusterStatus(t.Context())
		if err != nil {
			return err
		}
		for _, m := range status.Members {
			if behind == 0 {
				behind = max(behind, m.LastLogIndex)
			}
		}
		for _, m := range status.Members {
			if m.ID != id && m.SnapshotIndex <= behind+2*trailingLogs {
				return fmt.Errorf("the snapshot of %s is at %d, the stopped node at about %d", m.ID, m.SnapshotIndex, behind)
			}
		}
		return nil
	})
}

// verify checks that everything acknowledged is there, in its order, and that
// all replicas have the same state.
func (s *crashSite) verify(t *testing.T) {
	t.Helper()
	acked := make(map[string][]string)
	s.mu.Lock()
	for id, payloads := range s.acked {
		acked[id] = payloads
	}
	s.mu.Unlock()
	for id, payloads := range acked {
		next := 0
		for event, err := range s.client.AllEvents(t.Context(), id, 0) {
			if err != nil {
				t.Fatalf("events of %s: %v", id, err)
			}
			if next < len(payloads) && string(event.Payload) == payloads[next] {
				next++
			}
		}
		if next < len(payloads) {
			t.Errorf("process %s: acknowledged append %d of %d is not there: %.40s", id, next+1, len(payloads), payloads[next])
		}
	}
	eventually(t, "the replicas agree", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		report, err := s.client.VerifyState(ctx)
		if err != nil {
			return err
		}
		hashes := make(map[string]bool)
		for _, m := range report.Members {
			if m.Error != "" {
				return fmt.Errorf("%s: %s", m.ID, m.Error)
			}
			hashes[m.Hash] = true
		}
		if len(hashes) != 1 || len(report.Members) != s.cluster.Len() {
			t.Fatalf("the replicas differ at entry %d: %+v", report.Index, report.Members)
		}
		return nil
	})
}

// eventually repeats an attempt until it succeeds: during an election calls are
// refused.
func eventually(t *testing.T, what string, attempt func() error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(25 * time.Millisecond)
	defer again.Stop()
	for {
		err := attempt()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("gave up waiting until %s: %v", what, err)
		}
	}
}
