package client

import (
	"context"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// ClaimProcessLease implements registry.Leases.
func (c *Client) ClaimProcessLease(ctx context.Context, processID string, owner registry.LeaseOwnerIdentity, ttlMs uint64) (registry.ProcessLeaseClaimOutcome, error) {
	out, err := call(ctx, c, write, pb.RegistryClient.ClaimProcessLease, &pb.ClaimProcessLeaseRequest{
		ProcessId: processID, Owner: wire.OwnerToPB(owner), TtlMs: ttlMs, Session: session(ctx),
	})
	return converted(out.GetOutcome(), err, wire.OutcomeFromPB)
}

// ReclaimProcessLease implements registry.Leases.
func (c *Client) ReclaimProcessLease(ctx context.Context, processID string, owner registry.LeaseOwnerIdentity, observed registry.ProcessLease, verdict registry.HolderVerdict, ttlMs uint64) (registry.ProcessLeaseClaimOutcome, error) {
	out, err := call(ctx, c, write, pb.RegistryClient.ReclaimProcessLease, &pb.ReclaimProcessLeaseRequest{
		ProcessId: processID, Owner: wire.OwnerToPB(owner), Observed: wire.LeaseToPB(observed),
		Verdict: wire.VerdictToPB(verdict), TtlMs: ttlMs, Session: session(ctx),
	})
	return converted(out.GetOutcome(), err, wire.OutcomeFromPB)
}

// RenewProcessLease implements registry.Leases.
func (c *Client) RenewProcessLease(ctx context.Context, lease registry.ProcessLease, ttlMs uint64) (registry.ProcessLease, error) {
	out, err := call(ctx, c, write, pb.RegistryClient.RenewProcessLease, &pb.RenewProcessLeaseRequest{
		Lease: wire.LeaseToPB(lease), TtlMs: ttlMs, Session: session(ctx),
	})
	return converted(out.GetLease(), err, func(m *pb.ProcessLease) (registry.ProcessLease, error) {
		return wire.LeaseFromPB(m, "lease")
	})
}

// GetProcessLease implements registry.Leases.
func (c *Client) GetProcessLease(ctx context.Context, processID string) (*registry.ProcessLease, error) {
	out, err := call(ctx, c, read, pb.RegistryClient.GetProcessLease, &pb.GetProcessLeaseRequest{
		ProcessId: processID, ReadLevel: level(ctx),
	})
	return converted(out.GetLease(), err, wire.OptionalLeaseFromPB)
}

// CompleteProcessLease implements registry.Leases.
func (c *Client) CompleteProcessLease(ctx context.Context, completion registry.ProcessLeaseCompletion) error {
	_, err := call(ctx, c, write, pb.RegistryClient.CompleteProcessLease, &pb.CompleteProcessLeaseRequest{
		Completion: wire.CompletionToPB(completion), Session: session(ctx),
	})
	return err
}
