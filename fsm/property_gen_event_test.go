package fsm_test

import (
	"context"

	"pgregory.net/rapid"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// appendCall draws a new append, or an earlier one with one thing changed.
func (h *harness) appendCall(t *rapid.T, id string) *call {
	fits := pick(t, appends, "type and payload")
	if rarely(t, "misfit") {
		fits = [2]string{pick(t, appends, "type")[0], pick(t, appends, "payload")[1]}
	}
	op := model.AppendEvent{ProcessID: id, Fence: h.fence(t, id), Request: registry.ProcessEventAppendRequest{
		EventType: fits[0], Payload: registry.JSON(fits[1]),
		Replay: pick(t, keys, "key"), WakeTargetScope: target(t, "target"),
	}}
	if len(h.appends) > 0 && sometimes(t, "again") {
		fresh := op
		op = pick(t, h.appends[max(0, len(h.appends)-6):], "earlier append")
		id = op.ProcessID
		switch rapid.IntRange(0, 4).Draw(t, "but with") {
		case 0:
			op.Fence = fresh.Fence
		case 1:
			op.Request.Payload = fresh.Request.Payload
		case 2:
			op.Request.EventType = fresh.Request.EventType
		case 3:
			op.Request.WakeTargetScope = fresh.Request.WakeTargetScope
		}
	}
	h.appends = append(h.appends, op)
	return made(id, op, func(ctx context.Context, r registry.Registry) model.Answer {
		result, err := r.AppendEvent(ctx, id, op.Request, op.Fence)
		return answerOf(err, func(a *model.Answer) { a.Event, a.Delivery = &result.Event, result.WakeDelivery })
	})
}

// ackCall draws an ack: mostly of a wake that is there, or of the next event
// before it comes.
func (h *harness) ackCall(t *rapid.T, id string) *call {
	sequences := []uint64{1, 0, ^uint64(0)}
	if p := h.model.Processes[id]; p != nil {
		next := uint64(len(p.Events)) + 1
		sequences = []uint64{next, next + 1}
		for _, e := range h.model.Do(model.WakeEventsAfter{ProcessID: id}).Events {
			sequences = append(sequences, e.Sequence)
		}
		// The last that there can be, and what can never be.
		sequences = append(sequences, next-1, 100_004, 100_005, 0, ^uint64(0))
	}
	op := model.AckWake{ProcessID: id, Sequence: pick(t, sequences, "sequence")}
	return made(id, op, func(ctx context.Context, r registry.Registry) model.Answer {
		return done(r.AckWake(ctx, id, op.Sequence))
	})
}
