package model

import "github.com/holdfast-registry/holdfast/registry"

// live tells that a lease has a holder and ends after now. A4.
func (s *State) live(l Lease) bool { return l.Held && l.EndMs > s.LeaseTimeMs }

// shown is the public form of a lease row. A4.
func (s *State) shown(id string, l Lease) *registry.ProcessLease {
	return &registry.ProcessLease{
		ProcessID: id, Owner: l.Owner, LeaseToken: l.Token, FencingToken: l.Fencing, ClaimedAtMs: l.ClaimedAtMs,
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
	p := s.Processes[op.ProcessID]
	if p == nil {
		return refuse(registry.CodeNotFound, op.ProcessID)
	}
	if p.State != "running" {
		return p.refuseTerminal()
	}
	if s.live(p.Lease) {
		if !sameIncarnation(p.Lease.Owner, op.Owner) {
			return Answer{Lease: s.shown(op.ProcessID, p.Lease), Busy: true}
		}
		p.Lease.EndMs = s.LeaseTimeMs + op.TTLMs
		s.Revision++
		return Answer{Lease: s.shown(op.ProcessID, p.Lease)}
	}
	s.Fencing++
	p.Lease = Lease{
		Held: true, Owner: op.Owner, Token: op.Token, Fencing: s.Fencing,
		ClaimedAtMs: s.ClockMs, EndMs: s.LeaseTimeMs + op.TTLMs,
	}
	s.Revision++
	return Answer{Lease: s.shown(op.ProcessID, p.Lease)}
}

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
	p.Lease.EndMs = s.LeaseTimeMs + op.TTLMs
	s.Revision++
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
	return Answer{Lease: s.shown(op.ProcessID, p.Lease)}
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
