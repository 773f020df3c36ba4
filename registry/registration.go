package registry

// RecoveryDisposition says what may be done with a process whose owner is
// gone. It is always required and has no default.
type RecoveryDisposition string

// The dispositions.
const (
	// Rerunnable work may be run again by anybody.
	Rerunnable RecoveryDisposition = "rerunnable"
	// OwnerBound work may be started once; afterwards only its owner can go on.
	OwnerBound RecoveryDisposition = "owner_bound"
	// ExternallyOwned work is run by somebody else; the registry only records it.
	ExternallyOwned RecoveryDisposition = "externally_owned"
)

// InputKind says which arm of a ProcessInput is set.
type InputKind string

// The arms of a ProcessInput.
const (
	InputToolCall    InputKind = "tool_call"
	InputEngine      InputKind = "engine"
	InputSessionTurn InputKind = "session_turn"
	InputExternal    InputKind = "external"
)

// ProcessInput is what a process is to do. The registry stores it and looks
// only at its kind. Fields by kind: tool_call {Call}, engine {Engine,
// Payload}, session_turn {CreateRequest, TurnInput, OutputContract}, external
// {Metadata}. Payload and Metadata default to null.
type ProcessInput struct {
	Kind           InputKind
	Call           JSON
	Engine         string
	Payload        JSON
	CreateRequest  JSON
	TurnInput      JSON
	OutputContract JSON
	Metadata       JSON
}

// ProcessIdentity is how a process is shown and filtered. The registry stores
// what it is given; DeriveIdentity is what clients use to form it.
type ProcessIdentity struct {
	Kind       string
	Label      *string
	Definition JSON
}

// SelectorKind says which arm of a Selector is set.
type SelectorKind string

// The arms of a Selector.
const (
	SelectPayload  SelectorKind = "payload"
	SelectPointer  SelectorKind = "pointer"
	SelectConst    SelectorKind = "const"
	SelectTemplate SelectorKind = "template"
	SelectPresent  SelectorKind = "present"
)

// Selector picks a value out of an event payload. Text holds the JSON pointer
// of pointer and present, or the template text; Const the constant; Fields the
// template's fields in bytewise order of their names.
type Selector struct {
	Kind   SelectorKind
	Text   string
	Const  JSON
	Fields []TemplateField
}

// TemplateField is one named hole of a template selector.
type TemplateField struct {
	Name     string
	Selector Selector
}

// TerminalSpec declares that events of a type end the process in State. The
// selector may be absent for completed only.
type TerminalSpec struct {
	State       ProcessState
	AwaitOutput *Selector
}

// DedupeKind says which arm of a DedupeKey is set.
type DedupeKind string

// The arms of a DedupeKey.
const (
	DedupeEventIdentity DedupeKind = "event_identity"
	DedupeSelector      DedupeKind = "selector"
	DedupeConst         DedupeKind = "const"
)

// DedupeKey says how the dedupe key of a wake is formed.
type DedupeKey struct {
	Kind     DedupeKind
	Selector *Selector
	Const    string
}

// WakeSpec declares that events of a type wake the process's target session.
type WakeSpec struct {
	When      *Selector
	Input     Selector
	DedupeKey DedupeKey
}

// EventSemanticsSpec is what events of a type mean to the registry beyond
// being stored.
type EventSemanticsSpec struct {
	Terminal *TerminalSpec
	Wake     *WakeSpec
}

// ProcessEventType declares one type of event that a process may emit.
// PayloadSchema is a JSON Schema; the schema {} accepts everything.
type ProcessEventType struct {
	Name          string
	PayloadSchema JSON
	Semantics     EventSemanticsSpec
}

// FencingMode says whether the lifecycle writes of a process need a fence.
type FencingMode string

// The fencing modes.
const (
	// FencingOptional checks a fence only where one is given.
	FencingOptional FencingMode = "optional"
	// FencingRequired refuses terminal writes, first_started and waits that
	// come without the current fence.
	FencingRequired FencingMode = "required"
)

// ProcessRegistration asks for a process. Fencing is optional when empty.
type ProcessRegistration struct {
	ID          string
	Input       ProcessInput
	Disposition RecoveryDisposition
	Identity    ProcessIdentity
	EventTypes  []ProcessEventType
	Provenance  Provenance
	EnvRef      *string
	WakeTarget  *SessionScope
	Fencing     FencingMode
}
