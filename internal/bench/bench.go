// Package bench loads a registry and measures how it answers. It works on any
// registry.Registry, so a cluster is measured through the client that its
// users have.
package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/holdfast-registry/holdfast/registry"
)

// Config is one run.
type Config struct {
	// Workload is one of Workloads.
	Workload string
	// Callers is how many callers work beside each other.
	Callers int
	// Time is how long is measured, after WarmUp.
	Time   time.Duration
	WarmUp time.Duration
	// Rate, when positive, makes an open loop: so many iterations are begun a
	// second, whether or not earlier ones were answered, and their latency
	// counts from the moment they were due. Without it every caller begins the
	// next iteration when the one before is answered.
	Rate float64
	// PayloadBytes is the size of an event's payload.
	PayloadBytes int
	// Prefix begins all process ids of the run.
	Prefix string
	// Progress, when set, is called about once a second.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	WarmingUp  bool
	Elapsed    time.Duration
	Iterations uint64
	Errors     uint64
}

// Result is what a run measured. Latencies are those of an iteration: a whole
// life cycle in the lifecycle workload, one call in the others.
type Result struct {
	Workload string  `json:"workload"`
	Callers  int     `json:"callers"`
	Loop     string  `json:"loop"`
	Rate     float64 `json:"rate,omitempty"`
	Seconds  float64 `json:"seconds"`
	// Ops counts answered calls; a life cycle has six.
	Ops              uint64            `json:"ops"`
	OpsPerSecond     float64           `json:"ops_per_s"`
	Lifecycles       uint64            `json:"lifecycles"`
	LifecyclesPerSec float64           `json:"lifecycles_per_s"`
	Errors           uint64            `json:"errors"`
	ErrorCodes       map[string]uint64 `json:"error_codes,omitempty"`
	LatencyMs        Latency           `json:"latency_ms"`
}

// Latency is in milliseconds.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

// The bounds of recorded latencies, in microseconds, and their digits.
const (
	minLatencyUs = 1
	maxLatencyUs = 10 * 60 * 1_000_000
	digits       = 3
)

// caller is one of the callers, with what it has measured so far.
type caller struct {
	run      *run
	number   int
	workload iterate

	mu         sync.Mutex
	iterations uint64
	ops        uint64
	errors     map[string]uint64
	failed     uint64
	latency    *hdrhistogram.Histogram
}

// run is the state that the callers of one run share.
type run struct {
	config   Config
	registry registry.Registry
	begin    time.Time
	// measureFrom and end bound what counts.
	measureFrom, end time.Time
}

// Run loads a registry. An error means that the run could not be set up; calls
// that fail are counted in the result.
func Run(ctx context.Context, r registry.Registry, config Config) (Result, error) {
	make, ok := workloads[config.Workload]
	if !ok {
		return Result{}, fmt.Errorf("no workload is called %q", config.Workload)
	}
	callers := prepare(&run{config: config, registry: r}, config.Callers)
	if err := setUp(ctx, callers, make); err != nil {
		return Result{}, fmt.Errorf("set up %s: %w", config.Workload, err)
	}
	shared := callers[0].run
	shared.begin = time.Now()
	shared.measureFrom = shared.begin.Add(config.WarmUp)
	shared.end = shared.measureFrom.Add(config.Time)
	ctx, cancel := context.WithDeadline(ctx, shared.end.Add(drainTime))
	defer cancel()
	var working sync.WaitGroup
	for _, c := range callers {
		working.Go(func() { c.work(ctx) })
	}
	stop := shared.report(callers)
	working.Wait()
	stop()
	return shared.result(callers), nil
}

// drainTime is how long calls that were begun in time may still take.
const drainTime = 10 * time.Second

func prepare(shared *run, n int) []*caller {
	callers := make([]*caller, n)
	for i := range callers {
		callers[i] = &caller{
			run: shared, number: i, errors: map[string]uint64{},
			latency: hdrhistogram.New(minLatencyUs, maxLatencyUs, digits),
		}
	}
	return callers
}

// setUp makes what the callers work on, a few at a time.
func setUp(ctx context.Context, callers []*caller, make makeWorkload) error {
	var first error
	var once sync.Once
	var working sync.WaitGroup
	slots := newSlots(64)
	for _, c := range callers {
		working.Go(func() {
			slots.take()
			defer slots.give()
			workload, err := make(ctx, c)
			if err != nil {
				once.Do(func() { first = err })
			}
			c.workload = workload
		})
	}
	working.Wait()
	return first
}

// slots bounds how many work at a time.
type slots chan struct{}

func newSlots(n int) slots { return make(slots, n) }
func (s slots) take()      { s <- struct{}{} }
func (s slots) give()      { <-s }

// work repeats the workload until the run is over.
func (c *caller) work(ctx context.Context) {
	var interval time.Duration
	due := c.run.begin
	if rate := c.run.config.Rate; rate > 0 {
		interval = time.Duration(float64(c.run.config.Callers) / rate * float64(time.Second))
		// The callers begin spread over one interval.
		due = due.Add(interval * time.Duration(c.number) / time.Duration(c.run.config.Callers))
	}
	for ctx.Err() == nil {
		if interval == 0 {
			due = time.Now()
		} else if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		if !due.Before(c.run.end) {
			return
		}
		ops, err := c.workload(ctx)
		c.record(due, time.Now(), ops, err)
		due = due.Add(interval)
	}
}

// record counts an iteration. One that was due before the measured time, or
// answered after it in a closed loop, does not count.
func (c *caller) record(due, done time.Time, ops uint64, err error) {
	if due.Before(c.run.measureFrom) || (c.run.config.Rate <= 0 && done.After(c.run.end)) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops += ops
	if err != nil {
		c.failed++
		c.errors[registry.CodeOf(err).String()]++
		return
	}
	c.iterations++
	us := max(minLatencyUs, min(maxLatencyUs, done.Sub(due).Microseconds()))
	// The value is within the histogram's bounds.
	_ = c.latency.RecordValue(us)
}

// report calls the progress function about once a second until it is stopped.
func (r *run) report(callers []*caller) (stop func()) {
	if r.config.Progress == nil {
		return func() {}
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p := Progress{Elapsed: time.Since(r.begin), WarmingUp: time.Now().Before(r.measureFrom)}
				for _, c := range callers {
					c.mu.Lock()
					p.Iterations += c.iterations
					p.Errors += c.failed
					c.mu.Unlock()
				}
				r.config.Progress(p)
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}

// result sums the callers up.
func (r *run) result(callers []*caller) Result {
	result := Result{Workload: r.config.Workload, Callers: len(callers), Loop: "closed", Seconds: r.config.Time.Seconds()}
	if r.config.Rate > 0 {
		result.Loop, result.Rate = "open", r.config.Rate
	}
	latency := hdrhistogram.New(minLatencyUs, maxLatencyUs, digits)
	for _, c := range callers {
		latency.Merge(c.latency)
		result.Ops += c.ops
		result.Errors += c.failed
		if r.config.Workload == workloadLifecycle {
			result.Lifecycles += c.iterations
		}
		for code, n := range c.errors {
			if result.ErrorCodes == nil {
				result.ErrorCodes = map[string]uint64{}
			}
			result.ErrorCodes[code] += n
		}
	}
	result.OpsPerSecond = float64(result.Ops) / result.Seconds
	result.LifecyclesPerSec = float64(result.Lifecycles) / result.Seconds
	ms := func(us int64) float64 { return float64(us) / 1000 }
	result.LatencyMs = Latency{
		Mean: latency.Mean() / 1000, P50: ms(latency.ValueAtQuantile(50)), P90: ms(latency.ValueAtQuantile(90)),
		P99: ms(latency.ValueAtQuantile(99)), P999: ms(latency.ValueAtQuantile(99.9)), Max: ms(latency.Max()),
	}
	return result
}
