package fsm_test

import (
	"context"
	"errors"
	"slices"

	"pgregory.net/rapid"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// rarely draws true about once in ten times. Small numbers are drawn more
// often than large ones, and shrinking leads to them.
func rarely(t *rapid.T, label string) bool { return rapid.IntRange(0, 7).Draw(t, label) == 7 }

// sometimes draws true about once in four times.
func sometimes(t *rapid.T, label string) bool { return rapid.IntRange(0, 3).Draw(t, label) == 3 }

func pick[T any](t *rapid.T, from []T, label string) T { return rapid.SampledFrom(from).Draw(t, label) }

// target draws a scope to be woken, or none.
func target(t *rapid.T, label string) *registry.SessionScope {
	if rapid.Bool().Draw(t, "no "+label) {
		return nil
	}
	scope := pick(t, scopes, label)
	return &scope
}

// fence draws the current one if there is one, else mostly none; at times that
// of any lease ever granted, or a wrong one.
func (h *harness) fence(t *rapid.T, id string) *registry.Fence {
	p := h.model.Processes[id]
	held := p != nil && p.Lease.Held
	if held && !sometimes(t, "not the current fence") {
		return &registry.Fence{LeaseToken: p.Lease.Token, FencingToken: p.Lease.Fencing}
	}
	if len(h.leases) == 0 || !held && !sometimes(t, "stale fence") || rapid.Bool().Draw(t, "unfenced") {
		return nil
	}
	f := h.lease(t, id).Fence()
	if sometimes(t, "wrong fencing token") {
		f.FencingToken++
	}
	if sometimes(t, "wrong lease token") {
		f.LeaseToken = pick(t, []string{"other", ""}, "lease token")
	}
	return f
}

// lease draws a granted one, mostly the last of the process.
func (h *harness) lease(t *rapid.T, id string) registry.ProcessLease {
	if !sometimes(t, "any lease") {
		for _, lease := range slices.Backward(h.leases) {
			if lease.ProcessID == id {
				return lease
			}
		}
	}
	return pick(t, h.leases, "lease")
}

// answerOf turns what a method returned into the model's form of it.
func answerOf(err error, fill func(*model.Answer)) model.Answer {
	var a model.Answer
	if err == nil {
		fill(&a)
		return a
	}
	var refusal *registry.Error
	if !errors.As(err, &refusal) {
		panic(err)
	}
	return model.Answer{Code: refusal.Code, Fields: refusal.Fields}
}

// done is the answer of a method that returns nothing else.
func done(err error) model.Answer { return answerOf(err, func(*model.Answer) {}) }

func recorded(record registry.ProcessRecord, err error) model.Answer {
	return answerOf(err, func(a *model.Answer) { a.Record = &record })
}

// claimed is the answer of a claim or a reclaim.
func claimed(outcome registry.ProcessLeaseClaimOutcome, err error) model.Answer {
	return answerOf(err, func(a *model.Answer) {
		if a.Lease = outcome.Acquired; a.Lease == nil {
			a.Lease, a.Busy = outcome.Busy, true
		}
	})
}

// made is a call about a process.
func made(id string, op model.Op, run func(context.Context, registry.Registry) model.Answer) *call {
	return &call{op: op, processID: id, run: run}
}

// generator draws calls of one sort.
type generator struct {
	name   string
	weight int
	draw   func(h *harness, t *rapid.T, id string) *call
}

// generators draw the calls that write; the names are for reading failures.
var generators = []generator{
	{"append", 8, (*harness).appendCall},
	{"claim", 4, (*harness).claimCall},
	{"register", 4, (*harness).registerCall},
	{"complete", 3, (*harness).completeCall},
	{"grant", 6, (*harness).grantCall},
	{"renew", 2, (*harness).renewCall},
	{"prune", 1, (*harness).pruneCall},
	{"ack", 3, (*harness).ackCall},
	{"transfer", 3, (*harness).transferCall},
	{"release", 1, (*harness).releaseCall},
	{"delete session", 1, (*harness).deleteSessionCall},
	{"set wait", 2, (*harness).setWaitCall},
	{"clear wait", 1, (*harness).clearWaitCall},
	{"first started", 2, (*harness).startCall},
	{"abandon request", 2, (*harness).abandonCall},
	{"external ref", 2, (*harness).externalRefCall},
	{"revoke", 2, (*harness).revokeCall},
	{"reclaim", 4, (*harness).reclaimCall},
	{"claim next", 4, (*harness).claimNextCall},
	{"release for retry", 3, (*harness).retryCall},
	{"batch", 7, (*harness).batchCall},
	{"in a session", 14, (*harness).stampedCall},
	{"settle", 2, (*harness).settleCall},
	{"open", 1, (*harness).openCall},
	{"close", 1, (*harness).closeCall},
}

// weighted has every generator as often as it weighs.
func weighted(generators []generator) (indexes []int) {
	for i, g := range generators {
		indexes = append(indexes, slices.Repeat([]int{i}, g.weight)...)
	}
	return indexes
}

// drawCall draws any call that writes, about a process.
func (h *harness) drawCall(t *rapid.T, id string) *call {
	return h.generators[pick(t, h.weighted, "call")].draw(h, t, id)
}

// drawBatch draws the calls that one entry carries. All of them are decided
// before the first is applied: that is how a process ends, is pruned and is
// registered again between a decision and its entry.
func (h *harness) drawBatch(t *rapid.T) []*call {
	var calls []*call
	if ended := h.ended(); len(ended) > 0 && rarely(t, "a new life") && sometimes(t, "really") {
		id := pick(t, ended, "ended process")
		calls = append(calls, h.pruneAll(), h.registerCall(t, id))
		for range rapid.IntRange(1, 3).Draw(t, "late calls") {
			calls = append(calls, h.drawCall(t, id))
		}
		return calls
	}
	for range pick(t, []int{1, 1, 1, 2, 3, 5}, "batch") {
		calls = append(calls, h.drawCall(t, pick(t, processIDs, "process")))
	}
	return calls
}

// ended are the processes that have ended.
func (h *harness) ended() (ids []string) {
	for _, id := range processIDs {
		if p := h.model.Processes[id]; p != nil && p.State != "running" {
			ids = append(ids, id)
		}
	}
	return ids
}

func (h *harness) registerCall(t *rapid.T, id string) *call {
	op := model.RegisterProcess{Registration: h.registration(t, id)}
	return made(id, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return recorded(r.RegisterProcess(ctx, op.Registration))
	})
}

// registration draws a new one, but mostly repeats what was drawn before.
func (h *harness) registration(t *rapid.T, id string) registry.ProcessRegistration {
	if known, ok := h.registrations[id]; ok && !sometimes(t, "other registration") {
		return known
	}
	r := registry.ProcessRegistration{
		ID: id, Input: registry.ProcessInput{Kind: "external", Metadata: registry.JSON(`{"x": 1.50}`)}, Disposition: "owner_bound",
		Identity: registry.ProcessIdentity{Kind: pick(t, []string{"external", "mail"}, "kind")}, EventTypes: eventTypes,
		WakeTarget: target(t, "wake target"), Fencing: pick(t, []registry.FencingMode{"", "required", "optional"}, "fencing"),
	}
	if rapid.Bool().Draw(t, "definition") {
		r.Identity.Definition = registry.JSON(`{"d":1}`)
	}
	switch rapid.IntRange(0, 3).Draw(t, "variant") {
	case 2:
		env, label := "env", "label"
		r.Input = registry.ProcessInput{Kind: "engine", Engine: "e", Payload: registry.JSON(`null`)}
		r.EnvRef, r.Disposition, r.Identity.Label = &env, "rerunnable", &label
	case 3:
		r.EventTypes, r.Disposition = nil, "externally_owned"
		r.Provenance = registry.Provenance{
			Originator: registry.Originator{Scope: &registry.SessionScope{SessionID: "s1", AgentFrameID: "f"}},
			CausedBy:   &registry.CausalRef{Kind: "process_event", ProcessID: "z", Sequence: 3},
		}
	}
	h.registrations[id] = r
	return r
}

func (h *harness) completeCall(t *rapid.T, id string) *call {
	if ended := h.ended(); len(ended) > 0 && sometimes(t, "complete an ended one") {
		id = pick(t, ended, "ended process")
	}
	op := model.CompleteProcess{ProcessID: id, Output: pick(t, outputs, "output"), Fence: h.fence(t, id)}
	if p := h.model.Processes[id]; p != nil && p.Output != nil && rapid.Bool().Draw(t, "the same arm") {
		same := []registry.ProcessAwaitOutput{*p.Output}
		for _, output := range outputs {
			if output.Kind == p.Output.Kind {
				same = append(same, output)
			}
		}
		op.Output = pick(t, same, "output of the arm")
	}
	return made(id, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return recorded(r.CompleteProcess(ctx, id, op.Output, op.Fence))
	})
}

func (h *harness) startCall(t *rapid.T, id string) *call {
	started := registry.ProcessStarted{Owner: pick(t, owners, "owner"), StartedAtMs: rapid.Uint64Range(0, 3).Draw(t, "started")}
	op := model.RecordFirstStarted{ProcessID: id, Started: started, Fence: h.fence(t, id)}
	return made(id, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return recorded(r.RecordFirstStarted(ctx, id, op.Started, op.Fence))
	})
}

func (h *harness) externalRefCall(t *rapid.T, id string) *call {
	op := model.SetExternalRef{ProcessID: id, Ref: pick(t, refs, "ref"), Fence: h.fence(t, id)}
	return made(id, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return recorded(r.SetExternalRef(ctx, id, op.Ref, op.Fence))
	})
}

func (h *harness) abandonCall(t *rapid.T, id string) *call {
	op := model.RequestProcessAbandon{ProcessID: id, Request: pick(t, abandons, "request"), Fence: h.fence(t, id)}
	return made(id, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return recorded(r.RequestProcessAbandon(ctx, id, op.Request, op.Fence))
	})
}

func (h *harness) setWaitCall(t *rapid.T, id string) *call {
	op := model.SetProcessWait{ProcessID: id, Wait: pick(t, waits, "wait"), Fence: h.fence(t, id)}
	return made(id, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return recorded(r.SetProcessWait(ctx, id, op.Wait, op.Fence))
	})
}

func (h *harness) clearWaitCall(t *rapid.T, id string) *call {
	op := model.ClearProcessWait{ProcessID: id, Fence: h.fence(t, id)}
	return made(id, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return recorded(r.ClearProcessWait(ctx, id, op.Fence))
	})
}

// pruneCall draws a prune up to where some ended process was updated, which
// just escapes, or a little further; at times of everything.
func (h *harness) pruneCall(t *rapid.T, _ string) *call {
	ended := h.ended()
	if len(ended) == 0 || sometimes(t, "prune all") {
		return h.pruneAll()
	}
	return pruneCall(h.model.Processes[pick(t, ended, "ended process")].UpdatedAtMs + pick(t, []uint64{0, 1}, "cutoff"))
}

func (h *harness) pruneAll() *call { return pruneCall(1 << 63) }

func pruneCall(cutoffMs uint64) *call {
	op := model.PruneTerminalProcesses{CutoffMs: cutoffMs}
	return made("", op, func(ctx context.Context, r registry.Registry) model.Answer {
		report, err := r.PruneTerminalProcesses(ctx, cutoffMs)
		return answerOf(err, func(a *model.Answer) { a.Pruned = &report })
	})
}
