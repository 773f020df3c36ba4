package wire

import (
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// RegistrationToPB returns the wire form of a registration.
func RegistrationToPB(registration registry.ProcessRegistration) *pb.ProcessRegistration {
	return &pb.ProcessRegistration{
		Id:          registration.ID,
		Input:       inputToPB(&registration.Input),
		Disposition: dispositions.toPB(registration.Disposition),
		Identity:    identityToPB(&registration.Identity),
		EventTypes:  rows(registration.EventTypes, fillEventType),
		Provenance:  provenanceToPB(&registration.Provenance),
		EnvRef:      registration.EnvRef,
		WakeTarget:  pointer(registration.WakeTarget, scopeToPB),
		Fencing:     fencingModes.toPB(registration.Fencing),
	}
}

// RegistrationFromPB reads a registration.
func RegistrationFromPB(m *pb.ProcessRegistration) (registry.ProcessRegistration, error) {
	var d decoder
	if m == nil {
		d.missing("registration")
		return result(&d, registry.ProcessRegistration{})
	}
	return result(&d, registry.ProcessRegistration{
		ID:          m.GetId(),
		Input:       d.input(m.GetInput()),
		Disposition: dispositions.fromPB(&d, m.GetDisposition(), "disposition"),
		Identity:    d.identity(m.GetIdentity()),
		EventTypes:  list(m.GetEventTypes(), "event_types", d.eventType),
		Provenance:  d.provenance(m.GetProvenance()),
		EnvRef:      m.EnvRef,
		WakeTarget:  optional(m.GetWakeTarget(), "wake_target", d.scope),
		Fencing:     fencingModes.fromPB(&d, m.GetFencing(), "fencing"),
	})
}

// RecordToPB returns the wire form of a record.
func RecordToPB(record registry.ProcessRecord) *pb.ProcessRecord {
	out := new(pb.ProcessRecord)
	fillRecord(out, &record)
	return out
}

// RecordFromPB reads a record.
func RecordFromPB(m *pb.ProcessRecord) (registry.ProcessRecord, error) {
	var d decoder
	return result(&d, d.record(m, "record"))
}

// RecordsToPB returns the wire form of the records of a page.
func RecordsToPB(records []registry.ProcessRecord) []*pb.ProcessRecord {
	return rows(records, fillRecord)
}

// RecordPageFromPB reads a page of records.
func RecordPageFromPB(records []*pb.ProcessRecord, nextToken string) (registry.Page[registry.ProcessRecord], error) {
	var d decoder
	return result(&d, registry.Page[registry.ProcessRecord]{Items: list(records, "records", d.record), NextToken: nextToken})
}

func fillRecord(out *pb.ProcessRecord, record *registry.ProcessRecord) {
	out.Id = record.ID
	out.RegistrationHash = record.RegistrationHash
	out.Input = inputToPB(&record.Input)
	out.Disposition = dispositions.toPB(record.Disposition)
	out.Identity = identityToPB(&record.Identity)
	out.EventTypes = rows(record.EventTypes, fillEventType)
	out.Provenance = provenanceToPB(&record.Provenance)
	out.EnvRef = record.EnvRef
	out.WakeTarget = pointer(record.WakeTarget, scopeToPB)
	out.CreatedAtMs = record.CreatedAtMs
	out.UpdatedAtMs = record.UpdatedAtMs
	out.ExternalRef = pointer(record.ExternalRef, externalRefToPB)
	out.FirstStarted = pointer(record.FirstStarted, startedToPB)
	out.AbandonRequest = pointer(record.AbandonRequest, abandonRequestToPB)
	out.Wait = pointer(record.Wait, waitToPB)
	out.Status = statusToPB(&record.Status)
	out.Life = record.Life
	out.Revision = record.Revision
	out.Fencing = fencingModes.toPB(record.Fencing)
}

func (d *decoder) record(m *pb.ProcessRecord, field string) registry.ProcessRecord {
	if m == nil {
		d.missing(field)
		return registry.ProcessRecord{}
	}
	return registry.ProcessRecord{
		ID:               m.GetId(),
		RegistrationHash: m.GetRegistrationHash(),
		Input:            d.input(m.GetInput()),
		Disposition:      dispositions.fromPB(d, m.GetDisposition(), "disposition"),
		Identity:         d.identity(m.GetIdentity()),
		EventTypes:       list(m.GetEventTypes(), "event_types", d.eventType),
		Provenance:       d.provenance(m.GetProvenance()),
		EnvRef:           m.EnvRef,
		WakeTarget:       optional(m.GetWakeTarget(), "wake_target", d.scope),
		CreatedAtMs:      m.GetCreatedAtMs(),
		UpdatedAtMs:      m.GetUpdatedAtMs(),
		ExternalRef:      optional(m.GetExternalRef(), "external_ref", d.externalRef),
		FirstStarted:     optional(m.GetFirstStarted(), "first_started", d.started),
		AbandonRequest:   optional(m.GetAbandonRequest(), "abandon_request", d.abandonRequest),
		Wait:             optional(m.GetWait(), "wait", d.wait),
		Status:           d.status(m.GetStatus()),
		Life:             m.GetLife(),
		Revision:         m.GetRevision(),
		Fencing:          fencingModes.fromPB(d, m.GetFencing(), "fencing"),
	}
}

func inputToPB(input *registry.ProcessInput) *pb.ProcessInput {
	return &pb.ProcessInput{
		Kind:           inputKinds.toPB(input.Kind),
		Call:           input.Call,
		Engine:         input.Engine,
		Payload:        input.Payload,
		CreateRequest:  input.CreateRequest,
		TurnInput:      input.TurnInput,
		OutputContract: input.OutputContract,
		Metadata:       input.Metadata,
	}
}

func (d *decoder) input(m *pb.ProcessInput) registry.ProcessInput {
	if m == nil {
		d.missing("input")
	}
	return registry.ProcessInput{
		Kind:           inputKinds.fromPB(d, m.GetKind(), "input.kind"),
		Call:           m.GetCall(),
		Engine:         m.GetEngine(),
		Payload:        m.GetPayload(),
		CreateRequest:  m.GetCreateRequest(),
		TurnInput:      m.GetTurnInput(),
		OutputContract: m.GetOutputContract(),
		Metadata:       m.GetMetadata(),
	}
}

func identityToPB(identity *registry.ProcessIdentity) *pb.ProcessIdentity {
	return &pb.ProcessIdentity{Kind: identity.Kind, Label: identity.Label, Definition: identity.Definition}
}

func (d *decoder) identity(m *pb.ProcessIdentity) registry.ProcessIdentity {
	if m == nil {
		d.missing("identity")
		return registry.ProcessIdentity{}
	}
	return registry.ProcessIdentity{Kind: m.GetKind(), Label: m.Label, Definition: m.GetDefinition()}
}

// provenanceToPB writes the originator only where it says more than "the host".
func provenanceToPB(provenance *registry.Provenance) *pb.Provenance {
	out := &pb.Provenance{CausedBy: pointer(provenance.CausedBy, causalRefToPB)}
	if scope := provenance.Originator.Scope; scope != nil {
		out.Originator = &pb.Originator{Scope: scopeToPB(scope)}
	}
	return out
}

func (d *decoder) provenance(m *pb.Provenance) registry.Provenance {
	if m == nil {
		d.missing("provenance")
	}
	return registry.Provenance{
		Originator: registry.Originator{Scope: optional(m.GetOriginator().GetScope(), "originator.scope", d.scope)},
		CausedBy:   optional(m.GetCausedBy(), "caused_by", d.causalRef),
	}
}

func causalRefToPB(ref *registry.CausalRef) *pb.CausalRef {
	return &pb.CausalRef{
		Kind:         causalKinds.toPB(ref.Kind),
		SessionId:    ref.SessionID,
		TurnId:       ref.TurnID,
		EffectId:     ref.EffectID,
		CallId:       ref.CallID,
		ProcessId:    ref.ProcessID,
		Sequence:     ref.Sequence,
		OccurrenceId: ref.OccurrenceID,
		NodeId:       ref.NodeID,
	}
}

func (d *decoder) causalRef(m *pb.CausalRef, field string) registry.CausalRef {
	return registry.CausalRef{
		Kind:         causalKinds.fromPB(d, m.GetKind(), field),
		SessionID:    m.GetSessionId(),
		TurnID:       m.TurnId,
		EffectID:     m.GetEffectId(),
		CallID:       m.GetCallId(),
		ProcessID:    m.GetProcessId(),
		Sequence:     m.GetSequence(),
		OccurrenceID: m.GetOccurrenceId(),
		NodeID:       m.GetNodeId(),
	}
}

// FilterToPB returns the wire form of a list filter.
func FilterToPB(filter registry.ProcessListFilter) *pb.ProcessListFilter {
	return &pb.ProcessListFilter{
		Definition: filter.Definition,
		Status:     statusFilters.toPB(filter.Status),
		Waiting:    filter.Waiting,
	}
}

// FilterFromPB reads a list filter; a missing one is the zero filter.
func FilterFromPB(m *pb.ProcessListFilter) (registry.ProcessListFilter, error) {
	var d decoder
	if m == nil {
		return registry.ProcessListFilter{}, nil
	}
	return result(&d, registry.ProcessListFilter{
		Definition: m.GetDefinition(),
		Status:     statusFilters.fromPB(&d, m.GetStatus(), "filter.status"),
		Waiting:    m.Waiting,
	})
}
