package run

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/jepsen/workload"
)

// dialWatchers makes the watchers that the workload asks for: some know one node
// alone, so that it is known who said what, the others know all, so that their
// streams go on elsewhere by themselves.
func (r *run) dialWatchers() error {
	r.watchers = workload.NewWatchers(r.recorder, r.Seed)
	nodes := make(map[string]string)
	for _, n := range r.cluster.Nodes() {
		nodes[n.Addr] = n.ID
	}
	dial := func(name string, addrs []string) error {
		w, err := workload.DialWatcher(name, addrs, nodes, r.recorder)
		if err == nil {
			r.watchers.Add(w)
		}
		return err
	}
	addrs := r.cluster.Addrs()
	for i := range r.workload.Watchers {
		for _, n := range r.cluster.Nodes() {
			if err := dial(fmt.Sprintf("w%d-%s", i+1, n.ID), []string{n.Addr}); err != nil {
				return err
			}
		}
		// Each begins at another node.
		at := i % len(addrs)
		if err := dial(fmt.Sprintf("w%d", i+1), append(addrs[at:len(addrs):len(addrs)], addrs[:at]...)); err != nil {
			return err
		}
	}
	return nil
}
