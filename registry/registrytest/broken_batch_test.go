package registrytest_test

import (
	"context"
	"slices"
	"sync"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/memory"
)

type (
	operations = []registry.Operation
	answers    = []registry.OperationAnswer
)

// stepwiseBatches does the operations one after the other.
type stepwiseBatches struct{ *memory.Registry }

func (r stepwiseBatches) Batch(ctx context.Context, ops operations) (answers, error) {
	var all answers
	for i, op := range ops {
		one, err := r.Registry.Batch(ctx, operations{op})
		if refusal, ok := err.(*registry.Error); ok {
			*refusal.Fields.Operation = uint64(i)
			return nil, err
		}
		all = append(all, one...)
	}
	return all, nil
}

// backwardBatches does the operations in another order.
type backwardBatches struct{ *memory.Registry }

func (r backwardBatches) Batch(ctx context.Context, ops operations) (answers, error) {
	ops = slices.Clone(ops)
	slices.Reverse(ops)
	all, err := r.Registry.Batch(ctx, ops)
	slices.Reverse(all)
	return all, err
}

// oneRevision answers all operations with the batch's revision.
type oneRevision struct{ *memory.Registry }

func (r oneRevision) Batch(ctx context.Context, ops operations) (answers, error) {
	all, err := r.Registry.Batch(ctx, ops)
	for _, answer := range all {
		if answer.Record != nil {
			answer.Record.Revision = all[len(all)-1].Record.Revision
		}
	}
	return all, err
}

// shortAnswers leaves out what a claim answers.
type shortAnswers struct{ *memory.Registry }

func (r shortAnswers) Batch(ctx context.Context, ops operations) (answers, error) {
	all, err := r.Registry.Batch(ctx, ops)
	for i := range all {
		all[i].Claim = nil
	}
	return all, err
}

// wastefulBatches takes a fencing token for what it refused.
type wastefulBatches struct{ *memory.Registry }

func (r wastefulBatches) Batch(ctx context.Context, ops operations) (answers, error) {
	all, err := r.Registry.Batch(ctx, ops)
	if claim, ok := ops[0].(registry.ClaimProcessLeaseOperation); ok && err != nil {
		if lease, err := r.ClaimProcessLease(ctx, claim.ProcessID, claim.Owner, claim.TTLMs); err == nil {
			r.CompleteProcessLease(ctx, registry.ProcessLeaseCompletion{ProcessID: claim.ProcessID, LeaseToken: lease.Acquired.LeaseToken})
		}
	}
	return all, err
}

// busyBatches goes on without the claim that found a live lease.
type busyBatches struct{ *memory.Registry }

func (r busyBatches) Batch(ctx context.Context, ops operations) (answers, error) {
	all, err := r.Registry.Batch(ctx, ops)
	if refusal, ok := err.(*registry.Error); ok && refusal.Fields.OperationCode == "Busy" {
		i := int(*refusal.Fields.Operation)
		return r.Registry.Batch(ctx, slices.Delete(slices.Clone(ops), i, i+1))
	}
	return all, err
}

// bareRefusals keeps only which operation was refused.
type bareRefusals struct{ *memory.Registry }

func (r bareRefusals) Batch(ctx context.Context, ops operations) (answers, error) {
	all, err := r.Registry.Batch(ctx, ops)
	if refusal, ok := err.(*registry.Error); ok {
		refusal.Fields = registry.Fields{Operation: refusal.Fields.Operation, OperationCode: refusal.Fields.OperationCode}
	}
	return all, err
}

// alwaysBatchRefused has one code for whatever a batch is refused for.
type alwaysBatchRefused struct{ *memory.Registry }

func (r alwaysBatchRefused) Batch(ctx context.Context, ops operations) (answers, error) {
	all, err := r.Registry.Batch(ctx, ops)
	if refusal, ok := err.(*registry.Error); ok {
		refusal.Code = registry.CodeBatchRefused
	}
	return all, err
}

// endlessBatches makes several batches of a large one.
type endlessBatches struct{ *memory.Registry }

func (r endlessBatches) Batch(ctx context.Context, ops operations) (answers, error) {
	var all answers
	for part := range slices.Chunk(ops, registry.MaxBatchOperations) {
		some, err := r.Registry.Batch(ctx, part)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// unstampedBatches forgets the stamp of a batch.
type unstampedBatches struct{ *memory.Registry }

func (r unstampedBatches) Batch(ctx context.Context, ops operations) (answers, error) {
	return r.Registry.Batch(registry.WithOptions(ctx, registry.CallOptions{}), ops)
}

// halvedBatches does its first batch in two steps, with a look between them.
type halvedBatches struct {
	*memory.Registry
	halved sync.Once
	// mu is held by a look and by the first step: no look is half before it.
	mu      sync.Mutex
	between bool
	looked  chan struct{}
}

func newHalvedBatches(r *memory.Registry) *halvedBatches {
	return &halvedBatches{Registry: r, looked: make(chan struct{}, 1)}
}

func (r *halvedBatches) ListHandleGrants(ctx context.Context, s registry.SessionScope, p registry.PageRequest) (entries, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	page, err := r.Registry.ListHandleGrants(ctx, s, p)
	if r.between {
		select {
		case r.looked <- struct{}{}:
		default:
		}
	}
	return page, err
}

func (r *halvedBatches) Batch(ctx context.Context, ops operations) (all answers, err error) {
	r.halved.Do(func() {
		r.mu.Lock()
		all, err = r.Registry.Batch(ctx, ops[:1])
		r.between = true
		r.mu.Unlock()
		select {
		case <-r.looked:
		case <-ctx.Done():
		}
		ops = ops[1:]
	})
	rest, err := r.Registry.Batch(ctx, ops)
	return append(all, rest...), err
}
