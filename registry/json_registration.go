package registry

import (
	"slices"
	"strings"
)

// The forms of spec 3.5 to 3.9: what a process is registered with.

func (p ProcessInput) encode(e *encoder) {
	e.open('{')
	e.str("type", string(p.Kind))
	switch p.Kind {
	case InputToolCall:
		e.free("call", p.Call)
	case InputEngine:
		e.str("kind", p.Engine)
		e.freeOrNull("payload", p.Payload)
	case InputSessionTurn:
		e.free("create_request", p.CreateRequest)
		e.free("turn_input", p.TurnInput)
		e.free("output_contract", p.OutputContract)
	case InputExternal:
		e.freeOrNull("metadata", p.Metadata)
	default:
		e.fail("unknown input kind %q", string(p.Kind))
	}
	e.close('}')
}

var readInputKind = oneOf(InputToolCall, InputEngine, InputSessionTurn, InputExternal)

func readInput(raw []byte) (ProcessInput, error) {
	o := readObject(raw)
	p := ProcessInput{Kind: need(o, "type", readInputKind)}
	switch p.Kind {
	case InputToolCall:
		p.Call = o.free("call")
	case InputEngine:
		p.Engine = o.str("kind")
		p.Payload = o.freeOrNull("payload")
	case InputSessionTurn:
		p.CreateRequest = o.free("create_request")
		p.TurnInput = o.free("turn_input")
		p.OutputContract = o.free("output_contract")
	case InputExternal:
		p.Metadata = o.freeOrNull("metadata")
	}
	return p, o.done()
}

func (p ProcessIdentity) encode(e *encoder) {
	e.open('{')
	e.str("kind", p.Kind)
	e.optStr("label", p.Label)
	e.optFree("definition", p.Definition)
	e.close('}')
}

func readIdentity(raw []byte) (ProcessIdentity, error) {
	o := readObject(raw)
	return ProcessIdentity{
		Kind:       o.str("kind"),
		Label:      o.optStr("label"),
		Definition: o.optFree("definition"),
	}, o.done()
}

func (s Selector) encode(e *encoder) {
	if s.Kind == SelectPayload {
		e.string(string(SelectPayload))
		return
	}
	e.open('{')
	switch s.Kind {
	case SelectPointer, SelectPresent:
		e.str(string(s.Kind), s.Text)
	case SelectConst:
		e.free(string(s.Kind), s.Const)
	case SelectTemplate:
		e.key(string(s.Kind))
		e.open('{')
		e.str("template", s.Text)
		e.key("fields")
		e.open('{')
		for _, field := range s.sortedFields() {
			e.next()
			e.string(field.Name)
			e.buf = append(e.buf, ':')
			field.Selector.encode(e)
		}
		e.close('}')
		e.close('}')
	default:
		e.fail("unknown selector kind %q", string(s.Kind))
	}
	e.close('}')
}

// sortedFields returns the template's fields in bytewise order of their names,
// the last of equal ones only. They are meant to be kept that way; a caller
// who did not must not get another hash for the same template.
func (s Selector) sortedFields() []TemplateField {
	for i := 1; i < len(s.Fields); i++ {
		if s.Fields[i-1].Name >= s.Fields[i].Name {
			return sortFields(slices.Clone(s.Fields))
		}
	}
	return s.Fields
}

// sortFields sorts in place, and drops all but the last of equal names.
func sortFields(fields []TemplateField) []TemplateField {
	slices.SortStableFunc(fields, func(a, b TemplateField) int { return strings.Compare(a.Name, b.Name) })
	kept := fields[:0]
	for i, field := range fields {
		if i+1 == len(fields) || fields[i+1].Name != field.Name {
			kept = append(kept, field)
		}
	}
	return kept
}

// readVariant reads an externally tagged value: a bare word, or an object with
// exactly one member. content is nil for a bare word.
func readVariant(raw []byte) (name string, content []byte, err error) {
	if raw[0] == '"' {
		name, err = readString(raw)
		return name, nil, err
	}
	o := readObject(raw)
	if o.err == nil && len(o.members) != 1 {
		o.err = wrongForm("expected a word or an object with exactly one member")
	}
	if o.err != nil {
		return "", nil, o.done()
	}
	return o.members[0].name, o.members[0].value, nil
}

func readSelector(raw []byte) (Selector, error) {
	name, content, err := readVariant(raw)
	if err != nil {
		return Selector{}, err
	}
	s := Selector{Kind: SelectorKind(name)}
	switch {
	case s.Kind == SelectPayload && content == nil:
	case content == nil:
		err = wrongForm("unknown selector")
	case s.Kind == SelectPointer || s.Kind == SelectPresent:
		s.Text, err = readString(content)
	case s.Kind == SelectConst:
		s.Const = content
	case s.Kind == SelectTemplate:
		o := readObject(content)
		s.Text = o.str("template")
		s.Fields = orDefault(o, "fields", nil, readFields)
		err = o.err
	default:
		err = wrongForm("unknown selector")
	}
	if err != nil && content != nil {
		err = at(name, err)
	}
	return s, err
}

func readFields(raw []byte) ([]TemplateField, error) {
	o := readObject(raw)
	var fields []TemplateField
	for _, m := range o.members {
		fields = append(fields, TemplateField{Name: m.name, Selector: readAt(o, m.name, m.value, readSelector)})
	}
	return sortFields(fields), o.done()
}

func (t TerminalSpec) encode(e *encoder) {
	e.open('{')
	e.str("state", string(t.State))
	encodeOptional(e, "await_output", t.AwaitOutput)
	e.close('}')
}

var readTerminalState = oneOf(StateCompleted, StateFailed, StateCancelled, StateAbandoned)

func readTerminalSpec(raw []byte) (TerminalSpec, error) {
	o := readObject(raw)
	return TerminalSpec{
		State:       need(o, "state", readTerminalState),
		AwaitOutput: maybe(o, "await_output", readSelector),
	}, o.done()
}

func (d DedupeKey) encode(e *encoder) {
	switch d.Kind {
	case DedupeEventIdentity, "":
		e.string(string(DedupeEventIdentity))
		return
	}
	e.open('{')
	switch {
	case d.Kind == DedupeSelector && d.Selector != nil:
		e.object("selector", *d.Selector)
	case d.Kind == DedupeConst:
		e.str("const", d.Const)
	default:
		e.fail("unknown or incomplete dedupe key %q", string(d.Kind))
	}
	e.close('}')
}

func readDedupeKey(raw []byte) (DedupeKey, error) {
	name, content, err := readVariant(raw)
	if err != nil {
		return DedupeKey{}, err
	}
	d := DedupeKey{Kind: DedupeKind(name)}
	switch {
	case d.Kind == DedupeEventIdentity && content == nil:
	case content == nil:
		err = wrongForm("unknown dedupe key")
	case d.Kind == DedupeSelector:
		var selector Selector
		selector, err = readSelector(content)
		d.Selector = &selector
	case d.Kind == DedupeConst:
		d.Const, err = readString(content)
	default:
		err = wrongForm("unknown dedupe key")
	}
	return d, err
}

func (w WakeSpec) encode(e *encoder) {
	e.open('{')
	encodeOptional(e, "when", w.When)
	e.object("input", w.Input)
	e.object("dedupe_key", w.DedupeKey)
	e.close('}')
}

func readWakeSpec(raw []byte) (WakeSpec, error) {
	o := readObject(raw)
	return WakeSpec{
		When:      maybe(o, "when", readSelector),
		Input:     need(o, "input", readSelector),
		DedupeKey: orDefault(o, "dedupe_key", DedupeKey{Kind: DedupeEventIdentity}, readDedupeKey),
	}, o.done()
}

func (s EventSemanticsSpec) encode(e *encoder) {
	e.open('{')
	encodeOptional(e, "terminal", s.Terminal)
	encodeOptional(e, "wake", s.Wake)
	e.close('}')
}

func readSemanticsSpec(raw []byte) (EventSemanticsSpec, error) {
	o := readObject(raw)
	return EventSemanticsSpec{
		Terminal: maybe(o, "terminal", readTerminalSpec),
		Wake:     maybe(o, "wake", readWakeSpec),
	}, o.done()
}

func (t ProcessEventType) encode(e *encoder) {
	e.open('{')
	e.str("name", t.Name)
	e.key("payload_schema")
	e.open('{')
	e.free("schema", t.PayloadSchema)
	e.close('}')
	e.object("semantics", t.Semantics)
	e.close('}')
}

func readEventType(raw []byte) (ProcessEventType, error) {
	o := readObject(raw)
	return ProcessEventType{
		Name: o.str("name"),
		PayloadSchema: need(o, "payload_schema", func(raw []byte) (JSON, error) {
			wrapper := readObject(raw)
			return wrapper.free("schema"), wrapper.done()
		}),
		Semantics: need(o, "semantics", readSemanticsSpec),
	}, o.done()
}

func (r ProcessRegistration) encode(e *encoder) {
	e.open('{')
	e.str("id", r.ID)
	e.object("input", r.Input)
	e.str("disposition", string(r.Disposition))
	e.object("identity", r.Identity)
	encodeList(e, "event_types", r.EventTypes)
	e.object("provenance", r.Provenance)
	e.optStr("env_ref", r.EnvRef)
	encodeOptional(e, "wake_target", r.WakeTarget)
	encodeFencing(e, r.Fencing)
	e.close('}')
}

// encodeFencing writes the fencing mode, which is omitted when optional so
// that registrations from before it existed keep their hashes.
func encodeFencing(e *encoder, mode FencingMode) {
	if mode != FencingOptional && mode != "" {
		e.str("fencing", string(mode))
	}
}

var (
	readDisposition = oneOf(Rerunnable, OwnerBound, ExternallyOwned)
	readFencingWord = oneOf(FencingOptional, FencingRequired)
)

func readFencing(o *object) FencingMode {
	if mode := maybe(o, "fencing", readFencingWord); mode != nil {
		return *mode
	}
	return FencingOptional
}

func readRegistration(raw []byte) (ProcessRegistration, error) {
	o := readObject(raw)
	return ProcessRegistration{
		ID:          o.str("id"),
		Input:       need(o, "input", readInput),
		Disposition: need(o, "disposition", readDisposition),
		Identity:    need(o, "identity", readIdentity),
		EventTypes:  orDefault(o, "event_types", nil, listOf(readEventType)),
		Provenance:  need(o, "provenance", readProvenance),
		EnvRef:      o.optStr("env_ref"),
		WakeTarget:  maybe(o, "wake_target", readSessionScope),
		Fencing:     readFencing(o),
	}, o.done()
}
