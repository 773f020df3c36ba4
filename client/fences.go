package client

import (
	"context"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// CheckFence implements registry.Fences. It is linearizable whatever read level
// the context asks for.
func (c *Client) CheckFence(ctx context.Context, processID string, fencingToken uint64) (registry.FenceStatus, error) {
	ctx = registry.WithReadLevel(ctx, registry.Linearizable)
	out, err := call(ctx, c, read, pb.RegistryClient.CheckFence, &pb.CheckFenceRequest{
		ProcessId: processID, FencingToken: fencingToken,
	})
	return converted(out.GetStatus(), err, wire.FenceStatusFromPB)
}
