package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Workload is a kind of work that a run can be made of.
type Workload struct {
	// Name is how the command line calls it; Help is one line about it.
	Name, Help string
	// turn is one piece of work of an actor, of a few calls.
	turn func(*actor, context.Context)
	// LosesAnswers says that every so many answers of nodes to clients are to be
	// lost with their connection, and that each client has a session.
	LosesAnswers bool
	// prunesEarly keeps prunes to the first third of a run, and to what ended some
	// time ago: what was pruned, fewer checkers judge.
	prunesEarly bool
	// Watchers is how many clients follow streams beside: so many that know one
	// node alone, for each node, and so many that know all.
	Watchers int
}

// All are the workloads.
func All() []Workload {
	return []Workload{
		{Name: "register", Help: "registrations that repeat and conflict, first starts, completions that repeat and conflict", turn: (*actor).registerTurn},
		{Name: "lease", Help: "owners that claim, renew, release, walk away and come back too late, with short and long ttl", turn: (*actor).leaseTurn},
		{Name: "log", Help: "owners that append under a fence that they may have lost, and complete once", turn: (*actor).logTurn},
		{Name: "once", Help: "writes in sessions whose answers are lost: unkeyed appends, moving handles, claims", turn: (*actor).onceTurn, LosesAnswers: true},
		{Name: "queue", Help: "work that is added all the time, handed out, done, given back, delayed or left until the lease ends", turn: (*actor).queueTurn},
		{Name: "grants", Help: "handles that are granted, revoked and moved, one or two at once; sessions that end; lists", turn: (*actor).grantTurn},
		{Name: "waits", Help: "waits that are set and cleared, first starts, references and requests to abandon, with and without a lease", turn: (*actor).waitTurn},
		{Name: "prune", Help: "processes that are pruned and registered anew while others append to them and lease them", turn: (*actor).lifeTurn},
		{Name: "batches", Help: "several writes made one: on shared logs, refused in the middle, and whole lives of processes", turn: (*actor).batchTurn},
		{Name: "watch", Help: "streams of events and changes, followed, let go of and resumed while processes are written to, pruned and registered anew", turn: (*actor).streamTurn, Watchers: 2},
		{Name: "mixed", Help: "all of the above, and what else there is to call; a few streams", turn: (*actor).mixedTurn, prunesEarly: true, Watchers: 1},
	}
}

// ByName returns a workload.
func ByName(name string) (Workload, error) {
	var names []string
	for _, w := range All() {
		if w.Name == name {
			return w, nil
		}
		names = append(names, w.Name)
	}
	return Workload{}, fmt.Errorf("there is no workload %q: choose one of %s", name, strings.Join(names, ", "))
}

// Run lets the clients work until the context ends.
func (w Workload) Run(ctx context.Context, clients []*Client, seed uint64) {
	shared := &places{count: max(2, (len(clients)+1)/2)}
	if deadline, bounded := ctx.Deadline(); bounded && w.prunesEarly {
		shared.prunesUntil = time.Now().Add(time.Until(deadline) / 3)
	}
	var all sync.WaitGroup
	for i, c := range clients {
		a := &actor{client: c, places: shared, random: rand.New(rand.NewPCG(seed, uint64(i+1))), registered: make(map[string]bool)}
		all.Go(func() {
			for ctx.Err() == nil {
				w.turn(a, ctx)
				a.rest(ctx, 5*time.Millisecond, 40*time.Millisecond)
			}
		})
	}
	all.Wait()
}

// mixedTurn takes a turn of any kind.
func (a *actor) mixedTurn(ctx context.Context) {
	turns := []func(context.Context){
		a.registerTurn, a.registerTurn, a.registerTurn, a.leaseTurn, a.logTurn, a.onceTurn, a.grantTurn, a.waitTurn, a.lifeTurn,
		a.queueTurn, a.queueTurn, a.batchTurn, a.otherTurn,
	}
	turns[a.random.IntN(len(turns))](ctx)
}

// places are where the actors of a run meet: each holds one process after
// another, so that no process grows without end.
type places struct {
	count int
	// prunesUntil is when prunes end, zero for never.
	prunesUntil time.Time

	mu   sync.Mutex
	used map[place]*usage
}

type place struct {
	kind   string
	number int
}

// usage is which process is at a place, and how often it was used.
type usage struct{ generation, uses int }

// process is the id of the process at a place.
func (p place) process(generation int) string {
	return fmt.Sprintf("%s-%d-%d", p.kind, p.number, generation)
}

// use returns the process that is at a place, which makes way for the next one
// after so many uses.
func (p *places) use(at place, limit int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.at(at)
	if u.uses >= limit {
		u.generation, u.uses = u.generation+1, 0
	}
	u.uses++
	return at.process(u.generation)
}

// leave makes way for the next process, unless that has happened already.
func (p *places) leave(at place, process string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.at(at); at.process(u.generation) == process {
		u.generation, u.uses = u.generation+1, 0
	}
}

func (p *places) at(at place) *usage {
	if p.used == nil {
		p.used = make(map[place]*usage)
	}
	u := p.used[at]
	if u == nil {
		u = new(usage)
		p.used[at] = u
	}
	return u
}

// weighted draws one of several choices; weights give how likely each is.
func weighted(random *rand.Rand, weights ...int) int {
	total := 0
	for _, w := range weights {
		total += w
	}
	drawn := random.IntN(total)
	return slices.IndexFunc(weights, func(w int) bool {
		drawn -= w
		return drawn < 0
	})
}
