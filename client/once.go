package client

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
)

// once makes one call happen once although it may be sent several times: it
// decides which failures may be followed by another try, and what is known in
// the end. Spec A9.
type once struct {
	kind    kind
	request proto.Message
	// pool is where stamps come from; nil when the call gets none, because it
	// is no write, its caller stamped it, or the client has no sessions.
	pool   *sessionPool
	ticket *ticket
	// stamped tells that the request carries a stamp, whoever gave it.
	stamped bool
	// unknown is set once a try may have taken effect without an answer.
	unknown bool
}

func (c *Client) once(k kind, request proto.Message) *once {
	o := &once{kind: k, request: request}
	if r, ok := request.(stampable); ok && k.write {
		o.stamped = r.GetSession() != nil
		if !o.stamped && !k.repeatable && !k.long {
			o.pool = c.sessions
		}
	}
	return o
}

// prepare stamps the request before its first try, and anew when the session
// it was stamped with had expired.
func (o *once) prepare(ctx context.Context) error {
	if o.pool == nil || o.ticket != nil {
		return nil
	}
	t, err := o.pool.take(ctx)
	if err != nil {
		return unsent(err)
	}
	o.ticket, o.stamped = t, true
	setStamp(o.request.(stampable), t.stamp())
	return nil
}

// unsent is the error of a write for which no session could be opened: the
// write itself was never sent.
func unsent(err error) error {
	var failed *registry.Error
	if !errors.As(err, &failed) || failed.Definite() {
		return err
	}
	return registry.Errorf(registry.CodeNoLeader, failed.Fields, "no session could be opened, so the write was not sent: %v", failed)
}

// end gives up the claim on the write's answer.
func (o *once) end() {
	if o.ticket != nil {
		o.ticket.done()
	}
}

// mayRepeat tells whether the call may be tried again: nothing happened, or
// trying again makes nothing happen twice, and what stood in the way may pass.
// Reads are NoLeader also when their connection failed after they were sent,
// see wire.CallError.
func (o *once) mayRepeat(failed *registry.Error) bool {
	safe := !o.kind.write || o.kind.repeatable || o.stamped
	switch failed.Code {
	case registry.CodeNotLeader, registry.CodeNoLeader, registry.CodeOverloaded:
		if failed.Definite() {
			return true
		}
	case registry.CodeOutcomeUnknown:
		if !o.kind.write {
			return false // no read ends like this
		}
	case registry.CodeSessionExpired:
		// This try did nothing. If none before it can have, the write is as
		// good as never sent, and goes out again in another session.
		if o.ticket == nil || o.unknown {
			return false
		}
		o.pool.drop(o.ticket.session)
		o.ticket = nil
		return true
	default:
		return false
	}
	o.unknown = true
	return safe
}

// outcome is the error of a call that is not tried again. What a node says of
// the last try alone is not what became of the write, if an earlier try may
// still have taken effect.
func (o *once) outcome(failed *registry.Error) *registry.Error {
	if !o.unknown || !o.kind.write || !failed.Definite() {
		return failed
	}
	switch failed.Code {
	case registry.CodeInvalidArgument, registry.CodeTooLarge, registry.CodeOverloaded, registry.CodeSessionExpired,
		registry.CodeNotLeader, registry.CodeNoLeader, registry.CodeUnsupported, registry.CodeUnauthenticated, registry.CodePermissionDenied:
		return registry.Errorf(registry.CodeOutcomeUnknown, failed.Fields,
			"the write was sent and no answer came, and trying again brought none either: %v", failed)
	}
	return failed
}
