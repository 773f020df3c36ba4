package registry_test

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func ptr[T any](v T) *T { return &v }

// form is one value with its exact JSON text.
type form struct {
	name  string
	value any
	text  string
}

var (
	sampleOwner = registry.LeaseOwnerIdentity{OwnerID: "w", IncarnationID: "i", Liveness: registry.LeaseOwnerLiveness{
		Kind: registry.LivenessLocalProcess, HostID: "h", BootID: "b", PID: math.MaxUint32, ProcessStart: "77"}}
	opaqueOwner = registry.LeaseOwnerIdentity{OwnerID: "w", IncarnationID: "i", Liveness: registry.LeaseOwnerLiveness{Kind: registry.LivenessOpaque}}
	sampleLease = registry.ProcessLease{ProcessID: "p", Owner: opaqueOwner, LeaseToken: "t", FencingToken: math.MaxUint64, ClaimedAtMs: 1, ExpiresAtMs: 2}
	sampleEvent = registry.ProcessEvent{ProcessID: "p", Sequence: 7, EventType: "e", Payload: registry.JSON(`{ "b":1, "a":1.0 }`),
		ReplayKey: "k", OccurredAtMs: 1234567890123}
	smallRecord = registry.ProcessRecord{ID: "p", RegistrationHash: "h", Input: registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON("null")},
		Disposition: registry.ExternallyOwned, Identity: registry.ProcessIdentity{Kind: "external"}, CreatedAtMs: 1, UpdatedAtMs: 2,
		Status: registry.ProcessStatus{State: registry.StateRunning}, Life: 3, Revision: 4, Fencing: registry.FencingOptional}
)

const (
	sampleOwnerText = `{"owner_id":"w","incarnation_id":"i","liveness":{"kind":"local_process","host_id":"h","boot_id":"b","pid":4294967295,"process_start":"77"}}`
	opaqueOwnerText = `{"owner_id":"w","incarnation_id":"i","liveness":{"kind":"opaque"}}`
	sampleLeaseText = `{"schema_version":2,"process_id":"p","owner":` + opaqueOwnerText + `,"lease_token":"t","fencing_token":18446744073709551615,"claimed_at_epoch_ms":1,"expires_at_epoch_ms":2}`
	sampleEventText = `{"process_id":"p","sequence":7,"event_type":"e","payload":{ "b":1, "a":1.0 },` +
		`"invocation":{"scope":{"session_id":"runtime"},"subject":{"type":"process_event","process_id":"p","sequence":7,"event_type":"e"},` +
		`"caused_by":{"type":"process","process_id":"p"},"replay":{"key":"k"}},"semantics":{},"occurred_at":{"secs_since_epoch":1234567890,"nanos_since_epoch":123000000}}`
	smallRecordText = `{"id":"p","registration_hash":"h","input":{"type":"external","metadata":null},"disposition":"externally_owned",` +
		`"identity":{"kind":"external"},"event_types":[],"provenance":{"originator":{"type":"host"}},"created_at_ms":1,"updated_at_ms":2,"status":{"state":"running"},"life":3,"revision":4}`
)

var forms = []form{
	{"a session scope", registry.SessionScope{SessionID: "s"}, `{"session_id":"s"}`},
	{"a frame scope", registry.SessionScope{SessionID: "s", AgentFrameID: "f"}, `{"session_id":"s","agent_frame_id":"f"}`},
	{"a turn", registry.CausalRef{Kind: registry.CausalTurn, SessionID: "s", TurnID: ptr("t")}, `{"type":"turn","session_id":"s","turn_id":"t"}`},
	{"an effect", registry.CausalRef{Kind: registry.CausalEffect, SessionID: "s", EffectID: "e"}, `{"type":"effect","session_id":"s","effect_id":"e"}`},
	{"an effect in a turn", registry.CausalRef{Kind: registry.CausalEffect, SessionID: "s", TurnID: ptr(""), EffectID: "e"}, `{"type":"effect","session_id":"s","turn_id":"","effect_id":"e"}`},
	{"a tool call ref", registry.CausalRef{Kind: registry.CausalToolCall, SessionID: "s", CallID: "c"}, `{"type":"tool_call","session_id":"s","call_id":"c"}`},
	{"a process ref", registry.CausalRef{Kind: registry.CausalProcess, ProcessID: "p"}, `{"type":"process","process_id":"p"}`},
	{"an event ref", registry.CausalRef{Kind: registry.CausalProcessEvent, ProcessID: "p", Sequence: math.MaxUint64}, `{"type":"process_event","process_id":"p","sequence":18446744073709551615}`},
	{"a trigger ref", registry.CausalRef{Kind: registry.CausalTriggerOccurrence, OccurrenceID: "o"}, `{"type":"trigger_occurrence","occurrence_id":"o"}`},
	{"a node ref", registry.CausalRef{Kind: registry.CausalSessionNode, SessionID: "s", NodeID: "n"}, `{"type":"session_node","session_id":"s","node_id":"n"}`},
	{"the host", registry.Originator{}, `{"type":"host"}`},
	{"a session originator", registry.Originator{Scope: &registry.SessionScope{SessionID: "s"}}, `{"type":"session","scope":{"session_id":"s"}}`},
	{"a provenance", registry.Provenance{CausedBy: &registry.CausalRef{Kind: registry.CausalProcess, ProcessID: "p"}}, `{"originator":{"type":"host"},"caused_by":{"type":"process","process_id":"p"}}`},

	{"a tool call", registry.ProcessInput{Kind: registry.InputToolCall, Call: registry.JSON(`{ "call_id":"c" }`)}, `{"type":"tool_call","call":{ "call_id":"c" }}`},
	{"an engine", registry.ProcessInput{Kind: registry.InputEngine, Engine: "lua", Payload: registry.JSON(`null`)}, `{"type":"engine","kind":"lua","payload":null}`},
	{"a session turn", registry.ProcessInput{Kind: registry.InputSessionTurn, CreateRequest: registry.JSON(`1`), TurnInput: registry.JSON(`2`), OutputContract: registry.JSON(`{"kind":"static"}`)}, `{"type":"session_turn","create_request":1,"turn_input":2,"output_contract":{"kind":"static"}}`},
	{"an external input", registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(`{"n":1.0}`)}, `{"type":"external","metadata":{"n":1.0}}`},
	{"an identity", registry.ProcessIdentity{Kind: "k", Label: ptr("l"), Definition: registry.JSON(`{"v":18446744073709551615}`)}, `{"kind":"k","label":"l","definition":{"v":18446744073709551615}}`},

	{"the payload selector", registry.Selector{Kind: registry.SelectPayload}, `"payload"`},
	{"a pointer selector", registry.Selector{Kind: registry.SelectPointer, Text: "/a"}, `{"pointer":"/a"}`},
	{"a const selector", registry.Selector{Kind: registry.SelectConst, Const: registry.JSON(`null`)}, `{"const":null}`},
	{"a present selector", registry.Selector{Kind: registry.SelectPresent, Text: ""}, `{"present":""}`},
	{"an empty template", registry.Selector{Kind: registry.SelectTemplate, Text: "t"}, `{"template":{"template":"t","fields":{}}}`},
	{"a template", registry.Selector{Kind: registry.SelectTemplate, Text: "{\"b}{a}", Fields: []registry.TemplateField{
		{Name: "\"b", Selector: registry.Selector{Kind: registry.SelectPayload}}, {Name: "a", Selector: registry.Selector{Kind: registry.SelectPointer, Text: "/x"}}}},
		`{"template":{"template":"{\"b}{a}","fields":{"\"b":"payload","a":{"pointer":"/x"}}}}`},
	{"a plain dedupe key", registry.DedupeKey{Kind: registry.DedupeEventIdentity}, `"event_identity"`},
	{"a const dedupe key", registry.DedupeKey{Kind: registry.DedupeConst, Const: "c"}, `{"const":"c"}`},
	{"a selector dedupe key", registry.DedupeKey{Kind: registry.DedupeSelector, Selector: &registry.Selector{Kind: registry.SelectPayload}}, `{"selector":"payload"}`},
	{"a terminal spec", registry.TerminalSpec{State: registry.StateCompleted}, `{"state":"completed"}`},
	{"a wake spec", registry.WakeSpec{When: &registry.Selector{Kind: registry.SelectPresent, Text: "/a"}, Input: registry.Selector{Kind: registry.SelectPayload}, DedupeKey: registry.DedupeKey{Kind: registry.DedupeEventIdentity}},
		`{"when":{"present":"/a"},"input":"payload","dedupe_key":"event_identity"}`},
	{"plain semantics", registry.EventSemanticsSpec{}, `{}`},
	{"an event type", registry.ProcessEventType{Name: "n", PayloadSchema: registry.JSON(`true`), Semantics: registry.EventSemanticsSpec{
		Terminal: &registry.TerminalSpec{State: registry.StateFailed, AwaitOutput: &registry.Selector{Kind: registry.SelectPayload}},
		Wake:     &registry.WakeSpec{Input: registry.Selector{Kind: registry.SelectPayload}, DedupeKey: registry.DedupeKey{Kind: registry.DedupeConst, Const: "c"}}}},
		`{"name":"n","payload_schema":{"schema":true},"semantics":{"terminal":{"state":"failed","await_output":"payload"},"wake":{"input":"payload","dedupe_key":{"const":"c"}}}}`},
	{"a registration", registry.ProcessRegistration{ID: "p", Input: registry.ProcessInput{Kind: registry.InputEngine, Engine: "e", Payload: registry.JSON("1")},
		Disposition: registry.Rerunnable, Identity: registry.ProcessIdentity{Kind: "k"}, EnvRef: ptr("env"), WakeTarget: &registry.SessionScope{SessionID: "s"}, Fencing: registry.FencingRequired},
		`{"id":"p","input":{"type":"engine","kind":"e","payload":1},"disposition":"rerunnable","identity":{"kind":"k"},"event_types":[],"provenance":{"originator":{"type":"host"}},"env_ref":"env","wake_target":{"session_id":"s"},"fencing":"required"}`},

	{"a running status", registry.ProcessStatus{State: registry.StateRunning}, `{"state":"running"}`},
	{"a terminal status", registry.ProcessStatus{State: registry.StateCompleted, AwaitOutput: &registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("null")}}, `{"state":"completed","await_output":{"type":"success","value":null}}`},
	{"a failure", registry.ProcessAwaitOutput{Kind: registry.OutputFailure, Class: registry.ClassTimeout, Code: "c", Message: "m", Raw: registry.JSON(`[1.0]`)}, `{"type":"failure","class":"timeout","code":"c","message":"m","raw":[1.0]}`},
	{"a cancellation", registry.ProcessAwaitOutput{Kind: registry.OutputCancelled, Message: "é<>&\u2028"}, `{"type":"cancelled","message":"é<>&` + "\u2028" + `"}`},
	{"an abandonment", registry.ProcessAwaitOutput{Kind: registry.OutputAbandoned, Evidence: &registry.AbandonEvidence{Writer: registry.WriterSweep, Owner: &sampleOwner, EpochMs: 5}},
		`{"type":"abandoned","evidence":{"writer":"sweep","owner":` + sampleOwnerText + `,"epoch_ms":5}}`},
	{"an output with a control", registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(`"v"`), Control: registry.JSON(`{"type":"finish","value":1}`)}, `{"type":"success","value":"v","control":{"type":"finish","value":1}}`},
	{"an evidence", registry.AbandonEvidence{Writer: registry.WriterOwnerDrain}, `{"writer":"owner_drain","epoch_ms":0}`},
	{"a start", registry.ProcessStarted{Owner: opaqueOwner, StartedAtMs: 9}, `{"owner":` + opaqueOwnerText + `,"started_at_ms":9}`},
	{"an abandon request", registry.AbandonRequest{RequestedBy: "me", RequestedAtMs: 9, Reason: ptr("")}, `{"requested_by":"me","requested_at_ms":9,"reason":""}`},
	{"an external ref", registry.ProcessExternalRef{Backend: "b", ID: "i"}, `{"backend":"b","id":"i"}`},
	{"an external ref with metadata", registry.ProcessExternalRef{Backend: "b", ID: "i", Metadata: registry.JSON(`{ }`)}, `{"backend":"b","id":"i","metadata":{ }}`},
	{"a wait", registry.WaitState{Kind: registry.WaitSignal, Name: "n", EventType: "e", Key: "k", Ordinal: 1, SinceMs: 2}, `{"kind":{"kind":"signal","name":"n","event_type":"e","key":"k","ordinal":1},"since_ms":2}`},
	{"a record", smallRecord, smallRecordText},

	{"a replay", registry.Replay{Key: ""}, `{"key":""}`},
	{"a wake", registry.EventWake{Input: "i", DedupeKey: "d"}, `{"input":"i","dedupe_key":"d"}`},
	{"a terminal", registry.EventTerminal{State: registry.StateCancelled, AwaitOutput: registry.ProcessAwaitOutput{Kind: registry.OutputCancelled}}, `{"state":"cancelled","await_output":{"type":"cancelled","message":""}}`},
	{"semantics", registry.EventSemantics{Wake: &registry.EventWake{}}, `{"wake":{"input":"","dedupe_key":""}}`},
	{"an event", sampleEvent, sampleEventText},
	{"an append", registry.ProcessEventAppendRequest{EventType: "e", Payload: registry.JSON(" 1 ")[1:2], Replay: &registry.Replay{Key: "k"}, WakeTargetScope: &registry.SessionScope{SessionID: "s"}},
		`{"event_type":"e","payload":1,"replay":{"key":"k"},"wake_target_scope":{"session_id":"s"}}`},
	{"an append result", registry.ProcessEventAppendResult{Event: sampleEvent, WakeDelivery: &registry.ProcessWakeDelivery{WakeID: "w", TargetSessionID: "s", TargetScopeID: "session:s", ProcessID: "p", Sequence: 1, EventType: "e", DedupeKey: "d", Input: "i", CreatedAtMs: 3}},
		`{"event":` + sampleEventText + `,"wake_delivery":{"wake_id":"w","target_session_id":"s","target_scope_id":"session:s","process_id":"p","sequence":1,"event_type":"e",` +
			`"event_invocation":{"scope":{"session_id":"runtime"},"subject":{"type":"process_event","process_id":"p","sequence":1,"event_type":"e"},"caused_by":{"type":"process","process_id":"p"}},"dedupe_key":"d","input":"i","created_at_ms":3}}`},

	{"a wake delivery", registry.ProcessWakeDelivery{WakeID: "w", EventType: "e", EventReplayKey: "k", ProcessCausedBy: &registry.CausalRef{Kind: registry.CausalProcess, ProcessID: "q"}},
		`{"wake_id":"w","target_session_id":"","target_scope_id":"","process_id":"","sequence":0,"event_type":"e",` +
			`"event_invocation":{"scope":{"session_id":"runtime"},"subject":{"type":"process_event","process_id":"","sequence":0,"event_type":"e"},"caused_by":{"type":"process","process_id":""},"replay":{"key":"k"}},` +
			`"process_caused_by":{"type":"process","process_id":"q"},"dedupe_key":"","input":"","created_at_ms":0}`},

	{"an opaque liveness", registry.LeaseOwnerLiveness{Kind: registry.LivenessOpaque}, `{"kind":"opaque"}`},
	{"an opaque owner", opaqueOwner, opaqueOwnerText},
	{"a local owner", sampleOwner, sampleOwnerText},
	{"a lease", sampleLease, sampleLeaseText},
	{"an acquired lease", registry.ProcessLeaseClaimOutcome{Acquired: &sampleLease}, `{"Acquired":` + sampleLeaseText + `}`},
	{"a busy lease", registry.ProcessLeaseClaimOutcome{Busy: &sampleLease}, `{"Busy":{"holder":` + sampleLeaseText + `}}`},
	{"a lease completion", registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: "t"}, `{"process_id":"p","lease_token":"t"}`},
	{"a fence", registry.Fence{LeaseToken: "t", FencingToken: 1}, `{"lease_token":"t","fencing_token":1}`},
	{"an empty descriptor", registry.ProcessHandleDescriptor{}, `{}`},
	{"a grant", registry.ProcessHandleGrant{SessionID: "s", ProcessID: "p", Descriptor: registry.ProcessHandleDescriptor{Kind: ptr("k"), Label: ptr("l")}}, `{"session_id":"s","process_id":"p","descriptor":{"kind":"k","label":"l"}}`},
	{"a grant entry", registry.ProcessHandleGrantEntry{Grant: registry.ProcessHandleGrant{SessionID: "s", ProcessID: "p"}, Record: smallRecord}, `[{"session_id":"s","process_id":"p","descriptor":{}},` + smallRecordText + `]`},
	{"an empty delete report", registry.ProcessSessionDeleteReport{SessionID: "s"}, `{"session_id":"s","revoked_handle_count":0,"deleted_wake_count":0,"orphaned_process_ids":[],"preserved_process_ids":[]}`},
	{"a delete report", registry.ProcessSessionDeleteReport{SessionID: "s", RevokedHandleCount: 2, OrphanedProcessIDs: []string{"a", "b"}, PreservedProcessIDs: []string{"c"}}, `{"session_id":"s","revoked_handle_count":2,"deleted_wake_count":0,"orphaned_process_ids":["a","b"],"preserved_process_ids":["c"]}`},
}

// fullRecord sets every optional member of a record.
func fullRecord() registry.ProcessRecord {
	r := smallRecord
	r.EventTypes = registry.CoreEventTypes()[:1]
	r.EnvRef, r.WakeTarget = ptr("env"), &registry.SessionScope{SessionID: "s"}
	r.ExternalRef = &registry.ProcessExternalRef{Backend: "b", ID: "i"}
	r.FirstStarted = &registry.ProcessStarted{Owner: opaqueOwner}
	r.AbandonRequest = &registry.AbandonRequest{RequestedBy: "me"}
	r.Wait = &registry.WaitState{Kind: registry.WaitSignal}
	r.Fencing = registry.FencingRequired
	return r
}

func TestForms(t *testing.T) {
	all := append([]form{{"a full record", fullRecord(), `{"id":"p","registration_hash":"h","input":{"type":"external","metadata":null},"disposition":"externally_owned",` +
		`"identity":{"kind":"external"},"event_types":[{"name":"process.cancel_requested","payload_schema":{"schema":{}},"semantics":{}}],"provenance":{"originator":{"type":"host"}},` +
		`"env_ref":"env","wake_target":{"session_id":"s"},"created_at_ms":1,"updated_at_ms":2,"external_ref":{"backend":"b","id":"i"},"first_started":{"owner":` + opaqueOwnerText + `,"started_at_ms":0},` +
		`"abandon_request":{"requested_by":"me","requested_at_ms":0},"wait":{"kind":{"kind":"signal","name":"","event_type":"","key":"","ordinal":0},"since_ms":0},` +
		`"status":{"state":"running"},"life":3,"revision":4,"fencing":"required"}`}}, forms...)
	for _, c := range all {
		t.Run(c.name+" has its exact form and reads back", func(t *testing.T) {
			text, err := registry.MarshalJSONText(c.value)
			if err != nil {
				t.Fatal(err)
			}
			if string(text) != c.text {
				t.Errorf("got  %s\nwant %s", text, c.text)
			}
			standard, err := json.Marshal(c.value)
			if err != nil || !registry.EqualJSON(standard, text) {
				t.Errorf("json.Marshal gives %s, %v", standard, err)
			}
			back := reflect.New(reflect.TypeOf(c.value))
			buffer := []byte(" " + c.text + "\n")
			if err := back.Interface().(json.Unmarshaler).UnmarshalJSON(buffer); err != nil {
				t.Fatal(err)
			}
			clear(buffer)
			if !reflect.DeepEqual(back.Elem().Interface(), c.value) {
				t.Errorf("read back as %+v", back.Elem().Interface())
			}
		})
		t.Run(c.name+" reads in any order, with unknown members beside", func(t *testing.T) {
			shuffled := withUnknown(t, c.text)
			back := reflect.New(reflect.TypeOf(c.value))
			if err := json.Unmarshal(shuffled, back.Interface()); err != nil {
				t.Fatalf("%s: %v", shuffled, err)
			}
			if text, err := registry.MarshalJSONText(back.Interface()); err != nil || !registry.EqualJSON(text, []byte(c.text)) {
				t.Errorf("%s read back as %s, %v", shuffled, text, err)
			}
		})
		t.Run(c.name+" is not read from null, a number or a word", func(t *testing.T) {
			for _, raw := range []string{"null", "1", `"other"`, "[]", "", "{", `{"type":"other","kind":"other"}x`} {
				back := reflect.New(reflect.TypeOf(c.value))
				before := back.Elem().Interface()
				err := back.Interface().(json.Unmarshaler).UnmarshalJSON([]byte(raw))
				if !errors.Is(err, registry.ErrInvalidArgument) {
					t.Errorf("%q: %v", raw, err)
				}
				if !reflect.DeepEqual(before, back.Elem().Interface()) {
					t.Errorf("%q changed the receiver", raw)
				}
			}
		})
	}
}

// withUnknown puts the members of a form's outer object into falling order and
// unknown ones in front of them, where the form is an open object.
func withUnknown(t *testing.T, text string) []byte {
	t.Helper()
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &members) != nil {
		return []byte(text)
	}
	keys := slices.Sorted(maps.Keys(members))
	slices.Reverse(keys)
	if len(keys) == 1 {
		switch keys[0] {
		// A variant is a closed object.
		case "pointer", "const", "template", "present", "selector", "Acquired", "Busy":
			return []byte(text)
		}
	}
	out := []byte(`{"unknown":{"id":1,"id":2},"ID":null`)
	for _, key := range keys {
		out = append(registry.AppendCanonicalString(append(out, ','), key), ':')
		out = append(out, members[key]...)
	}
	return append(out, '}')
}

func TestRequiredMembers(t *testing.T) {
	optional := map[string]bool{
		"agent_frame_id": true, "caused_by": true, "label": true, "definition": true, "metadata": true, "payload": true, "event_types": true,
		"env_ref": true, "wake_target": true, "fencing": true, "created_at_ms": true, "updated_at_ms": true, "external_ref": true, "first_started": true,
		"abandon_request": true, "wait": true, "status": true, "life": true, "revision": true, "raw": true, "control": true, "owner": true,
		"reason": true, "liveness": true, "replay": true, "wake_target_scope": true, "wake_delivery": true, "process_caused_by": true,
		"terminal": true, "wake": true, "when": true, "dedupe_key": true, "kind": true, "fields": true, "await_output": true, "event_invocation": true, "event_type": true,
	}
	for _, c := range forms {
		var members map[string]json.RawMessage
		if json.Unmarshal([]byte(c.text), &members) != nil {
			continue
		}
		for name := range members {
			if optional[name] {
				continue
			}
			t.Run(c.name+" is not read without its "+name, func(t *testing.T) {
				rest := map[string]json.RawMessage{}
				for other, value := range members {
					if other != name {
						rest[other] = value
					}
				}
				if c.name == "an effect in a turn" && name == "turn_id" {
					t.Skip("optional with this kind")
				}
				text, _ := json.Marshal(rest)
				back := reflect.New(reflect.TypeOf(c.value))
				if err := json.Unmarshal(text, back.Interface()); !errors.Is(err, registry.ErrInvalidArgument) {
					t.Errorf("%s: %v", text, err)
				}
			})
		}
	}
}

func TestReadingRules(t *testing.T) {
	read := func(into any, text string) error { return json.Unmarshal([]byte(text), into) }
	field := func(err error) string {
		var e *registry.Error
		if errors.As(err, &e) {
			return e.Fields.Field
		}
		return ""
	}
	t.Run("null in an optional member means absent", func(t *testing.T) {
		var i registry.ProcessIdentity
		if err := read(&i, `{"kind":"k","label":null,"definition":null}`); err != nil || i.Label != nil || i.Definition != nil {
			t.Errorf("%+v %v", i, err)
		}
	})
	t.Run("null in a defaulted member is refused", func(t *testing.T) {
		var o registry.LeaseOwnerIdentity
		if err := read(&o, `{"owner_id":"w","incarnation_id":"i","liveness":null}`); field(err) != "liveness" {
			t.Error(err)
		}
		var r registry.ProcessRecord
		if err := read(&r, strings.Replace(smallRecordText, `"created_at_ms":1`, `"created_at_ms":null`, 1)); field(err) != "created_at_ms" {
			t.Error(err)
		}
	})
	t.Run("defaults are filled in", func(t *testing.T) {
		var r registry.ProcessRecord
		err := read(&r, `{"id":"p","registration_hash":"h","input":{"type":"engine","kind":"e"},"disposition":"rerunnable","identity":{"kind":"k"},"provenance":{"originator":{"type":"host"}}}`)
		if err != nil || r.Status.State != registry.StateRunning || string(r.Input.Payload) != "null" || r.Fencing != registry.FencingOptional {
			t.Errorf("%+v %v", r, err)
		}
		var w registry.WakeSpec
		if err := read(&w, `{"input":{"template":{"template":""}}}`); err != nil || w.DedupeKey.Kind != registry.DedupeEventIdentity {
			t.Errorf("%+v %v", w, err)
		}
		var d registry.ProcessWakeDelivery
		err = read(&d, `{"wake_id":"w","target_session_id":"s","target_scope_id":"t","process_id":"p","sequence":1,"dedupe_key":"d","input":"i","created_at_ms":3}`)
		if err != nil || d.EventType != "process.wake" || d.EventReplayKey != "" {
			t.Errorf("%+v %v", d, err)
		}
	})
	t.Run("integers are read in full and nothing else is read as one", func(t *testing.T) {
		for text, ok := range map[string]bool{"18446744073709551615": true, "0": true, "18446744073709551616": false, "-1": false, "-0": false, "1.0": false, "1e2": false, `"1"`: false, "null": false} {
			var f registry.Fence
			err := read(&f, `{"lease_token":"t","fencing_token":`+text+`}`)
			if (err == nil) != ok || !ok && field(err) != "fencing_token" {
				t.Errorf("%s: %v", text, err)
			}
		}
	})
	t.Run("a pid is read as 32 bits", func(t *testing.T) {
		var o registry.LeaseOwnerIdentity
		if err := read(&o, strings.Replace(sampleOwnerText, "4294967295", "4294967296", 1)); field(err) != "liveness.pid" {
			t.Errorf("%v", err)
		}
	})
	t.Run("names must match in case", func(t *testing.T) {
		var f registry.Fence
		if err := read(&f, `{"Lease_Token":"t","fencing_token":1}`); field(err) != "lease_token" {
			t.Errorf("%v", err)
		}
	})
	t.Run("the last of equal names wins", func(t *testing.T) {
		var f registry.Fence
		if err := read(&f, `{"lease_token":1,"fencing_token":1,"lease_\u0074oken":"t"}`); err != nil || f.LeaseToken != "t" {
			t.Errorf("%+v %v", f, err)
		}
	})
	t.Run("positional arrays are refused", func(t *testing.T) {
		var p registry.ProcessAwaitOutput
		if err := read(&p, `["cancelled","msg"]`); !errors.Is(err, registry.ErrInvalidArgument) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a variant has exactly one member", func(t *testing.T) {
		for _, text := range []string{`{}`, `{"pointer":"/a","present":"/b"}`, `{"payload":null}`, `"pointer"`, `{"other":1}`, `{"pointer":1}`, `{"template":{"fields":{}}}`} {
			var s registry.Selector
			if err := read(&s, text); !errors.Is(err, registry.ErrInvalidArgument) {
				t.Errorf("%s: %v", text, err)
			}
		}
	})
	t.Run("template fields are sorted bytewise, the last of equal ones winning", func(t *testing.T) {
		var s registry.Selector
		if err := read(&s, `{"template":{"template":"","fields":{"b":"payload","a":"payload","b":{"const":1}}}}`); err != nil {
			t.Fatal(err)
		}
		if len(s.Fields) != 2 || s.Fields[0].Name != "a" || s.Fields[1].Selector.Kind != registry.SelectConst {
			t.Errorf("%+v", s.Fields)
		}
	})
	t.Run("errors name the member by its path", func(t *testing.T) {
		var r registry.ProcessRegistration
		err := read(&r, `{"id":"p","input":{"type":"external"},"disposition":"rerunnable","identity":{"kind":"k"},"provenance":{"originator":{"type":"host"}},
			"event_types":[{"name":"n","payload_schema":{"schema":{}},"semantics":{}},{"name":"n","payload_schema":{"schema":{}},"semantics":{"terminal":{"state":"running"}}}]}`)
		if field(err) != "event_types[1].semantics.terminal.state" {
			t.Errorf("%v", err)
		}
	})
	t.Run("a point of time knows no other members and no more than a second of nanoseconds", func(t *testing.T) {
		for text, want := range map[string]string{
			`{"secs_since_epoch":1,"nanos_since_epoch":0,"x":1}`:                   "occurred_at.x",
			`{"secs_since_epoch":1,"nanos_since_epoch":1000000000}`:                "occurred_at.nanos_since_epoch",
			`{"secs_since_epoch":18446744073709551615,"nanos_since_epoch":0}`:      "occurred_at.secs_since_epoch",
			`{"secs_since_epoch":1}`:                                               "occurred_at.nanos_since_epoch",
			`{"secs_since_epoch":18446744073709550,"nanos_since_epoch":999999999}`: "",
		} {
			var v registry.ProcessEvent
			err := read(&v, strings.Replace(sampleEventText, `{"secs_since_epoch":1234567890,"nanos_since_epoch":123000000}`, text, 1))
			if field(err) != want || want == "" && (err != nil || v.OccurredAtMs != 18446744073709550999) {
				t.Errorf("%s: %v %d", text, err, v.OccurredAtMs)
			}
		}
	})
	t.Run("free JSON may be nested to its own limit inside of a document", func(t *testing.T) {
		deep := strings.Repeat("[", 128) + strings.Repeat("]", 128)
		text := "[" + strings.Replace(smallRecordText, `"metadata":null`, `"metadata":`+deep, 1) + "]"
		var records []registry.ProcessRecord
		if err := read(&records, text); err != nil || string(records[0].Input.Metadata) != deep {
			t.Error(err)
		}
	})
}

func TestMarshalingRefuses(t *testing.T) {
	for name, value := range map[string]any{
		"an unknown input kind":        registry.ProcessInput{},
		"a missing call":               registry.ProcessInput{Kind: registry.InputToolCall},
		"an unknown causal kind":       registry.CausalRef{},
		"a turn without its id":        registry.CausalRef{Kind: registry.CausalTurn},
		"an unknown selector":          registry.Selector{},
		"a dedupe key without content": registry.DedupeKey{Kind: registry.DedupeSelector},
		"an unknown output kind":       registry.ProcessAwaitOutput{},
		"a success without a value":    registry.ProcessAwaitOutput{Kind: registry.OutputSuccess},
		"an abandonment unproven":      registry.ProcessAwaitOutput{Kind: registry.OutputAbandoned},
		"an unknown state":             registry.ProcessStatus{},
		"a terminal without output":    registry.ProcessStatus{State: registry.StateFailed},
		"an unknown wait kind":         registry.WaitState{},
		"an unknown liveness":          registry.LeaseOwnerLiveness{Kind: "other"},
		"an outcome of neither kind":   registry.ProcessLeaseClaimOutcome{},
		"an outcome of both kinds":     registry.ProcessLeaseClaimOutcome{Acquired: &sampleLease, Busy: &sampleLease},
		"a string that is not UTF-8":   registry.Replay{Key: "\xff"},
		"an event without a payload":   registry.ProcessEvent{},
	} {
		t.Run(name+" has no form", func(t *testing.T) {
			if _, err := json.Marshal(value); !errors.Is(err, registry.ErrInvalidArgument) {
				t.Errorf("json.Marshal says %v", err)
			}
			if _, err := registry.MarshalJSONText(value); !errors.Is(err, registry.ErrInvalidArgument) {
				t.Errorf("MarshalJSONText says %v", err)
			}
		})
	}
}

func TestMarshalJSONText(t *testing.T) {
	for _, c := range []form{
		{"a slice of our types keeps free JSON as sent", []registry.ProcessInput{{Kind: registry.InputExternal, Metadata: registry.JSON(`{ "b":"<" }`)}}, `[{"type":"external","metadata":{ "b":"<" }}]`},
		{"a nil slice is an empty list", []registry.Fence(nil), `[]`},
		{"a map is sorted by key", map[string]any{"b": registry.Originator{}, "a": []any{1, nil, "<&>"}}, `{"a":[1,null,"<&>"],"b":{"type":"host"}}`},
		{"a nil pointer is null", (*registry.ProcessLease)(nil), `null`},
		{"nothing is null", nil, `null`},
		{"a pointer is what it points to", &registry.Originator{}, `{"type":"host"}`},
		{"free JSON is itself", registry.JSON(` { "a":1.0 }`), ` { "a":1.0 }`},
		{"an absent value is null", registry.JSON(nil), `null`},
		{"a struct of others is taken too", registry.ProcessPruneReport{PrunedEvents: 1}, `{"pruned_processes":0,"pruned_events":1}`},
		{"an embedded struct is flat", registry.MemberState{ID: "<n1>"}, `{"id":"<n1>"}`},
		{"bytes are base64", []byte{1, 2}, `"AQI="`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := registry.MarshalJSONText(c.value)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.text {
				t.Errorf("got %s, want %s", got, c.text)
			}
		})
	}
	t.Run("what has no form is an error", func(t *testing.T) {
		for _, value := range []any{make(chan int), registry.JSON("{"), []any{registry.Selector{}}, map[string]any{"a": registry.Selector{}}} {
			if text, err := registry.MarshalJSONText(value); err == nil {
				t.Errorf("%T became %s", value, text)
			}
		}
	})
}
