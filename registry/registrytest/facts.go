package registrytest

import (
	"github.com/holdfast-registry/holdfast/registry"
)

var waitChecks = []Check{
	{
		Name: "a wait is stored as it is sent",
		Why:  "spec 5.20: stored verbatim; 3.16, A3: since_ms as sent",
		check: func(s *scene) {
			id := s.process("p")
			for _, wait := range []registry.WaitState{
				signal("go", 1),
				{Kind: registry.WaitSignal, Name: "not a convention", EventType: "", Key: "\n", Ordinal: maxUint64, SinceMs: maxUint64},
			} {
				r := s.wait(id, wait)
				s.same("the answer", r.Wait, wait)
				s.same("the record", s.get(id), r)
			}
		},
	},
	{
		Name: "a wait always moves updated_at and writes no event",
		Why:  "spec 5: set_process_wait always, even for an equal wait; 5.20: no event is written",
		check: func(s *scene) {
			id := s.process("p")
			s.moved(id, func() { s.wait(id, signal("go", 1)) })
			s.moved(id, func() { s.wait(id, signal("go", 1)) })
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
		},
	},
	{
		Name: "a process that waits is running",
		Why:  "spec 5.25: waiting rows are running",
		check: func(s *scene) {
			id := s.process("p")
			equal(s, "state", s.wait(id, signal("go", 1)).Status.State, registry.StateRunning)
		},
	},
	{
		Name: "an ended process can not wait",
		Why:  "spec 5.20: terminal is an error",
		check: func(s *scene) {
			id := s.ended("p")
			s.unchanged(id, func() {
				refusal := s.refused(registry.CodeTerminal, failure(s.SetProcessWait(s.ctx, id, signal("go", 1), nil)))
				equal(s, "process_id", refusal.Fields.ProcessID, id)
				equal(s, "state", refusal.Fields.State, "completed")
			})
		},
	},
	{
		Name: "an unknown process can neither wait nor stop waiting",
		Why:  "spec 5.20, 5.21: unknown is an error",
		check: func(s *scene) {
			s.refused(registry.CodeNotFound, failure(s.SetProcessWait(s.ctx, s.id("none"), signal("go", 1), nil)))
			s.refused(registry.CodeNotFound, failure(s.ClearProcessWait(s.ctx, s.id("none"), nil)))
		},
	},
	{
		Name: "clearing removes the wait",
		Why:  "spec 5.21",
		check: func(s *scene) {
			id := s.process("p")
			s.wait(id, signal("go", 1))
			r := s.clearWait(id)
			s.holds(r.Wait == nil, "the wait is still there: %+v", r.Wait)
			s.same("the record", s.get(id), r)
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
		},
	},
	{
		Name: "clearing always succeeds and always moves updated_at",
		Why:  "spec 5.21, 5: even when there was none and also on terminal rows",
		check: func(s *scene) {
			id := s.process("p")
			s.moved(id, func() { s.clearWait(id) })
			s.wait(id, signal("go", 1))
			s.moved(id, func() { s.clearWait(id) })
			s.complete(id, success(`1`))
			after := s.moved(id, func() { s.clearWait(id) })
			equal(s, "state", after.Status.State, registry.StateCompleted)
		},
	},
	{
		Name: "a wait of a kind that is not known is invalid",
		Why:  "spec 3.16: kind is signal",
		check: func(s *scene) {
			id := s.process("p")
			for _, kind := range []registry.WaitKind{"", "timer"} {
				s.refused(registry.CodeInvalidArgument, failure(s.SetProcessWait(s.ctx, id, registry.WaitState{Kind: kind, Name: "n"}, nil)))
			}
			s.holds(s.get(id).Wait == nil, "a wait was stored")
		},
	},
}

var firstStartedChecks = []Check{
	{
		Name: "the first start is stored as it is sent",
		Why:  "spec 5.18; A3: started_at_ms as sent",
		check: func(s *scene) {
			id := s.process("p")
			start := registry.ProcessStarted{Owner: local("w", "i", "host", "boot", 4294967295), StartedAtMs: maxUint64}
			var r registry.ProcessRecord
			s.moved(id, func() { r = s.firstStarted(id, start) })
			s.same("the answer", r.FirstStarted, start)
			s.same("the record", s.get(id), r)
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
		},
	},
	{
		Name: "later starts change nothing, whoever asks",
		Why:  "spec 5.18: present: return the record unchanged, whoever asks",
		check: func(s *scene) {
			id := s.process("p")
			first := s.firstStarted(id, started("w", 1))
			s.unchanged(id, func() {
				s.same("the same again", s.firstStarted(id, started("w", 1)), first)
				s.same("another", s.firstStarted(id, started("v", 2)), first)
			})
		},
	},
	{
		Name: "of starts at the same time one is first",
		Why:  "spec 5.18: the caller learns whether it won by comparing the returned owner",
		check: func(s *scene) {
			id := s.process("p")
			const callers = 6
			var records [callers]registry.ProcessRecord
			var errs [callers]error
			atOnce(callers, func(i int) {
				records[i], errs[i] = s.RecordFirstStarted(s.ctx, id, started(string(rune('a'+i)), uint64(i)), nil)
			})
			for i := range callers {
				s.done(errs[i])
				s.same("first_started", records[i].FirstStarted, records[0].FirstStarted)
			}
		},
	},
	{
		Name: "an ended process can have a first start",
		Why:  "spec 5.18: also accepted on terminal rows",
		check: func(s *scene) {
			id := s.ended("p")
			s.moved(id, func() { s.firstStarted(id, started("w", 1)) })
		},
	},
	{
		Name: "an unknown process can not start",
		Why:  "spec 5.18: unknown is an error",
		check: func(s *scene) {
			s.refused(registry.CodeNotFound, failure(s.RecordFirstStarted(s.ctx, s.id("none"), started("w", 1), nil)))
		},
	},
	{
		Name: "no lease is needed to start",
		Why:  "spec 5.18: no lease check",
		check: func(s *scene) {
			id := s.process("p")
			s.claim(id, owner("holder", "1"), longTTL)
			equal(s, "owner", s.firstStarted(id, started("other", 1)).FirstStarted.Owner.OwnerID, "other")
		},
	},
}

var abandonChecks = []Check{
	{
		Name: "a request is stored as it is sent, for any disposition",
		Why:  "spec 5.19; 3.16; A3: requested_at_ms as sent",
		check: func(s *scene) {
			for _, disposition := range []registry.RecoveryDisposition{registry.Rerunnable, registry.OwnerBound, registry.ExternallyOwned} {
				registration := plain(s.id(string(disposition)))
				registration.Disposition = disposition
				id := s.register(registration).ID
				request := registry.AbandonRequest{RequestedBy: "op", RequestedAtMs: maxUint64, Reason: ref("")}
				var r registry.ProcessRecord
				s.moved(id, func() { r = s.requestAbandon(id, request) })
				s.same("the answer", r.AbandonRequest, request)
				s.same("the record", s.get(id), r)
				equal(s, "state", r.Status.State, registry.StateRunning)
				equal(s, "events", len(s.eventsAfter(id, 0)), 0)
			}
		},
	},
	{
		Name: "the first request stays",
		Why:  "spec 5.19: present -> unchanged",
		check: func(s *scene) {
			id := s.process("p")
			first := s.requestAbandon(id, registry.AbandonRequest{RequestedBy: "a", RequestedAtMs: 1})
			s.unchanged(id, func() {
				s.same("the answer", s.requestAbandon(id, registry.AbandonRequest{RequestedBy: "b", RequestedAtMs: 2, Reason: ref("r")}), first)
			})
		},
	},
	{
		Name: "an ended process takes no request, even with one there",
		Why:  "spec 5.19: terminal -> error, even when a marker is already there; the marker stays",
		check: func(s *scene) {
			with, without := s.process("p"), s.ended("q")
			request := registry.AbandonRequest{RequestedBy: "a", RequestedAtMs: 1}
			s.requestAbandon(with, request)
			s.same("the marker", s.complete(with, success(`1`)).AbandonRequest, request)
			for _, id := range []string{with, without} {
				s.unchanged(id, func() {
					refusal := s.refused(registry.CodeTerminal, failure(s.RequestProcessAbandon(s.ctx, id, request, nil)))
					equal(s, "process_id", refusal.Fields.ProcessID, id)
				})
			}
		},
	},
	{
		Name: "an unknown process takes no request",
		Why:  "spec 5.19: unknown is an error",
		check: func(s *scene) {
			s.refused(registry.CodeNotFound, failure(s.RequestProcessAbandon(s.ctx, s.id("none"), registry.AbandonRequest{RequestedBy: "a"}, nil)))
		},
	},
}

var externalRefChecks = []Check{
	{
		Name: "a reference is stored as it is sent and moves updated_at",
		Why:  "spec 5.3: none stored: store, bump, return",
		check: func(s *scene) {
			id := s.process("p")
			given := registry.ProcessExternalRef{Backend: "restate", ID: "x/1", Metadata: registry.JSON(`{"b":1, "a":1.0}`)}
			var r registry.ProcessRecord
			s.moved(id, func() { r = s.externalRef(id, given) })
			equal(s, "metadata", string(r.ExternalRef.Metadata), `{"b":1, "a":1.0}`)
			s.same("the answer", r.ExternalRef, given)
			s.same("the record", s.get(id), r)
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
		},
	},
	{
		Name: "an equal reference changes nothing",
		Why:  "spec 5.3: equal stored (metadata by JSON equality): the record unchanged, byte for byte",
		check: func(s *scene) {
			id := s.process("p")
			first := s.externalRef(id, registry.ProcessExternalRef{Backend: "b", ID: "i", Metadata: registry.JSON(`{"a":1,"b":2}`)})
			s.unchanged(id, func() {
				s.same("the answer", s.externalRef(id, registry.ProcessExternalRef{Backend: "b", ID: "i", Metadata: registry.JSON(`{ "b":2, "a":1 }`)}), first)
			})
		},
	},
	{
		Name: "another reference conflicts, naming both",
		Why:  "spec 5.3: different: external ref conflict; A8: AlreadyExists",
		check: func(s *scene) {
			id := s.process("p")
			s.externalRef(id, registry.ProcessExternalRef{Backend: "b", ID: "i", Metadata: registry.JSON(`1`)})
			for _, other := range []registry.ProcessExternalRef{
				{Backend: "c", ID: "i", Metadata: registry.JSON(`1`)}, {Backend: "b", ID: "j", Metadata: registry.JSON(`1`)},
				{Backend: "b", ID: "i", Metadata: registry.JSON(`1.0`)}, {Backend: "b", ID: "i"},
			} {
				s.unchanged(id, func() {
					refusal := s.refused(registry.CodeAlreadyExists, failure(s.SetExternalRef(s.ctx, id, other, nil)))
					equal(s, "existing", refusal.Fields.Existing, `{"backend":"b","id":"i","metadata":1}`)
					equal(s, "new", refusal.Fields.New, s.form(other))
					equal(s, "process_id", refusal.Fields.ProcessID, id)
				})
			}
		},
	},
	{
		Name: "metadata that is absent differs from metadata that is there",
		Why:  "spec 5.3: absent metadata differs from present",
		check: func(s *scene) {
			id := s.process("p")
			s.externalRef(id, registry.ProcessExternalRef{Backend: "b", ID: "i"})
			s.refused(registry.CodeAlreadyExists, failure(s.SetExternalRef(s.ctx, id, registry.ProcessExternalRef{Backend: "b", ID: "i", Metadata: registry.JSON(`{}`)}, nil)))
			s.externalRef(id, registry.ProcessExternalRef{Backend: "b", ID: "i"})
		},
	},
	{
		Name: "an ended process can get a reference",
		Why:  "spec 5.3: terminal rows are allowed",
		check: func(s *scene) {
			id := s.ended("p")
			s.moved(id, func() { s.externalRef(id, registry.ProcessExternalRef{Backend: "b", ID: "i"}) })
			equal(s, "state", s.get(id).Status.State, registry.StateCompleted)
		},
	},
	{
		Name: "an unknown process can not get a reference",
		Why:  "spec 5.3: unknown is an error",
		check: func(s *scene) {
			s.refused(registry.CodeNotFound, failure(s.SetExternalRef(s.ctx, s.id("none"), registry.ProcessExternalRef{Backend: "b", ID: "i"}, nil)))
		},
	},
	{
		Name: "of different references at the same time one is stored",
		Why:  "spec 5.3, A10",
		check: func(s *scene) {
			id := s.process("p")
			const callers = 6
			var errs [callers]error
			atOnce(callers, func(i int) {
				_, errs[i] = s.SetExternalRef(s.ctx, id, registry.ProcessExternalRef{Backend: "b", ID: string(rune('a' + i))}, nil)
			})
			won := 0
			for i, err := range errs {
				if err != nil {
					s.refused(registry.CodeAlreadyExists, err)
					continue
				}
				won++
				equal(s, "id", s.get(id).ExternalRef.ID, string(rune('a'+i)))
			}
			equal(s, "calls that succeeded", won, 1)
		},
	},
}
