package registrytest

import (
	"strings"

	"github.com/holdfast-registry/holdfast/registry"
)

var registrationChecks = []Check{
	{
		Name: "a new process is running and has no optional fact",
		Why:  "spec 5.2: status running, created = updated = now, all optional facts absent",
		check: func(s *scene) {
			before := s.note(s.process("before"), `1`).OccurredAtMs
			r := s.register(plain(s.id("p")))
			equal(s, "id", r.ID, s.id("p"))
			equal(s, "state", r.Status.State, registry.StateRunning)
			s.holds(r.Status.AwaitOutput == nil, "there is an output: %+v", r.Status.AwaitOutput)
			s.holds(r.CreatedAtMs >= before, "created_at_ms is %d, and the clock stood at %d before", r.CreatedAtMs, before)
			equal(s, "updated_at_ms", r.UpdatedAtMs, r.CreatedAtMs)
			s.holds(r.ExternalRef == nil && r.FirstStarted == nil && r.AbandonRequest == nil && r.Wait == nil && r.EnvRef == nil && r.WakeTarget == nil,
				"an optional fact is set: %s", s.form(r))
			s.same("the record as it is read", s.get(r.ID), r)
		},
	},
	{
		Name: "registering writes no event and makes no lease",
		Why:  "spec 5.2: no event is written",
		check: func(s *scene) {
			id := s.process("p")
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
			s.holds(s.lease(id) == nil, "there is a lease")
		},
	},
	{
		Name: "an unknown process is not found",
		Why:  "spec 5.22, A7: a record or NotFound, so that an outage never looks like an unknown process",
		check: func(s *scene) {
			refusal := s.refused(registry.CodeNotFound, failure(s.GetProcess(s.ctx, s.id("none"))))
			equal(s, "process_id", refusal.Fields.ProcessID, s.id("none"))
		},
	},
	{
		Name: "the core types follow the declared ones in their order",
		Why:  "spec 4.1: each of the seven that is not declared is appended, in this order",
		check: func(s *scene) {
			r := s.register(declaring(s.id("p"), eventType("b"), eventType("a")))
			wantTypes(s, r, "b", "a", "process.cancel_requested", "process.waiting", "process.resumed",
				"process.completed", "process.failed", "process.cancelled", "process.abandoned")
		},
	},
	{
		Name: "core types that are declared stay where they are",
		Why:  "spec 4.1: declared ones are left as the producer wrote them",
		check: func(s *scene) {
			completed := terminalType("process.completed", registry.StateCompleted, ref(pointer("/await_output")))
			r := s.register(declaring(s.id("p"), completed, eventType("note"), eventType("process.waiting")))
			wantTypes(s, r, "process.completed", "note", "process.waiting", "process.cancel_requested", "process.resumed",
				"process.failed", "process.cancelled", "process.abandoned")
		},
	},
	{
		Name: "the core types have the any-schema and their semantics",
		Why:  "spec 4.1: three plain types, four terminal ones with the output at /await_output",
		check: func(s *scene) {
			r := s.register(declaring(s.id("p")))
			const head = `{"name":"process.`
			plain := `","payload_schema":{"schema":{}},"semantics":{}}`
			ends := func(state string) string {
				return head + state + `","payload_schema":{"schema":{}},"semantics":{"terminal":{"state":"` + state + `","await_output":{"pointer":"/await_output"}}}}`
			}
			want := []string{head + "cancel_requested" + plain, head + "waiting" + plain, head + "resumed" + plain,
				ends("completed"), ends("failed"), ends("cancelled"), ends("abandoned")}
			equal(s, "types", len(r.EventTypes), len(want))
			for i, t := range r.EventTypes {
				equal(s, "type", s.form(t), want[i])
			}
		},
	},
	{
		Name: "a core type may be declared again only as it is",
		Why:  "spec A17: identical semantics and the any-schema",
		check: func(s *scene) {
			output := ref(pointer("/await_output"))
			wakes := wakeType("process.waiting", registry.WakeSpec{Input: payload()})
			for name, t := range map[string]registry.ProcessEventType{
				"no semantics":     eventType("process.completed"),
				"other pointer":    terminalType("process.completed", registry.StateCompleted, ref(pointer("/output"))),
				"no pointer":       terminalType("process.completed", registry.StateCompleted, nil),
				"other state":      terminalType("process.completed", registry.StateFailed, output),
				"a schema":         schemaType("process.resumed", `{"type":"object"}`),
				"a wake":           wakes,
				"a terminal state": terminalType("process.cancel_requested", registry.StateCancelled, output),
			} {
				refusal := s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, declaring(s.id("p"), t))))
				s.holds(refusal.Fields.EventType == t.Name, "%s: the error names the event type %q", name, refusal.Fields.EventType)
			}
		},
	},
	{
		Name: "names like those of core types are free",
		Why:  "spec A17: the seven core types, no other name",
		check: func(s *scene) {
			s.register(declaring(s.id("p"), schemaType("process.progress", `{"type":"object"}`), schemaType("Process.completed", `false`)))
		},
	},
	{
		Name: "registering again returns the record unchanged",
		Why:  "spec 5.2: equal hash, no change, no event, no timestamp",
		check: func(s *scene) {
			registration := plain(s.id("p"))
			s.register(registration)
			s.note(registration.ID, `1`)
			before := s.get(registration.ID)
			s.unchanged(registration.ID, func() { s.same("the answer", s.register(registration), before) })
			equal(s, "events", len(s.eventsAfter(registration.ID, 0)), 1)
		},
	},
	{
		Name: "registering an ended process again revives nothing",
		Why:  "spec 5.2: the existing record, running or terminal",
		check: func(s *scene) {
			id := s.ended("p")
			before := s.get(id)
			s.unchanged(id, func() { s.same("the answer", s.register(plain(id)), before) })
		},
	},
	{
		Name: "spelling out the core types is the same registration",
		Why:  "spec 5.2: types are completed before hashing",
		check: func(s *scene) {
			first := s.register(plain(s.id("p")))
			spelled := plain(first.ID)
			spelled.EventTypes = first.EventTypes
			s.same("the answer", s.register(spelled), first)
		},
	},
	{
		Name: "equal JSON in another spelling is the same registration",
		Why:  "spec A13, 2.3: hashes use the canonical text",
		check: func(s *scene) {
			registration := declaring(s.id("p"), schemaType("note", `{"type":"object","required":["a"]}`))
			registration.Input.Metadata = registry.JSON(`{"a":1,"b":"A"}`)
			first := s.register(registration)
			registration.Input.Metadata = registry.JSON("{ \"b\" : \"\\u0041\",\n\"a\":1 }")
			registration.EventTypes = []registry.ProcessEventType{schemaType("note", `{ "required" : ["a"], "type":"object"}`)}
			s.same("the answer", s.register(registration), first)
		},
	},
	{
		Name: "every part of a registration tells it from another",
		Why:  "spec 3.9, 2.3, 5.2: the hash is over the whole registration",
		check: func(s *scene) {
			id := s.id("p")
			s.register(plain(id))
			for _, other := range variants(id) {
				s.refused(registry.CodeAlreadyExists, failure(s.RegisterProcess(s.ctx, other)))
			}
		},
	},
	{
		Name: "another registration conflicts and changes nothing",
		Why:  "spec 5.2: registration hash conflict, naming both hashes; A8: AlreadyExists",
		check: func(s *scene) {
			first := s.register(plain(s.id("p")))
			other := plain(first.ID)
			other.Identity.Kind = "other"
			elsewhere := other
			elsewhere.ID = s.id("q")
			s.unchanged(first.ID, func() {
				refusal := s.refused(registry.CodeAlreadyExists, failure(s.RegisterProcess(s.ctx, other)))
				equal(s, "existing_hash", refusal.Fields.ExistingHash, first.RegistrationHash)
				equal(s, "length of new_hash", len(refusal.Fields.NewHash), 64)
				s.holds(refusal.Fields.NewHash != first.RegistrationHash, "both hashes are %s", first.RegistrationHash)
				equal(s, "process_id", refusal.Fields.ProcessID, first.ID)
			})
		},
	},
	{
		Name: "another registration conflicts with an ended process too",
		Why:  "spec 5.2: existing row, other hash",
		check: func(s *scene) {
			id := s.ended("p")
			s.unchanged(id, func() {
				s.refused(registry.CodeAlreadyExists, failure(s.RegisterProcess(s.ctx, declaring(id))))
			})
		},
	},
	{
		Name: "equal registrations at the same time all succeed",
		Why:  "spec 5.2: concurrent equal registrations",
		check: func(s *scene) {
			const callers = 8
			var records [callers]registry.ProcessRecord
			var errs [callers]error
			atOnce(callers, func(i int) { records[i], errs[i] = s.RegisterProcess(s.ctx, plain(s.id("p"))) })
			for i := range callers {
				s.done(errs[i])
				s.same("the answers", records[i], records[0])
			}
		},
	},
	{
		Name: "of different registrations at the same time one wins",
		Why:  "spec 5.2: insert if absent, keyed by id",
		check: func(s *scene) {
			const callers = 8
			var errs [callers]error
			atOnce(callers, func(i int) {
				registration := plain(s.id("p"))
				registration.Identity.Label = ref(string(rune('a' + i)))
				_, errs[i] = s.RegisterProcess(s.ctx, registration)
			})
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
				} else {
					s.refused(registry.CodeAlreadyExists, err)
				}
			}
			equal(s, "registrations that succeeded", won, 1)
		},
	},
	{
		Name: "a blank id is invalid",
		Why:  "spec 5.2 rule 1: empty after trimming Unicode white space",
		check: func(s *scene) {
			for _, id := range []string{"", " ", "\u00a0\u2003", "\u3000"} {
				refusal := s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, plain(id))))
				equal(s, "field", refusal.Fields.Field, "id")
			}
		},
	},
	{
		Name: "an id is stored untrimmed",
		Why:  "spec 5.2 rule 1: the id itself is stored untrimmed",
		check: func(s *scene) {
			id := " " + s.id("p") + " "
			equal(s, "id", s.register(plain(id)).ID, id)
			s.refused(registry.CodeNotFound, failure(s.GetProcess(s.ctx, strings.TrimSpace(id))))
		},
	},
	{
		Name: "ids are compared byte by byte",
		Why:  "spec 3.1, 1: strings are compared bytewise; 2.3: no unicode normalisation",
		check: func(s *scene) {
			for _, name := range []string{"caf\u00e9", "cafe\u0301", "CAF\u00c9", "caf\u00e9 "} {
				id := s.id(name)
				s.refused(registry.CodeNotFound, failure(s.GetProcess(s.ctx, id)))
				s.register(plain(id))
			}
		},
	},
	{
		Name: "tool calls and engines need an execution environment",
		Why:  "spec 5.2 rule 2",
		check: func(s *scene) {
			for _, input := range []registry.ProcessInput{
				{Kind: registry.InputToolCall, Call: registry.JSON(`{}`)},
				{Kind: registry.InputEngine, Engine: "lua", Payload: registry.JSON(`null`)},
			} {
				registration := plain(s.id("p"))
				registration.Input = input
				refusal := s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, registration)))
				equal(s, "field", refusal.Fields.Field, "env_ref")
				registration.ID, registration.EnvRef = s.id(string(input.Kind)), ref("anything")
				equal(s, "env_ref", *s.register(registration).EnvRef, "anything")
			}
		},
	},
	{
		Name: "other inputs must not have an execution environment",
		Why:  "spec 5.2 rule 2",
		check: func(s *scene) {
			turn := registry.ProcessInput{Kind: registry.InputSessionTurn, CreateRequest: registry.JSON(`{}`), TurnInput: registry.JSON(`{}`), OutputContract: registry.JSON(`{}`)}
			for _, input := range []registry.ProcessInput{{Kind: registry.InputExternal}, turn} {
				registration := plain(s.id("p"))
				registration.Input, registration.EnvRef = input, ref("env")
				refusal := s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, registration)))
				equal(s, "field", refusal.Fields.Field, "env_ref")
			}
		},
	},
	{
		Name: "event types need a name that is not blank and comes once",
		Why:  "spec 5.2 rule 3",
		check: func(s *scene) {
			for _, types := range [][]registry.ProcessEventType{
				{eventType("a"), eventType("")}, {eventType("a"), eventType(" \u2003")}, {eventType("a"), eventType("a")},
				{eventType("process.waiting"), eventType("process.waiting")},
			} {
				refusal := s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, declaring(s.id("p"), types...))))
				s.holds(strings.HasPrefix(refusal.Fields.Field, "event_types[1]"), "the field is %q, want one of event_types[1]", refusal.Fields.Field)
			}
			s.register(declaring(s.id("p"), eventType("a"), eventType("A"), eventType("a ")))
		},
	},
	{
		Name: "only completed may lack an await output",
		Why:  "spec 5.2 rule 3: terminal state other than completed without await_output",
		check: func(s *scene) {
			for _, state := range []registry.ProcessState{registry.StateFailed, registry.StateCancelled, registry.StateAbandoned} {
				refusal := s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, declaring(s.id("p"), terminalType("end", state, nil)))))
				equal(s, "event_type", refusal.Fields.EventType, "end")
			}
			s.register(declaring(s.id("p"), terminalType("end", registry.StateCompleted, nil)))
		},
	},
	{
		Name: "registrations are checked in order",
		Why:  "spec 5.2: validation errors, in this order",
		check: func(s *scene) {
			broken := declaring(" ", eventType("a"), eventType("a"), terminalType("end", registry.StateFailed, nil), eventType(""))
			broken.Input = registry.ProcessInput{Kind: registry.InputEngine, Engine: "lua"}
			for _, step := range []struct {
				field string
				mend  func()
			}{
				{"id", func() { broken.ID = s.id("p") }},
				{"env_ref", func() { broken.EnvRef = ref("env") }},
				{"event_types[1]", func() { broken.EventTypes[1].Name = "b" }},
				{"event_types[2]", func() { broken.EventTypes[2].Semantics.Terminal.AwaitOutput = ref(payload()) }},
				{"event_types[3]", func() { broken.EventTypes[3].Name = "c" }},
			} {
				refusal := s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, broken)))
				s.holds(strings.HasPrefix(refusal.Fields.Field, step.field), "the field is %q, want %s", refusal.Fields.Field, step.field)
				step.mend()
			}
			s.register(broken)
		},
	},
	{
		Name: "a refused registration leaves nothing behind",
		Why:  "spec A10: all or nothing",
		check: func(s *scene) {
			s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, declaring(s.id("p"), eventType("")))))
			s.refused(registry.CodeNotFound, failure(s.GetProcess(s.ctx, s.id("p"))))
			s.process("p")
		},
	},
	{
		Name: "a disposition is required and need not fit the input",
		Why:  "spec 3.5: required everywhere, no default; the registry does not check that it fits",
		check: func(s *scene) {
			registration := plain(s.id("p"))
			for _, disposition := range []registry.RecoveryDisposition{"", "Rerunnable", "other"} {
				registration.Disposition = disposition
				s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, registration)))
			}
			for _, disposition := range []registry.RecoveryDisposition{registry.Rerunnable, registry.OwnerBound, registry.ExternallyOwned} {
				registration.ID, registration.Disposition = s.id(string(disposition)), disposition
				equal(s, "disposition", s.register(registration).Disposition, disposition)
			}
		},
	},
	{
		Name: "an identity is stored as it is given",
		Why:  "spec 3.7: the registry derives nothing",
		check: func(s *scene) {
			registration := plain(s.id("p"))
			registration.Input.Metadata = registry.JSON(`{"label":"not this"}`)
			registration.Identity = registry.ProcessIdentity{Kind: "", Label: ref(""), Definition: registry.JSON(`{"z":1, "a":[]}`)}
			s.same("identity", s.register(registration).Identity, registration.Identity)
		},
	},
	{
		Name: "whether fences are required is on the record",
		Why:  "spec A2, A12: fencing, omitted meaning optional",
		check: func(s *scene) {
			equal(s, "fencing", s.register(fenced(s.id("p"))).Fencing, registry.FencingRequired)
			optional := plain(s.id("q"))
			first := s.register(optional)
			optional.Fencing = registry.FencingOptional
			s.same("the answer when optional is said", s.register(optional), first)
			s.holds(!strings.Contains(s.form(first), "fencing"), "the record shows its fencing: %s", s.form(first))
			optional.Fencing = "sometimes"
			s.refused(registry.CodeInvalidArgument, failure(s.RegisterProcess(s.ctx, optional)))
		},
	},
	{
		Name: "a life keeps its number and changes move the revision",
		Why:  "spec A12: a record carries life and revision",
		check: func(s *scene) {
			first := s.register(plain(s.id("p")))
			equal(s, "life", first.Life, first.Revision)
			s.note(first.ID, `1`)
			second := s.get(first.ID)
			equal(s, "life", second.Life, first.Life)
			s.holds(second.Revision > first.Revision, "the revision is %d after %d", second.Revision, first.Revision)
			other := s.register(plain(s.id("q")))
			s.holds(other.Life > second.Revision, "a later life is %d, and the revision was %d", other.Life, second.Revision)
		},
	},
}

func wantTypes(s *scene, record registry.ProcessRecord, names ...string) {
	s.Helper()
	var got []string
	for _, t := range record.EventTypes {
		got = append(got, t.Name)
	}
	s.same("the types", got, names)
}

// variants are registrations of an id that differ from the plain one in one
// part each.
func variants(id string) []registry.ProcessRegistration {
	var all []registry.ProcessRegistration
	for _, change := range []func(*registry.ProcessRegistration){
		func(r *registry.ProcessRegistration) { r.Input.Metadata = registry.JSON(`{}`) },
		func(r *registry.ProcessRegistration) { r.Disposition = registry.OwnerBound },
		func(r *registry.ProcessRegistration) { r.Identity.Label = ref("") },
		func(r *registry.ProcessRegistration) { r.EventTypes = append(r.EventTypes, eventType("more")) },
		func(r *registry.ProcessRegistration) {
			r.EventTypes = []registry.ProcessEventType{eventType("process.cancel_requested"), eventType("note")}
		},
		func(r *registry.ProcessRegistration) { r.EventTypes[0].PayloadSchema = registry.JSON(`true`) },
		func(r *registry.ProcessRegistration) {
			r.Provenance.Originator.Scope = &registry.SessionScope{SessionID: "s"}
		},
		func(r *registry.ProcessRegistration) { r.WakeTarget = &registry.SessionScope{SessionID: "s"} },
		func(r *registry.ProcessRegistration) { r.Fencing = registry.FencingRequired },
	} {
		registration := plain(id)
		change(&registration)
		all = append(all, registration)
	}
	return all
}
