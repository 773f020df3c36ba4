package registrytest

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

// job is a registration of work that is to be run, of a kind that only this
// check asks for.
func (s *scene) job(name string, disposition registry.RecoveryDisposition) registry.ProcessRegistration {
	registration := plain(s.id(name))
	registration.Disposition, registration.Identity.Kind = disposition, s.prefix
	return registration
}

func (s *scene) work(name string, disposition registry.RecoveryDisposition) string {
	s.Helper()
	return s.register(s.job(name, disposition)).ID
}

// next asks for work of this check's kind.
func (s *scene) next(incarnation string, limit int, ttlMs, waitMs uint64) ([]registry.ClaimedProcess, error) {
	return s.Registry.(registry.Queue).ClaimNext(s.ctx, registry.ClaimNextRequest{
		Owner: owner("worker", incarnation), TTLMs: ttlMs, Limit: limit, Kinds: []string{s.prefix}, WaitMs: waitMs,
	})
}

// handedOut asks for work and wants exactly these processes.
func (s *scene) handedOut(limit int, ids ...string) []registry.ClaimedProcess {
	s.Helper()
	claimed, err := s.next("1", limit, longTTL, 0)
	s.done(err)
	got := []string{}
	for _, c := range claimed {
		got = append(got, c.Record.ID)
	}
	s.same("what was handed out", got, append([]string{}, ids...))
	return claimed
}

var queueChecks = []Check{
	{
		Name:  "work is handed out in the order in which it was registered",
		Why:   "spec A25: the one that was registered first coming first, each with a fencing token of its own",
		Needs: NeedsQueue,
		check: func(s *scene) {
			ids := []string{s.work("c", registry.Rerunnable), s.work("a", registry.OwnerBound), s.work("b", registry.Rerunnable)}
			first := s.handedOut(2, ids[0], ids[1])
			second := s.handedOut(2, ids[2])
			s.handedOut(2)
			tokens := map[uint64]bool{}
			for _, c := range append(first, second...) {
				s.same("the record", c.Record, s.get(c.Record.ID))
				held := s.held(c.Record.ID)
				held.ExpiresAtMs = c.Lease.ExpiresAtMs
				s.same("the held lease", held, c.Lease)
				equal(s, "owner", c.Lease.Owner.OwnerID, "worker")
				equal(s, "attempt", c.Attempt, 1)
				s.holds(!tokens[c.Lease.FencingToken], "the fencing token %d comes twice", c.Lease.FencingToken)
				tokens[c.Lease.FencingToken] = true
			}
		},
	},
	{
		Name:  "only what is ready is handed out",
		Why:   "spec A25: what ready is",
		Needs: NeedsQueue,
		check: func(s *scene) {
			s.complete(s.work("ended", registry.Rerunnable), success(`1`))
			s.requestAbandon(s.work("to be abandoned", registry.Rerunnable), registry.AbandonRequest{RequestedBy: "a"})
			s.work("externally owned", registry.ExternallyOwned)
			s.firstStarted(s.work("started", registry.OwnerBound), started("w", 1))
			s.claim(s.work("leased", registry.Rerunnable), owner("w", "1"), longTTL)
			s.process("of another kind")
			again := s.work("started, but rerunnable", registry.Rerunnable)
			s.firstStarted(again, started("w", 1))
			expired := s.work("expired", registry.Rerunnable)
			s.claim(expired, owner("w", "1"), 0)
			released := s.work("released", registry.OwnerBound)
			s.release(s.claim(released, owner("w", "1"), longTTL))
			s.handedOut(100, again, expired, released)
		},
	},
	{
		Name:  "attempts count what claim-next handed out",
		Why:   "spec A25: other claims do not count",
		Needs: NeedsQueue,
		check: func(s *scene) {
			id := s.work("p", registry.Rerunnable)
			for attempt := uint64(1); attempt <= 3; attempt++ {
				claimed := s.handedOut(1, id)
				equal(s, "attempt", claimed[0].Attempt, attempt)
				s.release(claimed[0].Lease)
				s.release(s.claim(id, owner("other", "1"), longTTL))
			}
		},
	},
	{
		Name:  "of workers that ask at the same time each gets its own work",
		Why:   "spec A25: one atomic step",
		Needs: NeedsQueue,
		check: func(s *scene) {
			const n, workers = 24, 8
			for i := range n {
				s.work(fmt.Sprint(i), registry.Rerunnable)
			}
			var claimed [workers][]registry.ClaimedProcess
			var errs [workers]error
			atOnce(workers, func(i int) { claimed[i], errs[i] = s.next(fmt.Sprint(i), n/workers, longTTL, 0) })
			seen := map[string]bool{}
			for i := range workers {
				s.done(errs[i])
				for _, c := range claimed[i] {
					s.holds(!seen[c.Record.ID], "%s was handed out twice", c.Record.ID)
					seen[c.Record.ID] = true
				}
			}
			equal(s, "processes that were handed out", len(seen), n)
		},
	},
	{
		Name:  "a process that is to be tried later is left alone until then",
		Why:   "spec A25: ReleaseForRetry; other claims may still have it",
		Needs: NeedsQueue,
		check: func(s *scene) {
			id := s.work("p", registry.Rerunnable)
			queue := s.Registry.(registry.Queue)
			later := func(lease registry.ProcessLease, ms uint64) {
				s.Helper()
				s.done(queue.ReleaseForRetry(s.ctx, registry.ProcessLeaseCompletion{ProcessID: id, LeaseToken: lease.LeaseToken}, ms))
			}
			later(s.handedOut(1, id)[0].Lease, longTTL)
			s.holds(s.lease(id) == nil, "the lease is still held")
			s.handedOut(1)
			direct := s.claim(id, owner("other", "1"), longTTL)
			if s.Advance == nil {
				return
			}
			later(direct, 1000)
			s.Advance(999)
			s.handedOut(1)
			s.Advance(1)
			equal(s, "attempt", s.handedOut(1, id)[0].Attempt, 2)
			s.release(s.held(id))
			s.handedOut(1, id)
		},
	},
	{
		Name:  "a stale token delays nothing",
		Why:   "spec A25: as a release does, 5.30",
		Needs: NeedsQueue,
		check: func(s *scene) {
			id := s.work("p", registry.Rerunnable)
			s.done(s.Registry.(registry.Queue).ReleaseForRetry(s.ctx, registry.ProcessLeaseCompletion{ProcessID: id, LeaseToken: "stale"}, longTTL))
			s.done(s.Registry.(registry.Queue).ReleaseForRetry(s.ctx, registry.ProcessLeaseCompletion{ProcessID: s.id("none"), LeaseToken: "stale"}, longTTL))
			s.handedOut(1, id)
		},
	},
	{
		Name:  "who waits gets the work that comes",
		Why:   "spec A25: the call waits until something is ready",
		Needs: NeedsQueue,
		check: func(s *scene) {
			var claimed []registry.ClaimedProcess
			var err, registered error
			atOnce(2, func(i int) {
				if i == 0 {
					claimed, err = s.next("1", 1, longTTL, 60_000)
				} else {
					_, registered = s.RegisterProcess(s.ctx, s.job("p", registry.Rerunnable))
				}
			})
			s.done(err)
			s.done(registered)
			s.holds(len(claimed) == 1 && claimed[0].Record.ID == s.id("p"), "%d processes were handed out", len(claimed))
		},
	},
	{
		Name:  "what is asked for has bounds",
		Why:   "spec A25, A16: limit 1 to 100, ttl from 1, 64 kinds, a wait of 60 s, a delay of 30 days",
		Needs: NeedsQueue,
		check: func(s *scene) {
			queue := s.Registry.(registry.Queue)
			sound := registry.ClaimNextRequest{Owner: owner("w", "1"), TTLMs: 1, Limit: 1, Kinds: []string{s.prefix}}
			for name, change := range map[string]func(*registry.ClaimNextRequest){
				"no limit":      func(r *registry.ClaimNextRequest) { r.Limit = 0 },
				"a large limit": func(r *registry.ClaimNextRequest) { r.Limit = 101 },
				"no ttl":        func(r *registry.ClaimNextRequest) { r.TTLMs = 0 },
				"a long ttl":    func(r *registry.ClaimNextRequest) { r.TTLMs = 86_400_001 },
				"a long wait":   func(r *registry.ClaimNextRequest) { r.WaitMs = 60_001 },
				"no owner":      func(r *registry.ClaimNextRequest) { r.Owner = registry.LeaseOwnerIdentity{} },
			} {
				request := sound
				change(&request)
				s.Logf("asked with %s", name)
				s.refused(registry.CodeInvalidArgument, failure(queue.ClaimNext(s.ctx, request)))
			}
			sound.Kinds = make([]string, 65)
			s.overLimit(failure(queue.ClaimNext(s.ctx, sound)), "kinds", 64, 65)
			const month = 30 * 24 * 60 * 60 * 1000
			completion := registry.ProcessLeaseCompletion{ProcessID: s.id("p"), LeaseToken: "t"}
			s.done(queue.ReleaseForRetry(s.ctx, completion, month))
			s.refused(registry.CodeInvalidArgument, queue.ReleaseForRetry(s.ctx, completion, month+1))
		},
	},
}
