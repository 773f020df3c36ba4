package fsm_test

import (
	"context"
	"errors"
	"slices"

	"pgregory.net/rapid"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// The small worlds that random calls are drawn from.
var (
	processIDs = []string{"a", "b", "c", "d"}
	owners     = []registry.LeaseOwnerIdentity{
		{OwnerID: "w1", IncarnationID: "1", Liveness: registry.LeaseOwnerLiveness{Kind: "opaque"}},
		{OwnerID: "w1", IncarnationID: "2", Liveness: registry.LeaseOwnerLiveness{Kind: "local_process", HostID: "h", BootID: "b", PID: 7, ProcessStart: "9"}},
		{OwnerID: "w2", IncarnationID: "1", Liveness: registry.LeaseOwnerLiveness{Kind: "opaque"}},
		// The same incarnation as the first, but for its liveness.
		{OwnerID: "w1", IncarnationID: "1", Liveness: registry.LeaseOwnerLiveness{Kind: "local_process", HostID: "h", BootID: "b", PID: 8, ProcessStart: "9"}},
	}
	ttls   = []uint64{10_000, 2000, 5000, 2001, 1000, 24 * 60 * 60 * 1000, 1, 0}
	steps  = []uint64{0, 0, 1, 500, 999, 1000, 1999, 2000, 2001, 5000, 60_000}
	scopes = []*registry.SessionScope{nil, nil, {SessionID: "s1"}, {SessionID: "s1", AgentFrameID: "f"}}
	keys   = []*registry.Replay{nil, nil, {Key: ""}, {Key: "k1"}, {Key: "k2"}, {Key: "k3"}, {Key: "process:a:terminal:process.completed"}}
	// appends are event types with payloads that fit them.
	appends = [][2]string{
		{"note", `null`}, {"note", `"text"`}, {"note", `[1,2.50]`}, {"note", ` {} `},
		{"data", `{"n":1}`}, {"data", `{ "n" : 2 }`}, {"data", `{"n":"x"}`},
		{"wake", `{"go":true,"text":"hi","key":"k"}`}, {"wake", `{"text":"{go} and {text}","go":"{text}"}`}, {"wake", `{"n":1,"why":"boom"}`},
		{"wake.const", `{"go":false,"text":["{go}"],"key":1e3}`}, {"wake.const", `{"go":0,"text":{"b":1,"a":[]},"key":null}`},
		{"wake.const", `{"go":[],"text":"x"}`}, {"wake.const", `{"go":"yes"}`}, {"wake.selector", `{"key":{"b":1.0,"a":"\u00e9"}}`},
		{"done", `{"any":"thing"}`}, {"broke", `{"why":"boom"}`}, {"broke", `{"why":null}`}, {"broke", `{"why":{"type":"failure","class":"timeout"}}`},
		{"broke", `{"why":{"type":"failure","class":"timeout","code":"c","message":"m","raw":{"x":1}}}`},
		{"broke", `{"why":{"type":"success","value":1}}`}, {"gone", `{"text":"bye"}`}, {"gone", `{"text":[1, 2]}`},
		{"process.completed", `{"await_output":{"type":"success","value":{"b":1,"a":2}}}`},
		{"process.completed", `{"await_output":{"value":{"a":2,"b":1},"type":"success"}}`}, {"process.completed", `{"await_output":7}`},
		{"process.failed", `{"await_output":[7]}`}, {"process.cancelled", `{"await_output":{"type":"cancelled","message":"stop","raw":null}}`},
		{"process.abandoned", `{"await_output":{"type":"abandoned","evidence":{"writer":"sweep","epoch_ms":5}}}`}, {"process.abandoned", `{"await_output":0}`},
		{"process.cancel_requested", `{"reason":null}`}, {"process.waiting", `{}`}, {"undeclared", `{}`},
	}
	outputs = []registry.ProcessAwaitOutput{
		{Kind: "success", Value: registry.JSON(`{"b":1,"a":2}`)},
		{Kind: "success", Value: registry.JSON(`{"a":2,"b":1}`)},
		{Kind: "success", Value: registry.JSON(`1.0`)},
		{Kind: "failure", Class: "timeout", Code: "c", Message: "m"},
		{Kind: "cancelled", Message: "stop", Raw: registry.JSON(`[1]`)},
		{Kind: "abandoned", Evidence: &registry.AbandonEvidence{Writer: "sweep", EpochMs: 5}},
		{Kind: "abandoned", Evidence: &registry.AbandonEvidence{Writer: "sweep", EpochMs: 6}},
		{Kind: "abandoned", Evidence: &registry.AbandonEvidence{Writer: "owner_drain", Owner: &owners[1], EpochMs: 5}},
	}
)

func pointer(text string) *registry.Selector { return &registry.Selector{Kind: "pointer", Text: text} }

// eventTypes are what the registrations declare beside the core types.
var eventTypes = []registry.ProcessEventType{
	declare("note", registry.EventSemanticsSpec{}),
	{Name: "data", PayloadSchema: registry.JSON(`{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}`)},
	declare("wake", registry.EventSemanticsSpec{Wake: &registry.WakeSpec{
		When: &registry.Selector{Kind: "present", Text: "/go"},
		Input: registry.Selector{Kind: "template", Text: "got {text} of {go}{none}", Fields: []registry.TemplateField{
			{Name: "text", Selector: *pointer("/text")}, {Name: "go", Selector: *pointer("/go")},
		}},
	}}),
	declare("wake.const", registry.EventSemanticsSpec{Wake: &registry.WakeSpec{
		When: pointer("/go"), Input: registry.Selector{Kind: "payload"}, DedupeKey: registry.DedupeKey{Kind: "const", Const: "same"},
	}}),
	declare("wake.selector", registry.EventSemanticsSpec{Wake: &registry.WakeSpec{
		Input:     registry.Selector{Kind: "const", Const: registry.JSON(`{"z":1,"y":[1.0]}`)},
		DedupeKey: registry.DedupeKey{Kind: "selector", Selector: pointer("/key")},
	}}),
	declare("done", registry.EventSemanticsSpec{Terminal: &registry.TerminalSpec{State: "completed"}}),
	declare("broke", registry.EventSemanticsSpec{Terminal: &registry.TerminalSpec{State: "failed", AwaitOutput: pointer("/why")}}),
	declare("gone", registry.EventSemanticsSpec{
		Terminal: &registry.TerminalSpec{State: "cancelled", AwaitOutput: pointer("/text")},
		Wake:     &registry.WakeSpec{Input: *pointer("/text"), DedupeKey: registry.DedupeKey{Kind: "event_identity"}},
	}),
}

func declare(name string, semantics registry.EventSemanticsSpec) registry.ProcessEventType {
	return registry.ProcessEventType{Name: name, PayloadSchema: registry.JSON(`{}`), Semantics: semantics}
}

// rarely draws true about once in ten times. Small numbers are drawn more
// often than large ones, and shrinking leads to them.
func rarely(t *rapid.T, label string) bool { return rapid.IntRange(0, 7).Draw(t, label) == 7 }

// sometimes draws true about once in four times.
func sometimes(t *rapid.T, label string) bool { return rapid.IntRange(0, 3).Draw(t, label) == 3 }

func pick[T any](t *rapid.T, from []T, label string) T { return rapid.SampledFrom(from).Draw(t, label) }

// fence draws none, mostly that of the current lease, one of a lease that was
// granted at some time, or a wrong one.
func (h *harness) fence(t *rapid.T, id string) *registry.Fence {
	if len(h.leases) == 0 || sometimes(t, "unfenced") {
		return nil
	}
	f := h.lease(t, id).Fence()
	if rarely(t, "wrong fencing token") {
		f.FencingToken++
	}
	if rarely(t, "wrong lease token") {
		f.LeaseToken = "other"
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

func recordCall(id string, op model.Op, run func(context.Context, registry.Registry) (registry.ProcessRecord, error)) *call {
	return &call{op: op, processID: id, run: func(ctx context.Context, r registry.Registry) model.Answer {
		record, err := run(ctx, r)
		return answerOf(err, func(a *model.Answer) { a.Record = &record })
	}}
}

// drawCall draws any call that writes.
func (h *harness) drawCall(t *rapid.T) *call {
	id := pick(t, processIDs, "process")
	switch pick(t, []string{"append", "claim", "renew or release", "append", "start", "register", "append", "renew or release", "complete"}, "call") {
	case "register":
		return h.registerCall(t, id)
	case "complete":
		op := model.CompleteProcess{ProcessID: id, Output: pick(t, outputs, "output"), Fence: h.fence(t, id)}
		return recordCall(id, op, func(ctx context.Context, r registry.Registry) (registry.ProcessRecord, error) {
			return r.CompleteProcess(ctx, id, op.Output, op.Fence)
		})
	case "start":
		started := registry.ProcessStarted{Owner: pick(t, owners, "owner"), StartedAtMs: rapid.Uint64Range(0, 3).Draw(t, "started")}
		op := model.RecordFirstStarted{ProcessID: id, Started: started, Fence: h.fence(t, id)}
		return recordCall(id, op, func(ctx context.Context, r registry.Registry) (registry.ProcessRecord, error) {
			return r.RecordFirstStarted(ctx, id, started, op.Fence)
		})
	case "append":
		return h.appendCall(t, id)
	case "claim":
		op := model.ClaimProcessLease{ProcessID: id, Owner: pick(t, owners, "owner"), TTLMs: pick(t, ttls, "ttl")}
		return &call{op: op, processID: id, run: func(ctx context.Context, r registry.Registry) model.Answer {
			outcome, err := r.ClaimProcessLease(ctx, id, op.Owner, op.TTLMs)
			return answerOf(err, func(a *model.Answer) {
				if a.Lease = outcome.Acquired; a.Lease == nil {
					a.Lease, a.Busy = outcome.Busy, true
				}
			})
		}}
	}
	if len(h.leases) == 0 {
		return h.appendCall(t, id)
	}
	lease := h.lease(t, id)
	if sometimes(t, "release") {
		op := model.CompleteProcessLease{Completion: registry.ProcessLeaseCompletion{ProcessID: lease.ProcessID, LeaseToken: lease.LeaseToken}}
		return &call{op: op, processID: lease.ProcessID, run: func(ctx context.Context, r registry.Registry) model.Answer {
			return answerOf(r.CompleteProcessLease(ctx, op.Completion), func(*model.Answer) {})
		}}
	}
	// What does not identify the lease comes back as the caller sent it.
	lease.ClaimedAtMs, lease.ExpiresAtMs = 1, 2
	if rarely(t, "other fence") {
		lease.FencingToken++
	}
	if rarely(t, "other owner") {
		lease.Owner = pick(t, owners, "owner")
	}
	op := model.RenewProcessLease{Lease: lease, TTLMs: pick(t, ttls, "ttl")}
	return &call{op: op, processID: lease.ProcessID, run: func(ctx context.Context, r registry.Registry) model.Answer {
		renewed, err := r.RenewProcessLease(ctx, op.Lease, op.TTLMs)
		return answerOf(err, func(a *model.Answer) { a.Lease = &renewed })
	}}
}

func (h *harness) registerCall(t *rapid.T, id string) *call {
	op := model.RegisterProcess{Registration: h.registration(t, id)}
	return recordCall(id, op, func(ctx context.Context, r registry.Registry) (registry.ProcessRecord, error) {
		return r.RegisterProcess(ctx, op.Registration)
	})
}

// appendCall draws a new append, or an earlier one with one thing changed.
func (h *harness) appendCall(t *rapid.T, id string) *call {
	fits := pick(t, appends, "type and payload")
	if rarely(t, "misfit") {
		fits = [2]string{pick(t, appends, "type")[0], pick(t, appends, "payload")[1]}
	}
	op := model.AppendEvent{ProcessID: id, Fence: h.fence(t, id), Request: registry.ProcessEventAppendRequest{
		EventType: fits[0], Payload: registry.JSON(fits[1]),
		Replay: pick(t, keys, "key"), WakeTargetScope: pick(t, scopes, "target"),
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
	return &call{op: op, processID: id, run: func(ctx context.Context, r registry.Registry) model.Answer {
		result, err := r.AppendEvent(ctx, id, op.Request, op.Fence)
		return answerOf(err, func(a *model.Answer) { a.Event, a.Delivery = &result.Event, result.WakeDelivery })
	}}
}

// registration draws a new one, but mostly repeats what was drawn before.
func (h *harness) registration(t *rapid.T, id string) registry.ProcessRegistration {
	if known, ok := h.registrations[id]; ok && !rarely(t, "other registration") {
		return known
	}
	r := registry.ProcessRegistration{
		ID: id, Input: registry.ProcessInput{Kind: "external", Metadata: registry.JSON(`{"x": 1.50}`)}, Disposition: "owner_bound",
		Identity: registry.ProcessIdentity{Kind: "external"}, EventTypes: eventTypes,
		WakeTarget: pick(t, scopes, "wake target"), Fencing: pick(t, []registry.FencingMode{"", "required", "optional"}, "fencing"),
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
