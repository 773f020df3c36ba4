package workload

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/internal/model"
)

// readable is among how many of the latest processes readers choose.
const readable = 8

// RunReaders lets clients read what others write, now and then, until the
// context ends. Readers begin their calls at any time, also while the node that
// they call is paused or cut off, which clients at work do not: those wait for
// the call that was under way then. So a node that answers from what it knew
// before is likely to be found out by a reader.
func RunReaders(ctx context.Context, clients []*Client, seed uint64) {
	var all sync.WaitGroup
	for i, c := range clients {
		a := &actor{client: c, random: rand.New(rand.NewPCG(seed, uint64(1000+i)))}
		all.Go(func() {
			for ctx.Err() == nil {
				a.rest(ctx, 50*time.Millisecond, 4*time.Second)
				a.readTurn(ctx)
			}
		})
	}
	all.Wait()
}

// readTurn reads something that is being written to.
func (a *actor) readTurn(ctx context.Context) {
	ids := a.client.recorder.Processes()
	if len(ids) == 0 || ctx.Err() != nil {
		return
	}
	id := ids[max(0, len(ids)-1-a.random.IntN(readable))]
	switch weighted(a.random, 2, 2, 1) {
	case 0:
		a.client.Do(ctx, model.GetProcess{ProcessID: id})
	case 1:
		a.client.Do(ctx, model.EventsAfter{ProcessID: id})
	case 2:
		a.client.Do(ctx, model.GetProcessLease{ProcessID: id})
	}
}
