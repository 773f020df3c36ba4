package decide

import (
	"context"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

var _ registry.Fences = (*Registry)(nil)

// CheckFence implements registry.Fences. A stale answer could let a superseded
// owner through, so the context's read level is not asked.
func (r *Registry) CheckFence(ctx context.Context, processID string, fencingToken uint64) (registry.FenceStatus, error) {
	if err := registry.ValidateID("process_id", processID); err != nil {
		return registry.FenceStatus{}, err
	}
	var status registry.FenceStatus
	var refusal error
	err := r.log.Read(registry.WithReadLevel(ctx, registry.Linearizable), func(v fsm.View) {
		status, refusal = v.CheckFence(processID, fencingToken)
	})
	return status, firstError(err, refusal)
}
