package history

import (
	"encoding/json"
	"fmt"

	"github.com/holdfast-registry/holdfast/internal/model"
)

// batched is an operation of a batch as it is written.
type batched struct {
	Op   string          `json:"op"`
	Args json.RawMessage `json:"args"`
}

// compactBatch is the JSON of a batch: a list of its operations.
func compactBatch(batch model.Batch) (json.RawMessage, error) {
	ops := make([]batched, len(batch.Ops))
	for i, op := range batch.Ops {
		args, err := compact(op)
		if err != nil {
			return nil, err
		}
		ops[i] = batched{CallName(op), args}
	}
	return json.Marshal(ops)
}

// compactAll is the JSON of a list, each without its zero fields.
func compactAll(answers []model.Answer) (json.RawMessage, error) {
	texts := make([]json.RawMessage, len(answers))
	for i := range answers {
		text, err := compact(answers[i])
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return json.Marshal(texts)
}

// batchFrom reads a batch.
func batchFrom(args json.RawMessage) (model.Op, error) {
	var ops []batched
	if err := json.Unmarshal(args, &ops); err != nil {
		return nil, err
	}
	var batch model.Batch
	for _, op := range ops {
		typ, ok := calls[op.Op]
		if !ok {
			return nil, fmt.Errorf("there is no operation %q", op.Op)
		}
		call, err := callFrom(typ, op.Args)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op.Op, err)
		}
		batch.Ops = append(batch.Ops, call)
	}
	return batch, nil
}
