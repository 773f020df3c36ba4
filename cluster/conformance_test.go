package cluster

import (
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/registrytest"
)

// TestConformance holds one node, with raft and files but without a network, to
// the whole contract.
func TestConformance(t *testing.T) {
	c := newTestCluster(t, 1, nil)
	registrytest.Run(t, func(*testing.T) registrytest.Harness {
		return registrytest.Harness{
			Registry: c.leader(),
			Tier:     registry.TierDurable,
			Reopen: func(registrytest.TB) registry.Registry {
				c.stop("n1")
				c.start("n1", c.peers)
				return c.leader()
			},
		}
	})
}
