package decide

import (
	"context"
	"crypto/sha256"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// AppendEvent implements registry.Events.
func (r *Registry) AppendEvent(ctx context.Context, processID string, request registry.ProcessEventAppendRequest, fence *registry.Fence) (registry.ProcessEventAppendResult, error) {
	err := firstError(registry.ValidateID("process_id", processID), registry.ValidateAppendRequest(request), registry.ValidateFence(fence))
	if err != nil {
		return registry.ProcessEventAppendResult{}, err
	}
	payloadHash, err := registry.PayloadHash(request.EventType, request.Payload)
	if err != nil {
		return registry.ProcessEventAppendResult{}, err
	}
	result, err := r.propose(ctx, func(records Records) (fsm.Command, error) {
		return r.decideAppend(records.Process(processID), processID, request, payloadHash[:], fence)
	})
	if err != nil {
		return registry.ProcessEventAppendResult{}, err
	}
	target := request.WakeTargetScope
	if target == nil {
		target = result.WakeTarget
	}
	return registry.ProcessEventAppendResult{
		Event:        *result.Event,
		WakeDelivery: registry.WakeDeliveryFor(result.Process, result.Event, target),
	}, nil
}

// decideAppend does the steps 4 to 7 of spec 5.12 for the life of the process
// that it sees. Their refusals go into the command.
func (r *Registry) decideAppend(record *registry.ProcessRecord, processID string, request registry.ProcessEventAppendRequest, payloadHash []byte, fence *registry.Fence) (fsm.Command, error) {
	c := fsm.Command{Fence: fence, Life: new(uint64(0))}
	if record == nil {
		// Assumed absent: apply answers NotFound, or has it decided again.
		c.Body = fsm.NewAppendEvent(processID, request, payloadHash, false, registry.Materialised{}, nil, nil)
		return c, nil
	}
	c.Life = &record.Life
	declared, refusal := declaredType(record, request)
	terminal := declared != nil && declared.Semantics.Terminal != nil
	var materialised registry.Materialised
	var outputHash []byte
	if refusal == nil {
		var err error
		if materialised, outputHash, err = r.materialise(record, declared, request); err != nil {
			if refusal = asRefusal(err); refusal == nil {
				return c, err
			}
		}
	}
	c.Body = fsm.NewAppendEvent(processID, request, payloadHash, terminal, materialised, outputHash, refusal)
	return c, nil
}

// asRefusal returns an error of the catalogue that says something about the
// request; anything else is no refusal but a failure of this node.
func asRefusal(err error) *registry.Error {
	switch registry.CodeOf(err) {
	case registry.CodePayloadRejected, registry.CodeTooLarge, registry.CodeInvalidArgument:
		return err.(*registry.Error)
	}
	return nil
}

// declaredType does the steps 4 and 5: the type is declared, and has a replay
// key where it needs one.
func declaredType(record *registry.ProcessRecord, request registry.ProcessEventAppendRequest) (*registry.ProcessEventType, *registry.Error) {
	for i := range record.EventTypes {
		t := &record.EventTypes[i]
		if t.Name != request.EventType {
			continue
		}
		key := request.Replay
		needsKey := t.Semantics.Terminal != nil || t.Name == registry.EventCancelRequested
		switch {
		case needsKey && (key == nil || key.Key == ""):
			return t, registry.Errorf(registry.CodeMissingReplayKey, registry.Fields{EventType: t.Name},
				"process `%s` event `%s` requires a deterministic replay key", record.ID, t.Name)
		case key != nil && key.Key == "":
			return t, registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "replay.key", EventType: t.Name},
				"replay.key is empty: leave the replay out, or give it a key of 1 to %d bytes", registry.MaxReplayKeyBytes)
		}
		return t, nil
	}
	return nil, registry.Errorf(registry.CodeUndeclaredEvent, registry.Fields{EventType: request.EventType},
		"process `%s` emitted undeclared event type `%s`", record.ID, request.EventType)
}

// materialise does the steps 6 and 7: the payload fits the schema, and the
// selectors find what they select.
func (r *Registry) materialise(record *registry.ProcessRecord, declared *registry.ProcessEventType, request registry.ProcessEventAppendRequest) (registry.Materialised, []byte, error) {
	if err := r.schemas.check(declared.PayloadSchema, request.Payload); err != nil {
		return registry.Materialised{}, nil, registry.Errorf(registry.CodePayloadRejected, registry.Fields{EventType: declared.Name},
			"invalid `%s` payload: %v", declared.Name, err)
	}
	materialised, err := registry.Materialise(*declared, request.Payload)
	if err != nil || materialised.Terminal == nil {
		return materialised, nil, err
	}
	outputHash, err := hashOutput(materialised.Terminal.AwaitOutput)
	return materialised, outputHash, err
}

// hashOutput returns the hash by which completing again is judged: that of the
// output without the time in its evidence. Spec A20.
func hashOutput(output registry.ProcessAwaitOutput) ([]byte, error) {
	if output.Evidence != nil {
		evidence := *output.Evidence
		evidence.EpochMs = 0
		output.Evidence = &evidence
	}
	text, err := output.MarshalJSON()
	if err != nil {
		return nil, err
	}
	canonical, err := registry.CanonicalJSON(text)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(canonical)
	return hash[:], nil
}

// EventsAfter implements registry.Events.
func (r *Registry) EventsAfter(ctx context.Context, processID string, afterSequence uint64, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
	if err := registry.ValidateID("process_id", processID); err != nil {
		return registry.Page[registry.ProcessEvent]{}, err
	}
	return readPage(ctx, r, page, func(v fsm.View) (registry.Page[registry.ProcessEvent], error) {
		return v.EventsAfter(processID, afterSequence, page)
	})
}

// WakeEventsAfter implements registry.Events.
func (r *Registry) WakeEventsAfter(ctx context.Context, processID string, afterSequence uint64, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
	if err := registry.ValidateID("process_id", processID); err != nil {
		return registry.Page[registry.ProcessEvent]{}, err
	}
	return readPage(ctx, r, page, func(v fsm.View) (registry.Page[registry.ProcessEvent], error) {
		return v.WakeEventsAfter(processID, afterSequence, page)
	})
}

// AckWake implements registry.Events.
func (r *Registry) AckWake(ctx context.Context, processID string, sequence uint64) error {
	if err := registry.ValidateID("process_id", processID); err != nil {
		return err
	}
	_, err := r.propose(ctx, command(&fsm.AckWake{ProcessID: processID, Sequence: sequence}, nil))
	return err
}

// CountEventsThrough implements registry.Events.
func (r *Registry) CountEventsThrough(ctx context.Context, processID, eventType string, upToSequence uint64) (uint64, error) {
	err := firstError(registry.ValidateID("process_id", processID), registry.ValidateString("event_type", eventType))
	if err != nil {
		return 0, err
	}
	var count uint64
	var refusal error
	if err := r.log.Read(ctx, func(v fsm.View) { count, refusal = v.CountEventsThrough(processID, eventType, upToSequence) }); err != nil {
		return 0, err
	}
	return count, refusal
}

// RecentEvents implements registry.Events.
func (r *Registry) RecentEvents(ctx context.Context, processID string, limit uint64, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
	if err := registry.ValidateID("process_id", processID); err != nil {
		return registry.Page[registry.ProcessEvent]{}, err
	}
	return readPage(ctx, r, page, func(v fsm.View) (registry.Page[registry.ProcessEvent], error) {
		return v.RecentEvents(processID, limit, page)
	})
}
