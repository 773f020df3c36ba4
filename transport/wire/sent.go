package wire

import (
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
)

// SentTracker tells of one call whether its headers went out, so whether a
// node may have acted on it. Give its Option to the call:
//
//	sent := wire.NewSentTracker()
//	answer, err := client.AckWake(ctx, request, sent.Option())
//	if err != nil {
//		return wire.CallError(err, sent, request, true)
//	}
//
// It works by the peer that gRPC reports for every attempt that got a stream,
// which is the moment when the header frame is queued for the connection. A
// stats.Handler sees the same moment, but must be given when the connection is
// dialed: one that was forgotten would make every sent call look unsent.
type SentTracker struct {
	peer peer.Peer
}

// nobody stands for the peer of a call that has no stream.
type nobody struct{ net.Addr }

// NewSentTracker returns the tracker of one call.
func NewSentTracker() *SentTracker {
	return &SentTracker{peer: peer.Peer{Addr: nobody{}}}
}

// Option makes a call report to the tracker.
func (t *SentTracker) Option() grpc.CallOption { return grpc.Peer(&t.peer) }

// Sent tells, after the call has returned, whether its headers went out.
func (t *SentTracker) Sent() bool {
	_, unsent := t.peer.Addr.(nobody)
	return !unsent
}

// CallError returns the error of a failed call: the one that a node answered,
// or else what can be known without an answer. A request that was never sent is
// a definite NoLeader; one that was is OutcomeUnknown for a write and NoLeader
// for a read.
func CallError(err error, sent *SentTracker, request proto.Message, write bool) *registry.Error {
	if answered, ok := ErrorFromStatus(err); ok {
		return answered
	}
	if refused := Sendable(request); refused != nil {
		return refused
	}
	text := status.Convert(err).Message()
	switch {
	case status.Code(err) == codes.Unimplemented:
		return registry.Errorf(registry.CodeUnsupported, registry.Fields{}, "the server does not offer this call: %s", text)
	case !sent.Sent():
		return registry.Errorf(registry.CodeNoLeader, registry.Fields{}, "nothing was sent: %s", text)
	case write:
		return registry.Errorf(registry.CodeOutcomeUnknown, registry.Fields{}, "the request was sent and no answer came: %s", text)
	default:
		return registry.Errorf(registry.CodeNoLeader, registry.Fields{}, "the read was sent and no answer came: %s", text)
	}
}

// Sendable tells why a request cannot be sent, or nil. gRPC opens the stream
// before it encodes the request and drops the reason, so it is found out again
// for calls that failed; calls that succeed pay nothing.
func Sendable(request proto.Message) *registry.Error {
	if refused := CheckSize(request); refused != nil {
		return refused
	}
	if _, err := proto.Marshal(request); err != nil {
		return registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "request"}, "the request cannot be encoded: %v", err)
	}
	return nil
}

// CheckSize refuses a request over the registry's limit.
func CheckSize(request proto.Message) *registry.Error {
	size, limit := uint64(proto.Size(request)), uint64(registry.MaxRequestBytes)
	if size <= limit {
		return nil
	}
	return registry.Errorf(registry.CodeTooLarge, registry.Fields{Field: "request", Limit: &limit, Value: &size},
		"the request has %d bytes, more than the %d allowed", size, limit)
}

// AnswerError is the error for an answer that came and cannot be read: the call
// was answered, but by what this version does not understand.
func AnswerError(err error) *registry.Error {
	return registry.Errorf(registry.CodeInternal, registry.Fields{}, "the answer cannot be read: %v", err)
}
