package model

import (
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// The model is checked by what the contract shows as examples, and by a few of
// its sentences: everything else hangs on it agreeing with the real thing.

func job(id string) RegisterProcess {
	return RegisterProcess{registry.ProcessRegistration{
		ID: id, Input: registry.ProcessInput{Kind: "external", Metadata: registry.JSON("null")},
		Disposition: "externally_owned", Identity: registry.ProcessIdentity{Kind: "external"},
	}}
}

func begun(t *testing.T) *State {
	s := New()
	if _, ok := s.Apply(Entry{Term: 1, CommitTerm: 1, StampMs: 1000, Takeover: true}); !ok {
		t.Fatal("the takeover was refused")
	}
	return s
}

func TestTheRegistrationHashIsThatOfTheExample(t *testing.T) {
	a := begun(t).Do(job("proc-idempotent"))
	if want := "630d34e14a344d2cd2e6171292f7edf9961fb9beeeef570328a81c73fb613474"; a.Record.RegistrationHash != want {
		t.Errorf("%s, the contract says %s", a.Record.RegistrationHash, want)
	}
}

func TestTheWakeIDIsThatOfTheExample(t *testing.T) {
	s := begun(t)
	op := job("p")
	op.Registration.WakeTarget = &registry.SessionScope{SessionID: "root"}
	op.Registration.EventTypes = []registry.ProcessEventType{{Name: "wake", PayloadSchema: registry.JSON("{}"), Semantics: registry.EventSemanticsSpec{
		Wake: &registry.WakeSpec{Input: registry.Selector{Kind: "payload"}, DedupeKey: registry.DedupeKey{Kind: "const", Const: "group-a"}},
	}}}
	s.Do(op)
	a := s.Do(AppendEvent{ProcessID: "p", Request: registry.ProcessEventAppendRequest{EventType: "wake", Payload: registry.JSON(`{"b":1,"a":[1.0]}`)}})
	if want := "wake:47638cea38923830386dd823b3b19b9ddc3dfdf6b2ac798f1be01f2400b61634"; a.Delivery == nil || a.Delivery.WakeID != want {
		t.Errorf("%+v, the contract says %s", a.Delivery, want)
	}
	if a.Delivery.Input != `{"a":[1.0],"b":1}` {
		t.Errorf("input %s", a.Delivery.Input)
	}
}

func TestPointersAreThoseOfTheContract(t *testing.T) {
	payload := registry.JSON(`{"a":{"b~/":[10,null]},"":1,"0":2}`)
	for pointer, want := range map[string]string{
		"": string(payload), "/a/b~0~1/0": "10", "/a/b~0~1/1": "null", "/": "1", "/0": "2",
		"a": "-", "/a/b~0~1/2": "-", "/a/b~0~1/-": "-", "/a/b~0~1/00": "-", "/a/b~0~1/+1": "-", "/a/b~0~1/0/x": "-", "/none": "-",
	} {
		value, ok := at(payload, pointer)
		if !ok {
			value = registry.JSON("-")
		}
		if string(value) != want {
			t.Errorf("%q selects %s, want %s", pointer, value, want)
		}
	}
}

func TestATemplateIsFilledInFieldByField(t *testing.T) {
	pointer := func(text string) registry.Selector { return registry.Selector{Kind: "pointer", Text: text} }
	s := registry.Selector{Kind: "template", Text: "{b}{a}{c}", Fields: []registry.TemplateField{{Name: "b", Selector: pointer("/b")}, {Name: "a", Selector: pointer("/a")}}}
	if out, ok := selected(s, registry.JSON(`{"a":"{b}","b":[1.50]}`)); !ok || plain(out) != "[1.5][1.5]{c}" {
		t.Errorf("%s", out)
	}
}

func TestStepLeavesTheStateAsItWas(t *testing.T) {
	s := begun(t)
	s.Do(job("p"))
	next, a := Step(s, CompleteProcess{ProcessID: "p", Output: registry.ProcessAwaitOutput{Kind: "success", Value: registry.JSON("1")}})
	if a.Code != 0 || next.Processes["p"].State != "completed" || len(next.Processes["p"].Events) != 1 {
		t.Errorf("%+v", a)
	}
	next, _ = Step(s, AckWake{"p", 1})
	next, _ = Step(next, GrantHandle{ProcessID: "p"})
	if len(next.Processes["p"].Acked) != 1 || len(next.Grants) != 1 || len(s.Processes["p"].Acked) != 0 || len(s.Grants) != 0 {
		t.Errorf("%+v", s)
	}
	if s.Processes["p"].State != "running" || len(s.Processes["p"].Events) != 0 || s.Revision != 1 {
		t.Errorf("%+v", s.Processes["p"])
	}
}

func TestALeaseOutlivesATakeoverAndNothingElse(t *testing.T) {
	s := begun(t)
	s.Do(job("p"))
	mine := registry.LeaseOwnerIdentity{OwnerID: "w", IncarnationID: "1"}
	s.Do(ClaimProcessLease{ProcessID: "p", Owner: mine, TTLMs: 3000, Token: "a"})
	other := ClaimProcessLease{ProcessID: "p", Owner: registry.LeaseOwnerIdentity{OwnerID: "v", IncarnationID: "1"}, TTLMs: 1, Token: "b"}
	for _, e := range []struct {
		entry Entry
		busy  bool
	}{
		{Entry{Term: 1, CommitTerm: 1, StampMs: 90_000}, true},
		{Entry{Term: 2, CommitTerm: 2, StampMs: 999_000, Takeover: true}, true},
		{Entry{Term: 2, CommitTerm: 2, StampMs: 999_999}, true},
		{Entry{Term: 1, CommitTerm: 2, StampMs: 2_000_000}, true},
		{Entry{Term: 2, CommitTerm: 2, StampMs: 1_000_000}, false},
	} {
		s.Apply(e.entry)
		if a := s.Do(other); a.Busy != e.busy {
			t.Errorf("at %d: busy %v", e.entry.StampMs, a.Busy)
		}
	}
}
