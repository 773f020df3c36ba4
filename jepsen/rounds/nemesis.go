package rounds

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/jepsen/process"
)

// Fault is what is done to a node.
type Fault string

// The faults.
const (
	Kill  Fault = "kill"
	Pause Fault = "pause"
)

// strike is a fault of one node.
type strike struct {
	node  int
	fault Fault
}

// plan is what one round does to the cluster.
type plan struct {
	strikes []strike
	// between is the time from one strike to the next, after that from the last
	// one to the healing when no majority is left that could make progress.
	between, after time.Duration
	// healing is the order in which the nodes are brought back.
	healing []int
	// snapshot lets the first node write a snapshot before it is struck, so that
	// it starts from that and not from its log alone.
	snapshot bool
}

// newPlan draws a round. Half of the rounds begin with the leader; a quarter
// strike two nodes one after the other; a third begin with a snapshot.
func newPlan(random *rand.Rand, nodes, leader int, faults []Fault) plan {
	order := random.Perm(nodes)
	if random.IntN(2) == 0 {
		for i, node := range order {
			if node == leader {
				order[0], order[i] = order[i], order[0]
			}
		}
	}
	count := 1
	if nodes > 1 && random.IntN(4) == 0 {
		count = 2
	}
	p := plan{
		between: time.Duration(random.Int64N(int64(500 * time.Millisecond))),
		after:   200*time.Millisecond + time.Duration(random.Int64N(int64(1500*time.Millisecond))),
	}
	p.snapshot = random.IntN(3) == 0
	for _, node := range order[:count] {
		p.strikes = append(p.strikes, strike{node, faults[random.IntN(len(faults))]})
		p.healing = append(p.healing, node)
	}
	random.Shuffle(count, func(i, j int) { p.healing[i], p.healing[j] = p.healing[j], p.healing[i] })
	return p
}

// describe is the plan in words.
func (p *plan) describe(leader int) string {
	var words []string
	for _, s := range p.strikes {
		word := fmt.Sprintf("%s n%d", s.fault, s.node+1)
		if s.node == leader {
			word += " (leader)"
		}
		words = append(words, word)
	}
	text := strings.Join(words, ", then ")
	if p.snapshot {
		text = fmt.Sprintf("snapshot of n%d, ", p.strikes[0].node+1) + text
	}
	return text
}

// majorityLeft tells whether the others can go on.
func (p *plan) majorityLeft(nodes int) bool { return nodes-len(p.strikes) > nodes/2 }

// do strikes the nodes.
func (p *plan) do(ctx context.Context, cluster *process.Cluster) error {
	if p.snapshot {
		if err := takeSnapshot(ctx, cluster.Node(p.strikes[0].node).Addr); err != nil {
			return err
		}
	}
	for i, s := range p.strikes {
		if i > 0 {
			pass(ctx, p.between)
		}
		node := cluster.Node(s.node)
		strike := node.Kill
		if s.fault == Pause {
			strike = node.Pause
		}
		if err := strike(); err != nil {
			return err
		}
	}
	return nil
}

// takeSnapshot asks one node, through a client that knows no other.
func takeSnapshot(ctx context.Context, addr string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	c, err := client.Dial([]string{addr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.TakeSnapshot(ctx); err != nil {
		return fmt.Errorf("snapshot of the node at %s: %w", addr, err)
	}
	return nil
}

// heal brings the nodes back.
func (p *plan) heal(cluster *process.Cluster) error {
	for _, i := range p.healing {
		node := cluster.Node(i)
		heal := node.Start
		if node.Running() {
			heal = node.Resume
		}
		if err := heal(); err != nil {
			return err
		}
	}
	return nil
}

// pass lets time go by: how long a fault lasts is part of the fault.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
