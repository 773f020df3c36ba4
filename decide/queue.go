package decide

import (
	"context"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

var _ registry.Queue = (*Registry)(nil)

// ClaimNext implements registry.Queue. The wait comes before the command: what
// is proposed is decided by apply alone, and a write that was done already is
// not waited for.
func (r *Registry) ClaimNext(ctx context.Context, request registry.ClaimNextRequest) ([]registry.ClaimedProcess, error) {
	if err := registry.ValidateClaimNext(request); err != nil {
		return nil, err
	}
	tokens := make([]string, request.Limit)
	for i := range tokens {
		var err error
		if tokens[i], err = r.newToken(); err != nil {
			return nil, err
		}
	}
	if request.WaitMs > 0 {
		if err := r.awaitReady(ctx, request); err != nil {
			return nil, err
		}
	}
	result, err := r.propose(ctx, command(fsm.NewClaimNextLease(request.Owner, request.TTLMs, request.Kinds, tokens), nil))
	if err != nil {
		return nil, err
	}
	claimed := make([]registry.ClaimedProcess, len(result.Claims))
	for i, claim := range result.Claims {
		claimed[i] = registry.ClaimedProcess{Lease: *claim.Lease, Record: *claim.Process, Attempt: claim.Attempt}
	}
	return claimed, nil
}

// awaitReady waits until something is ready, or the write of the call's stamp
// has an answer already, or the wait is over.
func (r *Registry) awaitReady(ctx context.Context, request registry.ClaimNextRequest) error {
	var header *fsm.SessionHeader
	if stamp := registry.OptionsFrom(ctx).Session; stamp != nil {
		var err error
		if header, err = sessionHeader(*stamp); err != nil {
			return err
		}
	}
	return r.log.AwaitReady(ctx, request.Kinds, request.WaitMs, func(v fsm.View) bool {
		return v.AnyReady(request.Kinds) || header != nil && v.Answered(header.ID, header.Sequence)
	})
}

// ReleaseForRetry implements registry.Queue.
func (r *Registry) ReleaseForRetry(ctx context.Context, completion registry.ProcessLeaseCompletion, retryAfterMs uint64) error {
	err := firstError(registry.ValidateID("process_id", completion.ProcessID), registry.ValidateString("lease_token", completion.LeaseToken),
		registry.ValidateRetryAfter(retryAfterMs))
	if err != nil {
		return err
	}
	body := &fsm.ReleaseForRetry{ProcessID: completion.ProcessID, LeaseToken: completion.LeaseToken, RetryAfterMs: retryAfterMs}
	_, err = r.propose(ctx, command(body, nil))
	return err
}
