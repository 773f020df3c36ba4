package client

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/holdfast-registry/holdfast/internal/bootclock"
	"github.com/holdfast-registry/holdfast/registry"
)

// The defaults of a worker's options.
const (
	DefaultConcurrency   = 10
	DefaultWorkerTTL     = 30 * time.Second
	DefaultMaxAttempts   = 100
	DefaultSweepInterval = 10 * time.Second
	DefaultDrainTimeout  = 10 * time.Second
)

// defaultStopTimeout is not for callers to set: with the drain timeout it stays
// below the half minute that most supervisors wait.
const defaultStopTimeout = 10 * time.Second

// WorkerOption changes how a Worker behaves.
type WorkerOption func(*workerOptions)

type workerOptions struct {
	id            string
	concurrency   int
	leaseTTL      time.Duration
	maxAttempts   uint64
	pollWait      time.Duration
	sweepInterval time.Duration
	drainTimeout  time.Duration
	logger        *slog.Logger
	observe       func(Settled)

	// timings are those of leaseTTL.
	timings timings
	// clock is what the trust in leases is counted by; life what bounds them.
	clock func() time.Duration
	life  context.Context
	// stopTimeout is how long a handler may take to return once a drain has
	// cancelled its context.
	stopTimeout time.Duration
	judge       judge
}

// WithWorkerID sets the owner id of the worker's leases. Every attempt has an
// incarnation of its own, so workers may share an id. The default is the name of
// the host, a colon, and the pid.
func WithWorkerID(id string) WorkerOption { return func(o *workerOptions) { o.id = id } }

// WithConcurrency sets how many handlers run at a time, at least 1. The default
// is DefaultConcurrency.
func WithConcurrency(n int) WorkerOption { return func(o *workerOptions) { o.concurrency = n } }

// WithLeaseTTL sets how long the leases of the worker last without a renewal: so
// long may it take until work moves on from a host that is gone, and so long an
// outage of the cluster is survived. The default is DefaultWorkerTTL.
func WithLeaseTTL(ttl time.Duration) WorkerOption { return func(o *workerOptions) { o.leaseTTL = ttl } }

// WithMaxAttempts bounds how often a process is handed out to workers: one that
// comes again after that ends with a failure of the code attempts_exhausted.
// Every time counts, those too after which its worker was only stopped. 0 sets
// no bound. The default is DefaultMaxAttempts.
func WithMaxAttempts(n uint64) WorkerOption { return func(o *workerOptions) { o.maxAttempts = n } }

// WithPollWait sets how long one claim-next waits on the leader until there is
// work, at most registry.MaxClaimWaitMs, which is the default. It says nothing
// about how soon work is found: that is at once.
func WithPollWait(wait time.Duration) WorkerOption {
	return func(o *workerOptions) { o.pollWait = wait }
}

// WithSweepInterval sets how often the worker looks for what other workers left
// behind, give or take a half. The default is DefaultSweepInterval.
func WithSweepInterval(interval time.Duration) WorkerOption {
	return func(o *workerOptions) { o.sweepInterval = interval }
}

// WithDrainTimeout sets how long handlers may go on once the worker is to stop,
// before their contexts are cancelled; 0 cancels them at once. The default is
// DefaultDrainTimeout.
func WithDrainTimeout(timeout time.Duration) WorkerOption {
	return func(o *workerOptions) { o.drainTimeout = timeout }
}

// WithWorkerLogger makes the worker log what goes wrong, and at debug level what
// became of every attempt. By default it logs nothing.
func WithWorkerLogger(logger *slog.Logger) WorkerOption {
	return func(o *workerOptions) { o.logger = logger }
}

// WithObserver calls a function with what became of every attempt and of every
// row that a sweep changed, for metrics. It is called by several goroutines at a
// time and must not block.
func WithObserver(observe func(Settled)) WorkerOption {
	return func(o *workerOptions) { o.observe = observe }
}

func newWorkerOptions(r WorkRegistry, opts []WorkerOption) (workerOptions, error) {
	o := workerOptions{
		id: hostAndPID(), concurrency: DefaultConcurrency, leaseTTL: DefaultWorkerTTL, maxAttempts: DefaultMaxAttempts,
		pollWait: registry.MaxClaimWaitMs * time.Millisecond, sweepInterval: DefaultSweepInterval, drainTimeout: DefaultDrainTimeout,
		logger: slog.New(slog.DiscardHandler), observe: func(Settled) {},
		clock: bootclock.Now, life: context.Background(), judge: JudgeHolder, stopTimeout: defaultStopTimeout,
	}
	if c, ok := r.(*Client); ok {
		o.clock, o.life = c.options.bootClock, c.ctx
	}
	for _, opt := range opts {
		opt(&o)
	}
	lease, err := newLeaseOptions(o.leaseTTL, nil)
	if err != nil {
		return o, err
	}
	o.timings = lease.timings
	return o, o.check()
}

func (o *workerOptions) check() error {
	if err := registry.ValidateID("worker_id", o.id); err != nil {
		return err
	}
	switch {
	case o.concurrency < 1:
		return invalid("concurrency", "the concurrency is %d and must be at least 1", o.concurrency)
	case o.pollWait < 0 || o.pollWait > registry.MaxClaimWaitMs*time.Millisecond:
		return invalid("poll_wait", "the poll wait is %v, and may be from 0 to %v", o.pollWait, registry.MaxClaimWaitMs*time.Millisecond)
	case o.sweepInterval < time.Millisecond:
		return invalid("sweep_interval", "the sweep interval is %v and at least 1ms", o.sweepInterval)
	case o.drainTimeout < 0:
		return invalid("drain_timeout", "the drain timeout is %v and must not be negative", o.drainTimeout)
	}
	return nil
}

// hostAndPID is the owner id of a worker that was given none.
func hostAndPID() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "worker"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}
