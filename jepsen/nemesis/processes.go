package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/process"
)

func drawKill(w *World, random *rand.Rand, leader *process.Node) Fault {
	struck := victims(w, random, leader)
	gap := between(random, 0, 300*time.Millisecond)
	return Fault{
		Detail: "kill " + namesOf(struck, leader),
		Stops:  w.isMajority(struck),
		Hold:   between(random, 200*time.Millisecond, 2500*time.Millisecond),
		Begin: func(ctx context.Context) error {
			return each(ctx, struck, gap, (*process.Node).Kill)
		},
	}
}

func drawPause(w *World, random *rand.Rand, leader *process.Node) Fault {
	struck := victims(w, random, leader)
	// An election begins after a second or two without the leader.
	hold, length := between(random, 200*time.Millisecond, 800*time.Millisecond), "shorter than an election"
	if random.IntN(2) == 0 {
		hold, length = between(random, 2500*time.Millisecond, 5*time.Second), "longer than an election"
	}
	return Fault{
		Detail: fmt.Sprintf("pause %s, %s", namesOf(struck, leader), length),
		Hold:   hold,
		Stops:  w.isMajority(struck),
		Begin:  func(ctx context.Context) error { return each(ctx, struck, 0, (*process.Node).Pause) },
	}
}

// each strikes one node after the other. Those that do not run any more, by
// another fault, are left alone.
func each(ctx context.Context, nodes []*process.Node, gap time.Duration, strike func(*process.Node) error) error {
	for i, n := range nodes {
		if i > 0 && gap > 0 {
			pass(ctx, gap)
		}
		if ended, _ := n.Exited(); ended || !n.Running() {
			continue
		}
		if err := strike(n); err != nil {
			return err
		}
	}
	return nil
}

// restartTimeout bounds the wait for a node that was restarted.
const restartTimeout = 30 * time.Second

func drawRestart(w *World, random *rand.Rand, leader *process.Node) Fault {
	nodes := w.Cluster.Nodes()
	random.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	return Fault{
		Detail: "restart " + namesOf(nodes, leader),
		Begin: func(ctx context.Context) error {
			return each(ctx, nodes, 0, func(n *process.Node) error {
				if err := n.Stop(); err != nil {
					return err
				}
				if err := n.Start(); err != nil {
					return err
				}
				// Two nodes down at once would be another fault.
				ctx, cancel := context.WithTimeout(ctx, restartTimeout)
				defer cancel()
				return n.AwaitReady(ctx)
			})
		},
	}
}
