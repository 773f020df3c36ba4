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
	ID       SessionID
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

func (*Takeover) Kind() Kind     { return KindTakeover }
func (*Tick) Kind() Kind         { return KindTick }
func (*Checkpoint) Kind() Kind   { return KindCheckpoint }
func (*RecordMember) Kind() Kind { return KindRecordMember }

func (*Takeover) version() uint8     { return 1 }
func (*Tick) version() uint8         { return 1 }
func (*Checkpoint) version() uint8   { return 1 }
func (*RecordMember) version() uint8 { return 1 }
