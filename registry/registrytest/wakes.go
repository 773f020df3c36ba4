package registrytest

import (
	"github.com/holdfast-registry/holdfast/registry"
)

var wakeChecks = []Check{
	{
		Name: "a wake is delivered to the record's target with all that belongs to it",
		Why:  "spec 4.6: the fields of a delivery",
		check: func(s *scene) {
			registration := waking(s.id("p"), ref(s.frame("s", "f")))
			registration.Provenance.CausedBy = &registry.CausalRef{Kind: registry.CausalTurn, SessionID: "s1", TurnID: ref("t1")}
			id := s.register(registration).ID
			s.note(id, `1`)
			result := s.append(id, event("wake", `{"b":1,"a":2}`, "k"))
			d := result.WakeDelivery
			if d == nil {
				s.Fatalf("there is no delivery")
			}
			scope := "session:" + s.id("s") + "/frame:f"
			equal(s, "wake_id", d.WakeID, "wake:"+sha(`["`+scope+`","`+id+`:2"]`))
			equal(s, "target_session_id", d.TargetSessionID, s.id("s"))
			equal(s, "target_scope_id", d.TargetScopeID, scope)
			equal(s, "process_id", d.ProcessID, id)
			equal(s, "sequence", d.Sequence, 2)
			equal(s, "event_type", d.EventType, "wake")
			equal(s, "replay key of the event", d.EventReplayKey, "k")
			s.same("process_caused_by", d.ProcessCausedBy, registration.Provenance.CausedBy)
			equal(s, "dedupe_key", d.DedupeKey, id+":2")
			equal(s, "input", d.Input, `{"a":2,"b":1}`)
			equal(s, "created_at_ms", d.CreatedAtMs, result.Event.OccurredAtMs)
		},
	},
	{
		Name: "without a target there is no delivery, but the event has its wake",
		Why:  "spec 4.6: none -> no delivery, but the event is stored with its wake semantics all the same",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), nil)).ID
			result := s.append(id, event("wake", `"x"`, ""))
			s.holds(result.WakeDelivery == nil, "there is a delivery: %s", s.form(result.WakeDelivery))
			s.same("the wake", result.Event.Semantics.Wake, registry.EventWake{Input: "x", DedupeKey: id + ":1"})
			s.same("wakes", sequencesOf(s.eventsAfter(id, 0)), []uint64{1})
		},
	},
	{
		Name: "the target of the request comes before the record's",
		Why:  "spec 4.6: the request's wake_target_scope if given",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), ref(s.session("s")))).ID
			equal(s, "target", s.delivered(id, aimed(event("wake", `1`, ""), s.session("other"))).TargetSessionID, s.id("other"))
			equal(s, "target", s.delivered(id, event("wake", `1`, "")).TargetSessionID, s.id("s"))
		},
	},
	{
		Name: "an empty frame is no frame",
		Why:  "spec 3.2, A18: an empty frame id yields the scope id of none",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), nil)).ID
			equal(s, "target_scope_id", s.delivered(id, aimed(event("wake", `1`, ""), s.frame("s", ""))).TargetScopeID, "session:"+s.id("s"))
		},
	},
	{
		Name: "plain events deliver nothing",
		Why:  "spec 4.6: only if the event has a materialised wake",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), ref(s.session("s")))).ID
			s.holds(s.append(id, aimed(event("note", `1`, ""), s.session("s"))).WakeDelivery == nil, "a plain event was delivered")
		},
	},
	{
		Name: "a wake whose when is not true is none, and nothing else is evaluated",
		Why:  "spec 4.5: input and dedupe are not evaluated",
		check: func(s *scene) {
			dedupe := registry.DedupeKey{Kind: registry.DedupeSelector, Selector: ref(pointer("/none"))}
			registration := declaring(s.id("p"), wakeType("wake", registry.WakeSpec{When: ref(pointer("/on")), Input: pointer("/none"), DedupeKey: dedupe}))
			registration.WakeTarget = ref(s.session("s"))
			id := s.register(registration).ID
			result := s.append(id, event("wake", `{"on":false}`, ""))
			s.holds(result.WakeDelivery == nil && result.Event.Semantics.Wake == nil, "there is a wake: %s", s.form(result))
			s.refused(registry.CodePayloadRejected, failure(s.AppendEvent(s.ctx, id, event("wake", `{"on":true}`, ""), nil)))
			s.refused(registry.CodePayloadRejected, failure(s.AppendEvent(s.ctx, id, event("wake", `{}`, ""), nil)))
		},
	},
	{
		Name: "present makes a when of a member that may be missing",
		Why:  "spec 4.5: use present for optional fields",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), wakeType("wake", registry.WakeSpec{When: ref(present("/a")), Input: constant(`"in"`)}))).ID
			s.holds(s.append(id, event("wake", `{}`, "")).Event.Semantics.Wake == nil, "an absent member wakes")
			s.holds(s.append(id, event("wake", `{"a":null}`, "")).Event.Semantics.Wake != nil, "a member that is null does not wake")
		},
	},
	{
		Name: "a dedupe key is the event's identity, a selected text or a constant",
		Why:  "spec 4.5",
		check: func(s *scene) {
			selected := registry.DedupeKey{Kind: registry.DedupeSelector, Selector: ref(pointer("/k"))}
			id := s.register(declaring(s.id("p"), wakeType("identity", registry.WakeSpec{Input: payload()}),
				wakeType("selected", registry.WakeSpec{Input: payload(), DedupeKey: selected}),
				wakeType("constant", registry.WakeSpec{Input: payload(), DedupeKey: registry.DedupeKey{Kind: registry.DedupeConst, Const: "the key"}}))).ID
			equal(s, "identity", s.append(id, event("identity", `1`, "")).Event.Semantics.Wake.DedupeKey, id+":1")
			equal(s, "selected", s.append(id, event("selected", `{"k":{"b":1, "a":2}}`, "")).Event.Semantics.Wake.DedupeKey, `{"a":2,"b":1}`)
			equal(s, "constant", s.append(id, event("constant", `1`, "")).Event.Semantics.Wake.DedupeKey, "the key")
			equal(s, "identity", s.append(id, event("identity", `1`, "")).Event.Semantics.Wake.DedupeKey, id+":4")
		},
	},
	{
		Name: "wake ids depend on target and dedupe key only",
		Why:  "spec 2.4 example 1, 4.6",
		check: func(s *scene) {
			for _, c := range []struct {
				target    registry.SessionScope
				key, want string
			}{
				{registry.SessionScope{SessionID: "root"}, "group-a", "47638cea38923830386dd823b3b19b9ddc3dfdf6b2ac798f1be01f2400b61634"},
				{registry.SessionScope{SessionID: "target-session", AgentFrameID: "target-frame"}, "proc-provenance:1", "46cb109adef9ba0513a94be3a54c1a0adf5e05fcbbe38b46ba57e14f546b1e00"},
				{registry.SessionScope{SessionID: "session-002"}, "process/wake/session-002/001", "51231fa7d6b2e37aa1254d66324496689fdff9282f92eaccbf85708710517129"},
			} {
				dedupe := registry.DedupeKey{Kind: registry.DedupeConst, Const: c.key}
				id := s.register(declaring(s.id(c.key), wakeType("wake", registry.WakeSpec{Input: payload(), DedupeKey: dedupe}))).ID
				for range 2 {
					equal(s, "wake_id", s.delivered(id, aimed(event("wake", `1`, ""), c.target)).WakeID, "wake:"+c.want)
				}
			}
		},
	},
	{
		Name: "equal dedupe keys are all delivered and all stay",
		Why:  "spec 4.6: the registry does not enforce dedupe",
		check: func(s *scene) {
			registration := declaring(s.id("p"), wakeType("wake", registry.WakeSpec{Input: payload(), DedupeKey: registry.DedupeKey{Kind: registry.DedupeConst, Const: "k"}}))
			registration.WakeTarget = ref(s.session("s"))
			id := s.register(registration).ID
			first, second := s.append(id, event("wake", `1`, "")).WakeDelivery, s.append(id, event("wake", `2`, "")).WakeDelivery
			if first == nil || second == nil {
				s.Fatalf("deliveries %v and %v, want two", first, second)
			}
			equal(s, "wake_id", second.WakeID, first.WakeID)
			s.same("wakes", sequencesOf(s.wakesAfter(id, 0)), []uint64{1, 2})
		},
	},
	{
		Name: "wakes are read behind a sequence, ascending, and only those",
		Why:  "spec 5.16: events whose when was false are not included, those without a target are",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), eventType("note"), wakeType("wake", registry.WakeSpec{When: ref(payload()), Input: payload()}))).ID
			for _, request := range []registry.ProcessEventAppendRequest{
				event("wake", `1`, ""), event("note", `1`, ""), event("wake", `false`, ""), event("wake", `2`, ""), event("wake", `3`, ""),
			} {
				s.append(id, request)
			}
			for _, c := range []struct {
				after uint64
				want  []uint64
			}{{0, []uint64{1, 4, 5}}, {1, []uint64{4, 5}}, {3, []uint64{4, 5}}, {4, []uint64{5}}, {5, []uint64{}}, {1 << 63, []uint64{}}, {maxUint64, []uint64{}}} {
				s.same("wakes", sequencesOf(s.wakesAfter(id, c.after)), c.want)
			}
			s.same("the wake", s.wakesAfter(id, 4), s.eventsAfter(id, 4))
			s.refused(registry.CodeNotFound, failure(s.WakeEventsAfter(s.ctx, s.id("none"), 0, registry.PageRequest{})))
		},
	},
	{
		Name: "a replayed wake is one wake",
		Why:  "spec 5.12 step 3: no new row",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), ref(s.session("s")))).ID
			first, again := s.append(id, event("wake", `1`, "k")).WakeDelivery, s.append(id, event("wake", `1`, "k")).WakeDelivery
			s.same("the delivery", again, first)
			s.same("wakes", sequencesOf(s.wakesAfter(id, 0)), []uint64{1})
		},
	},
}

var ackChecks = []Check{
	{
		Name: "an acked wake is not read again",
		Why:  "spec 5.16, 5.24",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), nil)).ID
			for range 3 {
				s.append(id, event("wake", `1`, ""))
			}
			s.ack(id, 2)
			s.same("wakes", sequencesOf(s.wakesAfter(id, 0)), []uint64{1, 3})
			s.ack(id, 1)
			s.ack(id, 3)
			s.same("wakes", sequencesOf(s.wakesAfter(id, 0)), []uint64{})
			equal(s, "events", len(s.eventsAfter(id, 0)), 3)
		},
	},
	{
		Name: "acking is idempotent and moves nothing",
		Why:  "spec 5.24: idempotent; 5: ack_wake never moves updated_at",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), nil)).ID
			s.append(id, event("wake", `1`, ""))
			s.unchanged(id, func() {
				s.ack(id, 1)
				s.ack(id, 1)
			})
			equal(s, "wakes", len(s.wakesAfter(id, 0)), 0)
			equal(s, "events", len(s.eventsAfter(id, 0)), 1)
		},
	},
	{
		Name: "an unknown process can not be acked",
		Why:  "spec 5.24: unknown is an error",
		check: func(s *scene) {
			s.refused(registry.CodeNotFound, s.AckWake(s.ctx, s.id("none"), 1))
		},
	},
	{
		Name: "what is acked need not exist or be a wake",
		Why:  "spec 5.24: n need not exist; acking a future sequence pre-suppresses it",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), nil)).ID
			s.note(id, `1`)
			for _, sequence := range []uint64{0, 1, 3, 1 << 63, maxUint64} {
				s.ack(id, sequence)
			}
			s.append(id, event("wake", `1`, ""))
			s.append(id, event("wake", `1`, ""))
			s.append(id, event("wake", `1`, ""))
			s.same("wakes", sequencesOf(s.wakesAfter(id, 0)), []uint64{2, 4})
		},
	},
	{
		Name: "acks belong to one process",
		Why:  "spec 1: set of event sequences per process",
		check: func(s *scene) {
			p, q := s.register(waking(s.id("p"), nil)).ID, s.register(waking(s.id("q"), nil)).ID
			s.append(p, event("wake", `1`, ""))
			s.append(q, event("wake", `1`, ""))
			s.ack(p, 1)
			s.same("wakes of the other", sequencesOf(s.wakesAfter(q, 0)), []uint64{1})
		},
	},
	{
		Name: "an ended process can be acked",
		Why:  "spec 5.24: no terminal rule",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), nil)).ID
			s.append(id, event("wake", `1`, ""))
			s.complete(id, success(`1`))
			s.ack(id, 1)
			equal(s, "wakes", len(s.wakesAfter(id, 0)), 0)
		},
	},
	{
		Name: "acks survive the deletion of a session",
		Why:  "spec 5.24, 5.11: wake acks are not touched",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), ref(s.session("s")))).ID
			s.append(id, event("wake", `1`, ""))
			s.append(id, event("wake", `1`, ""))
			s.ack(id, 1)
			s.deleteSession(s.id("s"))
			s.same("wakes", sequencesOf(s.wakesAfter(id, 0)), []uint64{2})
		},
	},
	{
		Name: "acks at the same time are all kept",
		Why:  "spec A10: every method is atomic",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), nil)).ID
			const n = 8
			for range n {
				s.append(id, event("wake", `1`, ""))
			}
			var errs [n]error
			atOnce(n, func(i int) { errs[i] = s.AckWake(s.ctx, id, uint64(i+1)) })
			for _, err := range errs {
				s.done(err)
			}
			equal(s, "wakes", len(s.wakesAfter(id, 0)), 0)
		},
	},
}
