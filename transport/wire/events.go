package wire

import (
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// AppendRequestToPB returns the wire form of an append.
func AppendRequestToPB(request registry.ProcessEventAppendRequest) *pb.ProcessEventAppendRequest {
	out := &pb.ProcessEventAppendRequest{
		EventType:       request.EventType,
		Payload:         request.Payload,
		WakeTargetScope: pointer(request.WakeTargetScope, scopeToPB),
	}
	if request.Replay != nil {
		out.Replay = &pb.Replay{Key: request.Replay.Key}
	}
	return out
}

// AppendRequestFromPB reads an append.
func AppendRequestFromPB(m *pb.ProcessEventAppendRequest) (registry.ProcessEventAppendRequest, error) {
	var d decoder
	if m == nil {
		d.missing("request")
	}
	request := registry.ProcessEventAppendRequest{
		EventType:       m.GetEventType(),
		Payload:         m.GetPayload(),
		WakeTargetScope: optional(m.GetWakeTargetScope(), "wake_target_scope", d.scope),
	}
	if replay := m.GetReplay(); replay != nil {
		request.Replay = &registry.Replay{Key: replay.GetKey()}
	}
	return result(&d, request)
}

// AppendResultToPB returns the wire form of an append's result.
func AppendResultToPB(appended registry.ProcessEventAppendResult) *pb.ProcessEventAppendResult {
	out := &pb.ProcessEventAppendResult{
		Event:        new(pb.ProcessEvent),
		WakeDelivery: pointer(appended.WakeDelivery, wakeDeliveryToPB),
	}
	fillEvent(out.Event, &appended.Event)
	return out
}

// AppendResultFromPB reads an append's result.
func AppendResultFromPB(m *pb.ProcessEventAppendResult) (registry.ProcessEventAppendResult, error) {
	var d decoder
	if m == nil {
		d.missing("result")
	}
	return result(&d, registry.ProcessEventAppendResult{
		Event:        d.event(m.GetEvent(), "event"),
		WakeDelivery: optional(m.GetWakeDelivery(), "wake_delivery", d.wakeDelivery),
	})
}

// EventsToPB returns the wire form of the events of a page.
func EventsToPB(events []registry.ProcessEvent) []*pb.ProcessEvent { return rows(events, fillEvent) }

// EventPageFromPB reads a page of events.
func EventPageFromPB(events []*pb.ProcessEvent, nextToken string) (registry.Page[registry.ProcessEvent], error) {
	var d decoder
	return result(&d, registry.Page[registry.ProcessEvent]{Items: list(events, "events", d.event), NextToken: nextToken})
}

func fillEvent(out *pb.ProcessEvent, event *registry.ProcessEvent) {
	out.ProcessId = event.ProcessID
	out.Sequence = event.Sequence
	out.EventType = event.EventType
	out.Payload = event.Payload
	out.ReplayKey = event.ReplayKey
	out.Semantics = eventSemanticsToPB(&event.Semantics)
	out.OccurredAtMs = event.OccurredAtMs
}

func (d *decoder) event(m *pb.ProcessEvent, field string) registry.ProcessEvent {
	if m == nil {
		d.missing(field)
	}
	return registry.ProcessEvent{
		ProcessID: m.GetProcessId(),
		Sequence:  m.GetSequence(),
		EventType: m.GetEventType(),
		Payload:   m.GetPayload(),
		ReplayKey: m.GetReplayKey(),
		Semantics: registry.EventSemantics{
			Terminal: optional(m.GetSemantics().GetTerminal(), "terminal", d.eventTerminal),
			Wake:     optional(m.GetSemantics().GetWake(), "wake", d.eventWake),
		},
		OccurredAtMs: m.GetOccurredAtMs(),
	}
}

// eventSemanticsToPB leaves a plain event's empty semantics out.
func eventSemanticsToPB(semantics *registry.EventSemantics) *pb.EventSemantics {
	if semantics.Terminal == nil && semantics.Wake == nil {
		return nil
	}
	out := new(pb.EventSemantics)
	if terminal := semantics.Terminal; terminal != nil {
		out.Terminal = &pb.EventTerminal{
			State:       processStates.toPB(terminal.State),
			AwaitOutput: outputToPB(&terminal.AwaitOutput),
		}
	}
	if wake := semantics.Wake; wake != nil {
		out.Wake = &pb.EventWake{Input: wake.Input, DedupeKey: wake.DedupeKey}
	}
	return out
}

func (d *decoder) eventTerminal(m *pb.EventTerminal, _ string) registry.EventTerminal {
	return registry.EventTerminal{
		State:       processStates.fromPB(d, m.GetState(), "terminal.state"),
		AwaitOutput: d.output(m.GetAwaitOutput(), "await_output"),
	}
}

func (d *decoder) eventWake(m *pb.EventWake, _ string) registry.EventWake {
	return registry.EventWake{Input: m.GetInput(), DedupeKey: m.GetDedupeKey()}
}

func wakeDeliveryToPB(delivery *registry.ProcessWakeDelivery) *pb.ProcessWakeDelivery {
	return &pb.ProcessWakeDelivery{
		WakeId:          delivery.WakeID,
		TargetSessionId: delivery.TargetSessionID,
		TargetScopeId:   delivery.TargetScopeID,
		ProcessId:       delivery.ProcessID,
		Sequence:        delivery.Sequence,
		EventType:       delivery.EventType,
		EventReplayKey:  delivery.EventReplayKey,
		ProcessCausedBy: pointer(delivery.ProcessCausedBy, causalRefToPB),
		DedupeKey:       delivery.DedupeKey,
		Input:           delivery.Input,
		CreatedAtMs:     delivery.CreatedAtMs,
	}
}

func (d *decoder) wakeDelivery(m *pb.ProcessWakeDelivery, _ string) registry.ProcessWakeDelivery {
	return registry.ProcessWakeDelivery{
		WakeID:          m.GetWakeId(),
		TargetSessionID: m.GetTargetSessionId(),
		TargetScopeID:   m.GetTargetScopeId(),
		ProcessID:       m.GetProcessId(),
		Sequence:        m.GetSequence(),
		EventType:       m.GetEventType(),
		EventReplayKey:  m.GetEventReplayKey(),
		ProcessCausedBy: optional(m.GetProcessCausedBy(), "process_caused_by", d.causalRef),
		DedupeKey:       m.GetDedupeKey(),
		Input:           m.GetInput(),
		CreatedAtMs:     m.GetCreatedAtMs(),
	}
}
