package fsm

import "github.com/holdfast-registry/holdfast/registry"

// ClaimNextLease carries a claim on whatever is ready, and the tokens that the
// leases will have: at most as many are granted.
type ClaimNextLease struct {
	Owner       storedOwner
	TTLMs       uint64
	Kinds       []string
	LeaseTokens []string

	owner registry.LeaseOwnerIdentity
}

// ReleaseForRetry carries the lease to release, and for how long claim-next is
// to leave the process alone.
type ReleaseForRetry struct {
	ProcessID    string
	LeaseToken   string
	RetryAfterMs uint64
}

// NewClaimNextLease makes the command body of a claim-next.
func NewClaimNextLease(owner registry.LeaseOwnerIdentity, ttlMs uint64, kinds, tokens []string) *ClaimNextLease {
	return &ClaimNextLease{Owner: storeOwner(owner), TTLMs: ttlMs, Kinds: kinds, LeaseTokens: tokens}
}

func (c *ClaimNextLease) load() (err error) {
	c.owner, err = c.Owner.load()
	return err
}

func (*ClaimNextLease) Kind() Kind  { return KindClaimNextLease }
func (*ReleaseForRetry) Kind() Kind { return KindReleaseForRetry }

func (*ClaimNextLease) version() uint8  { return 1 }
func (*ReleaseForRetry) version() uint8 { return 1 }
