package client

import (
	"context"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// ClusterStatus implements registry.Admin. It is answered by the node at the
// address in use, even when that has lost sight of the leader.
func (c *Client) ClusterStatus(ctx context.Context) (registry.ClusterStatus, error) {
	out, err := callAdmin(ctx, c, localRead, pb.AdminClient.ClusterStatus, &pb.ClusterStatusRequest{})
	return converted(out, err, wire.ClusterStatusFromPB)
}

// TransferLeadership implements registry.Admin. It has no attempt timeout.
func (c *Client) TransferLeadership(ctx context.Context, toID string) error {
	_, err := callAdmin(ctx, c, longWrite, pb.AdminClient.TransferLeadership, &pb.TransferLeadershipRequest{ToId: toID})
	return err
}

// AddMember implements registry.Admin. It has no attempt timeout: catching up
// may take long.
func (c *Client) AddMember(ctx context.Context, id, addr string) error {
	_, err := callAdmin(ctx, c, longWrite, pb.AdminClient.AddMember, &pb.AddMemberRequest{Id: id, Addr: addr})
	return err
}

// RemoveMember implements registry.Admin. It has no attempt timeout.
func (c *Client) RemoveMember(ctx context.Context, id string) error {
	_, err := callAdmin(ctx, c, longWrite, pb.AdminClient.RemoveMember, &pb.RemoveMemberRequest{Id: id})
	return err
}

// TakeSnapshot implements registry.Admin. The node at the address in use takes
// it; to choose the node, dial with its address alone. It has no attempt
// timeout.
func (c *Client) TakeSnapshot(ctx context.Context) error {
	_, err := callAdmin(ctx, c, localWrite, pb.AdminClient.TakeSnapshot, &pb.TakeSnapshotRequest{})
	return err
}

// VerifyState implements registry.Admin. It has no attempt timeout.
func (c *Client) VerifyState(ctx context.Context) (registry.StateReport, error) {
	out, err := callAdmin(ctx, c, longWrite, pb.AdminClient.VerifyState, &pb.VerifyStateRequest{})
	return converted(out, err, wire.StateReportFromPB)
}
