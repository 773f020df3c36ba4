package model

import (
	"cmp"
	"slices"

	"github.com/holdfast-registry/holdfast/registry"
)

// ClaimNext is A25, without its wait: what is asked for is there or not. Tokens
// are what the implementation drew, as far as it granted leases. That fewer come
// where records are large is not modelled.
type ClaimNext struct {
	Owner  registry.LeaseOwnerIdentity
	TTLMs  uint64
	Limit  int
	Kinds  []string
	Tokens []string
}

func (op ClaimNext) step(s *State) Answer {
	ready := s.Ready(op.Kinds)
	ready = ready[:min(op.Limit, len(ready))]
	before := s.Revision
	var a Answer
	for i, p := range ready {
		lease := s.grantLease(p, op.Owner, op.TTLMs, op.Tokens[i]).Lease
		p.Attempts++
		p.NotBeforeMs = 0
		a.Claims = append(a.Claims, registry.ClaimedProcess{Lease: *lease, Record: *p.answer().Record, Attempt: p.Attempts})
	}
	if len(ready) > 0 {
		s.Revision = before + 1 // one step
	}
	return a
}

// Ready are the processes of some kinds that claim-next may hand out, the one
// that was registered first coming first; no kinds are all.
func (s *State) Ready(kinds []string) []*Process {
	var ready []*Process
	for _, p := range s.Processes {
		if s.isReady(p) && p.IsOf(kinds) {
			ready = append(ready, p)
		}
	}
	slices.SortFunc(ready, func(a, b *Process) int { return cmp.Compare(a.Life, b.Life) })
	return ready
}

// IsOf tells whether a process is of one of some kinds; no kinds are all.
func (p *Process) IsOf(kinds []string) bool {
	return len(kinds) == 0 || slices.Contains(kinds, p.Registration.Identity.Kind)
}

func (s *State) isReady(p *Process) bool {
	return p.runnable() && !s.live(p.Lease) && p.NotBeforeMs <= s.LeaseTimeMs
}

func (p *Process) runnable() bool {
	mayRun := p.Registration.Disposition == registry.Rerunnable ||
		p.Registration.Disposition == registry.OwnerBound && p.FirstStarted == nil
	return p.State == "running" && p.AbandonRequest == nil && mayRun
}

// NeedsTime tells that lease time has to go on: a lease or a session is live,
// or a delay lies ahead. A4, A9, A25.
func (s *State) NeedsTime() bool {
	for _, p := range s.Processes {
		if s.live(p.Lease) || p.runnable() && p.NotBeforeMs > s.LeaseTimeMs {
			return true
		}
	}
	for id := range s.Sessions {
		if s.session(id) != nil {
			return true
		}
	}
	return false
}

// ReleaseForRetry is A25.
type ReleaseForRetry struct {
	Completion   registry.ProcessLeaseCompletion
	RetryAfterMs uint64
}

func (op ReleaseForRetry) step(s *State) Answer {
	before := s.Revision
	a := s.Do(CompleteProcessLease{op.Completion})
	if s.Revision > before {
		s.Processes[op.Completion.ProcessID].NotBeforeMs = s.LeaseTimeMs + op.RetryAfterMs
	}
	return a
}
