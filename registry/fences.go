package registry

import "context"

// Fences answers resources outside the registry (a bucket, a device, another
// database) that are handed a fencing token with a request. Every method is
// safe for concurrent use. Spec A24.
type Fences interface {
	// CheckFence tells whether a fencing token is that of the current lease of
	// the process. It is always linearizable: it sees every grant that was
	// acked before it began. Errors: InvalidArgument, NotFound, which a
	// resource must take for a no.
	CheckFence(ctx context.Context, processID string, fencingToken uint64) (FenceStatus, error)
}

// FenceStatus is what a fencing token was worth when it was checked. By the
// time that the answer arrives a later lease may have been granted, so a
// resource also remembers the greatest token that it let through for a process,
// and refuses smaller ones without asking.
type FenceStatus struct {
	// Current tells that the token is that of the lease which the process has:
	// neither superseded nor released. A write here with that lease's fence
	// would apply. The lease may have expired: then nobody else has begun.
	Current bool `json:"current"`
	// Live tells that the token is current and its lease has not expired.
	Live bool `json:"live"`
	// FencingToken is the last that was granted for the process; 0 when there
	// was none.
	FencingToken uint64 `json:"fencing_token"`
	// LeaseTimeLeftMs is how much lease time a live lease has, in milliseconds,
	// else 0. Lease time is read as of the last log entry, which is up to about
	// a second old, so another owner may come that much sooner.
	LeaseTimeLeftMs uint64 `json:"lease_time_left_ms"`
}
