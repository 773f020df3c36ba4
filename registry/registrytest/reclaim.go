package registrytest

import (
	"github.com/holdfast-registry/holdfast/registry"
)

// neighbours are a holder and a claimant between whom death can be seen.
func neighbours() (holder, claimant registry.LeaseOwnerIdentity) {
	return local("w", "1", "host", "boot", 7), local("v", "1", "host", "boot", 8)
}

var reclaimChecks = []Check{
	{
		Name: "a live lease of a dead neighbour is taken over",
		Why:  "spec 5.27, A5: fencing grows, new token, new holder",
		check: func(s *scene) {
			holder, claimant := neighbours()
			id := s.process("p")
			observed := s.claim(id, holder, longTTL)
			lease := s.reclaim(id, claimant, observed)
			s.holds(lease.FencingToken > observed.FencingToken, "the fencing token is %d after %d", lease.FencingToken, observed.FencingToken)
			s.holds(lease.LeaseToken != observed.LeaseToken && leaseToken.MatchString(lease.LeaseToken), "the token is %q", lease.LeaseToken)
			s.same("owner", lease.Owner, claimant)
			equal(s, "expires_at", lease.ExpiresAtMs, lease.ClaimedAtMs+longTTL)
			equal(s, "the held token", s.held(id).LeaseToken, lease.LeaseToken)
			s.refused(registry.CodeLeaseExpired, failure(s.RenewProcessLease(s.ctx, observed, longTTL)))
			s.refused(registry.CodeFenced, failure(s.AppendEvent(s.ctx, id, event("note", `1`, ""), observed.Fence())))
			s.renew(lease, longTTL)
		},
	},
	{
		Name: "without the verdict dead a live lease stays",
		Why:  "spec A5: verdict = dead; any other live lease answers Busy",
		check: func(s *scene) {
			holder, claimant := neighbours()
			id := s.process("p")
			observed := s.claim(id, holder, longTTL)
			s.staysBusy(observed, claimant, observed, registry.VerdictUnknown)
		},
	},
	{
		Name: "only neighbours can be judged",
		Why:  "spec A5: both local_process with equal host_id and boot_id; opaque is never dead",
		check: func(s *scene) {
			for name, c := range map[string]struct{ holder, claimant registry.LeaseOwnerIdentity }{
				"opaque holder":    {owner("w", "1"), local("v", "1", "host", "boot", 8)},
				"opaque claimant":  {local("w", "1", "host", "boot", 7), owner("v", "1")},
				"both opaque":      {owner("w", "1"), owner("v", "1")},
				"another host":     {local("w", "1", "host", "boot", 7), local("v", "1", "HOST", "boot", 8)},
				"after a reboot":   {local("w", "1", "host", "boot", 7), local("v", "1", "host", "boot2", 8)},
				"host and boot id": {local("w", "1", "a", "b", 7), local("v", "1", "b", "a", 8)},
			} {
				observed := s.claim(s.process(name), c.holder, longTTL)
				s.staysBusy(observed, c.claimant, observed, registry.VerdictDead)
			}
		},
	},
	{
		Name: "the pid and start of the claimant do not matter",
		Why:  "spec 5.27: the claimant's own pid and start are irrelevant",
		check: func(s *scene) {
			holder, claimant := neighbours()
			claimant.Liveness.PID, claimant.Liveness.ProcessStart = holder.Liveness.PID, holder.Liveness.ProcessStart
			id := s.process("p")
			s.reclaim(id, claimant, s.claim(id, holder, longTTL))
		},
	},
	{
		Name: "the observed lease must be the one that is held",
		Why:  "spec 5.27: process, incarnation, token and fencing number, else Busy",
		check: func(s *scene) {
			holder, claimant := neighbours()
			id := s.process("p")
			before := s.claim(id, holder, 0)
			held := s.claim(id, holder, longTTL)
			for name, change := range map[string]func(*registry.ProcessLease){
				"another process":     func(l *registry.ProcessLease) { l.ProcessID = s.id("none") },
				"another owner":       func(l *registry.ProcessLease) { l.Owner.OwnerID = "x" },
				"another incarnation": func(l *registry.ProcessLease) { l.Owner.IncarnationID = "x" },
				"an earlier token":    func(l *registry.ProcessLease) { l.LeaseToken = before.LeaseToken },
				"an earlier number":   func(l *registry.ProcessLease) { l.FencingToken = before.FencingToken },
				"a later number":      func(l *registry.ProcessLease) { l.FencingToken++ },
				"an earlier lease":    func(l *registry.ProcessLease) { *l = before },
			} {
				observed := held
				change(&observed)
				s.Logf("observed: %s", name)
				s.staysBusy(held, claimant, observed, registry.VerdictDead)
			}
		},
	},
	{
		Name: "times and liveness of the observed lease are not compared",
		Why:  "spec 5.27: a renewal in between does not defeat the reclaim; the STORED owner is judged",
		check: func(s *scene) {
			holder, claimant := neighbours()
			id := s.process("p")
			observed := s.claim(id, holder, longTTL)
			s.renew(observed, longTTL*2)
			observed.ClaimedAtMs, observed.ExpiresAtMs = 1, 2
			observed.Owner.Liveness = registry.LeaseOwnerLiveness{Kind: registry.LivenessOpaque}
			s.reclaim(id, claimant, observed)
		},
	},
	{
		Name: "what the claimant says of the holder's liveness counts for nothing",
		Why:  "spec 5.27: stored owner is definitely dead; A5: both liveness records",
		check: func(s *scene) {
			holder, claimant := neighbours()
			id := s.process("p")
			held := s.claim(id, owner(holder.OwnerID, holder.IncarnationID), longTTL)
			observed := held
			observed.Owner = holder
			s.staysBusy(held, claimant, observed, registry.VerdictDead)
		},
	},
	{
		Name: "without a live lease a reclaim is a claim",
		Why:  "spec 5.27: free, released, expired: observed is not looked at",
		check: func(s *scene) {
			nonsense := registry.ProcessLease{ProcessID: s.id("other"), Owner: owner("x", "y"), LeaseToken: "z", FencingToken: 9}
			id := s.process("p")
			last := uint64(0)
			for _, prepare := range []func(){
				func() {},
				func() { s.release(s.held(id)) },
				func() { s.claim(id, owner("v", "1"), 0) },
			} {
				prepare()
				lease := s.acquired(s.ReclaimProcessLease(s.ctx, id, owner("v", "1"), nonsense, registry.VerdictUnknown, longTTL))
				s.holds(lease.FencingToken > last, "the fencing token is %d after %d", lease.FencingToken, last)
				s.same("owner", lease.Owner, owner("v", "1"))
				last = lease.FencingToken
			}
		},
	},
	{
		Name: "the own live lease is not entered again by a reclaim",
		Why:  "spec 5.27: it answers Busy with oneself",
		check: func(s *scene) {
			_, claimant := neighbours()
			held := s.claim(s.process("p"), claimant, longTTL)
			s.staysBusy(held, claimant, held, registry.VerdictUnknown)
		},
	},
	{
		Name: "a reclaim that is repeated is busy with its own lease",
		Why:  "spec 5.27, W-09: a following plain claim re-enters",
		check: func(s *scene) {
			holder, claimant := neighbours()
			id := s.process("p")
			observed := s.claim(id, holder, longTTL)
			lease := s.reclaim(id, claimant, observed)
			s.staysBusy(lease, claimant, observed, registry.VerdictDead)
			equal(s, "lease token", s.claim(id, claimant, longTTL).LeaseToken, lease.LeaseToken)
		},
	},
	{
		Name: "of reclaims at the same time one is acquired and the others are busy",
		Why:  "spec 5.27: losing a race is Busy, not an error",
		check: func(s *scene) {
			holder, claimant := neighbours()
			id := s.process("p")
			observed := s.claim(id, holder, longTTL)
			const callers = 6
			var outcomes [callers]registry.ProcessLeaseClaimOutcome
			var errs [callers]error
			atOnce(callers, func(i int) {
				who := claimant
				who.IncarnationID = string(rune('a' + i))
				outcomes[i], errs[i] = s.ReclaimProcessLease(s.ctx, id, who, observed, registry.VerdictDead, longTTL)
			})
			won := 0
			for i, outcome := range outcomes {
				s.done(errs[i])
				if outcome.Acquired != nil {
					won++
				}
			}
			equal(s, "reclaims that were acquired", won, 1)
		},
	},
	{
		Name: "neither unknown nor ended processes can be reclaimed",
		Why:  "spec A6: NotFound, and Terminal",
		check: func(s *scene) {
			holder, claimant := neighbours()
			id := s.process("p")
			observed := s.claim(id, holder, longTTL)
			s.complete(id, success(`1`))
			s.refused(registry.CodeTerminal, failure(s.ReclaimProcessLease(s.ctx, id, claimant, observed, registry.VerdictDead, longTTL)))
			equal(s, "the held token", s.held(id).LeaseToken, observed.LeaseToken)
			observed.ProcessID = s.id("none")
			s.refused(registry.CodeNotFound, failure(s.ReclaimProcessLease(s.ctx, s.id("none"), claimant, observed, registry.VerdictDead, longTTL)))
		},
	},
	{
		Name: "a reclaim leaves record and log alone",
		Why:  "spec 5: lease methods never move updated_at",
		check: func(s *scene) {
			holder, claimant := neighbours()
			id := s.process("p")
			observed := s.claim(id, holder, longTTL)
			s.unchanged(id, func() { s.reclaim(id, claimant, observed) })
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
		},
	},
}

// staysBusy wants a reclaim to answer Busy with the held lease, and to leave
// that as it is.
func (s *scene) staysBusy(held registry.ProcessLease, claimant registry.LeaseOwnerIdentity, observed registry.ProcessLease, verdict registry.HolderVerdict) {
	s.Helper()
	busy := s.busy(s.ReclaimProcessLease(s.ctx, held.ProcessID, claimant, observed, verdict, longTTL))
	now := s.held(held.ProcessID)
	busy.ExpiresAtMs, now.ExpiresAtMs = held.ExpiresAtMs, held.ExpiresAtMs
	s.same("the holder", busy, held)
	s.same("the held lease", now, held)
}
