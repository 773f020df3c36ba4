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

// ProcessState is the label of a process status.
type ProcessState string

// The states. All but running are terminal: written once, as the consequence
// of a terminal event, and never changed afterwards.
const (
	StateRunning   ProcessState = "running"
	StateCompleted ProcessState = "completed"
	StateFailed    ProcessState = "failed"
	StateCancelled ProcessState = "cancelled"
	StateAbandoned ProcessState = "abandoned"
)

// Terminal reports whether the state is one of the four that end a process.
func (s ProcessState) Terminal() bool { return s != StateRunning }

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

// OutputKind says which arm of a ProcessAwaitOutput is set.
type OutputKind string

// The arms of a ProcessAwaitOutput.
const (
	OutputSuccess   OutputKind = "success"
	OutputFailure   OutputKind = "failure"
	OutputCancelled OutputKind = "cancelled"
	OutputAbandoned OutputKind = "abandoned"
)

// State is the terminal state that an output of this kind stands for.
func (k OutputKind) State() ProcessState {
	switch k {
	case OutputSuccess:
		return StateCompleted
	case OutputFailure:
		return StateFailed
	case OutputCancelled:
		return StateCancelled
	default:
		return StateAbandoned
	}
}

// FailureClass is the broad kind of a failure.
type FailureClass string

// The failure classes.
const (
	ClassInvalidRequest   FailureClass = "invalid_request"
	ClassUnavailable      FailureClass = "unavailable"
	ClassPermissionDenied FailureClass = "permission_denied"
	ClassTimeout          FailureClass = "timeout"
	ClassExecution        FailureClass = "execution"
	ClassExternal         FailureClass = "external"
	ClassResourceLimit    FailureClass = "resource_limit"
	ClassInternal         FailureClass = "internal"
)

// ProcessAwaitOutput is what somebody who waits for a process gets. Fields by
// kind: success {Value}, failure {Class, Code, Message, Raw optional},
// cancelled {Message, Raw optional}, abandoned {Evidence}; Control is optional
// with all of them.
type ProcessAwaitOutput struct {
	Kind     OutputKind
	Value    JSON
	Class    FailureClass
	Code     string
	Message  string
	Raw      JSON
	Evidence *AbandonEvidence
	// Control is a tool control in the JSON form of docs/spec.md, checked and
	// freed of unknown fields when the output was read.
	Control JSON
}

// AbandonWriter says which path wrote an abandoned outcome.
type AbandonWriter string

// The abandon writers.
const (
	WriterOwnerDrain        AbandonWriter = "owner_drain"
	WriterSweep             AbandonWriter = "sweep"
	WriterReconciledRequest AbandonWriter = "reconciled_request"
)

// AbandonEvidence says who abandoned a process, and whose run it was.
type AbandonEvidence struct {
	Writer  AbandonWriter
	Owner   *LeaseOwnerIdentity
	EpochMs uint64
}

// ProcessStatus is the state of a process, with its output once terminal.
type ProcessStatus struct {
	State       ProcessState
	AwaitOutput *ProcessAwaitOutput
}

// ProcessStarted is the fact that execution began, written at most once.
type ProcessStarted struct {
	Owner       LeaseOwnerIdentity
	StartedAtMs uint64
}

// AbandonRequest asks that a process be given up.
type AbandonRequest struct {
	RequestedBy   string
	RequestedAtMs uint64
	Reason        *string
}

// ProcessExternalRef points at the process's counterpart in another backend.
type ProcessExternalRef struct {
	Backend  string
	ID       string
	Metadata JSON
}

// WaitKind says what a process waits for. The only kind so far is a signal.
type WaitKind string

// WaitSignal is a wait for the Ordinal-th signal called Name.
const WaitSignal WaitKind = "signal"

// WaitState is what a process waits for, and since when.
type WaitState struct {
	Kind      WaitKind
	Name      string
	EventType string
	Key       string
	Ordinal   uint64
	SinceMs   uint64
}

// ProcessRecord is one process as it stands. Records that an implementation
// returns are shared and must not be changed.
type ProcessRecord struct {
	ID               string
	RegistrationHash string
	Input            ProcessInput
	Disposition      RecoveryDisposition
	Identity         ProcessIdentity
	EventTypes       []ProcessEventType
	Provenance       Provenance
	EnvRef           *string
	WakeTarget       *SessionScope
	CreatedAtMs      uint64
	UpdatedAtMs      uint64
	ExternalRef      *ProcessExternalRef
	FirstStarted     *ProcessStarted
	AbandonRequest   *AbandonRequest
	Wait             *WaitState
	Status           ProcessStatus
	// Life is the revision at which this life of the id began. A pruned and
	// registered again process has another one.
	Life uint64
	// Revision is the state's revision when this record last changed.
	Revision uint64
	// Fencing is required, or optional (shown as absent).
	Fencing FencingMode
}

// EventSemantics is what one stored event meant when it was appended.
type EventSemantics struct {
	Terminal *EventTerminal
	Wake     *EventWake
}

// EventTerminal is the terminal status that an event brought about.
type EventTerminal struct {
	State       ProcessState
	AwaitOutput ProcessAwaitOutput
}

// EventWake is the wake that an event brought about.
type EventWake struct {
	Input     string
	DedupeKey string
}

// ProcessEvent is one stored event. Sequences of a process are 1, 2, 3 and so
// on without gaps. ReplayKey is empty when the append carried none.
type ProcessEvent struct {
	ProcessID    string
	Sequence     uint64
	EventType    string
	Payload      JSON
	ReplayKey    string
	Semantics    EventSemantics
	OccurredAtMs uint64
}

// Replay makes an append repeatable: an event stored under the same key, with
// the same type and payload, is returned instead of a second one.
type Replay struct {
	Key string
}

// ProcessEventAppendRequest asks for one event. WakeTargetScope overrides the
// record's wake target for the delivery of this append.
type ProcessEventAppendRequest struct {
	EventType       string
	Payload         JSON
	Replay          *Replay
	WakeTargetScope *SessionScope
}

// ProcessEventAppendResult is the stored event, and the wake to deliver if it
// has one and a target is known.
type ProcessEventAppendResult struct {
	Event        ProcessEvent
	WakeDelivery *ProcessWakeDelivery
}

// ProcessWakeDelivery is one wake for a session. Deliveries with equal WakeID
// are the same wake; leaving out repeats is the consumer's task.
type ProcessWakeDelivery struct {
	WakeID          string
	TargetSessionID string
	TargetScopeID   string
	// ProcessID, Sequence, EventType and EventReplayKey are those of the event
	// that woke the target; the delivery's invocation is formed of them.
	ProcessID       string
	Sequence        uint64
	EventType       string
	EventReplayKey  string
	ProcessCausedBy *CausalRef
	DedupeKey       string
	Input           string
	CreatedAtMs     uint64
}

// LivenessKind says how an owner's life can be judged.
type LivenessKind string

// The liveness kinds.
const (
	// LivenessOpaque owners can never be proven dead.
	LivenessOpaque LivenessKind = "opaque"
	// LivenessLocalProcess owners can be judged by a process on the same host
	// and boot.
	LivenessLocalProcess LivenessKind = "local_process"
)

// LeaseOwnerLiveness tells a claimant on the same host how to find out whether
// an owner still lives. The zero value is opaque.
type LeaseOwnerLiveness struct {
	Kind         LivenessKind
	HostID       string
	BootID       string
	PID          uint32
	ProcessStart string
}

// LeaseOwnerIdentity is who holds, or wants, a lease. Two identities are the
// same incarnation when OwnerID and IncarnationID are equal; liveness is
// ignored there.
type LeaseOwnerIdentity struct {
	OwnerID       string
	IncarnationID string
	Liveness      LeaseOwnerLiveness
}

// SameIncarnation reports whether both identities are one incarnation.
func (o LeaseOwnerIdentity) SameIncarnation(other LeaseOwnerIdentity) bool {
	return o.OwnerID == other.OwnerID && o.IncarnationID == other.IncarnationID
}

// LeaseSchemaVersion is the constant written as schema_version of every lease.
const LeaseSchemaVersion = 2

// ProcessLease is the right to execute one process. FencingToken is greater
// than that of every earlier lease in the cluster. ExpiresAtMs is on the
// cluster's clock, and moves on when the cluster was interrupted.
type ProcessLease struct {
	ProcessID    string
	Owner        LeaseOwnerIdentity
	LeaseToken   string
	FencingToken uint64
	ClaimedAtMs  uint64
	ExpiresAtMs  uint64
}

// Fence returns the fence that this lease gives to writes.
func (l ProcessLease) Fence() *Fence {
	return &Fence{LeaseToken: l.LeaseToken, FencingToken: l.FencingToken}
}

// Fence makes a write conditional on a lease being the current one of its
// process: not superseded and not released.
type Fence struct {
	LeaseToken   string `json:"lease_token"`
	FencingToken uint64 `json:"fencing_token"`
}

// ProcessLeaseClaimOutcome is the answer to a claim: exactly one field is set.
type ProcessLeaseClaimOutcome struct {
	// Acquired is the caller's lease.
	Acquired *ProcessLease
	// Busy is the lease of the live holder that stands in the way.
	Busy *ProcessLease
}

// ProcessLeaseCompletion names the lease to release.
type ProcessLeaseCompletion struct {
	ProcessID  string `json:"process_id"`
	LeaseToken string `json:"lease_token"`
}

// HolderVerdict is what a claimant found out about the holder of a lease on
// its own host.
type HolderVerdict string

// The verdicts.
const (
	// VerdictUnknown is every answer but a proof of death.
	VerdictUnknown HolderVerdict = "unknown"
	// VerdictDead means that the holder's process is provably gone.
	VerdictDead HolderVerdict = "dead"
)

// ProcessHandleDescriptor is how a grant shows its process.
type ProcessHandleDescriptor struct {
	Kind  *string `json:"kind,omitempty"`
	Label *string `json:"label,omitempty"`
}

// ProcessHandleGrant lets a session scope address a process.
type ProcessHandleGrant struct {
	SessionID  string                  `json:"session_id"`
	ProcessID  string                  `json:"process_id"`
	Descriptor ProcessHandleDescriptor `json:"descriptor"`
}

// ProcessHandleGrantEntry is a grant with the current record of its process.
// Its JSON form is the pair [grant, record].
type ProcessHandleGrantEntry struct {
	Grant  ProcessHandleGrant
	Record ProcessRecord
}

// ProcessSessionDeleteReport says what deleting a session's state did. Both
// lists are ascending and name non-terminal processes only.
type ProcessSessionDeleteReport struct {
	SessionID           string   `json:"session_id"`
	RevokedHandleCount  uint64   `json:"revoked_handle_count"`
	DeletedWakeCount    uint64   `json:"deleted_wake_count"`
	OrphanedProcessIDs  []string `json:"orphaned_process_ids"`
	PreservedProcessIDs []string `json:"preserved_process_ids"`
}

// ProcessPruneReport counts what a prune deleted.
type ProcessPruneReport struct {
	PrunedProcesses uint64 `json:"pruned_processes"`
	PrunedEvents    uint64 `json:"pruned_events"`
}

// DurabilityTier says whether a registry survives the end of its process.
type DurabilityTier string

// The tiers.
const (
	TierInline  DurabilityTier = "Inline"
	TierDurable DurabilityTier = "Durable"
)

// StatusFilter selects records by state. The zero value selects running ones.
type StatusFilter string

// The status filters that are not states themselves; every ProcessState is a
// filter too.
const (
	StatusAny     StatusFilter = "any"
	StatusRunning StatusFilter = "running"
)

// ProcessListFilter selects records. The zero value selects running records
// and so hides terminal ones.
type ProcessListFilter struct {
	// Definition, when present, must equal the record's identity.definition as
	// a JSON value.
	Definition JSON
	Status     StatusFilter
	// Waiting, when present, must equal whether the record has a wait.
	Waiting *bool
}
