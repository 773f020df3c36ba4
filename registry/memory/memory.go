// Package memory is the registry in one process, without replication and
// without a disk: the same decisions and the same state machine as a cluster,
// for tests of programs that embed the client. It answers TierInline.
package memory

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/decide"
	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// Registry is an in-memory registry.Registry. It is safe for concurrent use.
type Registry struct {
	*decide.Registry
	log *log
}

// Option changes how a Registry is made.
type Option func(*log)

// WithClock makes the registry run on a clock of the caller's, which returns
// epoch milliseconds. Without it the wall clock is used. One step of the clock
// is at most two seconds for leases, as in a cluster.
func WithClock(nowMs func() uint64) Option { return func(l *log) { l.nowMs = nowMs } }

// New returns an empty registry.
func New(options ...Option) *Registry {
	l := &log{machine: fsm.NewMachine(), nowMs: func() uint64 { return uint64(time.Now().UnixMilli()) }}
	for _, option := range options {
		option(l)
	}
	if _, err := l.append(fsm.Command{Body: &fsm.Takeover{Proposer: "memory", ClusterID: "memory"}}); err != nil {
		// The entry is made of constants.
		panic(err)
	}
	return &Registry{Registry: decide.NewRegistry(l, registry.TierInline, rand.Reader), log: l}
}

// log applies every command at once: there is nobody to agree with.
type log struct {
	mu      sync.Mutex
	machine *fsm.Machine
	nowMs   func() uint64
	index   uint64
	waiting decide.Waiting
}

// tick is how often time moves for calls that wait, as the ticks of a leader
// move it.
const tick = time.Second

// term is the one term of a log without elections.
const term = 1

func (l *log) append(c fsm.Command) (fsm.EntryResult, error) {
	l.index++
	data, err := fsm.EncodeEntry(fsm.Entry{Term: term, StampMs: l.nowMs(), Commands: []fsm.Command{c}})
	if err != nil {
		return fsm.EntryResult{}, err
	}
	result, err := l.machine.Apply(l.index, term, data)
	l.waiting.Wake(result.Ready)
	return result, err
}

// AwaitReady implements decide.Log. While a call waits, time goes on.
func (l *log) AwaitReady(ctx context.Context, kinds []string, waitMs uint64, done func(fsm.View) bool) error {
	read := func(read func(fsm.View)) { _ = l.Read(context.Background(), read) }
	for {
		step := min(waitMs, uint64(tick.Milliseconds()))
		ready := false
		if err := l.waiting.Await(ctx, kinds, step, nil, read, func(v fsm.View) bool { ready = done(v); return ready }); err != nil {
			return registry.Errorf(registry.CodeNoLeader, registry.Fields{}, "the call ended while it waited for work: %v", err)
		}
		if waitMs -= step; ready || waitMs == 0 {
			return nil
		}
	}
}

// Propose implements decide.Log.
func (l *log) Propose(ctx context.Context, decide decide.Decision) (fsm.Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fsm.Result{}, registry.Errorf(registry.CodeNoLeader, registry.Fields{}, "the call had ended before it was begun: %v", err)
	}
	c, err := decide(l.machine)
	if err != nil {
		return fsm.Result{}, err
	}
	result, err := l.append(c)
	if err != nil {
		return fsm.Result{}, registry.Errorf(registry.CodeInternal, registry.Fields{}, "apply: %v", err)
	}
	l.answer(ctx)
	if info := registry.OptionsFrom(ctx).Answer; info != nil {
		answered := result.Results[0].Answered
		info.Revision, info.ClockMs, info.LeaseTimeMs = answered.Revision, answered.ClockMs, answered.LeaseTimeMs
	}
	return result.Results[0], nil
}

// Read implements decide.Log. Lease time moves with the clock, as the ticks of
// a leader move it.
func (l *log) Read(ctx context.Context, read func(fsm.View)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var needsTime bool
	l.machine.Read(func(v fsm.View) { needsTime = v.NeedsTime() })
	if needsTime {
		if _, err := l.append(fsm.Command{Body: &fsm.Tick{}}); err != nil {
			return registry.Errorf(registry.CodeInternal, registry.Fields{}, "apply: %v", err)
		}
	}
	l.machine.Read(read)
	l.answer(ctx)
	return nil
}

// answer fills in the caller's answer info.
func (l *log) answer(ctx context.Context) {
	info := registry.OptionsFrom(ctx).Answer
	if info == nil {
		return
	}
	l.machine.Read(func(v fsm.View) {
		p := v.Position()
		*info = registry.AnswerInfo{Revision: p.Revision, ClockMs: p.ClockMs, LeaseTimeMs: p.LeaseTimeMs, Term: p.Term, LeaderID: p.Proposer}
	})
}
