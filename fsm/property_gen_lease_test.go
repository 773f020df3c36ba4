package fsm_test

import (
	"context"

	"pgregory.net/rapid"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

func (h *harness) claimCall(t *rapid.T, id string) *call {
	op := model.ClaimProcessLease{ProcessID: id, Owner: pick(t, owners, "owner"), TTLMs: pick(t, ttls, "ttl")}
	return made(id, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return claimed(r.ClaimProcessLease(ctx, id, op.Owner, op.TTLMs))
	})
}

// leased draws a process whose lease is live, if there is one; at times it
// keeps the one that was drawn.
func (h *harness) leased(t *rapid.T, id string) string {
	var ids []string
	for _, id := range processIDs {
		if p := h.model.Processes[id]; p != nil && p.Lease.Held && p.Lease.EndMs > h.model.LeaseTimeMs {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 || sometimes(t, "any process") {
		return id
	}
	return pick(t, ids, "leased process")
}

// reclaimCall draws a reclaim with at most a few things wrong about it.
func (h *harness) reclaimCall(t *rapid.T, id string) *call {
	if len(h.leases) == 0 {
		return h.claimCall(t, id)
	}
	id = h.leased(t, id)
	op := model.ReclaimProcessLease{
		ProcessID: id, Owner: owners[2], Observed: h.lease(t, id), Verdict: registry.VerdictDead, TTLMs: pick(t, ttls, "ttl"),
	}
	if rapid.Bool().Draw(t, "any claimant") {
		op.Owner = pick(t, owners, "owner")
	}
	// Neither counts.
	op.Observed.ClaimedAtMs, op.Observed.ExpiresAtMs = 1, 2
	switch rapid.IntRange(0, 11).Draw(t, "wrong") {
	case 7:
		op.Observed.ProcessID = pick(t, processIDs, "observed process")
	case 8:
		op.Observed.Owner = pick(t, owners, "observed owner")
	case 9:
		op.Observed.FencingToken--
	case 10:
		op.Observed.LeaseToken = "other"
	case 11:
		op.Verdict = registry.VerdictUnknown
	}
	return made(id, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return claimed(r.ReclaimProcessLease(ctx, id, op.Owner, op.Observed, op.Verdict, op.TTLMs))
	})
}

func (h *harness) renewCall(t *rapid.T, id string) *call {
	if len(h.leases) == 0 {
		return h.claimCall(t, id)
	}
	lease := h.lease(t, h.leased(t, id))
	// What does not identify the lease comes back as the caller sent it.
	lease.ClaimedAtMs, lease.ExpiresAtMs = 1, 2
	if rarely(t, "other fence") {
		lease.FencingToken++
	}
	if rarely(t, "other owner") {
		lease.Owner = pick(t, owners, "owner")
	}
	op := model.RenewProcessLease{Lease: lease, TTLMs: pick(t, ttls, "ttl")}
	return made(lease.ProcessID, op, func(ctx context.Context, r registry.Registry) model.Answer {
		renewed, err := r.RenewProcessLease(ctx, op.Lease, op.TTLMs)
		return answerOf(err, func(a *model.Answer) { a.Lease = &renewed })
	})
}

func (h *harness) releaseCall(t *rapid.T, id string) *call {
	if len(h.leases) == 0 {
		return h.claimCall(t, id)
	}
	lease := h.lease(t, id)
	// A released lease has no token: none must not be taken for it.
	if rarely(t, "no token") {
		lease.LeaseToken = ""
	}
	op := model.CompleteProcessLease{Completion: registry.ProcessLeaseCompletion{ProcessID: lease.ProcessID, LeaseToken: lease.LeaseToken}}
	return made(lease.ProcessID, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return done(r.CompleteProcessLease(ctx, op.Completion))
	})
}
