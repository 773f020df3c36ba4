package fsm

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// TestTheOrderOfRefusals: of all that is wrong with an append, the first in
// the contract's order is the answer. Every case is wrong in its own way and in
// all later ones.
func TestTheOrderOfRefusals(t *testing.T) {
	const unknown, mismatch, fenced, conflict, carried, terminal = 0, 1, 2, 3, 4, 5
	want := []registry.Code{
		unknown: registry.CodeNotFound, mismatch: 0, fenced: registry.CodeFenced, conflict: registry.CodeReplayConflict,
		carried: registry.CodePayloadRejected, terminal: registry.CodeTerminal,
	}
	for first, code := range want {
		t.Run(fmt.Sprintf("%v comes before what follows it", code), func(t *testing.T) {
			r := newRig(t)
			life := r.register("p", "")
			r.must(r.do(note("p", `"first"`, "key")))
			r.must(r.do(completion("p", success("1"))))
			key := "key"
			if first > conflict {
				key = "free"
			}
			body := ending("p", "process.failed", `{"await_output":1}`, key, registry.ProcessAwaitOutput{Kind: registry.OutputFailure, Class: registry.ClassExecution})
			if first <= carried {
				body.Terminal, body.Refusal = nil, ptr(storeRefusal(goldenRefusal()))
			}
			c := Command{Body: body, Life: &life}
			if first <= fenced {
				c.Fence = &registry.Fence{LeaseToken: "x"}
			}
			if first <= mismatch {
				c.Life = lifeOf(life + 1)
			}
			if first <= unknown {
				body.ProcessID, c.Life = "none", lifeOf(0)
			}
			before := r.position().Revision
			result := r.command(c)
			if result.LifeMismatch != (first == mismatch) {
				t.Fatalf("life mismatch %v", result.LifeMismatch)
			}
			if first != mismatch {
				r.refused(result, code)
			}
			if r.position().Revision != before {
				t.Error("the revision moved")
			}
		})
	}
}

func TestACarriedRefusalKeepsItsFields(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	refusal := r.refused(r.do(noteRefused("p", "1", "k", goldenRefusal())), registry.CodePayloadRejected)
	want := *goldenRefusal()
	want.Fields.ProcessID = "p"
	if dumpError(refusal) != dumpError(&want) {
		t.Errorf("%s\nwant %s", dumpError(refusal), dumpError(&want))
	}
	if e := r.must(r.do(note("p", "1", "k"))).Event; e.Sequence != 1 {
		t.Errorf("a failed append took the sequence before %d", e.Sequence)
	}
}

func dumpError(e *registry.Error) string {
	f := e.Fields
	return fmt.Sprintf("%v %q %s %d %d %s %s %s", e.Code, e.Message, f.Field, *f.Limit, *f.Value, f.EventType, f.State, f.ProcessID)
}

func TestAReplayComesBeforeEverythingButTheFence(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	first := r.must(r.do(note("p", `{"n":1}`, "key"))).Event
	r.must(r.do(completion("p", success("1"))))
	r.pass(500)
	// The leader of today would refuse the event: its schema may have another
	// meaning to a newer library, and the process has ended.
	again := r.must(r.do(noteRefused("p", `{"n":1}`, "key", goldenRefusal())))
	if dumpJSON(*again.Event) != dumpJSON(*first) {
		t.Errorf("%s\nwant %s", dumpJSON(*again.Event), dumpJSON(*first))
	}
	if again.Process.UpdatedAtMs != 10_000 {
		t.Errorf("a replay moved updated_at to %d", again.Process.UpdatedAtMs)
	}
	conflict := r.refused(r.do(note("p", `{"n":2}`, "key")), registry.CodeReplayConflict)
	if conflict.Fields.ReplayKey != "key" || conflict.Fields.ProcessID != "p" {
		t.Errorf("fields %+v", conflict.Fields)
	}
	otherType := note("p", `{"n":1}`, "key")
	otherType.EventType, otherType.PayloadHash = "other", hashOf("other", `{"n":1}`)
	r.refused(r.do(otherType), registry.CodeReplayConflict)
}

func TestAnEmptyReplayKeyIsNoKey(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	body := note("p", "1", "")
	body.HasReplay = true
	r.must(r.do(body))
	if e := r.must(r.do(body)).Event; e.Sequence != 2 {
		t.Errorf("sequence %d", e.Sequence)
	}
}

func TestReplayKeysAreThoseOfOneProcess(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.register("q", "")
	r.must(r.do(note("p", "1", "key")))
	if e := r.must(r.do(note("q", "2", "key"))).Event; e.Sequence != 1 || e.ProcessID != "q" {
		t.Errorf("%+v", e)
	}
}

func TestAPlainEventOnATerminalProcessIsStoredAndMovesUpdatedAt(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.must(r.do(completion("p", success("1"))))
	r.pass(50)
	result := r.must(r.do(note("p", "1", "")))
	if result.Event.Sequence != 2 || result.Process.UpdatedAtMs != 10_050 || result.Process.Status.State != registry.StateCompleted {
		t.Errorf("%+v, %+v", result.Event, result.Process)
	}
	refusal := r.refused(r.do(ending("p", "done", "1", "other", success("2"))), registry.CodeTerminal)
	if refusal.Fields.State != "completed" || refusal.Fields.ProcessID != "p" {
		t.Errorf("fields %+v", refusal.Fields)
	}
}

func TestTheDedupeKeyOfEventIdentityNamesTheSequence(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.must(r.do(note("p", "1", "")))
	body := note("p", "2", "")
	body.Wake = &storedMaterialisedWake{Input: "in", EventIdentity: true}
	if w := r.must(r.do(body)).Event.Semantics.Wake; w == nil || *w != (registry.EventWake{Input: "in", DedupeKey: "p:2"}) {
		t.Errorf("wake %+v", w)
	}
	body.Wake = &storedMaterialisedWake{Input: "in", DedupeKey: "fixed"}
	if w := r.must(r.do(body)).Event.Semantics.Wake; w == nil || w.DedupeKey != "fixed" {
		t.Errorf("wake %+v", w)
	}
}

// TestCompletingAgain is 5.17 with A20.
func TestCompletingAgain(t *testing.T) {
	abandoned := func(epochMs uint64, writer registry.AbandonWriter) registry.ProcessAwaitOutput {
		return registry.ProcessAwaitOutput{Kind: registry.OutputAbandoned, Evidence: &registry.AbandonEvidence{Writer: writer, EpochMs: epochMs}}
	}
	for _, c := range []struct {
		name  string
		first Body
		again registry.ProcessAwaitOutput
		code  registry.Code
	}{
		{"with the same output returns the record", completion("p", success("1")), success("1"), 0},
		{"with a later evidence time returns the record", completion("p", abandoned(1, registry.WriterSweep)), abandoned(2, registry.WriterSweep), 0},
		{"with another writer conflicts", completion("p", abandoned(1, registry.WriterSweep)), abandoned(1, registry.WriterOwnerDrain), registry.CodeReplayConflict},
		{"with another output conflicts", completion("p", success("1")), success("2"), registry.CodeReplayConflict},
		{"with another arm is too late", completion("p", success("1")), abandoned(1, registry.WriterSweep), registry.CodeTerminal},
		{"after a terminal event of the process's own is too late", ending("p", "done", "2", "k", success("2")), success("1"), registry.CodeTerminal},
		{"after a terminal event with the same output returns the record", ending("p", "done", "1", "k", success("1")), success("1"), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.register("p", "")
			record := r.must(r.do(c.first)).Process
			r.pass(100)
			result := r.do(completion("p", c.again))
			if c.code != 0 {
				r.refused(result, c.code)
			} else if dumpJSON(*r.must(result).Process) != dumpJSON(*record) {
				t.Errorf("the record changed: %s", dumpJSON(*result.Process))
			}
			r.m.Read(func(v View) {
				if page, _ := v.EventsAfter("p", 0, registry.PageRequest{}); len(page.Items) != 1 {
					t.Errorf("%d events", len(page.Items))
				}
			})
		})
	}
}

func TestTheEventsOfAProcessAreLimitedButNeverItsEnd(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	// Filled by hand: applying a hundred thousand entries would take seconds.
	row, _ := r.m.state.processes.Get("p")
	full := *row
	for i := range uint64(registry.MaxEventsPerProcess) {
		full.append(&event{ProcessEvent: registry.ProcessEvent{ProcessID: "p", Sequence: i + 1, EventType: "note", Payload: registry.JSON("1")}, payloadHash: hashOf("note", "1")})
	}
	r.m.state.put(row, &full)
	refusal := r.refused(r.do(note("p", "1", "")), registry.CodeTooLarge)
	if f := refusal.Fields; f.Field != "events" || *f.Limit != 100_000 || *f.Value != 100_001 {
		t.Errorf("fields %+v", f)
	}
	r.refused(r.do(ending("p", "done", "1", "k", success("1"))), registry.CodeTooLarge)
	file := write(t, r.m.Snapshot())
	for _, body := range []Body{completion("p", success("1")), ending("p", "process.completed", `{"await_output":1}`, "k", success("1"))} {
		r.m = restored(t, file)
		if status := r.must(r.do(body)).Process.Status; status.State != registry.StateCompleted {
			t.Errorf("%T: %+v", body, status)
		}
	}
	restored(t, write(t, r.m.Snapshot()))
}

func TestAReplayRepairsAStatusThatWasLost(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.must(r.do(ending("p", "done", "1", "k", success("1"))))
	// No command of today leads here; the contract provides for it.
	row, _ := r.m.state.processes.Get("p")
	lost := *row
	lost.record.Status, lost.terminal = registry.ProcessStatus{State: registry.StateRunning}, nil
	lost.record.Wait = &registry.WaitState{}
	r.m.state.put(row, &lost)
	r.m.state.ClockMs += 500
	before := r.position().Revision
	data, err := EncodeEntry(Entry{Term: 1, Commands: []Command{{Body: ending("p", "done", "1", "k", success("1"))}}})
	if err != nil {
		t.Fatal(err)
	}
	result, err := r.m.Apply(99, 1, data)
	if err != nil {
		t.Fatal(err)
	}
	record := result.Results[0].Process
	if record.Status.State != registry.StateCompleted || record.Wait != nil || record.UpdatedAtMs != 10_000 || record.Revision != before+1 {
		t.Errorf("%+v", record)
	}
	if err := r.m.CheckConsistency(); err != nil {
		t.Error(err)
	}
}

func TestRegistrationIsIdempotentAndConflictsByHash(t *testing.T) {
	r := newRig(t)
	first := r.must(r.do(registration("p", ""))).Process
	r.pass(1000)
	r.must(r.do(completion("p", success("1"))))
	r.pass(1000)
	again := r.must(r.do(registration("p", ""))).Process
	if again.Status.State != registry.StateCompleted || again.Life != first.Life || again.CreatedAtMs != 10_000 || again.UpdatedAtMs != 11_000 {
		t.Errorf("a repeat revived or moved it: %+v", again)
	}
	refusal := r.refused(r.do(registration("p", "required")), registry.CodeAlreadyExists)
	if f := refusal.Fields; f.ExistingHash != first.RegistrationHash || len(f.NewHash) != 64 || f.NewHash == f.ExistingHash || f.ProcessID != "p" {
		t.Errorf("fields %+v", f)
	}
}

func TestStoredBytesDoNotLiveInTheLogsBuffer(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	data, err := EncodeEntry(Entry{Term: 1, Commands: []Command{{Body: note("p", `"payload"`, "key")}}})
	if err != nil {
		t.Fatal(err)
	}
	result, err := r.m.Apply(99, 1, data)
	if err != nil {
		t.Fatal(err)
	}
	copy(data, bytes.Repeat([]byte{0xff}, len(data)))
	if e := result.Results[0].Event; string(e.Payload) != `"payload"` || e.ReplayKey != "key" {
		t.Errorf("%+v", e)
	}
}
