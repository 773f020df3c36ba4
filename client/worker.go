package client

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// WorkRegistry is what a worker needs: a Client, or the registry in memory for
// the tests of a program.
type WorkRegistry interface {
	registry.Registry
	registry.Queue
}

// Handler does the work of one process. The context is that of the attempt: it
// ends before the lease can be another's, and when the work is to stop for other
// reasons, which context.Cause tells: ErrLeaseLost, ErrCancelRequested,
// ErrAbandonRequested, ErrDraining or ErrProcessEnded. Then the handler should
// return soon, with an error; what becomes of the process is up to the cause.
//
// A value is the success that the process ends with, as JSON: registry.JSON as
// it is, anything else as encoding/json writes it. An error is a failure:
// Failure lets the handler choose which, Retry gives the process back instead,
// and a panic is a failure of the code panic. Every write goes through run, so
// that it carries the fence.
type Handler func(ctx context.Context, run *Run) (any, error)

// Handlers are the handlers of the kinds of processes
// (registry.ProcessIdentity), at most registry.MaxClaimKinds.
type Handlers map[string]Handler

// Worker runs processes: it asks for work and waits for it, keeps the lease of
// every process that it was handed, runs the handler of its kind, ends the
// process and releases the lease. In between it looks for what other workers
// left behind. Spec 7.2 to 7.4. Its methods are safe for concurrent use.
type Worker struct {
	workerOptions
	registry WorkRegistry
	handlers Handlers
	kinds    []string
	sweeper  sweeper

	// slots has a token for every handler that runs.
	slots chan struct{}

	mu      sync.Mutex
	running bool
	// runs are the attempts under way.
	runs map[*Run]struct{}
	// orphans are runs of this worker that it has stopped and could not end.
	orphans map[string]registry.LeaseOwnerIdentity
	drained Drained
}

// NewWorker makes a worker over a client, with handlers by kind. It does nothing
// until Run. Errors: InvalidArgument (a handler or an option).
func NewWorker(r WorkRegistry, handlers Handlers, opts ...WorkerOption) (*Worker, error) {
	if len(handlers) == 0 || len(handlers) > registry.MaxClaimKinds {
		return nil, invalid("handlers", "a worker has from 1 to %d handlers, and %d are given", registry.MaxClaimKinds, len(handlers))
	}
	for kind, handler := range handlers {
		if handler == nil {
			return nil, invalid("handlers", "the handler of kind %q is nil", kind)
		}
	}
	o, err := newWorkerOptions(r, opts)
	if err != nil {
		return nil, err
	}
	w := &Worker{
		workerOptions: o, registry: r, handlers: maps.Clone(handlers), kinds: slices.Sorted(maps.Keys(handlers)),
		slots: make(chan struct{}, o.concurrency), runs: make(map[*Run]struct{}), orphans: make(map[string]registry.LeaseOwnerIdentity),
	}
	w.sweeper.worker = w
	return w, nil
}

// RegisterWork registers a process for workers: with fencing required unless the
// registration says otherwise, so that no owner that is late can end it, and
// with the identity that its input suggests if it has none. Errors: those of
// registry.Processes.
func RegisterWork(ctx context.Context, r registry.Processes, registration registry.ProcessRegistration) (registry.ProcessRecord, error) {
	if registration.Fencing == "" {
		registration.Fencing = registry.FencingRequired
	}
	if registration.Identity.Kind == "" {
		registration.Identity = registry.DeriveIdentity(registration.Input)
	}
	return r.RegisterProcess(ctx, registration)
}

// Register is RegisterWork with the worker's registry.
func (w *Worker) Register(ctx context.Context, registration registry.ProcessRegistration) (registry.ProcessRecord, error) {
	return RegisterWork(ctx, w.registry, registration)
}

// Run works until the context ends or the client is closed, and then drains: it
// takes no new work, gives handlers the drain timeout to finish, cancels their
// contexts, and waits for them. Work that was stopped so is released if it is
// rerunnable, and otherwise ends as abandoned, since nobody may run it again;
// Drained lists both. Run returns nil after that; an error if a handler has
// not returned 10 s after its context was cancelled, or if the cluster says that
// this worker can never work, such as Unsupported. One Run at a time.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.start(); err != nil {
		return err
	}
	defer w.stop()
	// What a caller gave for one call must not go on with all of the work.
	ctx = registry.WithOptions(ctx, registry.CallOptions{})
	// What is under way outlives ctx, for as long as the drain lasts.
	base, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.life, cancel)()

	var sweeping, working sync.WaitGroup
	sweeping.Go(func() { w.sweeper.run(ctx) })
	err := w.feed(ctx, base, &working)
	cancel()
	sweeping.Wait()
	left := w.drain(giveUp, &working)
	w.disownRest(base)
	if err == nil {
		err = left
	}
	return err
}

func (w *Worker) start() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running {
		return invalid("worker", "the worker runs already: make another one, or set its concurrency")
	}
	w.running, w.drained = true, Drained{}
	return nil
}

func (w *Worker) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = false
}

// feed asks for work until ctx ends, for as much as there are free slots, and
// starts an attempt for everything that is handed out.
func (w *Worker) feed(ctx, base context.Context, working *sync.WaitGroup) error {
	failures := 0
	for {
		free := w.awaitSlots(ctx)
		if free == 0 {
			return nil
		}
		sent := w.clock()
		claims, err := w.registry.ClaimNext(ctx, w.request(free))
		for _, claim := range claims {
			run := w.newRun(claim)
			working.Go(func() {
				defer func() { <-w.slots }()
				w.attempt(ctx, base, run, sent)
			})
		}
		for range free - len(claims) {
			<-w.slots
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			failures = 0
		case permanent(err):
			return err
		default:
			failures++
			wait := pause(catalogued(err), failures)
			w.logger.Warn("asking for work failed", "failures", failures, "wait", wait, "error", err)
			sleep(ctx, wait)
		}
	}
}

// request asks for this many processes. Every request has an incarnation of its
// own, so every attempt of a process has.
func (w *Worker) request(limit int) registry.ClaimNextRequest {
	return registry.ClaimNextRequest{
		Owner: LocalOwner(w.id), TTLMs: w.timings.ttlMs(), Limit: limit, Kinds: w.kinds,
		WaitMs: uint64(w.pollWait.Milliseconds()),
	}
}

// awaitSlots waits for a free slot and takes all that are free, as many as one
// request can fill; none once ctx has ended.
func (w *Worker) awaitSlots(ctx context.Context) int {
	if ctx.Err() != nil {
		return 0
	}
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	for taken := 1; ; taken++ {
		if taken == registry.MaxClaims {
			return taken
		}
		select {
		case w.slots <- struct{}{}:
		default:
			return taken
		}
	}
}

// permanent tells that an error will not pass.
func permanent(err error) bool {
	switch registry.CodeOf(err) {
	case registry.CodeInvalidArgument, registry.CodeTooLarge, registry.CodeUnsupported, registry.CodeUnauthenticated, registry.CodePermissionDenied:
		return true
	}
	return false
}

// sleep waits, and tells whether it did so to the end.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Outcome is what became of an attempt, or of a row that a sweep took hold of.
type Outcome string

// The outcomes.
const (
	OutcomeCompleted Outcome = "completed"
	OutcomeFailed    Outcome = "failed"
	OutcomeCancelled Outcome = "cancelled"
	OutcomeAbandoned Outcome = "abandoned"
	// OutcomeRetried is work that its handler gave back.
	OutcomeRetried Outcome = "retried"
	// OutcomeReleased is work that was given back unfinished: in a drain, by a
	// sweep that took it from a dead holder, or because it is another's.
	OutcomeReleased Outcome = "released"
	// OutcomeLost is work whose lease was lost: nothing was written.
	OutcomeLost Outcome = "lost"
)

// Settled is what became of an attempt, or of a row that a sweep changed.
type Settled struct {
	ProcessID, Kind string
	// Attempt counts from 1; 0 is a sweep.
	Attempt uint64
	Outcome Outcome
	// Took is the time from the answer of claim-next to the last write.
	Took time.Duration
}

// settled tells who wants to know.
func (w *Worker) settled(s Settled, err error) {
	w.logger.Debug("settled", "process", s.ProcessID, "kind", s.Kind, "attempt", s.Attempt, "outcome", s.Outcome, "took", s.Took, "error", err)
	w.observe(s)
}

// String names the worker for logs.
func (w *Worker) String() string { return fmt.Sprintf("worker %s for %v", w.id, w.kinds) }
