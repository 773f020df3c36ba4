package fsm

import "github.com/holdfast-registry/holdfast/registry"

// applyClaimProcessLease follows spec 5.26 with A6. A free, released or
// expired lease is granted anew, the caller's own expired one included.
func (s *state) applyClaimProcessLease(c *ClaimProcessLease) Result {
	p, ok := s.processes.Get(c.ProcessID)
	if !ok {
		return Result{Refusal: unknownProcess(c.ProcessID)}
	}
	if p.record.Status.State.Terminal() {
		return Result{Refusal: registry.Errorf(registry.CodeTerminal,
			registry.Fields{ProcessID: c.ProcessID, State: string(p.record.Status.State)},
			"process `%s` is already terminal: there is nothing left to lease", c.ProcessID)}
	}
	row := *p
	switch live := s.live(p.lease); {
	case live && !p.lease.owner.SameIncarnation(c.owner):
		return Result{Lease: s.show(c.ProcessID, p.lease), Busy: true}
	case live:
		row.lease.endMs = addClamped(s.LeaseTimeMs, c.TTLMs, 0)
	default:
		row.lease = s.grantLease(c.owner, c.LeaseToken, c.TTLMs)
	}
	s.changed()
	s.put(p, &row)
	return Result{Lease: s.show(c.ProcessID, row.lease)}
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
	row := *p
	row.lease.endMs = addClamped(s.LeaseTimeMs, c.TTLMs, 0)
	s.changed()
	s.put(p, &row)
	return Result{Lease: s.show(c.ProcessID, row.lease)}
}

// applyCompleteProcessLease follows spec 5.30: a stale token, an unknown
// process and a repeat change nothing and are no error.
func (s *state) applyCompleteProcessLease(c *CompleteProcessLease) Result {
	p, ok := s.processes.Get(c.ProcessID)
	if !ok || !p.lease.held || p.lease.token != c.LeaseToken {
		return Result{}
	}
	row := *p
	row.lease = lease{fencing: p.lease.fencing}
	s.changed()
	s.put(p, &row)
	return Result{}
}
