package fsm

import (
	"fmt"
	"slices"

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

type storedCausalRef struct {
	Kind         uint8
	SessionID    string
	TurnID       *string
	EffectID     string
	CallID       string
	ProcessID    string
	Sequence     uint64
	OccurrenceID string
	NodeID       string
}

type storedInput struct {
	Kind           uint8
	Call           []byte
	Engine         string
	Payload        []byte
	CreateRequest  []byte
	TurnInput      []byte
	OutputContract []byte
	Metadata       []byte
}

type storedSelector struct {
	Kind   uint8
	Text   string
	Const  []byte
	Fields []storedTemplateField
}

type storedTemplateField struct {
	Name     string
	Selector storedSelector
}

// storedEventType holds either the number of a core type (its place in
// registry.CoreEventTypes, from 1) and nothing else, or a declared type.
type storedEventType struct {
	Core          uint8
	Name          string
	PayloadSchema []byte
	Terminal      *storedTerminalSpec
	Wake          *storedWakeSpec
}

type storedTerminalSpec struct {
	State       uint8
	AwaitOutput *storedSelector
}

type storedWakeSpec struct {
	When           *storedSelector
	Input          storedSelector
	DedupeKind     uint8
	DedupeSelector *storedSelector
	DedupeConst    string
}

type storedRegistration struct {
	ID              string
	Input           storedInput
	Disposition     uint8
	IdentityKind    string
	IdentityLabel   *string
	IdentityDefn    []byte
	EventTypes      []storedEventType
	OriginatorScope *storedScope
	CausedBy        *storedCausalRef
	EnvRef          *string
	WakeTarget      *storedScope
	Fencing         uint8
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

type storedStarted struct {
	Owner       storedOwner
	StartedAtMs uint64
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

func storeCausalRef(c registry.CausalRef) storedCausalRef {
	return storedCausalRef{
		Kind: causalKinds.number(c.Kind), SessionID: c.SessionID, TurnID: c.TurnID, EffectID: c.EffectID, CallID: c.CallID,
		ProcessID: c.ProcessID, Sequence: c.Sequence, OccurrenceID: c.OccurrenceID, NodeID: c.NodeID,
	}
}

func (s storedCausalRef) load() (registry.CausalRef, error) {
	kind, err := causalKinds.word(s.Kind)
	return registry.CausalRef{
		Kind: kind, SessionID: s.SessionID, TurnID: s.TurnID, EffectID: s.EffectID, CallID: s.CallID,
		ProcessID: s.ProcessID, Sequence: s.Sequence, OccurrenceID: s.OccurrenceID, NodeID: s.NodeID,
	}, err
}

func storeInput(in registry.ProcessInput) storedInput {
	return storedInput{
		Kind: inputKinds.number(in.Kind), Call: in.Call, Engine: in.Engine, Payload: in.Payload, CreateRequest: in.CreateRequest,
		TurnInput: in.TurnInput, OutputContract: in.OutputContract, Metadata: in.Metadata,
	}
}

func (s storedInput) load() (registry.ProcessInput, error) {
	kind, err := inputKinds.word(s.Kind)
	return registry.ProcessInput{
		Kind: kind, Call: s.Call, Engine: s.Engine, Payload: s.Payload, CreateRequest: s.CreateRequest,
		TurnInput: s.TurnInput, OutputContract: s.OutputContract, Metadata: s.Metadata,
	}, err
}

func storeSelector(s registry.Selector) storedSelector {
	out := storedSelector{Kind: selectorKinds.number(s.Kind), Text: s.Text, Const: s.Const}
	for _, field := range s.Fields {
		out.Fields = append(out.Fields, storedTemplateField{Name: field.Name, Selector: storeSelector(field.Selector)})
	}
	return out
}

func (s storedSelector) load() (registry.Selector, error) {
	kind, err := selectorKinds.word(s.Kind)
	out := registry.Selector{Kind: kind, Text: s.Text, Const: s.Const}
	for _, field := range s.Fields {
		selector, fieldErr := field.Selector.load()
		if fieldErr != nil {
			return out, fieldErr
		}
		out.Fields = append(out.Fields, registry.TemplateField{Name: field.Name, Selector: selector})
	}
	return out, err
}

// coreTypes are shared by all records instead of copied into each.
var coreTypes = registry.CoreEventTypes()

func storeEventType(t registry.ProcessEventType) storedEventType {
	for i, core := range coreTypes {
		if t.Name == core.Name && string(t.PayloadSchema) == string(core.PayloadSchema) {
			return storedEventType{Core: uint8(i + 1)}
		}
	}
	out := storedEventType{Name: t.Name, PayloadSchema: t.PayloadSchema}
	if spec := t.Semantics.Terminal; spec != nil {
		out.Terminal = &storedTerminalSpec{State: states.number(spec.State), AwaitOutput: mapOptional(spec.AwaitOutput, storeSelector)}
	}
	if spec := t.Semantics.Wake; spec != nil {
		out.Wake = &storedWakeSpec{
			When: mapOptional(spec.When, storeSelector), Input: storeSelector(spec.Input),
			DedupeKind:     dedupeKinds.number(dedupeOf(spec.DedupeKey.Kind)),
			DedupeSelector: mapOptional(spec.DedupeKey.Selector, storeSelector), DedupeConst: spec.DedupeKey.Const,
		}
	}
	return out
}

// dedupeOf gives the absent kind its meaning.
func dedupeOf(kind registry.DedupeKind) registry.DedupeKind {
	if kind == "" {
		return registry.DedupeEventIdentity
	}
	return kind
}

func (s storedEventType) load() (registry.ProcessEventType, error) {
	if s.Core > 0 {
		if int(s.Core) > len(coreTypes) {
			return registry.ProcessEventType{}, fmt.Errorf("no core event type %d", s.Core)
		}
		return coreTypes[s.Core-1], nil
	}
	out := registry.ProcessEventType{Name: s.Name, PayloadSchema: s.PayloadSchema}
	var err error
	if s.Terminal != nil {
		spec := &registry.TerminalSpec{}
		if spec.State, err = states.word(s.Terminal.State); err != nil {
			return out, err
		}
		if spec.AwaitOutput, err = mapFallible(s.Terminal.AwaitOutput, storedSelector.load); err != nil {
			return out, err
		}
		out.Semantics.Terminal = spec
	}
	if s.Wake != nil {
		spec := &registry.WakeSpec{DedupeKey: registry.DedupeKey{Const: s.Wake.DedupeConst}}
		if spec.When, err = mapFallible(s.Wake.When, storedSelector.load); err != nil {
			return out, err
		}
		if spec.Input, err = s.Wake.Input.load(); err != nil {
			return out, err
		}
		if spec.DedupeKey.Kind, err = dedupeKinds.word(s.Wake.DedupeKind); err != nil {
			return out, err
		}
		if spec.DedupeKey.Selector, err = mapFallible(s.Wake.DedupeSelector, storedSelector.load); err != nil {
			return out, err
		}
		out.Semantics.Wake = spec
	}
	return out, nil
}

func storeRegistration(r registry.ProcessRegistration) storedRegistration {
	out := storedRegistration{
		ID: r.ID, Input: storeInput(r.Input), Disposition: dispositions.number(r.Disposition),
		IdentityKind: r.Identity.Kind, IdentityLabel: r.Identity.Label, IdentityDefn: r.Identity.Definition,
		OriginatorScope: mapOptional(r.Provenance.Originator.Scope, storeScope),
		CausedBy:        mapOptional(r.Provenance.CausedBy, storeCausalRef),
		EnvRef:          r.EnvRef, WakeTarget: mapOptional(r.WakeTarget, storeScope),
		Fencing: fencingModes.number(fencingOf(r.Fencing)),
	}
	for _, t := range r.EventTypes {
		out.EventTypes = append(out.EventTypes, storeEventType(t))
	}
	return out
}

// fencingOf gives the absent mode its meaning.
func fencingOf(mode registry.FencingMode) registry.FencingMode {
	if mode == "" {
		return registry.FencingOptional
	}
	return mode
}

// load makes the record that the registration begins, without its facts.
func (s storedRegistration) load() (registry.ProcessRecord, error) {
	record := registry.ProcessRecord{
		ID:         s.ID,
		Identity:   registry.ProcessIdentity{Kind: s.IdentityKind, Label: s.IdentityLabel, Definition: s.IdentityDefn},
		Provenance: registry.Provenance{Originator: registry.Originator{Scope: mapOptional(s.OriginatorScope, storedScope.load)}},
		EnvRef:     s.EnvRef,
		WakeTarget: mapOptional(s.WakeTarget, storedScope.load),
		Status:     registry.ProcessStatus{State: registry.StateRunning},
	}
	var err error
	if record.Input, err = s.Input.load(); err != nil {
		return record, err
	}
	if record.Disposition, err = dispositions.word(s.Disposition); err != nil {
		return record, err
	}
	if record.Fencing, err = fencingModes.word(s.Fencing); err != nil {
		return record, err
	}
	if record.Provenance.CausedBy, err = mapFallible(s.CausedBy, storedCausalRef.load); err != nil {
		return record, err
	}
	record.EventTypes, err = loadEventTypes(s.EventTypes)
	return record, err
}

// loadEventTypes shares the list where it is just the core types, as it is for
// most processes.
func loadEventTypes(stored []storedEventType) ([]registry.ProcessEventType, error) {
	core := len(stored) == len(coreTypes)
	for i := 0; core && i < len(stored); i++ {
		core = stored[i].Core == uint8(i+1)
	}
	if core {
		return slices.Clip(coreTypes), nil
	}
	types := make([]registry.ProcessEventType, 0, len(stored))
	for _, s := range stored {
		t, err := s.load()
		if err != nil {
			return nil, err
		}
		types = append(types, t)
	}
	return types, nil
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

func (s storedStarted) load() (registry.ProcessStarted, error) {
	owner, err := s.Owner.load()
	return registry.ProcessStarted{Owner: owner, StartedAtMs: s.StartedAtMs}, err
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
