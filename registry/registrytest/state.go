package registrytest

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

var tierChecks = []Check{
	{
		Name: "the durability tier is what the backend is",
		Why:  "spec 5.1, A19: Durable if replicated, Inline in memory",
		check: func(s *scene) {
			equal(s, "tier", s.DurabilityTier(), s.Tier)
		},
	},
}

var stateChecks = []Check{
	{
		Name: "reads see every write that was finished before",
		Why:  "spec 6: linearizable reads; O-02: through any handle",
		check: func(s *scene) {
			ways := append([]registry.Registry{s.Registry}, s.Others...)
			for i := range 5 {
				writer, id := ways[i%len(ways)], s.id(fmt.Sprint(i))
				record, err := writer.RegisterProcess(s.ctx, plain(id))
				s.done(err)
				for _, reader := range ways {
					seen, err := reader.GetProcess(s.ctx, id)
					s.done(err)
					s.same("the record elsewhere", seen, record)
				}
			}
		},
	},
	{
		Name: "time never goes back, over processes and handles",
		Why:  "spec A3: one clock, carried by the log",
		check: func(s *scene) {
			ways := append([]registry.Registry{s.Registry}, s.Others...)
			last := uint64(0)
			for i := range 8 {
				record, err := ways[i%len(ways)].RegisterProcess(s.ctx, plain(s.id(fmt.Sprint(i))))
				s.done(err)
				s.holds(record.CreatedAtMs >= last, "created at %d after %d", record.CreatedAtMs, last)
				last = s.note(record.ID, `1`).OccurredAtMs
				s.holds(last >= record.CreatedAtMs, "occurred at %d after %d", last, record.CreatedAtMs)
			}
		},
	},
	{
		Name: "answers tell revision, clock, lease time and term, refusals too",
		Why:  "spec A8: every answer's metadata",
		check: func(s *scene) {
			id := s.process("p")
			var last registry.AnswerInfo
			for i, call := range []func(info *registry.AnswerInfo) error{
				func(info *registry.AnswerInfo) error {
					return failure(s.AppendEvent(registry.WithAnswerInfo(s.ctx, info), id, event("note", `1`, ""), nil))
				},
				func(info *registry.AnswerInfo) error {
					return failure(s.AppendEvent(registry.WithAnswerInfo(s.ctx, info), id, event("undeclared", `1`, ""), nil))
				},
				func(info *registry.AnswerInfo) error {
					return failure(s.GetProcess(registry.WithAnswerInfo(s.ctx, info), id))
				},
				func(info *registry.AnswerInfo) error {
					return failure(s.ClaimProcessLease(registry.WithAnswerInfo(s.ctx, info), id, owner("w", "1"), longTTL))
				},
			} {
				var info registry.AnswerInfo
				err := call(&info)
				s.holds((err != nil) == (i == 1), "call %d: %v", i, err)
				s.holds(info.Revision > 0 && info.ClockMs > 0 && info.Term > 0 && info.LeaderID != "", "call %d tells %+v", i, info)
				s.holds(info.Revision >= last.Revision && info.ClockMs >= last.ClockMs && info.LeaseTimeMs >= last.LeaseTimeMs && info.Term >= last.Term,
					"call %d tells %+v after %+v", i, info, last)
				last = info
			}
		},
	},
	{
		Name: "a write that changes something moves the revision",
		Why:  "spec A12, A8",
		check: func(s *scene) {
			id := s.process("p")
			before := s.get(id).Revision
			var info registry.AnswerInfo
			s.done(failure(s.AppendEvent(registry.WithAnswerInfo(s.ctx, &info), id, event("note", `1`, ""), nil)))
			after := s.get(id).Revision
			s.holds(after > before && info.Revision >= after, "revision %d, then %d, and %d with the answer", before, after, info.Revision)
		},
	},
	{
		Name:  "what was answered is there after the registry was started again",
		Why:   "spec A19, 5.3: survives reopen; A1: fencing goes on over a restart",
		Alone: true,
		Needs: NeedsReopen,
		check: func(s *scene) {
			target := s.session("s")
			id, ended := s.register(waking(s.id("p"), &target)).ID, s.ended("ended")
			s.append(id, event("wake", `{"x":1}`, "k"))
			s.append(id, event("wake", `2`, ""))
			s.ack(id, 1)
			s.grantAs(s.frame("s", "f"), id, registry.ProcessHandleDescriptor{Label: ref("l")})
			s.externalRef(id, registry.ProcessExternalRef{Backend: "b", ID: "i", Metadata: registry.JSON(`{ "a" : 1.0 }`)})
			s.firstStarted(id, started("w", 1))
			s.requestAbandon(id, registry.AbandonRequest{RequestedBy: "a", RequestedAtMs: 2})
			s.wait(id, signal("go", 1))
			lease := s.claim(id, owner("w", "1"), longTTL)
			released := s.claim(s.second(), owner("w", "1"), longTTL)
			s.release(released)
			records := []registry.ProcessRecord{s.get(id), s.get(ended)}
			events, grants := s.eventsAfter(id, 0), s.grantsOf(id)

			s.Registry = s.Reopen(s)

			s.same("the records", []registry.ProcessRecord{s.get(id), s.get(ended)}, records)
			s.same("the events", s.eventsAfter(id, 0), events)
			s.same("the grants", s.grantsOf(id), grants)
			s.same("the wakes", sequencesOf(s.wakesAfter(id, 0)), []uint64{2})
			equal(s, "the lease token", s.held(id).LeaseToken, lease.LeaseToken)
			s.renew(lease, longTTL)
			s.same("the replayed event", s.append(id, event("wake", `{"x":1}`, "k")).Event, events[0])
			s.same("registering again", s.register(waking(id, &target)).ID, id)
			next := s.claim(released.ProcessID, owner("v", "1"), longTTL)
			s.holds(next.FencingToken > max(lease.FencingToken, released.FencingToken), "the fencing token is %d after %d and %d", next.FencingToken, lease.FencingToken, released.FencingToken)
			s.holds(s.note(s.second(), `1`).OccurredAtMs >= records[0].UpdatedAtMs, "time went back")
		},
	},
}

// second is another process of the check that reopens.
func (s *scene) second() string {
	s.Helper()
	return s.register(plain(s.id("second"))).ID
}
