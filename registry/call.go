package registry

import "context"

// ReadLevel says how fresh a read must be.
type ReadLevel uint8

// The read levels.
const (
	// Linearizable reads see every write that was acked before they began.
	Linearizable ReadLevel = 0
	// Stale reads are answered by whatever node is asked from what it has
	// applied; the answer info tells how old that may be.
	Stale ReadLevel = 1
)

// SessionStamp makes a write happen once however often it is sent. Spec A9.
type SessionStamp struct {
	// ID is the session's id as OpenSession gave it.
	ID string
	// Sequence numbers the writes of the session from 1.
	Sequence uint64
	// Floor is the lowest sequence whose answer is still wanted.
	Floor uint64
}

// AnswerInfo tells about the answer to a call rather than about its subject.
type AnswerInfo struct {
	// Revision, ClockMs and LeaseTimeMs are the state's when the call took
	// effect: a write's revision is the one just after it, a read's that of what
	// was read.
	Revision    uint64
	ClockMs     uint64
	LeaseTimeMs uint64
	// Term is the raft term known to the answering node.
	Term uint64
	// LeaderID and LeaderAddr name the leader as far as known.
	LeaderID   string
	LeaderAddr string
	// LastContactMs is the time since the answering node last heard from the
	// leader; 0 on the leader itself.
	LastContactMs uint64
}

// CallOptions are the options of one call. They travel in the context so that
// the interface stays the contract's and every layer hands them on alike.
type CallOptions struct {
	ReadLevel ReadLevel
	Session   *SessionStamp
	// Answer, when set, is filled in before the call returns, errors included.
	Answer *AnswerInfo
}

type callOptionsKey struct{}

// OptionsFrom returns the call options that a context carries.
func OptionsFrom(ctx context.Context) CallOptions {
	options, _ := ctx.Value(callOptionsKey{}).(CallOptions)
	return options
}

// WithOptions returns a context that carries exactly these call options.
func WithOptions(ctx context.Context, options CallOptions) context.Context {
	return context.WithValue(ctx, callOptionsKey{}, options)
}

// WithReadLevel returns a context whose reads are made at this level.
func WithReadLevel(ctx context.Context, level ReadLevel) context.Context {
	options := OptionsFrom(ctx)
	options.ReadLevel = level
	return WithOptions(ctx, options)
}

// WithSession returns a context whose next write is stamped.
func WithSession(ctx context.Context, stamp SessionStamp) context.Context {
	options := OptionsFrom(ctx)
	options.Session = &stamp
	return WithOptions(ctx, options)
}

// WithAnswerInfo returns a context whose calls fill in info. It must not be
// shared by concurrent calls.
func WithAnswerInfo(ctx context.Context, info *AnswerInfo) context.Context {
	options := OptionsFrom(ctx)
	options.Answer = info
	return WithOptions(ctx, options)
}
