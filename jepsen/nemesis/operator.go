package nemesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/registry"
)

// operatorTimeout bounds what an operator asks for.
const operatorTimeout = 30 * time.Second

// moveTimeout bounds handing leadership over, which need not come about.
const moveTimeout = 5 * time.Second

// mayFail are the errors that an operator expects while nodes fail.
func mayFail(err error) error {
	switch registry.CodeOf(err) {
	case 0, registry.CodeNotLeader, registry.CodeNoLeader, registry.CodeOverloaded, registry.CodeOutcomeUnknown:
		return nil
	}
	return err
}

func drawTransfer(w *World, random *rand.Rand, leader *process.Node) Fault {
	nodes := w.Cluster.Nodes()
	count := 1 + random.IntN(3)
	var to []string
	for range count {
		to = append(to, nodes[random.IntN(len(nodes))].ID)
	}
	return Fault{
		Detail: fmt.Sprintf("transfer leadership from %s to %s", leader.ID, text(to)),
		Hold:   between(random, 100*time.Millisecond, time.Second),
		Begin: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, moveTimeout)
			defer cancel()
			for _, id := range to {
				err := w.Admin.TransferLeadership(ctx, id)
				if registry.CodeOf(err) == registry.CodeInvalidArgument {
					continue // it leads already
				}
				if err := mayFail(err); err != nil {
					return fmt.Errorf("transfer leadership to %s: %w", id, err)
				}
			}
			return nil
		},
	}
}

func drawSnapshots(w *World, random *rand.Rand, leader *process.Node) Fault {
	nodes := w.Cluster.Nodes()
	count := 2 + random.IntN(6)
	var struck []*process.Node
	for range count {
		struck = append(struck, nodes[random.IntN(len(nodes))])
	}
	return Fault{
		Detail: "snapshots of " + namesOf(struck, leader),
		Hold:   between(random, 100*time.Millisecond, time.Second),
		Begin: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, operatorTimeout)
			defer cancel()
			return each(ctx, struck, 50*time.Millisecond, func(n *process.Node) error { return w.takeSnapshot(ctx, n) })
		},
	}
}

// takeSnapshot asks one node.
func (w *World) takeSnapshot(ctx context.Context, n *process.Node) (err error) {
	admin, err := w.Dial(n.Bind)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	if err := mayFail(admin.TakeSnapshot(ctx)); err != nil {
		return fmt.Errorf("snapshot of %s: %w", n.ID, err)
	}
	return nil
}

// drawMembership replaces a node by a new one.
func drawMembership(w *World, random *rand.Rand, leader *process.Node) Fault {
	nodes := w.Cluster.Nodes()
	leaves := nodes[random.IntN(len(nodes))]
	first := random.IntN(2) == 0
	detail := "join a node, then remove "
	if first {
		detail = "remove a node and join another: "
	}
	return Fault{
		Detail: detail + nameOf(leaves, leader),
		Begin: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 2*operatorTimeout)
			defer cancel()
			steps := []func(context.Context) error{w.joinOne, func(ctx context.Context) error { return w.remove(ctx, leaves) }}
			if first {
				steps[0], steps[1] = steps[1], steps[0]
			}
			for _, step := range steps {
				if err := step(ctx); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// joinOne joins a new node. It asks again until the answer is that the node is
// a member, which it may have become by a request whose answer was lost.
func (w *World) joinOne(ctx context.Context) error {
	n, err := w.Cluster.Join()
	if err != nil {
		return err
	}
	return w.insist(ctx, func() error { return w.Admin.AddMember(ctx, n.ID, n.Addr) }, "add "+n.ID)
}

func (w *World) remove(ctx context.Context, n *process.Node) error {
	if err := w.insist(ctx, func() error { return w.Admin.RemoveMember(ctx, n.ID) }, "remove "+n.ID); err != nil {
		return err
	}
	return w.Cluster.Leave(n)
}

// insist makes a change of the members until it is done.
func (w *World) insist(ctx context.Context, change func() error, what string) error {
	for {
		err := change()
		if err == nil {
			return nil
		}
		if mayFail(err) != nil || ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		pass(ctx, 100*time.Millisecond)
	}
}
