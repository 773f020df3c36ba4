package registry

import "context"

// Queue hands out work: it leases processes without being told which. Every
// method is safe for concurrent use. Spec A25.
type Queue interface {
	// ClaimNext leases the oldest processes that are ready, each with a fencing
	// token of its own, in one atomic step, and returns them oldest first. Ready
	// is a running process that nobody asked to abandon, which has no live
	// lease and no delay (ReleaseForRetry), and is rerunnable, or owner_bound
	// and not started. With a wait it returns when something is ready, and an
	// empty list only once the wait is over. Errors: InvalidArgument, TooLarge,
	// NotLeader, NoLeader, Overloaded, OutcomeUnknown.
	ClaimNext(ctx context.Context, request ClaimNextRequest) ([]ClaimedProcess, error)

	// ReleaseForRetry releases a lease as CompleteProcessLease does, and keeps
	// ClaimNext from handing the process out for retryAfterMs of lease time, at
	// most MaxRetryAfterMs. Other claims are not kept from it; the next lease
	// that ClaimNext grants ends the delay. Errors: InvalidArgument.
	ReleaseForRetry(ctx context.Context, completion ProcessLeaseCompletion, retryAfterMs uint64) error
}

// The bounds of ClaimNext and ReleaseForRetry.
const (
	MaxClaims       = 100
	MaxClaimKinds   = 64
	MaxClaimWaitMs  = 60 * 1000
	MaxRetryAfterMs = 30 * 24 * 60 * 60 * 1000
)

// ClaimNextRequest says what ClaimNext is to lease.
type ClaimNextRequest struct {
	Owner LeaseOwnerIdentity `json:"owner"`
	// TTLMs is how long the leases last, from 1 to MaxLeaseTTLMs.
	TTLMs uint64 `json:"ttl_ms"`
	// Limit is how many processes are wanted, from 1 to MaxClaims. Fewer come
	// where their records have more than MaxPageBytes in all.
	Limit int `json:"limit"`
	// Kinds are those of ProcessIdentity, at most MaxClaimKinds; none are all.
	Kinds []string `json:"kinds,omitempty"`
	// WaitMs is how long to wait for something ready, at most MaxClaimWaitMs; 0
	// answers at once.
	WaitMs uint64 `json:"wait_ms,omitempty"`
}

// ClaimedProcess is one process that ClaimNext leased.
type ClaimedProcess struct {
	Lease  ProcessLease  `json:"lease"`
	Record ProcessRecord `json:"record"`
	// Attempt is how often ClaimNext handed the process out in its life, this
	// time included.
	Attempt uint64 `json:"attempt"`
}
