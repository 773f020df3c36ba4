package fsm_test

import (
	"context"
	"encoding/hex"
	"slices"

	"pgregory.net/rapid"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// client is somebody with a session. It may have ended.
type client struct {
	id     string
	binary fsm.SessionID
	// next is the number of its next write, floor the lowest that it wants.
	next, floor uint64
}

var claimKinds = [][]string{nil, {"mail"}, {"external"}, {"mail", "external"}, {"none"}}

func (h *harness) claimNextCall(t *rapid.T, _ string) *call {
	op := model.ClaimNext{
		Owner: pick(t, owners, "owner"), TTLMs: max(1, pick(t, ttls, "ttl")),
		Limit: pick(t, []int{1, 2, 100}, "limit"), Kinds: pick(t, claimKinds, "kinds"),
	}
	return made("", op, func(ctx context.Context, r registry.Registry) model.Answer {
		claims, err := r.(registry.Queue).ClaimNext(ctx, registry.ClaimNextRequest{Owner: op.Owner, TTLMs: op.TTLMs, Limit: op.Limit, Kinds: op.Kinds})
		return answerOf(err, func(a *model.Answer) { a.Claims = claims })
	})
}

// retryCall draws a release with a delay, mostly one that passes.
func (h *harness) retryCall(t *rapid.T, id string) *call {
	if len(h.leases) == 0 {
		return h.claimNextCall(t, id)
	}
	lease := h.lease(t, h.leased(t, id))
	op := model.ReleaseForRetry{
		Completion:   registry.ProcessLeaseCompletion{ProcessID: lease.ProcessID, LeaseToken: lease.LeaseToken},
		RetryAfterMs: pick(t, []uint64{1000, 2000, 0, 1, 10_000, registry.MaxRetryAfterMs}, "delay"),
	}
	return made(lease.ProcessID, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return done(r.(registry.Queue).ReleaseForRetry(ctx, op.Completion, op.RetryAfterMs))
	})
}

func (h *harness) openCall(*rapid.T, string) *call {
	return made("", model.OpenSession{}, func(ctx context.Context, r registry.Registry) model.Answer {
		id, err := r.(registry.Sessions).OpenSession(ctx)
		return answerOf(err, func(a *model.Answer) { a.Session = id })
	})
}

func (h *harness) closeCall(t *rapid.T, id string) *call {
	if len(h.clients) == 0 || !rarely(t, "really close") {
		return h.openCall(t, id)
	}
	op := model.CloseSession{ID: pick(t, h.clients, "client").id}
	return made("", op, func(ctx context.Context, r registry.Registry) model.Answer {
		return done(r.(registry.Sessions).CloseSession(ctx, op.ID))
	})
}

// remember keeps what a client that opened a session knows.
func (h *harness) remember(c *call) {
	if c.answer.Session != "" {
		opened := &client{id: c.answer.Session, next: 1, floor: 1}
		_, _ = hex.Decode(opened.binary[:], []byte(opened.id))
		h.clients = append(h.clients, opened)
	}
}

// stampedCall draws a write of a session: a new one, or one that was made
// before, be it long ago.
func (h *harness) stampedCall(t *rapid.T, id string) *call {
	if len(h.clients) == 0 {
		return h.openCall(t, id)
	}
	if len(h.stamped) > 0 && rapid.Bool().Draw(t, "again") {
		from := h.stamped
		if !sometimes(t, "late duplicate") {
			from = from[max(0, len(from)-3):]
		}
		earlier := pick(t, from, "stamped write")
		if rarely(t, "another write under its number") {
			return stampedAs(earlier.op.(model.Stamped), h.otherKind(t, id, earlier.op.(model.Stamped).Op))
		}
		return made(earlier.processID, earlier.op, earlier.run)
	}
	c := stampedAs(h.nextStamp(t), h.unstamped(t, id))
	h.stamped = append(h.stamped, c)
	return c
}

// nextStamp draws the next number of a client, mostly of a session that lives, and
// moves its floor on from time to time.
func (h *harness) nextStamp(t *rapid.T) model.Stamped {
	c := pick(t, h.clients, "client")
	if !rarely(t, "any client") {
		for _, other := range slices.Backward(h.clients) {
			if !h.model.Answered(other.id, other.next) {
				c = other
				break
			}
		}
	}
	if sometimes(t, "the floor rises") {
		c.floor = rapid.Uint64Range(c.floor, c.next).Draw(t, "floor")
	}
	op := model.Stamped{Session: c.id, Sequence: c.next, Floor: c.floor}
	c.next++
	return op
}

// unstamped draws a write that can be one of a session. A prune is several.
func (h *harness) unstamped(t *rapid.T, id string) *call {
	switch {
	case rarely(t, "batch"):
		return h.batchCall(t, id)
	case rarely(t, "claim next"):
		return h.claimNextCall(t, id)
	}
	c := h.drawCall(t, id)
	switch c.op.(type) {
	case model.Stamped, model.PruneTerminalProcesses, model.OpenSession, model.CloseSession:
		return h.grantCall(t, id)
	}
	return c
}

// otherKind draws a call of another kind than an operation.
func (h *harness) otherKind(t *rapid.T, id string, op model.Op) *call {
	if _, same := op.(model.ClearProcessWait); same {
		return h.setWaitCall(t, id)
	}
	return h.clearWaitCall(t, id)
}

// stampedAs makes a call a write of a session.
func stampedAs(op model.Stamped, c *call) *call {
	op.Op = c.op
	return made(c.processID, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return c.run(registry.WithSession(ctx, registry.SessionStamp{ID: op.Session, Sequence: op.Sequence, Floor: op.Floor}), r)
	})
}

// settleCall asks what became of a write, at times of one that was never made.
func (h *harness) settleCall(t *rapid.T, id string) *call {
	if len(h.stamped) == 0 {
		return h.stampedCall(t, id)
	}
	op := pick(t, h.stamped[max(0, len(h.stamped)-6):], "stamped write").op.(model.Stamped)
	if sometimes(t, "never made") {
		op = h.nextStamp(t)
	}
	op.Op = model.SettleWrite{}
	c := made("", op, func(ctx context.Context, r registry.Registry) model.Answer {
		outcome, err := r.(registry.Sessions).SettleWrite(ctx, registry.SessionStamp{ID: op.Session, Sequence: op.Sequence, Floor: op.Floor})
		return answerOf(err, func(a *model.Answer) {
			a.Outcome = &model.Outcome{Done: outcome.Done, Revision: outcome.Revision}
			if outcome.Refusal != nil {
				a.Outcome.Refusal = outcome.Refusal.Code
			}
		})
	})
	known := func(c *call) bool {
		stamped := c.op.(model.Stamped)
		return stamped.Session == op.Session && stamped.Sequence == op.Sequence
	}
	if !slices.ContainsFunc(h.stamped, known) {
		// What is settled comes late, and must not be done.
		h.stamped = append(h.stamped, stampedAs(op, h.grantCall(t, id)))
	}
	return c
}

// passMinutes lets lease time pass until just before a session ends, or just
// then. One entry moves it two seconds at the most.
func (h *harness) passMinutes(t *rapid.T) {
	if !sometimes(t, "really") || len(h.clients) == 0 {
		h.tick(t)
		h.runTick(t)
		return
	}
	session := h.model.Sessions[pick(t, h.clients, "client").id]
	if session == nil || session.EndMs <= h.model.LeaseTimeMs {
		return
	}
	end := session.EndMs - rapid.Uint64Range(0, 1).Draw(t, "before the end")
	for h.model.LeaseTimeMs < end {
		h.stamp = h.model.ClockMs + min(2000, end-h.model.LeaseTimeMs)
		h.runTick(t)
	}
}
