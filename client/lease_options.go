package client

import (
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// LeaseOption changes how a Lease is claimed and kept.
type LeaseOption func(*leaseOptions)

type leaseOptions struct {
	timings
	// judge finds the holders dead that the lease is taken away from; nil takes
	// it away from nobody.
	judge judge
}

// timings are the times of a lease. Those that were not given are derived from
// the ttl.
type timings struct {
	ttl        time.Duration
	renewEvery time.Duration
	margin     time.Duration
	stopTime   time.Duration
}

// unset marks a time that no option gave.
const unset = -1 << 63

// WithRenewInterval sets how long after one renewal the next is due, counted
// from when they are sent: at least a millisecond and at most a third of the
// ttl, which is the default, so that two renewals may be missed.
func WithRenewInterval(interval time.Duration) LeaseOption {
	return func(o *leaseOptions) { o.renewEvery = interval }
}

// WithMargin sets how long before the earliest moment at which the cluster may
// grant the lease to somebody else trust ends. It makes up for clocks that do
// not run at one speed, and must be at least a millisecond, in which the cluster
// counts. The default is a twentieth of the ttl and one millisecond.
func WithMargin(margin time.Duration) LeaseOption {
	return func(o *leaseOptions) { o.margin = margin }
}

// WithStopTime sets how long before trust ends the handle's context is cancelled:
// the time that the work has to stop. The default is a twentieth of the ttl.
func WithStopTime(stopTime time.Duration) LeaseOption {
	return func(o *leaseOptions) { o.stopTime = stopTime }
}

// WithReclaim takes the lease away from a holder that has died, as far as that
// can be seen from here: see ClaimOrReclaim. The work of such a holder may have
// left processes of its own behind.
func WithReclaim() LeaseOption { return withReclaim(JudgeHolder) }

func withReclaim(judge judge) LeaseOption { return func(o *leaseOptions) { o.judge = judge } }

// newLeaseOptions derives the times that were not given and checks all of them,
// in the order of spec 7.1.
func newLeaseOptions(ttl time.Duration, opts []LeaseOption) (leaseOptions, error) {
	// The cluster counts whole milliseconds, and trust must not count more.
	ttl = ttl.Truncate(time.Millisecond)
	o := leaseOptions{timings: timings{ttl: ttl, renewEvery: unset, margin: unset, stopTime: unset}}
	for _, opt := range opts {
		opt(&o)
	}
	o.renewEvery = orDefault(o.renewEvery, ttl/3)
	o.margin = orDefault(o.margin, ttl/20+time.Millisecond)
	o.stopTime = orDefault(o.stopTime, ttl/20)
	return o, o.check()
}

func orDefault(given, otherwise time.Duration) time.Duration {
	if given == unset {
		return otherwise
	}
	return given
}

func (t timings) check() error {
	switch {
	case t.ttl < time.Millisecond:
		return invalid("ttl", "the ttl of a lease is at least 1ms, for example 30s")
	case t.ttl > registry.MaxLeaseTTLMs*time.Millisecond:
		limit, value := uint64(registry.MaxLeaseTTLMs), uint64(t.ttl.Milliseconds())
		return registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "ttl", Limit: &limit, Value: &value},
			"the ttl of a lease is %v and at most %v", t.ttl, registry.MaxLeaseTTLMs*time.Millisecond)
	case t.renewEvery < time.Millisecond:
		return invalid("renew_interval", "a lease of %v is renewed every %v, and the renew interval is at least 1ms: give it a longer ttl", t.ttl, t.renewEvery)
	case t.renewEvery > t.ttl/3:
		return invalid("renew_interval", "the renew interval is %v, and at most %v, a third of the ttl of %v", t.renewEvery, t.ttl/3, t.ttl)
	case t.margin < time.Millisecond:
		return invalid("margin", "the margin is %v and at least 1ms", t.margin)
	case t.stopTime < 0:
		return invalid("stop_time", "the stop time is %v and must not be negative", t.stopTime)
	case t.margin > t.ttl || t.stopTime > t.ttl || t.working() <= t.renewEvery:
		return invalid("stop_time", "margin %v and stop time %v leave nothing of a ttl of %v that is renewed every %v: give it a longer ttl", t.margin, t.stopTime, t.ttl, t.renewEvery)
	}
	return nil
}

// trusted is how long a lease is trusted after the request that got it was
// first sent.
func (t timings) trusted() time.Duration { return t.ttl - t.margin }

// working is how long the work goes on without a renewal that is answered.
func (t timings) working() time.Duration { return t.trusted() - t.stopTime }

func (t timings) ttlMs() uint64 { return uint64(t.ttl.Milliseconds()) }
