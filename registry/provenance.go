package registry

import "encoding/json"

// JSON is one free JSON value, kept byte for byte as its sender wrote it and
// never converted through a float. A nil JSON means that the value is absent,
// which differs from the JSON text null.
type JSON = json.RawMessage

// SessionScope names a session, or one agent frame inside it. It is compared
// as a pair; a scope without a frame is its own scope and no wildcard over the
// frames of its session. An empty frame id is the same as none.
type SessionScope struct {
	SessionID    string
	AgentFrameID string
}

// ScopeID is the joined text of a scope, "session:S" or "session:S/frame:F". It
// is only ever used to form wake ids: it is not injective, so nothing is
// looked up by it.
func (s SessionScope) ScopeID() string {
	if s.AgentFrameID == "" {
		return "session:" + s.SessionID
	}
	return "session:" + s.SessionID + "/frame:" + s.AgentFrameID
}

// CausalKind says which arm of a CausalRef is set.
type CausalKind string

// The arms of a CausalRef.
const (
	CausalTurn              CausalKind = "turn"
	CausalEffect            CausalKind = "effect"
	CausalToolCall          CausalKind = "tool_call"
	CausalProcess           CausalKind = "process"
	CausalProcessEvent      CausalKind = "process_event"
	CausalTriggerOccurrence CausalKind = "trigger_occurrence"
	CausalSessionNode       CausalKind = "session_node"
)

// CausalRef points at what caused something. Only the fields of its kind mean
// anything: turn {SessionID, TurnID}, effect {SessionID, TurnID optional,
// EffectID}, tool_call {SessionID, CallID}, process {ProcessID}, process_event
// {ProcessID, Sequence}, trigger_occurrence {OccurrenceID}, session_node
// {SessionID, NodeID}.
type CausalRef struct {
	Kind         CausalKind
	SessionID    string
	TurnID       *string
	EffectID     string
	CallID       string
	ProcessID    string
	Sequence     uint64
	OccurrenceID string
	NodeID       string
}

// Originator says who asked for a process: the host itself (Scope nil) or a
// session scope.
type Originator struct {
	Scope *SessionScope
}

// Provenance is where a process came from.
type Provenance struct {
	Originator Originator
	CausedBy   *CausalRef
}
