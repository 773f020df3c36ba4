package fsm

import "github.com/holdfast-registry/holdfast/registry"

// Command is one write, decided and ready for the log.
type Command struct {
	// Session makes the command apply once however often it is proposed.
	Session *SessionHeader
	// Life is the life of the process that the command was decided against; 0
	// means that it was decided while there was none. Nil means that the
	// decision does not depend on it.
	Life *uint64
	// Fence, when present, must be that of the process's current lease.
	Fence *registry.Fence
	Body  Body
}

// SessionHeader stamps a command with its session, spec A9.
type SessionHeader struct {
	ID       [16]byte
	Sequence uint64
	Floor    uint64
}

// Takeover is the first command of a term. ClusterID is used only when the
// state has none yet. Members are the instances that the proposer has met;
// those that the state does not know are recorded.
type Takeover struct {
	Proposer  string
	ClusterID string
	Members   []Member
}

// Member ties a node id to the instance that holds its data.
type Member struct {
	NodeID     string
	InstanceID string
}

// Tick carries nothing: the entry's stamp is its content.
type Tick struct{}

// Checkpoint asks every replica to hash its state at this entry.
type Checkpoint struct{}

// RecordMember records an instance met after the takeover.
type RecordMember struct {
	Member Member
}

// RegisterProcess carries a validated registration, its event types completed,
// and its hash.
type RegisterProcess struct {
	Registration storedRegistration
	Hash         []byte

	record registry.ProcessRecord
}

// NewRegisterProcess makes the command body of a completed registration. hash
// is its SHA-256.
func NewRegisterProcess(r registry.ProcessRegistration, hash []byte) *RegisterProcess {
	return &RegisterProcess{Registration: storeRegistration(r), Hash: hash}
}

// AppendEvent carries one event with everything that the leader found out
// about it. Refusal is the leader's own: it holds only when no check that
// comes before it in the contract's order refuses, and no stored event answers
// the replay key.
type AppendEvent struct {
	ProcessID   string
	EventType   string
	Payload     []byte
	PayloadHash []byte
	// HasReplay tells a present replay key from none; a present one may be
	// empty, which only ever meets a refusal.
	HasReplay bool
	ReplayKey string
	// TerminalType tells that the declared type ends the process, whether or
	// not the leader refused the event.
	TerminalType bool
	Terminal     *storedTerminal
	Wake         *storedMaterialisedWake
	Refusal      *storedRefusal

	terminal registry.EventTerminal
}

// CompleteProcess carries the terminal event of an output.
type CompleteProcess struct {
	ProcessID   string
	EventType   string
	Payload     []byte
	PayloadHash []byte
	ReplayKey   string
	Terminal    storedTerminal

	terminal registry.EventTerminal
}

// RecordFirstStarted carries the fact that execution began.
type RecordFirstStarted struct {
	ProcessID string
	Started   storedStarted

	started registry.ProcessStarted
}

// ClaimProcessLease carries a claim and the token that its lease will have if
// it is granted.
type ClaimProcessLease struct {
	ProcessID  string
	Owner      storedOwner
	TTLMs      uint64
	LeaseToken string

	owner registry.LeaseOwnerIdentity
}

// RenewProcessLease carries what identifies the caller's lease.
type RenewProcessLease struct {
	ProcessID     string
	OwnerID       string
	IncarnationID string
	LeaseToken    string
	FencingToken  uint64
	TTLMs         uint64
}

// CompleteProcessLease carries the lease to release.
type CompleteProcessLease struct {
	ProcessID  string
	LeaseToken string
}

// NewAppendEvent makes the command body of an event. Exactly one of
// materialised and refusal says what the leader decided; a nil refusal with an
// empty Materialised is a plain event. outputHash is the hash of the terminal
// output without its evidence time, nil when there is none.
func NewAppendEvent(processID string, request registry.ProcessEventAppendRequest, payloadHash []byte, terminalType bool, materialised registry.Materialised, outputHash []byte, refusal *registry.Error) *AppendEvent {
	body := &AppendEvent{
		ProcessID:    processID,
		EventType:    request.EventType,
		Payload:      request.Payload,
		PayloadHash:  payloadHash,
		TerminalType: terminalType,
	}
	if request.Replay != nil {
		body.HasReplay, body.ReplayKey = true, request.Replay.Key
	}
	if refusal != nil {
		stored := storeRefusal(refusal)
		body.Refusal = &stored
		return body
	}
	if materialised.Terminal != nil {
		stored := storeTerminal(*materialised.Terminal, outputHash)
		body.Terminal = &stored
	}
	if wake := materialised.Wake; wake != nil {
		body.Wake = &storedMaterialisedWake{Input: wake.Input, DedupeKey: wake.DedupeKey, EventIdentity: wake.EventIdentity}
	}
	return body
}

// NewCompleteProcess makes the command body of a completion. request is what
// registry.CompletionRequest made of the output.
func NewCompleteProcess(processID string, request registry.ProcessEventAppendRequest, payloadHash []byte, output registry.ProcessAwaitOutput, outputHash []byte) *CompleteProcess {
	return &CompleteProcess{
		ProcessID:   processID,
		EventType:   request.EventType,
		Payload:     request.Payload,
		PayloadHash: payloadHash,
		ReplayKey:   request.Replay.Key,
		Terminal:    storeTerminal(registry.EventTerminal{State: output.Kind.State(), AwaitOutput: output}, outputHash),
	}
}

// NewRecordFirstStarted makes the command body of a first start.
func NewRecordFirstStarted(processID string, started registry.ProcessStarted) *RecordFirstStarted {
	return &RecordFirstStarted{ProcessID: processID, Started: storedStarted{Owner: storeOwner(started.Owner), StartedAtMs: started.StartedAtMs}}
}

// NewClaimProcessLease makes the command body of a claim.
func NewClaimProcessLease(processID string, owner registry.LeaseOwnerIdentity, ttlMs uint64, token string) *ClaimProcessLease {
	return &ClaimProcessLease{ProcessID: processID, Owner: storeOwner(owner), TTLMs: ttlMs, LeaseToken: token}
}

// NewRenewProcessLease makes the command body of a renewal.
func NewRenewProcessLease(lease registry.ProcessLease, ttlMs uint64) *RenewProcessLease {
	return &RenewProcessLease{
		ProcessID: lease.ProcessID, OwnerID: lease.Owner.OwnerID, IncarnationID: lease.Owner.IncarnationID,
		LeaseToken: lease.LeaseToken, FencingToken: lease.FencingToken, TTLMs: ttlMs,
	}
}

func (*Takeover) Kind() Kind             { return KindTakeover }
func (*Tick) Kind() Kind                 { return KindTick }
func (*Checkpoint) Kind() Kind           { return KindCheckpoint }
func (*RecordMember) Kind() Kind         { return KindRecordMember }
func (*RegisterProcess) Kind() Kind      { return KindRegisterProcess }
func (*CompleteProcess) Kind() Kind      { return KindCompleteProcess }
func (*RecordFirstStarted) Kind() Kind   { return KindRecordFirstStarted }
func (*AppendEvent) Kind() Kind          { return KindAppendEvent }
func (*ClaimProcessLease) Kind() Kind    { return KindClaimProcessLease }
func (*RenewProcessLease) Kind() Kind    { return KindRenewProcessLease }
func (*CompleteProcessLease) Kind() Kind { return KindCompleteProcessLease }

func (*Takeover) version() uint8             { return 1 }
func (*Tick) version() uint8                 { return 1 }
func (*Checkpoint) version() uint8           { return 1 }
func (*RecordMember) version() uint8         { return 1 }
func (*RegisterProcess) version() uint8      { return 1 }
func (*CompleteProcess) version() uint8      { return 1 }
func (*RecordFirstStarted) version() uint8   { return 1 }
func (*AppendEvent) version() uint8          { return 1 }
func (*ClaimProcessLease) version() uint8    { return 1 }
func (*RenewProcessLease) version() uint8    { return 1 }
func (*CompleteProcessLease) version() uint8 { return 1 }
