package rounds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/registry"
)

// HistoryFile is the name of the history in the folder of a run.
const HistoryFile = "history.jsonl"

// Options say what a run does.
type Options struct {
	// Binary is the path that process.Build returned.
	Binary string
	// Dir takes the data folders, the nodes' logs and the history.
	Dir    string
	Rounds int
	// Seed decides the faults and the writers' choices. What happens in between
	// is up to the machine, so a seed gives the same faults and not the same run.
	Seed uint64
	// Nodes is how many nodes there are, 3 when 0; Slots how many processes are
	// written to at a time, 3 when 0.
	Nodes, Slots int
	// Faults are the kinds of faults; all when empty.
	Faults []Fault
	// Progress gets a line for every round.
	Progress io.Writer
}

// Report is what a run did.
type Report struct {
	Rounds                               int
	Processes, Claims                    int
	AckedAppends, Unknown, Refused, Read int64
	Elapsed                              time.Duration
}

// The bounds of waiting.
const (
	// progressTimeout bounds how long a round waits for acks, before it strikes
	// and while a node is down; longer would say nothing more.
	progressTimeout = 5 * time.Second
	// progressAcks is how many acks show that the writers are at work.
	progressAcks = 30
	checkTimeout = time.Minute
)

// run is a run under way.
type run struct {
	Options
	cluster *process.Cluster
	history *History
	reader  *client.Client
	random  *rand.Rand
	// closed are the processes that were read back after their completion.
	closed map[string]bool
	report Report
}

// Run starts a cluster, runs the rounds and ends the cluster. A promise that
// did not hold comes back as a *Violation; the folder is left as it is.
func Run(ctx context.Context, options Options) (report Report, err error) {
	if options.Nodes == 0 {
		options.Nodes = 3
	}
	if options.Slots == 0 {
		options.Slots = 3
	}
	if len(options.Faults) == 0 {
		options.Faults = []Fault{Kill, Pause}
	}
	if options.Progress == nil {
		options.Progress = io.Discard
	}
	r := &run{Options: options, random: rand.New(rand.NewPCG(options.Seed, 0)), closed: map[string]bool{}}
	if r.cluster, err = process.NewCluster(process.Options{Binary: options.Binary, Dir: options.Dir, Nodes: options.Nodes}); err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, r.cluster.Close()) }()
	if r.history, err = NewHistory(filepath.Join(options.Dir, HistoryFile)); err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, r.history.Close()) }()
	if r.reader, err = client.Dial(r.cluster.Addrs()); err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, r.reader.Close()) }()
	if err := r.cluster.Start(); err != nil {
		return report, err
	}
	if err := r.cluster.AwaitReady(ctx); err != nil {
		return report, err
	}
	began := time.Now()
	err = r.underLoad(ctx)
	r.report.Elapsed = time.Since(began)
	r.report.AckedAppends, r.report.Unknown, r.report.Refused = r.history.acked.Load(), r.history.unknown.Load(), r.history.refused.Load()
	r.report.Processes, r.report.Claims = len(r.history.Processes()), len(r.history.Claims())
	return r.report, err
}

// underLoad runs the rounds while the writers write, and judges the whole at
// the end, when they are still.
func (r *run) underLoad(ctx context.Context) error {
	writing, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var writers sync.WaitGroup
	for i := range r.Slots {
		s := &slot{name: fmt.Sprintf("p%d", i+1)}
		for j, name := range []string{"a", "b"} {
			c, err := client.Dial(r.cluster.Addrs(), client.WithAttemptTimeout(1500*time.Millisecond), client.WithRetryTimeout(callTimeout))
			if err != nil {
				return err
			}
			o := &owner{
				name: s.name + name, slot: s, client: c, history: r.history,
				random: rand.New(rand.NewPCG(r.Seed, uint64(1+2*i+j))),
			}
			writers.Go(func() {
				if err := errors.Join(o.run(writing), c.Close()); err != nil {
					stop(fmt.Errorf("writer %s: %w", o.name, err))
				}
			})
		}
	}
	// The writers have to be done before the history is closed.
	defer writers.Wait()
	defer stop(nil)
	for r.report.Rounds < r.Rounds {
		if err := r.round(writing); err != nil {
			if cause := context.Cause(writing); cause != nil {
				return cause
			}
			return err
		}
		r.report.Rounds++
	}
	stop(nil)
	writers.Wait()
	if cause := context.Cause(writing); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return r.judgeAll(ctx)
}

// round strikes, waits, heals, and reads everything back.
func (r *run) round(ctx context.Context) error {
	// A fault is to hit writers at work, not ones that wait for an old lease.
	r.awaitAcks(ctx)
	leader, err := r.cluster.Leader(ctx)
	if err != nil {
		return violated(LeaderReturns, "%v", err)
	}
	p := newPlan(r.random, r.cluster.Len(), leader, r.Faults)
	words := p.describe(leader)
	r.history.Note("round %d: %s", r.report.Rounds+1, words)
	if err := p.do(ctx, r.cluster); err != nil {
		return err
	}
	struck := time.Now()
	if p.majorityLeft(r.cluster.Len()) {
		r.awaitAcks(ctx)
	} else {
		pass(ctx, p.after)
	}
	down := time.Since(struck)
	if err := p.heal(r.cluster); err != nil {
		return err
	}
	if err := r.cluster.AwaitReady(ctx); err != nil {
		return violated(LeaderReturns, "after %s: %v", words, err)
	}
	back := time.Since(struck) - down
	r.history.Note("round %d: a leader serves through all nodes", r.report.Rounds+1)
	if err := r.judge(ctx, false); err != nil {
		return err
	}
	fmt.Fprintf(r.Progress, "round %d/%d: %s; down %v, back after %v; acked %d, unknown %d, refused %d\n",
		r.report.Rounds+1, r.Rounds, words, down.Round(time.Millisecond), back.Round(time.Millisecond),
		r.history.acked.Load(), r.history.unknown.Load(), r.history.refused.Load())
	return r.history.Flush()
}

// awaitAcks waits until some more appends were acked.
func (r *run) awaitAcks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, progressTimeout)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for goal := r.history.acked.Load() + progressAcks; r.history.acked.Load() < goal; {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// judgeAll judges the whole run with all writers still.
func (r *run) judgeAll(ctx context.Context) error {
	if err := r.judge(ctx, true); err != nil {
		return err
	}
	state, err := r.verify(ctx)
	if err != nil {
		return err
	}
	hashes := make(map[string]bool)
	for _, member := range state.Members {
		hashes[member.Hash] = true
	}
	if !state.Agree || len(hashes) != 1 || len(state.Members) != r.cluster.Len() {
		return violated(ReplicasAgree, "at log index %d: %+v", state.Index, state.Members)
	}
	return nil
}

// verify asks all members for the hash of their state, until all of them
// answer: just after a restart their connections need not stand again.
func (r *run) verify(ctx context.Context) (registry.StateReport, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		state, err := r.reader.VerifyState(ctx)
		for _, member := range state.Members {
			if err == nil && member.Hash == "" {
				err = fmt.Errorf("node %s: %s", member.ID, member.Error)
			}
		}
		if err == nil {
			return state, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return state, fmt.Errorf("verify the state: %w", err)
		}
	}
}

// judge reads the logs back and judges them and the claims. Processes that were
// judged after their completion are left out, unless all are asked for.
func (r *run) judge(ctx context.Context, all bool) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if v := checkClaims(r.history.Claims()); v != nil {
		return v
	}
	for _, id := range r.history.Processes() {
		if r.closed[id] && !all {
			continue
		}
		if err := r.judgeProcess(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) judgeProcess(ctx context.Context, id string) error {
	completed := r.history.Completed(id)
	before := r.history.Appends(id)
	log, err := registry.Collect(ctx, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
		return r.reader.EventsAfter(ctx, id, 0, page)
	})
	if err != nil {
		return r.unreadable(id, err)
	}
	r.report.Read += int64(len(log))
	if v := checkLog(id, log, before, r.history.Appends(id)); v != nil {
		return v
	}
	if !completed {
		return nil
	}
	record, err := r.reader.GetProcess(ctx, id)
	if err != nil {
		return r.unreadable(id, err)
	}
	if v := checkEnd(record, log); v != nil {
		return v
	}
	r.closed[id] = true
	return nil
}

// unreadable is the error of a process that cannot be read back: one that is
// gone was registered, and so an acked write is lost.
func (r *run) unreadable(id string, err error) error {
	if registry.CodeOf(err) == registry.CodeNotFound {
		return violated(AckedStays, "process %s was registered and is unknown now", id)
	}
	return fmt.Errorf("read %s back: %w", id, err)
}
