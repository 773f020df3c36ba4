package registry

// The forms of spec 3.2 to 3.4: session scopes, causal references and where a
// process came from.

func (s SessionScope) encode(e *encoder) {
	e.open('{')
	e.str("session_id", s.SessionID)
	if s.AgentFrameID != "" {
		e.str("agent_frame_id", s.AgentFrameID)
	}
	e.close('}')
}

func readSessionScope(raw []byte) (SessionScope, error) {
	o := readObject(raw)
	scope := SessionScope{SessionID: o.str("session_id")}
	if frame := o.optStr("agent_frame_id"); frame != nil {
		scope.AgentFrameID = *frame
	}
	return scope, o.done()
}

func (c CausalRef) encode(e *encoder) {
	e.open('{')
	e.str("type", string(c.Kind))
	switch c.Kind {
	case CausalTurn:
		e.str("session_id", c.SessionID)
		if c.TurnID == nil {
			e.fail("caused_by.turn_id is missing")
		}
		e.optStr("turn_id", c.TurnID)
	case CausalEffect:
		e.str("session_id", c.SessionID)
		e.optStr("turn_id", c.TurnID)
		e.str("effect_id", c.EffectID)
	case CausalToolCall:
		e.str("session_id", c.SessionID)
		e.str("call_id", c.CallID)
	case CausalProcess:
		e.str("process_id", c.ProcessID)
	case CausalProcessEvent:
		e.str("process_id", c.ProcessID)
		e.u64("sequence", c.Sequence)
	case CausalTriggerOccurrence:
		e.str("occurrence_id", c.OccurrenceID)
	case CausalSessionNode:
		e.str("session_id", c.SessionID)
		e.str("node_id", c.NodeID)
	default:
		e.fail("unknown causal kind %q", string(c.Kind))
	}
	e.close('}')
}

var readCausalKind = oneOf(CausalTurn, CausalEffect, CausalToolCall, CausalProcess, CausalProcessEvent, CausalTriggerOccurrence, CausalSessionNode)

func readCausalRef(raw []byte) (CausalRef, error) {
	o := readObject(raw)
	c := CausalRef{Kind: need(o, "type", readCausalKind)}
	switch c.Kind {
	case CausalTurn:
		c.SessionID = o.str("session_id")
		turn := o.str("turn_id")
		c.TurnID = &turn
	case CausalEffect:
		c.SessionID = o.str("session_id")
		c.TurnID = o.optStr("turn_id")
		c.EffectID = o.str("effect_id")
	case CausalToolCall:
		c.SessionID = o.str("session_id")
		c.CallID = o.str("call_id")
	case CausalProcess:
		c.ProcessID = o.str("process_id")
	case CausalProcessEvent:
		c.ProcessID = o.str("process_id")
		c.Sequence = o.u64("sequence")
	case CausalTriggerOccurrence:
		c.OccurrenceID = o.str("occurrence_id")
	case CausalSessionNode:
		c.SessionID = o.str("session_id")
		c.NodeID = o.str("node_id")
	}
	return c, o.done()
}

func (p Originator) encode(e *encoder) {
	e.open('{')
	if p.Scope == nil {
		e.str("type", "host")
	} else {
		e.str("type", "session")
		e.object("scope", *p.Scope)
	}
	e.close('}')
}

func readOriginator(raw []byte) (Originator, error) {
	o := readObject(raw)
	var origin Originator
	if need(o, "type", oneOf("host", "session")) == "session" {
		scope := need(o, "scope", readSessionScope)
		origin.Scope = &scope
	}
	return origin, o.done()
}

func (p Provenance) encode(e *encoder) {
	e.open('{')
	e.object("originator", p.Originator)
	encodeOptional(e, "caused_by", p.CausedBy)
	e.close('}')
}

func readProvenance(raw []byte) (Provenance, error) {
	o := readObject(raw)
	return Provenance{
		Originator: need(o, "originator", readOriginator),
		CausedBy:   maybe(o, "caused_by", readCausalRef),
	}, o.done()
}
