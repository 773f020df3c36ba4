package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// holdAs leases a process for an owner who is not the worker.
func (b *workbench) holdAs(owner, id string) registry.ProcessLease {
	b.t.Helper()
	outcome, err := b.ClaimProcessLease(b.t.Context(), id, identity(owner), 60_000)
	if err != nil || outcome.Acquired == nil {
		b.t.Fatalf("%+v, %v", outcome, err)
	}
	return *outcome.Acquired
}

// identity is an owner on this host; whether it is dead the test says.
func identity(owner string) registry.LeaseOwnerIdentity {
	me := LocalOwner(owner)
	me.IncarnationID = "1"
	return me
}

// startAs records that an owner began a process, and gives the lease back.
func (b *workbench) startAs(owner, id string) {
	b.t.Helper()
	lease := b.holdAs(owner, id)
	if _, err := b.Registry.RecordFirstStarted(b.t.Context(), id, registry.ProcessStarted{Owner: identity(owner), StartedAtMs: 1}, lease.Fence()); err != nil {
		b.t.Fatal(err)
	}
	if err := b.CompleteProcessLease(b.t.Context(), registry.ProcessLeaseCompletion{ProcessID: id, LeaseToken: lease.LeaseToken}); err != nil {
		b.t.Fatal(err)
	}
}

// sweep makes one sweep of a worker that does not run.
func (b *workbench) sweep(w *Worker) {
	b.t.Helper()
	if err := w.sweeper.sweep(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// TestTheSweep is A22, row by row: what a sweep does for a process, by its
// disposition, by who began it, by who holds its lease, and by whether somebody
// asked to abandon it.
func TestTheSweep(t *testing.T) {
	const none, dead, alive, lapsed = "", "dead", "alive", "lapsed"
	type does struct {
		// claims tells that a lease is granted, whatever comes of it.
		claims bool
		// ready tells that claim-next hands the process out afterwards.
		ready  bool
		writer registry.AbandonWriter
		owner  string
	}
	var (
		leaves     = does{}
		handsOut   = does{ready: true}
		frees      = does{claims: true, ready: true}
		reconciles = func(owner string) does {
			return does{claims: true, writer: registry.WriterReconciledRequest, owner: owner}
		}
		buries = does{claims: true, writer: registry.WriterSweep, owner: dead}
	)
	for _, test := range []struct {
		disposition     registry.RecoveryDisposition
		started, holder string
		asked           bool
		does            does
	}{
		// An abandon request comes first, whatever the disposition.
		{registry.Rerunnable, none, none, true, reconciles(none)},
		{registry.Rerunnable, none, lapsed, true, reconciles(none)},
		{registry.Rerunnable, alive, none, true, reconciles(alive)},
		{registry.Rerunnable, alive, dead, true, reconciles(alive)},
		{registry.Rerunnable, dead, alive, true, leaves},
		{registry.OwnerBound, none, none, true, reconciles(none)},
		{registry.OwnerBound, none, dead, true, reconciles(none)},
		{registry.OwnerBound, alive, none, true, reconciles(alive)},
		{registry.OwnerBound, dead, none, true, reconciles(dead)},
		{registry.OwnerBound, dead, alive, true, leaves},
		{registry.ExternallyOwned, none, none, true, reconciles(none)},
		{registry.ExternallyOwned, none, dead, true, reconciles(none)},
		{registry.ExternallyOwned, none, alive, true, leaves},
		// Else externally owned work is nobody's here.
		{registry.ExternallyOwned, none, none, false, leaves},
		{registry.ExternallyOwned, none, dead, false, leaves},
		{registry.ExternallyOwned, dead, none, false, leaves},
		// What may be run is freed from the dead; the rest is for claim-next.
		{registry.Rerunnable, none, none, false, handsOut},
		{registry.Rerunnable, none, lapsed, false, handsOut},
		{registry.Rerunnable, none, dead, false, frees},
		{registry.Rerunnable, none, alive, false, leaves},
		{registry.Rerunnable, dead, none, false, handsOut},
		{registry.Rerunnable, alive, dead, false, frees},
		{registry.OwnerBound, none, none, false, handsOut},
		{registry.OwnerBound, none, dead, false, frees},
		{registry.OwnerBound, none, alive, false, leaves},
		// What only one could go on with ends with that one's death, whoever held
		// the lease last, and with nothing else.
		{registry.OwnerBound, dead, none, false, buries},
		{registry.OwnerBound, dead, lapsed, false, buries},
		{registry.OwnerBound, dead, dead, false, buries},
		{registry.OwnerBound, dead, alive, false, leaves},
		{registry.OwnerBound, alive, none, false, leaves},
		{registry.OwnerBound, alive, lapsed, false, leaves},
		{registry.OwnerBound, alive, dead, false, leaves},
		{registry.OwnerBound, alive, alive, false, leaves},
	} {
		name := fmt.Sprintf("%s begun by %q held by %q asked %v", test.disposition, test.started, test.holder, test.asked)
		t.Run(name, func(t *testing.T) {
			b := newWorkbench(t)
			b.dead[dead] = true
			b.register("p", test.disposition)
			if test.started != none {
				b.startAs(test.started, "p")
			}
			if test.holder != none {
				b.holdAs(test.holder, "p")
			}
			if test.holder == lapsed {
				b.pass(61 * time.Second)
			}
			if test.asked {
				b.askToAbandon("p")
			}
			before, held := b.lastToken("p"), b.lease("p")
			// The worker has no handler of this kind: that is for running only.
			b.sweep(b.worker(Handlers{"other": answer(nil, nil)}))

			if asked, claimed := b.asked.Load() > 0, b.lastToken("p") != before; claimed != test.does.claims || asked != claimed {
				t.Errorf("a claim was asked for: %v, and granted: %v, want %v", asked, claimed, test.does.claims)
			}
			if test.does.claims && b.lease("p") != nil {
				t.Errorf("its lease was kept: %+v", b.lease("p"))
			}
			if after := b.lease("p"); !test.does.claims && (after == nil) != (held == nil) {
				t.Errorf("its lease was %+v and is %+v", held, after)
			}
			if test.does.writer != "" {
				b.mustBeAbandoned("p", test.does.writer, test.does.owner)
			} else {
				b.mustEnd("p", registry.StateRunning, "")
			}
			claims, err := b.Registry.ClaimNext(t.Context(), registry.ClaimNextRequest{Owner: LocalOwner("next"), TTLMs: 1000, Limit: 1})
			if err != nil || (len(claims) == 1) != test.does.ready {
				t.Errorf("claim-next hands out %d, %v; ready should be %v", len(claims), err, test.does.ready)
			}
		})
	}
}

// lastToken is the last fencing token that was granted for a process.
func (b *workbench) lastToken(id string) uint64 {
	b.t.Helper()
	status, err := b.CheckFence(b.t.Context(), id, 1)
	if err != nil {
		b.t.Fatal(err)
	}
	return status.FencingToken
}

// TestTheSweepDecidesAgainUnderItsLease: what was read before may be old.
func TestTheSweepDecidesAgainUnderItsLease(t *testing.T) {
	for _, test := range []struct {
		name    string
		between func(*workbench)
		check   func(*workbench)
	}{
		{"a request that came in between is reconciled", func(b *workbench) { b.askToAbandon("p") },
			func(b *workbench) { b.mustBeAbandoned("p", registry.WriterReconciledRequest, "dead") }},
		{"a process that ended in between is left", func(b *workbench) {
			lease := b.holdAs("dead", "p")
			if _, err := b.Registry.CompleteProcess(b.t.Context(), "p", success(1), lease.Fence()); err != nil {
				b.t.Fatal(err)
			}
			if err := b.CompleteProcessLease(b.t.Context(), registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: lease.LeaseToken}); err != nil {
				b.t.Fatal(err)
			}
		}, func(b *workbench) { b.mustEnd("p", registry.StateCompleted, "") }},
		{"a process that was pruned and registered anew in between is left", func(b *workbench) {
			lease := b.holdAs("dead", "p")
			if _, err := b.Registry.CompleteProcess(b.t.Context(), "p", success(1), lease.Fence()); err != nil {
				b.t.Fatal(err)
			}
			b.wall.pass(time.Hour)
			if _, err := b.PruneTerminalProcesses(b.t.Context(), uint64(b.wall.read().Milliseconds())); err != nil {
				b.t.Fatal(err)
			}
			b.register("p", registry.OwnerBound)
		}, func(b *workbench) { b.mustEnd("p", registry.StateRunning, "") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newWorkbench(t)
			b.dead["dead"] = true
			b.register("p", registry.OwnerBound)
			b.startAs("dead", "p")
			w := b.worker(Handlers{"email": answer(nil, nil)})
			listed := b.get("p")
			test.between(b)
			if _, err := w.sweeper.visit(t.Context(), listed, LocalOwner("me")); err != nil {
				t.Fatal(err)
			}
			test.check(b)
			if lease := b.lease("p"); lease != nil {
				t.Errorf("its lease was kept: %+v", lease)
			}
		})
	}
}

// TestASweepIsBoundedAndGoesOn: rows that could not be looked at in one sweep are
// in the next.
func TestASweepIsBoundedAndGoesOn(t *testing.T) {
	b := newWorkbench(t)
	b.dead["dead"] = true
	const rows = maxSweptLeases + registry.DefaultPageSize + 1
	for i := range rows {
		b.register(fmt.Sprintf("p%04d", i), registry.Rerunnable)
	}
	last := fmt.Sprintf("p%04d", rows-1)
	b.holdAs("dead", last)
	w := b.worker(Handlers{"email": answer(nil, nil)})
	b.sweep(w)
	if b.lease(last) == nil {
		t.Errorf("a sweep read more than %d leases", maxSweptLeases)
	}
	b.sweep(w)
	b.sweep(w)
	if b.lease(last) != nil {
		t.Error("the last row was never looked at")
	}
}

// TestALostLeaseStopsTheWork: nothing is written, and what becomes of the
// process depends on whether it may be run again. A22.
func TestALostLeaseStopsTheWork(t *testing.T) {
	for _, test := range []struct {
		name   string
		lose   func(b *workbench, run *Run)
		answer error
	}{
		{"by time", func(b *workbench, _ *Run) { b.boot.pass(ttl) }, errors.New("stopped")},
		{"by time, and the handler finished too late", func(b *workbench, _ *Run) { b.boot.pass(ttl) }, nil},
		{"by the cluster", func(b *workbench, run *Run) {
			lease := run.Lease().Lease()
			if err := b.CompleteProcessLease(b.t.Context(), registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: lease.LeaseToken}); err != nil {
				b.t.Error(err)
			}
			if _, err := run.AppendEvent(b.t.Context(), registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON(`1`)}); !errors.Is(err, ErrLeaseLost) && !errors.Is(err, registry.ErrFenced) {
				b.t.Errorf("a write under a released lease: %v", err)
			}
		}, errors.New("stopped")},
	} {
		for _, disposition := range []registry.RecoveryDisposition{registry.Rerunnable, registry.OwnerBound} {
			t.Run(fmt.Sprintf("%s of %s work", test.name, disposition), func(t *testing.T) {
				b := newWorkbench(t)
				b.register("p", disposition)
				var failing atomic.Bool
				failing.Store(true)
				b.renew = func() error {
					if failing.Load() {
						return failure(registry.CodeNoLeader)
					}
					return nil
				}
				b.start(b.worker(Handlers{"email": func(ctx context.Context, run *Run) (any, error) {
					if run.Attempt() > 1 {
						return "the second time", nil
					}
					test.lose(b, run)
					<-ctx.Done()
					if cause := context.Cause(ctx); !errors.Is(cause, ErrLeaseLost) {
						t.Errorf("the cause is %v", cause)
					}
					failing.Store(false)
					return "the first time", test.answer
				}}))
				if disposition == registry.OwnerBound {
					b.await(1)
					b.mustBeAbandoned("p", registry.WriterOwnerDrain, "me")
				} else {
					settled := b.await(2)
					if want := []Outcome{OutcomeLost, OutcomeCompleted}; !slices.Equal(outcomes(settled), want) {
						t.Errorf("settled: %+v", settled)
					}
					if output := b.mustEnd("p", registry.StateCompleted, ""); string(output.Value) != `"the second time"` {
						t.Errorf("it ended with %s", output.Value)
					}
				}
				if lease := b.lease("p"); lease != nil {
					t.Errorf("the lease was kept: %+v", lease)
				}
			})
		}
	}
}

// TestLostWorkIsAbandonedAsSoonAsThatIsPossible: while another holds the lease
// it is not, and this worker's life must not keep it running for ever.
func TestLostWorkIsAbandonedAsSoonAsThatIsPossible(t *testing.T) {
	for _, test := range []struct {
		name     string
		interval time.Duration
		stop     bool
	}{{"by a sweep", time.Millisecond, false}, {"by the drain", time.Hour, true}} {
		t.Run(test.name, func(t *testing.T) {
			b := newWorkbench(t)
			b.register("p", registry.OwnerBound)
			var other registry.ProcessLease
			stop := b.start(b.worker(Handlers{"email": func(ctx context.Context, run *Run) (any, error) {
				lease := run.Lease().Lease()
				if err := b.CompleteProcessLease(t.Context(), registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: lease.LeaseToken}); err != nil {
					t.Error(err)
				}
				other = b.holdAs("other", "p")
				b.boot.pass(ttl)
				<-ctx.Done()
				return nil, ctx.Err()
			}}, WithSweepInterval(test.interval)))
			if settled := b.await(1); settled[0].Outcome != OutcomeLost {
				t.Errorf("settled: %+v", settled)
			}
			b.mustEnd("p", registry.StateRunning, "")
			if held := b.lease("p"); held == nil || held.LeaseToken != other.LeaseToken {
				t.Errorf("the other's lease was touched: %+v", held)
			}
			if err := b.CompleteProcessLease(t.Context(), registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: other.LeaseToken}); err != nil {
				t.Fatal(err)
			}
			if test.stop {
				if err := stop(); err != nil {
					t.Fatal(err)
				}
			}
			for deadline := time.Now().Add(patience); !b.get("p").Status.State.Terminal() && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			b.mustBeAbandoned("p", registry.WriterOwnerDrain, "me")
		})
	}
}

// TestAStartWhoseAnswerIsLostIsAbandoned: the worker may be the one that began
// it, and nobody else may ask.
func TestAStartWhoseAnswerIsLostIsAbandoned(t *testing.T) {
	b := newWorkbench(t)
	b.register("p", registry.OwnerBound)
	starts := &lostStarts{WorkRegistry: b, lost: func() { b.boot.pass(ttl) }}
	w, err := NewWorker(starts, Handlers{"email": func(context.Context, *Run) (any, error) {
		t.Error("the handler runs")
		return nil, nil
	}}, WithWorkerID("me"), WithLeaseTTL(ttl), WithObserver(b.observe), WithSweepInterval(time.Hour),
		func(o *workerOptions) { o.clock = b.boot.read })
	if err != nil {
		t.Fatal(err)
	}
	b.start(w)
	b.await(1)
	b.mustBeAbandoned("p", registry.WriterOwnerDrain, "me")
}

// TestAStartThatNeverCameAbandonsNothing: for all the worker knows it may have
// begun the process, and it finds out that it did not.
func TestAStartThatNeverCameAbandonsNothing(t *testing.T) {
	for _, test := range []struct {
		name  string
		other bool
		want  []Outcome
	}{
		{"another began it, and goes on", true, []Outcome{OutcomeLost}},
		{"nobody began it, so it is run", false, []Outcome{OutcomeLost, OutcomeCompleted}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newWorkbench(t)
			b.register("p", registry.OwnerBound)
			starts := &lostStarts{WorkRegistry: b, never: true, lost: func() {
				if test.other {
					b.pass(ttl)
					b.startAs("other", "p")
				}
				b.boot.pass(ttl)
			}}
			// One run at a time: it would claim what the other is to have.
			b.start(b.workerOver(starts, Handlers{"email": answer("done", nil)}, WithConcurrency(1)))
			if settled := b.await(len(test.want)); !slices.Equal(outcomes(settled), test.want) {
				t.Errorf("settled: %+v", settled)
			}
			if !test.other {
				b.mustEnd("p", registry.StateCompleted, "")
				return
			}
			b.mustEnd("p", registry.StateRunning, "")
			if started := b.get("p").FirstStarted; started == nil || !started.Owner.SameIncarnation(identity("other")) {
				t.Errorf("the first start is %+v", started)
			}
			if lease := b.lease("p"); lease != nil {
				t.Errorf("the lease was kept: %+v", lease)
			}
		})
	}
}

// lostStarts loses the answer to the first start, and with never set the call.
type lostStarts struct {
	WorkRegistry
	never bool
	lost  func()
}

func (l *lostStarts) RecordFirstStarted(ctx context.Context, processID string, started registry.ProcessStarted, fence *registry.Fence) (registry.ProcessRecord, error) {
	if l.lost == nil {
		return l.WorkRegistry.RecordFirstStarted(ctx, processID, started, fence)
	}
	if !l.never {
		if _, err := l.WorkRegistry.RecordFirstStarted(ctx, processID, started, fence); err != nil {
			return registry.ProcessRecord{}, err
		}
	}
	l.lost()
	l.lost = nil
	return registry.ProcessRecord{}, failure(registry.CodeOutcomeUnknown)
}
