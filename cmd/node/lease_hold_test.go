package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestLeaseHold runs real commands under leases of a registry in memory.
func TestLeaseHold(t *testing.T) {
	hold := func(d *desk, flags, script string) outcome {
		d.unattended = true
		args := append([]string{"lease", "hold", "p"}, strings.Fields(flags)...)
		return d.run(append(args, "--", "sh", "-c", script)...)
	}
	t.Run("passes the lease on and releases it", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		got := hold(d, "--owner me --addrs a:1,b:2", `echo $HOLDFAST_PROCESS_ID $HOLDFAST_FENCING_TOKEN ${#HOLDFAST_LEASE_TOKEN} $HOLDFAST_ADDRS; echo aside >&2`)
		if got.code != exitOK || got.stdout != "p 1 32 a:1,b:2\n" || got.stderr != "aside\n" {
			t.Errorf("%+v", got)
		}
		if lease, err := d.GetProcessLease(t.Context(), "p"); err != nil || lease != nil {
			t.Errorf("left behind: %+v, %v", lease, err)
		}
		if next := d.claim("p", "next"); next.FencingToken != 2 {
			t.Errorf("fencing token %d", next.FencingToken)
		}
	})
	t.Run("reads stdin for the command", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		d.unattended = true
		if got := d.runWith("in\n", "lease", "hold", "p", "--", "cat"); got.code != exitOK || got.stdout != "in\n" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("ends with the command's exit code", func(t *testing.T) {
		for script, code := range map[string]int{"exit 7": 7, "exit 3": 3, "kill -9 $$": 137, "kill -TERM $$": 143} {
			d := newDesk(t)
			d.register("p")
			if got := hold(d, "", script); got.code != code || got.stderr != "" {
				t.Errorf("%s: %+v", script, got)
			}
			if lease, _ := d.GetProcessLease(t.Context(), "p"); lease != nil {
				t.Errorf("%s: the lease was not released", script)
			}
		}
	})
	t.Run("ends with one and releases when there is no such command", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		got := d.run("lease", "hold", "p", "--", "/no/such/command")
		if got.code != exitError || !strings.Contains(got.stderr, "/no/such/command") {
			t.Errorf("%+v", got)
		}
		if lease, _ := d.GetProcessLease(t.Context(), "p"); lease != nil {
			t.Error("the lease was not released")
		}
	})
	t.Run("runs nothing when the lease is held", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		holder := d.claim("p", "other")
		got := hold(d, "", "echo ran")
		if got.code != exitBusy || got.stdout != "" || !strings.Contains(got.stderr, `"other"`) {
			t.Errorf("%+v", got)
		}
		got = hold(d, "--output json", "echo ran")
		if outcome := decode[registry.ProcessLeaseClaimOutcome](t, got.stderr); got.code != exitBusy || got.stdout != "" || outcome.Busy == nil || *outcome.Busy != holder {
			t.Errorf("%+v", got)
		}
	})
	t.Run("gets the lease of its own incarnation back", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		d.must("lease", "claim", "p", "--owner", "me", "--incarnation", "i", "--ttl", "30s")
		if got := hold(d, "--owner me --incarnation i", "echo $HOLDFAST_FENCING_TOKEN"); got.code != exitOK || got.stdout != "1\n" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("ends the command and all it started when the lease is another's", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		ready := filepath.Join(t.TempDir(), "ready")
		taken := make(chan error, 1)
		go func() { taken <- d.takeOver(ready) }()
		began := time.Now()
		// Neither the shell nor what it waits for ends by SIGTERM. As long as one
		// of them has the command's stdout, the command has not ended.
		const long = 30 * time.Second
		got := hold(d, "--ttl 300ms", fmt.Sprintf(`trap "" TERM; sleep %[1]d & echo > %[2]s; wait; sleep %[1]d`, int(long.Seconds()), ready))
		if err := <-taken; err != nil {
			t.Fatal(err)
		}
		if got.code != exitLost || !strings.Contains(got.stderr, "p") || time.Since(began) > long/2 {
			t.Errorf("%+v after %v", got, time.Since(began))
		}
		lease, err := d.GetProcessLease(t.Context(), "p")
		if err != nil || lease == nil || lease.Owner.OwnerID != "thief" {
			t.Errorf("the next owner's lease is %+v, %v", lease, err)
		}
	})
}

// takeOver gives the lease of p to another owner, behind its holder's back, as
// soon as a file is there.
func (d *desk) takeOver(file string) error {
	for deadline := time.Now().Add(nodetest.Patience); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			break
		} else if time.Now().After(deadline) {
			return err
		}
	}
	lease, err := d.GetProcessLease(d.t.Context(), "p")
	if err != nil {
		return err
	}
	if err := d.CompleteProcessLease(d.t.Context(), registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: lease.LeaseToken}); err != nil {
		return err
	}
	_, err = d.ClaimProcessLease(d.t.Context(), "p", single("thief"), 30_000)
	return err
}
