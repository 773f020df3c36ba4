package workload

import (
	"context"
	"fmt"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// performBatch makes the call that a batch of the model stands for.
func performBatch(ctx context.Context, r Registry, batch model.Batch) (a model.Answer, err error) {
	var operations []registry.Operation
	for _, op := range batch.Ops {
		operations = append(operations, operation(op))
	}
	answers, err := r.Batch(ctx, operations)
	for _, answer := range answers {
		a.Batch = append(a.Batch, answered(answer))
	}
	return a, err
}

// operation is the operation of a batch that an op of the model stands for.
func operation(call model.Op) registry.Operation {
	switch op := call.(type) {
	case model.RegisterProcess:
		return registry.RegisterProcessOperation(op)
	case model.CompleteProcess:
		return registry.CompleteProcessOperation(op)
	case model.SetProcessWait:
		return registry.SetProcessWaitOperation(op)
	case model.ClearProcessWait:
		return registry.ClearProcessWaitOperation(op)
	case model.AppendEvent:
		return registry.AppendEventOperation(op)
	case model.GrantHandle:
		return registry.GrantHandleOperation(op)
	case model.ClaimProcessLease:
		return registry.ClaimProcessLeaseOperation{ProcessID: op.ProcessID, Owner: op.Owner, TTLMs: op.TTLMs}
	case model.CompleteProcessLease:
		return registry.CompleteProcessLeaseOperation(op)
	}
	panic(fmt.Sprintf("no workload makes a batch of %T", call))
}

// answered is what an operation of a batch was answered.
func answered(answer registry.OperationAnswer) (a model.Answer) {
	a.Record, a.Lease, a.Deleted = answer.Record, answer.Lease, answer.Deleted
	if answer.Append != nil {
		a.Event, a.Delivery = &answer.Append.Event, answer.Append.WakeDelivery
	}
	if answer.Grant != nil {
		a.Grants = []registry.ProcessHandleGrant{*answer.Grant}
	}
	if answer.Claim != nil {
		a.Lease = answer.Claim.Acquired
	}
	return a
}
