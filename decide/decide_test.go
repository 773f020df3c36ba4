package decide

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// testLog applies every command at once. Before a decision is applied, the
// hooks may let other things happen.
type testLog struct {
	machine  *fsm.Machine
	index    uint64
	stamp    uint64
	commands []fsm.Command
	// between runs after a command was decided and before it is applied.
	between func()
	// waited tells of every wait whether it was over at once.
	waited []bool
	// fail, when set, is what Propose and Read answer.
	fail error
}

func newTestLog(t testing.TB) *testLog {
	l := &testLog{machine: fsm.NewMachine(), stamp: 10_000}
	l.apply(t, fsm.Command{Body: &fsm.Takeover{Proposer: "n1", ClusterID: "c"}})
	return l
}

func (l *testLog) apply(t testing.TB, c fsm.Command) fsm.Result {
	t.Helper()
	result, err := l.commit(c)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func (l *testLog) commit(c fsm.Command) (fsm.Result, error) {
	data, err := fsm.EncodeEntry(fsm.Entry{Term: 1, StampMs: l.stamp, Commands: []fsm.Command{c}})
	if err != nil {
		return fsm.Result{}, err
	}
	l.index++
	result, err := l.machine.Apply(l.index, 1, data)
	if err != nil {
		return fsm.Result{}, err
	}
	return result.Results[0], nil
}

func (l *testLog) Propose(_ context.Context, decide Decision) (fsm.Result, error) {
	if l.fail != nil {
		return fsm.Result{}, l.fail
	}
	c, err := decide(l.machine)
	if err != nil {
		return fsm.Result{}, err
	}
	l.commands = append(l.commands, c)
	if l.between != nil {
		l.between()
	}
	return l.commit(c)
}

func (l *testLog) Read(_ context.Context, read func(fsm.View)) error {
	if l.fail != nil {
		return l.fail
	}
	l.machine.Read(read)
	return nil
}

func (l *testLog) AwaitReady(_ context.Context, _ []string, _ uint64, done func(fsm.View) bool) error {
	l.machine.Read(func(v fsm.View) { l.waited = append(l.waited, done(v)) })
	return l.fail
}

func newTestRegistry(t testing.TB) (*Registry, *testLog) {
	log := newTestLog(t)
	return NewRegistry(log, registry.TierDurable, rand.Reader), log
}

// job is a registration that declares one type beside the core ones.
func job(id, schema string, semantics registry.EventSemanticsSpec) registry.ProcessRegistration {
	return registry.ProcessRegistration{
		ID: id, Input: registry.ProcessInput{Kind: registry.InputExternal}, Disposition: registry.OwnerBound,
		Identity:   registry.ProcessIdentity{Kind: "external"},
		EventTypes: []registry.ProcessEventType{{Name: "note", PayloadSchema: registry.JSON(schema), Semantics: semantics}},
	}
}

func mustRegister(t testing.TB, r *Registry, registration registry.ProcessRegistration) registry.ProcessRecord {
	t.Helper()
	record, err := r.RegisterProcess(t.Context(), registration)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func appendNote(payload, key string) registry.ProcessEventAppendRequest {
	request := registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON(payload)}
	if key != "" {
		request.Replay = &registry.Replay{Key: key}
	}
	return request
}

func wantCode(t testing.TB, err error, code registry.Code) *registry.Error {
	t.Helper()
	if registry.CodeOf(err) != code {
		t.Fatalf("%v (%v), want %v", registry.CodeOf(err), err, code)
	}
	var refusal *registry.Error
	errors.As(err, &refusal)
	return refusal
}

// TestTheLeadersRefusalsKeepTheirPlace: whatever the leader found wrong is the
// answer only where nothing before it in 5.12 is.
func TestTheLeadersRefusalsKeepTheirPlace(t *testing.T) {
	r, log := newTestRegistry(t)
	ctx := t.Context()
	pointer := &registry.Selector{Kind: registry.SelectPointer, Text: "/must"}
	mustRegister(t, r, job("p", `{"type":"object"}`, registry.EventSemanticsSpec{
		Terminal: &registry.TerminalSpec{State: registry.StateFailed, AwaitOutput: pointer},
	}))
	stale := &registry.Fence{LeaseToken: "x"}
	undeclared := appendNote(`1`, "")
	undeclared.EventType = "other"
	empty := appendNote(`1`, "")
	empty.Replay = &registry.Replay{}
	cancel := registry.ProcessEventAppendRequest{EventType: registry.EventCancelRequested, Payload: registry.JSON(`{}`)}
	waiting := registry.ProcessEventAppendRequest{EventType: registry.EventWaiting, Payload: registry.JSON(`{}`), Replay: &registry.Replay{}}
	for _, c := range []struct {
		name    string
		id      string
		request registry.ProcessEventAppendRequest
		fence   *registry.Fence
		code    registry.Code
	}{
		{"an unknown process comes before a stale fence", "none", undeclared, stale, registry.CodeNotFound},
		{"a stale fence comes before an undeclared type", "p", undeclared, stale, registry.CodeFenced},
		{"an undeclared type", "p", undeclared, nil, registry.CodeUndeclaredEvent},
		{"a missing key comes before the schema", "p", appendNote(`1`, ""), nil, registry.CodeMissingReplayKey},
		{"an empty key is a missing one where one is needed", "p", empty, nil, registry.CodeMissingReplayKey},
		{"a cancel request needs a key", "p", cancel, nil, registry.CodeMissingReplayKey},
		{"an empty key is wrong where none is needed", "p", waiting, nil, registry.CodeInvalidArgument},
		{"the schema comes before the selectors", "p", appendNote(`1`, "k"), nil, registry.CodePayloadRejected},
		{"a selector that does not match", "p", appendNote(`{}`, "k"), nil, registry.CodePayloadRejected},
		{"an output of another arm", "p", appendNote(`{"must":{"type":"success","value":1}}`, "k"), nil, registry.CodePayloadRejected},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := r.AppendEvent(ctx, c.id, c.request, c.fence)
			refusal := wantCode(t, err, c.code)
			if refusal.Fields.ProcessID != c.id {
				t.Errorf("fields %+v", refusal.Fields)
			}
			if c.fence == nil && refusal.Fields.EventType != c.request.EventType {
				t.Errorf("fields %+v", refusal.Fields)
			}
		})
	}
	if _, err := r.CompleteProcess(ctx, "p", registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("1")}, nil); err != nil {
		t.Fatal(err)
	}
	_, err := r.AppendEvent(ctx, "p", appendNote(`{}`, "k"), nil)
	wantCode(t, err, registry.CodePayloadRejected)
	_, err = r.AppendEvent(ctx, "p", appendNote(`{"must":1}`, "k"), nil)
	wantCode(t, err, registry.CodeTerminal)
	for _, c := range log.commands {
		if body, ok := c.Body.(*fsm.AppendEvent); ok && c.Life == nil {
			t.Errorf("the append %+v does not name the life it was decided against", body)
		}
	}
}

// TestArgumentsAreRefusedBeforeTheLog: what the request alone tells comes at
// once, and from here.
func TestArgumentsAreRefusedBeforeTheLog(t *testing.T) {
	r, log := newTestRegistry(t)
	ctx, before := t.Context(), log.index
	long := strings.Repeat("x", registry.MaxStringBytes+1)
	var errs []error
	add := func(_ any, err error) { errs = append(errs, err) }
	add(r.RegisterProcess(ctx, registry.ProcessRegistration{}))
	add(r.GetProcess(ctx, ""))
	add(r.ListProcesses(ctx, registry.ProcessListFilter{Status: "odd"}, registry.PageRequest{}))
	add(r.ListProcesses(ctx, registry.ProcessListFilter{}, registry.PageRequest{Size: -1}))
	add(r.ListNonTerminal(ctx, registry.PageRequest{Size: registry.MaxPageSize + 1}))
	add(r.CompleteProcess(ctx, "p", registry.ProcessAwaitOutput{}, nil))
	add(r.CompleteProcess(ctx, "", registry.ProcessAwaitOutput{Kind: registry.OutputCancelled}, nil))
	add(r.RecordFirstStarted(ctx, "p", registry.ProcessStarted{}, nil))
	add(r.AppendEvent(ctx, "p", registry.ProcessEventAppendRequest{EventType: "note"}, nil))
	add(r.AppendEvent(ctx, "p", appendNote(`1e400`, ""), nil))
	add(r.AppendEvent(ctx, "p", appendNote(`{}`, "a\x00b"), nil))
	add(r.EventsAfter(ctx, "", 0, registry.PageRequest{}))
	add(r.EventsAfter(ctx, "p", 0, registry.PageRequest{Size: -1}))
	add(r.CountEventsThrough(ctx, "", "note", 0))
	add(r.RecentEvents(ctx, "", 1, registry.PageRequest{}))
	add(r.RecentEvents(ctx, "p", 1, registry.PageRequest{Size: -1}))
	add(r.SetExternalRef(ctx, "", registry.ProcessExternalRef{}, nil))
	add(r.SetExternalRef(ctx, "p", registry.ProcessExternalRef{Metadata: registry.JSON(`{`)}, nil))
	add(r.RequestProcessAbandon(ctx, "", registry.AbandonRequest{}, nil))
	add(r.SetProcessWait(ctx, "p", registry.WaitState{}, nil))
	add(r.ClearProcessWait(ctx, "", nil))
	add(r.WakeEventsAfter(ctx, "", 0, registry.PageRequest{}))
	add(nil, r.AckWake(ctx, "", 0))
	s, none, page := registry.SessionScope{SessionID: "s"}, registry.SessionScope{}, registry.PageRequest{}
	add(r.GrantHandle(ctx, none, "p", registry.ProcessHandleDescriptor{}))
	add(r.GrantHandle(ctx, s, "", registry.ProcessHandleDescriptor{}))
	add(nil, r.RevokeHandle(ctx, none, "p"))
	add(nil, r.RevokeHandle(ctx, s, " "))
	add(nil, r.TransferHandleGrants(ctx, none, s, nil))
	add(nil, r.TransferHandleGrants(ctx, s, none, nil))
	add(nil, r.TransferHandleGrants(ctx, s, s, []string{"p", " "}))
	add(r.ListHandleGrants(ctx, none, page))
	add(r.ListHandleGrants(ctx, s, registry.PageRequest{Size: -1}))
	add(r.ListLiveHandleGrants(ctx, none, page))
	add(r.HasHandleGrant(ctx, none, "p"))
	add(r.HasHandleGrant(ctx, s, ""))
	add(r.HandleGrantsForProcess(ctx, "", page))
	add(r.DeleteSessionProcessState(ctx, ""))
	add(r.ClaimProcessLease(ctx, "p", registry.LeaseOwnerIdentity{}, 1))
	add(r.ClaimProcessLease(ctx, "p", registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i"}, registry.MaxLeaseTTLMs+1))
	o := registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i"}
	add(r.ReclaimProcessLease(ctx, "", o, registry.ProcessLease{}, "", 1))
	add(r.ReclaimProcessLease(ctx, "p", registry.LeaseOwnerIdentity{}, registry.ProcessLease{}, "", 1))
	add(r.ReclaimProcessLease(ctx, "p", o, registry.ProcessLease{}, "sleeping", 1))
	add(r.ReclaimProcessLease(ctx, "p", o, registry.ProcessLease{}, "", registry.MaxLeaseTTLMs+1))
	add(r.ReclaimProcessLease(ctx, "p", o, registry.ProcessLease{LeaseToken: "\xff"}, "", 1))
	add(r.RenewProcessLease(ctx, registry.ProcessLease{}, 1))
	add(r.GetProcessLease(ctx, ""))
	add(nil, r.CompleteProcessLease(ctx, registry.ProcessLeaseCompletion{}))
	for i, err := range errs {
		if registry.CodeOf(err) != registry.CodeInvalidArgument {
			t.Errorf("%d: %v (%v)", i, registry.CodeOf(err), err)
		}
	}
	errs = nil
	fence := &registry.Fence{LeaseToken: long}
	add(r.AppendEvent(ctx, "p", appendNote(`{}`, ""), fence))
	add(r.CompleteProcess(ctx, "p", registry.ProcessAwaitOutput{Kind: registry.OutputCancelled}, fence))
	add(r.RecordFirstStarted(ctx, "p", registry.ProcessStarted{Owner: registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i"}}, fence))
	add(r.SetExternalRef(ctx, "p", registry.ProcessExternalRef{}, fence))
	add(r.SetExternalRef(ctx, "p", registry.ProcessExternalRef{Metadata: registry.JSON(`"` + strings.Repeat("x", registry.MaxJSONBytes) + `"`)}, nil))
	add(r.SetExternalRef(ctx, "p", registry.ProcessExternalRef{Backend: long}, nil))
	add(r.RequestProcessAbandon(ctx, "p", registry.AbandonRequest{}, fence))
	add(r.RequestProcessAbandon(ctx, "p", registry.AbandonRequest{Reason: &long}, nil))
	add(r.SetProcessWait(ctx, "p", registry.WaitState{Kind: registry.WaitSignal}, fence))
	add(r.SetProcessWait(ctx, "p", registry.WaitState{Kind: registry.WaitSignal, Key: long}, nil))
	add(r.ClearProcessWait(ctx, "p", fence))
	add(r.CountEventsThrough(ctx, "p", long, 0))
	add(r.GrantHandle(ctx, s, "p", registry.ProcessHandleDescriptor{Kind: &long}))
	add(r.GrantHandle(ctx, s, "p", registry.ProcessHandleDescriptor{Label: &long}))
	add(r.GrantHandle(ctx, registry.SessionScope{SessionID: "s", AgentFrameID: long}, "p", registry.ProcessHandleDescriptor{}))
	add(r.ReclaimProcessLease(ctx, "p", o, registry.ProcessLease{ProcessID: long}, "", 1))
	add(r.ReclaimProcessLease(ctx, "p", o, registry.ProcessLease{LeaseToken: long}, "", 1))
	add(r.ReclaimProcessLease(ctx, "p", o, registry.ProcessLease{Owner: registry.LeaseOwnerIdentity{OwnerID: long}}, "", 1))
	add(r.ReclaimProcessLease(ctx, "p", o, registry.ProcessLease{Owner: registry.LeaseOwnerIdentity{IncarnationID: long}}, "", 1))
	add(nil, r.TransferHandleGrants(ctx, s, s, make([]string, registry.MaxTransferIDs+1)))
	add(r.AppendEvent(ctx, "p", appendNote(`"`+strings.Repeat("x", registry.MaxJSONBytes)+`"`, ""), nil))
	add(nil, r.CompleteProcessLease(ctx, registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: long}))
	for i, err := range errs {
		if registry.CodeOf(err) != registry.CodeTooLarge {
			t.Errorf("too large %d: %v (%v)", i, registry.CodeOf(err), err)
		}
	}
	if log.index != before || len(log.commands) != 0 {
		t.Errorf("%d commands reached the log", log.index-before)
	}
}

// TestAnAppendIsDecidedAgainForAnotherLife is A12.
func TestAnAppendIsDecidedAgainForAnotherLife(t *testing.T) {
	r, log := newTestRegistry(t)
	registration := job("p", `{"type":"object"}`, registry.EventSemanticsSpec{})
	log.between = func() {
		log.between = nil
		mustRegister(t, r, registration)
	}
	result, err := r.AppendEvent(t.Context(), "p", appendNote(`{}`, ""), nil)
	if err != nil || result.Event.Sequence != 1 {
		t.Fatalf("%+v (%v)", result.Event, err)
	}
	if len(log.commands) != 3 || *log.commands[0].Life != 0 || *log.commands[2].Life == 0 {
		t.Errorf("%d commands", len(log.commands))
	}
	// Decided while there was none, and refused by the schema of the life that
	// it met: the refusal is that of the second decision.
	registration.ID = "q"
	log.between = func() {
		log.between = nil
		mustRegister(t, r, registration)
	}
	_, err = r.AppendEvent(t.Context(), "q", appendNote(`1`, ""), nil)
	wantCode(t, err, registry.CodePayloadRejected)
}

func TestAProcessThatNeverKeepsStillIsOverloaded(t *testing.T) {
	log := &lostLife{}
	_, err := NewRegistry(log, registry.TierDurable, rand.Reader).AppendEvent(t.Context(), "p", appendNote(`1`, ""), nil)
	if wantCode(t, err, registry.CodeOverloaded); !registry.IsDefinite(err) || log.proposals != 3 {
		t.Errorf("%d proposals, definite %v", log.proposals, registry.IsDefinite(err))
	}
}

// lostLife answers every command with a life mismatch.
type lostLife struct {
	testLog
	proposals int
}

func (l *lostLife) Propose(context.Context, Decision) (fsm.Result, error) {
	l.proposals++
	return fsm.Result{LifeMismatch: true}, nil
}

func TestErrorsOfTheLogAreHandedOn(t *testing.T) {
	r, log := newTestRegistry(t)
	log.fail = registry.Errorf(registry.CodeOutcomeUnknown, registry.Fields{}, "gone")
	ctx := t.Context()
	owner := registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i"}
	var errs []error
	add := func(_ any, err error) { errs = append(errs, err) }
	add(r.RegisterProcess(ctx, job("p", `{}`, registry.EventSemanticsSpec{})))
	add(r.AppendEvent(ctx, "p", appendNote(`1`, ""), nil))
	add(r.CompleteProcess(ctx, "p", registry.ProcessAwaitOutput{Kind: registry.OutputCancelled}, nil))
	add(r.ClaimProcessLease(ctx, "p", owner, 1))
	add(r.ReclaimProcessLease(ctx, "p", owner, registry.ProcessLease{}, "", 1))
	add(r.RenewProcessLease(ctx, registry.ProcessLease{ProcessID: "p", Owner: owner}, 1))
	add(r.GetProcess(ctx, "p"))
	add(r.GetProcessLease(ctx, "p"))
	add(r.EventsAfter(ctx, "p", 0, registry.PageRequest{}))
	add(r.ListNonTerminal(ctx, registry.PageRequest{}))
	add(r.SetExternalRef(ctx, "p", registry.ProcessExternalRef{}, nil))
	add(r.RequestProcessAbandon(ctx, "p", registry.AbandonRequest{}, nil))
	add(r.SetProcessWait(ctx, "p", registry.WaitState{Kind: registry.WaitSignal}, nil))
	add(r.ClearProcessWait(ctx, "p", nil))
	add(r.CountEventsThrough(ctx, "p", "note", 1))
	add(r.RecentEvents(ctx, "p", 1, registry.PageRequest{}))
	add(r.WakeEventsAfter(ctx, "p", 1, registry.PageRequest{}))
	add(nil, r.AckWake(ctx, "p", 1))
	s := registry.SessionScope{SessionID: "s"}
	add(r.GrantHandle(ctx, s, "p", registry.ProcessHandleDescriptor{}))
	add(nil, r.RevokeHandle(ctx, s, "p"))
	add(nil, r.TransferHandleGrants(ctx, s, s, nil))
	add(r.ListHandleGrants(ctx, s, registry.PageRequest{}))
	add(r.ListLiveHandleGrants(ctx, s, registry.PageRequest{}))
	add(r.HasHandleGrant(ctx, s, "p"))
	add(r.HandleGrantsForProcess(ctx, "p", registry.PageRequest{}))
	add(r.DeleteSessionProcessState(ctx, "s"))
	add(r.PruneTerminalProcesses(ctx, 1))
	add(nil, r.CompleteProcessLease(ctx, registry.ProcessLeaseCompletion{ProcessID: "p"}))
	for i, err := range errs {
		if err != log.fail {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestTheTierIsTheLogs(t *testing.T) {
	r, _ := newTestRegistry(t)
	if r.DurabilityTier() != registry.TierDurable {
		t.Error("the tier is another one")
	}
}

// TestACompletionIsExactlyAnAppend is 5.17: the event, the record and the
// repeat are those of the append that it stands for.
func TestACompletionIsExactlyAnAppend(t *testing.T) {
	owner := &registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i"}
	for i, output := range []registry.ProcessAwaitOutput{
		{Kind: registry.OutputSuccess, Value: registry.JSON(`{ "b":1.0, "a":[ ] }`)},
		{Kind: registry.OutputSuccess, Value: registry.JSON(`null`), Message: "of another arm", Class: registry.ClassTimeout},
		{Kind: registry.OutputFailure, Class: registry.ClassTimeout, Code: "c", Message: "m", Raw: registry.JSON(`null`)},
		{Kind: registry.OutputFailure, Class: registry.ClassTimeout, Raw: registry.JSON(` [1]`)},
		{Kind: registry.OutputCancelled, Message: "\"<é>\u2028\n"},
		{Kind: registry.OutputAbandoned, Evidence: &registry.AbandonEvidence{Writer: registry.WriterSweep, Owner: owner, EpochMs: 1 << 60}},
		{Kind: registry.OutputSuccess, Value: registry.JSON(`1`), Control: registry.JSON(`{"unknown":1,"type":"switch_agent_frame","frame_id":"f","task":null}`)},
		{Kind: registry.OutputSuccess, Value: registry.JSON(`1`), Control: registry.JSON(`null`)},
	} {
		t.Run(fmt.Sprint(output.Kind, i), func(t *testing.T) {
			var texts []string
			request, err := registry.CompletionRequest("p", output)
			if err != nil {
				t.Fatal(err)
			}
			for _, finish := range []func(*Registry) error{
				func(r *Registry) error { _, err := r.CompleteProcess(t.Context(), "p", output, nil); return err },
				func(r *Registry) error { _, err := r.AppendEvent(t.Context(), "p", request, nil); return err },
			} {
				r, log := newTestRegistry(t)
				mustRegister(t, r, job("p", `{}`, registry.EventSemanticsSpec{}))
				for range 2 {
					if err := finish(r); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := r.CompleteProcess(t.Context(), "p", output, nil); err != nil {
					t.Error(err)
				}
				hash, err := frames(log.machine)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, hash)
			}
			if texts[0] != texts[1] {
				t.Errorf("a completion and its append leave different states:\n%s\n%s", texts[0], texts[1])
			}
		})
	}
}

// TestCompletingAgainForgivesTheTimeOfTheEvidence is A20.
func TestCompletingAgainForgivesTheTimeOfTheEvidence(t *testing.T) {
	r, _ := newTestRegistry(t)
	mustRegister(t, r, job("p", `{}`, registry.EventSemanticsSpec{}))
	complete := func(writer registry.AbandonWriter, epochMs uint64) (registry.ProcessRecord, error) {
		evidence := &registry.AbandonEvidence{Writer: writer, EpochMs: epochMs}
		return r.CompleteProcess(t.Context(), "p", registry.ProcessAwaitOutput{Kind: registry.OutputAbandoned, Evidence: evidence}, nil)
	}
	for _, epochMs := range []uint64{5, 6} {
		record, err := complete(registry.WriterSweep, epochMs)
		if err != nil || record.Status.AwaitOutput.Evidence.EpochMs != 5 {
			t.Errorf("%+v (%v)", record.Status, err)
		}
	}
	_, err := complete(registry.WriterOwnerDrain, 5)
	wantCode(t, err, registry.CodeReplayConflict)
}

// frames is the hash of a machine's whole state.
func frames(m *fsm.Machine) (string, error) { return m.Snapshot().Hash() }

func TestTheCanonicalZeroOfADedupeKindIsEventIdentity(t *testing.T) {
	r, _ := newTestRegistry(t)
	mustRegister(t, r, job("p", `{}`, registry.EventSemanticsSpec{Wake: &registry.WakeSpec{Input: registry.Selector{Kind: registry.SelectPayload}}}))
	result, err := r.AppendEvent(t.Context(), "p", appendNote(`1`, ""), nil)
	if err != nil || result.Event.Semantics.Wake.DedupeKey != "p:1" {
		t.Errorf("%+v (%v)", result.Event.Semantics.Wake, err)
	}
}

// TestAnEqualExternalRefIsARepeat: equal as JSON, not as text.
func TestAnEqualExternalRefIsARepeat(t *testing.T) {
	r, _ := newTestRegistry(t)
	mustRegister(t, r, job("p", `{}`, registry.EventSemanticsSpec{}))
	set := func(metadata string) error {
		ref := registry.ProcessExternalRef{Backend: "b", ID: "x"}
		if metadata != "" {
			ref.Metadata = registry.JSON(metadata)
		}
		record, err := r.SetExternalRef(t.Context(), "p", ref, nil)
		if err == nil && string(record.ExternalRef.Metadata) != `{"b": 1, "a": [1.0]}` {
			t.Errorf("the metadata became %s", record.ExternalRef.Metadata)
		}
		return err
	}
	for _, metadata := range []string{`{"b": 1, "a": [1.0]}`, `{"b": 1, "a": [1.0]}`, `{"a":[1.0],"b":1}`} {
		if err := set(metadata); err != nil {
			t.Errorf("%s: %v", metadata, err)
		}
	}
	for _, metadata := range []string{"", `{"a":[1],"b":1}`, `{}`} {
		wantCode(t, set(metadata), registry.CodeAlreadyExists)
	}
}
