package registry_test

import (
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// TestARegistrationHasALimitInAll puts what is too much together into every
// part that may be large by itself.
func TestARegistrationHasALimitInAll(t *testing.T) {
	type registration = registry.ProcessRegistration
	large := registry.JSON(`"` + strings.Repeat("x", 800_000) + `"`)
	constant := registry.Selector{Kind: registry.SelectConst, Const: large}
	wake := func(spec registry.WakeSpec) registry.ProcessEventType {
		return eventType("T", registry.EventSemanticsSpec{Wake: &spec})
	}
	payload := registry.Selector{Kind: registry.SelectPayload}
	template := registry.Selector{Kind: registry.SelectTemplate, Text: string(large), Fields: []registry.TemplateField{{Name: "x", Selector: payload}}}
	nested := registry.Selector{Kind: registry.SelectTemplate, Fields: []registry.TemplateField{{Name: "x", Selector: constant}}}
	declare := func(types ...registry.ProcessEventType) func(*registration) {
		return func(r *registration) { r.EventTypes = append(types, r.EventTypes...) }
	}
	for name, add := range map[string]func(*registration){
		"the input":         func(r *registration) { r.Input.OutputContract = large },
		"the definition":    func(r *registration) { r.Identity.Definition = large },
		"a schema":          declare(registry.ProcessEventType{Name: "T", PayloadSchema: large}),
		"a wake's input":    declare(wake(registry.WakeSpec{Input: constant})),
		"a wake's when":     declare(wake(registry.WakeSpec{When: &constant, Input: payload})),
		"a dedupe selector": declare(wake(registry.WakeSpec{Input: payload, DedupeKey: registry.DedupeKey{Kind: registry.DedupeSelector, Selector: &constant}})),
		"a template":        declare(wake(registry.WakeSpec{Input: template})),
		"a template's hole": declare(wake(registry.WakeSpec{Input: nested})),
		"a terminal": declare(eventType("T", registry.EventSemanticsSpec{
			Terminal: &registry.TerminalSpec{State: registry.StateFailed, AwaitOutput: &constant},
		})),
	} {
		t.Run(name, func(t *testing.T) {
			r := plainRegistration("P")
			r.Input = registry.ProcessInput{Kind: registry.InputSessionTurn, CreateRequest: large, TurnInput: large, OutputContract: registry.JSON("1")}
			refusal{}.check(t, registry.ValidateRegistration(r))
			add(&r)
			err := registry.ValidateRegistration(r)
			if registry.CodeOf(err) != registry.CodeTooLarge {
				t.Fatalf("%v, want TooLarge", err)
			}
			if f := err.(*registry.Error).Fields; f.Field != "request" || *f.Limit != registry.MaxRequestBytes || *f.Value < 2_400_000 {
				t.Errorf("the refusal names %+v", f)
			}
		})
	}
}
