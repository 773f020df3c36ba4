package fsm

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

var sessionA, sessionB = SessionID{1}, SessionID{2}

// in stamps a command.
func in(id SessionID, sequence, floor uint64, body Body) Command {
	return Command{Session: &SessionHeader{ID: id, Sequence: sequence, Floor: floor}, Body: body}
}

// newSessionRig has process p and an open session.
func newSessionRig(t testing.TB) *rig {
	r := newRig(t)
	r.register("p", registry.FencingOptional)
	r.must(r.do(&OpenSession{ID: sessionA}))
	return r
}

func TestAWriteOfASessionHappensOnce(t *testing.T) {
	r := newSessionRig(t)
	first := r.must(r.command(in(sessionA, 1, 1, note("p", `{"n":1}`, ""))))
	r.pass(500)
	r.must(r.do(note("p", `{"n":2}`, "")))
	again := r.must(r.command(in(sessionA, 1, 1, note("p", `{"n":1}`, ""))))
	if again.Event != first.Event || !again.Again || again.Revision != first.Revision || again.ClockMs != first.ClockMs {
		t.Errorf("the repeat was answered with %+v, the first with %+v", again, first)
	}
	if again.Process.Revision != r.position().Revision {
		t.Error("the record of the repeat is not the one that stands")
	}
	if n := r.eventCount("p"); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
	// The stamp says which write it is, but not a write of any sort.
	again = r.must(r.command(in(sessionA, 1, 1, note("q", `{}`, "k"))))
	if again.Event != first.Event {
		t.Errorf("another event under the same stamp was answered with %+v", again)
	}
	r.refused(r.command(in(sessionA, 1, 1, claim("p", 1000, "t"))), registry.CodeInvalidArgument)
	r.must(r.command(in(sessionA, 1, 1, note("p", `{"n":1}`, ""))))
}

func (r *rig) eventCount(id string) int {
	p, _ := r.m.state.processes.Get(id)
	return len(p.events)
}

func TestARefusalIsAnsweredAgain(t *testing.T) {
	r := newSessionRig(t)
	first := r.refused(r.command(in(sessionA, 1, 1, note("q", `{}`, ""))), registry.CodeNotFound)
	r.register("q", registry.FencingOptional)
	again := r.refused(r.command(in(sessionA, 1, 1, note("q", `{}`, ""))), registry.CodeNotFound)
	if !reflect.DeepEqual(first, again) || r.eventCount("q") != 0 {
		t.Errorf("%+v became %+v, with %d events", first, again, r.eventCount("q"))
	}
}

func TestALifeMismatchIsNotKept(t *testing.T) {
	r := newSessionRig(t)
	c := in(sessionA, 1, 1, note("p", `{}`, ""))
	c.Life = lifeOf(0)
	if result := r.command(c); !result.LifeMismatch {
		t.Fatalf("%+v", result)
	}
	c.Life = nil
	if again := r.must(r.command(c)); again.Again || again.Event == nil {
		t.Errorf("after a decision against another life: %+v", again)
	}
}

func TestAnEntryOfAnotherTermKeepsNothing(t *testing.T) {
	r := newSessionRig(t)
	c := in(sessionA, 1, 1, note("p", `{}`, ""))
	r.takeover(2)
	if result := r.entry(1, 2, c); !result.Refused {
		t.Fatal("the entry of the older term was applied")
	}
	if again := r.must(r.command(c)); again.Again {
		t.Error("the refusal by the term check was kept as an answer")
	}
}

func TestAnUnknownSessionAppliesNothing(t *testing.T) {
	r := newSessionRig(t)
	before := r.position().Revision
	r.refused(r.command(in(sessionB, 1, 1, note("p", `{}`, ""))), registry.CodeSessionExpired)
	r.must(r.do(&CloseSession{ID: sessionA}))
	r.refused(r.command(in(sessionA, 1, 1, note("p", `{}`, ""))), registry.CodeSessionExpired)
	r.must(r.do(&CloseSession{ID: sessionA}))
	if r.position().Revision != before || r.eventCount("p") != 0 {
		t.Error("a write of an unknown session changed something")
	}
}

func TestALateDuplicateBelowTheFloorAppliesNothing(t *testing.T) {
	r := newSessionRig(t)
	r.must(r.command(in(sessionA, 1, 1, note("p", `1`, ""))))
	// Sequence 2 was given up by its client, and sequence 3 says so.
	r.must(r.command(in(sessionA, 3, 3, note("p", `3`, ""))))
	for sequence := range uint64(3) {
		r.refused(r.command(in(sessionA, sequence, 0, note("p", `0`, ""))), registry.CodeSessionExpired)
	}
	// An older floor does not lower it.
	r.must(r.command(in(sessionA, 4, 1, note("p", `4`, ""))))
	r.refused(r.command(in(sessionA, 2, 1, note("p", `2`, ""))), registry.CodeSessionExpired)
	if n := r.eventCount("p"); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

func TestAnswersAreKeptForSequencesThatComeOutOfOrder(t *testing.T) {
	r := newSessionRig(t)
	order := []uint64{5, 2, 9, 1, 7}
	for _, sequence := range order {
		r.must(r.command(in(sessionA, sequence, 1, note("p", fmt.Sprint(sequence), ""))))
	}
	for i, sequence := range order {
		again := r.must(r.command(in(sessionA, sequence, 1, note("p", "0", ""))))
		if !again.Again || again.Event.Sequence != uint64(i)+1 {
			t.Errorf("sequence %d was answered with %+v", sequence, again.Event)
		}
	}
}

// TestEveryAnswerIsTheSameAgain walks the fields of Result: one that is not
// kept would be missing from the answer to a retry.
func TestEveryAnswerIsTheSameAgain(t *testing.T) {
	r := newSessionRig(t)
	dead := owner("w", "dead")
	r.must(r.do(NewClaimProcessLease("p", dead, 60_000, "other")))
	r.must(r.do(work("next", "email", registry.Rerunnable)))
	target := &registry.SessionScope{SessionID: "s", AgentFrameID: "f"}
	waking := registration("waking", "")
	waking.Registration.WakeTarget = &storedScope{SessionID: target.SessionID, AgentFrameID: target.AgentFrameID}
	fence := uint64(7)
	seen := map[string]bool{}
	for i, c := range []Command{
		{Body: waking},
		{Body: note("waking", `{}`, "key")},
		{Body: claim("waking", 5000, "token")},
		{Body: claim("p", 5000, "token")}, // Busy
		{Body: note("waking", `{"other":1}`, "key")},
		{Body: note("p", `{}`, ""), Fence: &registry.Fence{LeaseToken: "x", FencingToken: fence}},
		{Body: completion("waking", success(`1`))},
		{Body: &CompleteProcessLease{ProcessID: "p", LeaseToken: "none"}},
		{Body: &SettleWrite{}},
		{Body: NewGrantHandle(*target, "p", registry.ProcessHandleDescriptor{})},
		{Body: &DeleteSessionProcessState{SessionID: "s"}},
		{Body: &PruneTerminalProcesses{CutoffMs: 1}},
		{Body: NewClaimNextLease(owner("w", "1"), 1000, nil, []string{"next"})},
		{Body: batchOf(Command{Body: note("p", `{}`, "")}, Command{Body: NewGrantHandle(*target, "p", registry.ProcessHandleDescriptor{})})},
	} {
		c.Session = &SessionHeader{ID: sessionA, Sequence: uint64(i) + 1}
		first := r.command(c)
		again := r.command(c)
		if !again.Again {
			t.Errorf("%T was done again", c.Body)
		}
		for field := range reflect.TypeFor[Result]().Fields() {
			if field.Name == "Answered" || field.Name == "WakeTarget" {
				continue
			}
			if field.Name == "Batch" {
				for i := range again.Batch {
					again.Batch[i].Again, again.Batch[i].WakeTarget = false, nil
				}
			}
			a, b := reflect.ValueOf(first).FieldByIndex(field.Index), reflect.ValueOf(again).FieldByIndex(field.Index)
			if !reflect.DeepEqual(a.Interface(), b.Interface()) {
				t.Errorf("%T: %s was %+v and is %+v", c.Body, field.Name, a, b)
			}
			seen[field.Name] = seen[field.Name] || !a.IsZero()
		}
		first.Again = true
		if again.Answered != first.Answered {
			t.Errorf("%T: answered at %+v, and again at %+v", c.Body, first.Answered, again.Answered)
		}
		if again.Process != nil && !reflect.DeepEqual(again.WakeTarget, again.Process.WakeTarget) {
			t.Errorf("%T: wake target %+v, want %+v", c.Body, again.WakeTarget, again.Process.WakeTarget)
		}
	}
	for field := range reflect.TypeFor[Result]().Fields() {
		if !seen[field.Name] && field.Name != "Answered" && field.Name != "WakeTarget" && field.Name != "LifeMismatch" {
			t.Errorf("no command here answers with %s: add one", field.Name)
		}
	}
}

// TestEveryFieldOfARefusalIsKept fills them all.
func TestEveryFieldOfARefusalIsKept(t *testing.T) {
	var fields registry.Fields
	v := reflect.ValueOf(&fields).Elem()
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.String {
			v.Field(i).SetString(fmt.Sprint("text ", i))
			continue
		}
		number := uint64(i)
		v.Field(i).Set(reflect.ValueOf(&number))
	}
	refusal := &registry.Error{Code: registry.CodeFenced, Message: "é" + strings.Repeat("é", maxKeptText), Fields: fields}
	got := storeError(refusal).load()
	if got.Code != refusal.Code || !reflect.DeepEqual(got.Fields, fields) {
		t.Errorf("%+v", got)
	}
	if len(got.Message) > maxKeptText || got.Message != strings.Repeat("é", maxKeptText/2) {
		t.Errorf("a text of %d bytes was kept", len(got.Message))
	}
}

func TestTheAnswerOfALifeThatIsGoneSaysSo(t *testing.T) {
	r := newSessionRig(t)
	r.must(r.command(in(sessionA, 1, 1, note("p", `{}`, ""))))
	s := r.m.state
	p, _ := s.processes.Get("p")
	later := *p
	later.record.Life++
	s.processes.Set("p", &later)
	refusal := s.apply(in(sessionA, 1, 1, note("p", `{}`, ""))).Refusal
	if refusal == nil || refusal.Code != registry.CodeLifeEnded || refusal.Definite() {
		t.Errorf("%+v: it must not look as if the write had not happened", refusal)
	}
}

func TestSettlingAWrite(t *testing.T) {
	r := newSessionRig(t)
	first := r.must(r.command(in(sessionA, 1, 1, note("p", `{}`, ""))))
	if done := r.must(r.command(in(sessionA, 1, 1, &SettleWrite{}))); !done.Again || done.Event != first.Event {
		t.Errorf("a write that was done is settled as %+v", done)
	}
	for range 2 {
		settled := r.command(in(sessionA, 2, 1, &SettleWrite{}))
		if r.refused(settled, registry.CodeSessionExpired); !settled.Settled {
			t.Errorf("a write that was not done is settled as %+v", settled)
		}
	}
	r.refused(r.command(in(sessionA, 2, 1, note("p", `{}`, ""))), registry.CodeSessionExpired)
	if n := r.eventCount("p"); n != 1 {
		t.Errorf("%d events: a write that was settled as not done was done afterwards", n)
	}
}

func TestSessionsEndAfterLeaseTimeWithoutAWrite(t *testing.T) {
	r := newSessionRig(t)
	// advance lets lease time pass, at most two seconds an entry.
	advance := func(ms uint64) {
		for ms > 0 {
			step := min(ms, maxLeaseAdvanceMs)
			r.pass(step)
			ms -= step
			r.do(&Tick{})
		}
	}
	advance(registry.SessionTTLMs - 1)
	r.must(r.command(in(sessionA, 1, 1, note("p", `{}`, ""))))
	advance(registry.SessionTTLMs - 1)
	r.must(r.command(in(sessionA, 1, 1, note("p", `{}`, "")))) // a repeat is no write
	if !r.needsTime() {
		t.Error("time need not go on although a session lives")
	}
	r.pass(1)
	r.refused(r.command(in(sessionA, 2, 1, note("p", `{}`, ""))), registry.CodeSessionExpired)
	if r.needsTime() {
		t.Error("time must go on although no session lives")
	}
	// Time that nobody led does not count, nor does a wrong wall clock.
	r.must(r.do(&OpenSession{ID: sessionB}))
	r.pass(10 * registry.SessionTTLMs)
	r.takeover(2)
	r.pass(10 * registry.SessionTTLMs)
	r.must(r.command(in(sessionB, 1, 1, note("p", `{}`, ""))))
}

func (r *rig) needsTime() (needed bool) {
	r.m.Read(func(v View) { needed = v.NeedsTime() })
	return needed
}

func TestAnEntryEndsABoundedNumberOfSessions(t *testing.T) {
	r := newRig(t)
	r.register("p", registry.FencingOptional)
	const count = 2*maxSessionsEnded + 10
	for i := range count {
		r.must(r.do(&OpenSession{ID: SessionID{byte(i >> 8), byte(i)}}))
	}
	r.m.state.LeaseTimeMs += registry.SessionTTLMs
	left := []int{count - maxSessionsEnded, count - 2*maxSessionsEnded, 0}
	for _, want := range left {
		// One that is over is over, removed or not.
		r.refused(r.command(in(SessionID{0, count - 1}, 1, 1, note("p", `{}`, ""))), registry.CodeSessionExpired)
		if got := r.m.state.sessions.rows.Len(); got != want {
			t.Errorf("%d sessions left, want %d", got, want)
		}
	}
}

func TestTheBoundsOfSessions(t *testing.T) {
	t.Run("answers of one session", func(t *testing.T) {
		r := newSessionRig(t)
		for i := range uint64(registry.MaxSessionAnswers) {
			r.must(r.command(in(sessionA, i+1, 1, note("p", `{}`, ""))))
		}
		full := uint64(registry.MaxSessionAnswers)
		refusal := r.refused(r.command(in(sessionA, full+1, 1, note("p", `{}`, ""))), registry.CodeOverloaded)
		if *refusal.Fields.Limit != full || *refusal.Fields.Value != full+1 || refusal.Fields.RetryAfterMs == nil {
			t.Errorf("fields %+v", refusal.Fields)
		}
		if n := uint64(r.eventCount("p")); n != full {
			t.Errorf("%d events: a write whose answer could not be kept was applied", n)
		}
		r.must(r.command(in(sessionA, 1, 1, note("p", `{}`, "")))) // a kept answer needs no room
		r.must(r.command(in(sessionA, full+1, 2, note("p", `{}`, ""))))
	})
	t.Run("bytes of one session", func(t *testing.T) {
		r := newSessionRig(t)
		row, _ := r.m.state.sessions.rows.Get(string(sessionA[:]))
		large := *row
		large.answers = []keptAnswer{{1, make([]byte, registry.MaxSessionAnswerBytes)}}
		large.bytes = registry.MaxSessionAnswerBytes
		r.m.state.sessions.put(&large)
		refusal := r.refused(r.command(in(sessionA, 2, 1, note("p", `{}`, ""))), registry.CodeOverloaded)
		if refusal.Fields.Field != "session.answer_bytes" {
			t.Errorf("fields %+v", refusal.Fields)
		}
		r.must(r.command(in(sessionA, 2, 2, note("p", `{}`, ""))))
	})
	t.Run("bytes of all sessions", func(t *testing.T) {
		r := newSessionRig(t)
		r.must(r.command(in(sessionA, 1, 1, note("p", `{}`, ""))))
		r.m.state.sessions.bytes += registry.MaxAnswerBytes
		refusal := r.m.state.apply(in(sessionA, 2, 1, note("p", `{}`, ""))).Refusal
		if refusal == nil || refusal.Code != registry.CodeOverloaded || refusal.Fields.Field != "answer_bytes" {
			t.Errorf("%+v", refusal)
		}
	})
	t.Run("sessions", func(t *testing.T) {
		r := newRig(t)
		s := r.m.state
		for i := range registry.MaxSessions {
			s.applyOpenSession(&OpenSession{ID: SessionID{byte(i >> 16), byte(i >> 8), byte(i)}})
		}
		refusal := r.refused(r.do(&OpenSession{ID: SessionID{255, 1}}), registry.CodeOverloaded)
		if *refusal.Fields.Limit != registry.MaxSessions {
			t.Errorf("fields %+v", refusal.Fields)
		}
		r.must(r.do(&OpenSession{ID: SessionID{}}))
		r.must(r.do(&CloseSession{ID: SessionID{}}))
		r.must(r.do(&OpenSession{ID: SessionID{255, 1}}))
	})
}
