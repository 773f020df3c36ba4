package fsm_test

import (
	"context"
	"reflect"

	"pgregory.net/rapid"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// checkReads compares every read there is: what can be seen of the state.
func (h *harness) checkReads(t *rapid.T) {
	size := pick(t, []int{4, 1, 2, 8}, "page size")
	for _, id := range processIDs {
		h.checkProcess(t, id)
		h.checkLog(t, id, size)
	}
	for _, scope := range scopes {
		h.checkScope(t, scope, size)
	}
	for _, filter := range append(rapid.Permutation(filters[1:]).Draw(t, "filters")[:3], filters[0]) {
		listed(h, t, model.ListProcesses{Filter: filter}, size, records, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
			return h.registry.ListProcesses(ctx, filter, page)
		})
	}
	listed(h, t, model.ListNonTerminal{}, size, records, h.registry.ListNonTerminal)
	h.checkTime(t)
}

func (h *harness) checkProcess(t *rapid.T, id string) {
	ctx := context.Background()
	h.same(t, model.GetProcess{ProcessID: id}, recorded(h.registry.GetProcess(ctx, id)))
	lease, err := h.registry.GetProcessLease(ctx, id)
	h.same(t, model.GetProcessLease{ProcessID: id}, answerOf(err, func(a *model.Answer) { a.Lease = lease }))
	for _, token := range h.tokens(t, id) {
		status, err := h.registry.CheckFence(ctx, id, token)
		h.same(t, model.CheckFence{ProcessID: id, FencingToken: token}, answerOf(err, func(a *model.Answer) { a.Fence = &status }))
	}
}

// tokens are fencing tokens to ask about: none, the current one of the process
// or the last, and any.
func (h *harness) tokens(t *rapid.T, id string) []uint64 {
	tokens := []uint64{0}
	if p := h.model.Processes[id]; p != nil {
		tokens = append(tokens, p.Lease.Fencing)
	}
	if len(h.leases) > 0 {
		tokens = append(tokens, pick(t, h.leases, "checked lease").FencingToken)
	}
	return tokens
}

// checkLog compares the event log of a process, its wakes and its grants.
func (h *harness) checkLog(t *rapid.T, id string, size int) {
	bounds := []uint64{0, 0, 1, 2, 5, ^uint64(0)}
	after, limit, through := pick(t, bounds, "after"), pick(t, bounds, "limit"), pick(t, bounds, "through")
	listed(h, t, model.EventsAfter{ProcessID: id, After: after}, size, events, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
		return h.registry.EventsAfter(ctx, id, after, page)
	})
	listed(h, t, model.RecentEvents{ProcessID: id, Limit: limit}, size, events, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
		return h.registry.RecentEvents(ctx, id, limit, page)
	})
	for _, after := range []uint64{0, after} {
		listed(h, t, model.WakeEventsAfter{ProcessID: id, After: after}, size, events, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
			return h.registry.WakeEventsAfter(ctx, id, after, page)
		})
	}
	eventType := pick(t, appends, "counted type")[0]
	count, err := h.registry.CountEventsThrough(context.Background(), id, eventType, through)
	h.same(t, model.CountEventsThrough{ProcessID: id, EventType: eventType, Through: through}, answerOf(err, func(a *model.Answer) { a.Count = count }))
	listed(h, t, model.HandleGrantsForProcess{ProcessID: id}, size, grants, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrant], error) {
		return h.registry.HandleGrantsForProcess(ctx, id, page)
	})
}

func (h *harness) checkScope(t *rapid.T, scope registry.SessionScope, size int) {
	listed(h, t, model.ListHandleGrants{Scope: scope}, size, entries, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
		return h.registry.ListHandleGrants(ctx, scope, page)
	})
	listed(h, t, model.ListHandleGrants{Scope: scope, Live: true}, size, entries, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
		return h.registry.ListLiveHandleGrants(ctx, scope, page)
	})
	for _, id := range processIDs {
		has, err := h.registry.HasHandleGrant(context.Background(), scope, id)
		h.same(t, model.HasHandleGrant{Scope: scope, ProcessID: id}, answerOf(err, func(a *model.Answer) { a.Has = has }))
	}
}

// Where an answer keeps the items of a list.
func records(a *model.Answer, items []registry.ProcessRecord)           { a.Records = items }
func events(a *model.Answer, items []registry.ProcessEvent)             { a.Events = items }
func grants(a *model.Answer, items []registry.ProcessHandleGrant)       { a.Grants = items }
func entries(a *model.Answer, items []registry.ProcessHandleGrantEntry) { a.Entries = items }

// listed compares a whole list, read by pages of a size.
func listed[T any](h *harness, t *rapid.T, op model.Op, size int, put func(*model.Answer, []T),
	list func(context.Context, registry.PageRequest) (registry.Page[T], error)) {
	pages := 0
	items, err := registry.Collect(context.Background(), func(ctx context.Context, page registry.PageRequest) (registry.Page[T], error) {
		if pages++; pages > 1000 {
			t.Fatalf("%T does not end", op)
		}
		page.Size = size
		return list(ctx, page)
	})
	h.same(t, op, answerOf(err, func(a *model.Answer) { put(a, items) }))
}

// same compares the answer of a read.
func (h *harness) same(t *rapid.T, op model.Op, got model.Answer) {
	want := h.model.Do(op)
	// Most are equal field by field, which is found out faster than in a text.
	if reflect.DeepEqual(got, want) {
		return
	}
	if a, b := dump(got), dump(want); a != b {
		t.Fatalf("%T %s\n got  %s\n want %s", op, dump(op), a, b)
	}
}

// checkTime: the leader has to keep time moving while something runs on it: a
// lease, a session or a delay. What is ready, and what was answered, depends on
// it too. A4, A9, A25.
func (h *harness) checkTime(t *rapid.T) {
	needs := h.model.NeedsTime()
	h.log.machine.Read(func(v fsm.View) {
		if v.NeedsTime() != needs {
			t.Fatalf("the machine needs time: %v, something runs on it: %v", v.NeedsTime(), needs)
		}
		for _, kinds := range claimKinds {
			if ready := len(h.model.Ready(kinds)) > 0; v.AnyReady(kinds) != ready {
				t.Fatalf("of %q something is ready: %v, the model says %v", kinds, v.AnyReady(kinds), ready)
			}
		}
		for _, c := range h.clients {
			for sequence := range c.next + 1 {
				if got, want := v.Answered(c.binary, sequence), h.model.Answered(c.id, sequence); got != want {
					t.Fatalf("write %d of session %s is answered: %v, the model says %v", sequence, c.id, got, want)
				}
			}
		}
	})
}
