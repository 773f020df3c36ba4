package fsm

import (
	"strings"

	"github.com/tidwall/btree"

	"github.com/holdfast-registry/holdfast/registry"
)

// grant lets a scope address a process. Grants are immutable and replaced
// whole.
type grant struct {
	scope      registry.SessionScope
	processID  string
	descriptor registry.ProcessHandleDescriptor
}

// grantTable holds the grants by scope and the same ones by process. A scope is
// compared as the pair that it is: its joined text is not injective. Spec A18.
type grantTable struct {
	byScope *btree.BTreeG[*grant]
	// byProcess and ofSession are derived from byScope and never part of a
	// snapshot. ofSession counts the grants of a session, frames included.
	byProcess *btree.BTreeG[*grant]
	ofSession map[string]int
	undo      *undoLog
}

func newGrantTable(undo *undoLog) grantTable {
	return grantTable{
		undo: undo,
		byScope: btree.NewBTreeGOptions(func(a, b *grant) bool {
			if order := compareScopes(a.scope, b.scope); order != 0 {
				return order < 0
			}
			return a.processID < b.processID
		}, btree.Options{NoLocks: true}),
		byProcess: btree.NewBTreeGOptions(func(a, b *grant) bool {
			if a.processID != b.processID {
				return a.processID < b.processID
			}
			return compareScopes(a.scope, b.scope) < 0
		}, btree.Options{NoLocks: true}),
		ofSession: make(map[string]int),
	}
}

// compareScopes orders scopes by session id and then frame id, none first. That
// is also the order by session id and then scope id, since the scope ids of one
// session differ in nothing but the frame at their end.
func compareScopes(a, b registry.SessionScope) int {
	if order := strings.Compare(a.SessionID, b.SessionID); order != 0 {
		return order
	}
	return strings.Compare(a.AgentFrameID, b.AgentFrameID)
}

// get returns the grant of a scope, nil when it has none.
func (t *grantTable) get(scope registry.SessionScope, processID string) *grant {
	g, _ := t.byScope.Get(&grant{scope: scope, processID: processID})
	return g
}

// put stores a grant over an earlier one of its scope and process.
func (t *grantTable) put(g *grant) {
	old, replaced := t.byScope.Set(g)
	if !replaced {
		t.ofSession[g.scope.SessionID]++
	}
	t.byProcess.Set(g)
	if t.undo.active {
		t.undo.note(func() {
			if replaced {
				t.put(old)
			} else {
				t.remove(g)
			}
		})
	}
}

// remove takes a grant out that is in the table.
func (t *grantTable) remove(g *grant) {
	if t.undo.active {
		t.undo.note(func() { t.put(g) })
	}
	t.byScope.Delete(g)
	t.byProcess.Delete(g)
	session := g.scope.SessionID
	if t.ofSession[session]--; t.ofSession[session] == 0 {
		delete(t.ofSession, session)
	}
}

// session returns the grants of a session, of all its frames.
func (t *grantTable) session(sessionID string) []*grant {
	var grants []*grant
	t.byScope.Ascend(&grant{scope: registry.SessionScope{SessionID: sessionID}}, func(g *grant) bool {
		if g.scope.SessionID != sessionID {
			return false
		}
		grants = append(grants, g)
		return true
	})
	return grants
}

// process returns the grants of a process, of all scopes, but no more than so
// many.
func (t *grantTable) process(processID string, most int) []*grant {
	var grants []*grant
	t.byProcess.Ascend(&grant{processID: processID}, func(g *grant) bool {
		if g.processID != processID || len(grants) == most {
			return false
		}
		grants = append(grants, g)
		return true
	})
	return grants
}

// checkRoom refuses a table in which a session would have so many grants. Spec
// A16.
func (t *grantTable) checkRoom(sessionID string, count int) *registry.Error {
	value, limit := uint64(count), uint64(registry.MaxGrantsPerSession)
	if value <= limit {
		return nil
	}
	return registry.Errorf(registry.CodeTooLarge, registry.Fields{Field: "grants", Limit: &limit, Value: &value, SessionID: sessionID},
		"session `%s` would hold %d handle grants, the limit is %d: revoke some, or use another session", sessionID, value, limit)
}
