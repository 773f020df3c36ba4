package fsm

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// update writes golden files that are missing. One that exists is never
// written: logs and snapshots with those bytes may be on somebody's disk.
var update = flag.Bool("update", false, "write the golden files that are missing")

// goldenFile returns the bytes of a golden file in hex, or writes it.
func goldenFile(t testing.TB, name string, made []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".hex")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && *update {
		var out bytes.Buffer
		for rest := made; len(rest) > 0; rest = rest[min(32, len(rest)):] {
			out.WriteString(hex.EncodeToString(rest[:min(32, len(rest))]) + "\n")
		}
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return made
	}
	if err != nil {
		t.Fatalf("%v; run with -update to write what is missing", err)
	}
	data, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return data
}

// goldenEntry is one log entry whose bytes never change.
type goldenEntry struct {
	name  string
	entry Entry
}

func single(name string, body Body) goldenEntry {
	return goldenEntry{name, Entry{Term: 3, StampMs: 1_700_000_000_123, Commands: []Command{{Body: body}}}}
}

// goldenEntries hold every kind, every field of every body, and every flag of
// the command header.
func goldenEntries() []goldenEntry {
	life, none := uint64(0x1112131415161718), uint64(0)
	session := &SessionHeader{ID: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Sequence: 0x2122232425262728, Floor: 0x3132333435363738}
	fence := &registry.Fence{LeaseToken: "lease-token", FencingToken: 0x4142434445464748}
	tick := &Tick{}
	return []goldenEntry{
		{"entry-empty", Entry{Term: 0x0102030405060708, StampMs: 0x1112131415161718}},
		{"entry-two-commands", Entry{Term: 1, StampMs: 2, Commands: []Command{{Body: tick}, {Body: &Checkpoint{}}}}},
		{"header-session", Entry{Term: 1, StampMs: 2, Commands: []Command{{Session: session, Body: tick}}}},
		{"header-life", Entry{Term: 1, StampMs: 2, Commands: []Command{{Life: &life, Body: tick}}}},
		{"header-life-none", Entry{Term: 1, StampMs: 2, Commands: []Command{{Life: &none, Body: tick}}}},
		{"header-fence", Entry{Term: 1, StampMs: 2, Commands: []Command{{Fence: fence, Body: tick}}}},
		{"header-all", Entry{Term: 1, StampMs: 2, Commands: []Command{{Session: session, Life: &life, Fence: fence, Body: tick}}}},
		single("takeover", &Takeover{Proposer: "n1", ClusterID: "cluster", Members: []Member{{"n1", "i1"}, {"n2", "i2"}}}),
		single("takeover-bare", &Takeover{Proposer: "n1"}),
		single("tick", tick),
		single("claim-next-lease", NewClaimNextLease(localOwner(), 30_000, []string{"email", "tool"}, []string{"token 1", "token 2"})),
		single("claim-next-lease-any", NewClaimNextLease(owner("w", "1"), 1, nil, []string{"token"})),
		single("release-for-retry", &ReleaseForRetry{ProcessID: "p", LeaseToken: "token", RetryAfterMs: 0x0102030405}),
		single("batch", batchOf(Command{Body: note("p", `{"n":1}`, "")}, Command{Fence: fence, Life: &life, Body: completion("p", success("1"))})),
		single("open-session", &OpenSession{ID: session.ID}),
		single("close-session", &CloseSession{ID: session.ID}),
		{"settle-write", Entry{Term: 3, StampMs: 1_700_000_000_123, Commands: []Command{{Session: session, Body: &SettleWrite{}}}}},
		single("checkpoint", &Checkpoint{}),
		single("record-member", &RecordMember{Member: Member{NodeID: "n3", InstanceID: "i3"}}),
		single("register-process-core", registration("p", "")),
		single("register-process-full", NewRegisterProcess(fullRegistration(), bytes.Repeat([]byte{0xab}, 32))),
		single("append-event-plain", note("p", `{"n":1}`, "")),
		single("append-event-refused", noteRefused("p", `{"n":1}`, "key", goldenRefusal())),
		single("append-event-full", fullEvent()),
		single("complete-process-success", completion("p", success(`{"n":1}`))),
		single("complete-process-failure", completion("p", registry.ProcessAwaitOutput{
			Kind: registry.OutputFailure, Class: registry.ClassTimeout, Code: "c", Message: "m", Raw: registry.JSON(`[1]`),
			Control: registry.JSON(`{"type":"finish","value":1}`),
		})),
		single("complete-process-abandoned", completion("p", registry.ProcessAwaitOutput{
			Kind: registry.OutputAbandoned, Evidence: &registry.AbandonEvidence{Writer: registry.WriterSweep, Owner: ptr(localOwner()), EpochMs: 99},
		})),
		single("record-first-started", NewRecordFirstStarted("p", registry.ProcessStarted{Owner: localOwner(), StartedAtMs: 99})),
		single("set-external-ref", externalRefOf("p", registry.ProcessExternalRef{Backend: "b", ID: "x", Metadata: registry.JSON(`{"m": 1}`)})),
		single("set-external-ref-bare", externalRefOf("p", registry.ProcessExternalRef{Backend: "b", ID: "x"})),
		single("request-process-abandon", NewRequestProcessAbandon("p", registry.AbandonRequest{RequestedBy: "r", RequestedAtMs: 99, Reason: ptr("why")})),
		single("request-process-abandon-bare", NewRequestProcessAbandon("p", registry.AbandonRequest{RequestedBy: "r"})),
		single("set-process-wait", NewSetProcessWait("p", signalWait("go", 1<<40))),
		single("clear-process-wait", &ClearProcessWait{ProcessID: "p"}),
		single("ack-wake", &AckWake{ProcessID: "p", Sequence: 1 << 40}),
		single("grant-handle", NewGrantHandle(scope("s", "f"), "p", registry.ProcessHandleDescriptor{Kind: ptr("job"), Label: ptr("label")})),
		single("grant-handle-bare", NewGrantHandle(scope("s", ""), "p", registry.ProcessHandleDescriptor{})),
		single("revoke-handle", NewRevokeHandle(scope("s", "f"), "p")),
		single("transfer-handle-grants", NewTransferHandleGrants(scope("s", "f"), scope("t", ""), []string{"q", "p"})),
		single("transfer-handle-grants-none", NewTransferHandleGrants(scope("s", ""), scope("t", ""), []string{})),
		single("delete-session-process-state", &DeleteSessionProcessState{SessionID: "s"}),
		single("claim-process-lease", NewClaimProcessLease("p", localOwner(), 30_000, "token")),
		single("claim-process-lease-opaque", NewClaimProcessLease("p", owner("w", "1"), 0, "token")),
		single("reclaim-process-lease", NewReclaimProcessLease("p", localOwner(), registry.ProcessLease{
			ProcessID: "p", Owner: owner("o", "i"), LeaseToken: "seen", FencingToken: 1 << 40, ClaimedAtMs: 1, ExpiresAtMs: 2,
		}, registry.VerdictDead, 30_000, "token")),
		single("reclaim-process-lease-bare", NewReclaimProcessLease("p", owner("w", "1"), registry.ProcessLease{}, "", 0, "token")),
		single("prune-terminal-processes", &PruneTerminalProcesses{CutoffMs: 1 << 63}),
		single("renew-process-lease", NewRenewProcessLease(registry.ProcessLease{
			ProcessID: "p", Owner: localOwner(), LeaseToken: "token", FencingToken: 1 << 40, ClaimedAtMs: 1, ExpiresAtMs: 2,
		}, 30_000)),
		single("complete-process-lease", &CompleteProcessLease{ProcessID: "p", LeaseToken: "token"}),
	}
}

func ptr[T any](v T) *T { return &v }

func goldenRefusal() *registry.Error {
	return registry.Errorf(registry.CodePayloadRejected,
		registry.Fields{Field: "payload", Limit: ptr(uint64(1)), Value: ptr(uint64(2)), EventType: "note", State: "failed"}, "no good")
}

func localOwner() registry.LeaseOwnerIdentity {
	return registry.LeaseOwnerIdentity{OwnerID: "w", IncarnationID: "1", Liveness: registry.LeaseOwnerLiveness{
		Kind: registry.LivenessLocalProcess, HostID: "host", BootID: "boot", PID: 4_000_000_000, ProcessStart: "12345",
	}}
}

// fullEvent is an append with everything in it that can be.
func fullEvent() *AppendEvent {
	output := registry.ProcessAwaitOutput{Kind: registry.OutputCancelled, Message: "bye", Raw: registry.JSON(`"bye"`)}
	return NewAppendEvent("p", registry.ProcessEventAppendRequest{
		EventType: "gone", Payload: registry.JSON(`{"text":"bye"}`), Replay: &registry.Replay{Key: "key"},
	}, hashOf("gone", `{"text":"bye"}`), true, registry.Materialised{
		Terminal: &registry.EventTerminal{State: registry.StateCancelled, AwaitOutput: output},
		Wake:     &registry.MaterialisedWake{Input: "bye", EventIdentity: true},
	}, hashOf("output", "bye"), nil)
}

// fullRegistration has every field and every arm of a registration in it.
func fullRegistration() registry.ProcessRegistration {
	pointer := registry.Selector{Kind: registry.SelectPointer, Text: "/text"}
	template := registry.Selector{Kind: registry.SelectTemplate, Text: "{a} {b}", Fields: []registry.TemplateField{
		{Name: "a", Selector: pointer}, {Name: "b", Selector: registry.Selector{Kind: registry.SelectPayload}},
	}}
	return registry.ProcessRegistration{
		ID: "p", Disposition: registry.Rerunnable, EnvRef: ptr("env"), Fencing: registry.FencingRequired,
		Input:    registry.ProcessInput{Kind: registry.InputEngine, Engine: "engine", Payload: registry.JSON(`{"x": 1}`)},
		Identity: registry.ProcessIdentity{Kind: "engine", Label: ptr("label"), Definition: registry.JSON(`{"d":1}`)},
		EventTypes: registry.CompleteEventTypes([]registry.ProcessEventType{
			{Name: "note", PayloadSchema: registry.JSON(`{"type":"object"}`)},
			{Name: "gone", PayloadSchema: registry.JSON(`{}`), Semantics: registry.EventSemanticsSpec{
				Terminal: &registry.TerminalSpec{State: registry.StateCancelled, AwaitOutput: &pointer},
				Wake: &registry.WakeSpec{
					When: &registry.Selector{Kind: registry.SelectPresent, Text: "/go"}, Input: template,
					DedupeKey: registry.DedupeKey{Kind: registry.DedupeSelector, Selector: &registry.Selector{Kind: registry.SelectConst, Const: registry.JSON(`[1.0]`)}},
				},
			}},
			{Name: "wake", PayloadSchema: registry.JSON(`true`), Semantics: registry.EventSemanticsSpec{
				Wake: &registry.WakeSpec{Input: pointer, DedupeKey: registry.DedupeKey{Kind: registry.DedupeConst, Const: "k"}},
			}},
			{Name: "wake.identity", PayloadSchema: registry.JSON(`{}`), Semantics: registry.EventSemanticsSpec{
				Wake: &registry.WakeSpec{Input: pointer, DedupeKey: registry.DedupeKey{Kind: registry.DedupeEventIdentity}},
			}},
		}),
		Provenance: registry.Provenance{
			Originator: registry.Originator{Scope: &registry.SessionScope{SessionID: "s", AgentFrameID: "f"}},
			CausedBy:   &registry.CausalRef{Kind: registry.CausalEffect, SessionID: "s", TurnID: ptr(""), EffectID: "e"},
		},
		WakeTarget: &registry.SessionScope{SessionID: "s"},
	}
}

func TestGoldenEntries(t *testing.T) {
	covered := map[Kind]bool{}
	for _, g := range goldenEntries() {
		t.Run(g.name, func(t *testing.T) {
			made, err := EncodeEntry(g.entry)
			if err != nil {
				t.Fatal(err)
			}
			data := goldenFile(t, g.name, made)
			if !bytes.Equal(made, data) {
				t.Errorf("this program writes other bytes than the golden file\n%x\n%x", made, data)
			}
			decoded, err := DecodeEntry(data)
			if err != nil {
				t.Fatalf("the golden file cannot be read: %v", err)
			}
			again, err := EncodeEntry(decoded)
			if err != nil || !bytes.Equal(again, data) {
				t.Errorf("what was read is written as other bytes (%v)\n%x\n%x", err, again, data)
			}
		})
		for _, c := range g.entry.Commands {
			covered[c.Body.Kind()] = true
		}
	}
	for kind := range Kind(1 << 15) {
		if bodyOf(kind, 1) != nil && !covered[kind] {
			t.Errorf("%v has no golden file", kind)
		}
	}
}

func TestARegistrationComesBackFromItsBytes(t *testing.T) {
	for _, r := range []registry.ProcessRegistration{fullRegistration(), deepRegistration(registry.MaxSelectorDepth)} {
		data, err := EncodeEntry(Entry{Commands: []Command{{Body: NewRegisterProcess(r, make([]byte, 32))}}})
		if err != nil {
			t.Fatal(err)
		}
		e, err := DecodeEntry(data)
		if err != nil {
			t.Fatal(err)
		}
		record := e.Commands[0].Body.(*RegisterProcess).record
		got := registry.ProcessRegistration{
			ID: record.ID, Input: record.Input, Disposition: record.Disposition, Identity: record.Identity, EventTypes: record.EventTypes,
			Provenance: record.Provenance, EnvRef: record.EnvRef, WakeTarget: record.WakeTarget, Fencing: record.Fencing,
		}
		if a, b := dumpJSON(got), dumpJSON(r); a != b {
			t.Errorf("\n got  %s\n want %s", a, b)
		}
	}
}

// deepRegistration nests selectors.
func deepRegistration(depth int) registry.ProcessRegistration {
	deep := registry.Selector{Kind: registry.SelectPointer, Text: "/text"}
	for range depth - 1 {
		deep = registry.Selector{Kind: registry.SelectTemplate, Text: "{a}", Fields: []registry.TemplateField{{Name: "a", Selector: deep}}}
	}
	r := fullRegistration()
	r.EventTypes = registry.CompleteEventTypes([]registry.ProcessEventType{{Name: "deep", PayloadSchema: registry.JSON(`{}`), Semantics: registry.EventSemanticsSpec{
		Terminal: &registry.TerminalSpec{State: registry.StateFailed, AwaitOutput: &deep},
		Wake:     &registry.WakeSpec{When: &deep, Input: deep, DedupeKey: registry.DedupeKey{Kind: registry.DedupeSelector, Selector: &deep}},
	}}})
	return r
}
