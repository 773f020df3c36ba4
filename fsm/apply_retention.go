package fsm

import "github.com/holdfast-registry/holdfast/registry"

// The most that one step of a prune removes, so that it holds up nobody: so
// many rows, or so much that hangs on them. Spec A10.
const (
	maxPrunedProcesses = 1000
	maxPrunedEvents    = 20_000
)

// PruneStep is what one step of a prune did.
type PruneStep struct {
	Processes uint64
	Events    uint64
	// CutoffMs is the cutoff that this step went by, for the next one.
	CutoffMs uint64
	// More tells that there are rows left.
	More bool
}

// applyPruneTerminalProcesses follows spec 5.31 and A10. The cutoff is brought
// down to what has ended by now: otherwise a cutoff in the future would make a
// prune go after the rows that end while it runs, for ever.
func (s *state) applyPruneTerminalProcesses(c *PruneTerminalProcesses) Result {
	step := &PruneStep{CutoffMs: min(c.CutoffMs, addClamped(s.ClockMs, 1, 0))}
	removed := 0
	for {
		oldest, ok := s.ended.Min()
		if !ok || oldest.updatedAtMs >= step.CutoffMs {
			break
		}
		row, _ := s.processes.Get(oldest.processID)
		// A row goes whole or not at all, and the first one whatever its size.
		if step.Processes == maxPrunedProcesses || step.Processes > 0 && removed+len(row.events) > maxPrunedEvents {
			step.More = true
			break
		}
		if step.Processes == 0 {
			s.Revision++
		}
		s.tell(row, registry.ChangePruned, 0)
		// Grants are not limited by process, so they count as events do.
		removed += len(row.events) + s.remove(row)
		step.Processes++
		step.Events += uint64(len(row.events))
	}
	return Result{Pruned: step}
}
