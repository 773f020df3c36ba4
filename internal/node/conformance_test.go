package node_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/cluster"
	"github.com/holdfast-registry/holdfast/internal/node"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/registrytest"
)

// TestConformance holds a cluster of three real nodes to the whole contract,
// through a client that goes to the leader, and through one that only ever
// reaches a follower, which hands every call on.
func TestConformance(t *testing.T) {
	var mu sync.Mutex
	dirs := make(map[string]string)
	c := nodetest.Start(t, 3, func(config *node.Config) {
		// The suite makes both cores busy, and moving leadership would leave
		// writes in doubt.
		config.Timing = cluster.Timing{}
		mu.Lock()
		defer mu.Unlock()
		dirs[config.ID] = config.DataDir
	})
	reopen := func(registrytest.TB) registry.Registry {
		for i := range c.Nodes {
			c.Stop(i)
		}
		for i, peer := range c.Peers {
			c.StartNode(i, dirs[peer.ID])
		}
		c.AwaitLeader()
		return dial(t, c.Addrs())
	}

	t.Run("through the leader", func(t *testing.T) {
		r := dial(t, c.Addrs())
		var others []registry.Registry
		for _, addr := range c.Addrs() {
			others = append(others, dialOnly(t, addr))
		}
		registrytest.Run(t, func(*testing.T) registrytest.Harness {
			return registrytest.Harness{Registry: r, Tier: registry.TierDurable, Others: others, Reopen: reopen, Costly: true}
		})
	})
	t.Run("through a follower", func(t *testing.T) {
		follower := c.Peers[(c.AwaitLeader()+1)%len(c.Peers)]
		r := dialOnly(t, follower.Addr)
		registrytest.Run(t, func(*testing.T) registrytest.Harness {
			return registrytest.Harness{Registry: r, Tier: registry.TierDurable, Costly: true}
		})
		var info registry.AnswerInfo
		if _, err := r.ListNonTerminal(registry.WithAnswerInfo(t.Context(), &info), registry.PageRequest{}); err != nil {
			t.Fatal(err)
		}
		if info.LeaderID == follower.ID {
			t.Errorf("%s came to lead, so its calls were not handed on all the time", follower.ID)
		}
	})
}

func dial(t *testing.T, addrs []string, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.Dial(addrs, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

var errOtherNode = errors.New("only one node can be reached")

// dialOnly makes a client that reaches one node and no other, whatever leader
// the answers name.
func dialOnly(t *testing.T, addr string) *client.Client {
	t.Helper()
	return dial(t, []string{addr}, client.WithDialOptions(grpc.WithContextDialer(func(ctx context.Context, to string) (net.Conn, error) {
		if to != addr {
			return nil, errOtherNode
		}
		var dialer net.Dialer
		return dialer.DialContext(ctx, "tcp", to)
	})))
}
