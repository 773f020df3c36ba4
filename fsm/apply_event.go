package fsm

import (
	"bytes"
	"strconv"

	"github.com/tidwall/btree"

	"github.com/holdfast-registry/holdfast/registry"
)

// applyAppendEvent follows the contract's order: NotFound, the life that the
// leader decided against, Fenced, then spec 5.12 from its replay step. The
// leader's own refusal stands where the steps stand that it looked at.
func (s *state) applyAppendEvent(c Command, body *AppendEvent) Result {
	p, ok := s.processes.Get(body.ProcessID)
	if !ok {
		if !checkLife(c, nil) {
			return Result{LifeMismatch: true}
		}
		return Result{Refusal: unknownProcess(body.ProcessID)}
	}
	if !checkLife(c, p) {
		return Result{LifeMismatch: true}
	}
	if refusal := checkFence(c, p, body.TerminalType); refusal != nil && mutant != ignoresFenceOnAppend {
		return Result{Refusal: refusal}
	}
	if body.HasReplay {
		result, found := s.replayEvent(p, body.ReplayKey, body.PayloadHash)
		if found {
			return result
		}
	}
	if body.Refusal != nil {
		return Result{Refusal: body.Refusal.load(body.ProcessID)}
	}
	if body.Terminal != nil && p.record.Status.State.Terminal() {
		return Result{Refusal: alreadyTerminal(p)}
	}
	if limit := uint64(registry.MaxEventsPerProcess); uint64(len(p.events)) >= limit && !endsProcess(body.EventType) {
		value := uint64(len(p.events)) + 1
		return Result{Refusal: registry.Errorf(registry.CodeTooLarge,
			registry.Fields{ProcessID: body.ProcessID, Field: "events", Limit: &limit, Value: &value},
			"process `%s` has %d events, which is the limit: complete it and go on in another process", body.ProcessID, limit)}
	}
	e := &event{
		ProcessEvent: registry.ProcessEvent{EventType: body.EventType, Payload: body.Payload, ReplayKey: body.ReplayKey},
		payloadHash:  body.PayloadHash,
	}
	if body.Terminal != nil {
		e.Semantics.Terminal = &body.terminal
		e.outputHash = body.Terminal.OutputHash
	}
	return s.storeEvent(p, e, body.Wake)
}

// applyCompleteProcess is an append of the output's terminal event, but that
// completing again with an output that differs only in its evidence time is no
// conflict. Spec 5.17, A20.
func (s *state) applyCompleteProcess(c Command, body *CompleteProcess) Result {
	p, ok := s.processes.Get(body.ProcessID)
	if !ok {
		return Result{Refusal: unknownProcess(body.ProcessID)}
	}
	if refusal := checkFence(c, p, true); refusal != nil && mutant != ignoresFenceOnComplete {
		return Result{Refusal: refusal}
	}
	if p.terminal != nil && bytes.Equal(p.terminal.outputHash, body.Terminal.OutputHash) {
		return Result{Process: &p.record}
	}
	if result, found := s.replayEvent(p, body.ReplayKey, body.PayloadHash); found {
		return result
	}
	if p.record.Status.State.Terminal() {
		return Result{Refusal: alreadyTerminal(p)}
	}
	e := &event{
		ProcessEvent: registry.ProcessEvent{EventType: body.EventType, Payload: body.Payload, ReplayKey: body.ReplayKey},
		payloadHash:  body.PayloadHash,
		outputHash:   body.Terminal.OutputHash,
	}
	e.Semantics.Terminal = &body.terminal
	return s.storeEvent(p, e, nil)
}

// endsProcess tells the four core event types that every process may reach
// however many events it has: it must always be possible to end one.
func endsProcess(eventType string) bool {
	switch eventType {
	case registry.EventCompleted, registry.EventFailed, registry.EventCancelled, registry.EventAbandoned:
		return true
	}
	return false
}

// replayEvent answers an append whose replay key is taken. An event of the
// same type and payload is the answer; it also repairs the status of a row
// that it should have ended.
func (s *state) replayEvent(p *process, key string, payloadHash []byte) (Result, bool) {
	e, ok := p.index.byReplayKey[key]
	if !ok {
		return Result{}, false
	}
	if !bytes.Equal(e.payloadHash, payloadHash) {
		return Result{Refusal: registry.Errorf(registry.CodeReplayConflict,
			registry.Fields{ProcessID: p.record.ID, ReplayKey: key},
			"process `%s` event replay key `%s` conflicts with an existing event", p.record.ID, key)}, true
	}
	if e.Semantics.Terminal != nil && !p.record.Status.State.Terminal() {
		row := *p
		row.end(e)
		row.record.UpdatedAtMs = e.OccurredAtMs
		row.record.Revision = s.changed(&row, registry.ChangeEnded, e.Sequence)
		s.put(p, &row)
		p = &row
	}
	return Result{Process: &p.record, Event: &e.ProcessEvent}, true
}

// storeEvent appends an event to a row and applies its semantics. Nothing can
// refuse it any more.
func (s *state) storeEvent(p *process, e *event, wake *storedMaterialisedWake) Result {
	e.ProcessID = p.record.ID
	e.Sequence = uint64(len(p.events)) + 1
	e.OccurredAtMs = s.ClockMs
	if wake != nil {
		e.Semantics.Wake = &registry.EventWake{Input: wake.Input, DedupeKey: wake.DedupeKey}
		if wake.EventIdentity {
			e.Semantics.Wake.DedupeKey = e.ProcessID + ":" + strconv.FormatUint(e.Sequence, 10)
		}
	}
	row, kind := *p, registry.ChangeAppended
	row.append(e)
	if s.undo.active {
		s.undo.note(func() { p.index.drop(e) })
	}
	if e.Semantics.Terminal != nil {
		row.end(e)
		kind = registry.ChangeEnded
	}
	row.record.UpdatedAtMs = s.ClockMs
	row.record.Revision = s.changed(&row, kind, e.Sequence)
	s.put(p, &row)
	return Result{Process: &row.record, Event: &e.ProcessEvent}
}

// append adds an event behind the log and to the index.
func (p *process) append(e *event) {
	p.events = append(p.events, e)
	p.index.add(e)
	if e.Semantics.Wake != nil && !p.acked(uint32(e.Sequence)) {
		p.index.wakes.Insert(uint32(e.Sequence))
	}
}

// applyAckWake follows spec 5.24. The sequence need not exist: an ack that comes
// first suppresses the wake. One that can never exist is not kept, since nobody
// could tell.
func (s *state) applyAckWake(c *AckWake) Result {
	p, ok := s.processes.Get(c.ProcessID)
	if !ok {
		return Result{Refusal: unknownProcess(c.ProcessID)}
	}
	sequence := uint32(c.Sequence)
	if c.Sequence == 0 || c.Sequence > registry.MaxEventSequence || p.acked(sequence) {
		return Result{}
	}
	row := *p
	if s.undo.active && p.index.wakes.Contains(sequence) {
		s.undo.note(func() { p.index.wakes.Insert(sequence) })
	}
	row.ack(sequence)
	s.changed(&row, registry.ChangeAck, c.Sequence)
	s.put(p, &row)
	return Result{}
}

// acked tells whether the wake of a sequence was consumed.
func (p *process) acked(sequence uint32) bool { return p.acks != nil && p.acks.Contains(sequence) }

// ack marks a sequence as consumed, in a set of the row's own.
func (p *process) ack(sequence uint32) {
	if p.acks == nil {
		p.acks = new(btree.Set[uint32])
	} else {
		p.acks = p.acks.Copy()
	}
	p.acks.Insert(sequence)
	p.index.wakes.Delete(sequence)
}

// end gives the row the status that a terminal event brought.
func (p *process) end(e *event) {
	terminal := e.Semantics.Terminal
	p.record.Status = registry.ProcessStatus{State: terminal.State, AwaitOutput: &terminal.AwaitOutput}
	p.record.Wait = nil
	p.terminal = e
}
