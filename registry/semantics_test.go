package registry_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func selector(t *testing.T, text string) registry.Selector {
	t.Helper()
	var s registry.Selector
	if err := s.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(text, err)
	}
	return s
}

// wakeType declares a wake with this input.
func wakeType(t *testing.T, input string) registry.ProcessEventType {
	return registry.ProcessEventType{Name: "T", Semantics: registry.EventSemanticsSpec{Wake: &registry.WakeSpec{Input: selector(t, input)}}}
}

func TestSelectors(t *testing.T) {
	const payload = ` { "a":{"b":[10,{"c":null},"x"]}, "":1, "m~n":2, "a/b":3, "~1":4, "é\u0022":5, "0":6, "dup":1, "du\u0070":2, "s":"t\u0065xt\n",
		"n":1e16, "i":18446744073709551615, "f":1.50, "o":{"z":1,"y":[true ,false]} } `
	for _, c := range []struct{ name, selector, want string }{
		{"payload is the canonical text of all of it", `{"template":{"template":"{p}","fields":{"p":{"pointer":"/o"}}}}`, `{"y":[true,false],"z":1}`},
		{"a pointer finds a member", `{"pointer":"/a/b/0"}`, `10`},
		{"a pointer finds a null", `{"pointer":"/a/b/1/c"}`, `null`},
		{"a pointer finds the last element", `{"pointer":"/a/b/2"}`, `x`},
		{"a pointer finds an empty name", `{"pointer":"/"}`, `1`},
		{"a tilde is escaped as ~0", `{"pointer":"/m~0n"}`, `2`},
		{"a slash is escaped as ~1", `{"pointer":"/a~1b"}`, `3`},
		{"~01 stands for ~1", `{"pointer":"/~01"}`, `4`},
		{"a name is compared by its characters", `{"pointer":"/é\""}`, `5`},
		{"an index names a member of an object", `{"pointer":"/0"}`, `6`},
		{"the last of equal names is found", `{"pointer":"/dup"}`, `2`},
		{"a string is its characters", `{"pointer":"/s"}`, "text\n"},
		{"a float is its canonical text", `{"pointer":"/n"}`, `1e+16`},
		{"an integer keeps its digits", `{"pointer":"/i"}`, `18446744073709551615`},
		{"a float keeps its kind", `{"pointer":"/f"}`, `1.5`},
		{"const is its canonical text", `{"const":{"b":1,"a":2}}`, `{"a":2,"b":1}`},
		{"a const string is itself", `{"const":"a\"b"}`, `a"b`},
		{"present is true for null", `{"present":"/a/b/1/c"}`, `true`},
		{"present is false for nothing", `{"present":"/a/b/1/d"}`, `false`},
		{"present is true for the whole", `{"present":""}`, `true`},
		{"a template replaces every hole of a name", `{"template":{"template":"{x}-{x}-{y}-{}","fields":{"x":{"pointer":"/f"},"y":{"const":"Y"}}}}`, `1.5-1.5-Y-{}`},
		{"a template without fields is itself", `{"template":{"template":"{x}"}}`, `{x}`},
		{"a later field fills what an earlier one put in", `{"template":{"template":"{a}","fields":{"a":{"const":"{b}"},"b":{"const":"{a}"}}}}`, `{a}`},
		{"an earlier field does not fill what a later one put in", `{"template":{"template":"{b}","fields":{"a":{"const":"A"},"b":{"const":"{a}"}}}}`, `{a}`},
		{"templates nest", `{"template":{"template":"<{t}>","fields":{"t":{"template":{"template":"[{u}]","fields":{"u":{"const":1}}}}}}}`, `<[1]>`},
		{"a field may have an empty name", `{"template":{"template":"{}","fields":{"":{"const":true}}}}`, `true`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := registry.Materialise(wakeType(t, c.selector), registry.JSON(payload))
			if err != nil {
				t.Fatal(err)
			}
			if m.Wake.Input != c.want {
				t.Errorf("got %q, want %q", m.Wake.Input, c.want)
			}
		})
	}
	t.Run("the payload selector selects the payload", func(t *testing.T) {
		m, err := registry.Materialise(wakeType(t, `"payload"`), registry.JSON(` [ 1 ] `))
		if err != nil || m.Wake.Input != "[1]" {
			t.Errorf("%+v %v", m.Wake, err)
		}
	})
	for _, pointer := range []string{"a", "a/b", "/A", "/a/b/3", "/a/b/00", "/a/b/01", "/a/b/-", "/a/b/+1", "/a/b/-1", "/a/b/", "/a/b/18446744073709551616",
		"/a/b/0/x", "/s/0", "/a//b", "/a/b/ 0", "/n/", "#/a"} {
		t.Run(fmt.Sprintf("the pointer %q matches nothing", pointer), func(t *testing.T) {
			text, _ := registry.MarshalJSONText(registry.Selector{Kind: registry.SelectPointer, Text: pointer})
			_, err := registry.Materialise(wakeType(t, string(text)), registry.JSON(payload))
			var e *registry.Error
			if !errors.As(err, &e) || e.Code != registry.CodePayloadRejected || e.Message != "payload pointer `"+pointer+"` did not match" || e.Fields.EventType != "T" {
				t.Errorf("got %v", err)
			}
			present := registry.Selector{Kind: registry.SelectPresent, Text: pointer}
			m, err := registry.Materialise(registry.ProcessEventType{Semantics: registry.EventSemanticsSpec{Wake: &registry.WakeSpec{Input: present}}}, registry.JSON(payload))
			if err != nil || m.Wake.Input != "false" {
				t.Errorf("present: %+v %v", m.Wake, err)
			}
		})
	}
	t.Run("a failing field fails a template that does not show it", func(t *testing.T) {
		_, err := registry.Materialise(wakeType(t, `{"template":{"template":"","fields":{"x":{"pointer":"/none"}}}}`), registry.JSON(payload))
		if !errors.Is(err, registry.ErrPayloadRejected) {
			t.Error(err)
		}
	})
}

func TestWakeSemantics(t *testing.T) {
	evaluate := func(t *testing.T, spec, payload string) (registry.Materialised, error) {
		t.Helper()
		var w registry.WakeSpec
		if err := w.UnmarshalJSON([]byte(spec)); err != nil {
			t.Fatal(err)
		}
		return registry.Materialise(registry.ProcessEventType{Name: "T", Semantics: registry.EventSemanticsSpec{Wake: &w}}, registry.JSON(payload))
	}
	for value, want := range map[string]bool{
		`null`: false, `false`: false, `true`: true, `""`: false, `"\u0000"`: true, `"false"`: true, `[ ]`: false, `[null]`: true, `{ }`: false, `{"":0}`: true,
		`0`: true, `0.0`: true, `-0`: true, `1`: true,
	} {
		t.Run(fmt.Sprintf("a wake on %s comes about: %v", value, want), func(t *testing.T) {
			m, err := evaluate(t, `{"when":{"pointer":"/v"},"input":"payload"}`, `{"v": `+value+` }`)
			if err != nil || (m.Wake != nil) != want {
				t.Errorf("%+v %v", m.Wake, err)
			}
		})
	}
	t.Run("no wake means that nothing else is evaluated", func(t *testing.T) {
		if m, err := evaluate(t, `{"when":{"const":false},"input":{"pointer":"/none"},"dedupe_key":{"selector":{"pointer":"/none"}}}`, `{}`); err != nil || m.Wake != nil {
			t.Errorf("%+v %v", m.Wake, err)
		}
	})
	for name, spec := range map[string]string{
		"when":       `{"when":{"pointer":"/none"},"input":"payload"}`,
		"input":      `{"input":{"pointer":"/none"}}`,
		"dedupe_key": `{"input":"payload","dedupe_key":{"selector":{"pointer":"/none"}}}`,
	} {
		t.Run("a pointer of "+name+" that does not match is an error", func(t *testing.T) {
			if m, err := evaluate(t, spec, `{}`); !errors.Is(err, registry.ErrPayloadRejected) || m.Wake != nil {
				t.Errorf("%+v %v", m.Wake, err)
			}
		})
	}
	for _, c := range []struct{ name, spec, want string }{
		{"the event's identity", `{"input":"payload"}`, "p:7"},
		{"a constant", `{"input":"payload","dedupe_key":{"const":""}}`, ""},
		{"a selected text", `{"input":"payload","dedupe_key":{"selector":{"pointer":"/k"}}}`, "[1.0]"},
	} {
		t.Run("the dedupe key may be "+c.name, func(t *testing.T) {
			m, err := evaluate(t, c.spec, `{"k":[ 1e0 ]}`)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Wake.Wake("p", 7); got.DedupeKey != c.want || got.Input != m.Wake.Input {
				t.Errorf("got %+v", got)
			}
			if m.Wake.EventIdentity != (c.want == "p:7") {
				t.Error("the event's identity is wrong")
			}
		})
	}
	t.Run("a plain type means nothing, whatever the payload", func(t *testing.T) {
		if m, err := registry.Materialise(registry.ProcessEventType{}, nil); err != nil || m.Terminal != nil || m.Wake != nil {
			t.Errorf("%+v %v", m, err)
		}
	})
	t.Run("a payload that is no JSON is refused", func(t *testing.T) {
		if _, err := evaluate(t, `{"input":"payload"}`, `{"a":}`); !errors.Is(err, registry.ErrInvalidArgument) {
			t.Error(err)
		}
	})
}

func TestMaterialisedSize(t *testing.T) {
	// doubling is a template whose i-th field puts in two holes of the next.
	doubling := func(fields int) registry.Selector {
		s := registry.Selector{Kind: registry.SelectTemplate, Text: "{00}"}
		for i := range fields {
			next, _ := registry.MarshalJSONText(strings.Repeat(fmt.Sprintf("{%02d}", i+1), 2))
			s.Fields = append(s.Fields, registry.TemplateField{Name: fmt.Sprintf("%02d", i), Selector: registry.Selector{Kind: registry.SelectConst, Const: next}})
		}
		return s
	}
	long := func(size int) registry.JSON {
		return registry.JSON(`"` + strings.Repeat("x", size-2) + `"`)
	}
	floats := registry.JSON("[" + strings.Repeat("1e15,", 200_000) + "1]")
	wake := func(input registry.Selector) registry.EventSemanticsSpec {
		return registry.EventSemanticsSpec{Wake: &registry.WakeSpec{Input: input}}
	}
	terminal := func(state registry.ProcessState, output registry.Selector) registry.EventSemanticsSpec {
		return registry.EventSemanticsSpec{Terminal: &registry.TerminalSpec{State: state, AwaitOutput: &output}}
	}
	whole := registry.Selector{Kind: registry.SelectPayload}
	doubled := registry.Selector{Kind: registry.SelectTemplate, Text: "{a}{a}", Fields: []registry.TemplateField{{Name: "a", Selector: whole}}}
	for _, c := range []struct {
		name      string
		semantics registry.EventSemanticsSpec
		payload   registry.JSON
		ok        bool
	}{
		{"a template that doubles 60 times", wake(doubling(60)), registry.JSON("1"), false},
		{"a template that doubles 10 times", wake(doubling(10)), registry.JSON("1"), true},
		{"a template that repeats a large payload", wake(doubled), long(700_000), false},
		{"a template that repeats half of the limit", wake(doubled), long(1<<19 + 2), true},
		{"a template text over the limit", wake(registry.Selector{Kind: registry.SelectTemplate, Text: strings.Repeat("x", 1<<20+1)}), registry.JSON("1"), false},
		{"numbers that grow in canonical text", wake(whole), floats, false},
		{"a failure message that grows in canonical text", terminal(registry.StateFailed, whole), floats, false},
		{"a success that would only grow if hashed", terminal(registry.StateCompleted, whole), floats, true},
		{"a dedupe key that grows in canonical text", registry.EventSemanticsSpec{Wake: &registry.WakeSpec{Input: registry.Selector{Kind: registry.SelectConst, Const: registry.JSON("1")},
			DedupeKey: registry.DedupeKey{Kind: registry.DedupeSelector, Selector: &whole}}}, floats, false},
		{"a terminal template over the limit once quoted", terminal(registry.StateCompleted, registry.Selector{Kind: registry.SelectTemplate, Text: strings.Repeat("\x01", 1<<18)}), registry.JSON("1"), false},
	} {
		verdict := " is too large"
		if c.ok {
			verdict = " is taken"
		}
		t.Run(c.name+verdict, func(t *testing.T) {
			_, err := registry.Materialise(registry.ProcessEventType{Name: "T", Semantics: c.semantics}, c.payload)
			var e *registry.Error
			if c.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, &e) || e.Code != registry.CodeTooLarge || *e.Fields.Limit != registry.MaxMaterialisedBytes || *e.Fields.Value <= *e.Fields.Limit || e.Fields.Field == "" || e.Fields.EventType != "T" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTerminalSemantics(t *testing.T) {
	pointer := &registry.Selector{Kind: registry.SelectPointer, Text: "/out"}
	for _, c := range []struct {
		name    string
		state   registry.ProcessState
		payload string
		want    string
	}{
		{"an output of the state's kind is the output", registry.StateFailed, `{"out": {"message":"m","type":"failure","code":"c","class":"internal","x":1,"raw":null} }`, `{"type":"failure","class":"internal","code":"c","message":"m"}`},
		{"a completed value is wrapped as sent", registry.StateCompleted, `{"out": [ 1.0 ] }`, `{"type":"success","value":[ 1.0 ]}`},
		{"a completed null is wrapped", registry.StateCompleted, `{"out":null}`, `{"type":"success","value":null}`},
		{"an output that does not read is wrapped", registry.StateCompleted, `{"out":{"type":"success"}}`, `{"type":"success","value":{"type":"success"}}`},
		{"an output of malformed control is wrapped", registry.StateCompleted, `{"out":{"type":"success","value":1,"control":{}}}`, `{"type":"success","value":{"type":"success","value":1,"control":{}}}`},
		{"a positional output is wrapped", registry.StateCompleted, `{"out":["success",5]}`, `{"type":"success","value":["success",5]}`},
		{"a failed text is message and raw", registry.StateFailed, `{"out":"b\u0061d"}`, `{"type":"failure","class":"execution","code":"process_failed","message":"bad","raw":"b\u0061d"}`},
		{"a failed value is its text and raw", registry.StateFailed, `{"out":{"b":1e16, "a":2}}`, `{"type":"failure","class":"execution","code":"process_failed","message":"{\"a\":2,\"b\":1e+16}","raw":{"b":1e16, "a":2}}`},
		{"a failed null has no raw", registry.StateFailed, `{"out":null}`, `{"type":"failure","class":"execution","code":"process_failed","message":"null"}`},
		{"a cancelled value is wrapped", registry.StateCancelled, `{"out":7}`, `{"type":"cancelled","message":"7","raw":7}`},
		{"an abandoned value is lost", registry.StateAbandoned, `{"out":7}`, `{"type":"abandoned","evidence":{"writer":"owner_drain","epoch_ms":0}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := registry.EventSemanticsSpec{Terminal: &registry.TerminalSpec{State: c.state, AwaitOutput: pointer}}
			m, err := registry.Materialise(registry.ProcessEventType{Name: "T", Semantics: spec}, registry.JSON(c.payload))
			if err != nil {
				t.Fatal(err)
			}
			text, err := registry.MarshalJSONText(m.Terminal.AwaitOutput)
			if err != nil || string(text) != c.want || m.Terminal.State != c.state {
				t.Errorf("got  %s, %s, %v\nwant %s", text, m.Terminal.State, err, c.want)
			}
			if again, err := registry.ParseAwaitOutput(text); err != nil || !registry.OutputsEqual(again, m.Terminal.AwaitOutput) {
				t.Errorf("it reads back as %+v, %v", again, err)
			}
		})
	}
	t.Run("completed without a selector takes the whole payload", func(t *testing.T) {
		spec := registry.EventSemanticsSpec{Terminal: &registry.TerminalSpec{State: registry.StateCompleted}}
		m, err := registry.Materialise(registry.ProcessEventType{Semantics: spec}, registry.JSON(`{"type":"failure"}`))
		if err != nil || string(m.Terminal.AwaitOutput.Value) != `{"type":"failure"}` {
			t.Errorf("%+v %v", m.Terminal, err)
		}
	})
	t.Run("other states without a selector are rejected", func(t *testing.T) {
		spec := registry.EventSemanticsSpec{Terminal: &registry.TerminalSpec{State: registry.StateFailed}}
		_, err := registry.Materialise(registry.ProcessEventType{Semantics: spec}, registry.JSON(`1`))
		if !errors.Is(err, registry.ErrPayloadRejected) || err.Error() != "failed or cancelled terminal events must declare await output" {
			t.Error(err)
		}
	})
	t.Run("an output of another kind than the state is rejected", func(t *testing.T) {
		core, _ := registry.CoreEventType(registry.EventCompleted)
		_, err := registry.Materialise(core, registry.JSON(`{"await_output":{"type":"cancelled","message":""}}`))
		var e *registry.Error
		if !errors.As(err, &e) || e.Code != registry.CodePayloadRejected || e.Fields.EventType != registry.EventCompleted {
			t.Error(err)
		}
	})
	t.Run("the terminal is evaluated before the wake", func(t *testing.T) {
		spec := registry.EventSemanticsSpec{
			Terminal: &registry.TerminalSpec{State: registry.StateFailed, AwaitOutput: pointer},
			Wake:     &registry.WakeSpec{Input: registry.Selector{Kind: registry.SelectPointer, Text: "/in"}},
		}
		_, err := registry.Materialise(registry.ProcessEventType{Semantics: spec}, registry.JSON(`{}`))
		if err == nil || err.Error() != "payload pointer `/out` did not match" {
			t.Error(err)
		}
		m, err := registry.Materialise(registry.ProcessEventType{Semantics: spec}, registry.JSON(`{"out":1,"in":2}`))
		if err != nil || m.Terminal == nil || m.Wake.Input != "2" {
			t.Errorf("%+v %v", m, err)
		}
	})
}

func TestWakeDeliveryFor(t *testing.T) {
	cause := &registry.CausalRef{Kind: registry.CausalProcess, ProcessID: "parent"}
	record := func(target *registry.SessionScope) *registry.ProcessRecord {
		return &registry.ProcessRecord{ID: "p", WakeTarget: target, Provenance: registry.Provenance{CausedBy: cause}}
	}
	event := func(wake *registry.EventWake) *registry.ProcessEvent {
		return &registry.ProcessEvent{ProcessID: "p", Sequence: 7, EventType: "e", ReplayKey: "k", OccurredAtMs: 99, Semantics: registry.EventSemantics{Wake: wake}}
	}
	root, frame := &registry.SessionScope{SessionID: "root"}, &registry.SessionScope{SessionID: "target-session", AgentFrameID: "target-frame"}
	wake := &registry.EventWake{Input: "in", DedupeKey: "group-a"}
	t.Run("the record's target is used", func(t *testing.T) {
		got := registry.WakeDeliveryFor(record(root), event(wake), nil)
		want := registry.ProcessWakeDelivery{WakeID: "wake:47638cea38923830386dd823b3b19b9ddc3dfdf6b2ac798f1be01f2400b61634", TargetSessionID: "root", TargetScopeID: "session:root",
			ProcessID: "p", Sequence: 7, EventType: "e", EventReplayKey: "k", ProcessCausedBy: cause, DedupeKey: "group-a", Input: "in", CreatedAtMs: 99}
		if got == nil || *got != want {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("the target of the append comes first", func(t *testing.T) {
		got := registry.WakeDeliveryFor(record(root), event(&registry.EventWake{DedupeKey: "proc-provenance:1"}), frame)
		if got.TargetScopeID != "session:target-session/frame:target-frame" || got.WakeID != "wake:46cb109adef9ba0513a94be3a54c1a0adf5e05fcbbe38b46ba57e14f546b1e00" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("without a target there is no delivery", func(t *testing.T) {
		if got := registry.WakeDeliveryFor(record(nil), event(wake), nil); got != nil {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("without a wake there is no delivery", func(t *testing.T) {
		if got := registry.WakeDeliveryFor(record(root), event(nil), frame); got != nil {
			t.Errorf("got %+v", got)
		}
	})
}
