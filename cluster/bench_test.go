package cluster

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// callAtOnce shares b.N calls among callers that run beside each other.
func callAtOnce(b *testing.B, callers int, call func() error) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var running sync.WaitGroup
	for range callers {
		running.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkPropose is the way of a write through one node: decide, queue,
// batch, the log on a real file, apply. Commands that change nothing show the
// cost of the way itself.
func BenchmarkPropose(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers-%d", callers), func(b *testing.B) {
			c := newTestCluster(b, 1, nil)
			n := c.leader()
			callAtOnce(b, callers, func() error {
				_, err := n.Propose(b.Context(), anyCommand)
				return err
			})
		})
	}
}

// BenchmarkRenew is the most frequent write of a cluster at work.
func BenchmarkRenew(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers-%d", callers), func(b *testing.B) {
			c := newTestCluster(b, 1, nil)
			n := c.leader()
			mustRegister(b, n, "p")
			owner := registry.LeaseOwnerIdentity{OwnerID: "a", IncarnationID: "a"}
			claim, err := n.ClaimProcessLease(b.Context(), "p", owner, registry.MaxLeaseTTLMs)
			if err != nil {
				b.Fatal(err)
			}
			callAtOnce(b, callers, func() error {
				_, err := n.RenewProcessLease(b.Context(), *claim.Acquired, registry.MaxLeaseTTLMs)
				return err
			})
		})
	}
}

// BenchmarkReadBarrier is the cost of a linearizable read on a leader with two
// followers that are asked without a network.
func BenchmarkReadBarrier(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers-%d", callers), func(b *testing.B) {
			c := newTestCluster(b, 3, nil)
			n := c.leader()
			callAtOnce(b, callers, func() error { return n.Read(b.Context(), func(fsm.View) {}) })
		})
	}
}

// BenchmarkTrailingSizes is what the log store's counting adds to an append.
func BenchmarkTrailingSizes(b *testing.B) {
	s := logSizes{most: defaultTrailingLogs}
	index := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		index++
		s.add(index, 1000)
	}
}
