package run

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/jepsen/nemesis"
)

// The time between the recovery from one fault and the next fault. Leases are
// to end in it, and lease time is judged by it.
const leastCalm, mostCalm = 700 * time.Millisecond, 2500 * time.Millisecond

// strike does one fault after the other, until time is up or the cluster does
// not come back.
func (r *run) strike(ctx context.Context) error {
	bag := &bag{nemeses: r.nemeses, random: r.random}
	for {
		calm := leastCalm + time.Duration(r.random.Int64N(int64(mostCalm-leastCalm)))
		select {
		case <-time.After(calm):
		case <-ctx.Done():
			return nil
		}
		if len(r.nemeses) == 0 {
			continue
		}
		if err := r.round(ctx, bag); err != nil || r.stuck {
			return err
		}
	}
}

// round is one fault, or two at once, and the recovery from it. The end of the
// run cuts it short but never leaves it out.
func (r *run) round(ctx context.Context, b *bag) error {
	number := r.faults + 1
	r.faults++
	leader, err := r.cluster.Leader(context.WithoutCancel(ctx))
	if err != nil {
		r.stuck = true
		r.recorder.Fault(history.Fault{Name: "no leader", Number: number, Phase: history.End, Detail: err.Error()})
		return nil
	}
	var faults []nemesis.Fault
	var names, details []string
	for _, n := range b.draw() {
		f := n.Draw(r.world, r.random, r.cluster.Node(leader))
		faults, names, details = append(faults, f), append(names, n.Name), append(details, f.Detail)
	}
	name, detail := strings.Join(names, "+"), strings.Join(details, "; ")
	stops := slices.ContainsFunc(faults, func(f nemesis.Fault) bool { return f.Stops })
	mark := func(phase history.Phase) {
		r.recorder.Fault(history.Fault{Name: name, Number: number, Phase: phase, Detail: detail, Stops: stops})
	}
	began := time.Since(r.began)
	mark(history.Begin)
	ended, err := r.harm(ctx, faults, mark)
	if err != nil {
		return fmt.Errorf("fault %d, %s: %w", number, detail, err)
	}
	if err := r.recover(context.WithoutCancel(ctx)); err != nil {
		r.stuck = true
		r.recorder.Note("fault %d: %v", number, err)
		return nil
	}
	r.world.Recovered()
	mark(history.Recovered)
	ok, refused, unknown := r.recorder.Counts()
	fmt.Fprintf(r.Progress, "%6.1fs  fault %d: %s; %v, back after %v; ops: %d ok, %d refused, %d unknown\n", began.Seconds(), number, detail,
		ended.Sub(r.began.Add(began)).Round(time.Millisecond), time.Since(ended).Round(time.Millisecond), ok, refused, unknown)
	return r.recorder.Flush()
}

// harm begins faults, lets them last, and ends them. Only the lasting is cut
// short by the end of the run. It returns when the ending began.
func (r *run) harm(ctx context.Context, faults []nemesis.Fault, mark func(history.Phase)) (ended time.Time, err error) {
	whole := context.WithoutCancel(ctx)
	var hold time.Duration
	for _, f := range faults {
		if err := f.Begin(whole); err != nil {
			return ended, err
		}
		hold = max(hold, f.Hold)
	}
	mark(history.Held)
	timer := time.NewTimer(hold)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	ended = time.Now()
	mark(history.End)
	for _, f := range faults {
		if f.End != nil {
			if err := f.End(whole); err != nil {
				return ended, err
			}
		}
	}
	return ended, r.heal()
}

// heal makes everything well, and notes which nodes had ended by themselves.
func (r *run) heal() error {
	exits, err := r.world.Heal()
	for _, text := range exits {
		r.faults++
		r.recorder.Fault(history.Fault{Name: history.NodeExit, Number: r.faults, Phase: history.Begin, Detail: text})
		r.recorder.Fault(history.Fault{Name: history.NodeExit, Number: r.faults, Phase: history.Recovered})
	}
	return err
}

// recover waits until the cluster serves through every node. A node that ends
// meanwhile is started again, once.
func (r *run) recover(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	err := r.cluster.AwaitReady(ctx)
	if err == nil {
		return nil
	}
	for _, n := range r.cluster.Nodes() {
		if ended, _ := n.Exited(); ended {
			if err := r.heal(); err != nil {
				return err
			}
			return r.cluster.AwaitReady(ctx)
		}
	}
	return err
}

// bag deals nemeses: each one comes before any comes again.
type bag struct {
	nemeses []nemesis.Nemesis
	random  *rand.Rand
	rest    []nemesis.Nemesis
}

// draw is what is done at once: mostly one nemesis, at times two.
func (b *bag) draw() []nemesis.Nemesis {
	first := b.next()
	if first.Alone || b.random.IntN(4) > 0 {
		return []nemesis.Nemesis{first}
	}
	if second := b.next(); !second.Alone && second.Name != first.Name {
		return []nemesis.Nemesis{first, second}
	}
	return []nemesis.Nemesis{first}
}

func (b *bag) next() nemesis.Nemesis {
	if len(b.rest) == 0 {
		b.rest = append(b.rest, b.nemeses...)
		b.random.Shuffle(len(b.rest), func(i, j int) { b.rest[i], b.rest[j] = b.rest[j], b.rest[i] })
	}
	n := b.rest[0]
	b.rest = b.rest[1:]
	return n
}
