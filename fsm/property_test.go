package fsm_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-registry/holdfast/decide"
	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// harness runs the real registry, over a log of the test's own, and the model
// beside each other.
type harness struct {
	registry *decide.Registry
	log      *batchLog
	follower *fsm.Machine
	// quiet is a replica that never sees what was refused.
	quiet *fsm.Machine
	model *model.State
	reach *reach
	// generators are a field, since some of them draw from all.
	generators []generator
	weighted   []int

	records []record
	saved   []saved
	index   uint64
	term    uint64
	stamp   uint64
	// revision is the highest that was seen.
	revision uint64

	// leases are all that were ever granted, seen the same by fencing token.
	leases        []registry.ProcessLease
	seen          map[uint64]registry.ProcessLease
	registrations map[string]registry.ProcessRegistration
	appends       []model.AppendEvent
	clients       []*client
	// stamped are the writes that were made in sessions.
	stamped []*call
}

// countingEntropy is a source of random bits that repeats nothing.
type countingEntropy struct{ next atomic.Uint64 }

func (e *countingEntropy) Read(p []byte) (int, error) {
	return copy(p, fmt.Sprintf("%0*d", len(p), e.next.Add(1))), nil
}

func newHarness(t *rapid.T, seen *reach) *harness {
	log := &batchLog{machine: fsm.NewMachine(), events: make(chan func(*call))}
	h := &harness{
		registry: decide.NewRegistry(log, registry.TierDurable, new(countingEntropy)), log: log,
		follower: fsm.NewMachine(), quiet: fsm.NewMachine(), model: model.New(), reach: seen, stamp: 1_000_000,
		generators: generators, weighted: weighted(generators), seen: map[uint64]registry.ProcessLease{}, registrations: map[string]registry.ProcessRegistration{},
	}
	h.saved = append(h.saved, saved{h.follower.Snapshot(), 0})
	h.takeover(t, 1)
	// Most runs begin with processes: without one every call is NotFound.
	for _, id := range processIDs[rapid.IntRange(0, 2).Draw(t, "unknown processes"):] {
		h.runBatch(t, []*call{h.registerCall(t, id)})
	}
	return h
}

// TestMachineAgreesWithTheModel makes random calls, through package decide and
// a log with terms, takeovers, batches, refused entries and snapshots, and
// holds every answer and the whole visible state against the model.
func TestMachineAgreesWithTheModel(t *testing.T) {
	seen := &reach{counts: map[string]int{}}
	rapid.Check(t, func(t *rapid.T) {
		seen.pruned = map[string]bool{}
		h := newHarness(t, seen)
		drawCalls := func(t *rapid.T) []*call {
			h.tick(t)
			return h.drawBatch(t)
		}
		write := func(t *rapid.T) {
			for range pick(t, []int{10, 2, 20, 32}, "batches") {
				h.runBatch(t, drawCalls(t))
				h.checkState(t)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"write": write, "write again": write, "write more": write, "write and write": write, "write on": write,
			"time passes": func(t *rapid.T) {
				h.tick(t)
				h.runTick(t)
			},
			"a deposed leader's entry is committed in the next term": func(t *rapid.T) {
				h.refuseBatch(t, drawCalls(t), h.term, h.term+1)
				h.takeover(t, h.term+1)
			},
			"an entry comes before its term's takeover": func(t *rapid.T) {
				h.refuseBatch(t, drawCalls(t), h.term+1, h.term+1)
				h.tick(t)
				h.takeover(t, h.term+1)
			},
			"an entry of an old term comes late": func(t *rapid.T) { h.refuseBatch(t, drawCalls(t), h.term-1, h.term) },
			"minutes pass":                       h.passMinutes,
			"leadership changes": func(t *rapid.T) {
				h.tick(t)
				h.takeover(t, h.term+rapid.Uint64Range(1, 3).Draw(t, "terms"))
			},
			"raft takes an index": func(*rapid.T) {
				h.index++
				r := record{index: h.index, skipped: true}
				h.records = append(h.records, r)
				_, _ = r.apply(h.log.machine)
				_, _ = r.apply(h.follower)
				_, _ = r.apply(h.quiet)
			},
			"a snapshot is taken": func(*rapid.T) {
				h.saved = append(h.saved, saved{h.log.machine.Snapshot(), len(h.records)})
			},
			"a replica is restored": func(t *rapid.T) {
				from := pick(t, h.saved, "snapshot")
				if rapid.Bool().Draw(t, "follower") {
					h.follower = h.rebuild(t, from)
				} else {
					h.log.machine = h.rebuild(t, from)
				}
			},
			"": h.check,
		})
		for _, from := range h.saved {
			h.rebuild(t, from)
		}
	})
	seen.check(t)
}

// tick moves the next stamp on, at times to just where a lease ends, or back:
// a new leader's clock may be behind.
func (h *harness) tick(t *rapid.T) {
	if rarely(t, "back") {
		h.stamp -= 700
		return
	}
	if left := h.leaseLeft(t); left > 0 && rapid.Bool().Draw(t, "to the end of a lease") {
		h.stamp = h.model.ClockMs + left
		return
	}
	h.stamp += pick(t, steps, "passed")
}

// leaseLeft draws a live lease that one entry can bring to its end, and
// returns what is left of it; 0 when there is none.
func (h *harness) leaseLeft(t *rapid.T) uint64 {
	var left []uint64
	for _, id := range processIDs {
		p := h.model.Processes[id]
		if p == nil || !p.Lease.Held || p.Lease.EndMs <= h.model.LeaseTimeMs {
			continue
		}
		if ms := p.Lease.EndMs - h.model.LeaseTimeMs; ms <= 2000 {
			left = append(left, ms)
		}
	}
	if len(left) == 0 {
		return 0
	}
	return pick(t, left, "lease")
}

func (h *harness) runTick(t *rapid.T) {
	h.commit(t, h.term, h.term, fsm.Command{Body: &fsm.Tick{}})
	h.model.Apply(model.Entry{Term: h.term, CommitTerm: h.term, StampMs: h.stamp})
}

// check holds everything against the model.
func (h *harness) check(t *rapid.T) {
	h.checkState(t)
	want := hashOf(t, h.log.machine)
	if hashOf(t, h.follower) != want {
		t.Fatal("the replicas have different hashes")
	}
	if hashOf(t, h.quiet) != want {
		t.Fatal("a replica that was spared the refused commands has another hash")
	}
	h.checkReads(t)
}

// checkState holds the counters against the model's, and the indexes against
// the rows.
func (h *harness) checkState(t *rapid.T) {
	p, m := h.position(), h.model
	if p.Revision != m.Revision || p.ClockMs != m.ClockMs || p.LeaseTimeMs != m.LeaseTimeMs || p.Fencing != m.Fencing || p.TakeoverTerm != m.TakeoverTerm {
		t.Fatalf("position %+v, the model has revision %d, clock %d, lease time %d, fencing %d, takeover %d",
			p, m.Revision, m.ClockMs, m.LeaseTimeMs, m.Fencing, m.TakeoverTerm)
	}
	if p.Revision < h.revision {
		t.Fatalf("the revision went back from %d to %d", h.revision, p.Revision)
	}
	h.revision = p.Revision
	if p.Index != h.index {
		t.Fatalf("the state machine is at index %d of %d", p.Index, h.index)
	}
	for _, machine := range []*fsm.Machine{h.log.machine, h.follower} {
		if err := machine.CheckConsistency(); err != nil {
			t.Fatal(err)
		}
	}
}
