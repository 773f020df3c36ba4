package bench_test

import (
	"context"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/bench"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/memory"
)

func TestEveryWorkloadRuns(t *testing.T) {
	for _, workload := range bench.Workloads() {
		t.Run(workload, func(t *testing.T) {
			result, err := bench.Run(t.Context(), memory.New(), bench.Config{
				Workload: workload, Callers: 3, Time: 50 * time.Millisecond, PayloadBytes: 256, Prefix: "b",
			})
			if err != nil {
				t.Fatal(err)
			}
			if result.Errors != 0 || result.Ops == 0 || result.LatencyMs.Max <= 0 || result.LatencyMs.P50 > result.LatencyMs.Max {
				t.Fatalf("%+v", result)
			}
			if (workload == "lifecycle") != (result.Lifecycles > 0) {
				t.Fatalf("%d life cycles in %s", result.Lifecycles, workload)
			}
			if workload == "lifecycle" && result.Ops != 6*result.Lifecycles {
				t.Fatalf("%d calls in %d life cycles, want six each", result.Ops, result.Lifecycles)
			}
		})
	}
	if _, err := bench.Run(t.Context(), memory.New(), bench.Config{Workload: "nothing", Callers: 1}); err == nil {
		t.Error("an unknown workload ran")
	}
}

// failing refuses every n-th read.
type failing struct {
	*memory.Registry
	calls atomic.Uint64
}

func (f *failing) GetProcess(ctx context.Context, id string) (registry.ProcessRecord, error) {
	if f.calls.Add(1)%2 == 0 {
		return registry.ProcessRecord{}, registry.Errorf(registry.CodeNoLeader, registry.Fields{}, "no leader")
	}
	return f.Registry.GetProcess(ctx, id)
}

func TestErrorsAreCountedByCodeAndNotAsAnswers(t *testing.T) {
	result, err := bench.Run(t.Context(), &failing{Registry: memory.New()}, bench.Config{Workload: "read", Callers: 1, Time: 20 * time.Millisecond, Prefix: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if result.Errors == 0 || result.ErrorCodes["NoLeader"] != result.Errors || result.Ops > result.Errors+1 {
		t.Fatalf("%+v", result)
	}
}

// stalling stands still once.
type stalling struct {
	*memory.Registry
	once atomic.Bool
}

const stall = 200 * time.Millisecond

func (s *stalling) GetProcess(ctx context.Context, id string) (registry.ProcessRecord, error) {
	if s.once.CompareAndSwap(false, true) {
		timer := time.NewTimer(stall)
		defer timer.Stop()
		<-timer.C
	}
	return s.Registry.GetProcess(ctx, id)
}

func TestAnOpenLoopCountsAStallInEveryCallThatItDelayed(t *testing.T) {
	result, err := bench.Run(t.Context(), &stalling{Registry: memory.New()}, bench.Config{
		Workload: "read", Callers: 1, Time: 2 * stall, Rate: 1000, Prefix: "b",
	})
	if err != nil {
		t.Fatal(err)
	}
	// One call in 400 stood still, but about half of them were due meanwhile.
	if result.LatencyMs.P50 < 1 && result.LatencyMs.P90 < float64(stall.Milliseconds())/4 {
		t.Fatalf("the stall hides behind one call: %+v", result.LatencyMs)
	}
}

func BenchmarkCluster(b *testing.B) {
	for _, workload := range bench.Workloads() {
		b.Run(workload, func(b *testing.B) {
			cluster := nodetest.Start(b, 3, nil)
			c, err := client.Dial(cluster.Addrs())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			before := cpuSeconds(b)
			result, err := bench.Run(b.Context(), c, bench.Config{
				Workload: workload, Callers: 64, Time: 4 * time.Second, PayloadBytes: 256, Prefix: "b",
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(result.OpsPerSecond, "calls/s")
			b.ReportMetric(result.LatencyMs.P99, "p99-ms")
			b.ReportMetric(float64(result.Errors), "errors")
			// What the three nodes and the load take together, which other work
			// on the machine disturbs less than the speed. There is no warm-up
			// in these runs, so that all calls are counted.
			b.ReportMetric((cpuSeconds(b)-before)*1e6/float64(result.Ops), "cpu-us/call")
		})
	}
}

// cpuSeconds is the processor time that this process has taken so far.
func cpuSeconds(b *testing.B) float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
