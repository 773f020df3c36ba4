package registrytest

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

// retentionChecks prune, so each of them runs alone, and counts are exact once
// what others left is gone.
var retentionChecks = []Check{
	{
		Name:  "a prune takes ended processes that are older than the cutoff, strictly",
		Why:   "spec 5.31: every TERMINAL row with updated_at < cutoff (strict)",
		Alone: true,
		check: func(s *scene) {
			s.prune(maxUint64)
			id := s.ended("p")
			updated := s.get(id).UpdatedAtMs
			s.same("the report at the very time", s.prune(updated), registry.ProcessPruneReport{})
			s.get(id)
			s.same("the report", s.prune(updated+1), registry.ProcessPruneReport{PrunedProcesses: 1, PrunedEvents: 1})
			s.gone(id)
		},
	},
	{
		Name:  "a prune goes by the last update",
		Why:   "spec 5: a late plain event or clear_process_wait on a terminal row postpones its pruning",
		Alone: true,
		check: func(s *scene) {
			noted, cleared, still := s.ended("noted"), s.ended("cleared"), s.ended("still")
			cutoff := s.get(still).UpdatedAtMs + 1
			s.later(cutoff)
			s.note(noted, `1`)
			s.clearWait(cleared)
			s.prune(cutoff)
			s.gone(still)
			s.get(noted)
			s.get(cleared)
		},
	},
	{
		Name:  "running processes are never pruned",
		Why:   "spec 5.31: whatever the cutoff",
		Alone: true,
		check: func(s *scene) {
			id := s.process("p")
			s.wait(id, signal("go", 1))
			for _, cutoff := range []uint64{0, 1<<63 - 1, 1 << 63, maxUint64} {
				s.prune(cutoff)
			}
			s.get(id)
		},
	},
	{
		Name:  "cutoffs up to the end of the numbers work",
		Why:   "spec 5.31: cutoff 2^63-1 must work; A14: up to 2^64-1",
		Alone: true,
		check: func(s *scene) {
			s.prune(maxUint64)
			for _, cutoff := range []uint64{1<<63 - 1, 1 << 63, maxUint64} {
				id := s.ended("p")
				s.same("the report of 0", s.prune(0), registry.ProcessPruneReport{})
				s.same(fmt.Sprint("the report of ", cutoff), s.prune(cutoff), registry.ProcessPruneReport{PrunedProcesses: 1, PrunedEvents: 1})
				s.gone(id)
			}
		},
	},
	{
		Name:  "a prune counts rows and events, and a repeat reports zeros",
		Why:   "spec 5.31: rows and event rows deleted; idempotent",
		Alone: true,
		check: func(s *scene) {
			s.prune(maxUint64)
			for i, c := range outputs {
				id := s.process(string(c.state))
				for range i {
					s.note(id, `1`)
				}
				s.complete(id, c.output)
			}
			s.note(s.process("running"), `1`)
			s.same("the report", s.prune(maxUint64), registry.ProcessPruneReport{PrunedProcesses: 4, PrunedEvents: 4 + 0 + 1 + 2 + 3})
			s.same("the repeat", s.prune(maxUint64), registry.ProcessPruneReport{})
		},
	},
	{
		Name:  "a pruned process is unknown to every call",
		Why:   "spec 5.31: every read treats the id as unknown; has_handle_grant false; lists omit it",
		Alone: true,
		check: func(s *scene) {
			id := s.register(waking(s.id("p"), ref(s.session("s")))).ID
			s.append(id, event("wake", `1`, ""))
			s.grant(s.session("s"), id)
			s.grant(s.frame("t", "f"), id)
			lease := s.claim(id, owner("w", "1"), longTTL)
			s.ack(id, 7)
			s.complete(id, success(`1`))
			s.prune(maxUint64)
			s.gone(id)
			s.holds(s.lease(id) == nil, "the live lease is still there")
			s.refused(registry.CodeLeaseExpired, failure(s.RenewProcessLease(s.ctx, lease, longTTL)))
			s.release(lease)
			s.holds(!s.has(s.session("s"), id) && !s.has(s.frame("t", "f"), id), "a grant is still there")
			s.same("grants", grantedIn(s.grants(s.session("s"))), []string{})
			s.same("processes", s.own(s.list(registry.ProcessListFilter{Status: registry.StatusAny})), []string{})
			s.same("the deletion of the session", s.deleteSession(s.id("s")), registry.ProcessSessionDeleteReport{
				SessionID: s.id("s"), OrphanedProcessIDs: []string{}, PreservedProcessIDs: []string{},
			})
			s.refused(registry.CodeNotGranted, s.TransferHandleGrants(s.ctx, s.frame("t", "f"), s.session("u"), []string{id}))
			s.revoke(s.session("s"), id)
		},
	},
	{
		Name:  "a pruned id is free for a new life",
		Why:   "spec 5.31: sequence 1, a fresh lease row; 5.2: a new life",
		Alone: true,
		check: func(s *scene) {
			registration := waking(s.id("p"), nil)
			first := s.register(registration)
			id := first.ID
			s.append(id, event("wake", `1`, "k"))
			s.ack(id, 1)
			s.ack(id, 2)
			s.grant(s.session("s"), id)
			s.claim(id, owner("w", "1"), longTTL)
			s.externalRef(id, registry.ProcessExternalRef{Backend: "b", ID: "i"})
			s.complete(id, success(`1`))
			s.prune(maxUint64)

			registration.Identity.Kind = "another"
			second := s.register(registration)
			equal(s, "state", second.Status.State, registry.StateRunning)
			s.holds(second.ExternalRef == nil, "the external reference is still there")
			s.holds(second.Life > first.Life && second.CreatedAtMs >= first.CreatedAtMs, "the life is %d after %d", second.Life, first.Life)
			s.holds(s.lease(id) == nil && !s.has(s.session("s"), id), "a lease or a grant is still there")
			e := s.append(id, event("note", `"another"`, "k")).Event
			equal(s, "sequence under the old replay key", e.Sequence, 1)
			s.append(id, event("wake", `1`, ""))
			s.same("wakes, in spite of old acks", sequencesOf(s.wakesAfter(id, 0)), []uint64{2})
			s.complete(id, failed("other end"))
		},
	},
	{
		Name:  "fencing tokens go on over pruning and a new life",
		Why:   "spec A1: per process id strictly increasing over all of its lives",
		Alone: true,
		check: func(s *scene) {
			id := s.process("p")
			first := s.claim(id, owner("w", "1"), longTTL)
			s.complete(id, success(`1`))
			s.prune(maxUint64)
			s.process("p")
			s.isFenced(failure(s.AppendEvent(s.ctx, id, event("note", `1`, ""), first.Fence())), 0)
			second := s.claim(id, owner("w", "1"), longTTL)
			s.holds(second.FencingToken > first.FencingToken, "the fencing token is %d after %d in an earlier life", second.FencingToken, first.FencingToken)
			s.isFenced(failure(s.AppendEvent(s.ctx, id, event("note", `1`, ""), first.Fence())), second.FencingToken)
			s.refused(registry.CodeLeaseExpired, failure(s.RenewProcessLease(s.ctx, first, longTTL)))
			s.release(first)
			equal(s, "the held token", s.held(id).LeaseToken, second.LeaseToken)
		},
	},
	{
		Name:  "a page token of an earlier life has ended",
		Why:   "spec A15, A8: LifeEnded",
		Alone: true,
		check: func(s *scene) {
			id := s.process("p")
			s.fill(id, 3)
			page, err := s.EventsAfter(s.ctx, id, 0, registry.PageRequest{Size: 1})
			s.done(err)
			s.complete(id, success(`1`))
			s.prune(maxUint64)
			s.refused(registry.CodeNotFound, failure(s.EventsAfter(s.ctx, id, 0, registry.PageRequest{Token: page.NextToken})))
			s.process("p")
			s.fill(id, 3)
			refusal := s.refused(registry.CodeLifeEnded, failure(s.EventsAfter(s.ctx, id, 0, registry.PageRequest{Token: page.NextToken})))
			equal(s, "process_id", refusal.Fields.ProcessID, id)
		},
	},
	{
		Name:  "what is not pruned keeps all it has",
		Why:   "spec 5.31: deletes the row together with all its own",
		Alone: true,
		check: func(s *scene) {
			id := s.register(waking(s.id("stays"), ref(s.session("s")))).ID
			s.append(id, event("wake", `1`, "k"))
			s.append(id, event("wake", `2`, ""))
			s.ack(id, 1)
			s.grant(s.session("s"), id)
			lease := s.claim(id, owner("w", "1"), longTTL)
			gone := s.ended("goes")
			s.grant(s.session("s"), gone)
			s.unchanged(id, func() { s.prune(maxUint64) })
			s.gone(gone)
			equal(s, "events", len(s.eventsAfter(id, 0)), 2)
			s.same("wakes", sequencesOf(s.wakesAfter(id, 0)), []uint64{2})
			s.same("grants", grantedIn(s.grants(s.session("s"))), []string{id})
			s.renew(lease, longTTL)
			equal(s, "the replayed sequence", s.append(id, event("wake", `1`, "k")).Event.Sequence, 1)
		},
	},
	{
		Name:  "a prune of more rows than one entry takes sums up",
		Why:   "spec A10: entries of at most 1,000 rows; the call sums up",
		Alone: true,
		check: func(s *scene) {
			s.prune(maxUint64)
			const n = 1100
			s.many(n, func(i int) error {
				id := s.id(fmt.Sprint(i))
				if _, err := s.RegisterProcess(s.ctx, declaring(id)); err != nil {
					return err
				}
				return failure(s.CompleteProcess(s.ctx, id, success(`1`), nil))
			})
			s.same("the report", s.prune(maxUint64), registry.ProcessPruneReport{PrunedProcesses: n, PrunedEvents: n})
			s.same("what is left", s.own(s.list(registry.ProcessListFilter{Status: registry.StatusAny})), []string{})
		},
	},
	{
		Name:  "prunes and appends at the same time never tear a process apart",
		Why:   "spec A10: prune is atomic per process; W-20: a late event must not lose its history",
		Alone: true,
		check: func(s *scene) {
			const n = 12
			var cutoff uint64
			for i := range n {
				cutoff = max(cutoff, s.get(s.ended(fmt.Sprint(i))).UpdatedAtMs+1)
			}
			s.later(cutoff)
			var errs [n]error
			var pruned error
			atOnce(n+1, func(i int) {
				if i == n {
					_, pruned = s.PruneTerminalProcesses(s.ctx, cutoff)
					return
				}
				_, errs[i] = s.AppendEvent(s.ctx, s.id(fmt.Sprint(i)), event("note", `1`, ""), nil)
			})
			s.done(pruned)
			for i, err := range errs {
				id := s.id(fmt.Sprint(i))
				if err != nil {
					s.refused(registry.CodeNotFound, err)
					s.gone(id)
					continue
				}
				s.same("sequences of a process that was appended to in time", sequencesOf(s.eventsAfter(id, 0)), []uint64{1, 2})
				equal(s, "state", s.get(id).Status.State, registry.StateCompleted)
			}
		},
	},
}

// gone wants a process to be unknown to every method that speaks of one.
func (s *scene) gone(id string) {
	s.Helper()
	for _, err := range []error{
		failure(s.GetProcess(s.ctx, id)),
		failure(s.EventsAfter(s.ctx, id, 0, registry.PageRequest{})),
		failure(s.CountEventsThrough(s.ctx, id, "note", 1)),
		failure(s.RecentEvents(s.ctx, id, 1, registry.PageRequest{})),
		failure(s.WakeEventsAfter(s.ctx, id, 0, registry.PageRequest{})),
		failure(s.HandleGrantsForProcess(s.ctx, id, registry.PageRequest{})),
		failure(s.AppendEvent(s.ctx, id, event("note", `1`, ""), nil)),
		failure(s.CompleteProcess(s.ctx, id, success(`1`), nil)),
		failure(s.RecordFirstStarted(s.ctx, id, started("w", 1), nil)),
		failure(s.RequestProcessAbandon(s.ctx, id, registry.AbandonRequest{RequestedBy: "a"}, nil)),
		failure(s.SetProcessWait(s.ctx, id, signal("go", 1), nil)),
		failure(s.ClearProcessWait(s.ctx, id, nil)),
		failure(s.SetExternalRef(s.ctx, id, registry.ProcessExternalRef{Backend: "b", ID: "i"}, nil)),
		failure(s.GrantHandle(s.ctx, s.session("s"), id, registry.ProcessHandleDescriptor{})),
		failure(s.ClaimProcessLease(s.ctx, id, owner("w", "1"), longTTL)),
		s.AckWake(s.ctx, id, 1),
	} {
		refusal := s.refused(registry.CodeNotFound, err)
		equal(s, "process_id", refusal.Fields.ProcessID, id)
	}
}
