package fsm

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

// The stored structs are the bytes of commands and snapshots, apart from the
// types of package registry so that neither changes with the other. They are
// encoded as arrays in field order: fields are never moved, removed or given
// another type. A new field means a new version of every body that holds it.

type storedScope struct {
	SessionID    string
	AgentFrameID string
}

type storedOwner struct {
	OwnerID       string
	IncarnationID string
	LivenessKind  uint8
	HostID        string
	BootID        string
	PID           uint32
	ProcessStart  string
}

type storedEvidence struct {
	Writer  uint8
	Owner   *storedOwner
	EpochMs uint64
}

type storedOutput struct {
	Kind     uint8
	Value    []byte
	Class    uint8
	Code     string
	Message  string
	Raw      []byte
	Evidence *storedEvidence
	Control  []byte
}

// storedTerminal is a terminal outcome. OutputHash is the hash of the output
// without its evidence time: completing again is judged by it.
type storedTerminal struct {
	State      uint8
	Output     storedOutput
	OutputHash []byte
}

type storedMaterialisedWake struct {
	Input         string
	DedupeKey     string
	EventIdentity bool
}

// storedRefusal is a refusal that the leader decided.
type storedRefusal struct {
	Code      uint16
	Message   string
	Field     string
	Limit     *uint64
	Value     *uint64
	EventType string
	State     string
}

// mapOptional returns what a pointer points at, converted, or nil.
func mapOptional[A, B any](a *A, convert func(A) B) *B {
	if a == nil {
		return nil
	}
	b := convert(*a)
	return &b
}

// mapFallible is mapOptional for conversions that may fail.
func mapFallible[A, B any](a *A, convert func(A) (B, error)) (*B, error) {
	if a == nil {
		return nil, nil
	}
	b, err := convert(*a)
	if err != nil {
		return nil, err
	}
	return &b, nil
}

func storeScope(s registry.SessionScope) storedScope {
	return storedScope{SessionID: s.SessionID, AgentFrameID: s.AgentFrameID}
}

func (s storedScope) load() registry.SessionScope {
	return registry.SessionScope{SessionID: s.SessionID, AgentFrameID: s.AgentFrameID}
}

func storeOwner(o registry.LeaseOwnerIdentity) storedOwner {
	kind := o.Liveness.Kind
	if kind == "" {
		kind = registry.LivenessOpaque
	}
	return storedOwner{
		OwnerID: o.OwnerID, IncarnationID: o.IncarnationID, LivenessKind: livenessKinds.number(kind),
		HostID: o.Liveness.HostID, BootID: o.Liveness.BootID, PID: o.Liveness.PID, ProcessStart: o.Liveness.ProcessStart,
	}
}

func (s storedOwner) load() (registry.LeaseOwnerIdentity, error) {
	kind, err := livenessKinds.word(s.LivenessKind)
	return registry.LeaseOwnerIdentity{
		OwnerID: s.OwnerID, IncarnationID: s.IncarnationID,
		Liveness: registry.LeaseOwnerLiveness{Kind: kind, HostID: s.HostID, BootID: s.BootID, PID: s.PID, ProcessStart: s.ProcessStart},
	}, err
}

func storeOutput(o registry.ProcessAwaitOutput) storedOutput {
	out := storedOutput{
		Kind: outputKinds.number(o.Kind), Value: o.Value, Code: o.Code, Message: o.Message, Raw: o.Raw, Control: o.Control,
	}
	if o.Kind == registry.OutputFailure {
		out.Class = classes.number(o.Class)
	}
	if e := o.Evidence; e != nil {
		out.Evidence = &storedEvidence{Writer: writers.number(e.Writer), Owner: mapOptional(e.Owner, storeOwner), EpochMs: e.EpochMs}
	}
	return out
}

func (s storedOutput) load() (registry.ProcessAwaitOutput, error) {
	out := registry.ProcessAwaitOutput{Value: s.Value, Code: s.Code, Message: s.Message, Raw: s.Raw, Control: s.Control}
	var err error
	if out.Kind, err = outputKinds.word(s.Kind); err != nil {
		return out, err
	}
	if out.Kind == registry.OutputFailure {
		if out.Class, err = classes.word(s.Class); err != nil {
			return out, err
		}
	}
	if s.Evidence != nil {
		evidence := &registry.AbandonEvidence{EpochMs: s.Evidence.EpochMs}
		if evidence.Writer, err = writers.word(s.Evidence.Writer); err != nil {
			return out, err
		}
		if evidence.Owner, err = mapFallible(s.Evidence.Owner, storedOwner.load); err != nil {
			return out, err
		}
		out.Evidence = evidence
	}
	return out, nil
}

func storeTerminal(t registry.EventTerminal, outputHash []byte) storedTerminal {
	return storedTerminal{State: states.number(t.State), Output: storeOutput(t.AwaitOutput), OutputHash: outputHash}
}

func (s storedTerminal) load() (registry.EventTerminal, error) {
	if len(s.OutputHash) != 32 {
		return registry.EventTerminal{}, fmt.Errorf("output hash of %d bytes", len(s.OutputHash))
	}
	state, err := states.word(s.State)
	if err != nil {
		return registry.EventTerminal{}, err
	}
	output, err := s.Output.load()
	return registry.EventTerminal{State: state, AwaitOutput: output}, err
}

func storeRefusal(e *registry.Error) storedRefusal {
	return storedRefusal{
		Code: uint16(e.Code), Message: e.Message,
		Field: e.Fields.Field, Limit: e.Fields.Limit, Value: e.Fields.Value, EventType: e.Fields.EventType, State: e.Fields.State,
	}
}

func (s storedRefusal) load(processID string) *registry.Error {
	return &registry.Error{Code: registry.Code(s.Code), Message: s.Message, Fields: registry.Fields{
		Field: s.Field, Limit: s.Limit, Value: s.Value, EventType: s.EventType, State: s.State, ProcessID: processID,
	}}
}
