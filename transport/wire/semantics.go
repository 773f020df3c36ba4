package wire

import (
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

func fillEventType(out *pb.ProcessEventType, eventType *registry.ProcessEventType) {
	out.Name = eventType.Name
	out.PayloadSchema = eventType.PayloadSchema
	out.Semantics = semanticsSpecToPB(&eventType.Semantics)
}

func (d *decoder) eventType(m *pb.ProcessEventType, field string) registry.ProcessEventType {
	if m == nil {
		d.missing(field)
	}
	return registry.ProcessEventType{
		Name:          m.GetName(),
		PayloadSchema: m.GetPayloadSchema(),
		Semantics: registry.EventSemanticsSpec{
			Terminal: optional(m.GetSemantics().GetTerminal(), "terminal", d.terminalSpec),
			Wake:     optional(m.GetSemantics().GetWake(), "wake", d.wakeSpec),
		},
	}
}

// semanticsSpecToPB leaves a plain type's empty semantics out.
func semanticsSpecToPB(spec *registry.EventSemanticsSpec) *pb.EventSemanticsSpec {
	if spec.Terminal == nil && spec.Wake == nil {
		return nil
	}
	return &pb.EventSemanticsSpec{
		Terminal: pointer(spec.Terminal, terminalSpecToPB),
		Wake:     pointer(spec.Wake, wakeSpecToPB),
	}
}

func terminalSpecToPB(spec *registry.TerminalSpec) *pb.TerminalSpec {
	return &pb.TerminalSpec{
		State:       processStates.toPB(spec.State),
		AwaitOutput: pointer(spec.AwaitOutput, selectorToPB),
	}
}

func (d *decoder) terminalSpec(m *pb.TerminalSpec, _ string) registry.TerminalSpec {
	return registry.TerminalSpec{
		State:       processStates.fromPB(d, m.GetState(), "terminal.state"),
		AwaitOutput: optional(m.GetAwaitOutput(), "await_output", d.selector),
	}
}

func wakeSpecToPB(spec *registry.WakeSpec) *pb.WakeSpec {
	return &pb.WakeSpec{
		When:      pointer(spec.When, selectorToPB),
		Input:     selectorToPB(&spec.Input),
		DedupeKey: dedupeKeyToPB(&spec.DedupeKey),
	}
}

func (d *decoder) wakeSpec(m *pb.WakeSpec, _ string) registry.WakeSpec {
	return registry.WakeSpec{
		When:      optional(m.GetWhen(), "wake.when", d.selector),
		Input:     d.selector(m.GetInput(), "wake.input"),
		DedupeKey: d.dedupeKey(m.GetDedupeKey()),
	}
}

func dedupeKeyToPB(key *registry.DedupeKey) *pb.DedupeKey {
	return &pb.DedupeKey{
		Kind:     dedupeKinds.toPB(key.Kind),
		Selector: pointer(key.Selector, selectorToPB),
		Constant: key.Const,
	}
}

// dedupeKey reads a missing key as event_identity, the default of spec 3.8.
func (d *decoder) dedupeKey(m *pb.DedupeKey) registry.DedupeKey {
	if m == nil {
		return registry.DedupeKey{Kind: registry.DedupeEventIdentity}
	}
	return registry.DedupeKey{
		Kind:     dedupeKinds.fromPB(d, m.GetKind(), "wake.dedupe_key.kind"),
		Selector: optional(m.GetSelector(), "wake.dedupe_key.selector", d.selector),
		Const:    m.GetConstant(),
	}
}

func selectorToPB(selector *registry.Selector) *pb.Selector {
	return &pb.Selector{
		Kind:     selectorKinds.toPB(selector.Kind),
		Text:     selector.Text,
		Constant: selector.Const,
		Fields:   rows(selector.Fields, fillTemplateField),
	}
}

// selector follows templates as deep as protobuf let them come in; the
// registry's rules bound the depth.
func (d *decoder) selector(m *pb.Selector, field string) registry.Selector {
	if m == nil {
		d.missing(field)
	}
	return registry.Selector{
		Kind:   selectorKinds.fromPB(d, m.GetKind(), field),
		Text:   m.GetText(),
		Const:  m.GetConstant(),
		Fields: list(m.GetFields(), field, d.templateField),
	}
}

func fillTemplateField(out *pb.TemplateField, field *registry.TemplateField) {
	out.Name = field.Name
	out.Selector = selectorToPB(&field.Selector)
}

func (d *decoder) templateField(m *pb.TemplateField, field string) registry.TemplateField {
	return registry.TemplateField{Name: m.GetName(), Selector: d.selector(m.GetSelector(), field)}
}
