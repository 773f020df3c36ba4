package client

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/internal/bootclock"
	"github.com/holdfast-registry/holdfast/registry"
)

// Lease is a lease that keeps itself: it is renewed until it is released or
// lost, and every write through it carries its fence. All methods are safe for
// concurrent use. The package comment draws how long it is trusted.
//
// A handle that is neither released nor closed is renewed until its client is
// closed, or the process ends.
type Lease struct {
	timings
	registry registry.Registry
	// clock goes on in suspend, see package bootclock.
	clock  func() time.Duration
	logger *slog.Logger

	ctx    context.Context
	cancel context.CancelCauseFunc
	lost   chan struct{}
	// ended is closed when the handle ends, kept when the keeper has returned.
	ended, kept chan struct{}

	mu    sync.Mutex
	lease registry.ProcessLease
	// sent is when the request that was answered last was first sent.
	sent time.Duration
	// failed is what became of the last attempt to renew; nil if it succeeded.
	failed error
	// end is why the handle ended. Lost by time alone, it may still write until
	// trust ends; barred, it may not.
	end    *leaseError
	barred bool

	releasing sync.Mutex
	// over tells that there is nothing left to release.
	over bool
}

// Claim takes the lease of a process for an owner and keeps it: see Lease. The
// ttl is cut to whole milliseconds. A *BusyError carries the live lease of
// another owner that stands in the way.
//
// The context bounds the claim, and the handle's context descends from it. What
// ends it does not end the lease: that is for Release.
//
// The same owner and incarnation get their live lease back, with its tokens and
// a full ttl: after OutcomeUnknown, or in a program that was started again and
// kept its identity, simply claim again. Two programs that share an identity
// would both hold the lease; LocalOwner makes one that is nobody else's.
//
// Errors: BusyError, InvalidArgument (ttl or an option), NotFound, Terminal,
// OutcomeUnknown, and ErrLeaseLost when the answer came too late to be of use.
func (c *Client) Claim(ctx context.Context, processID string, owner registry.LeaseOwnerIdentity, ttl time.Duration, opts ...LeaseOption) (*Lease, error) {
	l := &Lease{registry: c, clock: c.options.bootClock, logger: c.options.logger}
	return l.claim(ctx, c.ctx, processID, owner, ttl, opts)
}

// Claim is Client.Claim over any registry, such as the one in memory for the
// tests of a program. Calls of the registry must end with their context.
func Claim(ctx context.Context, r registry.Registry, processID string, owner registry.LeaseOwnerIdentity, ttl time.Duration, opts ...LeaseOption) (*Lease, error) {
	if c, ok := r.(*Client); ok {
		return c.Claim(ctx, processID, owner, ttl, opts...)
	}
	l := &Lease{registry: r, clock: bootclock.Now, logger: slog.New(slog.DiscardHandler)}
	return l.claim(ctx, context.Background(), processID, owner, ttl, opts)
}

// claim gets the lease and starts to keep it, for as long as life lasts.
func (l *Lease) claim(ctx, life context.Context, processID string, owner registry.LeaseOwnerIdentity, ttl time.Duration, opts []LeaseOption) (*Lease, error) {
	o, err := newLeaseOptions(ttl, opts)
	if err != nil {
		return nil, err
	}
	l.prepare(ctx, o.timings)
	l.sent = l.clock()
	outcome, err := l.take(ctx, processID, owner, o.judge)
	if err == nil && outcome.Busy != nil {
		err = &BusyError{Holder: *outcome.Busy}
	}
	if err != nil {
		l.cancel(err)
		return nil, err
	}
	l.lease = *outcome.Acquired
	return l.begin(life)
}

// adopt keeps a lease that was granted by another way than a claim, in answer to
// a request that was first sent then. An answer that was long in coming, because
// the cluster was asked to wait, leaves little trust or none: so a lease whose
// renewal is due is renewed first, and trusted from there.
func (l *Lease) adopt(ctx, life context.Context, granted registry.ProcessLease, sent time.Duration, t timings) (*Lease, error) {
	l.prepare(ctx, t)
	l.lease, l.sent = granted, sent
	if l.clock() >= l.firstDue() {
		renewal := l.renew(withAttemptTimeout(ctx, l.renewEvery))
		if renewal.err != nil {
			l.cancel(renewal.err)
			return nil, renewal.err
		}
		l.renewed(renewal, 0)
	}
	return l.begin(life)
}

// prepare makes the handle ready to take a lease.
func (l *Lease) prepare(ctx context.Context, t timings) {
	l.timings = t
	l.lost, l.ended, l.kept = make(chan struct{}), make(chan struct{}), make(chan struct{})
	// What a caller gave for one call must not go on with the work.
	l.ctx, l.cancel = context.WithCancelCause(registry.WithOptions(ctx, registry.CallOptions{}))
}

// begin starts to keep the lease that was taken, for as long as life lasts.
func (l *Lease) begin(life context.Context) (*Lease, error) {
	if err := l.Err(); err != nil {
		return nil, err
	}
	go l.keep(life)
	return l, nil
}

func (l *Lease) take(ctx context.Context, processID string, owner registry.LeaseOwnerIdentity, judge judge) (registry.ProcessLeaseClaimOutcome, error) {
	if judge != nil {
		return claimOrReclaim(ctx, l.registry, processID, owner, l.ttlMs(), judge)
	}
	return l.registry.ClaimProcessLease(ctx, processID, owner, l.ttlMs())
}

// Context is what the work under the lease should run under. It is cancelled
// when the handle ends, a stop time before trust does, and context.Cause then
// tells why: ErrLeaseLost or ErrLeaseClosed. It ends with the context given to
// Claim too.
//
// Its timers stand still while the machine is suspended; within a second of
// waking it has caught up. Before a step whose effect lies outside the
// registry, Err looks at the clock at once.
func (l *Lease) Context() context.Context { return l.ctx }

// Lost is closed when the lease is lost. It stays open when the handle is
// closed: Context ends either way.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Err is nil while the handle holds its lease, and then why it ended. It asks
// the clock, so it knows of a pause of the process as soon as that is over.
func (l *Lease) Err() error {
	l.judge()
	defer l.mu.Unlock()
	if l.end == nil {
		return nil
	}
	return l.end
}

// TrustLeft is how long the lease is trusted from now on if no further renewal
// is answered. Work that has to be stopped must have stopped by then.
func (l *Lease) TrustLeft() time.Duration {
	now := l.judge()
	defer l.mu.Unlock()
	return l.left(now)
}

// Lease is the lease as it was last renewed. Its end is on the cluster's clock,
// and says nothing about trust.
func (l *Lease) Lease() registry.ProcessLease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lease
}

// Fence is the fence of the lease, for writes that the handle does not offer. It
// stays what it is when the handle ends: the cluster refuses it once another
// lease is granted.
func (l *Lease) Fence() *registry.Fence {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lease.Fence()
}

// judge locks the handle and looks whether its time has run out. The caller
// unlocks it.
func (l *Lease) judge() (now time.Duration) {
	l.mu.Lock()
	now = l.clock()
	if l.end == nil && now >= l.sent+l.working() {
		l.finish(l.ranOut(now), false)
	}
	return now
}

// left is how long the lease is trusted. The caller has locked the handle.
func (l *Lease) left(now time.Duration) time.Duration {
	if l.barred {
		return 0
	}
	return max(0, l.sent+l.trusted()-now)
}

// finish ends the handle; the first reason stays. The caller has locked it.
func (l *Lease) finish(why *leaseError, barred bool) {
	l.barred = l.barred || barred
	if l.end != nil {
		return
	}
	l.end = why
	l.cancel(why)
	close(l.ended)
	if why.reason == ErrLeaseLost {
		close(l.lost)
	}
}

// Close ends the handle and leaves the lease as it is: it stands in the way of
// other owners until its ttl is over, and the same incarnation may claim it
// back. The close of a client does the same to all of its handles. Close waits
// for the keeper to return, may be repeated, and does not keep from Release.
func (l *Lease) Close() {
	l.mu.Lock()
	l.finish(l.closed(), true)
	l.mu.Unlock()
	<-l.kept
}

// releaseTime bounds a release whose context has ended before.
const releaseTime = 5 * time.Second

// Release ends the handle and gives the lease back, so that the next owner need
// not wait for its end: stop the work first. It waits for a renewal that is
// under way. Released, or lost to another owner, it answers nil without asking
// again; after an error it may be repeated, and otherwise the lease ends with
// its ttl.
//
// A context that has ended by then, as in a shutdown, or because it is the
// handle's own, does not keep the lease from being released: the call is given
// five seconds.
func (l *Lease) Release(ctx context.Context) error {
	return l.release(ctx, l.registry.CompleteProcessLease)
}

// ReleaseForRetry is Release, and keeps claim-next from handing the process out
// for so much lease time, in whole milliseconds: registry.Queue. Errors:
// InvalidArgument (over registry.MaxRetryAfterMs), and Unsupported over a
// registry that hands out no work.
func (l *Lease) ReleaseForRetry(ctx context.Context, after time.Duration) error {
	queue, ok := l.registry.(registry.Queue)
	if !ok {
		return registry.Errorf(registry.CodeUnsupported, registry.Fields{Field: "queue"}, "this registry hands out no work")
	}
	return l.release(ctx, func(ctx context.Context, completion registry.ProcessLeaseCompletion) error {
		return queue.ReleaseForRetry(ctx, completion, uint64(max(0, after.Milliseconds())))
	})
}

// release ends the handle and gives the lease back by one call.
func (l *Lease) release(ctx context.Context, call func(context.Context, registry.ProcessLeaseCompletion) error) error {
	l.Close()
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
		defer cancel()
	}
	l.releasing.Lock()
	defer l.releasing.Unlock()
	if l.over || l.superseded() {
		return nil
	}
	lease := l.Lease()
	err := call(ctx, registry.ProcessLeaseCompletion{ProcessID: lease.ProcessID, LeaseToken: lease.LeaseToken})
	l.over = err == nil
	return err
}

// superseded tells that the cluster refused the lease as not the current one.
func (l *Lease) superseded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end.reason == ErrLeaseLost && l.end.failed.Code == registry.CodeFenced
}
