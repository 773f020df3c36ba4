package wire

import (
	"math"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// MaxMessageBytes bounds every gRPC message, both ways. Spec A16.
const MaxMessageBytes = 16 << 20

// AnswerKey is the trailer under which the answer info of every call travels,
// of failed ones too. The suffix makes it binary.
const AnswerKey = "holdfast-answer-bin"

// ReadLevelToPB returns the wire form of a read level.
func ReadLevelToPB(level registry.ReadLevel) pb.ReadLevel {
	switch level {
	case registry.Linearizable:
		// The default is not written: it costs nothing on the wire.
		return pb.ReadLevel_READ_LEVEL_UNSPECIFIED
	case registry.Stale:
		return pb.ReadLevel_READ_LEVEL_STALE
	default:
		return unknownNumber
	}
}

// ReadLevelFromPB reads a read level.
func ReadLevelFromPB(level pb.ReadLevel) (registry.ReadLevel, error) {
	switch level {
	case pb.ReadLevel_READ_LEVEL_UNSPECIFIED, pb.ReadLevel_READ_LEVEL_LINEARIZABLE:
		return registry.Linearizable, nil
	case pb.ReadLevel_READ_LEVEL_STALE:
		return registry.Stale, nil
	default:
		var d decoder
		d.refuse("read_level", "read_level has no value of number %d", int32(level))
		return result(&d, registry.Linearizable)
	}
}

// PageToPB returns the wire form of a page request; the first page is nil.
func PageToPB(page registry.PageRequest) *pb.PageRequest {
	if page == (registry.PageRequest{}) {
		return nil
	}
	return &pb.PageRequest{Size: int64(page.Size), Token: page.Token}
}

// PageFromPB reads a page request; a missing one is the first page. Sizes that
// do not fit an int are brought to its ends, where the registry refuses them.
func PageFromPB(m *pb.PageRequest) registry.PageRequest {
	size := min(max(m.GetSize(), math.MinInt), math.MaxInt)
	return registry.PageRequest{Size: int(size), Token: m.GetToken()}
}

// AnswerToPB returns the wire form of an answer info.
func AnswerToPB(info registry.AnswerInfo) *pb.AnswerInfo {
	return &pb.AnswerInfo{
		Revision:      info.Revision,
		ClockMs:       info.ClockMs,
		LeaseTimeMs:   info.LeaseTimeMs,
		Term:          info.Term,
		LeaderId:      info.LeaderID,
		LeaderAddr:    info.LeaderAddr,
		LastContactMs: info.LastContactMs,
	}
}

// AnswerFromPB reads an answer info.
func AnswerFromPB(m *pb.AnswerInfo) registry.AnswerInfo {
	return registry.AnswerInfo{
		Revision:      m.GetRevision(),
		ClockMs:       m.GetClockMs(),
		LeaseTimeMs:   m.GetLeaseTimeMs(),
		Term:          m.GetTerm(),
		LeaderID:      m.GetLeaderId(),
		LeaderAddr:    m.GetLeaderAddr(),
		LastContactMs: m.GetLastContactMs(),
	}
}

// AnswerTrailer returns the trailer that carries an answer info, to be set with
// grpc.SetTrailer.
func AnswerTrailer(info registry.AnswerInfo) metadata.MD {
	// Marshalling fails on text that is not UTF-8 only, which no node has as
	// its name; the trailer is then empty, as from a server that has none.
	text, _ := proto.Marshal(AnswerToPB(info))
	return metadata.MD{AnswerKey: []string{string(text)}}
}

// AnswerFromTrailer reads the answer info out of a call's trailer. It is false
// when there is none, as with a call that no node answered.
func AnswerFromTrailer(trailer metadata.MD) (registry.AnswerInfo, bool) {
	values := trailer[AnswerKey]
	if len(values) == 0 {
		return registry.AnswerInfo{}, false
	}
	var m pb.AnswerInfo
	if err := proto.Unmarshal([]byte(values[len(values)-1]), &m); err != nil {
		return registry.AnswerInfo{}, false
	}
	return AnswerFromPB(&m), true
}
