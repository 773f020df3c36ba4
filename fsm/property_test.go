package fsm_test

import (
	"context"
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
	model    *model.State

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
}

// countingEntropy is a source of random bits that repeats nothing.
type countingEntropy struct{ next atomic.Uint64 }

func (e *countingEntropy) Read(p []byte) (int, error) {
	return copy(p, fmt.Sprintf("%0*d", len(p), e.next.Add(1))), nil
}

func newHarness(t *rapid.T) *harness {
	log := &batchLog{machine: fsm.NewMachine(), events: make(chan func(*call))}
	h := &harness{
		registry: decide.NewRegistry(log, registry.TierDurable, new(countingEntropy)), log: log,
		follower: fsm.NewMachine(), model: model.New(), stamp: 1_000_000,
		seen: map[uint64]registry.ProcessLease{}, registrations: map[string]registry.ProcessRegistration{},
	}
	h.saved = append(h.saved, saved{h.follower.Snapshot(), 0})
	h.takeover(t, 1)
	// Most runs begin with processes: without one every call is NotFound.
	for _, id := range processIDs[rapid.IntRange(0, 4).Draw(t, "unknown processes")%len(processIDs):] {
		h.runBatch(t, []*call{h.registerCall(t, id)})
	}
	return h
}

// TestMachineAgreesWithTheModel makes random calls, through package decide and
// a log with terms, takeovers, batches, refused entries and snapshots, and
// holds every answer and the whole visible state against the model.
func TestMachineAgreesWithTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHarness(t)
		drawCalls := func(t *rapid.T) []*call {
			h.tick(t)
			calls := make([]*call, rapid.SampledFrom([]int{1, 1, 1, 2, 3, 5}).Draw(t, "batch"))
			for i := range calls {
				calls[i] = h.drawCall(t)
			}
			return calls
		}
		write := func(t *rapid.T) {
			for range rapid.IntRange(1, 5).Draw(t, "batches") {
				h.runBatch(t, drawCalls(t))
				h.checkState(t)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"write": write, "write again": write, "write more": write,
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
}

// tick moves the next stamp on, or sometimes back: a new leader's clock may be
// behind.
func (h *harness) tick(t *rapid.T) {
	if rarely(t, "back") {
		h.stamp -= 700
		return
	}
	h.stamp += pick(t, steps, "passed")
}

func (h *harness) runTick(t *rapid.T) {
	h.commit(t, h.term, h.term, fsm.Command{Body: &fsm.Tick{}})
	h.model.Apply(model.Entry{Term: h.term, CommitTerm: h.term, StampMs: h.stamp})
}

// check holds everything against the model.
func (h *harness) check(t *rapid.T) {
	h.checkState(t)
	if hashOf(t, h.log.machine) != hashOf(t, h.follower) {
		t.Fatal("the replicas have different hashes")
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

var (
	yes, no = true, false
	filters = []registry.ProcessListFilter{
		{Status: "any"}, {}, {Status: "completed"}, {Definition: registry.JSON(` { "d" : 1 }`)}, {Waiting: &yes},
		{Status: "any", Waiting: &no}, {Status: "failed"}, {Definition: registry.JSON(`1`)}, {Status: "any", Definition: registry.JSON(`null`)},
	}
)

// checkReads compares every read there is.
func (h *harness) checkReads(t *rapid.T) {
	ctx := context.Background()
	size := rapid.IntRange(1, 4).Draw(t, "page size")
	for _, id := range processIDs[:rapid.IntRange(1, len(processIDs)).Draw(t, "processes looked at")] {
		record, err := h.registry.GetProcess(ctx, id)
		h.same(t, model.GetProcess{ProcessID: id}, answerOf(err, func(a *model.Answer) { a.Record = &record }))
		lease, err := h.registry.GetProcessLease(ctx, id)
		h.same(t, model.GetProcessLease{ProcessID: id}, answerOf(err, func(a *model.Answer) { a.Lease = lease }))
		after := rapid.SampledFrom([]uint64{0, 0, 1, 2, 5, ^uint64(0)}).Draw(t, "after")
		events, err := collect(size, func(page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
			return h.registry.EventsAfter(ctx, id, after, page)
		})
		h.same(t, model.EventsAfter{ProcessID: id, After: after}, answerOf(err, func(a *model.Answer) { a.Events = events }))
	}
	for range 2 {
		filter := pick(t, filters, "filter")
		records, err := collect(size, func(page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
			return h.registry.ListProcesses(ctx, filter, page)
		})
		h.same(t, model.ListProcesses{Filter: filter}, answerOf(err, func(a *model.Answer) { a.Records = records }))
	}
	records, err := collect(size, func(page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
		return h.registry.ListNonTerminal(ctx, page)
	})
	h.same(t, model.ListNonTerminal{}, answerOf(err, func(a *model.Answer) { a.Records = records }))
	h.checkTime(t)
}

// collect reads a whole list by pages of a size. A list that does not end is
// cut off, and differs from the model's then.
func collect[T any](size int, list func(registry.PageRequest) (registry.Page[T], error)) ([]T, error) {
	var items []T
	request := registry.PageRequest{Size: size}
	for range 1000 {
		page, err := list(request)
		if err != nil {
			return nil, err
		}
		if items = append(items, page.Items...); page.NextToken == "" {
			break
		}
		request.Token = page.NextToken
	}
	return items, nil
}

// same compares the answer of a read.
func (h *harness) same(t *rapid.T, op model.Op, got model.Answer) {
	if a, b := dump(got), dump(h.model.Do(op)); a != b {
		t.Fatalf("%T %s\n got  %s\n want %s", op, dump(op), a, b)
	}
}

// checkTime: the leader has to keep time moving while a lease lives. A4.
func (h *harness) checkTime(t *rapid.T) {
	live := false
	for _, p := range h.model.Processes {
		live = live || p.Lease.Held && p.Lease.EndMs > h.model.LeaseTimeMs
	}
	h.log.machine.Read(func(v fsm.View) {
		if v.NeedsTime() != live {
			t.Fatalf("the machine needs time: %v, a lease lives: %v", v.NeedsTime(), live)
		}
	})
}
