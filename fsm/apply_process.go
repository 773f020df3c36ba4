package fsm

import (
	"bytes"
	"encoding/hex"

	"github.com/holdfast-registry/holdfast/registry"
)

// unknownProcess is the refusal of every call on an id that has no row.
func unknownProcess(id string) *registry.Error {
	return registry.Errorf(registry.CodeNotFound, registry.Fields{ProcessID: id}, "unknown process `%s`", id)
}

// alreadyTerminal is the refusal of a second terminal event.
func alreadyTerminal(p *process) *registry.Error {
	return registry.Errorf(registry.CodeTerminal, registry.Fields{ProcessID: p.record.ID, State: string(p.record.Status.State)},
		"process `%s` is already terminal", p.record.ID)
}

// checkLife tells whether the command was decided against another life than
// the one that stands. p is nil when there is no row.
func checkLife(c Command, p *process) bool {
	if c.Life == nil || mutant == comparesNoLife {
		return true
	}
	if p == nil {
		return *c.Life == 0
	}
	return *c.Life == p.record.Life
}

// checkFence refuses a write whose fence is not that of the current lease, and
// one without a fence where the process requires it. An expired lease that
// nobody superseded passes: no other owner can have started. Spec A2.
func checkFence(c Command, p *process, required bool) *registry.Error {
	if c.Fence == nil && !(required && p.record.Fencing == registry.FencingRequired) {
		return nil
	}
	if f := c.Fence; f != nil && p.lease.held && f.LeaseToken == p.lease.token && f.FencingToken == p.lease.fencing {
		return nil
	}
	current := p.lease.fencing
	fields := registry.Fields{ProcessID: p.record.ID, FencingToken: &current}
	switch {
	case c.Fence == nil:
		return registry.Errorf(registry.CodeFenced, fields,
			"process `%s` requires the fence of its current lease (fencing token %d) and none was given", p.record.ID, current)
	case !p.lease.held:
		return registry.Errorf(registry.CodeFenced, fields,
			"process `%s` has no lease now (last fencing token %d), so the fence %d is stale: claim the lease again",
			p.record.ID, current, c.Fence.FencingToken)
	default:
		return registry.Errorf(registry.CodeFenced, fields,
			"process `%s` is leased with fencing token %d, so the fence %d is stale: stop the work that holds it",
			p.record.ID, current, c.Fence.FencingToken)
	}
}

// hexHash is the public form of a hash.
func hexHash(hash []byte) string { return hex.EncodeToString(hash) }

func (s *state) applyRegisterProcess(c *RegisterProcess) Result {
	if p, ok := s.processes.Get(c.Registration.ID); ok {
		if bytes.Equal(p.hash, c.Hash) {
			return Result{Process: &p.record}
		}
		fields := registry.Fields{ProcessID: p.record.ID, ExistingHash: p.record.RegistrationHash, NewHash: hexHash(c.Hash)}
		return Result{Refusal: registry.Errorf(registry.CodeAlreadyExists, fields,
			"process `%s` registration hash conflict: existing %s, new %s", p.record.ID, fields.ExistingHash, fields.NewHash)}
	}
	if refusal := s.checkWakeTarget(c.record.WakeTarget); refusal != nil {
		return Result{Refusal: refusal}
	}
	row := &process{record: c.record, hash: c.Hash, index: new(eventIndex)}
	row.record.RegistrationHash = hexHash(c.Hash)
	row.record.CreatedAtMs, row.record.UpdatedAtMs = s.ClockMs, s.ClockMs
	row.record.Life = s.Revision + 1
	row.record.Revision = s.changed(row, registry.ChangeRegistered, 0)
	s.put(nil, row)
	return Result{Process: &row.record}
}

// checkWakeTarget refuses one process too many whose wakes go to a session.
// Spec A16.
func (s *state) checkWakeTarget(target *registry.SessionScope) *registry.Error {
	if target == nil || s.wakeTargets[target.SessionID] == nil {
		return nil
	}
	value, limit := uint64(s.wakeTargets[target.SessionID].Len())+1, uint64(registry.MaxWakeTargetsPerSession)
	if value <= limit {
		return nil
	}
	return registry.Errorf(registry.CodeTooLarge, registry.Fields{Field: "wake_target", Limit: &limit, Value: &value, SessionID: target.SessionID},
		"session `%s` is the wake target of %d processes, which is the limit: delete its state, or use another session", target.SessionID, limit)
}
