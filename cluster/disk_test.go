package cluster

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/registry"
)

// failingStore is a store on a disk that fails one kind of write, once. After
// that the disk is well again, and whoever writes to it is counted.
type failingStore struct {
	store

	mu sync.Mutex
	// fails tells what fails next; nil is nothing.
	fails  func(kind string) bool
	failed bool
	// after are the writes after the one that failed.
	after []string
}

func (s *failingStore) fail(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = func(k string) bool { return k == kind }
}

func (s *failingStore) write(kind string, do func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed {
		s.after = append(s.after, kind)
	}
	if s.fails == nil || !s.fails(kind) {
		return do()
	}
	s.fails, s.failed = nil, true
	return syscall.EIO
}

func (s *failingStore) StoreLogs(logs []*raft.Log) error {
	return s.write("append", func() error { return s.store.StoreLogs(logs) })
}

func (s *failingStore) DeleteRange(first, last uint64) error {
	return s.write("removal", func() error { return s.store.DeleteRange(first, last) })
}

func (s *failingStore) Set(key, value []byte) error {
	return s.write("vote", func() error { return s.store.Set(key, value) })
}

func (s *failingStore) SetUint64(key []byte, value uint64) error {
	return s.write(string(key), func() error { return s.store.SetUint64(key, value) })
}

// term is the key of raft's term.
const term = "CurrentTerm"

// failing makes a cluster whose stores can fail.
func failing(t *testing.T, n int) (*testCluster, func(id string) *failingStore) {
	var mu sync.Mutex
	stores := make(map[string]*failingStore)
	c := newTestCluster(t, n, func(config *Config) {
		mu.Lock()
		defer mu.Unlock()
		stores[config.ID] = &failingStore{store: config.Storage.store}
		config.Storage.store, config.Storage.LogStore = stores[config.ID], stores[config.ID]
		config.TrailingLogs = 1
	})
	return c, func(id string) *failingStore {
		mu.Lock()
		defer mu.Unlock()
		return stores[id]
	}
}

// TestAfterAWriteThatFailedANodeWritesNothing has each node of a cluster fail
// once, with a disk that takes everything again afterwards. The others go on, and
// the node that failed has to stay out of it until it was started again.
func TestAfterAWriteThatFailedANodeWritesNothing(t *testing.T) {
	for _, test := range []struct {
		name, kind, text string
		leader           bool
	}{
		{"a leader's append", "append", "an append to the log store failed", true},
		{"a follower's append", "append", "an append to the log store failed", false},
		{"the term of a leader that hears of a later one", term, "a write of the term or the vote failed", true},
		{"the term of a node that is asked for its vote", term, "a write of the term or the vote failed", false},
		{"the vote", "vote", "a write of the term or the vote failed", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, store := failing(t, 3)
			leader := c.leader()
			mustRegister(t, leader, "before")
			victim := leader
			if !test.leader {
				victim = c.others(leader)[0]
			}
			id := victim.config.ID
			store(id).fail(test.kind)
			n := 0
			c.eventually("the disk has failed", func() bool {
				n++
				leads := c.leader()
				if test.kind == "append" {
					_, err := leads.RegisterProcess(short(t), registration(fmt.Sprint("during", n)))
					if err != nil && leads == victim && registry.CodeOf(err) != registry.CodeNotLeader && registry.IsDefinite(err) {
						t.Fatalf("a definite answer: %v", err)
					}
				} else {
					// Whoever comes to lead has all others write a term and a vote.
					for _, other := range c.others(leads) {
						if other != victim {
							_ = leads.TransferLeadership(short(t), other.config.ID)
						}
					}
				}
				return len(c.fatals) > 0
			})
			mustBeFatal(c, test.text)
			var next *Node
			c.eventually("the others go on", func() bool {
				next = c.leader(id)
				_, err := next.RegisterProcess(short(t), registration("after"))
				return err == nil
			})
			if alarms(victim, watchdogAppend) != 1 {
				t.Error("the alarm was not counted")
			}
			store(id).mu.Lock()
			after := store(id).after
			store(id).mu.Unlock()
			if len(after) > 0 {
				t.Errorf("%s wrote after its disk had failed: %v", id, after)
			}
			c.stop(id)
			again := c.start(id, c.peers)
			c.eventually("the node has caught up", func() bool { return again.replica.applied.Load() >= next.replica.applied.Load() })
		})
	}
}

// TestAfterARemovalThatFailedALeaderAcksNothing has a leader's disk fail when the
// log is cut behind a snapshot. It leads on until the program ends it.
func TestAfterARemovalThatFailedALeaderAcksNothing(t *testing.T) {
	c, store := failing(t, 3)
	leader := c.leader()
	id := leader.config.ID
	for i := range 5 {
		mustRegister(t, leader, fmt.Sprint("before", i))
	}
	store(id).fail("removal")
	if err := leader.TakeSnapshot(t.Context()); err == nil {
		t.Error("the log was cut on a disk that had failed")
	}
	mustBeFatal(c, "a removal from the log store failed")
	if _, err := leader.RegisterProcess(short(t), registration("after")); err == nil || registry.IsDefinite(err) {
		t.Errorf("written after the disk had failed: %v", err)
	}
	if after := store(id).after; len(after) > 0 {
		t.Errorf("%s wrote after its disk had failed: %v", id, after)
	}
	c.stop(id)
	mustRegister(t, c.leader(), "again")
}

func TestANodeWhoseTermCannotBeWrittenDoesNotStart(t *testing.T) {
	c := newTestCluster(t, 1, nil)
	c.leader()
	c.stop("n1")
	c.change = func(config *Config) {
		broken := &failingStore{store: config.Storage.store}
		broken.fail(term)
		config.Storage.store, config.Storage.LogStore = broken, broken
	}
	n, err := c.open("n1", c.peers)
	if n != nil || !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "mend it") {
		t.Fatalf("%v, %v", n, err)
	}
	c.change = nil
	c.start("n1", c.peers)
	c.leader()
}
