package nemesis

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/powerloss"
	"github.com/holdfast-registry/holdfast/jepsen/process"
)

// drawPowerLoss takes the power from nodes at once, all of them as often as not:
// then nobody has what a disk has lost. What they had not synced is lost, or a
// part of it.
func drawPowerLoss(w *World, random *rand.Rand, leader *process.Node) Fault {
	struck := victims(w, random, leader)
	if random.IntN(2) == 0 {
		struck = w.Cluster.Nodes()
	}
	some, detail := random.IntN(2) == 0, ", what was not synced is lost"
	if some {
		detail = ", what was not synced is lost in part"
	}
	seed := random.Uint64()
	return Fault{
		Detail: "loss of power: " + namesOf(struck, leader) + detail,
		Stops:  w.isMajority(struck),
		Hold:   between(random, 200*time.Millisecond, 1500*time.Millisecond),
		Begin: func(context.Context) error {
			if err := atOnce(struck, (*process.Node).Kill); err != nil {
				return err
			}
			for i, n := range struck {
				v := w.volumeOf(n.ID).(*powerloss.Volume)
				if err := v.LosePower(rand.New(rand.NewPCG(seed, uint64(i))), some); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// atOnce strikes nodes at the same time. Those that do not run any more are left
// alone.
func atOnce(nodes []*process.Node, strike func(*process.Node) error) error {
	errs := make([]error, len(nodes))
	var striking sync.WaitGroup
	for i, n := range nodes {
		if n.Running() {
			striking.Go(func() { errs[i] = strike(n) })
		}
	}
	striking.Wait()
	return errors.Join(errs...)
}
