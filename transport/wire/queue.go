package wire

import (
	"math"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// ClaimNextRequestToPB returns the wire form of the arguments of ClaimNext.
func ClaimNextRequestToPB(request registry.ClaimNextRequest) *pb.ClaimNextRequest {
	return &pb.ClaimNextRequest{
		Owner: OwnerToPB(request.Owner), TtlMs: request.TTLMs, Limit: int64(request.Limit), Kinds: request.Kinds, WaitMs: request.WaitMs,
	}
}

// ClaimNextRequestFromPB reads the arguments of ClaimNext. A limit that does
// not fit an int is brought to its ends, where the registry refuses it.
func ClaimNextRequestFromPB(m *pb.ClaimNextRequest) (registry.ClaimNextRequest, error) {
	owner, err := OwnerFromPB(m.GetOwner(), "owner")
	return registry.ClaimNextRequest{
		Owner: owner, TTLMs: m.GetTtlMs(), Limit: int(min(max(m.GetLimit(), math.MinInt), math.MaxInt)), Kinds: m.GetKinds(), WaitMs: m.GetWaitMs(),
	}, err
}

// ClaimedToPB returns the wire form of what ClaimNext leased.
func ClaimedToPB(claimed []registry.ClaimedProcess) *pb.ClaimNextResponse {
	return &pb.ClaimNextResponse{Claims: rows(claimed, func(m *pb.ClaimedProcess, claim *registry.ClaimedProcess) {
		m.Lease, m.Record, m.Attempt = LeaseToPB(claim.Lease), RecordToPB(claim.Record), claim.Attempt
	})}
}

// ClaimedFromPB reads what ClaimNext leased.
func ClaimedFromPB(m *pb.ClaimNextResponse) ([]registry.ClaimedProcess, error) {
	var claimed []registry.ClaimedProcess
	for _, claim := range m.GetClaims() {
		lease, err := LeaseFromPB(claim.GetLease(), "claims.lease")
		if err != nil {
			return nil, err
		}
		record, err := RecordFromPB(claim.GetRecord())
		if err != nil {
			return nil, err
		}
		claimed = append(claimed, registry.ClaimedProcess{Lease: lease, Record: record, Attempt: claim.GetAttempt()})
	}
	return claimed, nil
}
