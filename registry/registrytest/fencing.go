package registrytest

import (
	"github.com/holdfast-registry/holdfast/registry"
)

// guarded are the seven writes that take a fence, and whether a registration
// that requires fences wants one with them.
var guarded = []struct {
	name     string
	required bool
	call     func(s *scene, processID string, fence *registry.Fence) error
}{
	{"append of a plain event", false, func(s *scene, id string, fence *registry.Fence) error {
		return failure(s.AppendEvent(s.ctx, id, event("note", `1`, ""), fence))
	}},
	{"append of a terminal event", true, func(s *scene, id string, fence *registry.Fence) error {
		return failure(s.AppendEvent(s.ctx, id, event("end", `1`, "end"), fence))
	}},
	{"append of a core terminal event", true, func(s *scene, id string, fence *registry.Fence) error {
		return failure(s.AppendEvent(s.ctx, id, event("process.failed", `{"await_output":1}`, "end"), fence))
	}},
	{"completion", true, func(s *scene, id string, fence *registry.Fence) error {
		return failure(s.CompleteProcess(s.ctx, id, success(`1`), fence))
	}},
	{"first start", true, func(s *scene, id string, fence *registry.Fence) error {
		return failure(s.RecordFirstStarted(s.ctx, id, started("w", 1), fence))
	}},
	{"wait", true, func(s *scene, id string, fence *registry.Fence) error {
		return failure(s.SetProcessWait(s.ctx, id, signal("go", 1), fence))
	}},
	{"clearing of a wait", true, func(s *scene, id string, fence *registry.Fence) error {
		return failure(s.ClearProcessWait(s.ctx, id, fence))
	}},
	{"external reference", false, func(s *scene, id string, fence *registry.Fence) error {
		return failure(s.SetExternalRef(s.ctx, id, registry.ProcessExternalRef{Backend: "b", ID: "i"}, fence))
	}},
	{"request to abandon", false, func(s *scene, id string, fence *registry.Fence) error {
		return failure(s.RequestProcessAbandon(s.ctx, id, registry.AbandonRequest{RequestedBy: "a"}, fence))
	}},
}

// guardable is a registration whose process takes all guarded writes.
func guardable(id string) registry.ProcessRegistration {
	registration := fenced(id)
	registration.Fencing = registry.FencingOptional
	return registration
}

var fencingChecks = []Check{
	{
		Name: "the fence of the current lease lets every write pass",
		Why:  "spec A2: applies if that lease is the current one",
		check: func(s *scene) {
			for _, write := range guarded {
				id := s.register(guardable(s.id(write.name))).ID
				lease := s.claim(id, owner("w", "1"), longTTL)
				s.moved(id, func() { s.done(write.call(s, id, lease.Fence())) })
			}
		},
	},
	{
		Name: "any other fence stops every write, and nothing changes",
		Why:  "spec A2: fails with Fenced (field: the current fencing token) and changes nothing",
		check: func(s *scene) {
			for _, write := range guarded {
				id := s.register(guardable(s.id(write.name))).ID
				before := s.claim(id, owner("w", "1"), 0)
				lease := s.claim(id, owner("w", "1"), longTTL)
				s.unchanged(id, func() {
					for _, fence := range []registry.Fence{
						*before.Fence(), {LeaseToken: lease.LeaseToken, FencingToken: before.FencingToken}, {LeaseToken: before.LeaseToken, FencingToken: lease.FencingToken},
						{LeaseToken: lease.LeaseToken, FencingToken: lease.FencingToken + 1}, {FencingToken: lease.FencingToken}, {},
					} {
						s.isFenced(write.call(s, id, &fence), lease.FencingToken)
					}
				})
				equal(s, "events", len(s.eventsAfter(id, 0)), 0)
			}
		},
	},
	{
		Name: "a process that was never leased has fencing token 0",
		Why:  "spec A2, A8: fields of Fenced",
		check: func(s *scene) {
			id := s.process("p")
			s.isFenced(failure(s.AppendEvent(s.ctx, id, event("note", `1`, ""), &registry.Fence{})), 0)
			s.isFenced(failure(s.AppendEvent(s.ctx, id, event("note", `1`, ""), &registry.Fence{LeaseToken: "x", FencingToken: 1})), 0)
		},
	},
	{
		Name: "a released lease is no fence",
		Why:  "spec A2: not released; 5.30: the fencing number stays",
		check: func(s *scene) {
			for _, write := range guarded {
				id := s.register(guardable(s.id(write.name))).ID
				lease := s.claim(id, owner("w", "1"), longTTL)
				s.release(lease)
				s.isFenced(write.call(s, id, lease.Fence()), lease.FencingToken)
				s.isFenced(write.call(s, id, &registry.Fence{FencingToken: lease.FencingToken}), lease.FencingToken)
			}
		},
	},
	{
		Name: "an expired lease that nobody superseded still passes",
		Why:  "spec A2: no other owner can have started; renewing it does not pass",
		check: func(s *scene) {
			for _, write := range guarded {
				id := s.register(guardable(s.id(write.name))).ID
				lease := s.claim(id, owner("w", "1"), 0)
				s.done(write.call(s, id, lease.Fence()))
				s.refused(registry.CodeLeaseExpired, failure(s.RenewProcessLease(s.ctx, lease, longTTL)))
			}
		},
	},
	{
		Name: "the lease of another process is no fence",
		Why:  "spec A2: the current lease of the process",
		check: func(s *scene) {
			p, q := s.process("p"), s.process("q")
			mine, other := s.claim(p, owner("w", "1"), longTTL), s.claim(q, owner("w", "1"), longTTL)
			s.isFenced(failure(s.AppendEvent(s.ctx, p, event("note", `1`, ""), other.Fence())), mine.FencingToken)
		},
	},
	{
		Name: "a renewed lease keeps its fence",
		Why:  "spec A1, 5.28: a renewal keeps the tokens",
		check: func(s *scene) {
			id := s.process("p")
			lease := s.claim(id, owner("w", "1"), longTTL)
			s.renew(lease, longTTL)
			s.claim(id, owner("w", "1"), longTTL)
			s.done(failure(s.AppendEvent(s.ctx, id, event("note", `1`, ""), lease.Fence())))
		},
	},
	{
		Name: "without a fence a lease guards nothing, where fences are optional",
		Why:  "spec A2: with optional and no fence, Part B holds",
		check: func(s *scene) {
			for _, write := range guarded {
				id := s.register(guardable(s.id(write.name))).ID
				s.claim(id, owner("w", "1"), longTTL)
				s.done(write.call(s, id, nil))
			}
		},
	},
	{
		Name: "where fences are required, terminal writes, starts and waits need one",
		Why:  "spec A2: without the current fence they fail with Fenced",
		check: func(s *scene) {
			for _, write := range guarded {
				if !write.required {
					continue
				}
				id := s.register(fenced(s.id(write.name))).ID
				s.unchanged(id, func() { s.isFenced(write.call(s, id, nil), 0) })
				lease := s.claim(id, owner("w", "1"), longTTL)
				s.unchanged(id, func() { s.isFenced(write.call(s, id, nil), lease.FencingToken) })
				s.done(write.call(s, id, lease.Fence()))
			}
		},
	},
	{
		Name: "where fences are required, everything else stays open",
		Why:  "spec A2: signals and cancel requests come from others",
		check: func(s *scene) {
			for _, write := range guarded {
				if write.required {
					continue
				}
				id := s.register(fenced(s.id(write.name))).ID
				lease := s.claim(id, owner("w", "1"), longTTL)
				s.done(write.call(s, id, nil))
				s.done(failure(s.AppendEvent(s.ctx, id, cancel(id, `{"reason":null}`), nil)))
				s.isFenced(write.call(s, id, &registry.Fence{LeaseToken: "x", FencingToken: lease.FencingToken}), lease.FencingToken)
			}
		},
	},
	{
		Name: "where fences are required, a repeat needs one as well",
		Why:  "spec A2: Fenced comes before 5.12 from its replay step; A20: the fence still current",
		check: func(s *scene) {
			id := s.register(fenced(s.id("p"))).ID
			lease := s.claim(id, owner("w", "1"), longTTL)
			s.done(failure(s.CompleteProcess(s.ctx, id, success(`1`), lease.Fence())))
			s.done(failure(s.CompleteProcess(s.ctx, id, success(`1`), lease.Fence())))
			s.isFenced(failure(s.CompleteProcess(s.ctx, id, success(`1`), nil)), lease.FencingToken)
			s.release(lease)
			s.isFenced(failure(s.CompleteProcess(s.ctx, id, success(`1`), lease.Fence())), lease.FencingToken)
		},
	},
	{
		Name: "arguments are judged before the process",
		Why:  "spec A2: order of checks: input, NotFound",
		check: func(s *scene) {
			stale := &registry.Fence{LeaseToken: "x"}
			s.refused(registry.CodeInvalidArgument, failure(s.AppendEvent(s.ctx, s.id("none"), event("note", `nonsense`, ""), stale)))
			s.refused(registry.CodeInvalidArgument, failure(s.CompleteProcess(s.ctx, s.id("none"), registry.ProcessAwaitOutput{}, stale)))
			s.refused(registry.CodeInvalidArgument, failure(s.SetProcessWait(s.ctx, s.id("none"), registry.WaitState{}, stale)))
		},
	},
	{
		Name: "an unknown process comes before a stale fence",
		Why:  "spec A2: order of checks: NotFound, Fenced",
		check: func(s *scene) {
			for _, write := range guarded {
				s.refused(registry.CodeNotFound, write.call(s, s.id("none"), &registry.Fence{LeaseToken: "x"}))
			}
		},
	},
	{
		Name: "a stale fence comes before everything else about the process",
		Why:  "spec A2: order of checks: Fenced, then Part B's order, which for appends begins with the replay",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), schemaType("note", `{"type":"integer"}`), terminalType("end", registry.StateCompleted, nil))).ID
			s.append(id, event("note", `1`, "k"))
			s.complete(id, success(`1`))
			stale := &registry.Fence{LeaseToken: "x"}
			for _, request := range []registry.ProcessEventAppendRequest{
				event("note", `1`, "k"), event("note", `2`, "k"), event("none", `1`, ""), event("end", `1`, ""), event("note", `"a"`, ""), event("end", `1`, "other"),
			} {
				s.isFenced(failure(s.AppendEvent(s.ctx, id, request, stale)), 0)
			}
			for _, write := range guarded {
				s.isFenced(write.call(s, id, stale), 0)
			}
		},
	},
	{
		Name: "facts that are stored already are fenced too",
		Why:  "spec A2: with a fence the write applies only if that lease is the current one",
		check: func(s *scene) {
			id := s.process("p")
			s.firstStarted(id, started("w", 1))
			s.externalRef(id, registry.ProcessExternalRef{Backend: "b", ID: "i"})
			s.requestAbandon(id, registry.AbandonRequest{RequestedBy: "a"})
			for _, write := range guarded {
				s.isFenced(write.call(s, id, &registry.Fence{LeaseToken: "x"}), 0)
			}
		},
	},
	{
		Name: "of two owners only the present one can write",
		Why:  "spec A2: a superseded owner is stopped by the registry",
		check: func(s *scene) {
			id := s.register(fenced(s.id("p"))).ID
			late := s.claim(id, owner("late", "1"), 0)
			now := s.claim(id, owner("now", "1"), longTTL)
			const each = 4
			var lateErrs, nowErrs [each]error
			atOnce(2*each, func(i int) {
				if i%2 == 0 {
					_, lateErrs[i/2] = s.AppendEvent(s.ctx, id, event("note", `"late"`, ""), late.Fence())
				} else {
					_, nowErrs[i/2] = s.AppendEvent(s.ctx, id, event("note", `"now"`, ""), now.Fence())
				}
			})
			for i := range each {
				s.isFenced(lateErrs[i], now.FencingToken)
				s.done(nowErrs[i])
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), each)
			s.isFenced(failure(s.CompleteProcess(s.ctx, id, failed("late"), late.Fence())), now.FencingToken)
			s.done(failure(s.CompleteProcess(s.ctx, id, success(`1`), now.Fence())))
		},
	},
}

// isFenced wants a write to be stopped, naming the current fencing token.
func (s *scene) isFenced(err error, current uint64) {
	s.Helper()
	refusal := s.refused(registry.CodeFenced, err)
	if refusal.Fields.FencingToken == nil {
		s.Errorf("the error names no fencing token: %v", err)
		return
	}
	equal(s, "fencing_token", *refusal.Fields.FencingToken, current)
}
