package registry_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// refusal is what a check must answer; the zero value is no refusal.
type refusal struct {
	code  registry.Code
	field string
	text  string
	limit uint64
	value uint64
}

func (r refusal) check(t *testing.T, err error) {
	t.Helper()
	if r.code == 0 {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var e *registry.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want %v", err, r.code)
	}
	if e.Code != r.code || e.Fields.Field != r.field {
		t.Errorf("got %v of field %q (%v), want %v of %q", e.Code, e.Fields.Field, e, r.code, r.field)
	}
	if r.text != "" && e.Message != r.text {
		t.Errorf("got %q, want %q", e.Message, r.text)
	}
	if r.limit != 0 && (e.Fields.Limit == nil || *e.Fields.Limit != r.limit || e.Fields.Value == nil || *e.Fields.Value != r.value) {
		t.Errorf("limit and value are not told: %+v", e.Fields)
	}
}

func badArgument(field string) refusal {
	return refusal{code: registry.CodeInvalidArgument, field: field}
}

func over(field string, limit, value uint64) refusal {
	return refusal{code: registry.CodeTooLarge, field: field, limit: limit, value: value}
}

func sized(size int) string { return strings.Repeat("x", size) }

func TestValidateStrings(t *testing.T) {
	blank := refusal{code: registry.CodeInvalidArgument, field: "process_id", text: "process id must be a non-empty string"}
	for _, c := range []struct {
		name string
		err  error
		want refusal
	}{
		{"a transfer of 1,000 ids is taken", registry.ValidateTransferIDs(strings.Split(strings.Repeat("p,", 999)+"p", ",")), refusal{}},
		{"a transfer of nothing is taken", registry.ValidateTransferIDs(nil), refusal{}},
		{"a transfer of 1,001 ids is too large", registry.ValidateTransferIDs(make([]string, 1001)), over("process_ids", 1000, 1001)},
		{"a transfer of a blank id is refused", registry.ValidateTransferIDs([]string{"p", " "}), badArgument("process_ids[1]")},
		{"a transfer of a long id is refused", registry.ValidateTransferIDs([]string{sized(513)}), over("process_ids[0]", 512, 513)},
		{"an empty descriptor is taken", registry.ValidateDescriptor(registry.ProcessHandleDescriptor{}), refusal{}},
		{"an id of one byte is taken", registry.ValidateID("session_id", "s"), refusal{}},
		{"an id of 512 bytes is taken", registry.ValidateID("session_id", sized(512)), refusal{}},
		{"an id of 513 bytes is too large", registry.ValidateID("session_id", sized(513)), over("session_id", 512, 513)},
		{"an empty id is refused", registry.ValidateID("session_id", ""), badArgument("session_id")},
		{"a blank id of a session is taken", registry.ValidateID("session_id", " "), refusal{}},
		{"a blank process id is refused", registry.ValidateID("process_id", " \t\u2003\u0085"), blank},
		{"an empty process id is refused", registry.ValidateID("process_id", ""), blank},
		{"a process id with spaces around is taken", registry.ValidateID("process_id", " p "), refusal{}},
		{"an id that is not UTF-8 is refused", registry.ValidateID("session_id", "a\xff"), badArgument("session_id")},
		{"an id with a NUL is refused", registry.ValidateID("session_id", "a\x00"), badArgument("session_id")},
		{"an id with a delete character is refused", registry.ValidateID("session_id", "a\u007f"), badArgument("session_id")},
		{"an id with a C1 control is refused", registry.ValidateID("session_id", "a\u0085"), badArgument("session_id")},
		{"an id in any script is taken", registry.ValidateID("session_id", "процесс-é😀"), refusal{}},
		{"a replay key of 1024 bytes is taken", registry.ValidateReplayKey(sized(1024)), refusal{}},
		{"a replay key of 1025 bytes is too large", registry.ValidateReplayKey(sized(1025)), over("replay.key", 1024, 1025)},
		{"an empty replay key is refused", registry.ValidateReplayKey(""), badArgument("replay.key")},
		{"a replay key with a line break is refused", registry.ValidateReplayKey("a\n"), badArgument("replay.key")},
		{"a string of 4 KiB is taken", registry.ValidateString("reason", sized(4096)), refusal{}},
		{"a string over 4 KiB is too large", registry.ValidateString("reason", sized(4097)), over("reason", 4096, 4097)},
		{"a string may be empty and have line breaks", registry.ValidateString("reason", "\n"), refusal{}},
		{"a string that is not UTF-8 is refused", registry.ValidateString("reason", "\xc0"), badArgument("reason")},
		{"a scope needs a session", registry.ValidateScope("scope", registry.SessionScope{}), badArgument("scope.session_id")},
		{"a scope needs no frame", registry.ValidateScope("scope", registry.SessionScope{SessionID: "s"}), refusal{}},
		{"a frame is an id", registry.ValidateScope("scope", registry.SessionScope{SessionID: "s", AgentFrameID: sized(513)}), over("scope.agent_frame_id", 512, 513)},
		{"a ttl of a day is taken", registry.ValidateTTL(86_400_000), refusal{}},
		{"a ttl of nothing is taken", registry.ValidateTTL(0), refusal{}},
		{"a ttl over a day is refused", registry.ValidateTTL(math.MaxUint64),
			refusal{code: registry.CodeInvalidArgument, field: "ttl_ms", limit: 86_400_000, value: math.MaxUint64}},
		{"no fence is taken", registry.ValidateFence(nil), refusal{}},
		{"a fence is taken, current or not", registry.ValidateFence(&registry.Fence{}), refusal{}},
		{"a fence with a long token is too large", registry.ValidateFence(&registry.Fence{LeaseToken: sized(4097)}), over("fence.lease_token", 4096, 4097)},
		{"the first page is taken", registry.ValidatePage(registry.PageRequest{}), refusal{}},
		{"a page of 5000 is taken", registry.ValidatePage(registry.PageRequest{Size: 5000}), refusal{}},
		{"a page of 5001 is refused", registry.ValidatePage(registry.PageRequest{Size: 5001}), refusal{code: registry.CodeInvalidArgument, field: "page.size", limit: 5000, value: 5001}},
		{"a page of less than nothing is refused", registry.ValidatePage(registry.PageRequest{Size: -1}), badArgument("page.size")},
		{"a page token has a limit", registry.ValidatePage(registry.PageRequest{Token: sized(4097)}), over("page.token", 4096, 4097)},
	} {
		t.Run(c.name, func(t *testing.T) { c.want.check(t, c.err) })
	}
}

func TestValidateArguments(t *testing.T) {
	owner := func(change func(*registry.LeaseOwnerIdentity)) error {
		o := sampleOwner
		change(&o)
		return registry.ValidateOwner("owner", o)
	}
	appended := func(change func(*registry.ProcessEventAppendRequest)) error {
		r := registry.ProcessEventAppendRequest{EventType: "e", Payload: registry.JSON("1"), Replay: &registry.Replay{Key: "k"}, WakeTargetScope: &registry.SessionScope{SessionID: "s"}}
		change(&r)
		return registry.ValidateAppendRequest(r)
	}
	big := registry.JSON(`"` + sized(registry.MaxJSONBytes) + `"`)
	for _, c := range []struct {
		name string
		err  error
		want refusal
	}{
		{"a local owner is taken", owner(func(*registry.LeaseOwnerIdentity) {}), refusal{}},
		{"an owner needs an id", owner(func(o *registry.LeaseOwnerIdentity) { o.OwnerID = "" }), badArgument("owner.owner_id")},
		{"an owner needs an incarnation", owner(func(o *registry.LeaseOwnerIdentity) { o.IncarnationID = "" }), badArgument("owner.incarnation_id")},
		{"no liveness is opaque", owner(func(o *registry.LeaseOwnerIdentity) { o.Liveness = registry.LeaseOwnerLiveness{} }), refusal{}},
		{"an unknown liveness is refused", owner(func(o *registry.LeaseOwnerIdentity) { o.Liveness.Kind = "x" }), badArgument("owner.liveness.kind")},
		{"a local owner needs a host", owner(func(o *registry.LeaseOwnerIdentity) { o.Liveness.HostID = "" }), badArgument("owner.liveness")},
		{"a local owner needs a boot", owner(func(o *registry.LeaseOwnerIdentity) { o.Liveness.BootID = "" }), badArgument("owner.liveness")},
		{"a host has a limit", owner(func(o *registry.LeaseOwnerIdentity) { o.Liveness.HostID = sized(4097) }), over("owner.liveness.host_id", 4096, 4097)},
		{"a start is its owner", registry.ValidateStarted(registry.ProcessStarted{}), badArgument("owner.owner_id")},

		{"an append is taken", appended(func(*registry.ProcessEventAppendRequest) {}), refusal{}},
		{"an append without a key is taken", appended(func(r *registry.ProcessEventAppendRequest) { r.Replay, r.WakeTargetScope = nil, nil }), refusal{}},
		{"an empty key is left to others", appended(func(r *registry.ProcessEventAppendRequest) { r.Replay.Key = "" }), refusal{}},
		{"a long key is too large", appended(func(r *registry.ProcessEventAppendRequest) { r.Replay.Key = sized(1025) }), over("replay.key", 1024, 1025)},
		{"an append needs a payload", appended(func(r *registry.ProcessEventAppendRequest) { r.Payload = nil }), badArgument("payload")},
		{"a payload has a limit", appended(func(r *registry.ProcessEventAppendRequest) { r.Payload = big }), over("payload", 1<<20, 1<<20+2)},
		{"a payload must be finite", appended(func(r *registry.ProcessEventAppendRequest) { r.Payload = registry.JSON("1e999") }), badArgument("payload")},
		{"an event type has a limit", appended(func(r *registry.ProcessEventAppendRequest) { r.EventType = sized(4097) }), over("event_type", 4096, 4097)},
		{"a wake target is a scope", appended(func(r *registry.ProcessEventAppendRequest) { r.WakeTargetScope.SessionID = "" }), badArgument("wake_target_scope.session_id")},

		{"an abandon request is taken", registry.ValidateAbandonRequest(registry.AbandonRequest{Reason: ptr("")}), refusal{}},
		{"who asks has a limit", registry.ValidateAbandonRequest(registry.AbandonRequest{RequestedBy: sized(4097)}), over("requested_by", 4096, 4097)},
		{"a reason has a limit", registry.ValidateAbandonRequest(registry.AbandonRequest{Reason: ptr(sized(4097))}), over("reason", 4096, 4097)},
		{"an external ref is taken", registry.ValidateExternalRef(registry.ProcessExternalRef{}), refusal{}},
		{"an external id has a limit", registry.ValidateExternalRef(registry.ProcessExternalRef{ID: sized(4097)}), over("external_ref.id", 4096, 4097)},
		{"external metadata is JSON", registry.ValidateExternalRef(registry.ProcessExternalRef{Metadata: registry.JSON("{")}), badArgument("external_ref.metadata")},
		{"a wait is taken", registry.ValidateWait(registry.WaitState{Kind: registry.WaitSignal}), refusal{}},
		{"a wait has a kind", registry.ValidateWait(registry.WaitState{}), badArgument("wait.kind")},
		{"a wait key has a limit", registry.ValidateWait(registry.WaitState{Kind: registry.WaitSignal, Key: sized(4097)}), over("wait.key", 4096, 4097)},
	} {
		t.Run(c.name, func(t *testing.T) { c.want.check(t, c.err) })
	}
}

func TestValidateOutput(t *testing.T) {
	type output = registry.ProcessAwaitOutput
	nested := func(depth int) registry.JSON {
		return registry.JSON(strings.Repeat("[", depth) + strings.Repeat("]", depth))
	}
	abandoned := func(evidence registry.AbandonEvidence) output {
		return output{Kind: registry.OutputAbandoned, Evidence: &evidence}
	}
	for _, c := range []struct {
		name   string
		output output
		want   refusal
	}{
		{"a success is taken", output{Kind: registry.OutputSuccess, Value: registry.JSON("null")}, refusal{}},
		{"a success needs a value", output{Kind: registry.OutputSuccess}, badArgument("output.value")},
		{"a kind must be known", output{}, badArgument("output.type")},
		{"a failure class must be known", output{Kind: registry.OutputFailure}, badArgument("output.class")},
		{"a message has a limit", output{Kind: registry.OutputCancelled, Message: sized(4097)}, over("output.message", 4096, 4097)},
		{"a code has a limit", output{Kind: registry.OutputFailure, Class: registry.ClassInternal, Code: sized(4097)}, over("output.code", 4096, 4097)},
		{"a raw is JSON", output{Kind: registry.OutputCancelled, Raw: registry.JSON("{")}, badArgument("output.raw")},
		{"an abandonment needs evidence", output{Kind: registry.OutputAbandoned}, badArgument("output.evidence")},
		{"evidence needs a writer", abandoned(registry.AbandonEvidence{}), badArgument("output.evidence.writer")},
		{"evidence may name an owner", abandoned(registry.AbandonEvidence{Writer: registry.WriterSweep, Owner: &sampleOwner}), refusal{}},
		{"evidence names a valid owner", abandoned(registry.AbandonEvidence{Writer: registry.WriterSweep, Owner: &registry.LeaseOwnerIdentity{}}), badArgument("output.evidence.owner.owner_id")},
		{"a control is a control", output{Kind: registry.OutputCancelled, Control: registry.JSON("{}")}, badArgument("output.control")},
		{"a value may be as deep as its event allows", output{Kind: registry.OutputSuccess, Value: nested(126)}, refusal{}},
		{"a value deeper than its event allows is refused", output{Kind: registry.OutputSuccess, Value: nested(127)}, badArgument("output")},
		{"a value too large for its event is refused", output{Kind: registry.OutputSuccess, Value: registry.JSON(`"` + sized(registry.MaxJSONBytes-2) + `"`)},
			over("output", 1<<20, 1<<20+uint64(len(`{"await_output":{"type":"success","value":}}`)))},
	} {
		t.Run(c.name, func(t *testing.T) { c.want.check(t, registry.ValidateOutput(c.output)) })
	}
}

func TestFilter(t *testing.T) {
	record := func(state registry.ProcessState, definition string, waiting bool) *registry.ProcessRecord {
		r := &registry.ProcessRecord{Status: registry.ProcessStatus{State: state}, Identity: registry.ProcessIdentity{Definition: registry.JSON(definition)}}
		if waiting {
			r.Wait = &registry.WaitState{}
		}
		return r
	}
	type filter = registry.ProcessListFilter
	for _, c := range []struct {
		name   string
		filter filter
		record *registry.ProcessRecord
		want   bool
	}{
		{"the default matches running records", filter{}, record(registry.StateRunning, "", true), true},
		{"the default hides terminal records", filter{}, record(registry.StateFailed, "", false), false},
		{"a state matches itself", filter{Status: "failed"}, record(registry.StateFailed, "", false), true},
		{"a state matches no other", filter{Status: "failed"}, record(registry.StateRunning, "", false), false},
		{"any matches terminal records", filter{Status: registry.StatusAny}, record(registry.StateFailed, "", false), true},
		{"any matches running records", filter{Status: registry.StatusAny}, record(registry.StateRunning, "", false), true},
		{"a definition is compared as JSON", filter{Definition: registry.JSON(`{"b":1,"a":0.0}`)}, record(registry.StateRunning, `{"a":-0.0, "b":1}`, false), true},
		{"another definition does not match", filter{Definition: registry.JSON(`1`)}, record(registry.StateRunning, `1.0`, false), false},
		{"no definition matches no filter for one", filter{Definition: registry.JSON(`1`)}, record(registry.StateRunning, ``, false), false},
		{"a null definition matches nothing", filter{Definition: registry.JSON(`null`)}, record(registry.StateRunning, `null`, false), false},
		{"a definition does not matter without a filter", filter{}, record(registry.StateRunning, `1`, false), true},
		{"waiting matches a wait", filter{Waiting: ptr(true)}, record(registry.StateRunning, "", true), true},
		{"waiting does not match without", filter{Waiting: ptr(true)}, record(registry.StateRunning, "", false), false},
		{"not waiting matches without", filter{Waiting: ptr(false)}, record(registry.StateRunning, "", false), true},
		{"not waiting does not match a wait", filter{Waiting: ptr(false)}, record(registry.StateRunning, "", true), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := registry.MatchesFilter(c.filter, c.record); got != c.want {
				t.Errorf("got %v", got)
			}
			refusal{}.check(t, registry.ValidateFilter(c.filter))
		})
	}
	t.Run("an unknown status is refused", func(t *testing.T) {
		badArgument("filter.status").check(t, registry.ValidateFilter(filter{Status: "live"}))
	})
	t.Run("a definition that is no JSON is refused", func(t *testing.T) {
		badArgument("filter.definition").check(t, registry.ValidateFilter(filter{Definition: registry.JSON("{")}))
	})
}
