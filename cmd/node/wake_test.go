package main

import (
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func TestWakeCommands(t *testing.T) {
	d := newDesk(t)
	d.must("process", "register", "--id", "p", "--disposition", "rerunnable", "--input", `{"type":"external"}`,
		"--event-type", "plain", "--event-type", `{"name":"line","payload_schema":{"schema":{}},"semantics":{"wake":{"input":"payload"}}}`)
	for _, eventType := range []string{"line", "plain", "line", "line"} {
		d.must("event", "append", "p", "--type", eventType, "--payload", `"a\u0009b"`)
	}
	left := func(args ...string) (sequences []uint64) {
		t.Helper()
		for _, event := range decode[[]registry.ProcessEvent](t, d.must(append([]string{"wake", "list", "p", "--output", "json"}, args...)...)) {
			sequences = append(sequences, event.Sequence)
		}
		return sequences
	}
	if got := left(); len(got) != 3 || got[0] != 1 || got[1] != 3 || got[2] != 4 {
		t.Errorf("wakes %v", got)
	}
	if got := left("--after", "3"); len(got) != 1 || got[0] != 4 {
		t.Errorf("wakes after 3: %v", got)
	}
	if text := d.must("wake", "list", "p"); !strings.Contains(text, "line  p:1         a b\n") {
		t.Errorf("text:\n%s", text)
	}
	if text := d.must("wake", "ack", "p", "--sequence", "3", "--output", "json"); text != `{"process_id":"p","sequence":3}`+"\n" {
		t.Errorf("ack: %q", text)
	}
	d.must("wake", "ack", "p", "--sequence", "3")
	d.must("wake", "ack", "p", "--sequence", "18446744073709551615")
	if got := left(); len(got) != 2 || got[0] != 1 || got[1] != 4 {
		t.Errorf("after the ack: %v", got)
	}
	d.must("wake", "ack", "p", "--sequence", "1")
	d.must("wake", "ack", "p", "--sequence", "4")
	if text := d.must("wake", "list", "p"); text != "no wakes are left\n" {
		t.Errorf("none reads %q", text)
	}
	if text := d.must("wake", "list", "p", "--output", "json"); text != "[]\n" {
		t.Errorf("none is %q", text)
	}
	if got := d.run("wake", "ack", "nobody", "--sequence", "1", "--output", "json"); decode[errorObject](t, got.stderr).Code != "NotFound" {
		t.Errorf("exit code %d, %s", got.code, got.stderr)
	}
}
