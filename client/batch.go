package client

import (
	"context"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// Batch implements registry.Batches:
//
//	answers, err := c.Batch(ctx, []registry.Operation{
//		registry.RegisterProcessOperation{Registration: registration},
//		registry.GrantHandleOperation{Scope: scope, ProcessID: registration.ID},
//		registry.ClaimProcessLeaseOperation{ProcessID: registration.ID, Owner: owner, TTLMs: 30_000},
//	})
//	…
//	lease := answers[2].Claim.Acquired
//
// All of it happens, once, or nothing does.
func (c *Client) Batch(ctx context.Context, operations []registry.Operation) ([]registry.OperationAnswer, error) {
	encoded, err := wire.OperationsToPB(operations)
	if err != nil {
		return nil, err
	}
	out, err := call(ctx, c, write, pb.RegistryClient.Batch, &pb.BatchRequest{Operations: encoded, Session: session(ctx)})
	return converted(out.GetAnswers(), err, wire.OperationAnswersFromPB)
}
