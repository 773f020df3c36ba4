package fsm

import "github.com/holdfast-registry/holdfast/registry"

// applyClaimProcessLease follows spec 5.26 with A6. A free, released or
// expired lease is granted anew, the caller's own expired one included.
func (s *state) applyClaimProcessLease(c *ClaimProcessLease) Result {
	p, refusal := s.leasable(c.ProcessID)
	switch {
	case refusal != nil:
		return Result{Refusal: refusal}
	case !s.live(p.lease):
		return s.setLease(p, s.grantLease(c.owner, c.LeaseToken, c.TTLMs))
	case p.lease.owner.SameIncarnation(c.owner):
		return s.extendLease(p, c.TTLMs)
	default:
		return s.busy(p)
	}
}

// applyReclaimProcessLease follows spec 5.27 with A5 and A6. It never enters a
// live lease again: a claimant that holds it itself is told so by Busy.
func (s *state) applyReclaimProcessLease(c *ReclaimProcessLease) Result {
	p, refusal := s.leasable(c.ProcessID)
	switch {
	case refusal != nil:
		return Result{Refusal: refusal}
	case s.live(p.lease) && !c.mayTake(p):
		return s.busy(p)
	default:
		return s.setLease(p, s.grantLease(c.owner, c.LeaseToken, c.TTLMs))
	}
}

// mayTake tells whether the claimant saw the lease that the process has now,
// was able to see its holder and found it dead. When the lease was claimed and
// until when it runs is not compared: a renewal does not save a dead holder.
func (c *ReclaimProcessLease) mayTake(p *process) bool {
	seen := registry.LeaseOwnerIdentity{OwnerID: c.Observed.OwnerID, IncarnationID: c.Observed.IncarnationID}
	return c.verdict == registry.VerdictDead &&
		c.Observed.ProcessID == p.record.ID && p.lease.owner.SameIncarnation(seen) &&
		c.Observed.LeaseToken == p.lease.token && c.Observed.FencingToken == p.lease.fencing &&
		p.lease.owner.Liveness.SameHost(c.owner.Liveness)
}

// leasable returns the row of a process that can be leased: one that runs.
func (s *state) leasable(id string) (*process, *registry.Error) {
	p, ok := s.processes.Get(id)
	if !ok {
		return nil, unknownProcess(id)
	}
	if state := p.record.Status.State; state.Terminal() {
		return nil, registry.Errorf(registry.CodeTerminal, registry.Fields{ProcessID: id, State: string(state)},
			"process `%s` is already terminal: there is nothing left to lease", id)
	}
	return p, nil
}

// busy answers with the live lease that stands in the way.
func (s *state) busy(p *process) Result {
	return Result{Lease: s.show(p.record.ID, p.lease), Busy: true}
}

// extendLease moves the end of a lease to a ttl from now, which may be sooner.
func (s *state) extendLease(p *process, ttlMs uint64) Result {
	extended := p.lease
	extended.endMs = addClamped(s.LeaseTimeMs, ttlMs, 0)
	return s.setLease(p, extended)
}

// setLease gives a row another lease and answers with it.
func (s *state) setLease(p *process, l lease) Result {
	row, kind := *p, registry.ChangeLease
	if l.held && p.lease.held && l.fencing == p.lease.fencing {
		kind = registry.ChangeLeaseExtended
	}
	row.lease = l
	s.changed(&row, kind, 0)
	s.put(p, &row)
	return Result{Lease: s.show(row.record.ID, l)}
}

// grantLease makes a lease with the next fencing token. The counter belongs to
// the state and not to the process, so that no release, expiry, prune or new
// life can take it back.
func (s *state) grantLease(owner registry.LeaseOwnerIdentity, token string, ttlMs uint64) lease {
	s.Fencing++
	return lease{
		held:        true,
		owner:       owner,
		token:       token,
		fencing:     s.Fencing,
		claimedAtMs: s.ClockMs,
		endMs:       addClamped(s.LeaseTimeMs, ttlMs, 0),
	}
}

// applyRenewProcessLease follows spec 5.28.
func (s *state) applyRenewProcessLease(c *RenewProcessLease) Result {
	p, ok := s.processes.Get(c.ProcessID)
	caller := registry.LeaseOwnerIdentity{OwnerID: c.OwnerID, IncarnationID: c.IncarnationID}
	if !ok || !s.live(p.lease) || !p.lease.owner.SameIncarnation(caller) || p.lease.token != c.LeaseToken || p.lease.fencing != c.FencingToken {
		return Result{Refusal: registry.Errorf(registry.CodeLeaseExpired, registry.Fields{ProcessID: c.ProcessID},
			"process lease for `%s` is missing or expired", c.ProcessID)}
	}
	return s.extendLease(p, c.TTLMs)
}

// applyCompleteProcessLease follows spec 5.30: a stale token, an unknown
// process and a repeat change nothing and are no error.
func (s *state) applyCompleteProcessLease(c *CompleteProcessLease) Result {
	p, ok := s.processes.Get(c.ProcessID)
	if !ok || !p.lease.held || p.lease.token != c.LeaseToken {
		return Result{}
	}
	s.setLease(p, lease{fencing: p.lease.fencing})
	return Result{}
}

// applyReleaseForRetry is applyCompleteProcessLease, after which claim-next
// does not hand the process out for a while.
func (s *state) applyReleaseForRetry(c *ReleaseForRetry) Result {
	p, ok := s.processes.Get(c.ProcessID)
	if !ok || !p.lease.held || p.lease.token != c.LeaseToken {
		return Result{}
	}
	row := *p
	row.lease = lease{fencing: p.lease.fencing}
	row.notBeforeMs = addClamped(s.LeaseTimeMs, c.RetryAfterMs, 0)
	s.changed(&row, registry.ChangeLease, 0)
	s.put(p, &row)
	return Result{}
}
