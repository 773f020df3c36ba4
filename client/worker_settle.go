package client

import (
	"context"
	"errors"
	"maps"

	"github.com/holdfast-registry/holdfast/registry"
)

// write carries out the ending of an attempt: it ends the process if there is
// an output, and gives the lease back.
func (w *Worker) write(base context.Context, run *Run, end ending) (Outcome, error) {
	outcome, err := end.outcome, error(nil)
	if end.output != nil {
		outcome, err = w.complete(base, run, end)
	}
	if outcome == OutcomeLost && run.mayHaveBegun() {
		run.lease.Close()
		if w.disown(base, run.process.ID, run.granted.Owner) {
			return OutcomeAbandoned, err
		}
		return outcome, err
	}
	ctx, cancel := context.WithTimeout(base, releaseTime)
	defer cancel()
	if release := end.release(ctx, run.lease); release != nil {
		w.logger.Warn("a release failed, so the lease runs out", "process", run.process.ID, "error", release)
	}
	return outcome, err
}

// complete ends the process. What the registry does not take as an output is
// replaced by a failure that says so.
func (w *Worker) complete(base context.Context, run *Run, end ending) (Outcome, error) {
	output, unknown := *end.output, false
	write := func(ctx context.Context) error {
		err := run.lease.completeAndRelease(ctx, output)
		unknown = unknown || err != nil && !registry.IsDefinite(err)
		return err
	}
	err, outcome := w.insist(base, run.lease, write), end.outcome
	if refused := registry.CodeOf(err); refused == registry.CodeInvalidArgument || refused == registry.CodeTooLarge || refused == registry.CodePayloadRejected {
		output, outcome = failed(FailureOutput, err.Error()), OutcomeFailed
		err = w.insist(base, run.lease, write)
	}
	if unknown && errors.Is(err, registry.ErrFenced) && w.hasEnded(base, run, output.Kind) {
		// An earlier try has done it all: the lease is given back.
		err = nil
	}
	switch registry.CodeOf(err) {
	case 0:
		return outcome, nil
	case registry.CodeTerminal, registry.CodeReplayConflict, registry.CodeNotFound:
		return OutcomeReleased, errors.Join(ErrProcessEnded, err)
	}
	w.logger.Warn("the end of a process could not be written", "process", run.process.ID, "outcome", outcome, "error", err)
	return OutcomeLost, err
}

// hasEnded tells that a process ended as an output of this kind ends it.
func (w *Worker) hasEnded(base context.Context, run *Run, kind registry.OutputKind) bool {
	ctx, cancel := context.WithTimeout(base, releaseTime)
	defer cancel()
	record, err := w.registry.GetProcess(ctx, run.process.ID)
	return err == nil && record.Life == run.process.Life && record.Status.State == kind.State()
}

// insist makes a write that may be repeated until it is answered or the lease is
// not trusted any more.
func (w *Worker) insist(base context.Context, lease *Lease, write func(context.Context) error) error {
	for tries := 1; ; tries++ {
		ctx, cancel := context.WithTimeout(base, lease.TrustLeft())
		err := write(ctx)
		cancel()
		if err == nil || !passing(err) {
			return err
		}
		wait := pause(catalogued(err), tries)
		if lease.TrustLeft() <= wait || !sleep(base, wait) {
			return err
		}
	}
}

// passing tells that what stands in the way of a write that does no harm twice
// may pass.
func passing(err error) bool {
	switch registry.CodeOf(err) {
	case registry.CodeOutcomeUnknown, registry.CodeNoLeader, registry.CodeNotLeader, registry.CodeOverloaded, registry.CodeSessionExpired:
		return true
	}
	return false
}

// disown ends a run of this worker that it began, lost its trust in and has
// stopped: nobody may begin it again, and others must not judge it while this
// process lives. It claims under the identity of the run, so a lease that is
// still there is simply had again. What cannot be done now, because the cluster
// does not answer or another owner holds the lease, the sweeps try again. Spec
// A22.
func (w *Worker) disown(ctx context.Context, processID string, owner registry.LeaseOwnerIdentity) (written bool) {
	written, err := w.abandonOwn(ctx, processID, owner)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch code := registry.CodeOf(err); code {
	case 0, registry.CodeNotFound, registry.CodeTerminal, registry.CodeReplayConflict:
		delete(w.orphans, processID)
	default:
		w.orphans[processID] = owner
		w.logger.Warn("work that was begun and lost could not be abandoned yet", "process", processID, "error", err)
	}
	return written
}

// disownAll tries again what could not be disowned.
func (w *Worker) disownAll(ctx context.Context) {
	w.mu.Lock()
	orphans := maps.Clone(w.orphans)
	w.mu.Unlock()
	for id, owner := range orphans {
		w.disown(ctx, id, owner)
	}
}

func (w *Worker) abandonOwn(ctx context.Context, processID string, owner registry.LeaseOwnerIdentity) (bool, error) {
	lease, err := w.claim(ctx, processID, owner)
	if err != nil {
		return false, err
	}
	defer lease.Release(ctx)
	record, err := w.registry.GetProcess(ctx, processID)
	if err != nil || record.Status.State.Terminal() || record.FirstStarted == nil || !record.FirstStarted.Owner.SameIncarnation(owner) {
		return false, err
	}
	err = w.insist(ctx, lease, func(ctx context.Context) error {
		_, err := lease.CompleteProcess(ctx, abandoned(registry.WriterOwnerDrain, &owner))
		return err
	})
	return err == nil, err
}

// claim is Client.Claim over the worker's registry, by its clock.
func (w *Worker) claim(ctx context.Context, processID string, owner registry.LeaseOwnerIdentity, opts ...LeaseOption) (*Lease, error) {
	l := &Lease{registry: w.registry, clock: w.clock, logger: w.logger}
	return l.claim(ctx, w.life, processID, owner, w.leaseTTL, opts)
}
