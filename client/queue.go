package client

import (
	"context"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// ClaimNext implements registry.Queue. The wait comes on top of the attempt
// timeout, and does not eat the time in which the call is tried again.
func (c *Client) ClaimNext(ctx context.Context, request registry.ClaimNextRequest) ([]registry.ClaimedProcess, error) {
	in := wire.ClaimNextRequestToPB(request)
	in.Session = session(ctx)
	out, err := call(ctx, c, write.waiting(request.WaitMs), pb.RegistryClient.ClaimNext, in)
	return converted(out, err, wire.ClaimedFromPB)
}

// ReleaseForRetry implements registry.Queue.
func (c *Client) ReleaseForRetry(ctx context.Context, completion registry.ProcessLeaseCompletion, retryAfterMs uint64) error {
	_, err := call(ctx, c, write, pb.RegistryClient.ReleaseForRetry, &pb.ReleaseForRetryRequest{
		Completion: wire.CompletionToPB(completion), RetryAfterMs: retryAfterMs, Session: session(ctx),
	})
	return err
}
