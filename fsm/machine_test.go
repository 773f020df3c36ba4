package fsm

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// TestReadsSnapshotsAndEntriesRunBesideEachOther is for the race detector, and
// for reads that would see half an entry.
func TestReadsSnapshotsAndEntriesRunBesideEachOther(t *testing.T) {
	r := newRig(t)
	for i := range 20 {
		r.register(fmt.Sprintf("p%02d", i), "")
	}
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				r.m.Read(func(v View) {
					a, _ := v.EventsAfter("p00", 0, registry.PageRequest{})
					b, _ := v.EventsAfter("p01", 0, registry.PageRequest{})
					if len(a.Items) != len(b.Items) {
						t.Errorf("%d events and %d: half an entry was seen", len(a.Items), len(b.Items))
					}
					if page, err := v.ListNonTerminal(registry.PageRequest{}); err != nil || len(page.Items) != 20 {
						t.Errorf("%d rows (%v)", len(page.Items), err)
					}
					v.NeedsTime()
				})
				s := r.m.Snapshot()
				hash, _ := s.Hash()
				if err := s.Write(io.Discard); err != nil {
					t.Error(err)
				}
				if again, _ := s.Hash(); again != hash {
					t.Error("a frozen state changed")
				}
			}
		})
	}
	for i := range 200 {
		r.pass(10)
		r.entry(1, 1, Command{Body: note("p00", "1", fmt.Sprint(i))}, Command{Body: claim("p02", 1, fmt.Sprint(i))}, Command{Body: note("p01", "1", fmt.Sprint(i))})
	}
	close(done)
	readers.Wait()
}

func TestWhatWasReadStaysAsItWas(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.must(r.do(note("p", "1", "")))
	var record *registry.ProcessRecord
	r.m.Read(func(v View) { record = v.Process("p") })
	page, _ := r.events("p", 0, registry.PageRequest{})
	before := dumpJSON(*record)
	r.pass(10)
	r.must(r.do(note("p", "2", "")))
	r.must(r.do(completion("p", success("1"))))
	if dumpJSON(*record) != before || len(page.Items) != 1 {
		t.Error("a record that was read changed")
	}
}

func TestARestoreReplacesTheState(t *testing.T) {
	r := newRig(t)
	r.register("old", "")
	file := write(t, goldenState(t).m.Snapshot())
	if err := r.m.Restore(bytes.NewReader(file)); err != nil {
		t.Fatal(err)
	}
	r.m.Read(func(v View) {
		if v.Process("old") != nil || v.Process("fresh") == nil {
			t.Error("the state is not the restored one")
		}
	})
}

func TestASkippedIndexMovesNothingElse(t *testing.T) {
	r := goldenState(t)
	before, rows := r.position(), r.hashOfRows()
	r.m.Skip(before.Index + 7)
	after := r.position()
	if after.Index != before.Index+7 {
		t.Errorf("index %d", after.Index)
	}
	if after.Index = before.Index; after != before || r.hashOfRows() != rows {
		t.Errorf("%+v after %+v", after, before)
	}
}
