package wire

import (
	"errors"
	"math"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// grpcCodes gives generic gRPC tooling the nearest idea of an error. What
// counts is the detail. OutcomeUnknown must never become Unavailable: proxies
// and retry policies send that again.
var grpcCodes = map[registry.Code]codes.Code{
	registry.CodeInvalidArgument:  codes.InvalidArgument,
	registry.CodeNotFound:         codes.NotFound,
	registry.CodeAlreadyExists:    codes.AlreadyExists,
	registry.CodeTerminal:         codes.FailedPrecondition,
	registry.CodeUndeclaredEvent:  codes.FailedPrecondition,
	registry.CodeMissingReplayKey: codes.InvalidArgument,
	registry.CodeReplayConflict:   codes.AlreadyExists,
	registry.CodePayloadRejected:  codes.InvalidArgument,
	registry.CodeNotGranted:       codes.FailedPrecondition,
	registry.CodeLeaseExpired:     codes.FailedPrecondition,
	registry.CodeFenced:           codes.FailedPrecondition,
	registry.CodeTooLarge:         codes.InvalidArgument,
	registry.CodeOverloaded:       codes.ResourceExhausted,
	registry.CodeSessionExpired:   codes.FailedPrecondition,
	registry.CodeLifeEnded:        codes.FailedPrecondition,
	registry.CodeCompacted:        codes.OutOfRange,
	registry.CodeBatchRefused:     codes.FailedPrecondition,
	registry.CodeNotLeader:        codes.Unavailable,
	registry.CodeNoLeader:         codes.Unavailable,
	registry.CodeOutcomeUnknown:   codes.Unknown,
	registry.CodeUnauthenticated:  codes.Unauthenticated,
	registry.CodePermissionDenied: codes.PermissionDenied,
	registry.CodeUnsupported:      codes.Unimplemented,
	registry.CodeCorrupt:          codes.DataLoss,
	registry.CodeInternal:         codes.Internal,
}

// GRPCCode is the gRPC status with which a code of the catalogue travels.
func GRPCCode(code registry.Code) codes.Code {
	if c, ok := grpcCodes[code]; ok {
		return c
	}
	return codes.Unknown
}

// Errors travel in trailers, which many HTTP/2 stacks bound to 8 KiB in all: a
// longer text is cut, and a longer conflicting ref left out.
const (
	maxErrorText  = 1 << 10
	maxErrorValue = 1 << 10
)

// ErrorToStatus returns the gRPC status error that carries err and its one
// detail. A status error is returned as it is; an error from outside the
// catalogue becomes Internal; nil stays nil.
func ErrorToStatus(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		return err
	}
	e := catalogued(err)
	code := GRPCCode(e.Code)
	text := cut(valid(e.Message), maxErrorText)
	s, failed := status.New(code, text).WithDetails(errorToPB(e, text))
	if failed != nil {
		// Only an OK code or a detail that cannot be encoded gets here, and
		// neither can be: the strings were just made valid.
		return status.Error(code, text)
	}
	return s.Err()
}

// catalogued returns an error of the catalogue: the one in err, or Internal.
func catalogued(err error) *registry.Error {
	var e *registry.Error
	if errors.As(err, &e) {
		return e
	}
	return registry.Errorf(registry.CodeInternal, registry.Fields{}, "%s", err.Error())
}

// ErrorFromStatus returns the error that a failed call carries. It is false
// when the call's status has no detail of ours, so that no Holdfast node
// answered: what became of the call must be told from elsewhere, see CallError.
func ErrorFromStatus(err error) (*registry.Error, bool) {
	var e *registry.Error
	if errors.As(err, &e) {
		return e, true
	}
	s, ok := status.FromError(err)
	if !ok || s == nil {
		return nil, false
	}
	for _, detail := range s.Details() {
		if m, ok := detail.(*pb.ErrorDetail); ok {
			return errorFromPB(m)
		}
	}
	return nil, false
}

func errorToPB(e *registry.Error, text string) *pb.ErrorDetail {
	f := &e.Fields
	return &pb.ErrorDetail{
		Code:          pb.ErrorCode(e.Code),
		Message:       text,
		Definite:      e.Definite(),
		Field:         present(f.Field),
		Limit:         f.Limit,
		Value:         f.Value,
		ProcessId:     present(f.ProcessID),
		SessionId:     present(f.SessionID),
		EventType:     present(f.EventType),
		ReplayKey:     present(f.ReplayKey),
		State:         present(f.State),
		FencingToken:  f.FencingToken,
		ExistingHash:  present(f.ExistingHash),
		NewHash:       present(f.NewHash),
		Existing:      short(f.Existing),
		New:           short(f.New),
		LeaderId:      present(f.LeaderID),
		LeaderAddr:    present(f.LeaderAddr),
		RetryAfterMs:  f.RetryAfterMs,
		Operation:     f.Operation,
		OperationCode: present(f.OperationCode),
	}
}

// errorFromPB reads a detail; it is false for a number that can be no code. A
// code that is not known here keeps its number and reads as indefinite.
func errorFromPB(m *pb.ErrorDetail) (*registry.Error, bool) {
	if m.GetCode() <= 0 || m.GetCode() > math.MaxUint16 {
		return nil, false
	}
	code := registry.Code(m.GetCode())
	return &registry.Error{
		Code:    code,
		Message: m.GetMessage(),
		Unknown: code.Info().Definite && !m.GetDefinite(),
		Fields: registry.Fields{
			Field:         m.GetField(),
			Limit:         m.Limit,
			Value:         m.Value,
			ProcessID:     m.GetProcessId(),
			SessionID:     m.GetSessionId(),
			EventType:     m.GetEventType(),
			ReplayKey:     m.GetReplayKey(),
			State:         m.GetState(),
			FencingToken:  m.FencingToken,
			ExistingHash:  m.GetExistingHash(),
			NewHash:       m.GetNewHash(),
			Existing:      m.GetExisting(),
			New:           m.GetNew(),
			LeaderID:      m.GetLeaderId(),
			LeaderAddr:    m.GetLeaderAddr(),
			RetryAfterMs:  m.RetryAfterMs,
			Operation:     m.Operation,
			OperationCode: m.GetOperationCode(),
		},
	}, true
}

// present is the text of a field, absent when there is none.
func present(text string) *string {
	if text == "" {
		return nil
	}
	text = valid(text)
	return &text
}

// short is present for values that are left out when they are long.
func short(text string) *string {
	if len(text) > maxErrorValue {
		return nil
	}
	return present(text)
}

// valid makes a text encodable: protobuf refuses all but UTF-8.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// cut shortens a text to at most limit bytes, at a character's end.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit - len("…")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
