package fsm_test

import "github.com/holdfast-registry/holdfast/registry"

// The small worlds that random calls are drawn from: few enough of each that
// calls meet, and among them what is easily taken for the same.
var (
	processIDs = []string{"a", "b", "c", "d"}

	opaque = registry.LeaseOwnerLiveness{Kind: "opaque"}
	owners = []registry.LeaseOwnerIdentity{
		{OwnerID: "w1", IncarnationID: "1", Liveness: opaque},
		{OwnerID: "w1", IncarnationID: "2", Liveness: onHost("h", "b", 7)},
		{OwnerID: "w2", IncarnationID: "1", Liveness: onHost("h", "b", 9)},
		// The same incarnation as the first, but for its liveness.
		{OwnerID: "w1", IncarnationID: "1", Liveness: onHost("h", "b", 8)},
		{OwnerID: "w3", IncarnationID: "1", Liveness: onHost("h", "other boot", 7)},
		{OwnerID: "w4", IncarnationID: "1", Liveness: onHost("other host", "b", 7)},
		{OwnerID: "w2", IncarnationID: "2", Liveness: opaque},
	}
	ttls  = []uint64{10_000, 2000, 24 * 60 * 60 * 1000, 5000, 2001, 1000, 1, 0}
	steps = []uint64{0, 1, 0, 0, 1, 10, 100, 500, 999, 1000, 1999, 2000, 2001, 5000, 60_000}

	// scopes hold grants and are woken. The joined texts of two of them are
	// equal.
	scopes = []registry.SessionScope{
		{SessionID: "s1"}, {SessionID: "s1", AgentFrameID: "f"}, {SessionID: "s2"},
		{SessionID: "s1/frame:f"}, {SessionID: "s1", AgentFrameID: "g"}, {SessionID: "s2", AgentFrameID: "f"},
	}
	sessions    = []string{"s1", "s2", "s1/frame:f", "none"}
	descriptors = []registry.ProcessHandleDescriptor{{}, {Label: text("l")}, {Label: text("")}, {Kind: text("l")}, {Kind: text("k"), Label: text("l")}}

	refs = []registry.ProcessExternalRef{
		{Backend: "x", ID: "1", Metadata: registry.JSON(`{"b":1,"a":[2.0]}`)},
		{Backend: "x", ID: "1", Metadata: registry.JSON(` {"a":[2.0], "b":1}`)},
		{Backend: "x", ID: "1", Metadata: registry.JSON(`{"a":[2],"b":1}`)},
		{Backend: "x", ID: "1"},
		{Backend: "x", ID: "2"},
	}
	waits = []registry.WaitState{
		{Kind: "signal", Name: "go", EventType: "signal.go", Key: "process:a:signal.go:1", Ordinal: 1, SinceMs: 5},
		{Kind: "signal", Name: "go", EventType: "signal.go", Key: "process:a:signal.go:2", Ordinal: ^uint64(0)},
	}
	abandons = []registry.AbandonRequest{{RequestedBy: "me", RequestedAtMs: 3}, {RequestedBy: "you", RequestedAtMs: ^uint64(0), Reason: text("tired")}}
	filters  = []registry.ProcessListFilter{
		{Status: "any"}, {}, {Status: "running"}, {Status: "completed"}, {Definition: registry.JSON(` { "d" : 1 }`)}, {Waiting: &yes}, {Waiting: &no},
		{Status: "any", Waiting: &no}, {Status: "any", Waiting: &yes, Definition: registry.JSON(`{"d":1}`)},
		{Status: "failed"}, {Status: "cancelled"}, {Status: "abandoned"}, {Definition: registry.JSON(`1`)}, {Status: "any", Definition: registry.JSON(`null`)},
	}
	yes, no = true, false

	keys = []*registry.Replay{nil, nil, {Key: ""}, {Key: "k1"}, {Key: "k2"}, {Key: "k3"}, {Key: "process:a:terminal:process.completed"}}
	// appends are event types with payloads that fit them.
	appends = [][2]string{
		{"note", `null`}, {"note", `"text"`}, {"note", `[1,2.50]`}, {"note", ` {} `},
		{"data", `{"n":1}`}, {"data", `{ "n" : 2 }`}, {"data", `{"n":"x"}`},
		{"wake", `{"go":true,"text":"hi","key":"k"}`}, {"wake", `{"text":"{go} and {text}","go":"{text}"}`}, {"wake", `{"n":1,"why":"boom"}`},
		{"wake.const", `{"go":false,"text":["{go}"],"key":1e3}`}, {"wake.const", `{"go":0,"text":{"b":1,"a":[]},"key":null}`},
		{"wake.const", `{"go":[],"text":"x"}`}, {"wake.const", `{"go":"yes"}`}, {"wake.selector", `{"key":{"b":1.0,"a":"\u00e9"}}`},
		{"done", `{"any":"thing"}`}, {"broke", `{"why":"boom"}`}, {"broke", `{"why":null}`}, {"broke", `{"why":{"type":"failure","class":"timeout"}}`},
		{"broke", `{"why":{"type":"failure","class":"timeout","code":"c","message":"m","raw":{"x":1}}}`},
		{"broke", `{"why":{"type":"success","value":1}}`}, {"gone", `{"text":"bye"}`}, {"gone", `{"text":[1, 2]}`},
		{"process.completed", `{"await_output":{"type":"success","value":{"b":1,"a":2}}}`},
		{"process.completed", `{"await_output":{"value":{"a":2,"b":1},"type":"success"}}`}, {"process.completed", `{"await_output":7}`},
		{"process.failed", `{"await_output":[7]}`}, {"process.cancelled", `{"await_output":{"type":"cancelled","message":"stop","raw":null}}`},
		{"process.abandoned", `{"await_output":{"type":"abandoned","evidence":{"writer":"sweep","epoch_ms":5}}}`}, {"process.abandoned", `{"await_output":0}`},
		{"process.cancel_requested", `{"reason":null}`}, {"process.waiting", `{}`}, {"undeclared", `{}`},
	}
	outputs = []registry.ProcessAwaitOutput{
		{Kind: "success", Value: registry.JSON(`{"b":1,"a":2}`)},
		{Kind: "success", Value: registry.JSON(`{"a":2,"b":1}`)},
		{Kind: "success", Value: registry.JSON(`1.0`)},
		{Kind: "failure", Class: "timeout", Code: "c", Message: "m"},
		{Kind: "cancelled", Message: "stop", Raw: registry.JSON(`[1]`)},
		{Kind: "abandoned", Evidence: &registry.AbandonEvidence{Writer: "sweep", EpochMs: 5}},
		{Kind: "abandoned", Evidence: &registry.AbandonEvidence{Writer: "sweep", EpochMs: 6}},
		{Kind: "abandoned", Evidence: &registry.AbandonEvidence{Writer: "owner_drain", Owner: &owners[1], EpochMs: 5}},
	}
)

func text(s string) *string { return &s }

func onHost(host, boot string, pid uint32) registry.LeaseOwnerLiveness {
	return registry.LeaseOwnerLiveness{Kind: "local_process", HostID: host, BootID: boot, PID: pid, ProcessStart: "9"}
}

func pointer(text string) *registry.Selector { return &registry.Selector{Kind: "pointer", Text: text} }

// eventTypes are what the registrations declare beside the core types.
var eventTypes = []registry.ProcessEventType{
	declare("note", registry.EventSemanticsSpec{}),
	{Name: "data", PayloadSchema: registry.JSON(`{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}`)},
	declare("wake", registry.EventSemanticsSpec{Wake: &registry.WakeSpec{
		When: &registry.Selector{Kind: "present", Text: "/go"},
		Input: registry.Selector{Kind: "template", Text: "got {text} of {go}{none}", Fields: []registry.TemplateField{
			{Name: "text", Selector: *pointer("/text")}, {Name: "go", Selector: *pointer("/go")},
		}},
	}}),
	declare("wake.const", registry.EventSemanticsSpec{Wake: &registry.WakeSpec{
		When: pointer("/go"), Input: registry.Selector{Kind: "payload"}, DedupeKey: registry.DedupeKey{Kind: "const", Const: "same"},
	}}),
	declare("wake.selector", registry.EventSemanticsSpec{Wake: &registry.WakeSpec{
		Input:     registry.Selector{Kind: "const", Const: registry.JSON(`{"z":1,"y":[1.0]}`)},
		DedupeKey: registry.DedupeKey{Kind: "selector", Selector: pointer("/key")},
	}}),
	declare("done", registry.EventSemanticsSpec{Terminal: &registry.TerminalSpec{State: "completed"}}),
	declare("broke", registry.EventSemanticsSpec{Terminal: &registry.TerminalSpec{State: "failed", AwaitOutput: pointer("/why")}}),
	declare("gone", registry.EventSemanticsSpec{
		Terminal: &registry.TerminalSpec{State: "cancelled", AwaitOutput: pointer("/text")},
		Wake:     &registry.WakeSpec{Input: *pointer("/text"), DedupeKey: registry.DedupeKey{Kind: "event_identity"}},
	}),
}

func declare(name string, semantics registry.EventSemanticsSpec) registry.ProcessEventType {
	return registry.ProcessEventType{Name: name, PayloadSchema: registry.JSON(`{}`), Semantics: semantics}
}
