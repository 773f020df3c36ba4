package registry

import "context"

// Registry is a process registry: five small interfaces joined, 31 methods in
// all. Every method is one atomic point read or point write, safe for
// concurrent use. Errors are *Error values of the catalogue in errors.go; a
// write whose error is not definite may or may not have happened.
//
// The methods name the errors that are their own. Any of them can also answer
// InvalidArgument and TooLarge, for arguments that break a rule by themselves,
// and what a cluster answers that cannot serve: NotLeader, NoLeader,
// Overloaded, Corrupt, Internal, and for writes OutcomeUnknown and, with a
// session stamp, SessionExpired.
//
// Each write says what repeating it does. "Repeatable" is one that may be sent
// again after OutcomeUnknown without looking first: it changes nothing more,
// and the answer is as good as the lost one. Where sessions are offered, a
// write with a session stamp always is.
//
// Writes that take a fence apply only while the lease it names is the current
// one of the process; nil means unfenced. Call options (read level, session
// stamp, answer info) travel in the context: see CallOptions.
type Registry interface {
	Processes
	Events
	Handles
	Leases
	Retention
}

// Processes holds the records of processes.
type Processes interface {
	// DurabilityTier tells whether acked writes survive the end of the
	// implementation's process. It is not a call to storage.
	DurabilityTier() DurabilityTier

	// RegisterProcess inserts a process. Repeating an equal registration
	// returns the existing record unchanged, running or terminal. Repeatable.
	// Errors: InvalidArgument, TooLarge, AlreadyExists (other registration under
	// this id). Spec 5.2.
	RegisterProcess(ctx context.Context, registration ProcessRegistration) (ProcessRecord, error)

	// SetExternalRef attaches a reference to a process, running or terminal;
	// repeating an equal one changes nothing. Repeatable. Errors: NotFound,
	// AlreadyExists (another reference is attached), Fenced. Spec 5.3.
	SetExternalRef(ctx context.Context, processID string, ref ProcessExternalRef, fence *Fence) (ProcessRecord, error)

	// GetProcess reads one record. Errors: NotFound. Spec 5.22, A7.
	GetProcess(ctx context.Context, processID string) (ProcessRecord, error)

	// ListProcesses reads one page of the records that match the filter, by id
	// ascending. The zero filter hides terminal records. Spec 5.23, A15.
	ListProcesses(ctx context.Context, filter ProcessListFilter, page PageRequest) (Page[ProcessRecord], error)

	// ListNonTerminal reads one page of all running records, by id ascending.
	// Spec 5.25, A15.
	ListNonTerminal(ctx context.Context, page PageRequest) (Page[ProcessRecord], error)

	// CompleteProcess appends the terminal event of the output's kind. The
	// lease is not released. Repeating it with the same kind and an equal
	// output (evidence.epoch_ms apart) returns the record as it is. Repeatable,
	// for as long as the fence is current, if one is given or required. Errors:
	// InvalidArgument, NotFound, Fenced, ReplayConflict, Terminal. Spec 5.17, A20.
	CompleteProcess(ctx context.Context, processID string, output ProcessAwaitOutput, fence *Fence) (ProcessRecord, error)

	// RecordFirstStarted stores that execution began. The first call wins; a
	// later one returns the record unchanged, whoever asks: compare its owner
	// with your own. Repeatable. Errors: NotFound, Fenced. Spec 5.18.
	RecordFirstStarted(ctx context.Context, processID string, started ProcessStarted, fence *Fence) (ProcessRecord, error)

	// RequestProcessAbandon stores that somebody wants the process given up.
	// The first call wins; a later one returns the record unchanged. Repeatable.
	// Errors: NotFound, Fenced, Terminal. Spec 5.19.
	RequestProcessAbandon(ctx context.Context, processID string, request AbandonRequest, fence *Fence) (ProcessRecord, error)

	// SetProcessWait stores what the process waits for, over any earlier wait. A
	// repeat stores it again, over what came in between. Errors: NotFound,
	// Fenced, Terminal. Spec 5.20.
	SetProcessWait(ctx context.Context, processID string, wait WaitState, fence *Fence) (ProcessRecord, error)

	// ClearProcessWait removes the wait, if any, of a running or terminal
	// process. A repeat removes what was set in between. Errors: NotFound,
	// Fenced. Spec 5.21.
	ClearProcessWait(ctx context.Context, processID string, fence *Fence) (ProcessRecord, error)
}

// Events holds the event logs and what has been consumed of their wakes.
type Events interface {
	// AppendEvent stores one event and applies its semantics. An event that
	// is stored under the same replay key with the same type and payload is
	// returned instead, so an append with a key is repeatable; without one a
	// repeat is a second event. Errors: InvalidArgument, TooLarge, NotFound, Fenced,
	// ReplayConflict, UndeclaredEvent, MissingReplayKey, PayloadRejected,
	// Terminal. Spec 5.12.
	AppendEvent(ctx context.Context, processID string, request ProcessEventAppendRequest, fence *Fence) (ProcessEventAppendResult, error)

	// EventsAfter reads one page of the events with a greater sequence,
	// ascending. Errors: NotFound, LifeEnded (the page token is of a life that
	// was pruned). Spec 5.13, A15.
	EventsAfter(ctx context.Context, processID string, afterSequence uint64, page PageRequest) (Page[ProcessEvent], error)

	// CountEventsThrough counts the events of a type up to and including a
	// sequence; a type that never occurred counts 0. Errors: NotFound. Spec 5.14.
	CountEventsThrough(ctx context.Context, processID, eventType string, upToSequence uint64) (uint64, error)

	// RecentEvents reads one page of the last limit events, ascending; a limit
	// of 0 reads none. Errors: NotFound, LifeEnded. Spec 5.15, A15.
	RecentEvents(ctx context.Context, processID string, limit uint64, page PageRequest) (Page[ProcessEvent], error)

	// WakeEventsAfter reads one page of the events with a greater sequence
	// that carry a wake and are not acked, ascending, whether or not the wake
	// had a target. Errors: NotFound, LifeEnded. Spec 5.16, A15.
	WakeEventsAfter(ctx context.Context, processID string, afterSequence uint64, page PageRequest) (Page[ProcessEvent], error)

	// AckWake marks a sequence as consumed, for good; it need not exist yet. One
	// that no event can have, above MaxEventSequence, is no error and not kept.
	// Repeatable. Errors: NotFound. Spec 5.24.
	AckWake(ctx context.Context, processID string, sequence uint64) error
}

// Handles holds the grants that let session scopes address processes.
type Handles interface {
	// GrantHandle grants a process, running or terminal, to a scope, replacing
	// the descriptor of an earlier grant. A repeat grants it again, over what
	// came in between. Errors: NotFound, TooLarge (the session has as many
	// grants as it may). Spec 5.4, A16.
	GrantHandle(ctx context.Context, scope SessionScope, processID string, descriptor ProcessHandleDescriptor) (ProcessHandleGrant, error)

	// RevokeHandle removes a grant; there need not be one. A repeat revokes what
	// was granted in between. Spec 5.5.
	RevokeHandle(ctx context.Context, scope SessionScope, processID string) error

	// TransferHandleGrants moves grants between scopes, all or nothing. Not
	// repeatable: what has moved is not there any more, which is NotGranted.
	// Errors: NotGranted, TooLarge (ids, or grants of the session). Spec 5.6, A16.
	TransferHandleGrants(ctx context.Context, from, to SessionScope, processIDs []string) error

	// ListHandleGrants reads one page of the grants of exactly this scope with
	// the current records, terminal ones included, by process id ascending. An
	// unknown scope has none. Spec 5.7, A15.
	ListHandleGrants(ctx context.Context, scope SessionScope, page PageRequest) (Page[ProcessHandleGrantEntry], error)

	// ListLiveHandleGrants is ListHandleGrants over non-terminal records.
	// Spec 5.8.
	ListLiveHandleGrants(ctx context.Context, scope SessionScope, page PageRequest) (Page[ProcessHandleGrantEntry], error)

	// HasHandleGrant tells whether exactly this scope holds the process. An
	// unknown process or scope answers false. Spec 5.9.
	HasHandleGrant(ctx context.Context, scope SessionScope, processID string) (bool, error)

	// HandleGrantsForProcess reads one page of the grants of all scopes, by
	// session id and then scope id ascending. Errors: NotFound. Spec 5.10.
	HandleGrantsForProcess(ctx context.Context, processID string, page PageRequest) (Page[ProcessHandleGrant], error)

	// DeleteSessionProcessState removes all grants of a session, in every
	// frame, and clears it as wake target. A repeat changes nothing, but reports
	// zeros: the list of orphaned processes comes once. Spec 5.11.
	DeleteSessionProcessState(ctx context.Context, sessionID string) (ProcessSessionDeleteReport, error)
}

// Leases holds the single-owner leases. ttlMs is in milliseconds, at most
// MaxLeaseTTLMs; 0 makes a lease that is expired at birth.
type Leases interface {
	// ClaimProcessLease takes the lease of a process: a free, released or
	// expired one is acquired with a new fencing token, the own live one is
	// extended without a new token, a live one of somebody else is Busy, which
	// is an answer and no error. Repeatable under the same incarnation. Errors:
	// InvalidArgument, NotFound, Terminal. Spec 5.26, A6.
	ClaimProcessLease(ctx context.Context, processID string, owner LeaseOwnerIdentity, ttlMs uint64) (ProcessLeaseClaimOutcome, error)

	// ReclaimProcessLease takes a live lease away from a holder that the
	// claimant found dead. observed is the lease it saw. With no live lease it
	// is a claim. Not repeatable: the second time it is Busy with oneself, and a
	// claim gives the lease back. Errors: InvalidArgument, NotFound, Terminal.
	// Spec 5.27, A5, A6.
	ReclaimProcessLease(ctx context.Context, processID string, owner LeaseOwnerIdentity, observed ProcessLease, verdict HolderVerdict, ttlMs uint64) (ProcessLeaseClaimOutcome, error)

	// RenewProcessLease extends a live lease that the caller still holds: it
	// ends ttlMs from now, which may be sooner than before. Repeatable. Errors:
	// InvalidArgument, LeaseExpired. Spec 5.28.
	RenewProcessLease(ctx context.Context, lease ProcessLease, ttlMs uint64) (ProcessLease, error)

	// GetProcessLease reads the held lease, expired or not; nil when the
	// process is unleased, released or unknown. Spec 5.29, A7.
	GetProcessLease(ctx context.Context, processID string) (*ProcessLease, error)

	// CompleteProcessLease releases a lease by its token. A token that is not
	// the current one changes nothing and is no error. Repeatable. Spec 5.30.
	CompleteProcessLease(ctx context.Context, completion ProcessLeaseCompletion) error
}

// Retention removes what is no longer wanted.
type Retention interface {
	// PruneTerminalProcesses deletes every terminal process last updated
	// before the cutoff, with its events, acks, grants and lease. Atomic per
	// process: after an error some may be gone, and a repeat goes on with the
	// rest and reports only that. Spec 5.31, A10.
	PruneTerminalProcesses(ctx context.Context, cutoffEpochMs uint64) (ProcessPruneReport, error)
}

// ProcessPruneReport counts what a prune deleted.
type ProcessPruneReport struct {
	PrunedProcesses uint64 `json:"pruned_processes"`
	PrunedEvents    uint64 `json:"pruned_events"`
}

// DurabilityTier says whether a registry survives the end of its process.
type DurabilityTier string

// The tiers.
const (
	TierInline  DurabilityTier = "Inline"
	TierDurable DurabilityTier = "Durable"
)
