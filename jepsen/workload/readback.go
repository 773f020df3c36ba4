package workload

import (
	"context"
	"fmt"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
)

// readTries is how often each read back is tried: it is done when the cluster
// serves again, so that one failure may be bad luck and ten are not.
const readTries = 10

// ReadBack reads everything that there is about the processes, so that every
// write that was acked has to show.
func ReadBack(ctx context.Context, c *Client, processes []string) error {
	for _, id := range processes {
		for _, call := range []model.Op{
			model.GetProcess{ProcessID: id}, model.EventsAfter{ProcessID: id},
			model.GetProcessLease{ProcessID: id}, model.HandleGrantsForProcess{ProcessID: id},
		} {
			if err := c.read(ctx, call); err != nil {
				return err
			}
		}
	}
	return nil
}

// read makes a read until the state answers it.
func (c *Client) read(ctx context.Context, call model.Op) error {
	var o *history.Op
	for range readTries {
		if o = c.Do(ctx, call); o.Judged() {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("%s was not answered in %d tries, last with: %s", history.CallName(call), readTries, o.Error)
}
