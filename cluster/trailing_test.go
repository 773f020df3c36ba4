package cluster

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

func TestLogSizesKnowTheBytesOfTheLastEntries(t *testing.T) {
	s := logSizes{most: 10_000}
	if entries, known := s.within(1 << 30); known {
		t.Fatalf("%d entries of an empty log", entries)
	}
	const small, large = 100, 1 << 20
	index := uint64(1)
	add := func(count int, size uint64) {
		for range count {
			s.add(index, size)
			index++
		}
	}
	add(5000, small)
	if entries, known := s.within(1 << 30); known {
		t.Fatalf("all %d entries fit, and the ones before them are not known", entries)
	}
	check := func(bytes, least, most uint64) {
		t.Helper()
		entries, known := s.within(bytes)
		if !known || entries < least || entries > most {
			t.Errorf("%d entries hold %d bytes (%v), want %d to %d", entries, bytes, known, least, most)
		}
	}
	check(1000*small, 1000-markDistance, 1000)
	add(640, large)
	check(320*large, 320-markDistance, 320)
	check(640*large+1000*small, 1640-markDistance, 1640)
	// The last 640 are written again, smaller: a new leader replaced them.
	index -= 640
	add(640, small)
	check(1000*small, 1000-2*markDistance, 1000+2*markDistance)
	add(100_000, small)
	if marks := uint64(len(s.marks)); marks > 3*s.most/markDistance {
		t.Errorf("%d marks are kept for %d entries", marks, s.most)
	}
	check(9000*small, 9000-markDistance, 9000)
}

// TestLargeEntriesDoNotPileUpBehindASnapshot writes entries of 100 KiB, of
// which far fewer may stay than the number of entries alone would let.
func TestLargeEntriesDoNotPileUpBehindASnapshot(t *testing.T) {
	const entryBytes, limit, count = 100 << 10, 10 << 20, 400
	c := newTestCluster(t, 1, func(config *Config) {
		config.Limits.TrailingBytes = limit
		// How often the watchdog looks follows from it.
		config.Limits.Append = 40 * time.Second
	})
	n := c.leader()
	mustRegister(t, n, "p")
	payload := registry.JSON(fmt.Sprintf("%q", bytes.Repeat([]byte("x"), entryBytes)))
	for range count {
		if _, err := n.AppendEvent(t.Context(), "p", registry.ProcessEventAppendRequest{EventType: "note", Payload: payload}, nil); err != nil {
			t.Fatal(err)
		}
	}
	c.eventually("raft knows the bound", func() bool { return n.raft.ReloadableConfig().TrailingLogs == n.trailing() })
	if err := n.TakeSnapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, err := n.config.Storage.LogStore.FirstIndex()
	if err != nil {
		t.Fatal(err)
	}
	last, err := n.config.Storage.LogStore.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	if kept := last - first + 1; kept > 2*limit/entryBytes || kept < limit/entryBytes/4 {
		t.Errorf("%d entries of %d KiB stay behind the snapshot, %d MiB may", kept, entryBytes>>10, limit>>20)
	}
}
