package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// declaring returns a change that declares more event types, in front of the
// core ones.
func declaring(types ...registry.ProcessEventType) func(*registry.ProcessRegistration) {
	return func(r *registry.ProcessRegistration) { r.EventTypes = registry.CompleteEventTypes(types) }
}

func eventType(name string, semantics registry.EventSemanticsSpec) registry.ProcessEventType {
	return registry.ProcessEventType{Name: name, PayloadSchema: registry.JSON("{}"), Semantics: semantics}
}

// waking declares a wake type with one input selector.
func waking(input registry.Selector) func(*registry.ProcessRegistration) {
	return declaring(eventType("T", registry.EventSemanticsSpec{Wake: &registry.WakeSpec{Input: input}}))
}

// nestedTemplate is a template with the given number of templates in it.
func nestedTemplate(depth int) registry.Selector {
	s := registry.Selector{Kind: registry.SelectPayload}
	for range depth {
		s = registry.Selector{Kind: registry.SelectTemplate, Fields: []registry.TemplateField{{Name: "x", Selector: s}}}
	}
	return s
}

func wideTemplate(fields int) registry.Selector {
	s := registry.Selector{Kind: registry.SelectTemplate}
	for range fields {
		s.Fields = append(s.Fields, registry.TemplateField{Selector: registry.Selector{Kind: registry.SelectPayload}})
	}
	return s
}

func TestValidateRegistration(t *testing.T) {
	type registration = registry.ProcessRegistration
	core := func(name string, change func(*registry.ProcessEventType)) func(*registration) {
		declared, _ := registry.CoreEventType(name)
		if declared.Semantics.Terminal != nil {
			declared.Semantics.Terminal = ptr(*declared.Semantics.Terminal)
		}
		change(&declared)
		return declaring(declared)
	}
	said := func(field, text string) refusal {
		return refusal{code: registry.CodeInvalidArgument, field: field, text: text}
	}
	failed := registry.EventSemanticsSpec{Terminal: &registry.TerminalSpec{State: registry.StateFailed}}
	pointer := registry.Selector{Kind: registry.SelectPointer, Text: "/await_output"}
	input := func(p registry.ProcessInput) func(*registration) {
		return func(r *registration) {
			r.Input = p
			if p.Kind == registry.InputToolCall || p.Kind == registry.InputEngine {
				r.EnvRef = ptr("env")
			}
		}
	}
	caused := func(c registry.CausalRef) func(*registration) {
		return func(r *registration) { r.Provenance.CausedBy = &c }
	}
	for _, c := range []struct {
		name   string
		change func(*registration)
		want   refusal
	}{
		{"the plain registration is taken", func(*registration) {}, refusal{}},
		{"an empty id is refused", func(r *registration) { r.ID = "" }, said("id", "process id must be a non-empty string")},
		{"a blank id is refused", func(r *registration) { r.ID = " \u3000" }, said("id", "process id must be a non-empty string")},
		{"a tool call needs an env", func(r *registration) { r.Input.Kind = registry.InputToolCall }, said("env_ref", "process `P` requires a captured execution env")},
		{"an engine needs an env", func(r *registration) { r.Input.Kind = registry.InputEngine }, said("env_ref", "process `P` requires a captured execution env")},
		{"an external input must not have an env", func(r *registration) { r.EnvRef = ptr("") }, said("env_ref", "process `P` must not capture an execution env for this input kind")},
		{"a session turn must not have an env", func(r *registration) { r.Input.Kind, r.EnvRef = registry.InputSessionTurn, ptr("e") },
			said("env_ref", "process `P` must not capture an execution env for this input kind")},
		{"a blank event type is refused", declaring(eventType("a", registry.EventSemanticsSpec{}), eventType(" ", registry.EventSemanticsSpec{})),
			said("event_types[1].name", "process `P` declares an empty event type")},
		{"a duplicate event type is refused", declaring(eventType("T", registry.EventSemanticsSpec{}), eventType("T", registry.EventSemanticsSpec{})),
			said("event_types[1].name", "process `P` declares duplicate event type `T`")},
		{"a terminal that failed needs a selector", declaring(eventType("T", failed)),
			said("event_types[0].semantics.terminal.await_output", "terminal event `T` for process `P` must declare await output")},
		{"a terminal that completed needs none", declaring(eventType("T", registry.EventSemanticsSpec{Terminal: &registry.TerminalSpec{State: registry.StateCompleted}})), refusal{}},

		{"the id comes before the env", func(r *registration) { r.ID, r.EnvRef = "", ptr("") }, said("id", "process id must be a non-empty string")},
		{"the env comes before the event types", func(r *registration) {
			declaring(eventType("", registry.EventSemanticsSpec{}))(r)
			r.EnvRef = ptr("")
		}, badArgument("env_ref")},
		{"event types are looked at in their order", declaring(eventType("T", failed), eventType("", registry.EventSemanticsSpec{})), badArgument("event_types[0].semantics.terminal.await_output")},
		{"the event types come before the core types", func(r *registration) {
			core(registry.EventWaiting, func(d *registry.ProcessEventType) { d.PayloadSchema = registry.JSON("true") })(r)
			r.EventTypes = append(r.EventTypes, eventType("", registry.EventSemanticsSpec{}))
		}, badArgument("event_types[7].name")},
		{"the core types come before the limits", func(r *registration) {
			core(registry.EventWaiting, func(d *registry.ProcessEventType) { d.PayloadSchema = registry.JSON("true") })(r)
			r.ID = sized(513)
		}, badArgument("event_types[0].semantics")},

		{"a core type may be declared again as it is", core(registry.EventFailed, func(d *registry.ProcessEventType) { d.PayloadSchema = registry.JSON(" { }") }), refusal{}},
		{"a core type with a schema is refused", core(registry.EventFailed, func(d *registry.ProcessEventType) { d.PayloadSchema = registry.JSON(`{"type":"object"}`) }),
			said("event_types[0].semantics", "process `P` must not change the core event type `process.failed`")},
		{"a core type without its terminal is refused", core(registry.EventCompleted, func(d *registry.ProcessEventType) { d.Semantics.Terminal = nil }), badArgument("event_types[0].semantics")},
		{"a core type of another state is refused", core(registry.EventCompleted, func(d *registry.ProcessEventType) { d.Semantics.Terminal.State = registry.StateFailed }), badArgument("event_types[0].semantics")},
		{"a core type with another selector is refused", core(registry.EventCompleted, func(d *registry.ProcessEventType) {
			d.Semantics.Terminal.AwaitOutput = &registry.Selector{Kind: registry.SelectPayload}
		}), badArgument("event_types[0].semantics")},
		{"a core type without its selector is refused", core(registry.EventCompleted, func(d *registry.ProcessEventType) { d.Semantics.Terminal.AwaitOutput = nil }), badArgument("event_types[0].semantics")},
		{"a plain core type with a terminal is refused", core(registry.EventWaiting, func(d *registry.ProcessEventType) {
			d.Semantics.Terminal = &registry.TerminalSpec{State: registry.StateCompleted, AwaitOutput: &pointer}
		}), badArgument("event_types[0].semantics")},
		{"a core type with a wake is refused", core(registry.EventWaiting, func(d *registry.ProcessEventType) { d.Semantics.Wake = &registry.WakeSpec{Input: pointer} }), badArgument("event_types[0].semantics")},
		{"another name of the family is free", declaring(eventType("process.wake", registry.EventSemanticsSpec{Wake: &registry.WakeSpec{Input: pointer}})), refusal{}},

		{"a long id is too large", func(r *registration) { r.ID = sized(513) }, over("id", 512, 513)},
		{"an id with a control is refused", func(r *registration) { r.ID = "a\nb" }, badArgument("id")},
		{"an unknown input is refused", input(registry.ProcessInput{}), badArgument("input.type")},
		{"a tool call needs a call", input(registry.ProcessInput{Kind: registry.InputToolCall}), badArgument("input.call")},
		{"an engine may have no payload", input(registry.ProcessInput{Kind: registry.InputEngine}), refusal{}},
		{"an engine's kind has a limit", input(registry.ProcessInput{Kind: registry.InputEngine, Engine: sized(4097)}), over("input.kind", 4096, 4097)},
		{"an engine's payload is JSON", input(registry.ProcessInput{Kind: registry.InputEngine, Payload: registry.JSON("{")}), badArgument("input.payload")},
		{"a turn needs a request", input(registry.ProcessInput{Kind: registry.InputSessionTurn}), badArgument("input.create_request")},
		{"a turn needs an input", input(registry.ProcessInput{Kind: registry.InputSessionTurn, CreateRequest: registry.JSON("1")}), badArgument("input.turn_input")},
		{"a turn needs a contract", input(registry.ProcessInput{Kind: registry.InputSessionTurn, CreateRequest: registry.JSON("1"), TurnInput: registry.JSON("1")}), badArgument("input.output_contract")},
		{"metadata is JSON", input(registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON("NaN")}), badArgument("input.metadata")},
		{"a disposition is needed", func(r *registration) { r.Disposition = "" }, badArgument("disposition")},
		{"an identity's kind has a limit", func(r *registration) { r.Identity.Kind = sized(4097) }, over("identity.kind", 4096, 4097)},
		{"an identity's label has a limit", func(r *registration) { r.Identity.Label = ptr(sized(4097)) }, over("identity.label", 4096, 4097)},
		{"an identity's definition is JSON", func(r *registration) { r.Identity.Definition = registry.JSON("x") }, badArgument("identity.definition")},
		{"an event type has a schema", declaring(registry.ProcessEventType{Name: "T"}), badArgument("event_types[0].payload_schema.schema")},
		{"an event type's name has a limit", declaring(eventType(sized(4097), registry.EventSemanticsSpec{})), over("event_types[0].name", 4096, 4097)},
		{"256 event types are taken", func(r *registration) { r.EventTypes = manyTypes(256) }, refusal{}},
		{"257 event types are too many", func(r *registration) { r.EventTypes = manyTypes(257) }, over("event_types", 256, 257)},
		{"a terminal state must be terminal", declaring(eventType("T", registry.EventSemanticsSpec{Terminal: &registry.TerminalSpec{State: registry.StateRunning, AwaitOutput: &pointer}})), badArgument("event_types[0].semantics.terminal.state")},
		{"a terminal state must be known", declaring(eventType("T", registry.EventSemanticsSpec{Terminal: &registry.TerminalSpec{AwaitOutput: &pointer}})), badArgument("event_types[0].semantics.terminal.state")},
		{"an originator is a scope", func(r *registration) { r.Provenance.Originator.Scope = &registry.SessionScope{} }, badArgument("provenance.originator.scope.session_id")},
		{"a cause must be known", caused(registry.CausalRef{}), badArgument("provenance.caused_by.type")},
		{"a turn has an id", caused(registry.CausalRef{Kind: registry.CausalTurn}), badArgument("provenance.caused_by.turn_id")},
		{"a cause's ids have a limit", caused(registry.CausalRef{Kind: registry.CausalSessionNode, NodeID: sized(4097)}), over("provenance.caused_by.node_id", 4096, 4097)},
		{"a cause is taken", caused(registry.CausalRef{Kind: registry.CausalProcess, ProcessID: "p"}), refusal{}},
		{"a wake target is a scope", func(r *registration) { r.WakeTarget = &registry.SessionScope{} }, badArgument("wake_target.session_id")},
		{"a fencing mode must be known", func(r *registration) { r.Fencing = "x" }, badArgument("fencing")},
		{"fencing may be required", func(r *registration) { r.Fencing = registry.FencingRequired }, refusal{}},

		{"a selector must be known", waking(registry.Selector{}), badArgument("event_types[0].semantics.wake.input")},
		{"a const must be there", waking(registry.Selector{Kind: registry.SelectConst}), badArgument("event_types[0].semantics.wake.input")},
		{"a const must be JSON", waking(registry.Selector{Kind: registry.SelectConst, Const: registry.JSON("{")}), badArgument("event_types[0].semantics.wake.input")},
		{"a pointer has a limit", waking(registry.Selector{Kind: registry.SelectPointer, Text: sized(4097)}), over("event_types[0].semantics.wake.input", 4096, 4097)},
		{"a pointer need not be one", waking(registry.Selector{Kind: registry.SelectPointer, Text: "x"}), refusal{}},
		{"selectors 16 deep are taken", waking(nestedTemplate(15)), refusal{}},
		{"selectors 17 deep are too deep", waking(nestedTemplate(16)), over("event_types[0].semantics.wake.input"+strings.Repeat(".fields", 16), 16, 17)},
		{"128 selectors are taken", waking(wideTemplate(127)), refusal{}},
		{"129 selectors are too many", waking(wideTemplate(128)), over("event_types[0].semantics", 128, 129)},
		{"a dedupe selector must be there", declaring(eventType("T", registry.EventSemanticsSpec{Wake: &registry.WakeSpec{Input: pointer, DedupeKey: registry.DedupeKey{Kind: registry.DedupeSelector}}})), badArgument("event_types[0].semantics.wake.dedupe_key")},
		{"a dedupe key must be known", declaring(eventType("T", registry.EventSemanticsSpec{Wake: &registry.WakeSpec{Input: pointer, DedupeKey: registry.DedupeKey{Kind: "x"}}})), badArgument("event_types[0].semantics.wake.dedupe_key")},
		{"a condition is checked", declaring(eventType("T", registry.EventSemanticsSpec{Wake: &registry.WakeSpec{When: &registry.Selector{}, Input: pointer}})), badArgument("event_types[0].semantics.wake.when")},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := plainRegistration("P")
			c.change(&r)
			err := registry.ValidateRegistration(r)
			c.want.check(t, err)
			var e *registry.Error
			if errors.As(err, &e) && e.Fields.ProcessID != r.ID {
				t.Errorf("the process is not told: %+v", e.Fields)
			}
			if err == nil {
				if _, err := registry.RegistrationHash(r); err != nil {
					t.Errorf("a valid registration has no hash: %v", err)
				}
			}
		})
	}
}

func manyTypes(count int) []registry.ProcessEventType {
	types := registry.CoreEventTypes()
	for i := len(types); i < count; i++ {
		types = append(types, eventType("type-"+strings.Repeat("x", i), registry.EventSemanticsSpec{}))
	}
	return types
}
