package workload

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// callTimeout bounds one call: what hangs for longer is of unknown outcome.
const callTimeout = 7 * time.Second

// Registry is what workloads call.
type Registry interface {
	registry.Registry
	registry.Queue
	registry.Fences
	registry.Batches
}

// Client makes calls and records them. One call is made at a time.
type Client struct {
	name     string
	registry Registry
	recorder *history.Recorder
	// clockMs is the clock of the cluster as the client saw it last.
	clockMs uint64
}

// NewClient returns a client of this name, whose calls go to a registry.
func NewClient(name string, r Registry, recorder *history.Recorder) *Client {
	return &Client{name: name, registry: r, recorder: recorder}
}

// Do makes a call and records it. The end of the context does not cut the call
// off: what is under way when a run ends is waited for.
func (c *Client) Do(ctx context.Context, call model.Op) *history.Op {
	var info registry.AnswerInfo
	ctx, cancel := context.WithTimeout(registry.WithAnswerInfo(context.WithoutCancel(ctx), &info), callTimeout)
	defer cancel()
	o := c.recorder.Invoke(c.name, call)
	answer, err := perform(ctx, c.registry, call)
	outcome := history.OK
	if err != nil {
		outcome = history.Unknown
		if registry.IsDefinite(err) {
			outcome = history.Refused
		}
		answer = model.Answer{Code: registry.CodeOf(err)}
		if e, ok := errors.AsType[*registry.Error](err); ok {
			answer.Fields = e.Fields
		}
	}
	c.clockMs = max(c.clockMs, info.ClockMs)
	c.recorder.Return(o, outcome, answer, info, err)
	return o
}
