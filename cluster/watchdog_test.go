package cluster

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/holdfast-registry/holdfast/registry"
)

// alarms returns how often a watchdog of a node has barked.
func alarms(n *Node, watchdog string) float64 {
	return testutil.ToFloat64(n.metrics.alarms.WithLabelValues(watchdog))
}

// mustBeFatal waits for a node to report that it cannot go on.
func mustBeFatal(c *testCluster, text string) {
	c.t.Helper()
	select {
	case err := <-c.fatals:
		if !strings.Contains(err.Error(), text) {
			c.t.Fatalf("fatal %q, want one that says %q", err, text)
		}
	case <-time.After(patience):
		c.t.Fatalf("nothing fatal was reported, want %q", text)
	}
}

func TestAnAppendThatHangsIsFatal(t *testing.T) {
	stores := make(map[string]*blockingStore)
	c := newTestCluster(t, 1, func(config *Config) {
		stores[config.ID] = &blockingStore{LogStore: config.Storage.LogStore, stuck: make(chan struct{}, 1)}
		config.Storage.LogStore = stores[config.ID]
		config.Limits.Append = 100 * time.Millisecond
	})
	leader := c.leader()
	t.Cleanup(stores["n1"].block())
	go leader.Propose(short(t), anyCommand)
	mustBeFatal(c, "append to the log store")
	if alarms(leader, watchdogAppend) != 1 {
		t.Error("the alarm was not counted")
	}
}

func TestATakeoverThatIsNotAppliedIsFatal(t *testing.T) {
	var unblock func()
	c := newTestCluster(t, 1, func(config *Config) {
		store := &blockingStore{LogStore: config.Storage.LogStore, stuck: make(chan struct{}, 1)}
		config.Storage.LogStore = store
		unblock = store.block()
	})
	t.Cleanup(unblock)
	mustBeFatal(c, "takeover")
	if n := c.node("n1"); alarms(n, watchdogTakeover) != 1 {
		t.Error("the alarm was not counted")
	}
}

func TestALeadershipTransferThatDoesNotEndIsFatal(t *testing.T) {
	c := newTestCluster(t, 1, nil)
	leader := c.leader()
	p := newProposer(leader, leader.reign.Load())
	p.watchTransfer(raft.ErrLeadershipTransferInProgress)
	p.watchTransfer(nil)
	p.refusing.elapsed = time.Hour
	p.watchTransfer(nil)
	p.watchTransfer(raft.ErrLeadershipTransferInProgress)
	if alarms(leader, watchdogTransfer) != 0 {
		t.Fatal("an alarm although writes went through in between")
	}
	p.refusing.elapsed = time.Hour
	p.watchTransfer(raft.ErrLeadershipTransferInProgress)
	mustBeFatal(c, "leadership transfer")
	if alarms(leader, watchdogTransfer) != 1 {
		t.Error("the alarm was not counted")
	}
}

func TestAStopwatchDoesNotCountTimeInWhichTheProcessStoodStill(t *testing.T) {
	s := stopwatch{step: 2 * time.Second}
	now := time.Now()
	for _, test := range []struct{ gap, want time.Duration }{
		{0, 0}, {time.Second, time.Second}, {time.Second, 2 * time.Second},
		{time.Hour, 4 * time.Second}, {time.Second, 5 * time.Second},
	} {
		now = now.Add(test.gap)
		if got := s.look(now); got != test.want {
			t.Fatalf("after a gap of %v: %v, want %v", test.gap, got, test.want)
		}
	}
	s.reset()
	if got := s.look(now.Add(time.Hour)); got != 0 {
		t.Fatalf("after a reset: %v", got)
	}
}

// snapshotRefuser fails every snapshot that is sent, so that raft sends it
// again and again.
type snapshotRefuser struct {
	*raft.InmemTransport
}

func (snapshotRefuser) InstallSnapshot(raft.ServerID, raft.ServerAddress, *raft.InstallSnapshotRequest, *raft.InstallSnapshotResponse, io.Reader) error {
	return errUnreachable
}

func TestSnapshotsSentAgainAndAgainRaiseAnAlarm(t *testing.T) {
	c := newTestCluster(t, 3, func(config *Config) {
		config.TrailingLogs = 1
		config.Transport = snapshotRefuser{config.Transport.(*raft.InmemTransport)}
	})
	leader := c.leader()
	follower := c.others(leader)[0].config.ID
	c.stop(follower)
	for _, id := range []string{"a", "b", "c"} {
		mustRegister(t, leader, id)
	}
	if err := leader.TakeSnapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.start(follower, c.peers)
	c.eventually("the alarm is raised", func() bool { return alarms(leader, watchdogInstall) > 0 })
	installs := testutil.ToFloat64(leader.metrics.installs.WithLabelValues(follower))
	if limit := float64(leader.config.Limits.Installs); installs <= limit {
		t.Errorf("an alarm after %v installs, the limit is %v", installs, limit)
	}
}

// fixedStatus answers every question about a node alike.
type fixedStatus struct{ status *registry.NodeStatus }

func (f fixedStatus) NodeStatus(context.Context, string, string) (registry.NodeStatus, error) {
	return *f.status, nil
}

func (fixedStatus) CurrentTerm(context.Context, string, string) (uint64, error) {
	return 0, errUnreachable
}

func (fixedStatus) StateHash(context.Context, string, string, uint64) (string, error) {
	return "", errUnreachable
}

func (fixedStatus) ReadIndex(context.Context, string, string) (uint64, error) {
	return 0, errUnreachable
}

func TestLagThatGrowsUnderHealthyHeartbeatsRaisesAnAlarm(t *testing.T) {
	c := newTestCluster(t, 1, func(config *Config) {
		config.Limits = Limits{LagGrowths: 3, LagEntries: 10, LagInterval: time.Hour}
	})
	leader := c.leader()
	server := raft.Server{ID: "n2", Address: "mem-n2"}
	status := registry.NodeStatus{AppliedIndex: 100}
	leader.config.Peers = fixedStatus{&status}
	lags := map[raft.ServerID]*peerLag{}
	measure := func(applied uint64) {
		leader.replica.applied.Store(applied)
		leader.measureLag(server, lags)
	}
	for _, applied := range []uint64{200, 300, 300, 400, 500} {
		measure(applied)
	}
	if alarms(leader, watchdogLag) != 0 {
		t.Fatal("an alarm although the lag stood still in between")
	}
	measure(600)
	if alarms(leader, watchdogLag) != 1 {
		t.Fatal("no alarm after the lag grew three times")
	}
	if lag := testutil.ToFloat64(leader.metrics.lag.WithLabelValues("n2")); lag != 500 {
		t.Errorf("the lag is shown as %v, want 500", lag)
	}
	status.LastContactMs = 60_000
	for _, applied := range []uint64{700, 800, 900, 1000, 1100} {
		measure(applied)
	}
	if alarms(leader, watchdogLag) != 1 {
		t.Error("an alarm for a peer that hears no heartbeats")
	}
}

func TestMuchAppendedAsksForASnapshot(t *testing.T) {
	c := newTestCluster(t, 1, func(config *Config) {
		config.Limits = Limits{LogBytes: 1000, Append: 10 * time.Second}
	})
	leader := c.leader()
	leader.log.bytes.Store(1 << 20)
	c.eventually("a snapshot is taken", func() bool {
		snapshots, err := leader.config.Storage.snapshots.List()
		return err == nil && len(snapshots) > 0
	})
	mustRegister(t, leader, "p")
	if leader.log.bytes.Load() == 0 {
		t.Error("appended bytes are not counted after a snapshot")
	}
}

func TestMetricsOfANode(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	leader := c.leader()
	mustRegister(t, leader, "p")
	owner := registry.LeaseOwnerIdentity{OwnerID: "w", IncarnationID: "1"}
	if _, err := leader.ClaimProcessLease(t.Context(), "p", owner, 60_000); err != nil {
		t.Fatal(err)
	}
	mustRegister(t, leader, "q")
	if _, err := leader.ClaimProcessLease(t.Context(), "q", owner, 0); err != nil {
		t.Fatal(err)
	}
	if problems, err := testutil.CollectAndLint(leader); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	want := `
# HELP holdfast_leases_expired Leases with a holder whose time is over.
# TYPE holdfast_leases_expired gauge
holdfast_leases_expired 1
# HELP holdfast_leases_live Leases with a holder whose time is not over.
# TYPE holdfast_leases_live gauge
holdfast_leases_live 1
# HELP holdfast_processes Processes in the state.
# TYPE holdfast_processes gauge
holdfast_processes 2
# HELP holdfast_raft_voters Voters in the latest configuration.
# TYPE holdfast_raft_voters gauge
holdfast_raft_voters 3
# HELP holdfast_serving Whether this node serves as leader: its takeover is applied.
# TYPE holdfast_serving gauge
holdfast_serving 1
# HELP holdfast_state_fencing_token The last fencing token that was granted.
# TYPE holdfast_state_fencing_token gauge
holdfast_state_fencing_token 2
`
	if err := testutil.CollectAndCompare(leader, strings.NewReader(want),
		"holdfast_leases_expired", "holdfast_leases_live", "holdfast_processes", "holdfast_raft_voters", "holdfast_serving", "holdfast_state_fencing_token"); err != nil {
		t.Error(err)
	}
}
