package decide

import (
	"context"
	"errors"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

var _ registry.Batches = (*Registry)(nil)

// Batch implements registry.Batches. Every operation runs as the method that
// it is, on a registry whose log gathers what is proposed: so it is checked,
// decided and answered by the same code as alone, only that the commands of
// all of them are applied as one.
func (r *Registry) Batch(ctx context.Context, operations []registry.Operation) ([]registry.OperationAnswer, error) {
	if len(operations) == 0 {
		return nil, registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "operations"}, "the batch has no operation: give at least one")
	}
	if count, limit := uint64(len(operations)), uint64(registry.MaxBatchOperations); count > limit {
		return nil, registry.Errorf(registry.CodeTooLarge, registry.Fields{Field: "operations", Limit: &limit, Value: &count},
			"the batch has %d operations, the limit is %d: make several of it", count, limit)
	}
	ctx, cancel := context.WithCancel(ctx)
	// Operations that wait for a result are given up when the batch is over.
	defer cancel()
	b := &batch{registry: r, ctx: ctx}
	for i, operation := range operations {
		if err := b.begin(operation); err != nil {
			return nil, refusedAt(i, err)
		}
	}
	result, err := r.propose(ctx, b.decide)
	if err != nil {
		return nil, err
	}
	return b.finish(result)
}

// batch is the operations of one call.
type batch struct {
	registry *Registry
	ctx      context.Context
	started  []*batchOperation
}

// batchOperation is one operation under way, and the log that it writes to.
type batchOperation struct {
	*batch
	proposed chan Decision
	decision Decision
	result   chan fsm.Result
	done     chan struct{}
	answer   registry.OperationAnswer
	err      error
}

// begin runs an operation up to what it proposes.
func (b *batch) begin(operation registry.Operation) error {
	o := &batchOperation{batch: b, proposed: make(chan Decision), result: make(chan fsm.Result, 1), done: make(chan struct{})}
	alone := *b.registry
	alone.log = o
	go func() {
		defer close(o.done)
		o.answer, o.err = operation.Do(unstamped(b.ctx), &alone)
	}()
	select {
	case o.decision = <-o.proposed:
		b.started = append(b.started, o)
		return nil
	case <-o.done:
		if o.err == nil {
			return registry.Errorf(registry.CodeInternal, registry.Fields{}, "an operation of a batch proposed nothing")
		}
		return o.err
	}
}

// Propose implements Log for one operation.
func (o *batchOperation) Propose(ctx context.Context, decide Decision) (fsm.Result, error) {
	select {
	case o.proposed <- decide:
	case <-o.ctx.Done():
		return fsm.Result{}, o.ctx.Err()
	}
	select {
	case result := <-o.result:
		return result, nil
	case <-o.ctx.Done():
		return fsm.Result{}, o.ctx.Err()
	}
}

// Read implements Log: no operation reads.
func (o *batchOperation) Read(context.Context, func(fsm.View)) error {
	return registry.Errorf(registry.CodeUnsupported, registry.Fields{Field: "operations"}, "a batch holds writes only")
}

// AwaitReady implements Log: no operation waits.
func (o *batchOperation) AwaitReady(context.Context, []string, uint64, func(fsm.View) bool) error {
	return registry.Errorf(registry.CodeUnsupported, registry.Fields{Field: "operations"}, "a batch does not wait")
}

// decide decides the operations against each other.
func (b *batch) decide(records Records) (fsm.Command, error) {
	registered := batchRecords{Records: records}
	var commands []fsm.Command
	for i, o := range b.started {
		c, err := o.decision(&registered)
		if err == nil {
			err = registered.follow(&c)
		}
		if err != nil {
			return fsm.Command{}, refusedAt(i, err)
		}
		commands = append(commands, c)
	}
	body, err := fsm.NewBatch(commands)
	if err != nil {
		return fsm.Command{}, registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "operations"}, "the operations make no batch: %v", err)
	}
	return fsm.Command{Body: body}, nil
}

// finish hands the results out and gathers the answers.
func (b *batch) finish(result fsm.Result) ([]registry.OperationAnswer, error) {
	answers := make([]registry.OperationAnswer, len(b.started))
	for i, o := range b.started {
		o.result <- result.Batch[i]
		<-o.done
		if o.err != nil {
			return nil, o.err
		}
		answers[i] = o.answer
	}
	return answers, nil
}

// refusedAt is the error of a batch with an operation that is wrong by itself.
// The code stays the operation's: such a batch never was one.
func refusedAt(operation int, err error) error {
	var refusal *registry.Error
	if !errors.As(err, &refusal) {
		return err
	}
	named, index := *refusal, uint64(operation)
	named.Fields.Operation, named.Fields.OperationCode = &index, refusal.Code.String()
	return &named
}

// batchRecords are the records as operations of a batch see them: with the
// processes that those before them register.
type batchRecords struct {
	Records
	registered map[string]*registry.ProcessRecord
}

// Process implements Records.
func (b *batchRecords) Process(id string) *registry.ProcessRecord {
	if record := b.registered[id]; record != nil {
		return record
	}
	return b.Records.Process(id)
}

// follow takes note of what a command of the batch registers. A later append to
// that process carries no life: it meets the one which this batch registered,
// or found registered with the same hash, or the batch is refused.
func (b *batchRecords) follow(c *fsm.Command) error {
	switch body := c.Body.(type) {
	case *fsm.RegisterProcess:
		record, err := body.Record()
		if err != nil {
			return registry.Errorf(registry.CodeInternal, registry.Fields{}, "read the registration again: %v", err)
		}
		if b.registered == nil {
			b.registered = make(map[string]*registry.ProcessRecord)
		}
		b.registered[record.ID] = &record
	case *fsm.AppendEvent:
		if b.registered[body.ProcessID] != nil {
			c.Life = nil
		}
	}
	return nil
}
