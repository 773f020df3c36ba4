package registrytest

import (
	"regexp"

	"github.com/holdfast-registry/holdfast/registry"
)

// shortTTL is the life of a lease that a check waits to see the end of.
const shortTTL = 40

// leaseToken is the form of a lease token: 128 bits in hex.
var leaseToken = regexp.MustCompile(`^[0-9a-f]{32}$`)

var leaseChecks = []Check{
	{
		Name: "a free lease is acquired",
		Why:  "spec 5.26: new token, claimed_at = now, expires_at = now + ttl; 3.17",
		check: func(s *scene) {
			id := s.process("p")
			holder := local("w", "1", "host", "boot", 7)
			before := s.note(id, `1`).OccurredAtMs
			lease := s.claim(id, holder, longTTL)
			equal(s, "process_id", lease.ProcessID, id)
			s.same("owner", lease.Owner, holder)
			s.holds(lease.ClaimedAtMs >= before, "claimed at %d, and the clock stood at %d before", lease.ClaimedAtMs, before)
			equal(s, "expires_at", lease.ExpiresAtMs, lease.ClaimedAtMs+longTTL)
			s.holds(lease.FencingToken >= 1, "the fencing token is %d", lease.FencingToken)
			held := s.held(id)
			// Where time goes on, what is shown as the end may have moved.
			held.ExpiresAtMs = lease.ExpiresAtMs
			s.same("the held lease", held, lease)
		},
	},
	{
		Name: "lease tokens are 128 random bits",
		Why:  "spec A6",
		check: func(s *scene) {
			id := s.process("p")
			seen := map[string]bool{}
			for range 5 {
				token := s.claim(id, owner("w", "1"), 0).LeaseToken
				s.holds(leaseToken.MatchString(token), "the token is %q", token)
				s.holds(!seen[token], "the token %q comes twice", token)
				seen[token] = true
			}
		},
	},
	{
		Name: "every grant takes a greater fencing token",
		Why:  "spec A1: per process id strictly increasing, over release and expiry",
		check: func(s *scene) {
			id := s.process("p")
			last := uint64(0)
			grow := func(how string, lease registry.ProcessLease) {
				s.holds(lease.FencingToken > last, "%s: the fencing token is %d after %d", how, lease.FencingToken, last)
				last = lease.FencingToken
			}
			grow("first", s.claim(id, owner("a", "1"), 0))
			grow("after expiry", s.claim(id, owner("b", "1"), 0))
			grow("own, after expiry", s.claim(id, owner("b", "1"), longTTL))
			s.release(s.held(id))
			grow("after release", s.claim(id, owner("b", "1"), longTTL))
			s.release(s.held(id))
			grow("released by another", s.claim(id, owner("a", "1"), longTTL))
		},
	},
	{
		Name: "fencing tokens are unique over processes",
		Why:  "spec A1: a token is unique",
		check: func(s *scene) {
			const n = 8
			var ids [n]string
			for i := range ids {
				ids[i] = s.process(string(rune('a' + i)))
			}
			var leases [n]registry.ProcessLease
			atOnce(n, func(i int) {
				outcome, err := s.ClaimProcessLease(s.ctx, ids[i], owner("w", "1"), longTTL)
				if err == nil && outcome.Acquired != nil {
					leases[i] = *outcome.Acquired
				}
			})
			seen := map[uint64]bool{}
			for _, lease := range leases {
				s.holds(lease.FencingToken > 0 && !seen[lease.FencingToken], "the fencing token %d is none or comes twice", lease.FencingToken)
				seen[lease.FencingToken] = true
			}
		},
	},
	{
		Name: "a live lease of another is busy, with the holder's lease",
		Why:  "spec 5.26: Busy with the stored lease; A23: with its token",
		check: func(s *scene) {
			id := s.process("p")
			lease := s.claim(id, owner("w", "1"), longTTL)
			for _, other := range []registry.LeaseOwnerIdentity{owner("v", "1"), owner("w", "2"), owner("W", "1")} {
				holder := s.busy(s.ClaimProcessLease(s.ctx, id, other, longTTL))
				holder.ExpiresAtMs = lease.ExpiresAtMs
				s.same("the holder", holder, lease)
			}
			equal(s, "lease token", s.renew(lease, longTTL).LeaseToken, lease.LeaseToken)
		},
	},
	{
		Name: "a claim never takes a live lease, even from a dead holder",
		Why:  "spec 5.26: never reclaims by itself",
		check: func(s *scene) {
			id := s.process("p")
			s.claim(id, local("w", "1", "host", "boot", 4194305), longTTL)
			s.busy(s.ClaimProcessLease(s.ctx, id, local("v", "1", "host", "boot", 1), longTTL))
		},
	},
	{
		Name: "the same incarnation keeps its lease",
		Why:  "spec 5.26: same token, fencing number, claimed_at and STORED owner; liveness is ignored",
		check: func(s *scene) {
			id := s.process("p")
			lease := s.claim(id, local("w", "1", "host", "boot", 7), longTTL)
			s.later(lease.ClaimedAtMs)
			again := s.claim(id, owner("w", "1"), longTTL)
			s.holds(again.ExpiresAtMs > lease.ExpiresAtMs, "the end is %d after %d, and must have moved", again.ExpiresAtMs, lease.ExpiresAtMs)
			again.ExpiresAtMs = lease.ExpiresAtMs
			s.same("the lease", again, lease)
		},
	},
	{
		Name: "claiming again may shorten the lease",
		Why:  "spec 5.26: expires_at = now + ttl (may shorten)",
		check: func(s *scene) {
			id := s.process("p")
			lease := s.claim(id, owner("w", "1"), longTTL)
			again := s.claim(id, owner("w", "1"), 1000)
			equal(s, "lease token", again.LeaseToken, lease.LeaseToken)
			s.holds(again.ExpiresAtMs < lease.ExpiresAtMs, "the end is %d after %d", again.ExpiresAtMs, lease.ExpiresAtMs)
			s.claim(id, owner("w", "1"), 0)
			s.acquired(s.ClaimProcessLease(s.ctx, id, owner("v", "1"), longTTL))
		},
	},
	{
		Name: "a lease with a ttl of 0 is expired at birth",
		Why:  "spec 5.26: expires_at == now is expired",
		check: func(s *scene) {
			id := s.process("p")
			lease := s.claim(id, owner("w", "1"), 0)
			equal(s, "expires_at", lease.ExpiresAtMs, lease.ClaimedAtMs)
			s.refused(registry.CodeLeaseExpired, failure(s.RenewProcessLease(s.ctx, lease, longTTL)))
			again := s.claim(id, owner("w", "1"), 0)
			s.holds(again.LeaseToken != lease.LeaseToken && again.FencingToken > lease.FencingToken, "the own expired lease was kept: %s", s.form(again))
			s.claim(id, owner("v", "1"), longTTL)
		},
	},
	{
		Name: "a lease expires when its ttl has passed, and not before",
		Why:  "spec 5.26, A4: live iff its end > lease time",
		check: func(s *scene) {
			id := s.process("p")
			if s.Advance != nil {
				lease := s.claim(id, owner("w", "1"), 1000)
				s.Advance(999)
				s.busy(s.ClaimProcessLease(s.ctx, id, owner("v", "1"), longTTL))
				s.Advance(1)
				s.refused(registry.CodeLeaseExpired, failure(s.RenewProcessLease(s.ctx, lease, longTTL)))
				s.acquired(s.ClaimProcessLease(s.ctx, id, owner("v", "1"), longTTL))
				return
			}
			lease := s.claim(id, owner("w", "1"), shortTTL)
			var next registry.ProcessLease
			s.eventually("the lease expires", func() bool {
				outcome, err := s.ClaimProcessLease(s.ctx, id, owner("v", "1"), longTTL)
				s.done(err)
				if outcome.Acquired != nil {
					next = *outcome.Acquired
				}
				return outcome.Acquired != nil
			})
			s.holds(next.ClaimedAtMs >= lease.ClaimedAtMs+shortTTL, "a lease of %d ms from %d on was taken at %d", shortTTL, lease.ClaimedAtMs, next.ClaimedAtMs)
			s.refused(registry.CodeLeaseExpired, failure(s.RenewProcessLease(s.ctx, lease, longTTL)))
		},
	},
	{
		Name: "a renewal counts from when it is made",
		Why:  "spec 5.28: expires_at = now + ttl",
		check: func(s *scene) {
			id := s.process("p")
			lease := s.claim(id, owner("w", "1"), longTTL)
			s.later(lease.ClaimedAtMs)
			renewed := s.renew(lease, longTTL)
			s.holds(renewed.ExpiresAtMs > lease.ExpiresAtMs, "the end is %d after %d", renewed.ExpiresAtMs, lease.ExpiresAtMs)
			if s.Advance == nil {
				return
			}
			s.renew(lease, 1000)
			s.Advance(600)
			s.renew(lease, 1000)
			s.Advance(999)
			s.busy(s.ClaimProcessLease(s.ctx, id, owner("v", "1"), 1))
			s.Advance(1)
			s.acquired(s.ClaimProcessLease(s.ctx, id, owner("v", "1"), 1))
		},
	},
	{
		Name:  "a long silence does not end a lease that has more than two seconds left",
		Why:   "spec A4: an entry adds at most 2 s of lease time",
		Needs: NeedsClock,
		check: func(s *scene) {
			id := s.process("p")
			lease := s.claim(id, owner("w", "1"), 2001)
			s.Advance(3_600_000)
			s.renew(lease, longTTL)
		},
	},
	{
		Name:  "the end that is shown moves on when lease time stood still",
		Why:   "spec A4: expires_at as shown = clock + (end - lease time)",
		Needs: NeedsClock,
		check: func(s *scene) {
			id := s.process("p")
			lease := s.claim(id, owner("w", "1"), 10_000)
			s.Advance(60_000)
			equal(s, "expires_at", s.held(id).ExpiresAtMs, lease.ClaimedAtMs+60_000+8_000)
		},
	},
	{
		Name: "a renewal answers the caller's lease with the new end",
		Why:  "spec 5.28, B-04: only expires_at of what is stored changes",
		check: func(s *scene) {
			id := s.process("p")
			lease := s.claim(id, local("w", "1", "host", "boot", 7), longTTL)
			mine := lease
			mine.Owner, mine.ClaimedAtMs, mine.ExpiresAtMs = owner("w", "1"), 5, 6
			renewed := s.renew(mine, 1000)
			s.holds(renewed.ExpiresAtMs < lease.ExpiresAtMs, "the end is %d after %d, and must be sooner", renewed.ExpiresAtMs, lease.ExpiresAtMs)
			mine.ExpiresAtMs = renewed.ExpiresAtMs
			s.same("the answer", renewed, mine)
			held := s.lease(id)
			equal(s, "claimed_at as stored", held.ClaimedAtMs, lease.ClaimedAtMs)
			s.same("owner as stored", held.Owner, lease.Owner)
		},
	},
	{
		Name: "only the current lease can be renewed",
		Why:  "spec 5.28: live, same incarnation, equal token and equal fencing number, else missing or expired",
		check: func(s *scene) {
			id := s.process("p")
			expired := s.claim(id, owner("w", "1"), 0)
			lease := s.claim(id, owner("w", "1"), longTTL)
			for name, change := range map[string]func(*registry.ProcessLease){
				"an expired lease that was superseded": func(l *registry.ProcessLease) { *l = expired },
				"another token":                        func(l *registry.ProcessLease) { l.LeaseToken = expired.LeaseToken },
				"a smaller fencing token":              func(l *registry.ProcessLease) { l.FencingToken-- },
				"a greater fencing token":              func(l *registry.ProcessLease) { l.FencingToken++ },
				"another incarnation":                  func(l *registry.ProcessLease) { l.Owner.IncarnationID = "2" },
				"another owner":                        func(l *registry.ProcessLease) { l.Owner.OwnerID = "v" },
				"an unknown process":                   func(l *registry.ProcessLease) { l.ProcessID = s.id("none") },
				"another process":                      func(l *registry.ProcessLease) { l.ProcessID = s.process("q") },
			} {
				changed := lease
				change(&changed)
				_, err := s.RenewProcessLease(s.ctx, changed, longTTL)
				if err == nil {
					s.Errorf("%s was renewed", name)
					continue
				}
				refusal := s.refused(registry.CodeLeaseExpired, err)
				equal(s, "process_id", refusal.Fields.ProcessID, changed.ProcessID)
			}
			s.renew(lease, longTTL)
			s.release(lease)
			s.refused(registry.CodeLeaseExpired, failure(s.RenewProcessLease(s.ctx, lease, longTTL)))
		},
	},
	{
		Name: "a lease over an ended process can be renewed and released",
		Why:  "spec 5.28: terminal process: allowed",
		check: func(s *scene) {
			id := s.process("p")
			lease := s.claim(id, owner("w", "1"), longTTL)
			s.complete(id, success(`1`))
			s.renew(lease, longTTL)
			s.release(lease)
			s.holds(s.lease(id) == nil, "the lease is still held")
		},
	},
	{
		Name: "neither unknown nor ended processes can be claimed",
		Why:  "spec A6: NotFound, and Terminal",
		check: func(s *scene) {
			refusal := s.refused(registry.CodeNotFound, failure(s.ClaimProcessLease(s.ctx, s.id("none"), owner("w", "1"), longTTL)))
			equal(s, "process_id", refusal.Fields.ProcessID, s.id("none"))
			id := s.process("p")
			s.claim(id, owner("w", "1"), longTTL)
			s.complete(id, success(`1`))
			for _, who := range []registry.LeaseOwnerIdentity{owner("w", "1"), owner("v", "1")} {
				refusal = s.refused(registry.CodeTerminal, failure(s.ClaimProcessLease(s.ctx, id, who, longTTL)))
				equal(s, "state", refusal.Fields.State, "completed")
			}
		},
	},
	{
		Name: "a held lease is read, expired or not",
		Why:  "spec 5.29: held -> the lease, expired or not; a pure read",
		check: func(s *scene) {
			id := s.process("p")
			expired := s.claim(id, owner("w", "1"), 0)
			for range 2 {
				held := s.held(id)
				equal(s, "lease token", held.LeaseToken, expired.LeaseToken)
				equal(s, "fencing token", held.FencingToken, expired.FencingToken)
			}
		},
	},
	{
		Name: "without a held lease there is none to read",
		Why:  "spec 5.29, A7: unleased, released or unknown -> nothing",
		check: func(s *scene) {
			id := s.process("p")
			s.holds(s.lease(s.id("none")) == nil, "an unknown process has a lease")
			s.holds(s.lease(id) == nil, "an unleased process has a lease")
			s.release(s.claim(id, owner("w", "1"), longTTL))
			s.holds(s.lease(id) == nil, "a released process has a lease")
		},
	},
	{
		Name: "a release needs the token and nothing else",
		Why:  "spec 5.30: a stale token is a no-op; always Ok; owner and fencing are not compared",
		check: func(s *scene) {
			id := s.process("p")
			first := s.claim(id, owner("w", "1"), 0)
			second := s.claim(id, owner("v", "1"), longTTL)
			s.release(first)
			equal(s, "lease token", s.held(id).LeaseToken, second.LeaseToken)
			s.done(s.CompleteProcessLease(s.ctx, registry.ProcessLeaseCompletion{ProcessID: id, LeaseToken: ""}))
			s.done(s.CompleteProcessLease(s.ctx, registry.ProcessLeaseCompletion{ProcessID: s.id("none"), LeaseToken: second.LeaseToken}))
			equal(s, "lease token", s.held(id).LeaseToken, second.LeaseToken)
			s.release(second)
			s.holds(s.lease(id) == nil, "the lease is still held")
			s.release(second)
			s.done(s.CompleteProcessLease(s.ctx, registry.ProcessLeaseCompletion{ProcessID: id, LeaseToken: ""}))
		},
	},
	{
		Name: "an expired lease can be released",
		Why:  "spec 5.30: expired but not superseded",
		check: func(s *scene) {
			id := s.process("p")
			s.release(s.claim(id, owner("w", "1"), 0))
			s.holds(s.lease(id) == nil, "the lease is still there")
		},
	},
	{
		Name: "a released lease is free at once",
		Why:  "spec 5.26: free, released or expired: Acquired",
		check: func(s *scene) {
			id := s.process("p")
			lease := s.claim(id, owner("w", "1"), longTTL)
			s.release(lease)
			next := s.claim(id, owner("v", "1"), longTTL)
			s.holds(next.LeaseToken != lease.LeaseToken, "the token is the same")
		},
	},
	{
		Name: "leases leave record and log alone",
		Why:  "spec 5: lease methods never move updated_at",
		check: func(s *scene) {
			id := s.process("p")
			s.unchanged(id, func() {
				lease := s.claim(id, owner("w", "1"), longTTL)
				s.claim(id, owner("w", "1"), longTTL)
				s.renew(lease, longTTL)
				s.release(lease)
			})
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
		},
	},
	{
		Name: "of claims at the same time one is acquired",
		Why:  "spec 1: at most one lease per process; 5.26",
		check: func(s *scene) {
			id := s.process("p")
			const callers = 8
			var outcomes [callers]registry.ProcessLeaseClaimOutcome
			var errs [callers]error
			atOnce(callers, func(i int) {
				outcomes[i], errs[i] = s.ClaimProcessLease(s.ctx, id, owner("w", string(rune('a'+i))), longTTL)
			})
			held := s.held(id)
			won := 0
			for i, outcome := range outcomes {
				s.done(errs[i])
				if outcome.Acquired != nil {
					won++
					equal(s, "token of who acquired", outcome.Acquired.LeaseToken, held.LeaseToken)
				} else {
					equal(s, "token of the holder", outcome.Busy.LeaseToken, held.LeaseToken)
				}
			}
			equal(s, "claims that were acquired", won, 1)
		},
	},
	{
		Name: "an owner without liveness is opaque",
		Why:  "spec 3.17: liveness defaulted opaque, always written",
		check: func(s *scene) {
			id := s.process("p")
			lease := s.claim(id, registry.LeaseOwnerIdentity{OwnerID: "w", IncarnationID: "1"}, longTTL)
			equal(s, "owner", s.form(lease.Owner), `{"owner_id":"w","incarnation_id":"1","liveness":{"kind":"opaque"}}`)
		},
	},
	{
		Name: "a local process must name its host and boot",
		Why:  "spec A5: two owners that both left them out would pass for neighbours",
		check: func(s *scene) {
			id := s.process("p")
			for _, who := range []registry.LeaseOwnerIdentity{local("w", "1", "", "boot", 1), local("w", "1", "host", "", 1)} {
				s.refused(registry.CodeInvalidArgument, failure(s.ClaimProcessLease(s.ctx, id, who, longTTL)))
			}
		},
	},
}
