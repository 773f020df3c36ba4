package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func TestProcessCommands(t *testing.T) {
	t.Run("register stores what its flags say", func(t *testing.T) {
		d := newDesk(t)
		text := d.must("process", "register", "--id", "job", "--disposition", "owner_bound", "--fencing", "required",
			"--input", `{"type":"tool_call","call":{"tool_name":"grep","args":{}}}`, "--env-ref", "env-1",
			"--event-type", `{"name":"line","payload_schema":{"schema":{"type":"string"}},"semantics":{"wake":{"input":"payload"}}}`,
			"--event-type", "plain", "--wake-target", "s1", "--wake-target-frame", "f1", "--output", "json")
		record := decode[registry.ProcessRecord](t, text)
		stored, err := d.GetProcess(t.Context(), "job")
		if err != nil {
			t.Fatal(err)
		}
		if jsonText(record) != jsonText(stored) {
			t.Errorf("shown  %s\nstored %s", jsonText(record), jsonText(stored))
		}
		if record.Disposition != registry.OwnerBound || record.Fencing != registry.FencingRequired || *record.EnvRef != "env-1" {
			t.Errorf("disposition, fencing or env ref: %s", text)
		}
		if record.Identity.Kind != "tool" || record.Identity.Label == nil || *record.Identity.Label != "grep" {
			t.Errorf("the identity is not derived: %+v", record.Identity)
		}
		if *record.WakeTarget != (registry.SessionScope{SessionID: "s1", AgentFrameID: "f1"}) || record.Provenance.Originator.Scope != nil {
			t.Errorf("wake target or provenance: %s", text)
		}
		if len(record.EventTypes) != 9 || record.EventTypes[0].Semantics.Wake == nil || record.EventTypes[1].Name != "plain" {
			t.Errorf("event types: %s", text)
		}
	})
	t.Run("list shows all pages, or as many as asked for", func(t *testing.T) {
		d := newDesk(t)
		const total = registry.DefaultPageSize + 7
		for i := range total {
			registration := registry.ProcessRegistration{
				ID: fmt.Sprintf("p%04d", i), Disposition: registry.Rerunnable,
				Input: registry.ProcessInput{Kind: registry.InputExternal}, Identity: registry.ProcessIdentity{Kind: "external"},
			}
			if _, err := d.RegisterProcess(t.Context(), registration); err != nil {
				t.Fatal(err)
			}
		}
		for _, test := range []struct {
			limit string
			want  int
		}{{"0", total}, {"3", 3}, {fmt.Sprint(total - 1), total - 1}, {"9999", total}} {
			records := decode[[]registry.ProcessRecord](t, d.must("process", "list", "--limit", test.limit, "--output", "json"))
			if len(records) != test.want || records[0].ID != "p0000" || records[test.want-1].ID != fmt.Sprintf("p%04d", test.want-1) {
				t.Errorf("--limit %s: %d records", test.limit, len(records))
			}
		}
	})
	t.Run("list hides terminal processes unless asked", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		d.must("process", "complete", "p", "--result", `{"type":"failure","class":"execution","code":"c","message":"m"}`)
		for status, want := range map[string]bool{"running": false, "failed": true, "completed": false, "any": true} {
			text := d.must("process", "list", "--status", status, "--output", "json")
			if got := text != "[]\n"; got != want {
				t.Errorf("--status %s: %s", status, text)
			}
		}
		if text := d.must("process", "list"); text != "no processes match\n" {
			t.Errorf("an empty list reads %q", text)
		}
	})
	t.Run("started keeps the first owner", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		d.must("process", "started", "p", "--owner", "a", "--incarnation", "i", "--started-at-ms", "77")
		record := decode[registry.ProcessRecord](t, d.must("process", "started", "p", "--owner", "b", "--incarnation", "j", "--output", "json"))
		if started := record.FirstStarted; started == nil || started.Owner.OwnerID != "a" || started.StartedAtMs != 77 {
			t.Errorf("first started: %+v", started)
		}
	})
	t.Run("cancel appends one event for one reason", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		d.must("process", "cancel", "p")
		d.must("process", "cancel", "p", "--reason", "late")
		result := decode[registry.ProcessEventAppendResult](t, d.must("process", "cancel", "p", "--reason", "late", "--output", "json"))
		if result.Event.Sequence != 2 || string(result.Event.Payload) != `{"reason":"late"}` || result.Event.EventType != registry.EventCancelRequested {
			t.Errorf("event %+v", result.Event)
		}
		events := decode[[]registry.ProcessEvent](t, d.must("event", "list", "p", "--output", "json"))
		if len(events) != 2 || string(events[0].Payload) != `{"reason":null}` {
			t.Errorf("events %+v", events)
		}
	})
	t.Run("complete under a fence needs the current lease", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		lease := d.claim("p", "a")
		const output = `{"type":"success","value":{"n":1.0}}`
		got := d.run("process", "complete", "p", "--result", output, "--lease-token", lease.LeaseToken, "--fencing-token", "99", "--output", "json")
		if decode[errorObject](t, got.stderr).Code != "Fenced" {
			t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
		}
		text := d.must("process", "complete", "p", "--result", output, "--output", "json",
			"--lease-token", lease.LeaseToken, "--fencing-token", number(lease.FencingToken))
		record := decode[registry.ProcessRecord](t, text)
		if record.Status.State != registry.StateCompleted || jsonText(*record.Status.AwaitOutput) != output {
			t.Errorf("record %s", text)
		}
	})
	t.Run("text shows what the record says, on lines of its own", func(t *testing.T) {
		d := newDesk(t)
		d.must("process", "register", "--id", "p", "--disposition", "rerunnable", "--input", `{"type":"external","metadata":{"label":"a\u001b[2Jb"}}`)
		text := d.must("process", "get", "p")
		for _, want := range []string{"id           p\n", "status       running\n", "label        a [2Jb\n", "created      1970-01-01 00:16:40.000 UTC\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
		if strings.ContainsRune(text, 0x1b) {
			t.Error("a label of somebody else's reached the terminal as it was")
		}
	})
}

func TestEventCommands(t *testing.T) {
	d := newDesk(t)
	d.register("p")
	if text := d.must("event", "list", "p", "--output", "json"); text != "[]\n" {
		t.Errorf("an empty log is %q", text)
	}
	for i, key := range []string{"k1", "k2", "k1"} {
		text := d.must("event", "append", "p", "--type", "progress", "--payload", fmt.Sprint(i%2), "--replay-key", key, "--output", "json")
		result := decode[registry.ProcessEventAppendResult](t, text)
		if want := []uint64{1, 2, 1}[i]; result.Event.Sequence != want || result.Event.ReplayKey != key {
			t.Errorf("append %d: %s", i, text)
		}
	}
	events := decode[[]registry.ProcessEvent](t, d.must("event", "list", "p", "--after", "1", "--output", "json"))
	if len(events) != 1 || events[0].Sequence != 2 {
		t.Errorf("after 1: %+v", events)
	}
	text := d.must("event", "list", "p")
	if !strings.HasPrefix(text, "SEQUENCE  OCCURRED") || !strings.Contains(text, "progress  k2") {
		t.Errorf("text:\n%s", text)
	}
	if got := d.run("event", "append", "p", "--type", "odd", "--payload", "1", "--output", "json"); decode[errorObject](t, got.stderr).EventType != "odd" {
		t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
	}
}

func TestLeaseCommands(t *testing.T) {
	d := newDesk(t)
	d.register("p")
	if text := d.must("lease", "get", "p", "--output", "json"); text != "null\n" {
		t.Errorf("no lease is %q", text)
	}
	if text := d.must("lease", "get", "p"); text != "no lease\n" {
		t.Errorf("no lease reads %q", text)
	}

	text := d.must("lease", "claim", "p", "--owner", "a", "--ttl", "30s", "--output", "json")
	var acquired map[string]registry.ProcessLease
	if err := json.Unmarshal([]byte(text), &acquired); err != nil {
		t.Fatal(err)
	}
	lease := acquired["Acquired"]
	if len(acquired) != 1 || lease.ExpiresAtMs != d.nowMs+30_000 || len(lease.Owner.IncarnationID) != 32 || lease.Owner.Liveness.Kind != registry.LivenessOpaque {
		t.Errorf("claim: %s", text)
	}

	busy := d.run("lease", "claim", "p", "--owner", "a", "--ttl", "30s", "--output", "json")
	holder := decode[map[string]map[string]registry.ProcessLease](t, busy.stdout)["Busy"]["holder"]
	if busy.code != exitBusy || busy.stderr != "" || holder != lease {
		t.Errorf("the same owner under another random incarnation: exit code %d, stdout %q, stderr %q", busy.code, busy.stdout, busy.stderr)
	}
	busy = d.run("lease", "claim", "p", "--owner", "b", "--ttl", "30s")
	if busy.code != exitBusy || !strings.HasPrefix(busy.stdout, "busy: ") || !strings.Contains(busy.stdout, lease.LeaseToken) {
		t.Errorf("as text: exit code %d, stdout %q", busy.code, busy.stdout)
	}

	d.nowMs += 1_000
	again := decode[registry.ProcessLeaseClaimOutcome](t, d.must("lease", "claim", "p", "--owner", "a", "--incarnation", lease.Owner.IncarnationID, "--ttl", "30s", "--output", "json"))
	if again.Acquired == nil || again.Acquired.FencingToken != lease.FencingToken {
		t.Errorf("the same incarnation did not get its lease back: %+v", again)
	}
	renew := []string{"lease", "renew", "p", "--owner", "a", "--incarnation", lease.Owner.IncarnationID,
		"--lease-token", lease.LeaseToken, "--fencing-token", number(lease.FencingToken), "--ttl", "1s", "--output", "json"}
	renewed := decode[registry.ProcessLease](t, d.must(renew...))
	if renewed.ExpiresAtMs != d.nowMs+1_000 {
		t.Errorf("renewed until %d, not %d", renewed.ExpiresAtMs, d.nowMs+1_000)
	}

	d.nowMs += 1_000
	if text := d.must("lease", "get", "p"); !strings.Contains(text, "expired") {
		t.Errorf("an expired lease reads %q", text)
	}
	if got := d.run(renew...); decode[errorObject](t, got.stderr).Code != "LeaseExpired" {
		t.Errorf("renewing an expired lease: exit code %d, stderr %q", got.code, got.stderr)
	}

	other := d.claim("p", "b")
	if other.FencingToken <= lease.FencingToken {
		t.Errorf("fencing token %d follows %d", other.FencingToken, lease.FencingToken)
	}
	check := []string{"lease", "check", "p", "--fencing-token", number(other.FencingToken)}
	if text := d.must(check...); text != "current          yes\nlive             yes\nfencing token    2\nlease time left  30000 ms\n" {
		t.Errorf("the current token reads %q", text)
	}
	stale := d.run("lease", "check", "p", "--fencing-token", number(lease.FencingToken), "--output", "json")
	if status := decode[registry.FenceStatus](t, stale.stdout); stale.code != exitLost || stale.stderr != "" || status != (registry.FenceStatus{FencingToken: other.FencingToken}) {
		t.Errorf("a superseded token: exit code %d, stdout %q, stderr %q", stale.code, stale.stdout, stale.stderr)
	}

	text = d.must("lease", "release", "p", "--lease-token", other.LeaseToken, "--output", "json")
	if decode[registry.ProcessLeaseCompletion](t, text) != (registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: other.LeaseToken}) {
		t.Errorf("release: %s", text)
	}
	if text := d.must("lease", "get", "p", "--output", "json"); text != "null\n" {
		t.Errorf("after the release: %q", text)
	}
	if got := d.run(check...); got.code != exitLost || !strings.HasPrefix(got.stdout, "current          no\n") {
		t.Errorf("a released token: exit code %d, stdout %q", got.code, got.stdout)
	}
}

func TestClusterCommands(t *testing.T) {
	d := newDesk(t)
	d.status = registry.ClusterStatus{
		ClusterID: "c", Leader: "n1", Term: 4,
		Members: []registry.MemberStatus{
			{ID: "n1", Addr: "h:1", Voter: true, NodeStatus: registry.NodeStatus{Role: "leader", AppliedIndex: 9, Revision: 8, Version: "v"}},
			{ID: "n2", Addr: "h:2", Voter: true, Error: "connection refused"},
		},
	}
	d.state = registry.StateReport{Index: 9, Agree: true, Members: []registry.MemberState{{ID: "n1", Hash: "aa"}, {ID: "n2", Hash: "aa"}}}

	text := d.must("cluster", "status", "--output", "json")
	if strings.Contains(text, `"state"`) || jsonText(decode[registry.ClusterStatus](t, text)) != jsonText(d.status) {
		t.Errorf("status: %s", text)
	}
	text = d.must("cluster", "status", "--verify", "--output", "json")
	if report := decode[clusterReport](t, text); report.State == nil || !report.State.Agree || report.Leader != "n1" {
		t.Errorf("status --verify: %s", text)
	}
	text = d.must("cluster", "status", "--verify")
	if !strings.Contains(text, "connection refused") || !strings.Contains(text, "same state everywhere  yes") {
		t.Errorf("text:\n%s", text)
	}

	t.Run("replicas that differ end with one", func(t *testing.T) {
		d.state.Agree, d.state.Members[1].Hash = false, "bb"
		got := d.run("cluster", "status", "--verify", "--output", "json")
		if report := decode[clusterReport](t, got.stdout); got.code != exitError || report.State.Members[1].Hash != "bb" || decode[errorObject](t, got.stderr).Code != "Corrupt" {
			t.Errorf("exit code %d, stdout %q, stderr %q", got.code, got.stdout, got.stderr)
		}
	})
	t.Run("a replica that could not be compared ends with one", func(t *testing.T) {
		d.state.Members[1] = registry.MemberState{ID: "n2", Error: "gone"}
		got := d.run("cluster", "status", "--verify")
		if got.code != exitError || !strings.Contains(got.stderr, "n2 (gone)") {
			t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
		}
	})
	t.Run("transfer-leadership shows the new leader once there is one", func(t *testing.T) {
		d.leaderless = 2
		text := d.must("cluster", "transfer-leadership", "--to", "n1", "--output", "json")
		if len(d.transferred) != 1 || d.transferred[0] != "n1" || decode[registry.ClusterStatus](t, text).Leader != "n1" {
			t.Errorf("transferred %v, %s", d.transferred, text)
		}
		if got := d.run("cluster", "transfer-leadership", "--to", "n9"); got.code != exitError {
			t.Errorf("exit code %d", got.code)
		}
	})
	t.Run("version names the Go version", func(t *testing.T) {
		if v := decode[buildVersion](t, d.must("version", "--output", "json")); v.Version == "" || !strings.HasPrefix(v.Go, "go") {
			t.Errorf("version %+v", v)
		}
	})
}
