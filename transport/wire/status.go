package wire

import (
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

func statusToPB(status *registry.ProcessStatus) *pb.ProcessStatus {
	return &pb.ProcessStatus{
		State:       processStates.toPB(status.State),
		AwaitOutput: pointer(status.AwaitOutput, outputToPB),
	}
}

func (d *decoder) status(m *pb.ProcessStatus) registry.ProcessStatus {
	if m == nil {
		d.missing("status")
	}
	return registry.ProcessStatus{
		State:       processStates.fromPB(d, m.GetState(), "status.state"),
		AwaitOutput: optional(m.GetAwaitOutput(), "await_output", d.output),
	}
}

// OutputToPB returns the wire form of an await output.
func OutputToPB(output registry.ProcessAwaitOutput) *pb.ProcessAwaitOutput {
	return outputToPB(&output)
}

// OutputFromPB reads an await output.
func OutputFromPB(m *pb.ProcessAwaitOutput) (registry.ProcessAwaitOutput, error) {
	var d decoder
	return result(&d, d.output(m, "output"))
}

func outputToPB(output *registry.ProcessAwaitOutput) *pb.ProcessAwaitOutput {
	return &pb.ProcessAwaitOutput{
		Kind:     outputKinds.toPB(output.Kind),
		Value:    output.Value,
		Class:    failureClasses.toPB(output.Class),
		Code:     output.Code,
		Message:  output.Message,
		Raw:      output.Raw,
		Evidence: pointer(output.Evidence, evidenceToPB),
		Control:  output.Control,
	}
}

func (d *decoder) output(m *pb.ProcessAwaitOutput, field string) registry.ProcessAwaitOutput {
	if m == nil {
		d.missing(field)
	}
	return registry.ProcessAwaitOutput{
		Kind:     outputKinds.fromPB(d, m.GetKind(), "output.kind"),
		Value:    m.GetValue(),
		Class:    failureClasses.fromPB(d, m.GetClass(), "output.class"),
		Code:     m.GetCode(),
		Message:  m.GetMessage(),
		Raw:      m.GetRaw(),
		Evidence: optional(m.GetEvidence(), "evidence", d.evidence),
		Control:  m.GetControl(),
	}
}

func evidenceToPB(evidence *registry.AbandonEvidence) *pb.AbandonEvidence {
	return &pb.AbandonEvidence{
		Writer:  abandonWriters.toPB(evidence.Writer),
		Owner:   pointer(evidence.Owner, ownerToPB),
		EpochMs: evidence.EpochMs,
	}
}

func (d *decoder) evidence(m *pb.AbandonEvidence, _ string) registry.AbandonEvidence {
	return registry.AbandonEvidence{
		Writer:  abandonWriters.fromPB(d, m.GetWriter(), "evidence.writer"),
		Owner:   optional(m.GetOwner(), "evidence.owner", d.owner),
		EpochMs: m.GetEpochMs(),
	}
}

// StartedToPB returns the wire form of a first start.
func StartedToPB(started registry.ProcessStarted) *pb.ProcessStarted { return startedToPB(&started) }

// StartedFromPB reads a first start.
func StartedFromPB(m *pb.ProcessStarted) (registry.ProcessStarted, error) {
	var d decoder
	return result(&d, d.started(m, "started"))
}

func startedToPB(started *registry.ProcessStarted) *pb.ProcessStarted {
	return &pb.ProcessStarted{Owner: ownerToPB(&started.Owner), StartedAtMs: started.StartedAtMs}
}

func (d *decoder) started(m *pb.ProcessStarted, field string) registry.ProcessStarted {
	if m == nil {
		d.missing(field)
	}
	return registry.ProcessStarted{Owner: d.owner(m.GetOwner(), "owner"), StartedAtMs: m.GetStartedAtMs()}
}

// AbandonRequestToPB returns the wire form of an abandon request.
func AbandonRequestToPB(request registry.AbandonRequest) *pb.AbandonRequest {
	return abandonRequestToPB(&request)
}

// AbandonRequestFromPB reads an abandon request.
func AbandonRequestFromPB(m *pb.AbandonRequest) (registry.AbandonRequest, error) {
	var d decoder
	return result(&d, d.abandonRequest(m, "request"))
}

func abandonRequestToPB(request *registry.AbandonRequest) *pb.AbandonRequest {
	return &pb.AbandonRequest{
		RequestedBy:   request.RequestedBy,
		RequestedAtMs: request.RequestedAtMs,
		Reason:        request.Reason,
	}
}

func (d *decoder) abandonRequest(m *pb.AbandonRequest, field string) registry.AbandonRequest {
	if m == nil {
		d.missing(field)
		return registry.AbandonRequest{}
	}
	return registry.AbandonRequest{
		RequestedBy:   m.GetRequestedBy(),
		RequestedAtMs: m.GetRequestedAtMs(),
		Reason:        m.Reason,
	}
}

// ExternalRefToPB returns the wire form of an external ref.
func ExternalRefToPB(ref registry.ProcessExternalRef) *pb.ProcessExternalRef {
	return externalRefToPB(&ref)
}

// ExternalRefFromPB reads an external ref.
func ExternalRefFromPB(m *pb.ProcessExternalRef) (registry.ProcessExternalRef, error) {
	var d decoder
	return result(&d, d.externalRef(m, "ref"))
}

func externalRefToPB(ref *registry.ProcessExternalRef) *pb.ProcessExternalRef {
	return &pb.ProcessExternalRef{Backend: ref.Backend, Id: ref.ID, Metadata: ref.Metadata}
}

func (d *decoder) externalRef(m *pb.ProcessExternalRef, field string) registry.ProcessExternalRef {
	if m == nil {
		d.missing(field)
	}
	return registry.ProcessExternalRef{Backend: m.GetBackend(), ID: m.GetId(), Metadata: m.GetMetadata()}
}

// WaitToPB returns the wire form of a wait.
func WaitToPB(wait registry.WaitState) *pb.WaitState { return waitToPB(&wait) }

// WaitFromPB reads a wait.
func WaitFromPB(m *pb.WaitState) (registry.WaitState, error) {
	var d decoder
	return result(&d, d.wait(m, "wait"))
}

func waitToPB(wait *registry.WaitState) *pb.WaitState {
	return &pb.WaitState{
		Kind:      waitKinds.toPB(wait.Kind),
		Name:      wait.Name,
		EventType: wait.EventType,
		Key:       wait.Key,
		Ordinal:   wait.Ordinal,
		SinceMs:   wait.SinceMs,
	}
}

func (d *decoder) wait(m *pb.WaitState, field string) registry.WaitState {
	if m == nil {
		d.missing(field)
	}
	return registry.WaitState{
		Kind:      waitKinds.fromPB(d, m.GetKind(), "wait.kind"),
		Name:      m.GetName(),
		EventType: m.GetEventType(),
		Key:       m.GetKey(),
		Ordinal:   m.GetOrdinal(),
		SinceMs:   m.GetSinceMs(),
	}
}
