package registrytest

import (
	"fmt"
	"strings"

	"github.com/holdfast-registry/holdfast/registry"
)

var formChecks = []Check{
	{
		Name: "the form of a record",
		Why:  "spec 3.13: fields in this order, optional ones omitted",
		check: func(s *scene) {
			r := s.register(declaring(s.id("p")))
			equal(s, "a new record", s.form(r), fmt.Sprintf(`{"id":"%s","registration_hash":"%s","input":{"type":"external","metadata":null},"disposition":"externally_owned",`+
				`"identity":{"kind":"external"},"event_types":[%s],"provenance":{"originator":{"type":"host"}},"created_at_ms":%d,"updated_at_ms":%d,"status":{"state":"running"},"life":%d,"revision":%d}`,
				r.ID, r.RegistrationHash, coreTypesText, r.CreatedAtMs, r.UpdatedAtMs, r.Life, r.Revision))
		},
	},
	{
		Name: "the form of a record with all of its facts",
		Why:  "spec 3.13, 3.16: external_ref, first_started, abandon_request, wait, status, then life, revision and fencing",
		check: func(s *scene) {
			registration := fenced(s.id("p"))
			registration.EventTypes = nil
			registration.WakeTarget = &registry.SessionScope{SessionID: s.id("s"), AgentFrameID: "f"}
			id := s.register(registration).ID
			fence := s.claim(id, owner("w", "1"), longTTL).Fence()
			s.externalRef(id, registry.ProcessExternalRef{Backend: "b", ID: "i", Metadata: registry.JSON(`{"m":1}`)})
			s.requestAbandon(id, registry.AbandonRequest{RequestedBy: "a", RequestedAtMs: 2, Reason: ref("r")})
			s.done(failure(s.RecordFirstStarted(s.ctx, id, registry.ProcessStarted{Owner: local("w", "1", "h", "b", 7), StartedAtMs: 1}, fence)))
			s.done(failure(s.SetProcessWait(s.ctx, id, registry.WaitState{Kind: registry.WaitSignal, Name: "n", EventType: "signal.n", Key: "k", Ordinal: 4, SinceMs: 3}, fence)))
			r := s.get(id)
			_, facts, _ := strings.Cut(s.form(r), `"wake_target":`)
			equal(s, "the rest of the record", facts, fmt.Sprintf(`{"session_id":"%s","agent_frame_id":"f"},"created_at_ms":%d,"updated_at_ms":%d,`+
				`"external_ref":{"backend":"b","id":"i","metadata":{"m":1}},`+
				`"first_started":{"owner":{"owner_id":"w","incarnation_id":"1","liveness":{"kind":"local_process","host_id":"h","boot_id":"b","pid":7,"process_start":"77"}},"started_at_ms":1},`+
				`"abandon_request":{"requested_by":"a","requested_at_ms":2,"reason":"r"},`+
				`"wait":{"kind":{"kind":"signal","name":"n","event_type":"signal.n","key":"k","ordinal":4},"since_ms":3},`+
				`"status":{"state":"running"},"life":%d,"revision":%d,"fencing":"required"}`, s.id("s"), r.CreatedAtMs, r.UpdatedAtMs, r.Life, r.Revision))
		},
	},
	{
		Name: "the forms of a status",
		Why:  "spec 3.14, 3.15",
		check: func(s *scene) {
			for i, form := range []string{
				`{"state":"completed","await_output":{"type":"success","value":{"b":1,"a":2}}}`,
				`{"state":"failed","await_output":{"type":"failure","class":"timeout","code":"late","message":"too late"}}`,
				`{"state":"cancelled","await_output":{"type":"cancelled","message":"not wanted"}}`,
				`{"state":"abandoned","await_output":{"type":"abandoned","evidence":{"writer":"sweep","epoch_ms":5}}}`,
			} {
				id := s.process(fmt.Sprint(i))
				equal(s, "status", s.form(s.complete(id, outputs[i].output).Status), form)
			}
		},
	},
	{
		Name: "all inputs are kept and have their forms",
		Why:  "spec 3.6: opaque parts stored and returned losslessly; the default null is written back",
		check: func(s *scene) {
			for i, c := range []struct {
				input registry.ProcessInput
				form  string
			}{
				{registry.ProcessInput{Kind: registry.InputToolCall, Call: registry.JSON(`{"call_id":"c","x":1.0}`)}, `{"type":"tool_call","call":{"call_id":"c","x":1.0}}`},
				{registry.ProcessInput{Kind: registry.InputEngine, Engine: "lua", Payload: registry.JSON(`[1]`)}, `{"type":"engine","kind":"lua","payload":[1]}`},
				{registry.ProcessInput{Kind: registry.InputEngine, Engine: "lua"}, `{"type":"engine","kind":"lua","payload":null}`},
				{registry.ProcessInput{Kind: registry.InputSessionTurn, CreateRequest: registry.JSON(`{"a":1}`), TurnInput: registry.JSON(`[]`), OutputContract: registry.JSON(`{"kind":"static"}`)},
					`{"type":"session_turn","create_request":{"a":1},"turn_input":[],"output_contract":{"kind":"static"}}`},
				{registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(`{"label":5}`)}, `{"type":"external","metadata":{"label":5}}`},
				{registry.ProcessInput{Kind: registry.InputExternal}, `{"type":"external","metadata":null}`},
			} {
				registration := plain(s.id(fmt.Sprint(i)))
				registration.Input = c.input
				if c.input.Kind == registry.InputToolCall || c.input.Kind == registry.InputEngine {
					registration.EnvRef = ref("env")
				}
				s.register(registration)
				equal(s, "input", s.form(s.get(registration.ID).Input), c.form)
			}
		},
	},
	{
		Name: "an input that lacks what its kind needs is invalid",
		Why:  "spec 3.6, 2.1: a missing field of free JSON that has no default is an error",
		check: func(s *scene) {
			for _, input := range []registry.ProcessInput{
				{}, {Kind: "other"}, {Kind: registry.InputToolCall}, {Kind: registry.InputSessionTurn, CreateRequest: registry.JSON(`1`), TurnInput: registry.JSON(`1`)},
			} {
				registration := plain(s.id("p"))
				registration.Input = input
				if input.Kind == registry.InputToolCall {
					registration.EnvRef = ref("env")
				}
				s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, registration)))
			}
		},
	},
	{
		Name: "all causes and originators are kept and have their forms",
		Why:  "spec 3.3, 3.4",
		check: func(s *scene) {
			for i, c := range []struct {
				cause registry.CausalRef
				form  string
			}{
				{registry.CausalRef{Kind: registry.CausalTurn, SessionID: "s", TurnID: ref("t")}, `{"type":"turn","session_id":"s","turn_id":"t"}`},
				{registry.CausalRef{Kind: registry.CausalEffect, SessionID: "s", TurnID: ref("t"), EffectID: "e"}, `{"type":"effect","session_id":"s","turn_id":"t","effect_id":"e"}`},
				{registry.CausalRef{Kind: registry.CausalEffect, SessionID: "s", EffectID: "e"}, `{"type":"effect","session_id":"s","effect_id":"e"}`},
				{registry.CausalRef{Kind: registry.CausalToolCall, SessionID: "s", CallID: "c"}, `{"type":"tool_call","session_id":"s","call_id":"c"}`},
				{registry.CausalRef{Kind: registry.CausalProcess, ProcessID: "p"}, `{"type":"process","process_id":"p"}`},
				{registry.CausalRef{Kind: registry.CausalProcessEvent, ProcessID: "p", Sequence: maxUint64}, `{"type":"process_event","process_id":"p","sequence":18446744073709551615}`},
				{registry.CausalRef{Kind: registry.CausalTriggerOccurrence, OccurrenceID: "o"}, `{"type":"trigger_occurrence","occurrence_id":"o"}`},
				{registry.CausalRef{Kind: registry.CausalSessionNode, SessionID: "s", NodeID: "n"}, `{"type":"session_node","session_id":"s","node_id":"n"}`},
			} {
				registration := plain(s.id(fmt.Sprint(i)))
				registration.Provenance = registry.Provenance{Originator: registry.Originator{Scope: &registry.SessionScope{SessionID: "s"}}, CausedBy: &c.cause}
				s.register(registration)
				equal(s, "provenance", s.form(s.get(registration.ID).Provenance), `{"originator":{"type":"session","scope":{"session_id":"s"}},"caused_by":`+c.form+`}`)
			}
		},
	},
	{
		Name: "all event types are kept and have their forms",
		Why:  "spec 3.8",
		check: func(s *scene) {
			dedupe := registry.DedupeKey{Kind: registry.DedupeSelector, Selector: ref(constant(`{"a":1}`))}
			wake := wakeType("w", registry.WakeSpec{When: ref(present("/a")), Input: template("{x}", field("x", payload())), DedupeKey: dedupe})
			r := s.register(declaring(s.id("p"), wake, wakeType("v", registry.WakeSpec{Input: pointer("/b")}), terminalType("t", registry.StateCompleted, nil)))
			for i, form := range []string{
				`{"name":"w","payload_schema":{"schema":{}},"semantics":{"wake":{"when":{"present":"/a"},"input":{"template":{"template":"{x}","fields":{"x":"payload"}}},"dedupe_key":{"selector":{"const":{"a":1}}}}}}`,
				`{"name":"v","payload_schema":{"schema":{}},"semantics":{"wake":{"input":{"pointer":"/b"},"dedupe_key":"event_identity"}}}`,
				`{"name":"t","payload_schema":{"schema":{}},"semantics":{"terminal":{"state":"completed"}}}`,
			} {
				equal(s, "event type", s.form(r.EventTypes[i]), form)
			}
		},
	},
	{
		Name: "the form of an event",
		Why:  "spec 3.10, 3.11: the invocation, and occurred_at in whole milliseconds",
		check: func(s *scene) {
			both := wakeType("end", registry.WakeSpec{Input: constant(`"up"`), DedupeKey: registry.DedupeKey{Kind: registry.DedupeConst, Const: "d"}})
			both.Semantics.Terminal = &registry.TerminalSpec{State: registry.StateCompleted}
			id := s.register(declaring(s.id("p"), eventType("note"), both)).ID
			s.note(id, `{"x": 1}`)
			s.append(id, event("end", `2`, "k"))
			for i, e := range s.eventsAfter(id, 0) {
				head, replay, semantics := `"payload":{"x": 1}`, ``, `{}`
				if i == 1 {
					head, replay = `"payload":2`, `,"replay":{"key":"k"}`
					semantics = `{"terminal":{"state":"completed","await_output":{"type":"success","value":2}},"wake":{"input":"up","dedupe_key":"d"}}`
				}
				head = strings.ReplaceAll(head, `{"x": 1}`, `{"x":1}`)
				equal(s, "event", s.form(e), fmt.Sprintf(`{"process_id":"%s","sequence":%d,"event_type":"%s",%s,"invocation":{"scope":{"session_id":"runtime"},`+
					`"subject":{"type":"process_event","process_id":"%s","sequence":%d,"event_type":"%s"},"caused_by":{"type":"process","process_id":"%s"}%s},"semantics":%s,`+
					`"occurred_at":{"secs_since_epoch":%d,"nanos_since_epoch":%d}}`, id, i+1, e.EventType, head, id, i+1, e.EventType, id, replay, semantics,
					e.OccurredAtMs/1000, e.OccurredAtMs%1000*1_000_000))
			}
		},
	},
	{
		Name: "the form of a delivery",
		Why:  "spec 3.12",
		check: func(s *scene) {
			registration := waking(s.id("p"), nil)
			registration.Provenance.CausedBy = &registry.CausalRef{Kind: registry.CausalProcess, ProcessID: "q"}
			id := s.register(registration).ID
			d := s.append(id, aimed(event("wake", `"in"`, "k"), registry.SessionScope{SessionID: "s", AgentFrameID: "f"})).WakeDelivery
			equal(s, "delivery", s.form(d), fmt.Sprintf(`{"wake_id":"%s","target_session_id":"s","target_scope_id":"session:s/frame:f","process_id":"%s","sequence":1,"event_type":"wake",`+
				`"event_invocation":{"scope":{"session_id":"runtime"},"subject":{"type":"process_event","process_id":"%s","sequence":1,"event_type":"wake"},"caused_by":{"type":"process","process_id":"%s"},"replay":{"key":"k"}},`+
				`"process_caused_by":{"type":"process","process_id":"q"},"dedupe_key":"%s:1","input":"in","created_at_ms":%d}`, d.WakeID, id, id, id, id, d.CreatedAtMs))
		},
	},
	{
		Name: "the forms of leases and claims",
		Why:  "spec 3.17: schema_version 2; Acquired and Busy with capitals",
		check: func(s *scene) {
			id := s.process("p")
			outcome, err := s.ClaimProcessLease(s.ctx, id, owner("w", "1"), longTTL)
			lease := s.acquired(outcome, err)
			form := func(l registry.ProcessLease) string {
				return fmt.Sprintf(`{"schema_version":2,"process_id":"%s","owner":{"owner_id":"w","incarnation_id":"1","liveness":{"kind":"opaque"}},"lease_token":"%s","fencing_token":%d,"claimed_at_epoch_ms":%d,"expires_at_epoch_ms":%d}`,
					id, l.LeaseToken, l.FencingToken, l.ClaimedAtMs, l.ExpiresAtMs)
			}
			equal(s, "acquired", s.form(outcome), `{"Acquired":`+form(lease)+`}`)
			outcome, err = s.ClaimProcessLease(s.ctx, id, owner("v", "1"), longTTL)
			equal(s, "busy", s.form(outcome), `{"Busy":{"holder":`+form(s.busy(outcome, err))+`}}`)
		},
	},
	{
		Name: "the forms of grants and reports",
		Why:  "spec 3.18, 3.19: an entry is the pair [grant, record]",
		check: func(s *scene) {
			id := s.process("p")
			s.grantAs(s.frame("s", "f"), id, registry.ProcessHandleDescriptor{Label: ref("l")})
			entry := s.grants(s.frame("s", "f"))[0]
			equal(s, "entry", s.form(entry), fmt.Sprintf(`[{"session_id":"%s","process_id":"%s","descriptor":{"label":"l"}},%s]`, s.id("s"), id, s.form(s.get(id))))
			equal(s, "report", s.form(s.deleteSession(s.id("s"))), fmt.Sprintf(
				`{"session_id":"%s","revoked_handle_count":1,"deleted_wake_count":0,"orphaned_process_ids":["%s"],"preserved_process_ids":[]}`, s.id("s"), id))
		},
	},
	{
		Name: "a null in place of optional free JSON is nothing",
		Why:  "spec 2.1, 3.7: absent and null both mean empty",
		check: func(s *scene) {
			registration := plain(s.id("p"))
			registration.Identity.Definition = registry.JSON(`null`)
			first := s.register(registration)
			equal(s, "identity", s.form(first.Identity), `{"kind":"external"}`)
			registration.Identity.Definition = nil
			s.same("registered without one", s.register(registration), first)
		},
	},
}
