package client

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// watchEvery is how often a keeper looks at the boot clock. Its timers stand
// still in suspend, so this bounds how late the handle's context is cancelled
// after one.
const watchEvery = time.Second

// renewal is what became of one renewal.
type renewal struct {
	// sent is from before the first sending.
	sent  time.Duration
	lease registry.ProcessLease
	err   error
}

// keep renews the lease until the handle ends, at the latest with its client's
// life. It is the only goroutine of a handle but for a renewal under way.
func (l *Lease) keep(life context.Context) {
	defer close(l.kept)
	// A try that hangs must leave time for one elsewhere.
	ctx, cancel := context.WithCancel(withAttemptTimeout(life, l.renewEvery))
	answers := make(chan renewal, 1)
	underWay := false
	defer func() {
		cancel()
		if underWay {
			<-answers
		}
	}()

	due, failures := l.firstDue(), 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case answer := <-answers:
			underWay = false
			if failures = l.renewed(answer, failures); failures == 0 {
				due = answer.sent + l.renewEvery
			} else {
				due = l.clock() + min(pause(l.failure(), failures), l.renewEvery)
			}
		case <-l.ended:
			return
		case <-life.Done():
			l.mu.Lock()
			l.finish(l.closed(), true)
			l.mu.Unlock()
			return
		}
		now := l.judge()
		ended, wait := l.end != nil, min(watchEvery, l.sent+l.working()-now)
		l.mu.Unlock()
		switch {
		case ended:
			return
		case underWay:
		case now >= due:
			underWay = true
			go func() { answers <- l.renew(ctx) }()
		default:
			wait = min(wait, due-now)
		}
		timer.Reset(wait)
	}
}

func (l *Lease) firstDue() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent + l.renewEvery
}

// renew makes one renewal: a request of its own, so that what its answer is
// worth counts from its own first sending.
func (l *Lease) renew(ctx context.Context) renewal {
	sent := l.clock()
	lease, err := l.registry.RenewProcessLease(ctx, l.Lease(), l.ttlMs())
	return renewal{sent, lease, err}
}

// renewed takes note of a renewal, and returns how many have failed in a row.
// One that failed is no lost lease, unless the cluster says so.
func (l *Lease) renewed(answer renewal, failures int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = answer.err
	if answer.err == nil {
		l.sent, l.lease.ExpiresAtMs = answer.sent, answer.lease.ExpiresAtMs
		return 0
	}
	l.logger.Debug("a renewal failed", "process", l.lease.ProcessID, "failures", failures+1, "error", answer.err)
	l.heed(answer.err)
	return failures + 1
}

// failure is what the last renewal failed with, as an error of the catalogue.
func (l *Lease) failure() *registry.Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return catalogued(l.failed)
}

// heed ends the handle if an error says that its lease is not the current one,
// or has expired. The caller has locked it.
func (l *Lease) heed(err error) {
	var failed *registry.Error
	if errors.As(err, &failed) && (failed.Code == registry.CodeFenced || failed.Code == registry.CodeLeaseExpired) {
		l.finish(takenAway(failed), true)
	}
}
