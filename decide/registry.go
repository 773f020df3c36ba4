package decide

import (
	"context"
	"io"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// Log is what a Registry writes to and reads from.
type Log interface {
	// Propose decides a command on the applied state, commits and applies it,
	// and returns its result. An error is a *registry.Error; a refusal by the
	// state machine is in the result instead.
	Propose(ctx context.Context, decide Decision) (fsm.Result, error)
	// Read runs a function over a state that is as fresh as the context's read
	// level asks for.
	Read(ctx context.Context, read func(fsm.View)) error
	// AwaitReady waits, for at most waitMs, until done is true of the applied
	// state, or a process of these kinds (none are all) became ready. It may
	// return early. An error is a *registry.Error.
	AwaitReady(ctx context.Context, kinds []string, waitMs uint64, done func(fsm.View) bool) error
}

// Records reads single records of the applied state.
type Records interface {
	// Process returns a record, nil when there is none.
	Process(id string) *registry.ProcessRecord
}

// Decision makes a command. It runs without the state's lock, since a payload
// may take long to check: what it read may be old when the command is applied,
// which is what the command's life is for.
type Decision func(Records) (fsm.Command, error)

// Registry is a registry.Registry over a Log. It is safe for concurrent use.
type Registry struct {
	log     Log
	tier    registry.DurabilityTier
	entropy io.Reader
	schemas *schemaCache
}

var _ registry.Registry = (*Registry)(nil)

// NewRegistry makes a registry over a log. entropy is where lease tokens come
// from; it must be safe for concurrent use and never fail.
func NewRegistry(log Log, tier registry.DurabilityTier, entropy io.Reader) *Registry {
	return &Registry{log: log, tier: tier, entropy: entropy, schemas: newSchemaCache()}
}

// maxDecisions is how often a request is decided when the process's life ends
// under it every time. Spec A12.
const maxDecisions = 3

// propose runs a decision through the log until it met the life that it was
// made for.
func (r *Registry) propose(ctx context.Context, decide Decision) (fsm.Result, error) {
	if stamp := registry.OptionsFrom(ctx).Session; stamp != nil {
		header, err := sessionHeader(*stamp)
		if err != nil {
			return fsm.Result{}, err
		}
		decide = decide.inSession(header)
	}
	for range maxDecisions {
		result, err := r.log.Propose(ctx, decide)
		if err != nil {
			return result, err
		}
		if result.LifeMismatch {
			continue
		}
		if result.Refusal != nil {
			return result, result.Refusal
		}
		return result, nil
	}
	return fsm.Result{}, registry.Errorf(registry.CodeOverloaded, registry.Fields{},
		"the process was pruned and registered again %d times while the call was decided: nothing was done, try again", maxDecisions)
}

// command wraps a body that does not depend on the state.
func command(body fsm.Body, fence *registry.Fence) Decision {
	return func(Records) (fsm.Command, error) { return fsm.Command{Body: body, Fence: fence}, nil }
}

// firstError returns the first error of checks that were all made.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// DurabilityTier implements registry.Processes.
func (r *Registry) DurabilityTier() registry.DurabilityTier { return r.tier }
