package nemesis

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/network"
	"github.com/holdfast-registry/holdfast/jepsen/process"
)

// drawDetour keeps clients from the leader, so that other nodes hand their calls
// on, and breaks the connections between those and the leader: again and again
// a write has happened whose answer is lost on the way back.
func drawDetour(w *World, random *rand.Rand, leader *process.Node) Fault {
	others := slices.DeleteFunc(ids(w.Cluster.Nodes()), func(id string) bool { return id == leader.ID })
	gap := between(random, 20*time.Millisecond, 120*time.Millisecond)
	// Fewer than it takes for the others to give the leader up.
	breaks := 10 + random.IntN(20)
	return Fault{
		Detail: "only others reach " + nameOf(leader, leader) + ", over connections that break every " + gap.String(),
		Begin: func(ctx context.Context) error {
			for _, link := range apart([]string{leader.ID}, []string{network.Clients}) {
				if err := w.Network.Set(link, network.Rule{Cut: true}); err != nil {
					return err
				}
				w.Network.Reset(link)
			}
			// Clients find out within the timeout of one try.
			pass(ctx, time.Second)
			for i := range breaks {
				w.Network.Reset(network.Link{From: others[i%len(others)], To: leader.ID})
				pass(ctx, gap)
			}
			return nil
		},
	}
}
