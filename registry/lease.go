package registry

// LivenessKind says how an owner's life can be judged.
type LivenessKind string

// The liveness kinds.
const (
	// LivenessOpaque owners can never be proven dead.
	LivenessOpaque LivenessKind = "opaque"
	// LivenessLocalProcess owners can be judged by a process on the same host
	// and boot.
	LivenessLocalProcess LivenessKind = "local_process"
)

// LeaseOwnerLiveness tells a claimant on the same host how to find out whether
// an owner still lives. The zero value is opaque.
type LeaseOwnerLiveness struct {
	Kind         LivenessKind
	HostID       string
	BootID       string
	PID          uint32
	ProcessStart string
}

// LeaseOwnerIdentity is who holds, or wants, a lease. Two identities are the
// same incarnation when OwnerID and IncarnationID are equal; liveness is
// ignored there.
type LeaseOwnerIdentity struct {
	OwnerID       string
	IncarnationID string
	Liveness      LeaseOwnerLiveness
}

// SameIncarnation reports whether both identities are one incarnation.
func (o LeaseOwnerIdentity) SameIncarnation(other LeaseOwnerIdentity) bool {
	return o.OwnerID == other.OwnerID && o.IncarnationID == other.IncarnationID
}

// LeaseSchemaVersion is the constant written as schema_version of every lease.
const LeaseSchemaVersion = 2

// ProcessLease is the right to execute one process. FencingToken is greater
// than that of every earlier lease in the cluster. ExpiresAtMs is on the
// cluster's clock, and moves on when the cluster was interrupted.
type ProcessLease struct {
	ProcessID    string
	Owner        LeaseOwnerIdentity
	LeaseToken   string
	FencingToken uint64
	ClaimedAtMs  uint64
	ExpiresAtMs  uint64
}

// Fence returns the fence that this lease gives to writes.
func (l ProcessLease) Fence() *Fence {
	return &Fence{LeaseToken: l.LeaseToken, FencingToken: l.FencingToken}
}

// Fence makes a write conditional on a lease being the current one of its
// process: not superseded and not released.
type Fence struct {
	LeaseToken   string `json:"lease_token"`
	FencingToken uint64 `json:"fencing_token"`
}

// ProcessLeaseClaimOutcome is the answer to a claim: exactly one field is set.
type ProcessLeaseClaimOutcome struct {
	// Acquired is the caller's lease.
	Acquired *ProcessLease
	// Busy is the lease of the live holder that stands in the way.
	Busy *ProcessLease
}

// ProcessLeaseCompletion names the lease to release.
type ProcessLeaseCompletion struct {
	ProcessID  string `json:"process_id"`
	LeaseToken string `json:"lease_token"`
}

// HolderVerdict is what a claimant found out about the holder of a lease on
// its own host.
type HolderVerdict string

// The verdicts.
const (
	// VerdictUnknown is every answer but a proof of death.
	VerdictUnknown HolderVerdict = "unknown"
	// VerdictDead means that the holder's process is provably gone.
	VerdictDead HolderVerdict = "dead"
)
