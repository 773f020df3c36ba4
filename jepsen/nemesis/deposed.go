package nemesis

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/network"
	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/registry"
)

// drawBlind keeps the leader from noticing that it was deposed: its raft hangs
// in the log, and no message of the others comes through. What keeps it from
// serving old state is the read barrier alone.
func drawBlind(w *World, random *rand.Rand, leader *process.Node) Fault {
	others := slices.DeleteFunc(ids(w.Cluster.Nodes()), func(id string) bool { return id == leader.ID })
	links := apart([]string{leader.ID}, others)
	self := []*process.Node{leader}
	return Fault{
		Detail: "blind " + nameOf(leader, leader),
		Hold:   between(random, 3*time.Second, 5*time.Second),
		Begin: func(ctx context.Context) error {
			if err := w.arm(self, "hang log.append.before"); err != nil {
				return err
			}
			// The next write has to come to the log before the leader steps down.
			pass(ctx, 100*time.Millisecond)
			for _, link := range links {
				if err := w.Network.Set(link, network.Rule{Cut: true}); err != nil {
					return err
				}
			}
			return nil
		},
		End: func(context.Context) error { return w.disarm(self) },
	}
}

// drawEcho has what others say reach the leader late, while it hands its
// leadership over: for as long, what they said before they chose another leader
// goes on coming in, and the old one has no reason to doubt that it leads. A
// read that took such an answer for one to itself would be served old state.
func drawEcho(w *World, random *rand.Rand, leader *process.Node) Fault {
	others := slices.DeleteFunc(ids(w.Cluster.Nodes()), func(id string) bool { return id == leader.ID })
	to := leader.ID
	if len(others) > 0 {
		to = others[random.IntN(len(others))]
	}
	// A leader that hears nothing for half a second steps down.
	rule := network.Rule{Delay: between(random, 250*time.Millisecond, 350*time.Millisecond)}
	return Fault{
		Detail: nameOf(leader, leader) + " hears the others " + rule.Delay.String() + " late, and hands over to " + to,
		Hold:   between(random, 300*time.Millisecond, time.Second),
		Begin: func(ctx context.Context) error {
			for _, link := range oneWay(others, []string{leader.ID}) {
				if err := w.Network.Set(link, rule); err != nil {
					return err
				}
			}
			// All that is under way when leadership moves is to be late.
			pass(ctx, time.Second)
			return w.handOver(ctx, to, moveTimeout)
		},
	}
}

// handOver asks once for leadership to be handed to a node.
func (w *World) handOver(ctx context.Context, to string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := w.Admin.TransferLeadership(ctx, to)
	if registry.CodeOf(err) == registry.CodeInvalidArgument {
		return nil // it leads already
	}
	return mayFail(err)
}

// behind is by how much the wall clocks of those are wrong who lead while a
// leader lingers. They then go on from the last stamp of its own, so that the
// time in which nobody led is still ahead of them by its clock.
const behind = -time.Hour

// The bounds of the wait for a leader that lingers to lead again, and of one try
// to have it lead.
const (
	leadAgainTimeout = 10 * time.Second
	leadAgainTry     = 300 * time.Millisecond
)

// drawLinger has a leader stand still between deciding and proposing, while the
// others are paused, so that its term ends, until it leads again. What it then
// proposes was decided in its earlier term and is stamped by the clock of that
// one, which has counted the time in which nobody led.
func drawLinger(w *World, random *rand.Rand, leader *process.Node) Fault {
	others := slices.DeleteFunc(w.Cluster.Nodes(), func(n *process.Node) bool { return n == leader })
	self := []*process.Node{leader}
	return Fault{
		Detail: nameOf(leader, leader) + " lingers before it proposes, for longer than its term: the others are paused",
		Stops:  w.isMajority(others),
		Hold:   between(random, 2500*time.Millisecond, 4*time.Second),
		Begin: func(ctx context.Context) error {
			for _, n := range others {
				if err := os.WriteFile(ClockFile(w.Dir, n.ID), []byte(behind.String()), 0o600); err != nil {
					return err
				}
			}
			if err := w.arm(self, "hang propose.before"); err != nil {
				return err
			}
			// The next write has to come to the proposer before the term ends.
			pass(ctx, 100*time.Millisecond)
			return each(ctx, others, 0, (*process.Node).Pause)
		},
		End: func(ctx context.Context) error {
			err := each(ctx, others, 0, (*process.Node).Resume)
			err = errors.Join(err, w.leadAgain(ctx, leader), w.disarm(self))
			for _, n := range others {
				err = errors.Join(err, forget(ClockFile(w.Dir, n.ID)))
			}
			return err
		},
	}
}

// leadAgain waits until a node leads by its own account, which has its raft lead
// and may be all of it that does, and has leadership handed to it meanwhile. It
// gives up when that does not come about in time.
func (w *World) leadAgain(ctx context.Context, n *process.Node) (err error) {
	ctx, cancel := context.WithTimeout(ctx, leadAgainTimeout)
	defer cancel()
	admin, err := w.Dial(n.Bind)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	for ctx.Err() == nil {
		if status, err := admin.ClusterStatus(ctx); err == nil && status.Leader == n.ID {
			return nil
		}
		if err := w.handOver(ctx, n.ID, leadAgainTry); err != nil {
			return err
		}
	}
	return nil
}
