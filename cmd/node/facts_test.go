package main

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// shown runs a command that shows a record, and checks that it is the stored
// one.
func (d *desk) shown(args ...string) registry.ProcessRecord {
	d.t.Helper()
	text := d.must(append(args, "--output", "json")...)
	record := decode[registry.ProcessRecord](d.t, text)
	stored, err := d.GetProcess(d.t.Context(), record.ID)
	if err != nil || jsonText(stored)+"\n" != text {
		d.t.Errorf("shown  %sstored %s (%v)", text, jsonText(stored), err)
	}
	return record
}

func TestWaitCommands(t *testing.T) {
	t.Run("event type and key follow from the signal", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		before := uint64(time.Now().UnixMilli())
		record := d.shown("process", "wait", "set", "p", "--signal", "approve", "--ordinal", "2")
		want := registry.WaitState{Kind: registry.WaitSignal, Name: "approve", EventType: "signal.approve", Key: "process:p:signal.approve:2", Ordinal: 2}
		got := *record.Wait
		since := got.SinceMs
		if got.SinceMs = 0; got != want || since < before || since > uint64(time.Now().UnixMilli()) {
			t.Errorf("wait %+v since %d", got, since)
		}
		if text := d.must("process", "get", "p"); !strings.Contains(text, "waiting for  signal approve\n") {
			t.Errorf("text:\n%s", text)
		}
	})
	t.Run("what is given is stored as it is", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		record := d.shown("process", "wait", "set", "p", "--signal", "s", "--ordinal", "18446744073709551615", "--event-type", "other", "--key", "k", "--since-ms", "5")
		want := registry.WaitState{Kind: registry.WaitSignal, Name: "s", EventType: "other", Key: "k", Ordinal: 1<<64 - 1, SinceMs: 5}
		if *record.Wait != want {
			t.Errorf("wait %+v", record.Wait)
		}
	})
	t.Run("clear removes it", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		d.must("process", "wait", "set", "p", "--signal", "s", "--ordinal", "1")
		if record := d.shown("process", "wait", "clear", "p"); record.Wait != nil {
			t.Errorf("wait %+v", record.Wait)
		}
	})
	t.Run("a stale fence is refused and changes nothing", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		lease := d.claim("p", "a")
		fence := []string{"--lease-token", lease.LeaseToken, "--fencing-token", number(lease.FencingToken)}
		d.must(append([]string{"process", "wait", "set", "p", "--signal", "s", "--ordinal", "1"}, fence...)...)
		d.must("lease", "release", "p", "--lease-token", lease.LeaseToken)
		for _, args := range [][]string{
			{"process", "wait", "set", "p", "--signal", "t", "--ordinal", "1"},
			{"process", "wait", "clear", "p"},
			{"process", "abandon-request", "p", "--by", "b"},
			{"process", "external-ref", "p", "--backend", "b", "--ref", "r"},
		} {
			got := d.run(append(append(args, fence...), "--output", "json")...)
			if got.code != exitError || decode[errorObject](t, got.stderr).Code != "Fenced" {
				t.Errorf("%v: exit code %d, %s", args, got.code, got.stderr)
			}
		}
		record, err := d.GetProcess(t.Context(), "p")
		if err != nil || record.Wait == nil || record.Wait.Name != "s" || record.AbandonRequest != nil || record.ExternalRef != nil {
			t.Errorf("%+v, %v", record, err)
		}
	})
}

func TestAbandonRequestCommand(t *testing.T) {
	d := newDesk(t)
	d.register("p")
	record := d.shown("process", "abandon-request", "p", "--by", "operator", "--reason", "host is gone", "--at-ms", "77")
	request := record.AbandonRequest
	if request == nil || request.RequestedBy != "operator" || request.RequestedAtMs != 77 || *request.Reason != "host is gone" {
		t.Errorf("request %+v", request)
	}
	// The first one stays.
	if record = d.shown("process", "abandon-request", "p", "--by", "somebody else"); record.AbandonRequest.RequestedBy != "operator" {
		t.Errorf("request %+v", record.AbandonRequest)
	}
	d.register("q")
	before := uint64(time.Now().UnixMilli())
	request = d.shown("process", "abandon-request", "q", "--by", "b").AbandonRequest
	if request.Reason != nil || request.RequestedAtMs < before || request.RequestedAtMs > uint64(time.Now().UnixMilli()) {
		t.Errorf("request %+v", request)
	}
}

func TestExternalRefCommand(t *testing.T) {
	d := newDesk(t)
	d.register("p")
	set := []string{"process", "external-ref", "p", "--backend", "restate", "--ref", "Workflow/p", "--metadata"}
	record := d.shown(append(set, `{"n":1.0}`)...)
	if ref := record.ExternalRef; ref == nil || ref.Backend != "restate" || ref.ID != "Workflow/p" || string(ref.Metadata) != `{"n":1.0}` {
		t.Errorf("ref %+v", ref)
	}
	got := d.runWith(`{"n":1.0}`, append(set, "-")...)
	if got.code != exitOK {
		t.Errorf("the same again, from stdin: exit code %d, %s", got.code, got.stderr)
	}
	got = d.run(append(set, `{"n":1}`, "--output", "json")...)
	if object := decode[errorObject](t, got.stderr); got.code != exitError || object.Code != "AlreadyExists" || object.Existing == "" || object.New == "" {
		t.Errorf("another one: exit code %d, %s", got.code, got.stderr)
	}
	d.register("q")
	if ref := d.shown("process", "external-ref", "q", "--backend", "b", "--ref", "r").ExternalRef; ref.Metadata != nil {
		t.Errorf("without metadata it is %+v", ref)
	}
}

func TestRecentAndCountedEvents(t *testing.T) {
	d := newDesk(t)
	d.register("p")
	for range 12 {
		d.must("event", "append", "p", "--type", "progress", "--payload", "1")
	}
	d.must("process", "cancel", "p")
	for _, test := range []struct {
		more        []string
		first, last uint64
	}{
		{nil, 4, 13},
		{[]string{"--limit", "1"}, 13, 13},
		{[]string{"--limit", "18446744073709551615"}, 1, 13},
	} {
		events := decode[[]registry.ProcessEvent](t, d.must(append([]string{"event", "recent", "p", "--output", "json"}, test.more...)...))
		if len(events) == 0 || events[0].Sequence != test.first || events[len(events)-1].Sequence != test.last {
			t.Errorf("%v: %d events", test.more, len(events))
		}
	}
	if text := d.must("event", "recent", "p", "--limit", "0", "--output", "json"); text != "[]\n" {
		t.Errorf("none of them is %q", text)
	}
	for args, want := range map[string]string{
		"--type progress":                                "12",
		"--type progress --through 5":                    "5",
		"--type progress --through 0":                    "0",
		"--type process.cancel_requested --through 13":   "1",
		"--type process.cancel_requested --through 12":   "0",
		"--type nothing --through 18446744073709551615":  "0",
		"--type progress --through 18446744073709551615": "12",
	} {
		call := append([]string{"event", "count", "p"}, strings.Fields(args)...)
		if text := d.must(call...); text != want+"\n" {
			t.Errorf("%s: %q", args, text)
		}
		if text := d.must(append(call, "--output", "json")...); text != want+"\n" {
			t.Errorf("%s as JSON: %q", args, text)
		}
	}
}
