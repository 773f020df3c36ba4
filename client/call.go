package client

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// The time between two tries of a call doubles from the first to the last; a
// random half of it is left out.
const (
	firstBackoff = 20 * time.Millisecond
	maxBackoff   = time.Second
)

// deadlineSlack is how much earlier than here a deadline may pass on a server.
const deadlineSlack = 50 * time.Millisecond

// kind is what the client needs to know of a method.
type kind struct {
	// write tells that a lost answer leaves the outcome unknown.
	write bool
	// local methods are about the node that is asked, whoever leads.
	local bool
	// long methods have no attempt timeout.
	long bool
	// wait is how long the node may take before it even begins.
	wait time.Duration
	// repeatable writes do no harm when they happen twice.
	repeatable bool
}

var (
	read            = kind{}
	write           = kind{write: true}
	repeatableWrite = kind{write: true, repeatable: true}
	longWrite       = kind{write: true, long: true}
	localRead       = kind{local: true}
	localWrite      = kind{write: true, local: true, long: true}
)

// waiting is a kind of call for whose beginning a node may be made to wait.
func (k kind) waiting(ms uint64) kind {
	k.wait = time.Duration(min(ms, registry.MaxClaimWaitMs)) * time.Millisecond
	return k
}

// call makes one call of the Registry service; method is one of its method
// expressions.
func call[Req proto.Message, Resp any](ctx context.Context, c *Client, k kind, method func(pb.RegistryClient, context.Context, Req, ...grpc.CallOption) (*Resp, error), request Req) (*Resp, error) {
	return callService(ctx, c, k, pb.NewRegistryClient, method, request)
}

// callAdmin makes one call of the Admin service.
func callAdmin[Req proto.Message, Resp any](ctx context.Context, c *Client, k kind, method func(pb.AdminClient, context.Context, Req, ...grpc.CallOption) (*Resp, error), request Req) (*Resp, error) {
	return callService(ctx, c, k, pb.NewAdminClient, method, request)
}

func callService[Stub any, Req proto.Message, Resp any](ctx context.Context, c *Client, k kind, stub func(grpc.ClientConnInterface) Stub, method func(Stub, context.Context, Req, ...grpc.CallOption) (*Resp, error), request Req) (*Resp, error) {
	var answer *Resp
	err := c.try(ctx, k, request, func(ctx context.Context, conn *grpc.ClientConn, options ...grpc.CallOption) (err error) {
		answer, err = method(stub(conn), ctx, request, options...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// converted turns the answer of a call into the registry's own type.
func converted[M, T any](m M, err error, convert func(M) (T, error)) (T, error) {
	var zero T
	if err != nil {
		return zero, err
	}
	value, err := convert(m)
	if err != nil {
		return zero, wire.AnswerError(err)
	}
	return value, nil
}

// level is the read level of a call.
func level(ctx context.Context) pb.ReadLevel {
	return wire.ReadLevelToPB(registry.OptionsFrom(ctx).ReadLevel)
}

// session is the stamp of a write.
func session(ctx context.Context) *pb.SessionStamp {
	return wire.SessionToPB(registry.OptionsFrom(ctx).Session)
}

// invoke makes one try over a connection.
type invoke func(ctx context.Context, conn *grpc.ClientConn, options ...grpc.CallOption) error

// try makes a call until it is answered, refused for good or out of time.
func (c *Client) try(ctx context.Context, k kind, request proto.Message, invoke invoke) error {
	callOptions := registry.OptionsFrom(ctx)
	info := callOptions.Answer
	if info == nil {
		info = new(registry.AnswerInfo)
	}
	*info = registry.AnswerInfo{}
	follow := !k.local && (k.write || callOptions.ReadLevel != registry.Stale)
	once := c.once(k, request)
	defer once.end()

	end := time.Now().Add(c.options.retryTimeout + k.wait)
	for tries := 1; ; tries++ {
		if err := once.prepare(ctx); err != nil {
			return err
		}
		target := c.targets.pick(follow)
		failed, answered := c.attempt(ctx, k, target, request, info, invoke)
		if failed == nil {
			return nil
		}
		wait := pause(failed, tries)
		if !once.mayRepeat(failed) || time.Now().Add(wait).After(end) {
			return withCause(ctx, once.outcome(failed), answered)
		}
		c.options.logger.Debug("trying a call again", "request", request.ProtoReflect().Descriptor().Name(),
			"addr", target.addr, "tries", tries, "wait", wait, "code", failed.Code, "error", failed)
		if !c.sleep(ctx, wait) {
			return withCause(ctx, once.outcome(failed), false)
		}
	}
}

// attempt makes one try and keeps the books about where it went. answered tells
// that a node said what the error says.
func (c *Client) attempt(ctx context.Context, k kind, to *target, request proto.Message, info *registry.AnswerInfo, invoke invoke) (failed *registry.Error, answered bool) {
	caller := ctx
	if !k.long {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.attemptTimeout(ctx)+k.wait)
		defer cancel()
	}
	sent := wire.NewSentTracker()
	var trailer metadata.MD
	began := time.Now()
	err := invoke(ctx, to.conn, sent.Option(), grpc.Trailer(&trailer))
	if answer, ok := wire.AnswerFromTrailer(trailer); ok {
		*info = answer
		c.targets.learn(answer)
	}
	if err == nil {
		return nil, true
	}
	failed, answered = wire.ErrorFromStatus(err)
	switch {
	case !answered:
		failed = wire.CallError(err, sent, request, k.write)
		awaitNearDeadline(ctx)
		silent := sent.Sent() && ctx.Err() != nil
		switch {
		case failed.Code != registry.CodeNoLeader && failed.Code != registry.CodeOutcomeUnknown:
			// The request's own fault, see wire.CallError.
		case caller.Err() == nil:
			c.targets.failed(to, silent)
		case caller.Err() == context.DeadlineExceeded && time.Since(began) >= silenceAfter+k.wait:
			// An impatient caller says little about the address, a patient
			// one does.
			c.targets.failed(to, silent)
		}
	case failed.Code == registry.CodeNotLeader || failed.Code == registry.CodeNoLeader:
		// It lives, but has lost sight of the leader: ask somebody else.
		c.targets.failed(to, false)
	}
	return failed, answered
}

type attemptTimeoutKey struct{}

// withAttemptTimeout returns a context whose calls make shorter tries.
func withAttemptTimeout(ctx context.Context, timeout time.Duration) context.Context {
	return context.WithValue(ctx, attemptTimeoutKey{}, timeout)
}

// attemptTimeout bounds one try of a call.
func (c *Client) attemptTimeout(ctx context.Context) time.Duration {
	if own, ok := ctx.Value(attemptTimeoutKey{}).(time.Duration); ok {
		return min(own, c.options.attemptTimeout)
	}
	return c.options.attemptTimeout
}

// awaitNearDeadline waits for a deadline that is about to pass. Servers know the
// deadline too and cut the call off, often a moment before it passes here, and
// that must not look like a connection that failed.
func awaitNearDeadline(ctx context.Context) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < deadlineSlack {
		<-ctx.Done()
	}
}

// pause is how long to wait before the next try.
func pause(failed *registry.Error, tries int) time.Duration {
	wait := maxBackoff
	if doubled := firstBackoff << min(tries-1, 10); doubled < maxBackoff {
		wait = doubled
	}
	wait -= rand.N(wait / 2)
	if hint := failed.Fields.RetryAfterMs; hint != nil {
		// The hint is a lower bound; more than an hour of it means the same.
		wait = max(wait, time.Duration(min(*hint, 3_600_000))*time.Millisecond)
	}
	return wait
}

// sleep waits, and tells whether it did so to the end.
func (c *Client) sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-c.ctx.Done():
		return false
	}
}

// withCause returns the error of a call, together with the reason if the end of
// the caller's context kept the call from being answered.
func withCause(ctx context.Context, failed *registry.Error, answered bool) error {
	if ctx.Err() == nil || (answered && failed.Code != registry.CodeOutcomeUnknown) {
		return failed
	}
	return &endedError{failed: failed, cause: ctx.Err()}
}

// endedError is an error of the catalogue on a call whose context has ended.
type endedError struct {
	failed *registry.Error
	cause  error
}

// Error is the catalogue's text.
func (e *endedError) Error() string { return e.failed.Error() }

// Unwrap gives both to errors.Is and errors.As.
func (e *endedError) Unwrap() []error { return []error{e.failed, e.cause} }
