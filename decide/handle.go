package decide

import (
	"context"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// GrantHandle implements registry.Handles.
func (r *Registry) GrantHandle(ctx context.Context, scope registry.SessionScope, processID string, descriptor registry.ProcessHandleDescriptor) (registry.ProcessHandleGrant, error) {
	err := firstError(registry.ValidateScope("scope", scope), registry.ValidateID("process_id", processID), registry.ValidateDescriptor(descriptor))
	if err != nil {
		return registry.ProcessHandleGrant{}, err
	}
	if _, err := r.propose(ctx, command(fsm.NewGrantHandle(scope, processID, descriptor), nil)); err != nil {
		return registry.ProcessHandleGrant{}, err
	}
	return registry.ProcessHandleGrant{SessionID: scope.SessionID, ProcessID: processID, Descriptor: descriptor}, nil
}

// RevokeHandle implements registry.Handles.
func (r *Registry) RevokeHandle(ctx context.Context, scope registry.SessionScope, processID string) error {
	if err := firstError(registry.ValidateScope("scope", scope), registry.ValidateID("process_id", processID)); err != nil {
		return err
	}
	_, err := r.propose(ctx, command(fsm.NewRevokeHandle(scope, processID), nil))
	return err
}

// TransferHandleGrants implements registry.Handles.
func (r *Registry) TransferHandleGrants(ctx context.Context, from, to registry.SessionScope, processIDs []string) error {
	err := firstError(registry.ValidateScope("from", from), registry.ValidateScope("to", to), registry.ValidateTransferIDs(processIDs))
	if err != nil {
		return err
	}
	_, err = r.propose(ctx, command(fsm.NewTransferHandleGrants(from, to, processIDs), nil))
	return err
}

// ListHandleGrants implements registry.Handles.
func (r *Registry) ListHandleGrants(ctx context.Context, scope registry.SessionScope, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
	if err := registry.ValidateScope("scope", scope); err != nil {
		return registry.Page[registry.ProcessHandleGrantEntry]{}, err
	}
	return readPage(ctx, r, page, func(v fsm.View) (registry.Page[registry.ProcessHandleGrantEntry], error) {
		return v.ListHandleGrants(scope, page)
	})
}

// ListLiveHandleGrants implements registry.Handles.
func (r *Registry) ListLiveHandleGrants(ctx context.Context, scope registry.SessionScope, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
	if err := registry.ValidateScope("scope", scope); err != nil {
		return registry.Page[registry.ProcessHandleGrantEntry]{}, err
	}
	return readPage(ctx, r, page, func(v fsm.View) (registry.Page[registry.ProcessHandleGrantEntry], error) {
		return v.ListLiveHandleGrants(scope, page)
	})
}

// HasHandleGrant implements registry.Handles.
func (r *Registry) HasHandleGrant(ctx context.Context, scope registry.SessionScope, processID string) (bool, error) {
	if err := firstError(registry.ValidateScope("scope", scope), registry.ValidateID("process_id", processID)); err != nil {
		return false, err
	}
	var granted bool
	err := r.log.Read(ctx, func(v fsm.View) { granted = v.HasHandleGrant(scope, processID) })
	return granted, err
}

// HandleGrantsForProcess implements registry.Handles.
func (r *Registry) HandleGrantsForProcess(ctx context.Context, processID string, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrant], error) {
	if err := registry.ValidateID("process_id", processID); err != nil {
		return registry.Page[registry.ProcessHandleGrant]{}, err
	}
	return readPage(ctx, r, page, func(v fsm.View) (registry.Page[registry.ProcessHandleGrant], error) {
		return v.HandleGrantsForProcess(processID, page)
	})
}

// DeleteSessionProcessState implements registry.Handles.
func (r *Registry) DeleteSessionProcessState(ctx context.Context, sessionID string) (registry.ProcessSessionDeleteReport, error) {
	if err := registry.ValidateID("session_id", sessionID); err != nil {
		return registry.ProcessSessionDeleteReport{}, err
	}
	result, err := r.propose(ctx, command(&fsm.DeleteSessionProcessState{SessionID: sessionID}, nil))
	if err != nil {
		return registry.ProcessSessionDeleteReport{}, err
	}
	return *result.DeletedSession, nil
}
