package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// hour is in milliseconds.
const hour = 3_600_000

// pruneDesk has three processes that ended an hour apart, and one that runs.
// It stands ten hours after the first end.
func pruneDesk(t *testing.T) *desk {
	d := newDesk(t)
	d.nowMs = 100 * hour
	d.register("runs")
	for i, output := range []string{
		`{"type":"success","value":1}`, `{"type":"failure","class":"execution","code":"c","message":"m"}`, `{"type":"cancelled","message":"m"}`,
	} {
		id := fmt.Sprintf("ended-%d", i)
		d.register(id)
		d.must("process", "complete", id, "--result", output)
		d.nowMs += hour
	}
	d.nowMs = 110 * hour
	return d
}

func (d *desk) remain(want string) {
	d.t.Helper()
	var ids []string
	for _, record := range decode[[]registry.ProcessRecord](d.t, d.must("process", "list", "--status", "any", "--output", "json")) {
		ids = append(ids, record.ID)
	}
	if got := strings.Join(ids, " "); got != want {
		d.t.Errorf("there remain %q, want %q", got, want)
	}
}

func TestPruneCommand(t *testing.T) {
	t.Run("it counts on the cluster's clock, which no call has moved for hours", func(t *testing.T) {
		d := pruneDesk(t)
		// The second one ended exactly nine hours ago: not longer.
		text := d.must("process", "prune", "--older-than", "9h", "--yes", "--output", "json")
		if text != `{"pruned_processes":1,"pruned_events":1}`+"\n" {
			t.Errorf("report %q", text)
		}
		d.remain("ended-1 ended-2 runs")
		d.nowMs++
		d.must("process", "prune", "--older-than", "9h", "--yes")
		d.remain("ended-2 runs")
	})
	t.Run("it says what it will delete, asks, and reports", func(t *testing.T) {
		d := pruneDesk(t)
		got := d.runWith("yes\n", "process", "prune", "--older-than", "8h30m")
		if got.code != exitOK || !strings.Contains(got.stderr, "before 1970-01-05 05:30:00.000 UTC") || !strings.Contains(got.stderr, "2 processes at the moment") {
			t.Errorf("exit code %d, asked %q", got.code, got.stderr)
		}
		if !strings.Contains(got.stdout, "deleted processes    2\n") || !strings.Contains(got.stdout, "deleted events       2\n") {
			t.Errorf("reported %q", got.stdout)
		}
		d.remain("ended-2 runs")
	})
	t.Run("any answer but yes deletes nothing", func(t *testing.T) {
		d := pruneDesk(t)
		for _, answer := range []string{"", "\n", "y\n", "no\n", "yes please\n"} {
			got := d.runWith(answer, "process", "prune", "--older-than", "1h")
			if got.code != exitError || got.stdout != "" || !strings.Contains(got.stderr, "nothing was deleted") {
				t.Errorf("%q: exit code %d, stdout %q, stderr %q", answer, got.code, got.stdout, got.stderr)
			}
		}
		d.remain("ended-0 ended-1 ended-2 runs")
	})
	t.Run("with nobody to ask it is wrong usage", func(t *testing.T) {
		d := pruneDesk(t)
		d.unattended = true
		got := d.runWith("yes\n", "process", "prune", "--older-than", "1h")
		if got.code != exitUsage || !strings.Contains(got.stderr, "--yes") {
			t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
		}
		d.remain("ended-0 ended-1 ended-2 runs")
		d.must("process", "prune", "--older-than", "1h", "--yes")
		d.remain("runs")
	})
	t.Run("more than the clock has run deletes nothing, and no time at all everything that ended", func(t *testing.T) {
		d := pruneDesk(t)
		d.must("process", "prune", "--older-than", "2000h", "--yes")
		d.remain("ended-0 ended-1 ended-2 runs")
		d.must("process", "prune", "--older-than", "0s", "--yes")
		d.remain("runs")
	})
	t.Run("a large number is not counted out", func(t *testing.T) {
		d := newDesk(t)
		d.nowMs = hour
		for i := range maxPreviewed + 1 {
			id := fmt.Sprint("p", i)
			input := registry.ProcessInput{Kind: registry.InputExternal}
			if _, err := d.RegisterProcess(t.Context(), registry.ProcessRegistration{ID: id, Input: input, Identity: registry.DeriveIdentity(input), Disposition: registry.Rerunnable}); err != nil {
				t.Fatal(err)
			}
			if _, err := d.CompleteProcess(t.Context(), id, registry.ProcessAwaitOutput{Kind: registry.OutputCancelled}, nil); err != nil {
				t.Fatal(err)
			}
		}
		d.nowMs += hour
		if got := d.runWith("no\n", "process", "prune", "--older-than", "1m"); !strings.Contains(got.stderr, "at least 1000 processes") {
			t.Errorf("asked %q", got.stderr)
		}
	})
}
