package registry

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
