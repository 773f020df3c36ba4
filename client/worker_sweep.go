package client

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/holdfast-registry/holdfast/registry"
)

// The bounds of one sweep; the next goes on where it stopped. A lease is read
// only for rows that a sweep could do something about.
const (
	maxSweptRows   = 5000
	maxSweptLeases = 500
)

// sweeper looks in the background for what workers left behind: of all kinds,
// because a request or a death concerns nobody in particular. It is the only
// goroutine of its kind in a worker, and takes row after row. Spec A22, 7.3.
type sweeper struct {
	worker *Worker
	// next is the page that the next sweep begins with.
	next string
}

// run sweeps at once, since a worker that starts may be the one that is to take
// over, and then at intervals, until ctx ends.
func (s *sweeper) run(ctx context.Context) {
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.worker.logger.Warn("a sweep did not get to its end", "error", err)
		}
		interval := s.worker.sweepInterval
		if !sleep(ctx, interval/2+rand.N(interval)) {
			return
		}
	}
}

// sweep looks at rows until a bound is reached or all were seen.
func (s *sweeper) sweep(ctx context.Context) error {
	w, me := s.worker, LocalOwner(s.worker.id)
	w.disownAll(ctx)
	leases := 0
	for rows := 0; rows < maxSweptRows && leases < maxSweptLeases; {
		// A row that is read late is only seen late: nothing is decided for good
		// before its lease is held.
		stale := registry.WithReadLevel(ctx, registry.Stale)
		page, err := w.registry.ListNonTerminal(stale, registry.PageRequest{Size: registry.DefaultPageSize, Token: s.next})
		if err != nil {
			s.next = ""
			return err
		}
		for _, record := range page.Items {
			looked, err := s.visit(ctx, record, me)
			switch {
			case ctx.Err() != nil || passing(err):
				return err
			case err != nil:
				// The others must not wait for a row that cannot be helped.
				w.logger.Warn("a row could not be swept", "process", record.ID, "error", err)
			}
			if looked {
				leases++
			}
		}
		rows += len(page.Items)
		if s.next = page.NextToken; s.next == "" {
			return nil
		}
	}
	return nil
}

// remedy is what a row asks of whoever sweeps it.
type remedy uint8

const (
	// leave it: whoever holds it goes on, or nobody may.
	leave remedy = iota + 1
	// reconcile an abandon request: end the process as its worker would.
	reconcile
	// requeue work that may be run, so that claim-next hands it out.
	requeue
	// bury work that only one could go on with, who is dead.
	bury
)

// remedyFor decides by a row alone, in the order of A22.
func (w *Worker) remedyFor(record registry.ProcessRecord, me registry.LeaseOwnerIdentity) remedy {
	switch {
	case record.Status.State.Terminal():
		return leave
	case record.AbandonRequest != nil:
		return reconcile
	case record.Disposition == registry.ExternallyOwned:
		return leave
	case record.Disposition == registry.Rerunnable || record.FirstStarted == nil:
		return requeue
	case w.judge(record.FirstStarted.Owner, me) == registry.VerdictDead:
		return bury
	}
	return leave
}

// visit does for a row what it asks for, if its lease lets it. looked tells that
// the lease was read.
func (s *sweeper) visit(ctx context.Context, record registry.ProcessRecord, me registry.LeaseOwnerIdentity) (looked bool, err error) {
	w := s.worker
	first := w.remedyFor(record, me)
	if first == leave {
		return false, nil
	}
	free, dead, err := s.holder(ctx, record.ID, me)
	if err != nil || !free && !dead || free && first == requeue {
		// Held by somebody who may be alive; or claim-next hands it out as it is.
		return true, err
	}
	lease, err := w.claim(ctx, record.ID, me, withReclaim(w.judge))
	if err != nil {
		return true, unlessOvertaken(err)
	}
	defer lease.Release(ctx)
	outcome, err := s.treat(ctx, lease, me)
	if err == nil && outcome != "" {
		w.settled(Settled{ProcessID: record.ID, Kind: record.Identity.Kind, Outcome: outcome}, nil)
	}
	return true, unlessOvertaken(err)
}

// holder tells whether a process has no live lease, or one whose holder is dead.
func (s *sweeper) holder(ctx context.Context, processID string, me registry.LeaseOwnerIdentity) (free, dead bool, err error) {
	var info registry.AnswerInfo
	ctx = registry.WithAnswerInfo(registry.WithReadLevel(ctx, registry.Stale), &info)
	lease, err := s.worker.registry.GetProcessLease(ctx, processID)
	if err != nil {
		return false, false, err
	}
	if lease == nil || lease.ExpiresAtMs <= info.ClockMs {
		return true, false, nil
	}
	return false, s.worker.judge(lease.Owner, me) == registry.VerdictDead, nil
}

// treat reads row and lease again, now that the lease is held, and does what the
// row asks for then. The lease is given back by the caller.
func (s *sweeper) treat(ctx context.Context, lease *Lease, me registry.LeaseOwnerIdentity) (Outcome, error) {
	w, id := s.worker, lease.Lease().ProcessID
	held, err := w.registry.GetProcessLease(ctx, id)
	if err != nil || held == nil || held.LeaseToken != lease.Lease().LeaseToken {
		return "", err
	}
	record, err := w.registry.GetProcess(ctx, id)
	if err != nil {
		return "", err
	}
	var writer registry.AbandonWriter
	switch w.remedyFor(record, me) {
	case reconcile:
		writer = registry.WriterReconciledRequest
	case bury:
		writer = registry.WriterSweep
	case requeue:
		return OutcomeReleased, nil
	default:
		return "", nil
	}
	err = w.insist(ctx, lease, func(ctx context.Context) error {
		_, err := lease.CompleteProcess(ctx, abandoned(writer, ownerOf(record)))
		return err
	})
	return OutcomeAbandoned, err
}

// unlessOvertaken drops errors that say that somebody else was faster.
func unlessOvertaken(err error) error {
	var busy *BusyError
	switch code := registry.CodeOf(err); {
	case errors.As(err, &busy), errors.Is(err, ErrLeaseLost):
		return nil
	case code == registry.CodeNotFound, code == registry.CodeTerminal, code == registry.CodeReplayConflict:
		return nil
	}
	return err
}
