package registrytest

import (
	"strings"

	"github.com/holdfast-registry/holdfast/registry"
)

var jsonChecks = []Check{
	{
		Name: "the registration hash of the worked example",
		Why:  "spec 2.4 example 3, 5.2: over the whole registration with the core types appended",
		check: func(s *scene) {
			// The id is part of the example, so this process is the same one for
			// all runs; registering it again is fine.
			registration := declaring("proc-idempotent")
			equal(s, "registration_hash", s.register(registration).RegistrationHash, "630d34e14a344d2cd2e6171292f7edf9961fb9beeeef570328a81c73fb613474")
		},
	},
	{
		Name: "a registration hash is over the declared order and the canonical text",
		Why:  "spec 2.3: declaration order for structures, sorted keys in free JSON and template fields",
		check: func(s *scene) {
			id := s.id("p")
			tmpl := template("{a}", field("b", payload()), field("a", present("/x")))
			registration := declaring(id, wakeType("w", registry.WakeSpec{When: ref(pointer("/on")), Input: tmpl,
				DedupeKey: registry.DedupeKey{Kind: registry.DedupeConst, Const: "<&>"}}))
			registration.Input = registry.ProcessInput{Kind: registry.InputEngine, Engine: "lua", Payload: registry.JSON(`{ "z":1E16, "a":"\u00e9\u2028" }`)}
			registration.EnvRef = ref("env")
			registration.Disposition = registry.OwnerBound
			registration.Identity = registry.ProcessIdentity{Kind: "lua", Label: ref("l"), Definition: registry.JSON(`[-0]`)}
			registration.Provenance = registry.Provenance{Originator: registry.Originator{Scope: &registry.SessionScope{SessionID: "s", AgentFrameID: "f"}},
				CausedBy: &registry.CausalRef{Kind: registry.CausalEffect, SessionID: "s", EffectID: "e"}}
			registration.WakeTarget = &registry.SessionScope{SessionID: "t"}
			registration.Fencing = registry.FencingRequired
			want := `{"id":"` + id + `","input":{"type":"engine","kind":"lua","payload":{"a":"` + "\u00e9\u2028" + `","z":1e+16}},"disposition":"owner_bound",` +
				`"identity":{"kind":"lua","label":"l","definition":[-0.0]},"event_types":[` +
				`{"name":"w","payload_schema":{"schema":{}},"semantics":{"wake":{"when":{"pointer":"/on"},"input":{"template":{"template":"{a}","fields":{"a":{"present":"/x"},"b":"payload"}}},"dedupe_key":{"const":"<&>"}}}},` +
				coreTypesText + `],"provenance":{"originator":{"type":"session","scope":{"session_id":"s","agent_frame_id":"f"}},"caused_by":{"type":"effect","session_id":"s","effect_id":"e"}},` +
				`"env_ref":"env","wake_target":{"session_id":"t"},"fencing":"required"}`
			equal(s, "registration_hash", s.register(registration).RegistrationHash, sha(want))
		},
	},
	{
		Name: "the canonical text of the worked example",
		Why:  "spec 2.4 example 4, 2.3: escapes and numbers",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), wakeType("producer.line", registry.WakeSpec{Input: payload()}))).ID
			text := "{\"a\":\"\u00e9/<\u2028\\u0001\u007f\\b\\f\\n\\r\\t\\\"\\\\\",\"n\":[1,1.0,-1,18446744073709551615,1e+16,1000000000000000.0,0.00001,1e-6,-0.0,1.5]}"
			equal(s, "the digest of what is expected", sha(`["producer.line",`+text+`]`), "fc4eb2c8bb206d2adb07af94882fe518c4c6c33019235b938cb1c1c64b06cec5")
			sent := `{ "n":[1,1e0,-1,18446744073709551615,10000000000000000.0,1e15,1e-5,0.000001,-0,15e-1],` +
				` "a":"\u00E9\/\u003c\u2028\u0001\u007F\u0008\u000c\u000A\u000d\u0009\u0022\u005c" }`
			equal(s, "the canonical text", s.append(id, event("producer.line", sent, "")).Event.Semantics.Wake.Input, text)
		},
	},
	{
		Name: "floats print as their shortest digits",
		Why:  "spec 2.3: fixed from 1e-5 up to below 1e16, else with an exponent that is signed and not padded",
		check: func(s *scene) {
			for value, text := range map[string]string{
				`0.1`: `0.1`, `100.0`: `100.0`, `123456789012345680.0`: `1.2345678901234568e+17`, `9999999999999998.0`: `9999999999999998.0`,
				`1e-5`: `0.00001`, `9.9e-6`: `9.9e-6`, `1e300`: `1e+300`, `1.5E-300`: `1.5e-300`, `-2.50`: `-2.5`, `5e-324`: `5e-324`,
				`1.7976931348623157e308`: `1.7976931348623157e+308`, `0e5`: `0.0`, `-0.0`: `-0.0`, `18446744073709551616`: `1.8446744073709552e+19`,
				`-9223372036854775808`: `-9223372036854775808`, `-9223372036854775809`: `-9.223372036854776e+18`,
			} {
				selects(s, payload(), value, text)
			}
		},
	},
	{
		Name: "keys are sorted by their bytes, and the last of equal ones counts",
		Why:  "spec 2.2, 2.3: code point order, NOT UTF-16; duplicates: last one wins",
		check: func(s *scene) {
			selects(s, payload(), `{"😀":1,"ｚ":2,"é":3,"a":4,"aa":5,"B":6,"":7}`, `{"":7,"B":6,"a":4,"aa":5,"é":3,"ｚ":2,"😀":1}`)
			selects(s, payload(), `{"a":1,"b":{"c":1,"c":2},"\u0061":3}`, `{"a":3,"b":{"c":2}}`)
			selects(s, pointer("/a"), `{"a":1,"a":2}`, `2`)
		},
	},
	{
		Name: "free JSON comes back byte for byte",
		Why:  "spec A13: raw bytes end to end",
		check: func(s *scene) {
			const value = "{ \"b\" : 1.0, \"b\":2,\n\"a\":\"\\u00e9\\/<&>\u2028\", \"n\":18446744073709551616, \"e\":1E+2 }"
			registration := plain(s.id("p"))
			registration.Input.Metadata = registry.JSON(value)
			registration.Identity.Definition = registry.JSON(value)
			registration.EventTypes = append(registration.EventTypes, wakeType("w", registry.WakeSpec{Input: constant(value)}), schemaType("s", "{ \"type\" : \"string\" }"))
			id := s.register(registration).ID
			got := s.get(id)
			equal(s, "metadata", string(got.Input.Metadata), value)
			equal(s, "definition", string(got.Identity.Definition), value)
			equal(s, "constant", string(got.EventTypes[1].Semantics.Wake.Input.Const), value)
			equal(s, "schema", string(got.EventTypes[2].PayloadSchema), "{ \"type\" : \"string\" }")
			s.note(id, value)
			equal(s, "payload", string(s.eventsAfter(id, 0)[0].Payload), value)
			s.complete(id, success(value))
			equal(s, "output", string(s.get(id).Status.AwaitOutput.Value), value)
		},
	},
	{
		Name: "what is no JSON is invalid everywhere",
		Why:  "spec A13: a non-finite number is InvalidArgument; 2.1",
		check: func(s *scene) {
			id := s.process("p")
			for _, value := range []string{
				"", " ", "nul", "{", `{"a":1,}`, `[1,]`, `{a:1}`, `'a'`, `01`, `1.`, `.5`, `+1`, `1e400`, `-1e400`, `NaN`, `"\x"`, `"\ud800"`, `"\udc00\ud800"`,
				"\"\xff\"", "\"a\nb\"", `1 2`, `"a`, "\ufeff1",
			} {
				s.Logf("value %q", value)
				s.refused(registry.CodeInvalidArgument, failure(s.AppendEvent(s.ctx, id, event("note", value, ""), nil)))
				s.refused(registry.CodeInvalidArgument, failure(s.CompleteProcess(s.ctx, id, success(value), nil)))
			}
			for _, value := range []string{"nul", `1e400`, `"\ud800"`} {
				registration := plain(s.id("q"))
				registration.Input.Metadata = registry.JSON(value)
				s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, registration)))
				s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, declaring(s.id("q"), schemaType("t", value)))))
				s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, declaring(s.id("q"), wakeType("t", registry.WakeSpec{Input: constant(value)})))))
				s.refused(registry.CodeInvalidArgument, failure(s.SetExternalRef(s.ctx, id, registry.ProcessExternalRef{Backend: "b", ID: "i", Metadata: registry.JSON(value)}, nil)))
				s.refused(registry.CodeInvalidArgument, failure(s.ListProcesses(s.ctx, registry.ProcessListFilter{Definition: registry.JSON(value)}, registry.PageRequest{})))
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
		},
	},
	{
		Name: "values nest as deep as 128",
		Why:  "spec A16: nesting of a JSON value",
		check: func(s *scene) {
			id := s.process("p")
			s.note(id, strings.Repeat("[", 128)+strings.Repeat("]", 128))
			s.refused(registry.CodeInvalidArgument, failure(s.AppendEvent(s.ctx, id, event("note", strings.Repeat("[", 129)+strings.Repeat("]", 129), ""), nil)))
		},
	},
	{
		Name: "a cancel key is made of the payload hash",
		Why:  "spec 2.4 example 2: the text, its digest and the key",
		check: func(s *scene) {
			equal(s, "digest of a reason", sha(`["process.cancel_requested",{"reason":"stop"}]`), "85a6238fa9840bc3105d1a06ca03df61803080fefa838ab687d36662275be019")
			equal(s, "digest without one", sha(`["process.cancel_requested",{"reason":null}]`), "5532b5f3befaa3efc27b125b501ee870e6405e058b099410f23165e543d2a782")
			// What clients send is what the contract says.
			for payload, reason := range map[string]*string{`{"reason":"stop"}`: ref("stop"), `{"reason":null}`: nil} {
				s.same("the request", registry.CancelRequest("proc-terminal", reason), cancel("proc-terminal", payload))
			}
		},
	},
}

// coreTypesText is the canonical text of the seven core types.
const coreTypesText = `{"name":"process.cancel_requested","payload_schema":{"schema":{}},"semantics":{}},` +
	`{"name":"process.waiting","payload_schema":{"schema":{}},"semantics":{}},` +
	`{"name":"process.resumed","payload_schema":{"schema":{}},"semantics":{}},` +
	`{"name":"process.completed","payload_schema":{"schema":{}},"semantics":{"terminal":{"state":"completed","await_output":{"pointer":"/await_output"}}}},` +
	`{"name":"process.failed","payload_schema":{"schema":{}},"semantics":{"terminal":{"state":"failed","await_output":{"pointer":"/await_output"}}}},` +
	`{"name":"process.cancelled","payload_schema":{"schema":{}},"semantics":{"terminal":{"state":"cancelled","await_output":{"pointer":"/await_output"}}}},` +
	`{"name":"process.abandoned","payload_schema":{"schema":{}},"semantics":{"terminal":{"state":"abandoned","await_output":{"pointer":"/await_output"}}}}`
