package decide

import (
	"context"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// PruneTerminalProcesses implements registry.Retention. It is made of steps,
// each an entry of its own, so that other writes come between them; the first
// one fixes the cutoff. A stamp belongs to the first step: repeating the
// others does nothing that the call was not asked for. Spec A10.
func (r *Registry) PruneTerminalProcesses(ctx context.Context, cutoffEpochMs uint64) (registry.ProcessPruneReport, error) {
	var report registry.ProcessPruneReport
	for step := ctx; ; step = unstamped(ctx) {
		result, err := r.propose(step, command(&fsm.PruneTerminalProcesses{CutoffMs: cutoffEpochMs}, nil))
		if err != nil {
			return registry.ProcessPruneReport{}, interruptedPrune(report, err)
		}
		report.PrunedProcesses += result.Pruned.Processes
		report.PrunedEvents += result.Pruned.Events
		if !result.Pruned.More {
			return report, nil
		}
		cutoffEpochMs = result.Pruned.CutoffMs
	}
}

// interruptedPrune is the error of a prune whose last step failed. However
// definite that failure is, the call did not do nothing.
func interruptedPrune(done registry.ProcessPruneReport, cause error) error {
	if done.PrunedProcesses == 0 {
		return cause
	}
	return registry.Errorf(registry.CodeOutcomeUnknown, registry.Fields{},
		"%d processes with %d events were pruned, and then the call ended: call again to go on: %v", done.PrunedProcesses, done.PrunedEvents, cause)
}
