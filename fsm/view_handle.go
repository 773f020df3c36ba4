package fsm

import (
	"encoding/binary"

	"github.com/holdfast-registry/holdfast/registry"
)

// HasHandleGrant tells whether exactly this scope holds a process. Spec 5.9.
func (v View) HasHandleGrant(scope registry.SessionScope, processID string) bool {
	return v.state.grants.get(scope, processID) != nil
}

// ListHandleGrants reads one page of the grants of exactly this scope, with the
// current records, by process id ascending. Spec 5.7, A15.
func (v View) ListHandleGrants(scope registry.SessionScope, request registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
	return v.grantEntries(scope, request, listHandleGrants, func(*process) bool { return true })
}

// ListLiveHandleGrants is ListHandleGrants over processes that have not ended.
// Spec 5.8, A15.
func (v View) ListLiveHandleGrants(scope registry.SessionScope, request registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
	return v.grantEntries(scope, request, listLiveHandleGrants, func(p *process) bool { return !p.record.Status.State.Terminal() })
}

func (v View) grantEntries(scope registry.SessionScope, request registry.PageRequest, list byte, wanted func(*process) bool) (registry.Page[registry.ProcessHandleGrantEntry], error) {
	p, err := newPager[registry.ProcessHandleGrantEntry](request, list)
	if err != nil {
		return p.page, err
	}
	v.state.grants.byScope.Ascend(&grant{scope: scope, processID: p.after}, func(g *grant) bool {
		if g.scope != scope {
			return false
		}
		if g.processID == p.after {
			return true
		}
		if !p.more(g.processID) {
			return false
		}
		if row, _ := v.state.processes.Get(g.processID); wanted(row) {
			p.add(registry.ProcessHandleGrantEntry{Grant: g.show(), Record: row.record}, g.size()+row.size())
		}
		return true
	})
	return p.page, nil
}

// HandleGrantsForProcess reads one page of the grants of all scopes, by session
// id and then scope id ascending. Spec 5.10, A15.
func (v View) HandleGrantsForProcess(id string, request registry.PageRequest) (registry.Page[registry.ProcessHandleGrant], error) {
	row, ok := v.state.processes.Get(id)
	if !ok {
		return registry.Page[registry.ProcessHandleGrant]{}, unknownProcess(id)
	}
	p, err := newPager[registry.ProcessHandleGrant](request, listProcessGrants)
	if err != nil {
		return p.page, err
	}
	var after registry.SessionScope
	if request.Token != "" {
		var life uint64
		if life, after, err = parseScopeCursor(p.after); err != nil {
			return p.page, err
		}
		if life != row.record.Life {
			return p.page, lifeEnded(id, "grants")
		}
	}
	v.state.grants.byProcess.Ascend(&grant{processID: id, scope: after}, func(g *grant) bool {
		if g.processID != id {
			return false
		}
		if g.scope == after {
			return true
		}
		if !p.more(scopeCursor(row.record.Life, g.scope)) {
			return false
		}
		p.add(g.show(), g.size())
		return true
	})
	return p.page, nil
}

// show gives a grant its public form.
func (g *grant) show() registry.ProcessHandleGrant {
	return registry.ProcessHandleGrant{SessionID: g.scope.SessionID, ProcessID: g.processID, Descriptor: g.descriptor}
}

// size is about what a grant takes on the wire.
func (g *grant) size() int {
	size := 64 + len(g.scope.SessionID) + len(g.processID)
	for _, text := range []*string{g.descriptor.Kind, g.descriptor.Label} {
		if text != nil {
			size += len(*text)
		}
	}
	return size
}

// scopeCursor is the place of a scope among those that hold a process in a
// life of its own.
func scopeCursor(life uint64, scope registry.SessionScope) string {
	cursor := binary.BigEndian.AppendUint64(nil, life)
	cursor = binary.BigEndian.AppendUint16(cursor, uint16(len(scope.SessionID)))
	return string(cursor) + scope.SessionID + scope.AgentFrameID
}

func parseScopeCursor(cursor string) (life uint64, scope registry.SessionScope, err error) {
	if len(cursor) < 10 {
		return 0, scope, errForeignToken()
	}
	life = binary.BigEndian.Uint64([]byte(cursor[:8]))
	session := int(binary.BigEndian.Uint16([]byte(cursor[8:10])))
	rest := cursor[10:]
	if session > len(rest) {
		return 0, scope, errForeignToken()
	}
	return life, registry.SessionScope{SessionID: rest[:session], AgentFrameID: rest[session:]}, nil
}
