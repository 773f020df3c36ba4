package decide

import (
	"context"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// RecordFirstStarted implements registry.Processes.
func (r *Registry) RecordFirstStarted(ctx context.Context, processID string, started registry.ProcessStarted, fence *registry.Fence) (registry.ProcessRecord, error) {
	err := firstError(registry.ValidateID("process_id", processID), registry.ValidateStarted(started), registry.ValidateFence(fence))
	if err != nil {
		return registry.ProcessRecord{}, err
	}
	return r.proposeForRecord(ctx, command(fsm.NewRecordFirstStarted(processID, started), fence))
}

// SetExternalRef implements registry.Processes.
func (r *Registry) SetExternalRef(ctx context.Context, processID string, ref registry.ProcessExternalRef, fence *registry.Fence) (registry.ProcessRecord, error) {
	err := firstError(registry.ValidateID("process_id", processID), registry.ValidateExternalRef(ref), registry.ValidateFence(fence))
	if err != nil {
		return registry.ProcessRecord{}, err
	}
	hash, err := registry.ExternalRefHash(ref)
	if err != nil {
		return registry.ProcessRecord{}, err
	}
	return r.proposeForRecord(ctx, command(fsm.NewSetExternalRef(processID, ref, hash[:]), fence))
}

// RequestProcessAbandon implements registry.Processes.
func (r *Registry) RequestProcessAbandon(ctx context.Context, processID string, request registry.AbandonRequest, fence *registry.Fence) (registry.ProcessRecord, error) {
	err := firstError(registry.ValidateID("process_id", processID), registry.ValidateAbandonRequest(request), registry.ValidateFence(fence))
	if err != nil {
		return registry.ProcessRecord{}, err
	}
	return r.proposeForRecord(ctx, command(fsm.NewRequestProcessAbandon(processID, request), fence))
}

// SetProcessWait implements registry.Processes.
func (r *Registry) SetProcessWait(ctx context.Context, processID string, wait registry.WaitState, fence *registry.Fence) (registry.ProcessRecord, error) {
	err := firstError(registry.ValidateID("process_id", processID), registry.ValidateWait(wait), registry.ValidateFence(fence))
	if err != nil {
		return registry.ProcessRecord{}, err
	}
	return r.proposeForRecord(ctx, command(fsm.NewSetProcessWait(processID, wait), fence))
}

// ClearProcessWait implements registry.Processes.
func (r *Registry) ClearProcessWait(ctx context.Context, processID string, fence *registry.Fence) (registry.ProcessRecord, error) {
	err := firstError(registry.ValidateID("process_id", processID), registry.ValidateFence(fence))
	if err != nil {
		return registry.ProcessRecord{}, err
	}
	return r.proposeForRecord(ctx, command(&fsm.ClearProcessWait{ProcessID: processID}, fence))
}
