package wire

import (
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// SessionToPB returns the wire form of a session stamp; none is nil.
func SessionToPB(stamp *registry.SessionStamp) *pb.SessionStamp {
	if stamp == nil {
		return nil
	}
	return &pb.SessionStamp{Id: stamp.ID, Sequence: stamp.Sequence, Floor: stamp.Floor}
}

// SessionFromPB reads a session stamp; none is nil.
func SessionFromPB(m *pb.SessionStamp) *registry.SessionStamp {
	if m == nil {
		return nil
	}
	return &registry.SessionStamp{ID: m.GetId(), Sequence: m.GetSequence(), Floor: m.GetFloor()}
}

// RequiredStampFromPB reads the stamp of a call that is about one.
func RequiredStampFromPB(m *pb.SessionStamp) (registry.SessionStamp, error) {
	var d decoder
	if m == nil {
		d.missing("stamp")
	}
	return result(&d, registry.SessionStamp{ID: m.GetId(), Sequence: m.GetSequence(), Floor: m.GetFloor()})
}

// WriteOutcomeToPB returns the wire form of a write's outcome.
func WriteOutcomeToPB(outcome registry.WriteOutcome) *pb.SettleWriteResponse {
	return &pb.SettleWriteResponse{
		Done: outcome.Done, Revision: outcome.Revision,
		Refusal: pointer(outcome.Refusal, func(e *registry.Error) *pb.ErrorDetail { return ErrorToDetail(e) }),
	}
}

// WriteOutcomeFromPB reads a write's outcome.
func WriteOutcomeFromPB(m *pb.SettleWriteResponse) (registry.WriteOutcome, error) {
	var d decoder
	outcome := registry.WriteOutcome{Done: m.GetDone(), Revision: m.GetRevision()}
	if refusal := m.GetRefusal(); refusal != nil {
		read, ok := errorFromPB(refusal)
		if !ok {
			d.refuse("refusal", "refusal has no code of number %d", int32(refusal.GetCode()))
		}
		outcome.Refusal = read
	}
	return result(&d, outcome)
}
