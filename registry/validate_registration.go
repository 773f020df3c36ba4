package registry

import (
	"fmt"
	"strings"
)

// ValidateRegistration checks a registration whose event types were completed
// (CompleteEventTypes). The rules and texts of spec 5.2 come first and in that
// order, then the core types (A17), then limits, words and selectors in field
// order. Payload schemas are not compiled here. Errors: InvalidArgument,
// TooLarge.
func ValidateRegistration(r ProcessRegistration) error {
	err := validateContract(&r)
	if err == nil {
		err = validateCoreTypes(&r)
	}
	if err == nil {
		err = validateParts(&r)
	}
	if refusal, ok := err.(*Error); ok {
		refusal.Fields.ProcessID = r.ID
	}
	return err
}

// validateContract checks the rules of spec 5.2.
func validateContract(r *ProcessRegistration) error {
	if strings.TrimSpace(r.ID) == "" {
		return invalid(fieldRegistrationID, "process id must be a non-empty string")
	}
	switch r.Input.Kind {
	case InputToolCall, InputEngine:
		if r.EnvRef == nil {
			return invalid("env_ref", "process `%s` requires a captured execution env", r.ID)
		}
	case InputExternal, InputSessionTurn:
		if r.EnvRef != nil {
			return invalid("env_ref", "process `%s` must not capture an execution env for this input kind", r.ID)
		}
	}
	seen := make(map[string]struct{}, len(r.EventTypes))
	for i := range r.EventTypes {
		t := &r.EventTypes[i]
		if strings.TrimSpace(t.Name) == "" {
			return invalid(typeField(i, "name"), "process `%s` declares an empty event type", r.ID)
		}
		if _, ok := seen[t.Name]; ok {
			refusal := invalid(typeField(i, "name"), "process `%s` declares duplicate event type `%s`", r.ID, t.Name)
			refusal.Fields.EventType = t.Name
			return refusal
		}
		seen[t.Name] = struct{}{}
		if spec := t.Semantics.Terminal; spec != nil && spec.State != StateCompleted && spec.AwaitOutput == nil {
			refusal := invalid(typeField(i, "semantics.terminal.await_output"),
				"terminal event `%s` for process `%s` must declare await output", t.Name, r.ID)
			refusal.Fields.EventType = t.Name
			return refusal
		}
	}
	return nil
}

func typeField(index int, member string) string {
	return fmt.Sprintf("event_types[%d].%s", index, member)
}

// validateCoreTypes checks that core types which a producer declares itself
// are the core types: others would make completing a process do nothing, or
// fail for ever. Spec A17.
func validateCoreTypes(r *ProcessRegistration) error {
	for i := range r.EventTypes {
		t := &r.EventTypes[i]
		core, ok := CoreEventType(t.Name)
		if !ok {
			continue
		}
		if !EqualJSON(t.PayloadSchema, core.PayloadSchema) || !equalCoreSemantics(&t.Semantics, &core.Semantics) {
			refusal := invalid(typeField(i, "semantics"), "process `%s` must not change the core event type `%s`", r.ID, t.Name)
			refusal.Fields.EventType = t.Name
			return refusal
		}
	}
	return nil
}

// equalCoreSemantics compares with the semantics of a core type, which has no
// wake and only ever a pointer.
func equalCoreSemantics(declared, core *EventSemanticsSpec) bool {
	if declared.Wake != nil || (declared.Terminal == nil) != (core.Terminal == nil) {
		return false
	}
	if core.Terminal == nil {
		return true
	}
	output := declared.Terminal.AwaitOutput
	return declared.Terminal.State == core.Terminal.State && output != nil &&
		output.Kind == core.Terminal.AwaitOutput.Kind && output.Text == core.Terminal.AwaitOutput.Text
}

// validateParts checks limits, words and forms in field order.
func validateParts(r *ProcessRegistration) error {
	if err := ValidateID(fieldRegistrationID, r.ID); err != nil {
		return err
	}
	if err := validateInput(&r.Input); err != nil {
		return err
	}
	if !known(r.Disposition, Rerunnable, OwnerBound, ExternallyOwned) {
		return invalid("disposition", "disposition %q is not known", string(r.Disposition))
	}
	if err := validateIdentity(&r.Identity); err != nil {
		return err
	}
	if len(r.EventTypes) > MaxEventTypes {
		return tooLarge("event_types", "entries", MaxEventTypes, len(r.EventTypes))
	}
	for i := range r.EventTypes {
		if err := validateEventType(i, &r.EventTypes[i]); err != nil {
			return err
		}
	}
	if err := validateProvenance(&r.Provenance); err != nil {
		return err
	}
	if err := validateOptional("env_ref", r.EnvRef); err != nil {
		return err
	}
	if r.WakeTarget != nil {
		if err := ValidateScope("wake_target", *r.WakeTarget); err != nil {
			return err
		}
	}
	if !known(r.Fencing, "", FencingOptional, FencingRequired) {
		return invalid("fencing", "fencing mode %q is not known", string(r.Fencing))
	}
	if size := r.size(); size > MaxRequestBytes {
		return tooLarge("request", "bytes", MaxRequestBytes, size)
	}
	return nil
}

func validateInput(p *ProcessInput) error {
	switch p.Kind {
	case InputToolCall:
		return CheckJSON("input.call", p.Call)
	case InputEngine:
		if err := ValidateString("input.kind", p.Engine); err != nil {
			return err
		}
		return checkOptional("input.payload", p.Payload)
	case InputSessionTurn:
		if err := CheckJSON("input.create_request", p.CreateRequest); err != nil {
			return err
		}
		if err := CheckJSON("input.turn_input", p.TurnInput); err != nil {
			return err
		}
		return CheckJSON("input.output_contract", p.OutputContract)
	case InputExternal:
		return checkOptional("input.metadata", p.Metadata)
	default:
		return invalid("input.type", "input type %q is not known", string(p.Kind))
	}
}

func validateIdentity(p *ProcessIdentity) error {
	if err := ValidateString("identity.kind", p.Kind); err != nil {
		return err
	}
	if err := validateOptional("identity.label", p.Label); err != nil {
		return err
	}
	return checkOptional("identity.definition", p.Definition)
}

func validateProvenance(p *Provenance) error {
	if scope := p.Originator.Scope; scope != nil {
		if err := ValidateScope("provenance.originator.scope", *scope); err != nil {
			return err
		}
	}
	c := p.CausedBy
	if c == nil {
		return nil
	}
	const at = "provenance.caused_by"
	if !known(c.Kind, CausalTurn, CausalEffect, CausalToolCall, CausalProcess, CausalProcessEvent, CausalTriggerOccurrence, CausalSessionNode) {
		return invalid(at+".type", "causal type %q is not known", string(c.Kind))
	}
	if c.Kind == CausalTurn && c.TurnID == nil {
		return invalid(at+".turn_id", at+".turn_id is missing")
	}
	if err := validateOptional(at+".turn_id", c.TurnID); err != nil {
		return err
	}
	return validateStrings(text{at + ".session_id", c.SessionID}, text{at + ".effect_id", c.EffectID}, text{at + ".call_id", c.CallID},
		text{at + ".process_id", c.ProcessID}, text{at + ".occurrence_id", c.OccurrenceID}, text{at + ".node_id", c.NodeID})
}

func validateEventType(index int, t *ProcessEventType) error {
	if err := ValidateString(typeField(index, "name"), t.Name); err != nil {
		return err
	}
	if err := CheckJSON(typeField(index, "payload_schema.schema"), t.PayloadSchema); err != nil {
		return err
	}
	check := selectorCheck{root: typeField(index, "semantics")}
	if spec := t.Semantics.Terminal; spec != nil {
		if !spec.State.valid() || !spec.State.Terminal() {
			return invalid(typeField(index, "semantics.terminal.state"), "terminal state %q is not known", string(spec.State))
		}
		if err := check.optional(".terminal.await_output", spec.AwaitOutput); err != nil {
			return err
		}
	}
	spec := t.Semantics.Wake
	if spec == nil {
		return nil
	}
	if err := check.optional(".wake.when", spec.When); err != nil {
		return err
	}
	if err := check.optional(".wake.input", &spec.Input); err != nil {
		return err
	}
	return check.dedupeKey(&spec.DedupeKey)
}

// selectorCheck checks the selectors of one event type and counts them.
type selectorCheck struct {
	root  string
	count int
}

func (c *selectorCheck) dedupeKey(d *DedupeKey) error {
	const at = ".wake.dedupe_key"
	switch d.Kind {
	case "", DedupeEventIdentity:
		return nil
	case DedupeConst:
		return ValidateString(c.root+at, d.Const)
	case DedupeSelector:
		if d.Selector == nil {
			return invalid(c.root+at, "%s has no selector", c.root+at)
		}
		return c.optional(at, d.Selector)
	default:
		return invalid(c.root+at, "dedupe key %q is not known", string(d.Kind))
	}
}

func (c *selectorCheck) optional(at string, s *Selector) error {
	if s == nil {
		return nil
	}
	return c.selector(c.root+at, s, 1)
}

func (c *selectorCheck) selector(at string, s *Selector, depth int) error {
	if depth > MaxSelectorDepth {
		return tooLarge(at, "levels deep", MaxSelectorDepth, depth)
	}
	if c.count++; c.count > MaxSelectorsPerEventType {
		return tooLarge(c.root, "selectors", MaxSelectorsPerEventType, c.count)
	}
	switch s.Kind {
	case SelectPayload:
		return nil
	case SelectPointer, SelectPresent:
		return ValidateString(at, s.Text)
	case SelectConst:
		return CheckJSON(at, s.Const)
	case SelectTemplate:
	default:
		return invalid(at, "selector kind %q is not known", string(s.Kind))
	}
	if err := validateText(at, s.Text, MaxMaterialisedBytes); err != nil {
		return err
	}
	for i := range s.Fields {
		field := &s.Fields[i]
		if err := ValidateString(at+".fields", field.Name); err != nil {
			return err
		}
		if err := c.selector(at+".fields", &field.Selector, depth+1); err != nil {
			return err
		}
	}
	return nil
}
