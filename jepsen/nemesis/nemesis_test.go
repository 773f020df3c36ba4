package nemesis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/jepsen/network"
)

// shapes draws many partitions and sorts them by the kind of their name.
func shapes(seed uint64, nodes ...string) map[string][]partition {
	random := rand.New(rand.NewPCG(seed, 0))
	all := make(map[string][]partition)
	for range 300 {
		p := newPartition(slices.Clone(nodes), nodes[0], random)
		kind, _, _ := strings.Cut(p.name, " ")
		if strings.Contains(p.name, "hear") {
			kind = "one way"
		}
		all[kind] = append(all[kind], p)
	}
	return all
}

func TestPartitionsHaveTheShapesThatTheyAreNamedBy(t *testing.T) {
	const seed = 4
	all := shapes(seed, "n1", "n2", "n3", "n4", "n5")
	for _, kind := range []string{"isolate", "halves", "one way", "ring", "swizzle"} {
		if len(all[kind]) == 0 {
			t.Errorf("seed %d: no partition is %s", seed, kind)
		}
	}
	cut := func(p partition, from, to string) bool {
		return slices.Contains(p.links, network.Link{From: from, To: to})
	}
	for kind, partitions := range all {
		for _, p := range partitions {
			for _, link := range p.links {
				if back := cut(p, link.To, link.From); back == (kind == "one way") {
					t.Errorf("%s: %s is cut, the way back: %v", p.name, link, back)
				}
			}
			// Every node of a ring has two neighbours left.
			if kind == "ring" && len(p.links) != 5*2 {
				t.Errorf("%s: %v", p.name, p.links)
			}
			if kind == "halves" && len(p.links) != 2*3*2 {
				t.Errorf("%s: %v", p.name, p.links)
			}
			if (kind == "swizzle") != (p.gap > 0) || (kind == "swizzle" && len(p.links) != 5*4) {
				t.Errorf("%s: gap %v, links %v", p.name, p.gap, p.links)
			}
		}
	}
	for _, p := range shapes(seed, "n1", "n2", "n3")["ring"] {
		if len(p.links) != 2 {
			t.Errorf("of three nodes a ring is a chain: %v", p.links)
		}
	}
}

func TestTheSameSeedDrawsTheSamePartitions(t *testing.T) {
	draw := func(seed uint64) string { return fmt.Sprint(shapes(seed, "n1", "n2", "n3")) }
	first, again, other := draw(1), draw(1), draw(2)
	if first != again || first == other {
		t.Error("partitions do not follow the seed")
	}
}

func TestListsOfNamesAreUnderstood(t *testing.T) {
	if chosen, err := ByNames(Default); err != nil || len(chosen) != 3 {
		t.Errorf("%v, %v", chosen, err)
	}
	if chosen, err := ByNames("none"); err != nil || len(chosen) != 0 {
		t.Errorf("%v, %v", chosen, err)
	}
	if _, err := ByNames("kill,storm"); err == nil || !strings.Contains(err.Error(), "partition") {
		t.Errorf("an unknown nemesis: %v", err)
	}
	for _, n := range All() {
		if n.Help == "" || n.Draw == nil {
			t.Errorf("%s has no help, or does nothing", n.Name)
		}
	}
}
