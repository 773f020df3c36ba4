package client

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"github.com/holdfast-registry/holdfast/client/liveness"
	"github.com/holdfast-registry/holdfast/registry"
)

// LocalOwner is the identity of one attempt of this process to hold leases: the
// owner id that is given, an incarnation of 128 random bits, and where this
// process runs, so that others on the host can tell when it has died. Where
// that cannot be read, the liveness is opaque. Every call is another
// incarnation: keep the identity for as long as its leases are to be one's own.
// Spec 3.17, A5.
func LocalOwner(ownerID string) registry.LeaseOwnerIdentity {
	var incarnation [16]byte
	// It cannot fail: the runtime ends the process first.
	_, _ = rand.Read(incarnation[:])
	return registry.LeaseOwnerIdentity{
		OwnerID:       ownerID,
		IncarnationID: hex.EncodeToString(incarnation[:]),
		Liveness:      liveness.Self(),
	}
}

// JudgeHolder says whether the holder of a lease has died, as far as this
// process can see it; claimant is who wants the lease. It reads /proc and asks
// no node. Package liveness says what it goes by. Spec 5.27.
func JudgeHolder(holder, claimant registry.LeaseOwnerIdentity) registry.HolderVerdict {
	return liveness.Judge(holder.Liveness, claimant.Liveness).Verdict
}

// ClaimOrReclaim takes the lease of a process if it is free, and takes it away
// from a holder that JudgeHolder finds dead. Busy is any other holder, or the
// one that was faster. It is a claim and at most one reclaim, and may be
// repeated whatever it came to: the same incarnation gets its own lease back.
// Errors: InvalidArgument, NotFound, Terminal. Spec 5.26, 5.27.
func ClaimOrReclaim(ctx context.Context, leases registry.Leases, processID string, owner registry.LeaseOwnerIdentity, ttlMs uint64) (registry.ProcessLeaseClaimOutcome, error) {
	return claimOrReclaim(ctx, leases, processID, owner, ttlMs, JudgeHolder)
}

// judge says whether the holder of a lease has died.
type judge func(holder, claimant registry.LeaseOwnerIdentity) registry.HolderVerdict

func claimOrReclaim(ctx context.Context, leases registry.Leases, processID string, owner registry.LeaseOwnerIdentity, ttlMs uint64, judge judge) (registry.ProcessLeaseClaimOutcome, error) {
	outcome, err := leases.ClaimProcessLease(ctx, processID, owner, ttlMs)
	if err != nil || outcome.Busy == nil {
		return outcome, err
	}
	verdict := judge(outcome.Busy.Owner, owner)
	if verdict != registry.VerdictDead {
		return outcome, nil
	}
	return leases.ReclaimProcessLease(ctx, processID, owner, *outcome.Busy, verdict, ttlMs)
}
