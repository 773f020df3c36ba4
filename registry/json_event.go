package registry

import "math"

// The forms of spec 3.10 to 3.12: events, appends and wake deliveries.

// The invocation of every process event names this literal as its session; it
// has nothing to do with the session of the caller.
const invocationSession = "runtime"

const msPerSecond, nanosPerMs, nanosPerSecond = 1000, 1_000_000, 1_000_000_000

// encodeInvocation writes the invocation that an event carries. It says
// nothing that the event itself does not say, so it is formed here and stored
// nowhere.
func encodeInvocation(e *encoder, name, processID string, sequence uint64, eventType, replayKey string) {
	e.key(name)
	e.open('{')
	e.key("scope")
	e.open('{')
	e.str("session_id", invocationSession)
	e.close('}')
	e.key("subject")
	e.open('{')
	e.str("type", "process_event")
	e.str("process_id", processID)
	e.u64("sequence", sequence)
	e.str("event_type", eventType)
	e.close('}')
	e.key("caused_by")
	e.open('{')
	e.str("type", "process")
	e.str("process_id", processID)
	e.close('}')
	if replayKey != "" {
		e.object("replay", Replay{Key: replayKey})
	}
	e.close('}')
}

// readInvocation reads the replay key out of an invocation; all else in it
// repeats the event.
func readInvocation(raw []byte) (string, error) {
	o := readObject(raw)
	need(o, "scope", func(raw []byte) (string, error) {
		scope := readObject(raw)
		return scope.str("session_id"), scope.done()
	})
	need(o, "subject", func(raw []byte) (string, error) {
		subject := readObject(raw)
		return subject.str("type"), subject.done()
	})
	replay := maybe(o, "replay", readReplay)
	if replay == nil {
		return "", o.done()
	}
	return replay.Key, o.done()
}

func (r Replay) encode(e *encoder) {
	e.open('{')
	e.str("key", r.Key)
	e.close('}')
}

func readReplay(raw []byte) (Replay, error) {
	o := readObject(raw)
	return Replay{Key: o.str("key")}, o.done()
}

func (t EventTerminal) encode(e *encoder) {
	e.open('{')
	e.str("state", string(t.State))
	e.object("await_output", t.AwaitOutput)
	e.close('}')
}

func readEventTerminal(raw []byte) (EventTerminal, error) {
	o := readObject(raw)
	return EventTerminal{
		State:       need(o, "state", readTerminalState),
		AwaitOutput: need(o, "await_output", readAwaitOutput),
	}, o.done()
}

func (w EventWake) encode(e *encoder) {
	e.open('{')
	e.str("input", w.Input)
	e.str("dedupe_key", w.DedupeKey)
	e.close('}')
}

func readEventWake(raw []byte) (EventWake, error) {
	o := readObject(raw)
	return EventWake{Input: o.str("input"), DedupeKey: o.str("dedupe_key")}, o.done()
}

func (s EventSemantics) encode(e *encoder) {
	e.open('{')
	encodeOptional(e, "terminal", s.Terminal)
	encodeOptional(e, "wake", s.Wake)
	e.close('}')
}

func readSemantics(raw []byte) (EventSemantics, error) {
	o := readObject(raw)
	return EventSemantics{
		Terminal: maybe(o, "terminal", readEventTerminal),
		Wake:     maybe(o, "wake", readEventWake),
	}, o.done()
}

func (v ProcessEvent) encode(e *encoder) {
	e.open('{')
	e.str("process_id", v.ProcessID)
	e.u64("sequence", v.Sequence)
	e.str("event_type", v.EventType)
	e.free("payload", v.Payload)
	encodeInvocation(e, "invocation", v.ProcessID, v.Sequence, v.EventType, v.ReplayKey)
	e.object("semantics", v.Semantics)
	e.key("occurred_at")
	e.open('{')
	e.u64("secs_since_epoch", v.OccurredAtMs/msPerSecond)
	e.u64("nanos_since_epoch", v.OccurredAtMs%msPerSecond*nanosPerMs)
	e.close('}')
	e.close('}')
}

func readEvent(raw []byte) (ProcessEvent, error) {
	o := readObject(raw)
	return ProcessEvent{
		ProcessID:    o.str("process_id"),
		Sequence:     o.u64("sequence"),
		EventType:    o.str("event_type"),
		Payload:      o.free("payload"),
		ReplayKey:    need(o, "invocation", readInvocation),
		Semantics:    need(o, "semantics", readSemantics),
		OccurredAtMs: need(o, "occurred_at", readSystemTime),
	}, o.done()
}

// readSystemTime reads a point of time into milliseconds, dropping what is
// finer. It is the one form of spec 3 that refuses unknown members.
func readSystemTime(raw []byte) (uint64, error) {
	o := readObject(raw)
	for _, m := range o.members {
		if m.name != "secs_since_epoch" && m.name != "nanos_since_epoch" {
			o.fail(m.name, wrongForm("unknown member"))
		}
	}
	secs, nanos := o.u64("secs_since_epoch"), o.u32("nanos_since_epoch")
	switch {
	case o.err != nil:
	case nanos >= nanosPerSecond:
		o.fail("nanos_since_epoch", wrongForm("expected less than a second"))
	case secs > (math.MaxUint64-msPerSecond)/msPerSecond:
		o.fail("secs_since_epoch", wrongForm("too far in the future"))
	}
	return secs*msPerSecond + uint64(nanos)/nanosPerMs, o.done()
}

func (r ProcessEventAppendRequest) encode(e *encoder) {
	e.open('{')
	e.str("event_type", r.EventType)
	e.free("payload", r.Payload)
	encodeOptional(e, "replay", r.Replay)
	encodeOptional(e, "wake_target_scope", r.WakeTargetScope)
	e.close('}')
}

func readAppendRequest(raw []byte) (ProcessEventAppendRequest, error) {
	o := readObject(raw)
	return ProcessEventAppendRequest{
		EventType:       o.str("event_type"),
		Payload:         o.free("payload"),
		Replay:          maybe(o, "replay", readReplay),
		WakeTargetScope: maybe(o, "wake_target_scope", readSessionScope),
	}, o.done()
}

func (r ProcessEventAppendResult) encode(e *encoder) {
	e.open('{')
	e.object("event", r.Event)
	encodeOptional(e, "wake_delivery", r.WakeDelivery)
	e.close('}')
}

func readAppendResult(raw []byte) (ProcessEventAppendResult, error) {
	o := readObject(raw)
	return ProcessEventAppendResult{
		Event:        need(o, "event", readEvent),
		WakeDelivery: maybe(o, "wake_delivery", readWakeDelivery),
	}, o.done()
}

func (d ProcessWakeDelivery) encode(e *encoder) {
	e.open('{')
	e.str("wake_id", d.WakeID)
	e.str("target_session_id", d.TargetSessionID)
	e.str("target_scope_id", d.TargetScopeID)
	e.str("process_id", d.ProcessID)
	e.u64("sequence", d.Sequence)
	e.str("event_type", d.EventType)
	encodeInvocation(e, "event_invocation", d.ProcessID, d.Sequence, d.EventType, d.EventReplayKey)
	encodeOptional(e, "process_caused_by", d.ProcessCausedBy)
	e.str("dedupe_key", d.DedupeKey)
	e.str("input", d.Input)
	e.u64("created_at_ms", d.CreatedAtMs)
	e.close('}')
}

func readWakeDelivery(raw []byte) (ProcessWakeDelivery, error) {
	o := readObject(raw)
	return ProcessWakeDelivery{
		WakeID:          o.str("wake_id"),
		TargetSessionID: o.str("target_session_id"),
		TargetScopeID:   o.str("target_scope_id"),
		ProcessID:       o.str("process_id"),
		Sequence:        o.u64("sequence"),
		EventType:       orDefault(o, "event_type", "process.wake", readString),
		EventReplayKey:  orDefault(o, "event_invocation", "", readInvocation),
		ProcessCausedBy: maybe(o, "process_caused_by", readCausalRef),
		DedupeKey:       o.str("dedupe_key"),
		Input:           o.str("input"),
		CreatedAtMs:     o.u64("created_at_ms"),
	}, o.done()
}
