package decide

import (
	"testing"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

var anOwner = registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i"}

func TestABatchIsOneCommandThatAnswersForEach(t *testing.T) {
	r, log := newTestRegistry(t)
	ctx, scope := t.Context(), registry.SessionScope{SessionID: "s"}
	before := len(log.commands)
	wake := registry.EventSemanticsSpec{Wake: &registry.WakeSpec{Input: registry.Selector{Kind: registry.SelectPayload}}}
	registration := job("p", `{"type":"object"}`, wake)
	registration.WakeTarget = &scope
	answers, err := r.Batch(ctx, []registry.Operation{
		registry.RegisterProcessOperation{Registration: registration},
		registry.GrantHandleOperation{Scope: scope, ProcessID: "p"},
		registry.AppendEventOperation{ProcessID: "p", Request: appendNote(`{}`, "k")},
		registry.ClaimProcessLeaseOperation{ProcessID: "p", Owner: anOwner, TTLMs: 1000},
		registry.AckWakeOperation{ProcessID: "p", Sequence: 1},
	})
	if err != nil || len(answers) != 5 || len(log.commands) != before+1 {
		t.Fatalf("%d answers with %d commands (%v)", len(answers), len(log.commands)-before, err)
	}
	if a := answers[0].Record; a == nil || a.ID != "p" || a.Life == 0 {
		t.Errorf("registered %+v", a)
	}
	if a := answers[1].Grant; a == nil || a.SessionID != "s" {
		t.Errorf("granted %+v", a)
	}
	if a := answers[2].Append; a == nil || a.Event.Sequence != 1 || a.WakeDelivery == nil {
		t.Errorf("appended %+v", a)
	}
	if a := answers[3].Claim; a == nil || a.Acquired == nil || a.Acquired.FencingToken != 1 {
		t.Errorf("claimed %+v", a)
	}
	fence := answers[3].Claim.Acquired.Fence()
	_, err = r.Batch(ctx, []registry.Operation{
		registry.RecordFirstStartedOperation{ProcessID: "p", Started: registry.ProcessStarted{Owner: anOwner}, Fence: fence},
		registry.SetProcessWaitOperation{ProcessID: "p", Wait: registry.WaitState{Kind: registry.WaitSignal, Name: "n", EventType: "signal.n", Key: "k", Ordinal: 1}, Fence: fence},
		registry.ClearProcessWaitOperation{ProcessID: "p", Fence: fence},
		registry.SetExternalRefOperation{ProcessID: "p", Ref: registry.ProcessExternalRef{Backend: "b", ID: "x"}, Fence: fence},
		registry.RequestProcessAbandonOperation{ProcessID: "p", Request: registry.AbandonRequest{RequestedBy: "me"}},
		registry.RenewProcessLeaseOperation{Lease: registry.ProcessLease{ProcessID: "p", Owner: anOwner, LeaseToken: fence.LeaseToken, FencingToken: 1}, TTLMs: 5000},
		registry.ReclaimProcessLeaseOperation{ProcessID: "p", Owner: anOwner, TTLMs: 10},
	})
	if failed := wantCode(t, err, registry.CodeBatchRefused); *failed.Fields.Operation != 6 || failed.Fields.OperationCode != "Busy" {
		t.Errorf("%+v", failed.Fields)
	}
	answers, err = r.Batch(ctx, []registry.Operation{
		registry.TransferHandleGrantsOperation{From: scope, To: registry.SessionScope{SessionID: "t"}, ProcessIDs: []string{"p"}},
		registry.RevokeHandleOperation{Scope: registry.SessionScope{SessionID: "t"}, ProcessID: "p"},
		registry.DeleteSessionProcessStateOperation{SessionID: "s"},
		registry.CompleteProcessOperation{ProcessID: "p", Output: registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(`1`)}, Fence: fence},
		registry.ReleaseForRetryOperation{Completion: registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: "none"}, RetryAfterMs: 1},
		registry.CompleteProcessLeaseOperation{Completion: registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: fence.LeaseToken}},
	})
	if err != nil || answers[2].Deleted == nil || answers[3].Record.Status.State != registry.StateCompleted {
		t.Errorf("%+v (%v)", answers, err)
	}
}

func TestWhatABatchRefuses(t *testing.T) {
	r, log := newTestRegistry(t)
	ctx := t.Context()
	mustRegister(t, r, job("p", `{"type":"object"}`, registry.EventSemanticsSpec{}))
	note := func(id, payload string) registry.Operation {
		return registry.AppendEventOperation{ProcessID: id, Request: appendNote(payload, "")}
	}
	t.Run("an operation that is wrong by itself, before the log", func(t *testing.T) {
		before := len(log.commands)
		_, err := r.Batch(ctx, []registry.Operation{note("p", `{}`), note("", `{}`)})
		if failed := wantCode(t, err, registry.CodeInvalidArgument); *failed.Fields.Operation != 1 || failed.Fields.Field != "process_id" {
			t.Errorf("%+v", failed.Fields)
		}
		if len(log.commands) != before {
			t.Error("it reached the log")
		}
	})
	t.Run("none, and too many", func(t *testing.T) {
		_, err := r.Batch(ctx, nil)
		wantCode(t, err, registry.CodeInvalidArgument)
		many := make([]registry.Operation, registry.MaxBatchOperations+1)
		_, err = r.Batch(ctx, many)
		if failed := wantCode(t, err, registry.CodeTooLarge); *failed.Fields.Limit != registry.MaxBatchOperations {
			t.Errorf("%+v", failed.Fields)
		}
	})
	t.Run("a payload that its schema rejects, of a process of the same batch", func(t *testing.T) {
		_, err := r.Batch(ctx, []registry.Operation{
			registry.RegisterProcessOperation{Registration: job("q", `{"type":"object"}`, registry.EventSemanticsSpec{})}, note("q", `1`),
		})
		if failed := wantCode(t, err, registry.CodeBatchRefused); *failed.Fields.Operation != 1 || failed.Fields.OperationCode != "PayloadRejected" {
			t.Errorf("%+v", failed.Fields)
		}
		_, err = r.GetProcess(ctx, "q")
		wantCode(t, err, registry.CodeNotFound)
	})
	t.Run("a registration that another one stands in the way of", func(t *testing.T) {
		_, err := r.Batch(ctx, []registry.Operation{
			registry.RegisterProcessOperation{Registration: job("p", `{"type":"string"}`, registry.EventSemanticsSpec{})}, note("p", `"x"`),
		})
		if failed := wantCode(t, err, registry.CodeBatchRefused); *failed.Fields.Operation != 0 || failed.Fields.OperationCode != "AlreadyExists" {
			t.Errorf("%+v", failed.Fields)
		}
	})
	t.Run("what a log answers", func(t *testing.T) {
		log.fail = registry.Errorf(registry.CodeOutcomeUnknown, registry.Fields{}, "gone")
		defer func() { log.fail = nil }()
		_, err := r.Batch(ctx, []registry.Operation{note("p", `{}`)})
		wantCode(t, err, registry.CodeOutcomeUnknown)
	})
}

// TestABatchIsDecidedAgainForAnotherLife is A12 for batches.
func TestABatchIsDecidedAgainForAnotherLife(t *testing.T) {
	r, log := newTestRegistry(t)
	log.between = func() {
		log.between = nil
		mustRegister(t, r, job("p", `{"type":"object"}`, registry.EventSemanticsSpec{}))
	}
	answers, err := r.Batch(t.Context(), []registry.Operation{registry.AppendEventOperation{ProcessID: "p", Request: appendNote(`{}`, "")}})
	if err != nil || answers[0].Append.Event.Sequence != 1 {
		t.Errorf("%+v (%v)", answers, err)
	}
}

func TestABatchOfASessionHappensOnce(t *testing.T) {
	r, log := newTestRegistry(t)
	id := mustOpen(t, r)
	operations := []registry.Operation{
		registry.RegisterProcessOperation{Registration: workOf("p", "email")},
		registry.ClaimProcessLeaseOperation{ProcessID: "p", Owner: anOwner, TTLMs: 60_000},
	}
	first, err := r.Batch(stamped(t, id, 1), operations)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.Batch(stamped(t, id, 1), operations)
	if err != nil || *again[1].Claim.Acquired != *first[1].Claim.Acquired {
		t.Errorf("%+v became %+v (%v)", first[1], again[1], err)
	}
	for _, c := range log.commands {
		if body, ok := c.Body.(*fsm.Batch); ok && (c.Session == nil || len(body.Operations) != 2) {
			t.Errorf("%+v", c)
		}
	}
	refused := []registry.Operation{registry.AckWakeOperation{ProcessID: "none", Sequence: 1}}
	for range 2 {
		_, err = r.Batch(stamped(t, id, 2), refused)
		wantCode(t, err, registry.CodeBatchRefused)
	}
}
