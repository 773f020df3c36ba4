package client

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/memory"
)

// workbench is a registry in memory whose clock a test moves, with a worker
// over it whose calls a test may change.
type workbench struct {
	*memory.Registry
	t *testing.T
	// boot is the clock of the worker's trust, wall that of the registry.
	boot *madeClock
	wall *madeClock

	mu      sync.Mutex
	settled []Settled
	changed chan struct{}
	// asked counts the claims that the worker asked for by name.
	asked atomic.Int64
	// dead are the owners that the worker finds dead.
	dead map[string]bool

	// What a test may put before calls of the worker.
	beforeStart    func(ctx context.Context, processID string, fence *registry.Fence)
	renew          func() error
	afterBatch     func() error
	claims         func(registry.ClaimNextRequest)
	afterClaimNext func()
}

func newWorkbench(t *testing.T) *workbench {
	b := &workbench{
		t: t, boot: &madeClock{now: at}, wall: &madeClock{now: 1_000_000 * time.Second},
		changed: make(chan struct{}, 1), dead: map[string]bool{},
	}
	b.Registry = memory.New(memory.WithClock(func() uint64 { return uint64(b.wall.read().Milliseconds()) }))
	t.Cleanup(func() { awaitNoWorkers(t) })
	return b
}

// pass lets lease time go on, which takes steps of at most two seconds.
func (b *workbench) pass(d time.Duration) {
	for ; d > 0; d -= 2 * time.Second {
		b.wall.pass(min(d, 2*time.Second))
		if _, err := b.GetProcessLease(b.t.Context(), "nobody"); err != nil {
			b.t.Error(err)
		}
	}
}

func (b *workbench) RecordFirstStarted(ctx context.Context, processID string, started registry.ProcessStarted, fence *registry.Fence) (registry.ProcessRecord, error) {
	if b.beforeStart != nil {
		b.beforeStart(ctx, processID, fence)
	}
	return b.Registry.RecordFirstStarted(ctx, processID, started, fence)
}

func (b *workbench) RenewProcessLease(ctx context.Context, lease registry.ProcessLease, ttlMs uint64) (registry.ProcessLease, error) {
	if b.renew != nil {
		if err := b.renew(); err != nil {
			return registry.ProcessLease{}, err
		}
	}
	return b.Registry.RenewProcessLease(ctx, lease, ttlMs)
}

func (b *workbench) ClaimProcessLease(ctx context.Context, processID string, owner registry.LeaseOwnerIdentity, ttlMs uint64) (registry.ProcessLeaseClaimOutcome, error) {
	if owner.OwnerID == "me" {
		b.asked.Add(1)
	}
	return b.Registry.ClaimProcessLease(ctx, processID, owner, ttlMs)
}

func (b *workbench) Batch(ctx context.Context, operations []registry.Operation) ([]registry.OperationAnswer, error) {
	answers, err := b.Registry.Batch(ctx, operations)
	if err == nil && b.afterBatch != nil {
		err = b.afterBatch()
	}
	return answers, err
}

func (b *workbench) ClaimNext(ctx context.Context, request registry.ClaimNextRequest) ([]registry.ClaimedProcess, error) {
	if b.claims != nil {
		b.claims(request)
	}
	claims, err := b.Registry.ClaimNext(ctx, request)
	if len(claims) > 0 && b.afterClaimNext != nil {
		b.afterClaimNext()
	}
	return claims, err
}

// worker makes a worker whose sweeps come only when the test asks for them.
func (b *workbench) worker(handlers Handlers, opts ...WorkerOption) *Worker {
	b.t.Helper()
	return b.workerOver(b, handlers, opts...)
}

func (b *workbench) workerOver(r WorkRegistry, handlers Handlers, opts ...WorkerOption) *Worker {
	b.t.Helper()
	w, err := NewWorker(r, handlers, append([]WorkerOption{
		WithWorkerID("me"), WithSweepInterval(time.Hour), WithLeaseTTL(ttl),
		WithObserver(b.observe), WithWorkerLogger(testLogger(b.t)),
		func(o *workerOptions) { o.clock, o.judge = b.boot.read, b.judge },
	}, opts...)...)
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

func (b *workbench) judge(holder, _ registry.LeaseOwnerIdentity) registry.HolderVerdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dead[holder.OwnerID] {
		return registry.VerdictDead
	}
	return registry.VerdictUnknown
}

func (b *workbench) observe(s Settled) {
	b.mu.Lock()
	b.settled = append(b.settled, s)
	b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// await waits until this many attempts and rows are settled.
func (b *workbench) await(n int) []Settled {
	b.t.Helper()
	timeout := time.After(patience)
	for {
		b.mu.Lock()
		settled := append([]Settled(nil), b.settled...)
		b.mu.Unlock()
		if len(settled) >= n {
			return settled
		}
		select {
		case <-b.changed:
		case <-timeout:
			b.t.Fatalf("%d attempts were settled, want %d: %+v", len(settled), n, settled)
		}
	}
}

// start runs a worker until the test ends, or stop is called, which waits for
// the end of the drain.
func (b *workbench) start(w *Worker) (stop func() error) {
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("the worker does not stop")
		}
	})
	b.t.Cleanup(func() {
		if err := stop(); err != nil {
			b.t.Error(err)
		}
	})
	return stop
}

func (b *workbench) register(id string, disposition registry.RecoveryDisposition) registry.ProcessRecord {
	b.t.Helper()
	record, err := RegisterWork(b.t.Context(), b.Registry, registry.ProcessRegistration{
		ID: id, Disposition: disposition, Input: anInput, Identity: registry.ProcessIdentity{Kind: "email"},
		EventTypes: []registry.ProcessEventType{{Name: "note", PayloadSchema: registry.JSON(`{}`)}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return record
}

var anInput = registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(`{"to":"you"}`)}

func (b *workbench) get(id string) registry.ProcessRecord {
	b.t.Helper()
	record, err := b.GetProcess(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return record
}

func (b *workbench) lease(id string) *registry.ProcessLease {
	b.t.Helper()
	lease, err := b.GetProcessLease(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return lease
}

// mustEnd checks how a process has ended.
func (b *workbench) mustEnd(id string, state registry.ProcessState, code string) registry.ProcessAwaitOutput {
	b.t.Helper()
	record := b.get(id)
	if record.Status.State != state {
		b.t.Fatalf("%s is %s, want %s: %+v", id, record.Status.State, state, record.Status.AwaitOutput)
	}
	if state == registry.StateRunning {
		return registry.ProcessAwaitOutput{}
	}
	output := *record.Status.AwaitOutput
	if output.Code != code {
		b.t.Fatalf("%s ended with %+v, want code %q", id, output, code)
	}
	return output
}

// mustBeAbandoned checks by whom a process was abandoned, and whose run it was;
// "" is nobody's.
func (b *workbench) mustBeAbandoned(id string, writer registry.AbandonWriter, owner string) {
	b.t.Helper()
	evidence := b.mustEnd(id, registry.StateAbandoned, "").Evidence
	got := ""
	if evidence.Owner != nil {
		got = evidence.Owner.OwnerID
	}
	if evidence.Writer != writer || got != owner || evidence.EpochMs == 0 {
		b.t.Errorf("%s was abandoned by %s, the run of %q, want %s, %q", id, evidence.Writer, got, writer, owner)
	}
}

func (b *workbench) askToAbandon(id string) {
	b.t.Helper()
	reason := "not wanted any more"
	if _, err := b.RequestProcessAbandon(b.t.Context(), id, registry.AbandonRequest{RequestedBy: "somebody", RequestedAtMs: 1, Reason: &reason}, nil); err != nil {
		b.t.Fatal(err)
	}
}

func (b *workbench) askToCancel(id string) {
	b.t.Helper()
	reason := "too late"
	if _, err := b.AppendEvent(b.t.Context(), id, registry.CancelRequest(id, &reason), nil); err != nil {
		b.t.Fatal(err)
	}
}

// outcomes are the outcomes alone, by attempt: one may begin before the one
// before has told of its end.
func outcomes(settled []Settled) []Outcome {
	slices.SortFunc(settled, func(a, b Settled) int { return cmp.Compare(a.Attempt, b.Attempt) })
	var all []Outcome
	for _, s := range settled {
		all = append(all, s.Outcome)
	}
	return all
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(patience):
		t.Fatalf("no sign of %s", what)
		panic("unreachable")
	}
}

// awaitNoWorkers waits until no goroutine of a worker or a lease is left.
func awaitNoWorkers(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		all := string(stacks[:runtime.Stack(stacks, true)])
		if !strings.Contains(all, "client.(*Worker)") && !strings.Contains(all, "client.(*sweeper)") && !strings.Contains(all, "client.(*Lease).keep") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("goroutines are left:\n%s", all)
		}
	}
}
