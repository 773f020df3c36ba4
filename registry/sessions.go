package registry

import "context"

// Sessions let a write happen once however often it is sent: a client opens a
// session, stamps its writes with it (WithSession), and sends a repeat under
// the stamp of its first sending. The state machine keeps the answers until
// the client's floor passes them, within MaxSessionAnswers and
// MaxSessionAnswerBytes. A session ends when it is closed, or after
// SessionTTLMs of lease time without a write. Every method is safe for
// concurrent use. Spec A9.
type Sessions interface {
	// OpenSession opens a session and returns its id. It may always be
	// repeated: a session that nobody uses expires. Errors: NotLeader,
	// NoLeader, Overloaded (too many sessions), OutcomeUnknown.
	OpenSession(ctx context.Context) (string, error)

	// CloseSession ends a session; one that is not known is no error.
	// Idempotent. Errors: InvalidArgument, NotLeader, NoLeader, OutcomeUnknown.
	CloseSession(ctx context.Context, id string) error

	// SettleWrite tells what became of a write of a session, and makes sure
	// that one which was not done never will be, however late an attempt of it
	// arrives. Idempotent. Errors: InvalidArgument, SessionExpired (the answer
	// is not kept any more), NotLeader, NoLeader, Overloaded, OutcomeUnknown.
	SettleWrite(ctx context.Context, stamp SessionStamp) (WriteOutcome, error)
}

// WriteOutcome is what became of a write.
type WriteOutcome struct {
	// Done tells that the write was applied or refused, once and for all; not
	// done means that it will never be.
	Done bool
	// Refusal is what it was refused with; nil when it took effect.
	Refusal *Error
	// Revision is the state's after the write.
	Revision uint64
}
