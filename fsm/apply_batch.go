package fsm

import "github.com/holdfast-registry/holdfast/registry"

// applyBatch applies operations in their order, all or none. Each sees what
// those before it did, and has a revision of its own. Spec A26.
func (s *state) applyBatch(b *Batch) Result {
	begin := s.beginBatch()
	result := Result{Batch: make([]Result, 0, len(b.commands))}
	for i, c := range b.commands {
		one := s.applyBody(c)
		switch {
		case one.LifeMismatch:
			s.rollBack(begin)
			return Result{LifeMismatch: true}
		case one.Refusal != nil:
			if mutant == keepsHalfOfABatch {
				s.endBatch()
			} else {
				s.rollBack(begin)
			}
			return Result{Refusal: refuseBatch(i, one.Refusal.Code.String(), one.Refusal)}
		case one.Busy:
			s.rollBack(begin)
			return Result{Refusal: refuseBatch(i, "Busy", busyRefusal(one.Lease))}
		}
		one.Answered = s.answered()
		result.Batch = append(result.Batch, one)
	}
	s.endBatch()
	return result
}

// refuseBatch names the operation that was refused, and keeps what its refusal
// said.
func refuseBatch(operation int, code string, refusal *registry.Error) *registry.Error {
	index := uint64(operation)
	fields := refusal.Fields
	fields.Operation, fields.OperationCode = &index, code
	return registry.Errorf(registry.CodeBatchRefused, fields,
		"operation %d of the batch was refused (%s), and nothing of it was done: %s", operation, code, refusal.Message)
}

// busyRefusal says who stands in the way of a claim in a batch.
func busyRefusal(holder *registry.ProcessLease) *registry.Error {
	return registry.Errorf(registry.CodeBatchRefused, registry.Fields{ProcessID: holder.ProcessID, FencingToken: &holder.FencingToken},
		"process `%s` is leased to `%s` with fencing token %d", holder.ProcessID, holder.Owner.OwnerID, holder.FencingToken)
}
