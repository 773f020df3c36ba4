package nemesis

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/process"
)

// endTimeout is how long a node has to notice that its disk is broken, which it
// does when it writes, and to end.
const endTimeout = 3 * time.Second

// appendLimit is for how long nodes under fsync-hang let a write hang. It is
// longer than stall lets them.
const appendLimit = "5s"

// syncPoints are where a sync goes wrong: before it has an effect, and after. A
// node cannot tell which.
var syncPoints = map[string]string{"store.sync.before": "without effect", "store.sync.after": "after all is on the disk"}

// drawSyncPoint draws one of them, with what it means: more often the one at
// which there is something to lose.
func drawSyncPoint(random *rand.Rand) (point, detail string) {
	point = "store.sync.before"
	if random.IntN(3) == 0 {
		point = "store.sync.after"
	}
	return point, syncPoints[point]
}

// arm arms a failpoint of nodes.
func (w *World) arm(nodes []*process.Node, point string) error {
	for _, n := range nodes {
		if err := os.WriteFile(FailpointFile(w.Dir, n.ID), []byte(point), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) disarm(nodes []*process.Node) (err error) {
	for _, n := range nodes {
		err = errors.Join(err, forget(FailpointFile(w.Dir, n.ID)))
	}
	return err
}

// awaitEnds waits for nodes to end. One that does not write does not.
func (w *World) awaitEnds(ctx context.Context, nodes []*process.Node) {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	for _, n := range nodes {
		if n.Running() {
			_ = n.AwaitCrash(ctx)
		}
	}
}

// drawFsyncFail has a disk fail. A node ends at the first write that fails: what
// it could not sync it must not acknowledge, and what comes after must not be on
// a disk that may lack it. Two times of three the disk seems well again after one
// failure; otherwise nodes are started on it while it still fails, as a
// supervisor would, and have to end again.
func drawFsyncFail(w *World, random *rand.Rand, leader *process.Node) Fault {
	struck := victims(w, random, leader)
	point, detail := drawSyncPoint(random)
	once := random.IntN(3) > 0
	how, often := "fail ", "fails, "
	if once {
		how, often = "once ", "fails once, "
	}
	return Fault{
		Detail: "fsync " + often + detail + ": " + namesOf(struck, leader),
		Hold:   between(random, 500*time.Millisecond, 3*time.Second),
		Begin: func(ctx context.Context) error {
			for _, n := range struck {
				w.expectEnd(n.ID)
			}
			if err := w.arm(struck, how+point); err != nil || once {
				return err
			}
			w.awaitEnds(ctx, struck)
			for _, n := range struck {
				if n.Running() {
					continue
				}
				if err := n.Start(); err != nil {
					return err
				}
			}
			return nil
		},
		End: func(ctx context.Context) error {
			w.awaitEnds(ctx, struck)
			// One that goes on has not written. It has to start again as well: what
			// counts is what is on the disk.
			return errors.Join(atOnce(struck, (*process.Node).Kill), w.disarm(struck))
		},
	}
}

// drawFsyncHang has a disk hang in a sync, for less or more than a node bears. In
// the latter case it has to end itself: its heartbeats would keep others from
// taking over.
func drawFsyncHang(w *World, random *rand.Rand, leader *process.Node) Fault {
	struck := victims(w, random, leader)
	point, detail := drawSyncPoint(random)
	hold, length := between(random, 200*time.Millisecond, 3500*time.Millisecond), "for less than a node bears"
	tooLong := random.IntN(2) == 0
	if tooLong {
		hold, length = between(random, 7*time.Second, 9*time.Second), "for more than a node bears"
	}
	return Fault{
		Detail: "fsync hangs, " + detail + ", " + length + ": " + namesOf(struck, leader),
		Hold:   hold,
		Begin: func(context.Context) error {
			if tooLong {
				// Also a leader whose takeover waits for the disks of others.
				for _, n := range w.Cluster.Nodes() {
					w.expectEnd(n.ID)
				}
			}
			return w.arm(struck, "hang "+point)
		},
		End: func(ctx context.Context) error {
			if err := w.disarm(struck); err != nil || !tooLong {
				return err
			}
			w.awaitEnds(ctx, struck)
			return nil
		},
	}
}
