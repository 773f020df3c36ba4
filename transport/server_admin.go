package transport

import (
	"context"

	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// adminService serves the Admin service of a backend.
type adminService struct {
	pb.UnimplementedAdminServer
	backend Backend
}

func (s *adminService) ClusterStatus(ctx context.Context, _ *pb.ClusterStatusRequest) (*pb.ClusterStatusResponse, error) {
	status, err := s.backend.ClusterStatus(ctx)
	return wire.ClusterStatusToPB(status), err
}

func (s *adminService) TransferLeadership(ctx context.Context, in *pb.TransferLeadershipRequest) (*pb.TransferLeadershipResponse, error) {
	return &pb.TransferLeadershipResponse{}, s.backend.TransferLeadership(ctx, in.GetToId())
}

func (s *adminService) AddMember(ctx context.Context, in *pb.AddMemberRequest) (*pb.AddMemberResponse, error) {
	return &pb.AddMemberResponse{}, s.backend.AddMember(ctx, in.GetId(), in.GetAddr())
}

func (s *adminService) RemoveMember(ctx context.Context, in *pb.RemoveMemberRequest) (*pb.RemoveMemberResponse, error) {
	return &pb.RemoveMemberResponse{}, s.backend.RemoveMember(ctx, in.GetId())
}

func (s *adminService) TakeSnapshot(ctx context.Context, _ *pb.TakeSnapshotRequest) (*pb.TakeSnapshotResponse, error) {
	return &pb.TakeSnapshotResponse{}, s.backend.TakeSnapshot(ctx)
}

func (s *adminService) VerifyState(ctx context.Context, _ *pb.VerifyStateRequest) (*pb.VerifyStateResponse, error) {
	report, err := s.backend.VerifyState(ctx)
	return wire.StateReportToPB(report), err
}

// nodeService serves the Node service of a node.
type nodeService struct {
	pb.UnimplementedNodeServer
	backend NodeBackend
}

func (s *nodeService) CurrentTerm(context.Context, *pb.CurrentTermRequest) (*pb.CurrentTermResponse, error) {
	return &pb.CurrentTermResponse{Term: s.backend.CurrentTerm()}, nil
}

func (s *nodeService) NodeStatus(ctx context.Context, _ *pb.NodeStatusRequest) (*pb.NodeStatusResponse, error) {
	status, err := s.backend.NodeStatus(ctx)
	return &pb.NodeStatusResponse{Status: wire.NodeStatusToPB(status)}, err
}

func (s *nodeService) StateHash(ctx context.Context, in *pb.StateHashRequest) (*pb.StateHashResponse, error) {
	hash, err := s.backend.StateHash(ctx, in.GetIndex())
	return &pb.StateHashResponse{Hash: hash}, err
}

func (s *nodeService) ReadIndex(ctx context.Context, _ *pb.ReadIndexRequest) (*pb.ReadIndexResponse, error) {
	index, err := s.backend.ReadIndex(ctx)
	return &pb.ReadIndexResponse{Index: index}, err
}
