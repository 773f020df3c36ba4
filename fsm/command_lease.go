package fsm

import "github.com/holdfast-registry/holdfast/registry"

// ClaimProcessLease carries a claim and the token that its lease will have if
// it is granted.
type ClaimProcessLease struct {
	ProcessID  string
	Owner      storedOwner
	TTLMs      uint64
	LeaseToken string

	owner registry.LeaseOwnerIdentity
}

// NewClaimProcessLease makes the command body of a claim.
func NewClaimProcessLease(processID string, owner registry.LeaseOwnerIdentity, ttlMs uint64, token string) *ClaimProcessLease {
	return &ClaimProcessLease{ProcessID: processID, Owner: storeOwner(owner), TTLMs: ttlMs, LeaseToken: token}
}

func (c *ClaimProcessLease) load() (err error) {
	c.owner, err = c.Owner.load()
	return err
}

// ReclaimProcessLease carries a claim with what its claimant saw of the lease
// in the way, and what it found out about its holder.
type ReclaimProcessLease struct {
	ProcessID  string
	Owner      storedOwner
	Observed   storedObserved
	Verdict    uint8
	TTLMs      uint64
	LeaseToken string

	owner   registry.LeaseOwnerIdentity
	verdict registry.HolderVerdict
}

// storedObserved is what identifies an observed lease.
type storedObserved struct {
	ProcessID     string
	OwnerID       string
	IncarnationID string
	LeaseToken    string
	FencingToken  uint64
}

// NewReclaimProcessLease makes the command body of a reclaim.
func NewReclaimProcessLease(processID string, owner registry.LeaseOwnerIdentity, observed registry.ProcessLease, verdict registry.HolderVerdict, ttlMs uint64, token string) *ReclaimProcessLease {
	if verdict == "" {
		verdict = registry.VerdictUnknown
	}
	return &ReclaimProcessLease{
		ProcessID: processID, Owner: storeOwner(owner), Verdict: verdicts.number(verdict), TTLMs: ttlMs, LeaseToken: token,
		Observed: storedObserved{
			ProcessID: observed.ProcessID, OwnerID: observed.Owner.OwnerID, IncarnationID: observed.Owner.IncarnationID,
			LeaseToken: observed.LeaseToken, FencingToken: observed.FencingToken,
		},
	}
}

func (c *ReclaimProcessLease) load() (err error) {
	if c.owner, err = c.Owner.load(); err != nil {
		return err
	}
	c.verdict, err = verdicts.word(c.Verdict)
	return err
}

// RenewProcessLease carries what identifies the caller's lease.
type RenewProcessLease struct {
	ProcessID     string
	OwnerID       string
	IncarnationID string
	LeaseToken    string
	FencingToken  uint64
	TTLMs         uint64
}

// NewRenewProcessLease makes the command body of a renewal.
func NewRenewProcessLease(lease registry.ProcessLease, ttlMs uint64) *RenewProcessLease {
	return &RenewProcessLease{
		ProcessID: lease.ProcessID, OwnerID: lease.Owner.OwnerID, IncarnationID: lease.Owner.IncarnationID,
		LeaseToken: lease.LeaseToken, FencingToken: lease.FencingToken, TTLMs: ttlMs,
	}
}

// CompleteProcessLease carries the lease to release.
type CompleteProcessLease struct {
	ProcessID  string
	LeaseToken string
}

func (*ClaimProcessLease) Kind() Kind    { return KindClaimProcessLease }
func (*ReclaimProcessLease) Kind() Kind  { return KindReclaimProcessLease }
func (*RenewProcessLease) Kind() Kind    { return KindRenewProcessLease }
func (*CompleteProcessLease) Kind() Kind { return KindCompleteProcessLease }

func (*ClaimProcessLease) version() uint8    { return 1 }
func (*ReclaimProcessLease) version() uint8  { return 1 }
func (*RenewProcessLease) version() uint8    { return 1 }
func (*CompleteProcessLease) version() uint8 { return 1 }
