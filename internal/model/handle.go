package model

import (
	"cmp"
	"maps"
	"slices"

	"github.com/holdfast-registry/holdfast/registry"
)

// GrantHandle is 5.4. A repeat replaces the descriptor, be it by an equal one.
type GrantHandle struct {
	Scope      registry.SessionScope
	ProcessID  string
	Descriptor registry.ProcessHandleDescriptor
}

func (op GrantHandle) step(s *State) Answer {
	return s.on(op.ProcessID, func(*Process) Answer {
		key := Grant{op.Scope, op.ProcessID}
		s.Grants[key] = op.Descriptor
		s.Revision++
		return Answer{Grants: s.grants(func(g Grant) bool { return g == key })}
	})
}

// RevokeHandle is 5.5.
type RevokeHandle struct {
	Scope     registry.SessionScope
	ProcessID string
}

func (op RevokeHandle) step(s *State) Answer {
	key := Grant(op)
	if _, ok := s.Grants[key]; ok {
		delete(s.Grants, key)
		s.Revision++
	}
	return Answer{}
}

// TransferHandleGrants is 5.6.
type TransferHandleGrants struct {
	From, To   registry.SessionScope
	ProcessIDs []string
}

func (op TransferHandleGrants) step(s *State) Answer {
	moved := maps.Clone(s.Grants)
	for _, id := range op.ProcessIDs {
		descriptor, ok := moved[Grant{op.From, id}]
		if !ok {
			a := refuse(registry.CodeNotGranted, id)
			a.Fields.SessionID = op.From.SessionID
			return a
		}
		delete(moved, Grant{op.From, id})
		moved[Grant{op.To, id}] = descriptor
	}
	if op.From != op.To && len(op.ProcessIDs) > 0 {
		s.Grants = moved
		s.Revision++
	}
	return Answer{}
}

// ListHandleGrants is 5.7, and with Live 5.8: the whole list.
type ListHandleGrants struct {
	Scope registry.SessionScope
	Live  bool
}

func (op ListHandleGrants) step(s *State) Answer {
	var a Answer
	for _, g := range s.grants(func(g Grant) bool { return g.Scope == op.Scope }) {
		if p := s.Processes[g.ProcessID]; !op.Live || p.State == "running" {
			a.Entries = append(a.Entries, registry.ProcessHandleGrantEntry{Grant: g, Record: *p.answer().Record})
		}
	}
	return a
}

// HasHandleGrant is 5.9.
type HasHandleGrant struct {
	Scope     registry.SessionScope
	ProcessID string
}

func (op HasHandleGrant) step(s *State) Answer {
	_, ok := s.Grants[Grant(op)]
	return Answer{Has: ok}
}

// HandleGrantsForProcess is 5.10: the whole list. Within a session, the order
// of scope ids is that of frames.
type HandleGrantsForProcess struct{ ProcessID string }

func (op HandleGrantsForProcess) step(s *State) Answer {
	return s.on(op.ProcessID, func(*Process) Answer {
		return Answer{Grants: s.grants(func(g Grant) bool { return g.ProcessID == op.ProcessID })}
	})
}

// grants are the wanted ones, by session, frame and process.
func (s *State) grants(wanted func(Grant) bool) []registry.ProcessHandleGrant {
	var keys []Grant
	for key := range s.Grants {
		if wanted(key) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.Scope.SessionID, b.Scope.SessionID),
			cmp.Compare(a.Scope.AgentFrameID, b.Scope.AgentFrameID), cmp.Compare(a.ProcessID, b.ProcessID))
	})
	var grants []registry.ProcessHandleGrant
	for _, key := range keys {
		grants = append(grants, registry.ProcessHandleGrant{
			SessionID: key.Scope.SessionID, ProcessID: key.ProcessID, Descriptor: s.Grants[key],
		})
	}
	return grants
}

// DeleteSessionProcessState is 5.11.
type DeleteSessionProcessState struct{ SessionID string }

func (op DeleteSessionProcessState) step(s *State) Answer {
	report := registry.ProcessSessionDeleteReport{SessionID: op.SessionID}
	lost := map[string]bool{}
	for key := range s.Grants {
		if key.Scope.SessionID == op.SessionID {
			delete(s.Grants, key)
			lost[key.ProcessID] = true
			report.RevokedHandleCount++
		}
	}
	changed := report.RevokedHandleCount > 0
	for _, id := range s.ids() {
		p := s.Processes[id]
		if target := p.Registration.WakeTarget; target != nil && target.SessionID == op.SessionID {
			p.Registration.WakeTarget = nil
			p.UpdatedAtMs, p.Revision = s.ClockMs, s.Revision+1
			changed = true
		}
		if !lost[id] || p.State != "running" {
			continue
		}
		if len(s.grants(func(g Grant) bool { return g.ProcessID == id })) == 0 {
			report.OrphanedProcessIDs = append(report.OrphanedProcessIDs, id)
		} else {
			report.PreservedProcessIDs = append(report.PreservedProcessIDs, id)
		}
	}
	if changed {
		s.Revision++
	}
	return Answer{Deleted: &report}
}
