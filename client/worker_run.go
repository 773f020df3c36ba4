package client

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// Why a handler's context ends, beside ErrLeaseLost.
var (
	// ErrCancelRequested is the cause when somebody appended
	// process.cancel_requested. The process ends as cancelled.
	ErrCancelRequested = errors.New("somebody asked the process to stop")
	// ErrAbandonRequested is the cause when an abandon request was stored. The
	// process ends as abandoned.
	ErrAbandonRequested = errors.New("somebody asked that the process be given up")
	// ErrDraining is the cause when the worker stops.
	ErrDraining = errors.New("the worker is stopping")
	// ErrProcessEnded is the cause when somebody else ended the process.
	ErrProcessEnded = errors.New("the process was ended by somebody else")
)

// Run is one attempt at a process, as its handler sees it. All methods are safe
// for concurrent use.
type Run struct {
	process registry.ProcessRecord
	granted registry.ProcessLease
	attempt uint64
	began   time.Duration
	lease   *Lease

	mu sync.Mutex
	// stop cancels the handler's context once it runs; cause is what it is, or
	// will be, cancelled with.
	stop  context.CancelCauseFunc
	cause error
	// What the attempt was told: the reasons of requests, the end of the worker,
	// the end of the process.
	cancelling, abandoning *string
	draining, ended        bool
}

// Process is the record as of the beginning of the attempt.
func (r *Run) Process() registry.ProcessRecord { return r.process }

// Input is what the process is to do.
func (r *Run) Input() registry.ProcessInput { return r.process.Input }

// Attempt counts how often the process was handed out, from 1.
func (r *Run) Attempt() uint64 { return r.attempt }

// Lease is the lease of the attempt, for further writes under its fence and for
// its fencing token. The worker releases it.
func (r *Run) Lease() *Lease { return r.lease }

// AppendEvent stores one event under the fence: Lease.AppendEvent.
func (r *Run) AppendEvent(ctx context.Context, request registry.ProcessEventAppendRequest) (registry.ProcessEventAppendResult, error) {
	return r.lease.AppendEvent(ctx, request)
}

// CancelRequested tells whether somebody asked the process to stop, and the
// reason if one was given.
func (r *Run) CancelRequested() (reason string, requested bool) { return r.request(&r.cancelling) }

// AbandonRequested tells whether somebody asked that the process be given up,
// and the reason if one was given.
func (r *Run) AbandonRequested() (reason string, requested bool) { return r.request(&r.abandoning) }

func (r *Run) request(at **string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if *at == nil {
		return "", false
	}
	return **at, true
}

// interrupt ends the handler's context, if need be before it has begun. note
// notes why.
func (r *Run) interrupt(cause error, note func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	note()
	if r.cause == nil {
		r.cause = cause
	}
	if r.stop != nil {
		r.stop(r.cause)
	}
}

// start makes the handler's context one that can be interrupted.
func (r *Run) start(stop context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop = stop; r.cause != nil {
		stop(r.cause)
	}
}

func (w *Worker) newRun(claim registry.ClaimedProcess) *Run {
	run := &Run{process: claim.Record, granted: claim.Lease, attempt: claim.Attempt, began: w.clock()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs[run] = struct{}{}
	return run
}

// attempt is one attempt at a process, from the claim to the release. ctx tells
// whether the worker still works, base bounds everything that is written.
func (w *Worker) attempt(ctx, base context.Context, run *Run, sent time.Duration) {
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.runs, run)
	}()
	handle := &Lease{registry: w.registry, clock: w.clock, logger: w.logger}
	lease, err := handle.adopt(base, w.life, run.granted, sent, w.timings)
	if err != nil {
		// Nothing was begun, so whoever comes next may have it.
		_ = w.registry.CompleteProcessLease(base, registry.ProcessLeaseCompletion{ProcessID: run.process.ID, LeaseToken: run.granted.LeaseToken})
		w.settled(run.settled(OutcomeLost, w.clock()), err)
		return
	}
	w.mu.Lock()
	run.lease = lease
	w.mu.Unlock()

	end := w.perform(ctx, base, run)
	outcome, err := w.write(base, run, end)
	w.noteDrained(run, outcome)
	w.settled(run.settled(outcome, w.clock()), errors.Join(end.err, err))
}

// ending is what an attempt comes to.
type ending struct {
	outcome Outcome
	// output ends the process; nil leaves it running.
	output *registry.ProcessAwaitOutput
	// retry gives the process back after a time.
	retry *retryError
	// err is what went wrong, for the log.
	err error
}

func ends(outcome Outcome, output registry.ProcessAwaitOutput, err error) ending {
	return ending{outcome: outcome, output: &output, err: err}
}

// release gives the lease back as the attempt came to it.
func (e ending) release(ctx context.Context, lease *Lease) error {
	if e.retry != nil {
		return lease.ReleaseForRetry(ctx, e.retry.delay())
	}
	return lease.Release(ctx)
}

// perform brings an attempt to its end, and writes nothing of that yet.
func (w *Worker) perform(ctx, base context.Context, run *Run) ending {
	switch {
	case ctx.Err() != nil:
		// It came in the moment in which the worker was stopped.
		run.interrupt(ErrDraining, func() { run.draining = true })
		return ending{outcome: OutcomeReleased}
	case w.maxAttempts > 0 && run.attempt > w.maxAttempts:
		return ends(OutcomeFailed, failed(FailureAttempts, fmt.Sprintf("the process was handed out for the %d. time, and %d attempts are the limit", run.attempt, w.maxAttempts)), nil)
	}
	if end := w.recordStart(base, run); end != nil {
		return *end
	}
	if err := w.look(base, run); err != nil {
		w.logger.Debug("looking for requests failed", "process", run.process.ID, "error", err)
	}
	if end := run.interrupted(errors.New("before it was run")); end != nil {
		return *end
	}
	value, err := w.handle(base, run)
	if err == nil {
		return ends(OutcomeCompleted, success(value), nil)
	}
	if end := run.interrupted(err); end != nil {
		return *end
	}
	var retry *retryError
	if errors.As(err, &retry) && run.process.Disposition == registry.Rerunnable {
		return ending{outcome: OutcomeRetried, retry: retry, err: err}
	}
	if run.lease.Err() != nil {
		return ending{outcome: OutcomeLost, err: err}
	}
	return ends(OutcomeFailed, failureOf(err), err)
}

// recordStart records that this attempt begins. What it returns is why it must
// not.
func (w *Worker) recordStart(base context.Context, run *Run) *ending {
	startedAt := nowMs()
	err := w.insist(base, run.lease, func(ctx context.Context) error {
		record, err := run.lease.RecordFirstStarted(ctx, startedAt)
		if err == nil {
			run.process = record
		}
		return err
	})
	switch {
	case err != nil:
		return &ending{outcome: OutcomeLost, err: err}
	case run.process.Status.State.Terminal():
		return &ending{outcome: OutcomeReleased, err: ErrProcessEnded}
	case run.process.Disposition == registry.OwnerBound && !run.startedHere():
		// Somebody else has begun it, and only they can go on. Spec A21.
		return &ending{outcome: OutcomeReleased, err: fmt.Errorf("%q began it", run.process.FirstStarted.Owner.OwnerID)}
	}
	return nil
}

// startedHere tells that this attempt is the one that began the process.
func (r *Run) startedHere() bool {
	return r.process.FirstStarted != nil && r.process.FirstStarted.Owner.SameIncarnation(r.granted.Owner)
}

// mayHaveBegun tells that this attempt is, or may be, the one start of an
// owner_bound process. If no answer came, it may be that and not know it.
func (r *Run) mayHaveBegun() bool {
	return r.process.Disposition == registry.OwnerBound && (r.process.FirstStarted == nil || r.startedHere())
}

// interrupted is what an attempt comes to that was told to stop and did so with
// an error; nil if it was not told to.
func (r *Run) interrupted(err error) *ending {
	r.mu.Lock()
	defer r.mu.Unlock()
	var end ending
	var retry *retryError
	switch {
	case r.ended:
		end = ending{outcome: OutcomeReleased, err: ErrProcessEnded}
	case r.abandoning != nil:
		end = ends(OutcomeAbandoned, abandoned(registry.WriterReconciledRequest, ownerOf(r.process)), err)
	case r.cancelling != nil:
		end = ends(OutcomeCancelled, cancelled(*r.cancelling), err)
	case !r.draining:
		return nil
	case r.process.Disposition == registry.OwnerBound:
		end = ends(OutcomeAbandoned, abandoned(registry.WriterOwnerDrain, ownerOf(r.process)), err)
	case errors.As(err, &retry):
		end = ending{outcome: OutcomeRetried, retry: retry, err: err}
	default:
		end = ending{outcome: OutcomeReleased, err: err}
	}
	return &end
}

// handle runs the handler in a goroutine of its own, which it may panic in or
// end, and delivers requests to it meanwhile.
func (w *Worker) handle(base context.Context, run *Run) (value any, err error) {
	ctx, cancel := context.WithCancelCause(run.lease.Context())
	defer cancel(nil)
	run.start(cancel)
	following, done := context.WithCancel(base)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		defer done()
		// Overwritten unless the goroutine ends in the handler.
		err = Failure{Code: FailurePanic, Message: "the handler ended its goroutine (runtime.Goexit)"}
		defer func() {
			if panicked := recover(); panicked != nil {
				err = Failure{Code: FailurePanic, Message: fmt.Sprintf("%v\n\n%s", panicked, debug.Stack())}
			}
		}()
		value, err = w.handlers[run.process.Identity.Kind](ctx, run)
	}()
	w.follow(following, run)
	<-finished
	return value, err
}

func (r *Run) settled(outcome Outcome, now time.Duration) Settled {
	return Settled{ProcessID: r.process.ID, Kind: r.process.Identity.Kind, Attempt: r.attempt, Outcome: outcome, Took: now - r.began}
}
