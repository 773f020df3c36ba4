package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// record makes a history with a bit of everything, and returns its file too.
func record(t *testing.T) (*History, string) {
	path := filepath.Join(t.TempDir(), File)
	r, err := NewRecorder(path)
	if err != nil {
		t.Fatal(err)
	}
	owner := registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "o-1"}
	lease := registry.ProcessLease{ProcessID: "p", Owner: owner, LeaseToken: "t", FencingToken: 3, ClaimedAtMs: 5, ExpiresAtMs: 9}
	info := registry.AnswerInfo{Revision: 7, ClockMs: 8, LeaseTimeMs: 9, Term: 2, LeaderID: "n1", LeaderAddr: "a:1"}
	claim := r.Invoke("c1", model.ClaimProcessLease{ProcessID: "p", Owner: owner, TTLMs: 100})
	registered := r.Invoke("c2", model.RegisterProcess{Registration: registry.ProcessRegistration{
		ID: "p", Disposition: registry.Rerunnable, Identity: registry.ProcessIdentity{Kind: "external"},
		Input:      registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(`{"a":null}`)},
		EventTypes: []registry.ProcessEventType{{Name: "e", PayloadSchema: registry.JSON("{}")}},
	}})
	r.Return(registered, OK, model.Answer{Record: &registry.ProcessRecord{
		ID: "p", Input: registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON("null")},
		Disposition: registry.Rerunnable, Status: registry.ProcessStatus{State: registry.StateRunning},
	}}, info, nil)
	r.Return(claim, OK, model.Answer{Lease: &lease, Busy: true}, info, nil)
	token := uint64(4)
	stale := r.Invoke("c1", model.AppendEvent{ProcessID: "p", Fence: lease.Fence(), Request: registry.ProcessEventAppendRequest{
		EventType: "e", Payload: registry.JSON(`{"n":1.50}`), Replay: &registry.Replay{Key: "k"}}})
	r.Return(stale, Refused, model.Answer{Code: registry.CodeFenced, Fields: registry.Fields{ProcessID: "p", FencingToken: &token}}, info, errors.New("fenced"))
	lost := r.Invoke("c2", model.RenewProcessLease{Lease: lease, TTLMs: 1})
	r.Return(lost, Unknown, model.Answer{Code: registry.CodeOutcomeUnknown}, registry.AnswerInfo{}, errors.New(`no "answer"`))
	events := r.Invoke("c2", model.EventsAfter{ProcessID: "p"})
	r.Return(events, OK, model.Answer{Events: []registry.ProcessEvent{{ProcessID: "p", Sequence: 1, EventType: "e", Payload: registry.JSON(`"é"`)}}}, info, nil)
	watch := r.Follow("w1", Follow{Process: "p", Sequence: 3, EndOnly: true})
	r.Item(watch, Item{Node: "n1", Life: 1, Event: &registry.ProcessEvent{ProcessID: "p", Sequence: 4, EventType: "e", Payload: registry.JSON(`"é"`), OccurredAtMs: 5}})
	r.Leave(watch, registry.Errorf(registry.CodeLifeEnded, registry.Fields{ProcessID: "p"}, "it was pruned"))
	r.Complain("w1", "n1", errors.New("event 7 came behind event 5"))
	feed := r.Follow("w2", Follow{Resumes: &watch.Index})
	r.Item(feed, Item{Node: "n2", Cursor: "c.0.7"})
	r.Item(feed, Item{Node: "n2", Change: &registry.ProcessChange{Revision: 8, ProcessID: "p", Life: 1, Kind: registry.ChangeAppended, Sequence: 5}})
	batch := r.Invoke("c2", model.Batch{Ops: []model.Op{model.ClearProcessWait{ProcessID: "p"}, model.RevokeHandle{ProcessID: "p"}}})
	r.Return(batch, OK, model.Answer{Batch: []model.Answer{{Lease: &lease}, {}}}, info, nil)
	r.Fault(Fault{Name: "kill", Number: 1, Phase: Begin, Detail: "n1 (leader)"})
	r.Fault(Fault{Name: "kill", Number: 1, Phase: Recovered})
	r.Note("a %s", "remark")
	r.State(registry.StateReport{Index: 4, Agree: true, Members: []registry.MemberState{{ID: "n1", Hash: "h"}}})
	r.Invoke("c1", model.ListNonTerminal{}) // never returns
	if ok, refused, unknown := r.Counts(); ok != 4 || refused != 1 || unknown != 1 {
		t.Errorf("counted %d, %d, %d", ok, refused, unknown)
	}
	h, err := r.Close()
	if err != nil {
		t.Fatal(err)
	}
	return h, path
}

func TestAHistoryIsReadAsItWasRecorded(t *testing.T) {
	h, path := record(t)
	again, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Ops) != len(h.Ops) {
		t.Fatalf("%d operations, not %d", len(again.Ops), len(h.Ops))
	}
	for i := range h.Ops {
		// By their JSON: a zero liveness comes back as opaque, which is the same.
		a, _ := returnLine(h.Ops[i])
		b, _ := returnLine(again.Ops[i])
		c, _ := invokeLine(h.Ops[i])
		d, _ := invokeLine(again.Ops[i])
		if string(a.Answer) != string(b.Answer) || string(c.Args) != string(d.Args) || !reflect.DeepEqual(a.Info, b.Info) ||
			a.Error != b.Error || a.Type != b.Type || a.AtNs != b.AtNs || c.AtNs != d.AtNs || c.Client != d.Client || c.Op != d.Op {
			t.Errorf("operation %d\n%+v\nwas read as\n%+v", i, h.Ops[i], again.Ops[i])
		}
	}
	if !reflect.DeepEqual(h.Faults, again.Faults) || !reflect.DeepEqual(h.Notes, again.Notes) || !reflect.DeepEqual(h.State, again.State) {
		t.Errorf("%+v\nwas read as\n%+v", h, again)
	}
	if !reflect.DeepEqual(h.Streams, again.Streams) || !reflect.DeepEqual(h.Complaints, again.Complaints) || len(h.Streams) != 2 || again.Streams[1].Over() || again.Streams[0].Code != registry.CodeLifeEnded {
		t.Errorf("the streams %+v\nwere read as %+v", h.Streams, again.Streams)
	}
	if h.Ops[6].Returned() || again.Ops[6].Returned() || again.Ops[6].Outcome != Unknown {
		t.Error("what never returned is not unknown")
	}
}

// TestCallsAreReadAsTheyWere is about what has no JSON form of its own, and
// about what is absent.
func TestCallsAreReadAsTheyWere(t *testing.T) {
	waiting := false
	calls := append(Calls(),
		model.ListProcesses{Filter: registry.ProcessListFilter{Status: "completed", Waiting: &waiting}},
		model.ListProcesses{Filter: registry.ProcessListFilter{Definition: registry.JSON("null")}},
		model.TransferHandleGrants{From: registry.SessionScope{SessionID: "a"}, To: registry.SessionScope{SessionID: "b"}, ProcessIDs: []string{"p"}},
		model.CompleteProcess{ProcessID: "p", Output: registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("null")}},
		model.Batch{Ops: []model.Op{
			model.CompleteProcessLease{Completion: registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: "t"}}, model.ClearProcessWait{ProcessID: "p"},
		}},
	)
	for i, call := range calls {
		l, err := invokeLine(&Op{Index: i, Call: call})
		if err != nil {
			t.Fatal(err)
		}
		o, err := opFrom(&l)
		if err != nil || !reflect.DeepEqual(o.Call, call) {
			t.Errorf("%#v\nwas written as %s and read as\n%#v, %v", call, l.Args, o, err)
		}
	}
}

func TestAHistoryThatWasCutOffIsReadUpToThere(t *testing.T) {
	_, path := record(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text[:len(text)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	if h, err := Read(path); err != nil || len(h.Ops) != 6 {
		t.Errorf("%v, %v", h, err)
	}
}

func TestSpoiltHistoriesAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":                    "{",
		"an unknown type":            `{"type":"other"}`,
		"an unknown operation":       `{"type":"invoke","index":0,"op":"Nothing","args":{}}`,
		"a missing number":           `{"type":"invoke","index":1,"op":"ListNonTerminal","args":{}}`,
		"a return without an invoke": `{"type":"ok","index":0}`,
		"a fault without a fault":    `{"type":"fault"}`,
		"a stream without a number":  `{"type":"follow","follow":{}}`,
		"an item of no stream":       `{"type":"item","stream":0,"item":{}}`,
		"an empty complaint":         `{"type":"complaint"}`,
		"a stream that is no stream": `{"type":"leave"}`,
		"arguments of another shape": `{"type":"invoke","index":0,"op":"GetProcess","args":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), File)
			if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if h, err := Read(path); err == nil {
				t.Errorf("read as %+v", h)
			}
		})
	}
}

func TestWhatTheStateAnsweredIsJudged(t *testing.T) {
	for _, test := range []struct {
		outcome Outcome
		code    registry.Code
		want    bool
	}{
		{OK, 0, true}, {Refused, registry.CodeFenced, true}, {Refused, registry.CodeNotLeader, false},
		{Refused, registry.CodeOverloaded, false}, {Unknown, registry.CodeOutcomeUnknown, false},
	} {
		o := Op{Outcome: test.outcome, Answer: model.Answer{Code: test.code}}
		if o.Judged() != test.want {
			t.Errorf("%s with %v: judged %v", test.outcome, test.code, o.Judged())
		}
	}
}

func TestEDNIsThatOfJepsen(t *testing.T) {
	h, _ := record(t)
	var out bytes.Buffer
	if err := h.WriteEDN(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	// 7 calls, 6 returns, 2 faults, 6 of streams, a complaint.
	if len(lines) != 22 {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	text := out.String()
	for _, want := range []string{
		"{:type :invoke, :process 0, :f :claim-process-lease, :time ",
		`:type :fail, :process 0, :f :append-event`,
		`:error "no \"answer\""`,
		`{:type :info, :process :nemesis, :f :kill-begin, :time `,
		`"metadata" {"a" nil}`,
		`"payload" {"n" 1.50}`,
		`{:type :info, :process :stream-0, :f :follow, :time `,
		`:value {"process" "p","sequence" 3,"end_only" true}`,
		`:process :stream-1, :f :item, :time `,
		`{"node" "n2","change" {"revision" 8,"process_id" "p","life" 1,"kind" "appended","sequence" 5}}`,
		`:f :leave, :time `,
		`:process :w1, :f :complaint, :time `,
		":index 21}",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	// The client whose outcome is unknown goes on as somebody else.
	if !strings.Contains(text, "{:type :info, :process 1, :f :renew-process-lease") || !strings.Contains(text, "{:type :ok, :process 2, :f :events-after") {
		t.Errorf("process numbers are used again:\n%s", text)
	}
}

func TestEDNIsWrittenFromJSON(t *testing.T) {
	for from, want := range map[string]string{
		`{"a":[true,false,null,-1.5e3,7],"b":{}}`:     `{"a" [true,false,nil,-1.5e3,7],"b" {}}`,
		`[9223372036854775807,9223372036854775808]`:   `[9223372036854775807,9223372036854775808N]`,
		`{"null: 1, 2":"{\"n\":null}\n\u003c\u00e4"}`: `{"null: 1, 2" "{\"n\":null}\n<ä"}`,
		`"\\"`: `"\\"`,
		``:     ``,
	} {
		if got := edn(json.RawMessage(from)); got != want {
			t.Errorf("%s became %s, not %s", from, got, want)
		}
	}
}
