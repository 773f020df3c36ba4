package rounds

import (
	"bufio"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func event(sequence uint64, payload, key string) registry.ProcessEvent {
	return registry.ProcessEvent{ProcessID: "p", Sequence: sequence, EventType: eventType, Payload: registry.JSON(payload), ReplayKey: key}
}

func sent(payload, key string, token uint64, outcome Outcome, sequence uint64) Append {
	return Append{Process: "p", Payload: payload, EventType: eventType, ReplayKey: key, FencingToken: token, Outcome: outcome, Sequence: sequence}
}

// TestLogsAreJudged checks a history that keeps every promise, and one change
// to it for each promise that breaks.
func TestLogsAreJudged(t *testing.T) {
	type world struct {
		log           []registry.ProcessEvent
		before, after []Append
	}
	good := func() world {
		appends := []Append{
			sent(`"a"`, "", 1, Acked, 1),
			sent(`"b"`, "k", 1, Unknown, 0), // it happened
			sent(`"c"`, "", 1, Unknown, 0),  // it did not
			sent(`"d"`, "", 1, Refused, 0),
			sent(`"e"`, "l", 2, Acked, 3),
		}
		// f was sent and acked while the log was being read.
		return world{
			log:    []registry.ProcessEvent{event(1, `"a"`, ""), event(2, `"b"`, "k"), event(3, `"e"`, "l"), event(4, `"f"`, "")},
			before: appends,
			after:  append(slices.Clone(appends), sent(`"f"`, "", 2, Acked, 4), sent(`"g"`, "", 2, Acked, 5)),
		}
	}
	for _, test := range []struct {
		name   string
		change func(*world)
		want   Sentence
	}{
		{"a history without faults", func(*world) {}, ""},
		{"an acked event is missing at the end", func(w *world) { w.log = w.log[:2] }, AckedStays},
		{"an acked event is elsewhere", func(w *world) { w.log[0].Payload, w.log[1].Payload = w.log[1].Payload, w.log[0].Payload }, AckedStays},
		{"an acked event has another replay key", func(w *world) { w.log[2].ReplayKey = "m" }, AckedStays},
		{"an acked event has another type", func(w *world) { w.log[0].EventType = "other" }, AckedStays},
		{"an ack names no place", func(w *world) { w.before[0].Sequence = 0 }, AckedStays},
		{"an event of unknown outcome is there twice", func(w *world) { w.log = append(w.log, event(5, `"b"`, "k")) }, AtMostOnce},
		{"an acked event is there twice", func(w *world) { w.log = append(w.log, event(5, `"f"`, "")) }, AtMostOnce},
		{"a refused append left an event", func(w *world) { w.log = append(w.log, event(5, `"d"`, "")) }, RefusedIsAbsent},
		{"an event that nobody sent", func(w *world) { w.log = append(w.log, event(5, `"z"`, "")) }, NothingInvented},
		{"a hole in the sequences", func(w *world) { w.log[3].Sequence = 5 }, LogIsDense},
		{"an event of another process", func(w *world) { w.log[3].ProcessID = "q" }, LogIsDense},
		{"an older owner writes after a newer one", func(w *world) { w.after[5].FencingToken = 1 }, FenceHolds},
		{"a stale append is acked", func(w *world) { w.before[0].Stale = true }, StaleIsRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := good()
			test.change(&w)
			expect(t, checkLog("p", w.log, w.before, w.after), test.want)
		})
	}
}

func TestEndsAreJudged(t *testing.T) {
	ended := event(2, `{}`, "")
	ended.EventType = registry.EventCompleted
	record := registry.ProcessRecord{ID: "p", Status: registry.ProcessStatus{State: registry.StateCompleted}}
	expect(t, checkEnd(record, []registry.ProcessEvent{event(1, `"a"`, ""), ended}), "")
	expect(t, checkEnd(record, []registry.ProcessEvent{ended, ended}), EndIsFinal)
	expect(t, checkEnd(record, nil), EndIsFinal)
	record.Status.State = registry.StateRunning
	expect(t, checkEnd(record, []registry.ProcessEvent{ended}), EndIsFinal)
}

func TestClaimsAreJudged(t *testing.T) {
	claim := func(process string, token uint64, began, ended int64, outcome Outcome) Claim {
		return Claim{Process: process, Owner: "o", Incarnation: process, Outcome: outcome, FencingToken: token, BeganNs: began, EndedNs: ended}
	}
	for _, test := range []struct {
		name   string
		claims []Claim
		want   Sentence
	}{
		{"one after the other", []Claim{claim("p", 1, 0, 1, Acked), claim("q", 2, 2, 3, Acked), claim("p", 3, 4, 5, Acked)}, ""},
		{"at the same time any order will do", []Claim{claim("p", 2, 0, 9, Acked), claim("q", 1, 1, 8, Acked)}, ""},
		{"claims that got nothing do not count", []Claim{claim("p", 7, 0, 1, Refused), claim("q", 1, 2, 3, Acked), claim("r", 0, 4, 5, Unknown)}, ""},
		{"a smaller token later", []Claim{claim("p", 2, 0, 1, Acked), claim("p", 1, 2, 3, Acked)}, TokensGrow},
		{"a smaller token later, for another process", []Claim{claim("p", 5, 0, 1, Acked), claim("q", 6, 1, 9, Acked), claim("r", 4, 2, 3, Acked)}, TokensGrow},
		{"the same token twice", []Claim{claim("p", 1, 0, 9, Acked), claim("q", 1, 1, 8, Acked)}, TokensAreUnique},
	} {
		t.Run(test.name, func(t *testing.T) { expect(t, checkClaims(test.claims), test.want) })
	}
}

func expect(t *testing.T, got *Violation, want Sentence) {
	t.Helper()
	switch {
	case got == nil && want != "":
		t.Errorf("nothing was found, but this does not hold: %s", want)
	case got != nil && got.Sentence != want:
		t.Errorf("found %v\nwant %q", got, want)
	}
}

// TestPlansFollowTheSeed draws many plans: the same seed gives the same ones,
// and all kinds of rounds come up.
func TestPlansFollowTheSeed(t *testing.T) {
	const seed = 11
	draw := func() (texts []string) {
		random := rand.New(rand.NewPCG(seed, 0))
		for range 200 {
			p := newPlan(random, 3, 1, []Fault{Kill, Pause})
			texts = append(texts, p.describe(1))
			if len(p.strikes) != len(p.healing) || p.majorityLeft(3) != (len(p.strikes) == 1) {
				t.Fatalf("plan %+v", p)
			}
			if len(p.strikes) == 2 && p.strikes[0].node == p.strikes[1].node {
				t.Fatalf("one node is struck twice: %+v", p)
			}
		}
		return texts
	}
	texts := draw()
	if !slices.Equal(texts, draw()) {
		t.Errorf("seed %d gave two different runs", seed)
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{"kill n2 (leader)", "pause n2 (leader)", "kill n1", "pause n3", ", then ", "snapshot of n"} {
		if !strings.Contains(all, want) {
			t.Errorf("no round has %q", want)
		}
	}
}

func TestHistoryIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), HistoryFile)
	h, err := NewHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	h.opened("p")
	h.opened("p")
	h.endAppend(h.beginAppend(sent(`"a"`, "k", 3, "", 0)), Acked, "", 7)
	h.beginAppend(sent(`"b"`, "", 3, "", 0)) // never answered
	h.endClaim(h.beginClaim(Claim{Process: "p"}), Refused, "Busy", 3)
	h.ended("p")
	h.Note("round %d", 1)
	if got := h.Appends("p"); len(got) != 2 || got[0].Outcome != Acked || got[0].Sequence != 7 || got[1].Outcome != Unknown {
		t.Errorf("appends %+v", got)
	}
	if len(h.Processes()) != 1 || !h.Completed("p") || h.Completed("q") || h.Claims()[0].Code != "Busy" {
		t.Errorf("processes %v, claims %+v", h.Processes(), h.Claims())
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	kinds := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var line map[string]json.RawMessage
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		for kind := range line {
			kinds[kind]++
		}
	}
	for kind, want := range map[string]int{"process": 1, "append": 2, "claim": 1, "completed": 1, "note": 1} {
		if kinds[kind] != want {
			t.Errorf("the file has %d lines of kind %s, not %d", kinds[kind], kind, want)
		}
	}
}

func TestViolationsAreErrors(t *testing.T) {
	var v *Violation
	if err := error(violated(TokensGrow, "here")); !errors.As(err, &v) || !strings.Contains(err.Error(), string(TokensGrow)) {
		t.Errorf("%v", err)
	}
}
