package model

import "github.com/holdfast-registry/holdfast/registry"

// Batch is A26. Everything happens to a copy, which is thrown away when an
// operation is refused.
type Batch struct{ Ops []Op }

func (op Batch) step(s *State) Answer {
	next := s.Clone()
	var a Answer
	for i, one := range op.Ops {
		answer := next.Do(one)
		if answer.Code != 0 || answer.Busy {
			return refuseBatch(uint64(i), answer)
		}
		answer.Revision = next.Revision
		a.Batch = append(a.Batch, answer)
	}
	*s = *next
	return a
}

// refuseBatch names the operation, and keeps what its refusal tells.
func refuseBatch(operation uint64, answer Answer) Answer {
	fields, code := answer.Fields, answer.Code.String()
	if answer.Busy {
		fields, code = registry.Fields{ProcessID: answer.Lease.ProcessID, FencingToken: &answer.Lease.FencingToken}, "Busy"
	}
	fields.Operation, fields.OperationCode = &operation, code
	return Answer{Code: registry.CodeBatchRefused, Fields: fields}
}
