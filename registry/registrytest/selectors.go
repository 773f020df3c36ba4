package registrytest

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

// Selectors are looked at through the input of a wake, which is their value as
// text.
var selectorChecks = []Check{
	{
		Name: "payload selects all of it, and so does the empty pointer",
		Why:  "spec 4.3",
		check: func(s *scene) {
			selects(s, payload(), `{"b":[1, 2],"a":null}`, `{"a":null,"b":[1,2]}`)
			selects(s, pointer(""), `{"b":[1, 2],"a":null}`, `{"a":null,"b":[1,2]}`)
			selects(s, pointer(""), `"text"`, `text`)
		},
	},
	{
		Name: "a pointer that does not begin with a slash matches nothing",
		Why:  "spec 4.3",
		check: func(s *scene) {
			matchesNothing(s, pointer("a"), `{"a":1}`)
			matchesNothing(s, pointer("#/a"), `{"a":1}`)
		},
	},
	{
		Name: "pointers follow keys exactly",
		Why:  "spec 4.3: objects by exact key",
		check: func(s *scene) {
			const value = `{"a":{"":1,"A":2,"é":3," ":4},"":5}`
			selects(s, pointer("/a/"), value, `1`)
			selects(s, pointer("/a/A"), value, `2`)
			selects(s, pointer("/a/é"), value, `3`)
			selects(s, pointer("/a/ "), value, `4`)
			selects(s, pointer("/"), value, `5`)
			matchesNothing(s, pointer("/a/a"), value)
			matchesNothing(s, pointer("/A"), value)
		},
	},
	{
		Name: "escapes in pointers are undone in order",
		Why:  "spec 4.3: ~1 by / first and then ~0 by ~",
		check: func(s *scene) {
			const value = `{"a/b":1,"m~n":2,"~1":3,"/":4}`
			selects(s, pointer("/a~1b"), value, `1`)
			selects(s, pointer("/m~0n"), value, `2`)
			selects(s, pointer("/~01"), value, `3`)
			selects(s, pointer("/~1"), value, `4`)
		},
	},
	{
		Name: "array indexes are plain decimals",
		Why:  "spec 4.3: without sign, leading 0 only as 0, - matches nothing",
		check: func(s *scene) {
			const value = `{"l":[10,[20,21]]}`
			selects(s, pointer("/l/0"), value, `10`)
			selects(s, pointer("/l/1/1"), value, `21`)
			for _, text := range []string{"/l/2", "/l/-", "/l/-1", "/l/+1", "/l/01", "/l/00", "/l/", "/l/1.0", "/l/99999999999999999999"} {
				matchesNothing(s, pointer(text), value)
			}
		},
	},
	{
		Name: "nothing is found inside scalars",
		Why:  "spec 4.3: scalars: nothing",
		check: func(s *scene) {
			for _, value := range []string{`{"a":"text"}`, `{"a":1}`, `{"a":null}`, `{"a":true}`} {
				matchesNothing(s, pointer("/a/0"), value)
				matchesNothing(s, pointer("/a/b"), value)
			}
		},
	},
	{
		Name: "a null that is found is a match",
		Why:  "spec 4.3",
		check: func(s *scene) {
			selects(s, pointer("/a"), `{"a":null}`, `null`)
			selects(s, present("/a"), `{"a":null}`, `true`)
		},
	},
	{
		Name: "a pointer without a match fails the append",
		Why:  "spec 4.3: no match is an error; it fails the whole append",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), wakeType("t", registry.WakeSpec{Input: pointer("/a")}))).ID
			refusal := s.refused(registry.CodePayloadRejected, failure(s.AppendEvent(s.ctx, id, event("t", `{}`, ""), nil)))
			equal(s, "event_type", refusal.Fields.EventType, "t")
			equal(s, "process_id", refusal.Fields.ProcessID, id)
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
		},
	},
	{
		Name: "present tells whether a pointer matches and never fails",
		Why:  "spec 4.3",
		check: func(s *scene) {
			for text, want := range map[string]string{"": `true`, "/a": `true`, "/b": `false`, "b": `false`, "/a/0": `true`, "/a/1": `false`} {
				selects(s, present(text), `{"a":[0]}`, want)
			}
		},
	},
	{
		Name: "a constant is itself",
		Why:  "spec 4.3",
		check: func(s *scene) {
			selects(s, constant(`"text"`), `{}`, `text`)
			selects(s, constant(`{"b":1, "a":1.50}`), `{}`, `{"a":1.5,"b":1}`)
		},
	},
	{
		Name: "the text of a value is the string or its canonical text",
		Why:  "spec 4.3: text conversion; 2.3",
		check: func(s *scene) {
			for value, text := range map[string]string{
				`"a\"\u0041\n"`: "a\"A\n", `""`: ``, `null`: `null`, `true`: `true`, `1`: `1`, `1.0`: `1.0`, `-0`: `-0.0`, `1E2`: `100.0`,
				`1e16`: `1e+16`, `0.000001`: `1e-6`, `[ "a\"" , {"b":1,"a":"\/"} ]`: `["a\"",{"a":"/","b":1}]`,
			} {
				selects(s, payload(), value, text)
			}
		},
	},
	{
		Name: "templates replace every hole and leave those without a field",
		Why:  "spec 4.3: every occurrence; placeholders without a field stay",
		check: func(s *scene) {
			selects(s, template("{a}-{a}-{b} {c} {", field("a", pointer("/x")), field("b", payload())), `{"x":"1"}`, `1-1-{"x":"1"} {c} {`)
			selects(s, template("no holes"), `1`, `no holes`)
			selects(s, template(""), `1`, ``)
		},
	},
	{
		Name: "fields of templates are taken in the order of their names",
		Why:  "spec 4.3: bytewise name order, sequential, so a later field may expand what an earlier one put in",
		check: func(s *scene) {
			fields := []registry.TemplateField{field("b", constant(`"[{a}]"`)), field("a", constant(`"{b}"`)), field("B", constant(`"{a}"`))}
			// B gives {a}, a turns both into {b}, b turns those into [{a}].
			selects(s, template("{B}{a}", fields...), `1`, `[{a}][{a}]`)
		},
	},
	{
		Name: "a field that fails fails the append, with or without a hole",
		Why:  "spec 4.3: even when the placeholder does not occur",
		check: func(s *scene) {
			matchesNothing(s, template("no hole", field("a", pointer("/none"))), `{}`)
		},
	},
	{
		Name: "templates nest",
		Why:  "spec 4.3: the value of a field is any selector's",
		check: func(s *scene) {
			inner := template("<{v}>", field("v", pointer("/v")))
			selects(s, template("{i}{p}", field("i", inner), field("p", present("/v"))), `{"v":[1]}`, `<[1]>true`)
		},
	},
	{
		Name: "every number is true, and so is what is not empty",
		Why:  "spec 4.3: truthiness",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), wakeType("t", registry.WakeSpec{When: ref(payload()), Input: payload()}))).ID
			for value, truth := range map[string]bool{
				`null`: false, `false`: false, `""`: false, `[]`: false, `{}`: false, ` [ ] `: false,
				`true`: true, `0`: true, `0.0`: true, `-0`: true, `" "`: true, `"false"`: true, `[null]`: true, `{"a":null}`: true,
			} {
				e := s.append(id, event("t", value, "")).Event
				s.holds((e.Semantics.Wake != nil) == truth, "%s counts as %v", value, !truth)
			}
		},
	},
}

// woken registers a type whose wake has this input, and appends a payload.
func woken(s *scene, input registry.Selector, value string) (registry.ProcessEventAppendResult, error) {
	s.Helper()
	id := s.id("selects " + sha(fmt.Sprint(input, value))[:12])
	s.register(declaring(id, wakeType("t", registry.WakeSpec{Input: input})))
	return s.AppendEvent(s.ctx, id, event("t", value, ""), nil)
}

// selects wants a selector to give a text for a payload.
func selects(s *scene, selector registry.Selector, value, want string) {
	s.Helper()
	result, err := woken(s, selector, value)
	if err != nil {
		s.Errorf("%s on %s: %v", s.form(selector), value, err)
		return
	}
	if got := result.Event.Semantics.Wake; got == nil || got.Input != want {
		s.Errorf("%s on %s: got %+v, want the text %q", s.form(selector), value, got, want)
	}
}

// matchesNothing wants a selector to fail on a payload.
func matchesNothing(s *scene, selector registry.Selector, value string) {
	s.Helper()
	_, err := woken(s, selector, value)
	if err == nil {
		s.Errorf("%s on %s matches", s.form(selector), value)
		return
	}
	s.refused(registry.CodePayloadRejected, err)
}
