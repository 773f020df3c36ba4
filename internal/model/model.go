// Package model is the registry once more, written from the contract alone:
// one plain state, one step function, maps and slices, nothing clever. It is
// what property tests and history checkers hold the real implementations
// against, so it shares no logic with them. From package registry it takes the
// types, and those functions whose output the contract fixes byte for byte:
// canonical text, hashes and JSON forms.
//
// The model is deterministic. What an implementation is free to choose (lease
// tokens, clock stamps) is part of the operation that it is given. Arguments
// are taken to be valid: refusals that depend on the request alone are not
// modelled, nor are the limits of A16 on what the state may hold, which are far
// beyond what a model is run for. Lists are modelled whole, without pages.
package model

import (
	"maps"
	"slices"

	"github.com/holdfast-registry/holdfast/registry"
)

// State is everything that the contract says there is.
type State struct {
	// Revision counts the operations that wrote a row, be it with equal content.
	Revision uint64
	// ClockMs and LeaseTimeMs are the two clocks of A3 and A4.
	ClockMs     uint64
	LeaseTimeMs uint64
	// Fencing is the last fencing token granted. A1.
	Fencing uint64
	// TakeoverTerm is the term of the last takeover.
	TakeoverTerm uint64
	Processes    map[string]*Process
	Grants       map[Grant]registry.ProcessHandleDescriptor
	Sessions     map[string]*Session
}

// Grant is a scope and a process that it may address. Scopes are compared as
// the pair that they are. A18.
type Grant struct {
	Scope     registry.SessionScope
	ProcessID string
}

// Process is one process with everything that hangs on it.
type Process struct {
	// Registration has its event types completed. 4.1.
	Registration registry.ProcessRegistration
	Hash         string
	// Life is the revision at which the process was registered, Revision that
	// of its last change, leases not counted.
	Life           uint64
	Revision       uint64
	CreatedAtMs    uint64
	UpdatedAtMs    uint64
	ExternalRef    *registry.ProcessExternalRef
	FirstStarted   *registry.ProcessStarted
	AbandonRequest *registry.AbandonRequest
	Wait           *registry.WaitState
	State          registry.ProcessState
	Output         *registry.ProcessAwaitOutput
	Events         []Event
	// Acked are the sequences whose wakes were consumed, of events or not.
	Acked map[uint64]bool
	Lease Lease
	// Attempts is how often claim-next handed the process out, which it does not
	// before NotBeforeMs of lease time. A25.
	Attempts    uint64
	NotBeforeMs uint64
}

// Event is a stored event and the hash that repeats of it are compared by.
type Event struct {
	registry.ProcessEvent
	PayloadHash [32]byte
}

// Lease is the lease row of a process. EndMs is on lease time. After a release
// Fencing stays.
type Lease struct {
	Held        bool
	Owner       registry.LeaseOwnerIdentity
	Token       string
	Fencing     uint64
	ClaimedAtMs uint64
	EndMs       uint64
}

// Op is one call of the registry: what was asked, without the answer. A method
// is added to the model by adding its Op.
type Op interface {
	step(s *State) Answer
}

// Answer is what a call returns. Code is 0 for success; then the field of the
// method's result is set. Fields holds the facts that the contract promises of
// a refusal.
type Answer struct {
	Code     registry.Code
	Fields   registry.Fields
	Record   *registry.ProcessRecord
	Event    *registry.ProcessEvent
	Delivery *registry.ProcessWakeDelivery
	Lease    *registry.ProcessLease
	// Busy tells that Lease is somebody else's.
	Busy    bool
	Records []registry.ProcessRecord
	Events  []registry.ProcessEvent
	Count   uint64
	Has     bool
	Grants  []registry.ProcessHandleGrant
	Entries []registry.ProcessHandleGrantEntry
	Deleted *registry.ProcessSessionDeleteReport
	Pruned  *registry.ProcessPruneReport
	Fence   *registry.FenceStatus
	Claims  []registry.ClaimedProcess
	Session string
	Outcome *Outcome
	Batch   []Answer
	// Again tells that a write of a session was done before. Revision is set for
	// writes of a session and operations of a batch: the state's just after.
	Again    bool
	Revision uint64
}

// Entry is a group of operations as the log carries them: decided in one term
// with one stamp, committed in a term that may be another.
type Entry struct {
	// Term is the term in which the entry was decided, CommitTerm the one in
	// which it was committed.
	Term       uint64
	CommitTerm uint64
	StampMs    uint64
	// Takeover makes this the first entry of its term; it has no operations.
	Takeover bool
	Ops      []Op
}

// New returns the empty state.
func New() *State {
	return &State{Processes: map[string]*Process{}, Grants: map[Grant]registry.ProcessHandleDescriptor{}, Sessions: map[string]*Session{}}
}

// Clone returns a copy that shares nothing that ever changes.
func (s *State) Clone() *State {
	return s.Fork(slices.Collect(maps.Keys(s.Processes))...)
}

// Step returns the state after one operation and its answer; s itself stays as
// it was. Time does not move.
func Step(s *State, op Op) (*State, Answer) {
	next := s.Clone()
	return next, next.Do(op)
}

// Do performs one operation on the state itself.
func (s *State) Do(op Op) Answer { return op.step(s) }

// Apply performs an entry. It answers false, and changes nothing at all, for
// one that was decided in another term than it was committed in, or before the
// takeover of its term.
func (s *State) Apply(e Entry) ([]Answer, bool) {
	if e.Term != e.CommitTerm {
		return nil, false
	}
	if !e.Takeover && s.TakeoverTerm != e.Term {
		return nil, false
	}
	if e.StampMs > s.ClockMs {
		passed := e.StampMs - s.ClockMs
		s.ClockMs = e.StampMs
		if !e.Takeover {
			s.LeaseTimeMs += min(passed, 2000)
		}
	}
	if e.Takeover {
		s.TakeoverTerm = e.Term
		return nil, true
	}
	var answers []Answer
	for _, op := range e.Ops {
		answers = append(answers, s.Do(op))
	}
	return answers, true
}

// Life returns the life of a process as decisions are made against it: 0 while
// there is none. A12.
func (s *State) Life(id string) uint64 {
	if p := s.Processes[id]; p != nil {
		return p.Life
	}
	return 0
}

// on does something to a process, if it is known.
func (s *State) on(id string, do func(p *Process) Answer) Answer {
	p := s.Processes[id]
	if p == nil {
		return refuse(registry.CodeNotFound, id)
	}
	return do(p)
}

// fenced does something to a process under a fence, in the order of A2. needed
// says that it is a write for which "fencing: required" asks for one.
func (s *State) fenced(id string, f *registry.Fence, needed bool, do func(p *Process) Answer) Answer {
	return s.on(id, func(p *Process) Answer {
		if !p.passesFence(f, needed) {
			a := refuse(registry.CodeFenced, id)
			current := p.Lease.Fencing
			a.Fields.FencingToken = &current
			return a
		}
		return do(p)
	})
}

func (p *Process) passesFence(f *registry.Fence, needed bool) bool {
	if f == nil {
		return !needed || p.Registration.Fencing != registry.FencingRequired
	}
	// Whether the lease has expired does not matter: nobody superseded it.
	return p.Lease.Held && p.Lease.Token == f.LeaseToken && p.Lease.Fencing == f.FencingToken
}

// changed counts a change of the record itself.
func (s *State) changed(p *Process) {
	s.Revision++
	p.Revision = s.Revision
	p.UpdatedAtMs = s.ClockMs
}

// refuse answers with a refusal on a process.
func refuse(code registry.Code, id string) Answer {
	return Answer{Code: code, Fields: registry.Fields{ProcessID: id}}
}

// refuseTerminal answers that the process has already ended.
func (p *Process) refuseTerminal() Answer {
	a := refuse(registry.CodeTerminal, p.Registration.ID)
	a.Fields.State = string(p.State)
	return a
}

// answer is the record as it stands. 3.13, A12.
func (p *Process) answer() Answer {
	r := p.Registration
	return Answer{Record: &registry.ProcessRecord{
		ID: r.ID, RegistrationHash: p.Hash, Input: r.Input, Disposition: r.Disposition, Identity: r.Identity,
		EventTypes: r.EventTypes, Provenance: r.Provenance, EnvRef: r.EnvRef, WakeTarget: r.WakeTarget,
		CreatedAtMs: p.CreatedAtMs, UpdatedAtMs: p.UpdatedAtMs, ExternalRef: p.ExternalRef, FirstStarted: p.FirstStarted,
		AbandonRequest: p.AbandonRequest, Wait: p.Wait, Status: registry.ProcessStatus{State: p.State, AwaitOutput: p.Output},
		Life: p.Life, Revision: p.Revision, Fencing: r.Fencing,
	}}
}
