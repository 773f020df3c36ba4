package registrytest

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// sessions are the registry's, for checks that need them.
func (s *scene) sessions() registry.Sessions { return s.Registry.(registry.Sessions) }

// open opens a session that is closed when the check is over.
func (s *scene) open() string {
	s.Helper()
	id, err := s.sessions().OpenSession(s.ctx)
	s.done(err)
	return id
}

// stamped is the context of a write with a stamp; the floor is 1, so every
// answer is still wanted.
func (s *scene) stamped(session string, sequence uint64) context.Context {
	return registry.WithSession(s.ctx, registry.SessionStamp{ID: session, Sequence: sequence, Floor: 1})
}

// noteAs appends a plain event under a stamp.
func (s *scene) noteAs(session string, sequence uint64, processID, payload string) error {
	return failure(s.AppendEvent(s.stamped(session, sequence), processID, event("note", payload, ""), nil))
}

var sessionChecks = []Check{
	{
		Name:  "a write that is sent again is done once and answered alike",
		Why:   "spec A9: a kept answer is given again",
		Needs: NeedsSessions,
		check: func(s *scene) {
			id, session := s.process("p"), s.open()
			var first registry.ProcessEvent
			for i := range 3 {
				result, err := s.AppendEvent(s.stamped(session, 1), id, event("note", `1`, ""), nil)
				s.done(err)
				if i == 0 {
					first = result.Event
				}
				s.same("the answer", result.Event, first)
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 1)
		},
	},
	{
		Name:  "what could not be repeated can be under a stamp",
		Why:   "spec A9, W-09: transfer, reclaim, deletion of a session, a claim of an expired lease",
		Needs: NeedsSessions,
		check: func(s *scene) {
			id, session := s.process("p"), s.open()
			holder, claimant := neighbours()
			s.grant(s.session("a"), id)
			expired, err := s.ClaimProcessLease(s.stamped(session, 1), id, holder, 0)
			first := s.acquired(expired, err)
			again, err := s.ClaimProcessLease(s.stamped(session, 1), id, holder, 0)
			equal(s, "token of the claim", s.acquired(again, err).LeaseToken, first.LeaseToken)
			observed := s.claim(id, holder, longTTL)
			for range 2 {
				s.done(s.TransferHandleGrants(s.stamped(session, 2), s.session("a"), s.session("b"), []string{id}))
				lease := s.acquired(s.ReclaimProcessLease(s.stamped(session, 3), id, claimant, observed, registry.VerdictDead, longTTL))
				equal(s, "the held token", s.held(id).LeaseToken, lease.LeaseToken)
				report, err := s.DeleteSessionProcessState(s.stamped(session, 4), s.id("b"))
				s.done(err)
				equal(s, "revoked_handle_count", report.RevokedHandleCount, 1)
				s.same("orphaned", report.OrphanedProcessIDs, []string{id})
			}
		},
	},
	{
		Name:  "a refusal is kept like any answer",
		Why:   "spec A9: answers are kept, refusals included",
		Needs: NeedsSessions,
		check: func(s *scene) {
			id, session := s.process("p"), s.open()
			for i := range 2 {
				refusal := s.refused(registry.CodeNotGranted, s.TransferHandleGrants(s.stamped(session, 1), s.session("a"), s.session("b"), []string{id}))
				equal(s, "process_id", refusal.Fields.ProcessID, id)
				if i == 0 {
					s.grant(s.session("a"), id)
				}
			}
			s.holds(s.has(s.session("a"), id), "the repeat moved the grant")
		},
	},
	{
		Name:  "a record in a repeated answer may be newer",
		Why:   "spec A9: records are read again and may be newer",
		Needs: NeedsSessions,
		check: func(s *scene) {
			id, session := s.process("p"), s.open()
			s.done(failure(s.RecordFirstStarted(s.stamped(session, 1), id, started("w", 1), nil)))
			s.note(id, `1`)
			again, err := s.RecordFirstStarted(s.stamped(session, 1), id, started("w", 1), nil)
			s.done(err)
			s.same("the record", again, s.get(id))
		},
	},
	{
		Name:  "a session that is not known applies nothing",
		Why:   "spec A9: SessionExpired, before anything else is looked at",
		Needs: NeedsSessions,
		check: func(s *scene) {
			id, session := s.process("p"), s.open()
			s.done(s.sessions().CloseSession(s.ctx, session))
			s.done(s.sessions().CloseSession(s.ctx, session))
			for _, unknown := range []string{session, "0123456789abcdef0123456789abcdef"} {
				s.refused(registry.CodeSessionExpired, s.noteAs(unknown, 1, id, `1`))
				s.refused(registry.CodeSessionExpired, s.noteAs(unknown, 1, s.id("none"), `1`))
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
		},
	},
	{
		Name:  "a write below the floor is too late",
		Why:   "spec A9: a sequence below the recorded floor is SessionExpired (a late duplicate)",
		Needs: NeedsSessions,
		check: func(s *scene) {
			id, session := s.process("p"), s.open()
			s.done(s.noteAs(session, 1, id, `1`))
			risen := registry.WithSession(s.ctx, registry.SessionStamp{ID: session, Sequence: 3, Floor: 3})
			s.done(failure(s.AppendEvent(risen, id, event("note", `3`, ""), nil)))
			for _, late := range []uint64{1, 2} {
				s.refused(registry.CodeSessionExpired, s.noteAs(session, late, id, `1`))
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 2)
		},
	},
	{
		Name:  "a stamp has a number from 1 and a floor up to it",
		Why:   "spec A9: what breaks that is InvalidArgument",
		Needs: NeedsSessions,
		check: func(s *scene) {
			id, session := s.process("p"), s.open()
			for _, stamp := range []registry.SessionStamp{{ID: session, Floor: 0}, {ID: session, Sequence: 1, Floor: 2}, {ID: "nonsense", Sequence: 1, Floor: 1}} {
				s.refused(registry.CodeInvalidArgument, failure(s.AppendEvent(registry.WithSession(s.ctx, stamp), id, event("note", `1`, ""), nil)))
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
		},
	},
	{
		Name:  "another kind of write under a number is invalid",
		Why:   "spec A9: a command of another kind under it is InvalidArgument",
		Needs: NeedsSessions,
		check: func(s *scene) {
			id, session := s.process("p"), s.open()
			s.done(s.noteAs(session, 1, id, `1`))
			s.refused(registry.CodeInvalidArgument, failure(s.ClearProcessWait(s.stamped(session, 1), id, nil)))
		},
	},
	{
		Name:  "sessions count for themselves",
		Why:   "spec A9: the writes of a session are numbered",
		Needs: NeedsSessions,
		check: func(s *scene) {
			id, a, b := s.process("p"), s.open(), s.open()
			s.holds(a != b && leaseToken.MatchString(a), "the sessions are %q and %q", a, b)
			s.done(s.noteAs(a, 1, id, `1`))
			s.done(s.noteAs(b, 1, id, `1`))
			s.done(s.noteAs(a, 5, id, `1`))
			s.done(s.noteAs(a, 2, id, `1`))
			equal(s, "events", len(s.eventsAfter(id, 0)), 4)
		},
	},
	{
		Name:  "attempts at the same time are one write",
		Why:   "spec A9: exactly once under retry",
		Needs: NeedsSessions,
		check: func(s *scene) {
			id, session := s.process("p"), s.open()
			var errs [6]error
			atOnce(len(errs), func(i int) { errs[i] = s.noteAs(session, 1, id, `1`) })
			for _, err := range errs {
				s.done(err)
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 1)
		},
	},
	{
		Name:  "a session keeps 256 answers",
		Why:   "spec A9: at most 256 a session, checked before apply, then Overloaded",
		Needs: NeedsSessions,
		check: func(s *scene) {
			id, session := s.process("p"), s.open()
			s.many(256, func(i int) error { return s.noteAs(session, uint64(i+1), id, `1`) })
			// A client waits and tries again while it may, so it gets little time
			// at first, and more if that was too little for an answer.
			for timeout := 200 * time.Millisecond; ; timeout *= 4 {
				short, cancel := context.WithTimeout(s.stamped(session, 257), timeout)
				err := failure(s.AppendEvent(short, id, event("note", `1`, ""), nil))
				cancel()
				if registry.CodeOf(err) == registry.CodeOverloaded || timeout > patience {
					s.refused(registry.CodeOverloaded, err)
					break
				}
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 256)
			s.done(s.noteAs(session, 7, id, `1`))
			risen := registry.WithSession(s.ctx, registry.SessionStamp{ID: session, Sequence: 257, Floor: 2})
			s.done(failure(s.AppendEvent(risen, id, event("note", `1`, ""), nil)))
			equal(s, "events", len(s.eventsAfter(id, 0)), 257)
		},
	},
	{
		Name:  "a write can be settled",
		Why:   "spec A9: done, with its refusal if it had one, or not done, and then never",
		Needs: NeedsSessions,
		check: func(s *scene) {
			id, session := s.process("p"), s.open()
			settle := func(sequence uint64) registry.WriteOutcome {
				s.Helper()
				outcome, err := s.sessions().SettleWrite(s.ctx, registry.SessionStamp{ID: session, Sequence: sequence, Floor: 1})
				s.done(err)
				return outcome
			}
			s.done(s.noteAs(session, 1, id, `1`))
			s.refused(registry.CodeNotFound, s.noteAs(session, 2, s.id("none"), `1`))
			for range 2 {
				done, refused, never := settle(1), settle(2), settle(3)
				s.holds(done.Done && done.Refusal == nil && done.Revision > 0, "the write that was done: %+v", done)
				s.holds(refused.Done && refused.Refusal != nil && refused.Refusal.Code == registry.CodeNotFound, "the write that was refused: %+v", refused)
				s.holds(!never.Done, "the write that was not made: %+v", never)
				s.holds(s.noteAs(session, 3, id, `late`) != nil, "a settled write was applied")
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 1)
		},
	},
	{
		Name:  "sessions move no revision",
		Why:   "spec A9",
		Needs: NeedsSessions,
		Alone: true,
		check: func(s *scene) {
			revision := func() uint64 {
				var info registry.AnswerInfo
				s.done(failure(s.GetProcessLease(registry.WithAnswerInfo(s.ctx, &info), "p")))
				return info.Revision
			}
			before := revision()
			s.done(s.sessions().CloseSession(s.ctx, s.open()))
			equal(s, "revision", revision(), before)
		},
	},
	{
		Name:  "a session ends after 15 minutes of lease time without a write",
		Why:   "spec A9",
		Needs: NeedsClock,
		check: func(s *scene) {
			if _, ok := s.Registry.(registry.Sessions); !ok {
				return
			}
			id, session := s.process("p"), s.open()
			const step, steps = 2000, 15 * 60 / 2
			pass := func(steps int) {
				for i := range steps {
					s.Advance(step)
					s.note(id, fmt.Sprint(i))
				}
			}
			pass(steps - 1)
			s.Advance(step - 1)
			s.done(s.noteAs(session, 1, id, `1`))
			pass(steps - 1)
			s.done(s.noteAs(session, 1, id, `1`))
			pass(steps)
			s.refused(registry.CodeSessionExpired, s.noteAs(session, 1, id, `1`))
		},
	},
}

var fenceChecks = []Check{
	{
		Name:  "a token can be asked about from outside",
		Why:   "spec A24: current, live, the last token and the time left",
		Needs: NeedsFences,
		check: func(s *scene) {
			id := s.process("p")
			ask := func(token uint64) registry.FenceStatus {
				s.Helper()
				status, err := s.Registry.(registry.Fences).CheckFence(s.ctx, id, token)
				s.done(err)
				return status
			}
			equal(s, "never leased", ask(0), registry.FenceStatus{})
			first := s.claim(id, owner("w", "1"), 0).FencingToken
			equal(s, "expired", ask(first), registry.FenceStatus{Current: true, FencingToken: first})
			lease := s.claim(id, owner("v", "1"), longTTL)
			superseded := ask(first)
			s.holds(!superseded.Current && !superseded.Live && superseded.FencingToken == lease.FencingToken, "a superseded token: %+v", superseded)
			held := ask(lease.FencingToken)
			s.holds(held.Current && held.Live && held.FencingToken == lease.FencingToken && held.LeaseTimeLeftMs > 0 && held.LeaseTimeLeftMs <= longTTL, "the held token: %+v", held)
			s.holds(!ask(lease.FencingToken+1).Current, "a token that was never granted is current")
			s.release(lease)
			equal(s, "released", ask(lease.FencingToken), registry.FenceStatus{FencingToken: lease.FencingToken})
			s.refused(registry.CodeNotFound, failure(s.Registry.(registry.Fences).CheckFence(s.ctx, s.id("none"), 1)))
		},
	},
}
