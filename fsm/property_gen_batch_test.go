package fsm_test

import (
	"context"
	"fmt"

	"pgregory.net/rapid"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// batchCall draws a few calls and makes one of them. Most that would be refused
// are left out, or hardly any batch were done.
func (h *harness) batchCall(t *rapid.T, id string) *call {
	var batch model.Batch
	var operations []registry.Operation
	trial := h.model.Clone()
	for range rapid.IntRange(1, 6).Draw(t, "operations") {
		if sometimes(t, "another process") {
			id = pick(t, processIDs, "process of the operation")
		}
		op := h.drawCall(t, id).op
		if operation := operationOf(op); operation != nil {
			if a := trial.Do(op); (a.Code != 0 || a.Busy) && !rarely(t, "refused") {
				continue
			}
			batch.Ops, operations = append(batch.Ops, op), append(operations, operation)
		}
	}
	if sometimes(t, "refused last") {
		op := model.AckWake{ProcessID: "nobody", Sequence: 1}
		batch.Ops, operations = append(batch.Ops, op), append(operations, operationOf(op))
	}
	if len(operations) == 0 {
		return h.grantCall(t, id)
	}
	return made("", batch, func(ctx context.Context, r registry.Registry) model.Answer {
		answers, err := r.(registry.Batches).Batch(ctx, operations)
		return answerOf(err, func(a *model.Answer) {
			for _, answer := range answers {
				a.Batch = append(a.Batch, answerOfOperation(answer))
			}
		})
	})
}

// operationOf is a call as an operation of a batch, nil when it is none.
func operationOf(op model.Op) registry.Operation {
	switch op := op.(type) {
	case model.RegisterProcess:
		return registry.RegisterProcessOperation(op)
	case model.SetExternalRef:
		return registry.SetExternalRefOperation(op)
	case model.CompleteProcess:
		return registry.CompleteProcessOperation(op)
	case model.RecordFirstStarted:
		return registry.RecordFirstStartedOperation(op)
	case model.RequestProcessAbandon:
		return registry.RequestProcessAbandonOperation(op)
	case model.SetProcessWait:
		return registry.SetProcessWaitOperation(op)
	case model.ClearProcessWait:
		return registry.ClearProcessWaitOperation(op)
	case model.AppendEvent:
		return registry.AppendEventOperation(op)
	case model.AckWake:
		return registry.AckWakeOperation(op)
	case model.GrantHandle:
		return registry.GrantHandleOperation(op)
	case model.RevokeHandle:
		return registry.RevokeHandleOperation(op)
	case model.TransferHandleGrants:
		return registry.TransferHandleGrantsOperation(op)
	case model.DeleteSessionProcessState:
		return registry.DeleteSessionProcessStateOperation(op)
	case model.ClaimProcessLease:
		return registry.ClaimProcessLeaseOperation{ProcessID: op.ProcessID, Owner: op.Owner, TTLMs: op.TTLMs}
	case model.ReclaimProcessLease:
		return registry.ReclaimProcessLeaseOperation{ProcessID: op.ProcessID, Owner: op.Owner, Observed: op.Observed, Verdict: op.Verdict, TTLMs: op.TTLMs}
	case model.RenewProcessLease:
		return registry.RenewProcessLeaseOperation(op)
	case model.CompleteProcessLease:
		return registry.CompleteProcessLeaseOperation(op)
	case model.ReleaseForRetry:
		return registry.ReleaseForRetryOperation(op)
	}
	return nil
}

// answerOfOperation is the model's form of what an operation was answered.
func answerOfOperation(answer registry.OperationAnswer) model.Answer {
	a := model.Answer{Record: answer.Record, Lease: answer.Lease, Deleted: answer.Deleted}
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

// drawn is an operation with what the registry drew for it in the command.
func drawn(op model.Op, command fsm.Command) model.Op {
	switch body := command.Body.(type) {
	case *fsm.ClaimProcessLease:
		if claim, ok := op.(model.ClaimProcessLease); ok {
			claim.Token = body.LeaseToken
			return claim
		}
	case *fsm.ReclaimProcessLease:
		if reclaim, ok := op.(model.ReclaimProcessLease); ok {
			reclaim.Token = body.LeaseToken
			return reclaim
		}
	case *fsm.ClaimNextLease:
		if next, ok := op.(model.ClaimNext); ok {
			next.Tokens = body.LeaseTokens
			return next
		}
	case *fsm.OpenSession:
		return model.OpenSession{ID: fmt.Sprintf("%x", body.ID)}
	case *fsm.Batch:
		if batch, ok := op.(model.Batch); ok {
			ops := make([]model.Op, len(batch.Ops))
			for i, inner := range body.Commands() {
				ops[i] = drawn(batch.Ops[i], inner)
			}
			return model.Batch{Ops: ops}
		}
	}
	if stamped, ok := op.(model.Stamped); ok {
		stamped.Op = drawn(stamped.Op, command)
		return stamped
	}
	return op
}

// mismatch tells whether a command was decided for another life than it meets.
// Those of a batch meet what the ones before them leave.
func (h *harness) mismatch(op model.Op, command fsm.Command) bool {
	state := h.model
	if stamped, ok := op.(model.Stamped); ok {
		if state.Answered(stamped.Session, stamped.Sequence) {
			return false
		}
		op = stamped.Op
	}
	batch, ok := op.(model.Batch)
	if !ok {
		return otherLife(state, command)
	}
	state = state.Clone()
	for i, inner := range command.Body.(*fsm.Batch).Commands() {
		if otherLife(state, inner) {
			return true
		}
		if a := state.Do(batch.Ops[i]); a.Code != 0 || a.Busy {
			return false
		}
	}
	return false
}

// otherLife looks at the life of a command; only appends have one.
func otherLife(state *model.State, command fsm.Command) bool {
	if command.Life == nil {
		return false
	}
	return *command.Life != state.Life(command.Body.(*fsm.AppendEvent).ProcessID)
}

// leasesOf are all leases in an answer.
func leasesOf(a model.Answer) (leases []*registry.ProcessLease) {
	if a.Lease != nil {
		leases = append(leases, a.Lease)
	}
	for i := range a.Claims {
		leases = append(leases, &a.Claims[i].Lease)
	}
	for _, one := range a.Batch {
		leases = append(leases, leasesOf(one)...)
	}
	return leases
}

func describe(op model.Op) string {
	switch op := op.(type) {
	case model.Stamped:
		return fmt.Sprintf("write %d of session %s, floor %d: %s", op.Sequence, op.Session, op.Floor, describe(op.Op))
	case model.Batch:
		out := "batch"
		for _, one := range op.Ops {
			out += "\n  " + describe(one)
		}
		return out
	}
	return fmt.Sprintf("%T %s", op, dump(op))
}
