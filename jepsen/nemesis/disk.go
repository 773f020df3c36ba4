package nemesis

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/process"
)

// drawDisk fills file systems. A node that cannot write to its log ends itself,
// and may be started again when there is room.
func drawDisk(w *World, random *rand.Rand, leader *process.Node) Fault {
	struck := victims(w, random, leader)
	return Fault{
		Detail: "the disk is full: " + namesOf(struck, leader),
		Hold:   between(random, 500*time.Millisecond, 3*time.Second),
		Begin: func(context.Context) error {
			for _, n := range struck {
				w.expectEnd(n.ID)
				if err := w.volumeOf(n.ID).Fill(); err != nil {
					return err
				}
			}
			return nil
		},
		End: func(context.Context) error {
			for _, n := range struck {
				if err := w.volumeOf(n.ID).Empty(); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
