//go:build failpoints

package cluster

import (
	"fmt"
	"sync"
	"syscall"

	"github.com/hashicorp/raft"
)

// testStore makes a store that syncs badly when it is told to.
func testStore(s store) store { return &faultyStore{store: s} }

// faultyStore is a store on a disk whose sync hangs or fails. It passes the
// points store.sync.before and store.sync.after at every write, and fails there with an
// error of the disk when one of them is armed with a word before its name:
//
//	fail   every time
//	once   the first time only: the disk is well again, as far as it says
//
// What failed before is not in the store; what failed after is, which is just as
// possible when a sync fails. Only writes are struck.
type faultyStore struct {
	store

	mu sync.Mutex
	// struck is what failed once, as it was armed.
	struck string
}

func (s *faultyStore) StoreLog(log *raft.Log) error {
	return s.write(func() error { return s.store.StoreLog(log) })
}

func (s *faultyStore) StoreLogs(logs []*raft.Log) error {
	return s.write(func() error { return s.store.StoreLogs(logs) })
}

func (s *faultyStore) DeleteRange(first, last uint64) error {
	return s.write(func() error { return s.store.DeleteRange(first, last) })
}

func (s *faultyStore) Set(key, value []byte) error {
	return s.write(func() error { return s.store.Set(key, value) })
}

func (s *faultyStore) SetUint64(key []byte, value uint64) error {
	return s.write(func() error { return s.store.SetUint64(key, value) })
}

func (s *faultyStore) write(do func() error) error {
	for _, step := range []func() error{s.pass("store.sync.before"), do, s.pass("store.sync.after")} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// pass returns the step of passing a point.
func (s *faultyStore) pass(point string) func() error {
	return func() error {
		failpoint(point)
		s.mu.Lock()
		defer s.mu.Unlock()
		armed := armedFailpoint()
		fails := armed == "fail "+point || armed == "once "+point && s.struck != armed
		if armed == "" {
			s.struck = ""
		}
		if !fails {
			return nil
		}
		s.struck = armed
		return fmt.Errorf("failpoint %s: sync: %w", point, syscall.EIO)
	}
}
