package registrytest

import (
	"github.com/holdfast-registry/holdfast/registry"
)

var handleChecks = []Check{
	{
		Name: "a grant names session, process and descriptor",
		Why:  "spec 5.4, 3.18: the frame is not in the grant",
		check: func(s *scene) {
			id := s.process("p")
			descriptor := registry.ProcessHandleDescriptor{Kind: ref("tool"), Label: ref("")}
			want := registry.ProcessHandleGrant{SessionID: s.id("s"), ProcessID: id, Descriptor: descriptor}
			s.same("the answer", s.grantAs(s.frame("s", "f"), id, descriptor), want)
			s.same("the list", s.grantsOf(id), []registry.ProcessHandleGrant{want})
		},
	},
	{
		Name: "an unknown process can not be granted",
		Why:  "spec 5.4: unknown is an error",
		check: func(s *scene) {
			refusal := s.refused(registry.CodeNotFound, failure(s.GrantHandle(s.ctx, s.session("s"), s.id("none"), registry.ProcessHandleDescriptor{})))
			equal(s, "process_id", refusal.Fields.ProcessID, s.id("none"))
			equal(s, "grants", len(s.grants(s.session("s"))), 0)
		},
	},
	{
		Name: "granting again replaces the descriptor",
		Why:  "spec 5.4: upsert on (scope, process)",
		check: func(s *scene) {
			id := s.process("p")
			s.grantAs(s.session("s"), id, registry.ProcessHandleDescriptor{Kind: ref("a"), Label: ref("b")})
			s.grantAs(s.session("s"), id, registry.ProcessHandleDescriptor{Label: ref("c")})
			s.same("the list", s.grantsOf(id), []registry.ProcessHandleGrant{{SessionID: s.id("s"), ProcessID: id, Descriptor: registry.ProcessHandleDescriptor{Label: ref("c")}}})
			s.same("the same grant again", s.grantAs(s.session("s"), id, registry.ProcessHandleDescriptor{Label: ref("c")}), s.grantsOf(id)[0])
		},
	},
	{
		Name: "grants leave record and log alone",
		Why:  "spec 5.4, 5: no event, no updated_at",
		check: func(s *scene) {
			id := s.process("p")
			s.unchanged(id, func() {
				s.grant(s.session("s"), id)
				s.transfer(s.session("s"), s.session("t"), id)
				s.revoke(s.session("t"), id)
			})
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
		},
	},
	{
		Name: "an ended process can be granted",
		Why:  "spec 5.4: terminal rows are allowed",
		check: func(s *scene) {
			id := s.ended("p")
			s.grant(s.session("s"), id)
			s.holds(s.has(s.session("s"), id), "it is not granted")
		},
	},
	{
		Name: "revoking removes one grant",
		Why:  "spec 5.5",
		check: func(s *scene) {
			p, q := s.process("p"), s.process("q")
			for _, scope := range []registry.SessionScope{s.session("s"), s.frame("s", "f"), s.session("t")} {
				s.grant(scope, p)
				s.grant(scope, q)
			}
			s.revoke(s.session("s"), p)
			s.holds(!s.has(s.session("s"), p), "it is still granted")
			s.holds(s.has(s.frame("s", "f"), p) && s.has(s.session("t"), p) && s.has(s.session("s"), q), "another grant went too")
		},
	},
	{
		Name: "revoking what is not granted is no error",
		Why:  "spec 5.5: unknown process, missing grant or missing scope are all Ok",
		check: func(s *scene) {
			id := s.process("p")
			s.revoke(s.session("s"), s.id("none"))
			s.revoke(s.session("s"), id)
			s.grant(s.session("s"), id)
			s.revoke(s.session("s"), id)
			s.revoke(s.session("s"), id)
		},
	},
	{
		Name: "a list is of exactly one scope",
		Why:  "spec 5.7: a session-level scope does not see frame grants",
		check: func(s *scene) {
			p, q := s.process("p"), s.process("q")
			s.grant(s.session("s"), p)
			s.grant(s.frame("s", "f"), q)
			s.same("session", grantedIn(s.grants(s.session("s"))), []string{p})
			s.same("frame", grantedIn(s.grants(s.frame("s", "f"))), []string{q})
			s.same("other frame", grantedIn(s.grants(s.frame("s", "g"))), []string{})
			s.same("unknown session", grantedIn(s.grants(s.session("t"))), []string{})
		},
	},
	{
		Name: "an empty frame is the session itself",
		Why:  "spec A18: an empty frame id is the same as none",
		check: func(s *scene) {
			id := s.process("p")
			s.grant(s.frame("s", ""), id)
			s.same("session", grantedIn(s.grants(s.session("s"))), []string{id})
			s.holds(s.has(s.session("s"), id), "the session does not have it")
		},
	},
	{
		Name: "scopes are compared as pairs",
		Why:  "spec A18: not as the joined string",
		check: func(s *scene) {
			p, q := s.process("p"), s.process("q")
			joined := registry.SessionScope{SessionID: s.id("a") + "/frame:b"}
			s.grant(joined, p)
			s.grant(s.frame("a", "b"), q)
			s.same("the session with a slash", grantedIn(s.grants(joined)), []string{p})
			s.same("the frame", grantedIn(s.grants(s.frame("a", "b"))), []string{q})
			s.holds(!s.has(joined, q) && !s.has(s.frame("a", "b"), p), "one scope passes for the other")
			s.revoke(joined, q)
			s.holds(s.has(s.frame("a", "b"), q), "revoking from one scope took it from the other")
		},
	},
	{
		Name: "a list is by process id ascending, bytewise",
		Why:  "spec 5.7, A15: orders are bytewise",
		check: func(s *scene) {
			want := s.bytewiseIDs(func(id string) {
				s.register(plain(id))
				s.grant(s.session("s"), id)
			})
			s.same("ids", grantedIn(s.grants(s.session("s"))), want)
			s.same("live ids", grantedIn(s.liveGrants(s.session("s"))), want)
		},
	},
	{
		Name: "a list pairs grants with the current records",
		Why:  "spec 5.7: each entry pairs the grant with the CURRENT record; terminal processes included",
		check: func(s *scene) {
			p, q := s.process("p"), s.process("q")
			s.grantAs(s.session("s"), p, registry.ProcessHandleDescriptor{Kind: ref("k")})
			s.grant(s.session("s"), q)
			s.note(p, `1`)
			s.complete(q, success(`1`))
			s.same("entries", s.grants(s.session("s")), []registry.ProcessHandleGrantEntry{
				{Grant: registry.ProcessHandleGrant{SessionID: s.id("s"), ProcessID: p, Descriptor: registry.ProcessHandleDescriptor{Kind: ref("k")}}, Record: s.get(p)},
				{Grant: registry.ProcessHandleGrant{SessionID: s.id("s"), ProcessID: q}, Record: s.get(q)},
			})
		},
	},
	{
		Name: "the live list leaves ended processes out",
		Why:  "spec 5.8: restricted to non-terminal records",
		check: func(s *scene) {
			for _, c := range outputs {
				id := s.process(string(c.state))
				s.grant(s.session("s"), id)
				s.complete(id, c.output)
			}
			running := s.process("running")
			s.grant(s.session("s"), running)
			s.same("live", grantedIn(s.liveGrants(s.session("s"))), []string{running})
			equal(s, "all", len(s.grants(s.session("s"))), 5)
			s.same("unknown scope", grantedIn(s.liveGrants(s.session("t"))), []string{})
		},
	},
	{
		Name: "has is true for exactly what is granted, and never an error",
		Why:  "spec 5.9: unknown process or scope -> false",
		check: func(s *scene) {
			p, q := s.process("p"), s.process("q")
			s.grant(s.session("s"), p)
			s.holds(s.has(s.session("s"), p), "a grant is not there")
			for _, c := range []struct {
				scope registry.SessionScope
				id    string
			}{{s.session("s"), q}, {s.session("s"), s.id("none")}, {s.session("t"), p}, {s.frame("s", "f"), p}, {s.session("t"), s.id("none")}} {
				s.holds(!s.has(c.scope, c.id), "%+v has %s", c.scope, c.id)
			}
		},
	},
	{
		Name: "the grants of a process come by session id and then frame",
		Why:  "spec 5.10: by session id ascending, then scope id; two frames of one session give two entries",
		check: func(s *scene) {
			id := s.process("p")
			type grant struct{ session, frame, label string }
			for _, g := range []grant{{"b", "", "3"}, {"a", "y", "2"}, {"B", "", "0"}, {"a", "x", "1"}, {"b", "z", "4"}} {
				s.grantAs(s.frame(g.session, g.frame), id, registry.ProcessHandleDescriptor{Label: ref(g.label)})
			}
			var got []string
			for _, g := range s.grantsOf(id) {
				equal(s, "process_id", g.ProcessID, id)
				got = append(got, g.SessionID[len(s.prefix):]+*g.Descriptor.Label)
			}
			s.same("grants", got, []string{"B0", "a1", "a2", "b3", "b4"})
		},
	},
	{
		Name: "the grants of an unknown process are not found",
		Why:  "spec 5.10: unknown is an error",
		check: func(s *scene) {
			s.refused(registry.CodeNotFound, failure(s.HandleGrantsForProcess(s.ctx, s.id("none"), registry.PageRequest{})))
			equal(s, "grants of a process without any", len(s.grantsOf(s.process("p"))), 0)
		},
	},
	{
		Name: "grants guard no other call",
		Why:  "spec 1: it does NOT guard any other write",
		check: func(s *scene) {
			id := s.process("p")
			s.grant(s.session("s"), id)
			s.revoke(s.session("s"), id)
			s.note(id, `1`)
			s.complete(id, success(`1`))
		},
	},
}

var transferChecks = []Check{
	{
		Name: "a transfer moves grants with their descriptors",
		Why:  "spec 5.6: same descriptor and to.session_id",
		check: func(s *scene) {
			p, q, r := s.process("p"), s.process("q"), s.process("r")
			descriptor := registry.ProcessHandleDescriptor{Kind: ref("k"), Label: ref("l")}
			for _, id := range []string{p, q, r} {
				s.grantAs(s.session("a"), id, descriptor)
			}
			s.transfer(s.session("a"), s.frame("b", "f"), q, p)
			s.same("from", grantedIn(s.grants(s.session("a"))), []string{r})
			s.same("to", grantedIn(s.grants(s.frame("b", "f"))), []string{p, q})
			s.same("the grant", s.grantsOf(p), []registry.ProcessHandleGrant{{SessionID: s.id("b"), ProcessID: p, Descriptor: descriptor}})
			s.holds(!s.has(s.session("b"), p), "the session of the frame has it")
		},
	},
	{
		Name: "a transfer replaces a grant that is there",
		Why:  "spec 5.6: replacing any grant already there",
		check: func(s *scene) {
			id := s.process("p")
			s.grantAs(s.session("a"), id, registry.ProcessHandleDescriptor{Label: ref("a")})
			s.grantAs(s.session("b"), id, registry.ProcessHandleDescriptor{Label: ref("b"), Kind: ref("k")})
			s.transfer(s.session("a"), s.session("b"), id)
			s.same("grants", s.grantsOf(id), []registry.ProcessHandleGrant{{SessionID: s.id("b"), ProcessID: id, Descriptor: registry.ProcessHandleDescriptor{Label: ref("a")}}})
		},
	},
	{
		Name: "a missing grant is refused, naming process and session",
		Why:  "spec 5.6: is not granted to session, with the from session id; A8: NotGranted",
		check: func(s *scene) {
			id := s.process("p")
			s.grant(s.frame("a", "f"), id)
			refusal := s.refused(registry.CodeNotGranted, s.TransferHandleGrants(s.ctx, s.session("a"), s.session("b"), []string{id}))
			equal(s, "process_id", refusal.Fields.ProcessID, id)
			equal(s, "session_id", refusal.Fields.SessionID, s.id("a"))
			s.refused(registry.CodeNotGranted, s.TransferHandleGrants(s.ctx, s.session("a"), s.session("b"), []string{s.id("none")}))
		},
	},
	{
		Name: "a transfer that fails has moved nothing",
		Why:  "spec 5.6: must be all-or-nothing",
		check: func(s *scene) {
			p, q, r := s.process("p"), s.process("q"), s.process("r")
			s.grantAs(s.session("a"), p, registry.ProcessHandleDescriptor{Label: ref("a")})
			s.grant(s.session("a"), r)
			s.grantAs(s.session("b"), p, registry.ProcessHandleDescriptor{Label: ref("b")})
			refusal := s.refused(registry.CodeNotGranted, s.TransferHandleGrants(s.ctx, s.session("a"), s.session("b"), []string{p, r, q}))
			equal(s, "process_id", refusal.Fields.ProcessID, q)
			s.same("from", grantedIn(s.grants(s.session("a"))), []string{p, r})
			s.same("to", grantedIn(s.grants(s.session("b"))), []string{p})
			equal(s, "label of the grant that was there", *s.grants(s.session("b"))[0].Grant.Descriptor.Label, "b")
		},
	},
	{
		Name: "the first missing grant in list order is the one that is named",
		Why:  "spec 5.6: in list order",
		check: func(s *scene) {
			p := s.process("p")
			s.grant(s.session("a"), p)
			refusal := s.refused(registry.CodeNotGranted, s.TransferHandleGrants(s.ctx, s.session("a"), s.session("b"), []string{p, s.id("z"), s.id("c")}))
			equal(s, "process_id", refusal.Fields.ProcessID, s.id("z"))
		},
	},
	{
		Name: "an id that comes twice fails, and nothing moves",
		Why:  "spec 5.6: a duplicate id: the second one fails",
		check: func(s *scene) {
			p, q := s.process("p"), s.process("q")
			s.grant(s.session("a"), p)
			s.grant(s.session("a"), q)
			s.refused(registry.CodeNotGranted, s.TransferHandleGrants(s.ctx, s.session("a"), s.session("b"), []string{p, q, p}))
			s.same("from", grantedIn(s.grants(s.session("a"))), []string{p, q})
			s.same("to", grantedIn(s.grants(s.session("b"))), []string{})
		},
	},
	{
		Name: "a transfer to the same scope changes nothing",
		Why:  "spec 5.6: from == to: Ok, duplicates too",
		check: func(s *scene) {
			id := s.process("p")
			s.grantAs(s.session("a"), id, registry.ProcessHandleDescriptor{Label: ref("a")})
			s.transfer(s.session("a"), s.session("a"), id)
			s.transfer(s.session("a"), s.frame("a", ""), id, id)
			s.same("grants", s.grantsOf(id), []registry.ProcessHandleGrant{{SessionID: s.id("a"), ProcessID: id, Descriptor: registry.ProcessHandleDescriptor{Label: ref("a")}}})
			s.refused(registry.CodeNotGranted, s.TransferHandleGrants(s.ctx, s.session("a"), s.session("a"), []string{s.id("none")}))
		},
	},
	{
		Name: "transferring nothing is fine",
		Why:  "spec 5.6: empty list: Ok",
		check: func(s *scene) {
			s.transfer(s.session("a"), s.session("b"))
			s.transfer(s.session("a"), s.session("a"))
		},
	},
	{
		Name: "a transfer can not be repeated",
		Why:  "spec 5.6: a retry after success is an error",
		check: func(s *scene) {
			id := s.process("p")
			s.grant(s.session("a"), id)
			s.transfer(s.session("a"), s.session("b"), id)
			s.refused(registry.CodeNotGranted, s.TransferHandleGrants(s.ctx, s.session("a"), s.session("b"), []string{id}))
			s.holds(s.has(s.session("b"), id), "the repeat took the grant away")
		},
	},
	{
		Name: "ended processes are transferred like others",
		Why:  "spec 5.6: no check of the process row itself",
		check: func(s *scene) {
			id := s.process("p")
			s.grant(s.session("a"), id)
			s.complete(id, success(`1`))
			s.transfer(s.session("a"), s.session("b"), id)
			s.holds(s.has(s.session("b"), id), "it was not moved")
		},
	},
	{
		Name: "scopes of a transfer are pairs",
		Why:  "spec A18",
		check: func(s *scene) {
			id := s.process("p")
			s.grant(s.frame("a", "b"), id)
			joined := registry.SessionScope{SessionID: s.id("a") + "/frame:b"}
			s.refused(registry.CodeNotGranted, s.TransferHandleGrants(s.ctx, joined, s.session("c"), []string{id}))
			s.transfer(s.frame("a", "b"), joined, id)
			s.holds(s.has(joined, id) && !s.has(s.frame("a", "b"), id), "the grant did not move between the two")
		},
	},
	{
		Name: "a transfer leaves wake targets alone",
		Why:  "spec 5.6, W-25: a transferred handle still wakes the old session",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), ref(s.session("a")))).ID
			s.grant(s.session("a"), id)
			s.transfer(s.session("a"), s.session("b"), id)
			equal(s, "target", s.delivered(id, event("wake", `1`, "")).TargetSessionID, s.id("a"))
		},
	},
	{
		Name: "of transfers at the same time one gets each grant",
		Why:  "spec 5.6: all-or-nothing",
		check: func(s *scene) {
			p, q := s.process("p"), s.process("q")
			s.grant(s.session("a"), p)
			s.grant(s.session("a"), q)
			const callers = 6
			var errs [callers]error
			atOnce(callers, func(i int) {
				errs[i] = s.TransferHandleGrants(s.ctx, s.session("a"), s.session(string(rune('b'+i))), []string{p, q})
			})
			won := 0
			for i, err := range errs {
				to := s.session(string(rune('b' + i)))
				if err != nil {
					s.refused(registry.CodeNotGranted, err)
					equal(s, "grants of who failed", len(s.grants(to)), 0)
					continue
				}
				won++
				equal(s, "grants of who succeeded", len(s.grants(to)), 2)
			}
			equal(s, "transfers that succeeded", won, 1)
		},
	},
}
