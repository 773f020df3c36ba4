package fsm

import (
	"fmt"
	"slices"

	"github.com/holdfast-registry/holdfast/registry"
)

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
