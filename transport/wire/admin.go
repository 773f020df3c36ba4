package wire

import (
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// ClusterStatusToPB returns the wire form of a cluster status.
func ClusterStatusToPB(status registry.ClusterStatus) *pb.ClusterStatusResponse {
	return &pb.ClusterStatusResponse{
		ClusterId: status.ClusterID,
		Leader:    status.Leader,
		Term:      status.Term,
		Members:   rows(status.Members, fillMemberStatus),
	}
}

// ClusterStatusFromPB reads a cluster status.
func ClusterStatusFromPB(m *pb.ClusterStatusResponse) (registry.ClusterStatus, error) {
	var d decoder
	return result(&d, registry.ClusterStatus{
		ClusterID: m.GetClusterId(),
		Leader:    m.GetLeader(),
		Term:      m.GetTerm(),
		Members:   list(m.GetMembers(), "members", d.memberStatus),
	})
}

func fillMemberStatus(out *pb.MemberStatus, member *registry.MemberStatus) {
	out.Id = member.ID
	out.Addr = member.Addr
	out.Voter = member.Voter
	out.Status = NodeStatusToPB(member.NodeStatus)
	out.Error = member.Error
}

func (d *decoder) memberStatus(m *pb.MemberStatus, _ string) registry.MemberStatus {
	return registry.MemberStatus{
		ID:         m.GetId(),
		Addr:       m.GetAddr(),
		Voter:      m.GetVoter(),
		NodeStatus: NodeStatusFromPB(m.GetStatus()),
		Error:      m.GetError(),
	}
}

// NodeStatusToPB returns the wire form of a node's status.
func NodeStatusToPB(status registry.NodeStatus) *pb.NodeStatus {
	return &pb.NodeStatus{
		Role:          status.Role,
		Term:          status.Term,
		LastContactMs: status.LastContactMs,
		CommitIndex:   status.CommitIndex,
		AppliedIndex:  status.AppliedIndex,
		LastLogIndex:  status.LastLogIndex,
		SnapshotIndex: status.SnapshotIndex,
		Revision:      status.Revision,
		ClockMs:       status.ClockMs,
		LeaseTimeMs:   status.LeaseTimeMs,
		InstanceId:    status.InstanceID,
		Version:       status.Version,
	}
}

// NodeStatusFromPB reads a node's status; a missing one is the zero status.
func NodeStatusFromPB(m *pb.NodeStatus) registry.NodeStatus {
	return registry.NodeStatus{
		Role:          m.GetRole(),
		Term:          m.GetTerm(),
		LastContactMs: m.GetLastContactMs(),
		CommitIndex:   m.GetCommitIndex(),
		AppliedIndex:  m.GetAppliedIndex(),
		LastLogIndex:  m.GetLastLogIndex(),
		SnapshotIndex: m.GetSnapshotIndex(),
		Revision:      m.GetRevision(),
		ClockMs:       m.GetClockMs(),
		LeaseTimeMs:   m.GetLeaseTimeMs(),
		InstanceID:    m.GetInstanceId(),
		Version:       m.GetVersion(),
	}
}

// StateReportToPB returns the wire form of a state report.
func StateReportToPB(report registry.StateReport) *pb.VerifyStateResponse {
	return &pb.VerifyStateResponse{
		Index:   report.Index,
		Agree:   report.Agree,
		Members: rows(report.Members, fillMemberState),
	}
}

// StateReportFromPB reads a state report.
func StateReportFromPB(m *pb.VerifyStateResponse) (registry.StateReport, error) {
	var d decoder
	return result(&d, registry.StateReport{
		Index:   m.GetIndex(),
		Agree:   m.GetAgree(),
		Members: list(m.GetMembers(), "members", d.memberState),
	})
}

func fillMemberState(out *pb.MemberState, member *registry.MemberState) {
	out.Id = member.ID
	out.Hash = member.Hash
	out.Error = member.Error
}

func (d *decoder) memberState(m *pb.MemberState, _ string) registry.MemberState {
	return registry.MemberState{ID: m.GetId(), Hash: m.GetHash(), Error: m.GetError()}
}
