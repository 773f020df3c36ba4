package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestADeadOwnersLeaseIsTakenOverAtOnce has a real process own a lease of an
// hour, and kills it.
func TestADeadOwnersLeaseIsTakenOverAtOnce(t *testing.T) {
	nodetest.Exclusive(t)
	s := newSite(t, 1)
	s.register("p")
	owner := exec.Command("sleep", "3600")
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if owner.ProcessState == nil {
			_ = owner.Process.Kill()
			_ = owner.Wait()
		}
	}()
	code, first, err := s.claim("p", "a", "--ttl", "1h", "--pid", fmt.Sprint(owner.Process.Pid))
	if s.check(err); code != exitOK || first.Owner.Liveness.Kind != registry.LivenessLocalProcess || first.Owner.Liveness.PID != uint32(owner.Process.Pid) {
		t.Fatalf("exit code %d, %+v", code, first)
	}
	reclaim := []string{"lease", "reclaim", "p", "--owner", "b", "--incarnation", "b1", "--ttl", "1h", "--pid", fmt.Sprint(os.Getpid())}

	got := s.run(reclaim...)
	if busy := decode[registry.ProcessLeaseClaimOutcome](t, got.stdout).Busy; got.code != exitBusy || busy == nil || *busy != first {
		t.Fatalf("while it lives: exit code %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if got := s.run(append(reclaim, "--output", "text")...); got.code != exitBusy || !strings.Contains(got.stdout, fmt.Sprintf("process %d is still there", owner.Process.Pid)) {
		t.Errorf("as text: exit code %d, %s", got.code, got.stdout)
	}

	s.check(owner.Process.Kill())
	_ = owner.Wait()
	second := decode[registry.ProcessLeaseClaimOutcome](t, s.must(reclaim...)).Acquired
	if second == nil || second.FencingToken <= first.FencingToken || second.Owner.OwnerID != "b" {
		t.Fatalf("after its death: %+v", second)
	}
	s.refusedAsFenced(second.FencingToken, "event", "append", "p", "--type", "progress", "--payload", "1",
		"--lease-token", first.LeaseToken, "--fencing-token", number(first.FencingToken))
	// The same incarnation gets its own lease again, as after a lost answer.
	if again := decode[registry.ProcessLeaseClaimOutcome](t, s.must(reclaim...)).Acquired; again == nil || again.LeaseToken != second.LeaseToken {
		t.Errorf("again: %+v", again)
	}
	if got := s.run("lease", "reclaim", "p", "--owner", "c", "--ttl", "1h", "--pid", fmt.Sprint(os.Getpid())); got.code != exitBusy {
		t.Errorf("from an owner that lives: exit code %d, %s", got.code, got.stdout)
	}
}
