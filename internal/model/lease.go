package model

import "github.com/holdfast-registry/holdfast/registry"

// live tells that a lease has a holder and ends after now. A4.
func (s *State) live(l Lease) bool { return l.Held && l.EndMs > s.LeaseTimeMs }

// shown is the public form of the lease of a process. A4.
func (s *State) shown(p *Process) *registry.ProcessLease {
	l := p.Lease
	return &registry.ProcessLease{
		ProcessID: p.Registration.ID, Owner: l.Owner, LeaseToken: l.Token, FencingToken: l.Fencing, ClaimedAtMs: l.ClaimedAtMs,
		ExpiresAtMs: s.ClockMs + l.EndMs - s.LeaseTimeMs,
	}
}

func sameIncarnation(a, b registry.LeaseOwnerIdentity) bool {
	return a.OwnerID == b.OwnerID && a.IncarnationID == b.IncarnationID
}

// ClaimProcessLease is 5.26 with A6. Token is what the implementation drew for
// a new lease, as far as it granted one.
type ClaimProcessLease struct {
	ProcessID string
	Owner     registry.LeaseOwnerIdentity
	TTLMs     uint64
	Token     string
}

func (op ClaimProcessLease) step(s *State) Answer {
	return s.unended(op.ProcessID, func(p *Process) Answer {
		switch {
		case !s.live(p.Lease):
			return s.grantLease(p, op.Owner, op.TTLMs, op.Token)
		case sameIncarnation(p.Lease.Owner, op.Owner):
			return s.extend(p, op.TTLMs)
		}
		return s.busy(p)
	})
}

// ReclaimProcessLease is 5.27 with A5 and A6. Token is as with a claim.
type ReclaimProcessLease struct {
	ProcessID string
	Owner     registry.LeaseOwnerIdentity
	Observed  registry.ProcessLease
	Verdict   registry.HolderVerdict
	TTLMs     uint64
	Token     string
}

func (op ReclaimProcessLease) step(s *State) Answer {
	return s.unended(op.ProcessID, func(p *Process) Answer {
		// The own live lease is none to enter again here: W-09.
		if s.live(p.Lease) && !op.mayTake(p.Lease) {
			return s.busy(p)
		}
		return s.grantLease(p, op.Owner, op.TTLMs, op.Token)
	})
}

// mayTake tells whether a live lease may be taken from its holder. When the
// observed lease ends, and when it was claimed, is not compared.
func (op ReclaimProcessLease) mayTake(l Lease) bool {
	holder, claimant := l.Owner.Liveness, op.Owner.Liveness
	return op.Observed.ProcessID == op.ProcessID && sameIncarnation(op.Observed.Owner, l.Owner) &&
		op.Observed.LeaseToken == l.Token && op.Observed.FencingToken == l.Fencing &&
		op.Verdict == registry.VerdictDead &&
		holder.Kind == registry.LivenessLocalProcess && claimant.Kind == registry.LivenessLocalProcess &&
		holder.HostID == claimant.HostID && holder.BootID == claimant.BootID
}

// unended does something to a process that has not ended. A6.
func (s *State) unended(id string, do func(p *Process) Answer) Answer {
	return s.on(id, func(p *Process) Answer {
		if p.State != "running" {
			return p.refuseTerminal()
		}
		return do(p)
	})
}

func (s *State) grantLease(p *Process, owner registry.LeaseOwnerIdentity, ttlMs uint64, token string) Answer {
	s.Fencing++
	p.Lease = Lease{Held: true, Owner: owner, Token: token, Fencing: s.Fencing, ClaimedAtMs: s.ClockMs}
	return s.extend(p, ttlMs)
}

func (s *State) extend(p *Process, ttlMs uint64) Answer {
	p.Lease.EndMs = s.LeaseTimeMs + ttlMs
	s.Revision++
	return Answer{Lease: s.shown(p)}
}

func (s *State) busy(p *Process) Answer { return Answer{Lease: s.shown(p), Busy: true} }

// RenewProcessLease is 5.28.
type RenewProcessLease struct {
	Lease registry.ProcessLease
	TTLMs uint64
}

func (op RenewProcessLease) step(s *State) Answer {
	id := op.Lease.ProcessID
	p := s.Processes[id]
	if p == nil || !s.live(p.Lease) || !sameIncarnation(p.Lease.Owner, op.Lease.Owner) ||
		p.Lease.Token != op.Lease.LeaseToken || p.Lease.Fencing != op.Lease.FencingToken {
		return refuse(registry.CodeLeaseExpired, id)
	}
	s.extend(p, op.TTLMs)
	// The caller's own lease comes back, with the new end.
	lease := op.Lease
	lease.ExpiresAtMs = s.ClockMs + op.TTLMs
	return Answer{Lease: &lease}
}

// GetProcessLease is 5.29 with A7.
type GetProcessLease struct{ ProcessID string }

func (op GetProcessLease) step(s *State) Answer {
	p := s.Processes[op.ProcessID]
	if p == nil || !p.Lease.Held {
		return Answer{}
	}
	return Answer{Lease: s.shown(p)}
}

// CompleteProcessLease is 5.30.
type CompleteProcessLease struct {
	Completion registry.ProcessLeaseCompletion
}

func (op CompleteProcessLease) step(s *State) Answer {
	p := s.Processes[op.Completion.ProcessID]
	if p != nil && p.Lease.Held && p.Lease.Token == op.Completion.LeaseToken {
		p.Lease = Lease{Fencing: p.Lease.Fencing}
		s.Revision++
	}
	return Answer{}
}

// CheckFence is A24.
type CheckFence struct {
	ProcessID    string
	FencingToken uint64
}

func (op CheckFence) step(s *State) Answer {
	return s.on(op.ProcessID, func(p *Process) Answer {
		status := registry.FenceStatus{FencingToken: p.Lease.Fencing}
		status.Current = p.Lease.Held && p.Lease.Fencing == op.FencingToken
		if status.Current && s.live(p.Lease) {
			status.Live, status.LeaseTimeLeftMs = true, p.Lease.EndMs-s.LeaseTimeMs
		}
		return Answer{Fence: &status}
	})
}
