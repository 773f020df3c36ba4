package registry_test

import (
	"errors"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// readControl reads a control as part of an output.
func readControl(control string) (string, error) {
	output, err := registry.ParseAwaitOutput(registry.JSON(`{"type":"success","value":1,"control":` + control + `}`))
	return string(output.Control), err
}

func TestControl(t *testing.T) {
	for _, c := range []struct{ name, control, want string }{
		{"a null control is absent", `null`, ``},
		{"a frame switch", `{"task":"t","x":1,"initial_nodes":[{ "b":1.0 },2],"frame_id":"f","type":"switch_agent_frame"}`,
			`{"type":"switch_agent_frame","frame_id":"f","initial_nodes":[{ "b":1.0 },2],"task":"t"}`},
		{"a frame switch without more", `{"type":"switch_agent_frame","frame_id":"f","initial_nodes":[],"task":null}`, `{"type":"switch_agent_frame","frame_id":"f"}`},
		{"a finish", `{"type":"finish","value":{ "b":1, "a":[1.0] }}`, `{"type":"finish","value":{"a":[1.0],"b":1}}`},
		{"a finish with null", `{"type":"finish","value":null}`, `{"type":"finish","value":null}`},
		{"a failure", `{"type":"fail","failure":{"class":"internal","code":"c","message":"m","source":"tool","retry":{"type":"never","after_ms":1},"raw":null,"x":1}}`,
			`{"type":"fail","failure":{"class":"internal","code":"c","message":"m","source":"tool","retry":{"type":"never"}}}`},
		{"a failure to retry", `{"type":"fail","failure":{"class":"internal","code":"c","message":"m","source":"policy","retry":{"type":"safe","after_ms":18446744073709551615},"raw":[1]}}`,
			`{"type":"fail","failure":{"class":"internal","code":"c","message":"m","source":"policy","retry":{"type":"safe","after_ms":18446744073709551615},"raw":[1]}}`},
		{"a failure to retry at once", `{"type":"fail","failure":{"class":"internal","code":"c","message":"m","source":"policy","retry":{"type":"safe","after_ms":null}}}`,
			`{"type":"fail","failure":{"class":"internal","code":"c","message":"m","source":"policy","retry":{"type":"safe"}}}`},
		{"an exhausted failure", `{"type":"fail","failure":{"class":"internal","code":"c","message":"m","source":"runtime","retry":{"attempts":4294967295,"type":"exhausted"}}}`,
			`{"type":"fail","failure":{"class":"internal","code":"c","message":"m","source":"runtime","retry":{"type":"exhausted","attempts":4294967295}}}`},
		{"an attachment", `{"type":"finish","value":[{"ref":{"label":null,"height":2,"byte_len":18446744073709551615,"media_type":"m","id":"i","x":1},"$lash_tool_value":"attachment"}]}`,
			`{"type":"finish","value":[{"$lash_tool_value":"attachment","ref":{"id":"i","media_type":"m","byte_len":18446744073709551615,"height":2}}]}`},
		{"an escaped object", `{"type":"finish","value":{"$lash_tool_value":"object","entries":{"$lash_tool_value":1,"a":2}}}`,
			`{"type":"finish","value":{"$lash_tool_value":"object","entries":{"$lash_tool_value":1,"a":2}}}`},
		{"an escape of nothing", `{"type":"finish","value":{"a":{"$lash_tool_value":"object","entries":{"b":2}}}}`, `{"type":"finish","value":{"a":{"b":2}}}`},
		{"an attachment in an escaped object", `{"type":"finish","value":{"$lash_tool_value":"object","entries":{"$lash_tool_value":{"$lash_tool_value":"attachment","ref":{"id":"i","media_type":"m","byte_len":1,"x":2}}}}}`,
			`{"type":"finish","value":{"$lash_tool_value":"object","entries":{"$lash_tool_value":{"$lash_tool_value":"attachment","ref":{"id":"i","media_type":"m","byte_len":1}}}}}`},
		{"the reserved word as a value", `{"type":"finish","value":"$lash_tool_value"}`, `{"type":"finish","value":"$lash_tool_value"}`},
	} {
		t.Run(c.name+" is brought into normal form", func(t *testing.T) {
			got, err := readControl(c.control)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if again, err := readControl(orNull(got)); err != nil || again != got {
				t.Errorf("the normal form became %s, %v", again, err)
			}
		})
	}
	for name, control := range map[string]string{
		"of an unknown type":               `{"type":"other"}`,
		"that is no object":                `1`,
		"without a frame id":               `{"type":"switch_agent_frame"}`,
		"with null nodes":                  `{"type":"switch_agent_frame","frame_id":"f","initial_nodes":null}`,
		"without a value":                  `{"type":"finish"}`,
		"with a failure of no class":       `{"type":"fail","failure":{"code":"c","message":"m","source":"tool","retry":{"type":"never"}}}`,
		"with a failure of unknown class":  `{"type":"fail","failure":{"class":"x","code":"c","message":"m","source":"tool","retry":{"type":"never"}}}`,
		"with a failure of no source":      `{"type":"fail","failure":{"class":"internal","code":"c","message":"m","retry":{"type":"never"}}}`,
		"with a failure of no retry":       `{"type":"fail","failure":{"class":"internal","code":"c","message":"m","source":"tool"}}`,
		"with too many attempts":           `{"type":"fail","failure":{"class":"internal","code":"c","message":"m","source":"tool","retry":{"type":"exhausted","attempts":4294967296}}}`,
		"with a tag that is no word":       `{"type":"finish","value":{"$lash_tool_value":1}}`,
		"with an unknown tag":              `{"type":"finish","value":{"$lash_tool_value":"other","ref":1}}`,
		"with a third member":              `{"type":"finish","value":{"$lash_tool_value":"object","entries":{},"a":1}}`,
		"with an attachment of nothing":    `{"type":"finish","value":[[{"$lash_tool_value":"attachment"}]]}`,
		"with entries under an attachment": `{"type":"finish","value":{"$lash_tool_value":"attachment","entries":{}}}`,
		"with entries that are a list":     `{"type":"finish","value":{"$lash_tool_value":"object","entries":[]}}`,
		"with an attachment without size":  `{"type":"finish","value":{"$lash_tool_value":"attachment","ref":{"id":"i","media_type":"m"}}}`,
		"with a bad value in an escape":    `{"type":"finish","value":{"$lash_tool_value":"object","entries":{"a":{"$lash_tool_value":1}}}}`,
	} {
		t.Run("a control "+name+" fails the whole read", func(t *testing.T) {
			if got, err := readControl(control); !errors.Is(err, registry.ErrInvalidArgument) {
				t.Errorf("got %s, %v", got, err)
			}
			output := registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("1"), Control: registry.JSON(control)}
			if err := registry.ValidateOutput(output); !errors.Is(err, registry.ErrInvalidArgument) {
				t.Errorf("ValidateOutput says %v", err)
			}
		})
	}
}

func orNull(text string) string {
	if text == "" {
		return "null"
	}
	return text
}

func TestOutputsEqual(t *testing.T) {
	success := func(value, control string) registry.ProcessAwaitOutput {
		return registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(value), Control: registry.JSON(control)}
	}
	abandoned := func(writer registry.AbandonWriter, owner *registry.LeaseOwnerIdentity, ms uint64) registry.ProcessAwaitOutput {
		return registry.ProcessAwaitOutput{Kind: registry.OutputAbandoned, Evidence: &registry.AbandonEvidence{Writer: writer, Owner: owner, EpochMs: ms}}
	}
	failure := registry.ProcessAwaitOutput{Kind: registry.OutputFailure, Class: registry.ClassInternal, Code: "c", Message: "m"}
	with := func(change func(*registry.ProcessAwaitOutput)) registry.ProcessAwaitOutput {
		changed := failure
		change(&changed)
		return changed
	}
	unset := opaqueOwner
	unset.Liveness = registry.LeaseOwnerLiveness{}
	for _, c := range []struct {
		name string
		a, b registry.ProcessAwaitOutput
		want bool
	}{
		{"values are compared as JSON", success(`{"a":1,"b":2}`, ``), success(`{ "b":2,"a":1}`, `null`), true},
		{"values of other kinds of numbers differ", success(`1`, ``), success(`1.0`, ``), false},
		{"another kind differs", success(`1`, ``), failure, false},
		{"a control counts", success(`1`, `{"type":"finish","value":1}`), success(`1`, ``), false},
		{"unknown members of a control do not count", success(`1`, `{"x":1,"value":1,"type":"finish"}`), success(`1`, `{"type":"finish","value":1}`), true},
		{"the clock of the evidence does not count", abandoned(registry.WriterSweep, &sampleOwner, 1), abandoned(registry.WriterSweep, &sampleOwner, 2), true},
		{"the writer counts", abandoned(registry.WriterSweep, nil, 1), abandoned(registry.WriterOwnerDrain, nil, 1), false},
		{"the owner counts", abandoned(registry.WriterSweep, &sampleOwner, 1), abandoned(registry.WriterSweep, nil, 1), false},
		{"the owner's liveness counts", abandoned(registry.WriterSweep, &sampleOwner, 1), abandoned(registry.WriterSweep, &opaqueOwner, 1), false},
		{"no liveness is opaque", abandoned(registry.WriterSweep, &unset, 1), abandoned(registry.WriterSweep, &opaqueOwner, 1), true},
		{"a null raw is absent", with(func(o *registry.ProcessAwaitOutput) { o.Raw = registry.JSON(" null") }), failure, true},
		{"a raw counts", with(func(o *registry.ProcessAwaitOutput) { o.Raw = registry.JSON("0") }), failure, false},
		{"the class counts", with(func(o *registry.ProcessAwaitOutput) { o.Class = registry.ClassTimeout }), failure, false},
		{"the code counts", with(func(o *registry.ProcessAwaitOutput) { o.Code = "d" }), failure, false},
		{"the message counts", with(func(o *registry.ProcessAwaitOutput) { o.Message = "" }), failure, false},
		{"parts of other kinds do not count", with(func(o *registry.ProcessAwaitOutput) { o.Value = registry.JSON("1") }), failure, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if registry.OutputsEqual(c.a, c.b) != c.want || registry.OutputsEqual(c.b, c.a) != c.want {
				t.Errorf("want %v", c.want)
			}
			if !registry.OutputsEqual(c.a, c.a) {
				t.Error("not equal to itself")
			}
		})
	}
}

// FuzzParseAwaitOutput checks, on any bytes, that reading never panics and that
// what was read is written in a form that reads as the same output.
func FuzzParseAwaitOutput(f *testing.F) {
	for _, c := range forms {
		f.Add([]byte(c.text))
	}
	f.Add([]byte(`{"type":"success","value":1,"control":{"type":"finish","value":[{"$lash_tool_value":"object","entries":{"$lash_tool_value":{"a":1}}}]}}`))
	f.Add([]byte(`{"type":"success","value":1,"control":{"type":"fail","failure":{"class":"internal","code":"c","message":"m","source":"tool","retry":{"type":"safe","after_ms":1},"raw":{"$lash_tool_value":"attachment","ref":{"id":"i","media_type":"m","byte_len":1}}}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		output, err := registry.ParseAwaitOutput(raw)
		if err != nil {
			return
		}
		text, err := registry.MarshalJSONText(output)
		if err != nil {
			t.Fatalf("%q was read but cannot be written: %v", raw, err)
		}
		again, err := registry.ParseAwaitOutput(text)
		if err != nil || !registry.OutputsEqual(output, again) {
			t.Fatalf("%q became %q, %v", raw, text, err)
		}
		if second, err := registry.MarshalJSONText(again); err != nil || string(second) != string(text) {
			t.Fatalf("%q became %q, %v", text, second, err)
		}
	})
}
