package nemesis

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/network"
	"github.com/holdfast-registry/holdfast/jepsen/process"
)

// partition is which links are cut, in which order.
type partition struct {
	name  string
	links []network.Link
	// gap is the time from one cut to the next.
	gap time.Duration
}

// drawPartition cuts links. Half of the time the connections over them break
// when they are mended; otherwise what was held back arrives late.
func drawPartition(w *World, random *rand.Rand, leader *process.Node) Fault {
	p := newPartition(ids(w.Cluster.Nodes()), leader.ID, random)
	breaks := random.IntN(2) == 0
	detail := p.name
	if breaks {
		detail += ", then reset"
	} else {
		detail += ", then late delivery"
	}
	return Fault{
		Detail: detail,
		Hold:   between(random, 500*time.Millisecond, 5*time.Second),
		Begin: func(ctx context.Context) error {
			for i, link := range p.links {
				if i > 0 && p.gap > 0 {
					pass(ctx, p.gap)
				}
				if err := w.Network.Set(link, network.Rule{Cut: true}); err != nil {
					return err
				}
			}
			return nil
		},
		End: func(ctx context.Context) error {
			links := slices.Clone(p.links)
			random.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
			for _, link := range links {
				if breaks {
					w.Network.Reset(link)
				}
				if err := w.Network.Set(link, network.Rule{}); err != nil {
					return err
				}
				if p.gap > 0 {
					pass(ctx, p.gap)
				}
			}
			return nil
		},
	}
}

func ids(nodes []*process.Node) (all []string) {
	for _, n := range nodes {
		all = append(all, n.ID)
	}
	return all
}

// newPartition draws a shape.
func newPartition(nodes []string, leader string, random *rand.Rand) partition {
	random.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	others := slices.DeleteFunc(slices.Clone(nodes), func(id string) bool { return id == leader })
	one := nodes[0]
	switch random.IntN(8) {
	case 0:
		return partition{name: "isolate " + leader + " (leader) from the others", links: apart([]string{leader}, others)}
	case 1:
		return partition{name: "isolate " + leader + " (leader) from everybody", links: append(apart([]string{leader}, others), apart([]string{leader}, []string{network.Clients})...)}
	case 2:
		rest := slices.DeleteFunc(slices.Clone(nodes), func(id string) bool { return id == one })
		return partition{name: "isolate " + one + " from everybody", links: append(apart([]string{one}, rest), apart([]string{one}, []string{network.Clients})...)}
	case 3:
		half := len(nodes)/2 + 1
		return partition{name: "halves " + text(nodes[:half]) + " and " + text(nodes[half:]), links: apart(nodes[:half], nodes[half:])}
	case 4:
		return partition{name: leader + " (leader) is not heard by the others", links: oneWay([]string{leader}, others)}
	case 5:
		return partition{name: leader + " (leader) does not hear the others", links: oneWay(others, []string{leader})}
	case 6:
		return partition{name: "ring " + text(nodes), links: ring(nodes)}
	default:
		links := apart(nodes[:1], nodes[1:])
		for i := 1; i < len(nodes)-1; i++ {
			links = append(links, apart(nodes[i:i+1], nodes[i+1:])...)
		}
		return partition{name: "swizzle " + text(nodes), links: links, gap: between(random, 20*time.Millisecond, 300*time.Millisecond)}
	}
}

func text(nodes []string) string {
	out := ""
	for i, id := range nodes {
		if i > 0 {
			out += "+"
		}
		out += id
	}
	return out
}

// oneWay are the links from some to others.
func oneWay(from, to []string) (links []network.Link) {
	for _, a := range from {
		for _, b := range to {
			links = append(links, network.Link{From: a, To: b})
		}
	}
	return links
}

// apart are the links between two sides, both ways.
func apart(a, b []string) []network.Link { return append(oneWay(a, b), oneWay(b, a)...) }

// ring leaves each node its two neighbours, both ways; of three nodes, which
// are all neighbours, it makes a chain.
func ring(nodes []string) (links []network.Link) {
	n := len(nodes)
	if n <= 3 {
		return apart(nodes[:1], nodes[n-1:])
	}
	for i := range n {
		for j := i + 2; j < n; j++ {
			if i != 0 || j != n-1 {
				links = append(links, apart(nodes[i:i+1], nodes[j:j+1])...)
			}
		}
	}
	return links
}

// drawSlow makes some links bad.
func drawSlow(w *World, random *rand.Rand, leader *process.Node) Fault {
	nodes := append(ids(w.Cluster.Nodes()), network.Clients)
	rule := network.Rule{
		Delay:       between(random, 0, 150*time.Millisecond),
		Jitter:      between(random, time.Millisecond, 300*time.Millisecond),
		LossPercent: random.IntN(20),
	}
	if random.IntN(3) == 0 {
		rule.BytesPerSecond = 20_000 + random.IntN(100_000)
	}
	var links []network.Link
	for _, a := range nodes {
		for _, b := range nodes {
			if a != b && random.IntN(2) == 0 {
				links = append(links, network.Link{From: a, To: b})
			}
		}
	}
	detail := "all links of " + nameOf(leader, leader)
	if random.IntN(2) == 0 {
		links = apart([]string{leader.ID}, slices.DeleteFunc(nodes, func(id string) bool { return id == leader.ID }))
	} else {
		detail = "half of the links"
	}
	return Fault{
		Detail: detail + ": " + rule.String(),
		Hold:   between(random, time.Second, 4*time.Second),
		Begin: func(context.Context) error {
			for _, link := range links {
				if err := w.Network.Set(link, rule); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
