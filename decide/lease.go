package decide

import (
	"context"
	"encoding/hex"
	"io"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// newToken draws a lease token: 128 random bits in hex.
func (r *Registry) newToken() (string, error) {
	var token [16]byte
	if _, err := io.ReadFull(r.entropy, token[:]); err != nil {
		return "", registry.Errorf(registry.CodeInternal, registry.Fields{}, "no random bits for a lease token: %v", err)
	}
	return hex.EncodeToString(token[:]), nil
}

// ClaimProcessLease implements registry.Leases.
func (r *Registry) ClaimProcessLease(ctx context.Context, processID string, owner registry.LeaseOwnerIdentity, ttlMs uint64) (registry.ProcessLeaseClaimOutcome, error) {
	err := firstError(registry.ValidateID("process_id", processID), registry.ValidateOwner("owner", owner), registry.ValidateTTL(ttlMs))
	if err != nil {
		return registry.ProcessLeaseClaimOutcome{}, err
	}
	token, err := r.newToken()
	if err != nil {
		return registry.ProcessLeaseClaimOutcome{}, err
	}
	result, err := r.propose(ctx, command(fsm.NewClaimProcessLease(processID, owner, ttlMs, token), nil))
	if err != nil {
		return registry.ProcessLeaseClaimOutcome{}, err
	}
	return claimOutcome(result), nil
}

func claimOutcome(result fsm.Result) registry.ProcessLeaseClaimOutcome {
	if result.Busy {
		return registry.ProcessLeaseClaimOutcome{Busy: result.Lease}
	}
	return registry.ProcessLeaseClaimOutcome{Acquired: result.Lease}
}

// ReclaimProcessLease implements registry.Leases. Whether the holder is dead
// can only be seen where it ran, so the verdict is the claimant's. Spec A5.
func (r *Registry) ReclaimProcessLease(ctx context.Context, processID string, owner registry.LeaseOwnerIdentity, observed registry.ProcessLease, verdict registry.HolderVerdict, ttlMs uint64) (registry.ProcessLeaseClaimOutcome, error) {
	err := firstError(registry.ValidateID("process_id", processID), registry.ValidateOwner("owner", owner),
		registry.ValidateObserved(observed), registry.ValidateVerdict(verdict), registry.ValidateTTL(ttlMs))
	if err != nil {
		return registry.ProcessLeaseClaimOutcome{}, err
	}
	token, err := r.newToken()
	if err != nil {
		return registry.ProcessLeaseClaimOutcome{}, err
	}
	result, err := r.propose(ctx, command(fsm.NewReclaimProcessLease(processID, owner, observed, verdict, ttlMs, token), nil))
	if err != nil {
		return registry.ProcessLeaseClaimOutcome{}, err
	}
	return claimOutcome(result), nil
}

// RenewProcessLease implements registry.Leases. It answers the caller's lease
// with the new end, spec 5.28.
func (r *Registry) RenewProcessLease(ctx context.Context, lease registry.ProcessLease, ttlMs uint64) (registry.ProcessLease, error) {
	err := firstError(registry.ValidateID("process_id", lease.ProcessID), registry.ValidateOwner("owner", lease.Owner),
		registry.ValidateFence(lease.Fence()), registry.ValidateTTL(ttlMs))
	if err != nil {
		return registry.ProcessLease{}, err
	}
	result, err := r.propose(ctx, command(fsm.NewRenewProcessLease(lease, ttlMs), nil))
	if err != nil {
		return registry.ProcessLease{}, err
	}
	lease.ExpiresAtMs = result.Lease.ExpiresAtMs
	return lease, nil
}

// GetProcessLease implements registry.Leases.
func (r *Registry) GetProcessLease(ctx context.Context, processID string) (*registry.ProcessLease, error) {
	if err := registry.ValidateID("process_id", processID); err != nil {
		return nil, err
	}
	var lease *registry.ProcessLease
	if err := r.log.Read(ctx, func(v fsm.View) { lease = v.Lease(processID) }); err != nil {
		return nil, err
	}
	return lease, nil
}

// CompleteProcessLease implements registry.Leases.
func (r *Registry) CompleteProcessLease(ctx context.Context, completion registry.ProcessLeaseCompletion) error {
	err := firstError(registry.ValidateID("process_id", completion.ProcessID), registry.ValidateString("lease_token", completion.LeaseToken))
	if err != nil {
		return err
	}
	_, err = r.propose(ctx, command(&fsm.CompleteProcessLease{ProcessID: completion.ProcessID, LeaseToken: completion.LeaseToken}, nil))
	return err
}
