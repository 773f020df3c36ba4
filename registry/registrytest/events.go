package registrytest

import (
	"github.com/holdfast-registry/holdfast/registry"
)

var eventChecks = []Check{
	{
		Name: "sequences are 1, 2, 3 without gaps, for each process",
		Why:  "spec 5.12: sequences start at 1, per process, dense",
		check: func(s *scene) {
			p, q := s.process("p"), s.process("q")
			for n := range uint64(3) {
				equal(s, "sequence at p", s.note(p, `1`).Sequence, n+1)
				equal(s, "sequence at q", s.note(q, `1`).Sequence, n+1)
			}
			s.same("sequences read at p", sequencesOf(s.eventsAfter(p, 0)), []uint64{1, 2, 3})
		},
	},
	{
		Name: "an event is stored as it was asked for",
		Why:  "spec 3.11, A13: process, type, payload and key as sent",
		check: func(s *scene) {
			id := s.process("p")
			e := s.append(id, event("note", "{ \"b\" : 1,\"a\":[1.0] }", "the key")).Event
			equal(s, "process_id", e.ProcessID, id)
			equal(s, "event_type", e.EventType, "note")
			equal(s, "payload", string(e.Payload), "{ \"b\" : 1,\"a\":[1.0] }")
			equal(s, "replay key", e.ReplayKey, "the key")
			s.holds(e.Semantics.Terminal == nil && e.Semantics.Wake == nil, "a plain event has semantics: %s", s.form(e))
		},
	},
	{
		Name: "the answer to an append is what is read later",
		Why:  "spec 5.12 step 10: equal, as JSON, to what events_after returns",
		check: func(s *scene) {
			registration := waking(s.id("p"), ref(s.session("s")))
			registration.EventTypes = append(registration.EventTypes, terminalType("end", registry.StateFailed, ref(payload())))
			id := s.register(registration).ID
			var answers []registry.ProcessEvent
			for _, request := range []registry.ProcessEventAppendRequest{event("note", `1`, ""), event("wake", `{"b":1}`, "k"), event("end", `"x"`, "e")} {
				answers = append(answers, s.append(id, request).Event)
			}
			s.same("the events", s.eventsAfter(id, 0), answers)
		},
	},
	{
		Name: "an event moves updated_at to its own time",
		Why:  "spec 5, 5.12 step 9: updated_at = occurred_at, for every stored event",
		check: func(s *scene) {
			id := s.process("p")
			var e registry.ProcessEvent
			after := s.moved(id, func() { e = s.note(id, `1`) })
			equal(s, "updated_at_ms", after.UpdatedAtMs, e.OccurredAtMs)
		},
	},
	{
		Name: "an append to an unknown process is not found",
		Why:  "spec 5.12 step 1",
		check: func(s *scene) {
			refusal := s.refused(registry.CodeNotFound, failure(s.AppendEvent(s.ctx, s.id("none"), event("note", `1`, ""), nil)))
			equal(s, "process_id", refusal.Fields.ProcessID, s.id("none"))
		},
	},
	{
		Name: "an undeclared type is refused",
		Why:  "spec 5.12 step 4: declared by exact name",
		check: func(s *scene) {
			id := s.process("p")
			for _, name := range []string{"other", "Note", "note ", "process.Waiting", ""} {
				refusal := s.refused(registry.CodeUndeclaredEvent, failure(s.AppendEvent(s.ctx, id, event(name, `1`, ""), nil)))
				equal(s, "process_id", refusal.Fields.ProcessID, id)
				equal(s, "event_type", refusal.Fields.EventType, name)
			}
		},
	},
	{
		Name: "a refused append stores nothing and uses up no number",
		Why:  "spec 5.12: a failed append stores nothing and consumes no sequence number",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), eventType("note"), schemaType("strict", `{"type":"string"}`),
				wakeType("wake", registry.WakeSpec{Input: pointer("/a")}))).ID
			s.note(id, `1`)
			s.unchanged(id, func() {
				s.refused(registry.CodeUndeclaredEvent, failure(s.AppendEvent(s.ctx, id, event("other", `1`, "k"), nil)))
				s.refused(registry.CodeMissingReplayKey, failure(s.AppendEvent(s.ctx, id, event("process.cancel_requested", `1`, ""), nil)))
				s.refused(registry.CodePayloadRejected, failure(s.AppendEvent(s.ctx, id, event("strict", `1`, "k"), nil)))
				s.refused(registry.CodePayloadRejected, failure(s.AppendEvent(s.ctx, id, event("wake", `{}`, "k"), nil)))
			})
			equal(s, "the next sequence", s.append(id, event("note", `1`, "k")).Event.Sequence, 2)
		},
	},
	{
		Name: "without a key a repeated append is a second event",
		Why:  "spec 5.12: non-terminal events without a key are stored unconditionally",
		check: func(s *scene) {
			id := s.process("p")
			s.note(id, `1`)
			equal(s, "sequence", s.note(id, `1`).Sequence, 2)
		},
	},
	{
		Name: "events of core types that are plain need no key",
		Why:  "spec 5.12 step 5: a key is required by terminal types and process.cancel_requested",
		check: func(s *scene) {
			id := s.process("p")
			s.append(id, event("process.waiting", `null`, ""))
			s.append(id, event("process.resumed", `{}`, ""))
			equal(s, "state", s.get(id).Status.State, registry.StateRunning)
			s.holds(s.get(id).Wait == nil, "an event set a wait")
		},
	},
	{
		Name: "a request to cancel needs a replay key",
		Why:  "spec 5.12 step 5: requires a deterministic replay key",
		check: func(s *scene) {
			id := s.process("p")
			for _, key := range []*registry.Replay{nil, {}} {
				request := event("process.cancel_requested", `{"reason":null}`, "")
				request.Replay = key
				refusal := s.refused(registry.CodeMissingReplayKey, failure(s.AppendEvent(s.ctx, id, request, nil)))
				equal(s, "process_id", refusal.Fields.ProcessID, id)
				equal(s, "event_type", refusal.Fields.EventType, "process.cancel_requested")
			}
		},
	},
	{
		Name: "a request to cancel changes no status, and each reason is one event",
		Why:  "spec 5.12: the cancel helper; 2.4 example 2",
		check: func(s *scene) {
			id := s.process("p")
			for _, payload := range []string{`{"reason":"stop"}`, `{"reason":null}`, `{"reason":"stop"}`} {
				s.append(id, cancel(id, payload))
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 2)
			equal(s, "state", s.get(id).Status.State, registry.StateRunning)
		},
	},
	{
		Name: "an empty replay key is invalid where none is needed",
		Why:  "spec A16: MissingReplayKey where one is required, else InvalidArgument",
		check: func(s *scene) {
			id := s.process("p")
			request := event("note", `1`, "")
			request.Replay = &registry.Replay{}
			s.refused(registry.CodeInvalidArgument, failure(s.AppendEvent(s.ctx, id, request, nil)))
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
		},
	},
	{
		Name: "plain events are taken after the end",
		Why:  "spec 5.12: cancel requests and wakes included; 5: they move updated_at",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), ref(s.session("s")))).ID
			s.complete(id, success(`1`))
			ended := s.get(id).Status
			for _, request := range []registry.ProcessEventAppendRequest{event("note", `1`, ""), event("wake", `1`, ""), cancel(id, `{"reason":null}`)} {
				var result registry.ProcessEventAppendResult
				after := s.moved(id, func() { result = s.append(id, request) })
				equal(s, "updated_at_ms", after.UpdatedAtMs, result.Event.OccurredAtMs)
				s.same("status", after.Status, ended)
				s.holds((result.WakeDelivery != nil) == (request.EventType == "wake"), "%s: delivery %+v", request.EventType, result.WakeDelivery)
			}
			s.same("sequences", sequencesOf(s.eventsAfter(id, 0)), []uint64{1, 2, 3, 4})
		},
	},
	{
		Name: "appends at the same time get dense sequences",
		Why:  "spec 5.12: one atomic step per process",
		check: func(s *scene) {
			id := s.process("p")
			const callers, each = 8, 4
			var errs [callers]error
			atOnce(callers, func(i int) {
				for range each {
					if _, err := s.AppendEvent(s.ctx, id, event("note", `1`, ""), nil); err != nil {
						errs[i] = err
					}
				}
			})
			for _, err := range errs {
				s.done(err)
			}
			events := s.eventsAfter(id, 0)
			equal(s, "events", len(events), callers*each)
			for i, e := range events {
				equal(s, "sequence", e.Sequence, uint64(i+1))
				s.holds(i == 0 || e.OccurredAtMs >= events[i-1].OccurredAtMs, "time goes back at event %d", i+1)
			}
		},
	},
	{
		Name: "events after a sequence are those behind it, ascending",
		Why:  "spec 5.13: sequence > n; beyond the end empty; A14: up to 2^64-1",
		check: func(s *scene) {
			id := s.process("p")
			for range 3 {
				s.note(id, `1`)
			}
			for _, c := range []struct {
				after uint64
				want  []uint64
			}{{0, []uint64{1, 2, 3}}, {1, []uint64{2, 3}}, {2, []uint64{3}}, {3, []uint64{}}, {4, []uint64{}}, {1 << 63, []uint64{}}, {maxUint64, []uint64{}}} {
				s.same("sequences", sequencesOf(s.eventsAfter(id, c.after)), c.want)
			}
			s.refused(registry.CodeNotFound, failure(s.EventsAfter(s.ctx, s.id("none"), 0, registry.PageRequest{})))
		},
	},
	{
		Name: "counting is by type and up to a sequence, inclusive",
		Why:  "spec 5.14: undeclared or absent type 0; must accept 2^64-1",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), eventType("a"), eventType("b"), eventType("c"))).ID
			for _, name := range []string{"a", "b", "a", "a"} {
				s.append(id, event(name, `1`, ""))
			}
			for _, c := range []struct {
				name    string
				through uint64
				want    uint64
			}{
				{"a", 0, 0}, {"a", 1, 1}, {"a", 2, 1}, {"a", 3, 2}, {"a", 4, 3}, {"a", 5, 3}, {"a", 1 << 63, 3}, {"a", maxUint64, 3},
				{"b", 1, 0}, {"b", 2, 1}, {"c", maxUint64, 0}, {"undeclared", maxUint64, 0}, {"A", maxUint64, 0},
			} {
				s.holds(s.count(id, c.name, c.through) == c.want, "%s through %d: got %d, want %d", c.name, c.through, s.count(id, c.name, c.through), c.want)
			}
			s.refused(registry.CodeNotFound, failure(s.CountEventsThrough(s.ctx, s.id("none"), "a", 1)))
		},
	},
	{
		Name: "recent events are the last ones, ascending",
		Why:  "spec 5.15: limit 0 empty; a limit over the length gives all; A14",
		check: func(s *scene) {
			id := s.process("p")
			for range 3 {
				s.note(id, `1`)
			}
			for _, c := range []struct {
				limit uint64
				want  []uint64
			}{{0, []uint64{}}, {1, []uint64{3}}, {2, []uint64{2, 3}}, {3, []uint64{1, 2, 3}}, {4, []uint64{1, 2, 3}}, {1 << 63, []uint64{1, 2, 3}}, {maxUint64, []uint64{1, 2, 3}}} {
				s.same("sequences", sequencesOf(s.recent(id, c.limit)), c.want)
			}
			s.same("the events", s.recent(id, 3), s.eventsAfter(id, 0))
			s.refused(registry.CodeNotFound, failure(s.RecentEvents(s.ctx, s.id("none"), 1, registry.PageRequest{})))
			s.refused(registry.CodeNotFound, failure(s.RecentEvents(s.ctx, s.id("none"), 0, registry.PageRequest{})))
		},
	},
	{
		Name: "a process without events has none to read",
		Why:  "spec 5.13 to 5.16",
		check: func(s *scene) {
			id := s.process("p")
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
			equal(s, "recent events", len(s.recent(id, 5)), 0)
			equal(s, "wakes", len(s.wakesAfter(id, 0)), 0)
			equal(s, "count", s.count(id, "note", maxUint64), 0)
		},
	},
	{
		Name: "an append aimed elsewhere leaves the record's target alone",
		Why:  "spec 4.6, 5.12: the target belongs to the request",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), ref(s.session("s")))).ID
			s.append(id, aimed(event("wake", `1`, ""), s.session("other")))
			equal(s, "wake target", *s.get(id).WakeTarget, s.session("s"))
		},
	},
}

var replayChecks = []Check{
	{
		Name: "a replay returns the stored event and changes nothing",
		Why:  "spec 5.12 step 3: the stored event unchanged, no new row",
		check: func(s *scene) {
			id := s.process("p")
			first := s.append(id, event("note", `{"a":1}`, "k")).Event
			s.note(id, `2`)
			s.unchanged(id, func() { s.same("the answer", s.append(id, event("note", `{"a":1}`, "k")).Event, first) })
			equal(s, "events", len(s.eventsAfter(id, 0)), 2)
		},
	},
	{
		Name: "a replay is recognised by the value of its payload",
		Why:  "spec 2.2, 2.3: order of keys and spelling do not matter, kinds of numbers do",
		check: func(s *scene) {
			id := s.process("p")
			first := s.append(id, event("note", `{"a":1,"b":"é/","c":[1.5]}`, "k")).Event
			again := s.append(id, event("note", "{ \"c\":[15e-1], \"b\":\"\\u00e9\\/\", \"a\":0,\n\"a\":1 }", "k")).Event
			s.same("the answer", again, first)
			for _, payload := range []string{`{"a":1.0,"b":"é/","c":[1.5]}`, `{"a":1,"b":"é/"}`, `{"a":1,"b":"é/","c":[1.5],"d":null}`} {
				s.refused(registry.CodeReplayConflict, failure(s.AppendEvent(s.ctx, id, event("note", payload, "k"), nil)))
			}
		},
	},
	{
		Name: "another payload or type under a key conflicts",
		Why:  "spec 5.12 step 3: the hash covers type and payload",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), eventType("note"), eventType("more"))).ID
			s.append(id, event("note", `1`, "k"))
			s.unchanged(id, func() {
				for _, request := range []registry.ProcessEventAppendRequest{event("note", `2`, "k"), event("more", `1`, "k")} {
					refusal := s.refused(registry.CodeReplayConflict, failure(s.AppendEvent(s.ctx, id, request, nil)))
					equal(s, "replay_key", refusal.Fields.ReplayKey, "k")
					equal(s, "process_id", refusal.Fields.ProcessID, id)
				}
			})
			equal(s, "events", len(s.eventsAfter(id, 0)), 1)
		},
	},
	{
		Name: "keys belong to one process and are compared exactly",
		Why:  "spec 1: unique inside one process; strings are compared bytewise",
		check: func(s *scene) {
			p, q := s.process("p"), s.process("q")
			s.append(p, event("note", `1`, "k"))
			equal(s, "sequence at another process", s.append(q, event("note", `2`, "k")).Event.Sequence, 1)
			for i, key := range []string{"K", "k ", "kk", "\u212a"} {
				equal(s, "sequence under another key", s.append(p, event("note", `2`, key)).Event.Sequence, uint64(i+2))
			}
		},
	},
	{
		Name: "a conflict comes before an undeclared type",
		Why:  "spec 5.12: step 3 before step 4",
		check: func(s *scene) {
			id := s.process("p")
			s.append(id, event("note", `1`, "k"))
			s.refused(registry.CodeReplayConflict, failure(s.AppendEvent(s.ctx, id, event("undeclared", `1`, "k"), nil)))
		},
	},
	{
		Name: "a conflict comes before the schema and the selectors",
		Why:  "spec 5.12: step 3 before steps 6 and 7",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), schemaType("strict", `{"type":"string"}`), wakeType("wake", registry.WakeSpec{Input: pointer("/a")}))).ID
			s.append(id, event("strict", `"a"`, "k"))
			s.refused(registry.CodeReplayConflict, failure(s.AppendEvent(s.ctx, id, event("strict", `1`, "k"), nil)))
			s.refused(registry.CodeReplayConflict, failure(s.AppendEvent(s.ctx, id, event("wake", `{}`, "k"), nil)))
		},
	},
	{
		Name: "a replay is answered after the end",
		Why:  "spec 5.12: step 3 before step 8, so a replay succeeds even on terminal rows",
		check: func(s *scene) {
			id := s.process("p")
			first := s.append(id, event("note", `1`, "k")).Event
			s.complete(id, success(`1`))
			s.unchanged(id, func() { s.same("the answer", s.append(id, event("note", `1`, "k")).Event, first) })
		},
	},
	{
		Name: "a terminal event is replayed after the end",
		Why:  "spec 5.12: step 3 before step 8",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), terminalType("end", registry.StateCompleted, nil))).ID
			first := s.append(id, event("end", `{"a":1}`, "k")).Event
			s.unchanged(id, func() { s.same("the answer", s.append(id, event("end", `{"a":1}`, "k")).Event, first) })
			s.refused(registry.CodeReplayConflict, failure(s.AppendEvent(s.ctx, id, event("end", `{"a":2}`, "k"), nil)))
			s.refused(registry.CodeTerminal, failure(s.AppendEvent(s.ctx, id, event("end", `{"a":1}`, "other"), nil)))
		},
	},
	{
		Name: "appends at the same time under one key are one event",
		Why:  "spec 5.12: one atomic step per process",
		check: func(s *scene) {
			id := s.process("p")
			const callers = 8
			var results [callers]registry.ProcessEventAppendResult
			var errs [callers]error
			atOnce(callers, func(i int) { results[i], errs[i] = s.AppendEvent(s.ctx, id, event("note", `1`, "k"), nil) })
			for i := range callers {
				s.done(errs[i])
				s.same("the answers", results[i].Event, results[0].Event)
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 1)
		},
	},
	{
		Name: "the wake target is no part of what is compared",
		Why:  "spec 5.12 step 3: type and payload only, not the wake target",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), nil)).ID
			first := s.append(id, aimed(event("wake", `1`, "k"), s.session("a")))
			again := s.append(id, aimed(event("wake", `1`, "k"), s.session("b")))
			s.same("the events", again.Event, first.Event)
		},
	},
	{
		Name: "a replay delivers to the target of this request",
		Why:  "spec 5.12 step 3: recomputed from the stored wake, so it may deliver where the first did not, or the reverse",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), nil)).ID
			s.holds(s.append(id, event("wake", `"x"`, "k")).WakeDelivery == nil, "a wake without a target was delivered")
			again := s.append(id, aimed(event("wake", `"x"`, "k"), s.session("s"))).WakeDelivery
			if again == nil {
				s.Fatalf("the replay was not delivered")
			}
			equal(s, "target", again.TargetSessionID, s.id("s"))
			equal(s, "input", again.Input, "x")
			s.holds(s.append(id, event("wake", `"x"`, "k")).WakeDelivery == nil, "a replay without a target was delivered")
		},
	},
}
