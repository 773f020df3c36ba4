package registrytest

import (
	"github.com/holdfast-registry/holdfast/registry"
)

var sessionDeletionChecks = []Check{
	{
		Name: "deleting a session removes its grants in all frames and no others",
		Why:  "spec 5.11: every grant whose session id equals the argument, in ALL scopes of that session",
		check: func(s *scene) {
			id := s.process("p")
			for _, scope := range []registry.SessionScope{s.session("s"), s.frame("s", "f"), s.frame("s", "g"), s.session("t"), s.frame("t", "f")} {
				s.grant(scope, id)
			}
			report := s.deleteSession(s.id("s"))
			equal(s, "session_id", report.SessionID, s.id("s"))
			equal(s, "revoked_handle_count", report.RevokedHandleCount, 3)
			equal(s, "grants that are left", len(s.grantsOf(id)), 2)
			s.holds(s.has(s.session("t"), id) && s.has(s.frame("t", "f"), id), "a grant of another session is gone")
			s.holds(!s.has(s.session("s"), id) && !s.has(s.frame("s", "f"), id), "a grant is still there")
		},
	},
	{
		Name: "the report tells orphaned from preserved processes",
		Why:  "spec 5.11: no grant left anywhere -> orphaned, else preserved; sorted ascending and de-duplicated",
		check: func(s *scene) {
			orphans := s.bytewiseIDs(func(id string) {
				s.register(plain(id))
				s.grant(s.frame("s", "g"), id)
				s.grant(s.session("s"), id)
			})
			kept := []string{s.process("kept A"), s.process("kept a")}
			for _, id := range kept {
				s.grant(s.session("s"), id)
				s.grant(s.frame("s", "f"), id)
			}
			s.grant(s.frame("t", "f"), kept[0])
			s.grant(s.session("u"), kept[1])
			report := s.deleteSession(s.id("s"))
			s.same("orphaned", report.OrphanedProcessIDs, orphans)
			s.same("preserved", report.PreservedProcessIDs, kept)
			equal(s, "revoked_handle_count", report.RevokedHandleCount, uint64(2*len(orphans)+4))
			equal(s, "deleted_wake_count", report.DeletedWakeCount, 0)
		},
	},
	{
		Name: "ended processes count as revoked but are in neither list",
		Why:  "spec 5.11: terminal ones included in the count; in neither list",
		check: func(s *scene) {
			p, q := s.ended("p"), s.ended("q")
			s.grant(s.session("s"), p)
			s.grant(s.session("s"), q)
			s.grant(s.session("t"), q)
			report := s.deleteSession(s.id("s"))
			s.same("the report", report, registry.ProcessSessionDeleteReport{
				SessionID: s.id("s"), RevokedHandleCount: 2, OrphanedProcessIDs: []string{}, PreservedProcessIDs: []string{},
			})
		},
	},
	{
		Name: "a session that nobody knows is deleted with zeros",
		Why:  "spec 5.11: unknown session: zeros and empty lists, Ok",
		check: func(s *scene) {
			s.same("the report", s.deleteSession(s.id("none")), registry.ProcessSessionDeleteReport{
				SessionID: s.id("none"), OrphanedProcessIDs: []string{}, PreservedProcessIDs: []string{},
			})
		},
	},
	{
		Name: "deleting again reports zeros",
		Why:  "spec 5.11: idempotent, but a repeat reports zeros",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), ref(s.session("s")))).ID
			s.grant(s.session("s"), id)
			equal(s, "revoked_handle_count", s.deleteSession(s.id("s")).RevokedHandleCount, 1)
			s.unchanged(id, func() {
				s.same("the report", s.deleteSession(s.id("s")), registry.ProcessSessionDeleteReport{
					SessionID: s.id("s"), OrphanedProcessIDs: []string{}, PreservedProcessIDs: []string{},
				})
			})
		},
	},
	{
		Name: "every process loses the session as wake target",
		Why:  "spec 5.11: EVERY process, terminal too, granted or not; updated_at = now",
		check: func(s *scene) {
			running := s.register(waking(s.id("running"), ref(s.session("s")))).ID
			inFrame := s.register(waking(s.id("frame"), ref(s.frame("s", "f")))).ID
			ended := s.register(waking(s.id("ended"), ref(s.session("s")))).ID
			s.complete(ended, success(`1`))
			s.later(s.get(ended).UpdatedAtMs)
			before := map[string]registry.ProcessRecord{running: s.get(running), inFrame: s.get(inFrame), ended: s.get(ended)}
			s.deleteSession(s.id("s"))
			for id, record := range before {
				after := s.get(id)
				s.holds(after.WakeTarget == nil, "%s still has the target %+v", id, after.WakeTarget)
				s.holds(after.UpdatedAtMs > record.UpdatedAtMs, "updated_at_ms of %s did not move", id)
				after.WakeTarget, after.UpdatedAtMs, after.Revision = record.WakeTarget, record.UpdatedAtMs, record.Revision
				s.same("the rest of the record", after, record)
			}
			s.holds(s.append(running, event("wake", `1`, "")).WakeDelivery == nil, "a wake is still delivered")
		},
	},
	{
		Name: "other processes are not touched",
		Why:  "spec 5.11: nothing else changes; 5: updated_at only on rows whose wake_target is cleared",
		check: func(s *scene) {
			granted := s.process("granted")
			s.grant(s.session("s"), granted)
			other := s.register(waking(s.id("other"), ref(s.session("t")))).ID
			s.unchanged(granted, func() { s.unchanged(other, func() { s.deleteSession(s.id("s")) }) })
			equal(s, "wake target", *s.get(other).WakeTarget, s.session("t"))
		},
	},
	{
		Name: "processes, events, leases and originators stay",
		Why:  "spec 5.11: no event is written, nothing is cancelled",
		check: func(s *scene) {
			registration := waking(s.id("p"), ref(s.session("s")))
			registration.Provenance.Originator.Scope = ref(s.session("s"))
			id := s.register(registration).ID
			s.append(id, event("wake", `1`, ""))
			s.grant(s.session("s"), id)
			lease := s.claim(id, owner("w", "1"), longTTL)
			events := s.eventsAfter(id, 0)
			s.deleteSession(s.id("s"))
			s.same("events", s.eventsAfter(id, 0), events)
			s.same("wakes", sequencesOf(s.wakesAfter(id, 0)), []uint64{1})
			equal(s, "lease token", s.held(id).LeaseToken, lease.LeaseToken)
			s.same("originator", s.get(id).Provenance, registration.Provenance)
			equal(s, "state", s.get(id).Status.State, registry.StateRunning)
		},
	},
	{
		Name: "a session whose id looks like a frame is another one",
		Why:  "spec A18: scopes are compared as pairs",
		check: func(s *scene) {
			p, q := s.process("p"), s.process("q")
			joined := registry.SessionScope{SessionID: s.id("s") + "/frame:f"}
			s.grant(joined, p)
			s.grant(s.frame("s", "f"), q)
			s.same("orphaned", s.deleteSession(s.id("s")).OrphanedProcessIDs, []string{q})
			s.holds(s.has(joined, p), "the grant of the other session is gone")
			s.same("orphaned", s.deleteSession(joined.SessionID).OrphanedProcessIDs, []string{p})
		},
	},
	{
		Name: "a replay after the deletion delivers nothing",
		Why:  "spec 5.12 step 3: the record's CURRENT wake_target",
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), ref(s.session("s")))).ID
			s.holds(s.append(id, event("wake", `1`, "k")).WakeDelivery != nil, "nothing was delivered")
			s.deleteSession(s.id("s"))
			s.holds(s.append(id, event("wake", `1`, "k")).WakeDelivery == nil, "the replay was delivered to the deleted session")
		},
	},
	{
		Name: "a deleted session can be used again",
		Why:  "spec 5.11: sessions are names, nothing remembers a deletion",
		check: func(s *scene) {
			id := s.process("p")
			s.grant(s.session("s"), id)
			s.deleteSession(s.id("s"))
			s.grant(s.session("s"), id)
			s.same("grants", grantedIn(s.grants(s.session("s"))), []string{id})
		},
	},
}
