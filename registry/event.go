package registry

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
