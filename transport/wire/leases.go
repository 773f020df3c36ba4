package wire

import (
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// OwnerToPB returns the wire form of an owner identity.
func OwnerToPB(owner registry.LeaseOwnerIdentity) *pb.LeaseOwnerIdentity { return ownerToPB(&owner) }

// OwnerFromPB reads an owner identity; field names it in errors.
func OwnerFromPB(m *pb.LeaseOwnerIdentity, field string) (registry.LeaseOwnerIdentity, error) {
	var d decoder
	return result(&d, d.owner(m, field))
}

func ownerToPB(owner *registry.LeaseOwnerIdentity) *pb.LeaseOwnerIdentity {
	return &pb.LeaseOwnerIdentity{
		OwnerId:       owner.OwnerID,
		IncarnationId: owner.IncarnationID,
		Liveness:      livenessToPB(&owner.Liveness),
	}
}

func (d *decoder) owner(m *pb.LeaseOwnerIdentity, field string) registry.LeaseOwnerIdentity {
	if m == nil {
		d.missing(field)
	}
	return registry.LeaseOwnerIdentity{
		OwnerID:       m.GetOwnerId(),
		IncarnationID: m.GetIncarnationId(),
		Liveness:      d.liveness(m.GetLiveness()),
	}
}

// livenessToPB leaves the zero value out, which reads the same.
func livenessToPB(liveness *registry.LeaseOwnerLiveness) *pb.LeaseOwnerLiveness {
	if *liveness == (registry.LeaseOwnerLiveness{}) {
		return nil
	}
	return &pb.LeaseOwnerLiveness{
		Kind:         livenessKinds.toPB(liveness.Kind),
		HostId:       liveness.HostID,
		BootId:       liveness.BootID,
		Pid:          liveness.PID,
		ProcessStart: liveness.ProcessStart,
	}
}

func (d *decoder) liveness(m *pb.LeaseOwnerLiveness) registry.LeaseOwnerLiveness {
	return registry.LeaseOwnerLiveness{
		Kind:         livenessKinds.fromPB(d, m.GetKind(), "liveness.kind"),
		HostID:       m.GetHostId(),
		BootID:       m.GetBootId(),
		PID:          m.GetPid(),
		ProcessStart: m.GetProcessStart(),
	}
}

// LeaseToPB returns the wire form of a lease.
func LeaseToPB(lease registry.ProcessLease) *pb.ProcessLease { return leaseToPB(&lease) }

// LeaseFromPB reads a lease; field names it in errors.
func LeaseFromPB(m *pb.ProcessLease, field string) (registry.ProcessLease, error) {
	var d decoder
	return result(&d, d.lease(m, field))
}

// OptionalLeaseToPB returns the wire form of a lease that there may not be.
func OptionalLeaseToPB(lease *registry.ProcessLease) *pb.ProcessLease {
	return pointer(lease, leaseToPB)
}

// OptionalLeaseFromPB reads a lease that there may not be.
func OptionalLeaseFromPB(m *pb.ProcessLease) (*registry.ProcessLease, error) {
	var d decoder
	return result(&d, optional(m, "lease", d.lease))
}

func leaseToPB(lease *registry.ProcessLease) *pb.ProcessLease {
	return &pb.ProcessLease{
		ProcessId:    lease.ProcessID,
		Owner:        ownerToPB(&lease.Owner),
		LeaseToken:   lease.LeaseToken,
		FencingToken: lease.FencingToken,
		ClaimedAtMs:  lease.ClaimedAtMs,
		ExpiresAtMs:  lease.ExpiresAtMs,
	}
}

func (d *decoder) lease(m *pb.ProcessLease, field string) registry.ProcessLease {
	if m == nil {
		d.missing(field)
	}
	return registry.ProcessLease{
		ProcessID:    m.GetProcessId(),
		Owner:        d.owner(m.GetOwner(), "owner"),
		LeaseToken:   m.GetLeaseToken(),
		FencingToken: m.GetFencingToken(),
		ClaimedAtMs:  m.GetClaimedAtMs(),
		ExpiresAtMs:  m.GetExpiresAtMs(),
	}
}

// FenceToPB returns the wire form of a fence; none is nil.
func FenceToPB(fence *registry.Fence) *pb.Fence {
	if fence == nil {
		return nil
	}
	return &pb.Fence{LeaseToken: fence.LeaseToken, FencingToken: fence.FencingToken}
}

// FenceFromPB reads a fence; none is nil.
func FenceFromPB(m *pb.Fence) *registry.Fence {
	if m == nil {
		return nil
	}
	return &registry.Fence{LeaseToken: m.GetLeaseToken(), FencingToken: m.GetFencingToken()}
}

// FenceStatusToPB returns the wire form of what a fencing token is worth.
func FenceStatusToPB(status registry.FenceStatus) *pb.FenceStatus {
	return &pb.FenceStatus{
		Current: status.Current, Live: status.Live,
		FencingToken: status.FencingToken, LeaseTimeLeftMs: status.LeaseTimeLeftMs,
	}
}

// FenceStatusFromPB reads what a fencing token is worth.
func FenceStatusFromPB(m *pb.FenceStatus) (registry.FenceStatus, error) {
	var d decoder
	if m == nil {
		d.missing("status")
	}
	return result(&d, registry.FenceStatus{
		Current: m.GetCurrent(), Live: m.GetLive(),
		FencingToken: m.GetFencingToken(), LeaseTimeLeftMs: m.GetLeaseTimeLeftMs(),
	})
}

// OutcomeToPB returns the wire form of a claim's outcome.
func OutcomeToPB(outcome registry.ProcessLeaseClaimOutcome) *pb.ProcessLeaseClaimOutcome {
	return &pb.ProcessLeaseClaimOutcome{
		Acquired: pointer(outcome.Acquired, leaseToPB),
		Busy:     pointer(outcome.Busy, leaseToPB),
	}
}

// OutcomeFromPB reads a claim's outcome.
func OutcomeFromPB(m *pb.ProcessLeaseClaimOutcome) (registry.ProcessLeaseClaimOutcome, error) {
	var d decoder
	if m == nil {
		d.missing("outcome")
	}
	return result(&d, registry.ProcessLeaseClaimOutcome{
		Acquired: optional(m.GetAcquired(), "acquired", d.lease),
		Busy:     optional(m.GetBusy(), "busy", d.lease),
	})
}

// CompletionToPB returns the wire form of a lease completion.
func CompletionToPB(completion registry.ProcessLeaseCompletion) *pb.ProcessLeaseCompletion {
	return &pb.ProcessLeaseCompletion{ProcessId: completion.ProcessID, LeaseToken: completion.LeaseToken}
}

// CompletionFromPB reads a lease completion.
func CompletionFromPB(m *pb.ProcessLeaseCompletion) (registry.ProcessLeaseCompletion, error) {
	var d decoder
	if m == nil {
		d.missing("completion")
	}
	return result(&d, registry.ProcessLeaseCompletion{ProcessID: m.GetProcessId(), LeaseToken: m.GetLeaseToken()})
}
