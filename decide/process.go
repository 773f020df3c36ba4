package decide

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// RegisterProcess implements registry.Processes.
func (r *Registry) RegisterProcess(ctx context.Context, registration registry.ProcessRegistration) (registry.ProcessRecord, error) {
	registration.EventTypes = registry.CompleteEventTypes(registration.EventTypes)
	if err := registry.ValidateRegistration(registration); err != nil {
		return registry.ProcessRecord{}, err
	}
	for i, t := range registration.EventTypes {
		if _, err := r.schemas.compile(t.PayloadSchema); err != nil {
			field := fmt.Sprintf("event_types[%d].payload_schema.schema", i)
			return registry.ProcessRecord{}, registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: field, EventType: t.Name},
				"%s of `%s` is not a JSON Schema 2020-12 without outside references: %v", field, t.Name, err)
		}
	}
	text, err := registry.RegistrationHash(registration)
	if err != nil {
		return registry.ProcessRecord{}, err
	}
	hash, err := hex.DecodeString(text)
	if err != nil {
		return registry.ProcessRecord{}, registry.Errorf(registry.CodeInternal, registry.Fields{}, "registration hash %q: %v", text, err)
	}
	return r.proposeForRecord(ctx, command(fsm.NewRegisterProcess(registration, hash), nil))
}

// proposeForRecord is propose for commands that answer a record.
func (r *Registry) proposeForRecord(ctx context.Context, decide Decision) (registry.ProcessRecord, error) {
	result, err := r.propose(ctx, decide)
	if err != nil {
		return registry.ProcessRecord{}, err
	}
	return *result.Process, nil
}

// GetProcess implements registry.Processes.
func (r *Registry) GetProcess(ctx context.Context, processID string) (registry.ProcessRecord, error) {
	if err := registry.ValidateID("process_id", processID); err != nil {
		return registry.ProcessRecord{}, err
	}
	var record *registry.ProcessRecord
	if err := r.log.Read(ctx, func(v fsm.View) { record = v.Process(processID) }); err != nil {
		return registry.ProcessRecord{}, err
	}
	if record == nil {
		return registry.ProcessRecord{}, registry.Errorf(registry.CodeNotFound, registry.Fields{ProcessID: processID}, "unknown process `%s`", processID)
	}
	return *record, nil
}

// ListProcesses implements registry.Processes.
func (r *Registry) ListProcesses(ctx context.Context, filter registry.ProcessListFilter, page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
	if err := registry.ValidateFilter(filter); err != nil {
		return registry.Page[registry.ProcessRecord]{}, err
	}
	return readPage(ctx, r, page, func(v fsm.View) (registry.Page[registry.ProcessRecord], error) { return v.ListProcesses(filter, page) })
}

// ListNonTerminal implements registry.Processes.
func (r *Registry) ListNonTerminal(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
	return readPage(ctx, r, page, func(v fsm.View) (registry.Page[registry.ProcessRecord], error) { return v.ListNonTerminal(page) })
}

// readPage reads one page of any list.
func readPage[T any](ctx context.Context, r *Registry, page registry.PageRequest, read func(fsm.View) (registry.Page[T], error)) (registry.Page[T], error) {
	if err := registry.ValidatePage(page); err != nil {
		return registry.Page[T]{}, err
	}
	var out registry.Page[T]
	var refusal error
	if err := r.log.Read(ctx, func(v fsm.View) { out, refusal = read(v) }); err != nil {
		return registry.Page[T]{}, err
	}
	return out, refusal
}

// CompleteProcess implements registry.Processes.
func (r *Registry) CompleteProcess(ctx context.Context, processID string, output registry.ProcessAwaitOutput, fence *registry.Fence) (registry.ProcessRecord, error) {
	err := firstError(registry.ValidateID("process_id", processID), registry.ValidateOutput(output), registry.ValidateFence(fence))
	if err != nil {
		return registry.ProcessRecord{}, err
	}
	request, err := registry.CompletionRequest(processID, output)
	if err != nil {
		return registry.ProcessRecord{}, err
	}
	payloadHash, err := registry.PayloadHash(request.EventType, request.Payload)
	if err != nil {
		return registry.ProcessRecord{}, err
	}
	if output, err = storedOutput(request); err != nil {
		return registry.ProcessRecord{}, err
	}
	outputHash, err := hashOutput(output)
	if err != nil {
		return registry.ProcessRecord{}, err
	}
	body := fsm.NewCompleteProcess(processID, request, payloadHash[:], output, outputHash)
	return r.proposeForRecord(ctx, command(body, fence))
}

// storedOutput reads the output back from the event that completing is, so
// that an append of the same event stores the same: without what the caller's
// struct holds beside its kind's fields, and the control in its normal form.
func storedOutput(request registry.ProcessEventAppendRequest) (registry.ProcessAwaitOutput, error) {
	core, _ := registry.CoreEventType(request.EventType)
	materialised, err := registry.Materialise(core, request.Payload)
	if err != nil {
		return registry.ProcessAwaitOutput{}, err
	}
	return materialised.Terminal.AwaitOutput, nil
}
