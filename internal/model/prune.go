package model

import "github.com/holdfast-registry/holdfast/registry"

// PruneTerminalProcesses is 5.31: the whole prune. The counter of fencing
// tokens stays, whatever lives go. A1.
type PruneTerminalProcesses struct{ CutoffMs uint64 }

func (op PruneTerminalProcesses) step(s *State) Answer {
	var report registry.ProcessPruneReport
	for _, id := range s.ids() {
		p := s.Processes[id]
		if p.State == "running" || p.UpdatedAtMs >= op.CutoffMs {
			continue
		}
		for key := range s.Grants {
			if key.ProcessID == id {
				delete(s.Grants, key)
			}
		}
		delete(s.Processes, id)
		report.PrunedProcesses++
		report.PrunedEvents += uint64(len(p.Events))
	}
	if report.PrunedProcesses > 0 {
		s.Revision++
	}
	return Answer{Pruned: &report}
}
