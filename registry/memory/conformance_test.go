package memory_test

import (
	"sync/atomic"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/memory"
	"github.com/holdfast-registry/holdfast/registry/registrytest"
)

// TestConformance gives every check a registry of its own, on a clock that
// moves only when the check says so.
func TestConformance(t *testing.T) {
	registrytest.Run(t, func(*testing.T) registrytest.Harness {
		var nowMs atomic.Uint64
		nowMs.Store(1_700_000_000_000)
		return registrytest.Harness{
			Registry: memory.New(memory.WithClock(nowMs.Load)),
			Tier:     registry.TierInline,
			Advance:  func(ms uint64) { nowMs.Add(ms) },
		}
	})
}
