package registry_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func names(types []registry.ProcessEventType) []string {
	var names []string
	for _, t := range types {
		names = append(names, t.Name)
	}
	return names
}

var coreNames = []string{"process.cancel_requested", "process.waiting", "process.resumed",
	"process.completed", "process.failed", "process.cancelled", "process.abandoned"}

func TestCoreEventTypes(t *testing.T) {
	t.Run("there are seven in their order", func(t *testing.T) {
		if got := names(registry.CoreEventTypes()); !slices.Equal(got, coreNames) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("changing the list leaves the next one alone", func(t *testing.T) {
		registry.CoreEventTypes()[0].Name = "changed"
		if got := registry.CoreEventTypes()[0].Name; got != coreNames[0] {
			t.Errorf("got %s", got)
		}
	})
	t.Run("each is found by its name and nothing else is", func(t *testing.T) {
		for _, name := range coreNames {
			if got, ok := registry.CoreEventType(name); !ok || got.Name != name {
				t.Errorf("%s: %v %v", name, got, ok)
			}
		}
		if _, ok := registry.CoreEventType("process.wake"); ok {
			t.Error("found process.wake")
		}
	})
	t.Run("each terminal state has its type", func(t *testing.T) {
		for _, state := range []registry.ProcessState{registry.StateCompleted, registry.StateFailed, registry.StateCancelled, registry.StateAbandoned} {
			core, ok := registry.CoreEventType(registry.TerminalEventType(state))
			if !ok || core.Semantics.Terminal.State != state {
				t.Errorf("%s: %+v", state, core)
			}
		}
	})
}

func TestCompleteEventTypes(t *testing.T) {
	extra := registry.ProcessEventType{Name: "extra"}
	completed := registry.ProcessEventType{Name: registry.EventCompleted}
	for _, c := range []struct {
		name string
		in   []registry.ProcessEventType
		want []string
	}{
		{"nothing becomes the seven", nil, coreNames},
		{"extras come first when the seven are missing", []registry.ProcessEventType{extra}, append([]string{"extra"}, coreNames...)},
		{"declared core types stay where they are", []registry.ProcessEventType{completed, extra},
			[]string{coreNames[3], "extra", coreNames[0], coreNames[1], coreNames[2], coreNames[4], coreNames[5], coreNames[6]}},
		{"a complete list stays as it is", append(registry.CoreEventTypes(), extra), append(slices.Clone(coreNames), "extra")},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := registry.CompleteEventTypes(c.in)
			if !slices.Equal(names(got), c.want) {
				t.Errorf("got %v", names(got))
			}
			if again := registry.CompleteEventTypes(got); !slices.Equal(names(again), c.want) {
				t.Errorf("completing twice gives %v", names(again))
			}
		})
	}
	t.Run("the room behind the argument is not written to", func(t *testing.T) {
		room := make([]registry.ProcessEventType, 20)
		registry.CompleteEventTypes(room[:0])
		if room[0].Name != "" {
			t.Error("the caller's array was changed")
		}
	})
}

func TestCancelRequest(t *testing.T) {
	for _, c := range []struct {
		name         string
		reason       *string
		payload, key string
	}{
		{"a reason is part of payload and key", ptr("stop"), `{"reason":"stop"}`,
			"process:proc-terminal:cancel_requested:85a6238fa9840bc3105d1a06ca03df61803080fefa838ab687d36662275be019"},
		{"no reason is null", nil, `{"reason":null}`,
			"process:proc-terminal:cancel_requested:5532b5f3befaa3efc27b125b501ee870e6405e058b099410f23165e543d2a782"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := registry.CancelRequest("proc-terminal", c.reason)
			if got.EventType != registry.EventCancelRequested || string(got.Payload) != c.payload || got.Replay.Key != c.key || got.WakeTargetScope != nil {
				t.Errorf("got %+v %s", got, got.Payload)
			}
			if err := registry.ValidateAppendRequest(got); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("a reason that is not UTF-8 is refused when validated", func(t *testing.T) {
		if err := registry.ValidateAppendRequest(registry.CancelRequest("p", ptr("\xff"))); !errors.Is(err, registry.ErrInvalidArgument) {
			t.Error(err)
		}
	})
}

func TestCompletionRequest(t *testing.T) {
	for _, c := range []struct {
		name    string
		output  registry.ProcessAwaitOutput
		event   string
		payload string
	}{
		{"a success keeps its value as sent", registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(`[ 1.0 ]`)},
			"process.completed", `{"await_output":{"type":"success","value":[ 1.0 ]}}`},
		{"a failure", registry.ProcessAwaitOutput{Kind: registry.OutputFailure, Class: registry.ClassInternal},
			"process.failed", `{"await_output":{"type":"failure","class":"internal","code":"","message":""}}`},
		{"a cancellation", registry.ProcessAwaitOutput{Kind: registry.OutputCancelled, Message: "m"},
			"process.cancelled", `{"await_output":{"type":"cancelled","message":"m"}}`},
		{"an abandonment", registry.ProcessAwaitOutput{Kind: registry.OutputAbandoned, Evidence: &registry.AbandonEvidence{Writer: registry.WriterSweep, EpochMs: 1}},
			"process.abandoned", `{"await_output":{"type":"abandoned","evidence":{"writer":"sweep","epoch_ms":1}}}`},
		{"a control is brought into normal form", registry.ProcessAwaitOutput{Kind: registry.OutputCancelled, Control: registry.JSON(`{"x":1,"value":1,"type":"finish"}`)},
			"process.cancelled", `{"await_output":{"type":"cancelled","message":"","control":{"type":"finish","value":1}}}`},
	} {
		t.Run(c.name+" is an append of its terminal type, and materialises as itself", func(t *testing.T) {
			got, err := registry.CompletionRequest("P", c.output)
			if err != nil {
				t.Fatal(err)
			}
			if got.EventType != c.event || string(got.Payload) != c.payload || got.Replay.Key != "process:P:terminal:"+c.event {
				t.Errorf("got %+v %s", got, got.Payload)
			}
			core, _ := registry.CoreEventType(got.EventType)
			m, err := registry.Materialise(core, got.Payload)
			if err != nil || m.Wake != nil || m.Terminal.State != c.output.Kind.State() || !registry.OutputsEqual(m.Terminal.AwaitOutput, c.output) {
				t.Errorf("got %+v, %v", m.Terminal, err)
			}
		})
	}
	for name, output := range map[string]registry.ProcessAwaitOutput{
		"an output without a form is refused": {Kind: registry.OutputSuccess},
		"a malformed control is refused":      {Kind: registry.OutputCancelled, Control: registry.JSON(`1`)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := registry.CompletionRequest("P", output); !errors.Is(err, registry.ErrInvalidArgument) {
				t.Error(err)
			}
		})
	}
}

func TestDeriveIdentity(t *testing.T) {
	call := func(text string) registry.ProcessInput {
		return registry.ProcessInput{Kind: registry.InputToolCall, Call: registry.JSON(text)}
	}
	turn := func(text string) registry.ProcessInput {
		return registry.ProcessInput{Kind: registry.InputSessionTurn, CreateRequest: registry.JSON(text)}
	}
	external := func(text string) registry.ProcessInput {
		return registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(text)}
	}
	for _, c := range []struct {
		name  string
		input registry.ProcessInput
		kind  string
		label *string
	}{
		{"a tool call is labelled with its tool", call(`{"tool_name":"gr\u0065p"}`), "tool", ptr("grep")},
		{"a tool call without a tool has no label", call(`{}`), "tool", nil},
		{"a broken call has no label", call(`{`), "tool", nil},
		{"an engine is its kind", registry.ProcessInput{Kind: registry.InputEngine, Engine: "lua"}, "lua", nil},
		{"a turn is labelled with its capability", turn(`{"subagent":{"capability":"c"},"usage_source":"u","session_id":"s"}`), "session_turn", ptr("c")},
		{"then with its usage source", turn(`{"subagent":null,"usage_source":"u","session_id":"s"}`), "session_turn", ptr("u")},
		{"then with its session", turn(`{"session_id":"s"}`), "session_turn", ptr("s")},
		{"a turn may have no label", turn(`{}`), "session_turn", nil},
		{"an external input is labelled with its label", external(`{"title":"t","name":"n","label":"l"}`), "external", ptr("l")},
		{"then with its name", external(`{"title":"t","name":"n"}`), "external", ptr("n")},
		{"then with its title", external(`{"title":"t"}`), "external", ptr("t")},
		{"a label that is no string hides the name", external(`{"label":null,"name":"n"}`), "external", nil},
		{"metadata need not be an object", external(`[1]`), "external", nil},
		{"metadata may be absent", external(``), "external", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := registry.DeriveIdentity(c.input)
			if got.Kind != c.kind || (got.Label == nil) != (c.label == nil) || got.Label != nil && *got.Label != *c.label || got.Definition != nil {
				t.Errorf("got %+v", got)
			}
		})
	}
}
