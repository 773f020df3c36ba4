package registry

import "strconv"

// MaterialisedWake is the wake of an event that is not stored yet. With
// EventIdentity the dedupe key names the event's sequence, which only the
// state machine knows, so DedupeKey is empty until then.
type MaterialisedWake struct {
	Input         string
	DedupeKey     string
	EventIdentity bool
}

// Wake is the wake of the event once it has its sequence.
func (w MaterialisedWake) Wake(processID string, sequence uint64) EventWake {
	key := w.DedupeKey
	if w.EventIdentity {
		key = processID + ":" + strconv.FormatUint(sequence, 10)
	}
	return EventWake{Input: w.Input, DedupeKey: key}
}

// Materialised is what an event means, as far as its type and payload tell.
type Materialised struct {
	Terminal *EventTerminal
	Wake     *MaterialisedWake
}

// Materialise evaluates the semantics that a type declares on a payload that
// passed CheckJSON: first the terminal, then the wake. The output shares memory
// with the payload. Errors: PayloadRejected when a pointer does not match, when
// the selected output is of another kind than the declared state, or when a
// terminal other than completed has no selector; TooLarge when a text passes
// MaxMaterialisedBytes; InvalidArgument when the payload is no JSON. Spec 4.3 to
// 4.5, A17.
func Materialise(t ProcessEventType, payload JSON) (Materialised, error) {
	if t.Semantics.Terminal == nil && t.Semantics.Wake == nil {
		return Materialised{}, nil
	}
	m, err := materialise(&t, payload)
	if refusal, ok := err.(*Error); ok {
		refusal.Fields.EventType = t.Name
	}
	return m, err
}

func materialise(t *ProcessEventType, payload JSON) (Materialised, error) {
	var m Materialised
	if err := CheckJSON("payload", payload); err != nil {
		return m, err
	}
	if spec := t.Semantics.Terminal; spec != nil {
		output, err := materialiseOutput(t.Name, spec, payload)
		if err != nil {
			return Materialised{}, err
		}
		m.Terminal = &EventTerminal{State: spec.State, AwaitOutput: output}
	}
	if spec := t.Semantics.Wake; spec != nil {
		wake, err := materialiseWake(spec, payload)
		if err != nil {
			return Materialised{}, err
		}
		m.Wake = wake
	}
	return m, nil
}

// materialiseOutput forms the await output of a terminal event. A selected
// value that reads as an output is the output; any other is wrapped by the
// declared state.
func materialiseOutput(eventType string, spec *TerminalSpec, payload JSON) (ProcessAwaitOutput, error) {
	if spec.AwaitOutput == nil {
		if spec.State == StateCompleted {
			return ProcessAwaitOutput{Kind: OutputSuccess, Value: payload}, nil
		}
		return ProcessAwaitOutput{}, Errorf(CodePayloadRejected, Fields{}, "failed or cancelled terminal events must declare await output")
	}
	value, err := selectValue(spec.AwaitOutput, payload)
	if err != nil {
		return ProcessAwaitOutput{}, err
	}
	if len(value) > MaxMaterialisedBytes {
		return ProcessAwaitOutput{}, tooLarge("await_output", "bytes", MaxMaterialisedBytes, len(value))
	}
	output, err := ParseAwaitOutput(value)
	if err != nil {
		return wrapOutput(spec.State, value)
	}
	if output.Kind.State() != spec.State {
		return ProcessAwaitOutput{}, Errorf(CodePayloadRejected, Fields{State: string(spec.State)},
			"event `%s` declares state %s, but its await output is of kind %s", eventType, spec.State, output.Kind)
	}
	return output, nil
}

// wrapOutput makes an output of a value that is none by itself.
func wrapOutput(state ProcessState, value JSON) (ProcessAwaitOutput, error) {
	switch state {
	case StateCompleted:
		return ProcessAwaitOutput{Kind: OutputSuccess, Value: value}, nil
	case StateAbandoned:
		return ProcessAwaitOutput{Kind: OutputAbandoned, Evidence: &AbandonEvidence{Writer: WriterOwnerDrain}}, nil
	}
	text, err := textOf(value)
	if err != nil {
		return ProcessAwaitOutput{}, err
	}
	if len(text) > MaxMaterialisedBytes {
		return ProcessAwaitOutput{}, tooLarge("await_output.message", "bytes", MaxMaterialisedBytes, len(text))
	}
	output := ProcessAwaitOutput{Kind: OutputCancelled, Message: text}
	if !isAbsent(value) {
		output.Raw = value
	}
	if state == StateFailed {
		output.Kind, output.Class, output.Code = OutputFailure, ClassExecution, "process_failed"
	}
	return output, nil
}

func materialiseWake(spec *WakeSpec, payload JSON) (*MaterialisedWake, error) {
	if spec.When != nil {
		value, err := selectValue(spec.When, payload)
		if err != nil {
			return nil, err
		}
		if !truthy(value) {
			return nil, nil
		}
	}
	input, err := selectText("wake.input", &spec.Input, payload)
	if err != nil {
		return nil, err
	}
	wake := &MaterialisedWake{Input: input}
	switch dedupe := spec.DedupeKey; {
	case dedupe.Kind == DedupeSelector && dedupe.Selector != nil:
		wake.DedupeKey, err = selectText("wake.dedupe_key", dedupe.Selector, payload)
	case dedupe.Kind == DedupeConst:
		wake.DedupeKey = dedupe.Const
	default:
		wake.EventIdentity = true
	}
	return wake, err
}

// WakeDeliveryFor forms the delivery of an appended or replayed event: nil when
// the event has no wake or no target is known. The target is override, which an
// append may carry, else the record's current wake target. Spec 4.6.
func WakeDeliveryFor(record *ProcessRecord, event *ProcessEvent, override *SessionScope) *ProcessWakeDelivery {
	target := override
	if target == nil {
		target = record.WakeTarget
	}
	wake := event.Semantics.Wake
	if wake == nil || target == nil {
		return nil
	}
	return &ProcessWakeDelivery{
		WakeID:          WakeID(*target, wake.DedupeKey),
		TargetSessionID: target.SessionID,
		TargetScopeID:   target.ScopeID(),
		ProcessID:       event.ProcessID,
		Sequence:        event.Sequence,
		EventType:       event.EventType,
		EventReplayKey:  event.ReplayKey,
		ProcessCausedBy: record.Provenance.CausedBy,
		DedupeKey:       wake.DedupeKey,
		Input:           wake.Input,
		CreatedAtMs:     event.OccurredAtMs,
	}
}
