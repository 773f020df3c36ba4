package model

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

// AppendEvent is 5.12, with the order of A2.
type AppendEvent struct {
	ProcessID string
	Request   registry.ProcessEventAppendRequest
	Fence     *registry.Fence
}

func (op AppendEvent) step(s *State) Answer {
	p := s.Processes[op.ProcessID]
	declared := p.declared(op.Request.EventType)
	terminal := declared != nil && declared.Semantics.Terminal != nil
	return s.fenced(op.ProcessID, op.Fence, terminal, func(p *Process) Answer { return op.append(s, p, declared) }) // 1
}

func (op AppendEvent) append(s *State, p *Process, declared *registry.ProcessEventType) Answer {
	request := op.Request
	hash, err := registry.PayloadHash(request.EventType, request.Payload) // 2
	if err != nil {
		panic(err)
	}
	if request.Replay != nil && request.Replay.Key != "" { // 3
		for _, e := range p.Events {
			if e.ReplayKey != request.Replay.Key {
				continue
			}
			if e.PayloadHash != hash {
				a := refuse(registry.CodeReplayConflict, op.ProcessID)
				a.Fields.ReplayKey = request.Replay.Key
				return a
			}
			return p.appended(e.ProcessEvent, request.WakeTargetScope)
		}
	}
	about := func(code registry.Code) Answer {
		a := refuse(code, op.ProcessID)
		a.Fields.EventType = request.EventType
		return a
	}
	if declared == nil { // 4
		return about(registry.CodeUndeclaredEvent)
	}
	needsKey := declared.Semantics.Terminal != nil || request.EventType == "process.cancel_requested" // 5
	if needsKey && (request.Replay == nil || request.Replay.Key == "") {
		return about(registry.CodeMissingReplayKey)
	}
	if request.Replay != nil && request.Replay.Key == "" { // A16
		return about(registry.CodeInvalidArgument)
	}
	if !accepts(declared.PayloadSchema, request.Payload) { // 6
		return about(registry.CodePayloadRejected)
	}
	sequence := uint64(len(p.Events)) + 1
	semantics, ok := materialise(declared.Semantics, request.Payload, fmt.Sprintf("%s:%d", op.ProcessID, sequence)) // 7
	if !ok {
		return about(registry.CodePayloadRejected)
	}
	if semantics.Terminal != nil && p.State != "running" { // 8
		return p.refuseTerminal()
	}
	e := registry.ProcessEvent{ // 9
		ProcessID: op.ProcessID, Sequence: sequence, EventType: request.EventType, Payload: request.Payload,
		Semantics: semantics, OccurredAtMs: s.ClockMs,
	}
	if request.Replay != nil {
		e.ReplayKey = request.Replay.Key
	}
	p.Events = append(p.Events, Event{ProcessEvent: e, PayloadHash: hash})
	if semantics.Terminal != nil {
		p.State, p.Output, p.Wait = semantics.Terminal.State, &semantics.Terminal.AwaitOutput, nil
	}
	s.changed(p)
	return p.appended(e, request.WakeTargetScope) // 10
}

func (p *Process) declared(name string) *registry.ProcessEventType {
	if p == nil {
		return nil
	}
	for i := range p.Registration.EventTypes {
		if p.Registration.EventTypes[i].Name == name {
			return &p.Registration.EventTypes[i]
		}
	}
	return nil
}

// appended answers with an event and its delivery. 4.6.
func (p *Process) appended(e registry.ProcessEvent, target *registry.SessionScope) Answer {
	a := Answer{Event: &e}
	if target == nil {
		target = p.Registration.WakeTarget
	}
	wake := e.Semantics.Wake
	if wake == nil || target == nil {
		return a
	}
	scope := "session:" + target.SessionID
	if target.AgentFrameID != "" {
		scope += "/frame:" + target.AgentFrameID
	}
	a.Delivery = &registry.ProcessWakeDelivery{
		WakeID: registry.WakeID(*target, wake.DedupeKey), TargetSessionID: target.SessionID, TargetScopeID: scope,
		ProcessID: e.ProcessID, Sequence: e.Sequence, EventType: e.EventType, EventReplayKey: e.ReplayKey,
		ProcessCausedBy: p.Registration.Provenance.CausedBy, DedupeKey: wake.DedupeKey, Input: wake.Input,
		CreatedAtMs: e.OccurredAtMs,
	}
	return a
}
