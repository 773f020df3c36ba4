package main

import (
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// grants lists what a scope holds, as "process kind label".
func (d *desk) grants(args ...string) []string {
	d.t.Helper()
	entries := decode[[]registry.ProcessHandleGrantEntry](d.t, d.must(append([]string{"grant", "list", "--output", "json"}, args...)...))
	names := []string{}
	for _, entry := range entries {
		if entry.Grant.ProcessID != entry.Record.ID {
			d.t.Errorf("the grant of %s comes with %s", entry.Grant.ProcessID, entry.Record.ID)
		}
		names = append(names, strings.TrimSpace(entry.Record.ID+" "+dash(entry.Grant.Descriptor.Kind)+" "+dash(entry.Grant.Descriptor.Label)))
	}
	return names
}

func (d *desk) holds(want string, scope ...string) {
	d.t.Helper()
	if got := strings.Join(d.grants(scope...), ", "); got != want {
		d.t.Errorf("%v holds %q, want %q", scope, got, want)
	}
}

func TestGrantCommands(t *testing.T) {
	t.Run("add shows the grant, and replaces how it shows the process", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		text := d.must("grant", "add", "p", "--session", "s1", "--kind", "tool", "--label", "", "--output", "json")
		grant := decode[registry.ProcessHandleGrant](t, text)
		if grant.SessionID != "s1" || grant.ProcessID != "p" || *grant.Descriptor.Kind != "tool" || *grant.Descriptor.Label != "" {
			t.Errorf("grant %s", text)
		}
		text = d.must("grant", "add", "p", "--session", "s1", "--output", "json")
		if grant := decode[registry.ProcessHandleGrant](t, text); grant.Descriptor.Kind != nil || grant.Descriptor.Label != nil {
			t.Errorf("grant %s", text)
		}
		d.holds("p - -", "--session", "s1")
	})
	t.Run("a session and its frames are scopes of their own", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		d.must("grant", "add", "p", "--session", "s1", "--frame", "f1", "--label", "l")
		d.holds("", "--session", "s1")
		d.holds("p - l", "--session", "s1", "--frame", "f1")
		for args, want := range map[string]string{"--session s1": "no", "--session s1 --frame f1": "yes", "--session s1 --frame f2": "no"} {
			call := append([]string{"grant", "has", "p"}, strings.Fields(args)...)
			if text := d.must(call...); text != want+"\n" {
				t.Errorf("has %s: %q", args, text)
			}
		}
		if text := d.must("grant", "has", "nobody", "--session", "s1", "--output", "json"); text != "false\n" {
			t.Errorf("an unknown process: %q", text)
		}
		d.must("grant", "revoke", "p", "--session", "s1")
		d.holds("p - l", "--session", "s1", "--frame", "f1")
		text := d.must("grant", "revoke", "p", "--session", "s1", "--frame", "f1", "--output", "json")
		if text != `{"scope":{"session_id":"s1","agent_frame_id":"f1"},"process_id":"p"}`+"\n" {
			t.Errorf("revoke: %q", text)
		}
		d.holds("", "--session", "s1", "--frame", "f1")
		d.must("grant", "revoke", "p", "--session", "s1", "--frame", "f1")
	})
	t.Run("list shows live ones only, if asked, and who holds a process", func(t *testing.T) {
		d := newDesk(t)
		for _, id := range []string{"b", "a", "c"} {
			d.register(id)
			d.must("grant", "add", id, "--session", "s1", "--kind", "k")
		}
		d.must("process", "complete", "b", "--result", `{"type":"success","value":1}`)
		d.must("grant", "add", "a", "--session", "s0", "--frame", "f")
		d.holds("a k -, b k -, c k -", "--session", "s1")
		d.holds("a k -, c k -", "--session", "s1", "--live")
		grants := decode[[]registry.ProcessHandleGrant](t, d.must("grant", "list", "--process", "a", "--output", "json"))
		if len(grants) != 2 || grants[0].SessionID != "s0" || grants[1].SessionID != "s1" {
			t.Errorf("%+v", grants)
		}
		if text := d.must("grant", "list", "--session", "s1"); !strings.Contains(text, "b   completed  k     -") {
			t.Errorf("text:\n%s", text)
		}
		if text := d.must("grant", "list", "--session", "s9"); text != "no grants\n" {
			t.Errorf("none reads %q", text)
		}
		if text := d.must("grant", "list", "--session", "s9", "--output", "json"); text != "[]\n" {
			t.Errorf("none is %q", text)
		}
		if got := d.run("grant", "list", "--process", "nobody", "--output", "json"); decode[errorObject](t, got.stderr).Code != "NotFound" {
			t.Errorf("exit code %d, %s", got.code, got.stderr)
		}
	})
	t.Run("transfer moves all or nothing, and says what the session holds", func(t *testing.T) {
		d := newDesk(t)
		for _, id := range []string{"a", "b", "c"} {
			d.register(id)
		}
		d.must("grant", "add", "a", "--session", "s1", "--label", "l")
		d.must("grant", "add", "b", "--session", "s1")
		got := d.run("grant", "transfer", "a", "c", "--from", "s1", "--to", "s2")
		if got.code != exitError || !strings.Contains(got.stderr, "nothing was moved") || !strings.Contains(got.stderr, "grant list --session s1") {
			t.Errorf("exit code %d, %s", got.code, got.stderr)
		}
		d.holds("a - l, b - -", "--session", "s1")
		text := d.must("grant", "transfer", "a", "b", "--from", "s1", "--to", "s2", "--to-frame", "f", "--output", "json")
		if text != `{"from":{"session_id":"s1"},"to":{"session_id":"s2","agent_frame_id":"f"},"process_ids":["a","b"]}`+"\n" {
			t.Errorf("transfer: %q", text)
		}
		d.holds("", "--session", "s1")
		d.holds("a - l, b - -", "--session", "s2", "--frame", "f")
		if text := d.must("grant", "transfer", "a", "--from", "s2", "--from-frame", "f", "--to", "s1"); text != "session:s1 now holds 1 grant of session:s2/frame:f\n" {
			t.Errorf("text %q", text)
		}
	})
}

func TestSessionDeleteCommand(t *testing.T) {
	d := newDesk(t)
	for _, id := range []string{"a", "b", "done"} {
		d.register(id)
		d.must("grant", "add", id, "--session", "s1", "--frame", "f")
	}
	d.must("grant", "add", "b", "--session", "s2")
	d.must("process", "complete", "done", "--result", `{"type":"success","value":1}`)
	text := d.must("session", "delete", "s1", "--output", "json")
	if text != `{"session_id":"s1","revoked_handle_count":3,"deleted_wake_count":0,"orphaned_process_ids":["a"],"preserved_process_ids":["b"]}`+"\n" {
		t.Errorf("report %s", text)
	}
	d.holds("", "--session", "s1", "--frame", "f")
	d.holds("b - -", "--session", "s2")
	text = d.must("session", "delete", "s1")
	if !strings.Contains(text, "grants taken back  0\n") || strings.Contains(text, "orphaned") {
		t.Errorf("again:\n%s", text)
	}
}
