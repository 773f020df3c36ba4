package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

func TestAMembershipChangeInAnIdleClusterLeavesReadsAndSnapshotsWorking(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	leader := c.leader()
	c.start("n4", nil)
	if err := leader.AddMember(t.Context(), "n4", "mem-n4"); err != nil {
		t.Fatal(err)
	}
	// Nothing was written since: the last entry is a configuration entry.
	if err := leader.Read(t.Context(), func(fsm.View) {}); err != nil {
		t.Fatalf("read after the membership change: %v", err)
	}
	if applied, commit := leader.replica.applied.Load(), leader.raft.CommitIndex(); applied != commit {
		t.Fatalf("the state machine is at %d, raft has committed %d", applied, commit)
	}
	for range 2 {
		// The second one has nothing new to write, which is a success.
		if err := leader.TakeSnapshot(t.Context()); err != nil {
			t.Fatalf("snapshot after the membership change: %v", err)
		}
	}
	status, err := leader.ClusterStatus(t.Context())
	if err != nil || len(status.Members) != 4 || !status.Members[3].Voter {
		t.Fatalf("status %+v, %v: want n4 as a voter", status, err)
	}
	if err := leader.RemoveMember(t.Context(), "n4"); err != nil {
		t.Fatal(err)
	}
	if err := leader.Read(t.Context(), func(fsm.View) {}); err != nil {
		t.Fatalf("read after the removal: %v", err)
	}
}

func TestANodeStartsAgainFromItsDisk(t *testing.T) {
	for name, snapshot := range map[string]bool{"from the log": false, "from a snapshot and the log behind it": true} {
		t.Run(name, func(t *testing.T) {
			c := newTestCluster(t, 1, nil)
			n := c.leader()
			mustRegister(t, n, "before")
			owner := registry.LeaseOwnerIdentity{OwnerID: "w", IncarnationID: "1"}
			first, err := n.ClaimProcessLease(t.Context(), "before", owner, 60_000)
			if err != nil {
				t.Fatal(err)
			}
			if snapshot {
				if err := n.TakeSnapshot(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			mustRegister(t, n, "after")
			report, err := n.VerifyState(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c.stop("n1")
			n = c.start("n1", c.peers)
			c.leader()
			for _, id := range []string{"before", "after"} {
				if _, err := n.GetProcess(t.Context(), id); err != nil {
					t.Fatalf("%s: %v", id, err)
				}
			}
			lease, err := n.GetProcessLease(t.Context(), "before")
			if err != nil || lease == nil || lease.LeaseToken != first.Acquired.LeaseToken || lease.FencingToken != first.Acquired.FencingToken {
				t.Fatalf("lease %+v, %v, want %+v", lease, err, first.Acquired)
			}
			if report.Members[0].Hash == "" {
				t.Fatal("no hash")
			}
		})
	}
}

func TestAFollowerThatFellBehindCatchesUpFromASnapshot(t *testing.T) {
	c := newTestCluster(t, 3, func(config *Config) { config.TrailingLogs = 1 })
	leader := c.leader()
	follower := c.others(leader)[0].config.ID
	// It has to hold entries that the snapshot can replace.
	c.eventually("the follower has applied the takeover", func() bool {
		return c.node(follower).replica.applied.Load() >= leader.replica.applied.Load()
	})
	c.stop(follower)
	for _, id := range []string{"a", "b", "c"} {
		mustRegister(t, leader, id)
	}
	if err := leader.TakeSnapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.start(follower, c.peers)
	c.eventually("the follower has caught up", func() bool {
		return c.node(follower).replica.applied.Load() >= leader.replica.applied.Load()
	})
	c.eventually("a snapshot has replaced the follower's first log entries", func() bool {
		index, err := c.node(follower).config.Storage.LogStore.FirstIndex()
		return err == nil && index != 1
	})
	report, err := leader.VerifyState(t.Context())
	if err != nil || !report.Agree {
		t.Fatalf("replicas differ: %+v, %v", report, err)
	}
}

func TestAStorageRefusesWhatItShouldNotStartFrom(t *testing.T) {
	t.Run("another node's folder", func(t *testing.T) {
		dir := t.TempDir()
		s, err := OpenStorage(dir, "n1")
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if _, err := OpenStorage(dir, "n2"); err == nil || !strings.Contains(err.Error(), "belongs to node n1") {
			t.Fatalf("opened n1's folder as n2: %v", err)
		}
	})
	t.Run("a folder in use", func(t *testing.T) {
		dir := t.TempDir()
		s, err := OpenStorage(dir, "n1")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := OpenStorage(dir, "n1"); err == nil || !strings.Contains(err.Error(), "in use by another process") {
			t.Fatalf("opened a folder twice: %v", err)
		}
	})
	t.Run("snapshots without a log", func(t *testing.T) {
		c := newTestCluster(t, 1, nil)
		n := c.leader()
		mustRegister(t, n, "p")
		if err := n.TakeSnapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.stop("n1")
		if err := os.Remove(filepath.Join(c.dir, "n1", logFile)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenStorage(filepath.Join(c.dir, "n1"), "n1"); err == nil || !strings.Contains(err.Error(), "lost its log") {
			t.Fatalf("started without the log: %v", err)
		}
	})
}

func TestTransferOfLeadership(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	old := c.leader()
	target := c.others(old)[1]
	if err := old.TransferLeadership(t.Context(), target.config.ID); err != nil {
		t.Fatal(err)
	}
	c.eventually("the target serves", func() bool { return target.reign.Load() != nil })
	mustRegister(t, target, "p")
	if err := old.TransferLeadership(t.Context(), ""); !errors.Is(err, registry.ErrNotLeader) {
		t.Errorf("transfer at a follower: %v", err)
	}
	if err := target.TransferLeadership(t.Context(), "n9"); !errors.Is(err, registry.ErrInvalidArgument) {
		t.Errorf("transfer to nobody: %v", err)
	}
}

func TestOutcomesOfWrites(t *testing.T) {
	stores := make(map[string]*blockingStore)
	c := newTestCluster(t, 1, func(config *Config) {
		stores[config.ID] = &blockingStore{LogStore: config.Storage.LogStore, stuck: make(chan struct{}, 1)}
		config.Storage.LogStore = stores[config.ID]
	})
	leader := c.leader()
	unblock := stores["n1"].block()
	t.Cleanup(unblock)
	first := make(chan error, 1)
	go func() {
		_, err := leader.Propose(t.Context(), anyCommand)
		first <- err
	}()
	<-stores["n1"].stuck
	r := leader.reign.Load()
	t.Run("a write whose call ends before it was proposed is definite", func(t *testing.T) {
		_, err := leader.Propose(short(t), anyCommand)
		if !errors.Is(err, registry.ErrOverloaded) || !registry.IsDefinite(err) {
			t.Fatalf("%v, want a definite Overloaded", err)
		}
	})
	t.Run("a full queue refuses at once with a hint", func(t *testing.T) {
		for len(r.queue) < cap(r.queue) {
			if refusal := r.enqueue(&proposal{done: make(chan outcome, 1), givenUp: true}, leader.notLeader); refusal != nil {
				t.Fatal(refusal)
			}
		}
		_, err := leader.Propose(t.Context(), anyCommand)
		var refusal *registry.Error
		if !errors.As(err, &refusal) || refusal.Code != registry.CodeOverloaded || refusal.Fields.RetryAfterMs == nil {
			t.Fatalf("%v, want Overloaded with a retry hint", err)
		}
	})
	unblock()
	if err := <-first; err != nil {
		t.Fatalf("the write that waited for the disk: %v", err)
	}
	mustRegister(t, leader, "p")
	t.Run("a write after the end is refused", func(t *testing.T) {
		c.partition("n1")
		leader.endReign()
		if _, err := leader.Propose(context.Background(), anyCommand); !errors.Is(err, registry.ErrNotLeader) && !errors.Is(err, registry.ErrNoLeader) {
			t.Fatalf("%v, want NotLeader", err)
		}
	})
}
