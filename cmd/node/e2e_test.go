package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/registry"
)

// binary is the program that the end-to-end tests run.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "holdfast-e2e-")
		if err == nil {
			defer os.RemoveAll(dir)
			binary, err = process.Build(context.Background(), dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// site is a cluster of real processes, and the program that talks to it.
type site struct {
	t       *testing.T
	cluster *process.Cluster
	client  *client.Client
}

func newSite(t *testing.T, nodes int) *site {
	t.Helper()
	cluster, err := process.NewCluster(process.Options{Binary: binary, Dir: t.TempDir(), Nodes: nodes})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, cluster: cluster}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for i := range cluster.Len() {
				log, _ := os.ReadFile(cluster.Node(i).DataDir + ".log")
				t.Logf("log of %s:\n%s", cluster.Node(i).ID, log)
			}
		}
	})
	if s.client, err = client.Dial(cluster.Addrs(), client.WithAttemptTimeout(2*time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.client.Close() })
	s.check(cluster.Start())
	s.check(cluster.AwaitReady(t.Context()))
	return s
}

func (s *site) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// run runs the program with JSON output, as a process of its own.
func (s *site) run(args ...string) outcome {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	command := s.command(args...)
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return outcome{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// command is a call of the program with JSON output.
func (s *site) command(args ...string) *exec.Cmd {
	command := exec.CommandContext(s.t.Context(), binary, args...)
	command.Env = append(os.Environ(), "HOLDFAST_ADDRS="+strings.Join(s.cluster.Addrs(), ","), "HOLDFAST_OUTPUT=json")
	return command
}

func (s *site) must(args ...string) string {
	s.t.Helper()
	got := s.run(args...)
	if got.code != exitOK {
		s.t.Fatalf("holdfast %v: exit code %d\n%s%s", args, got.code, got.stdout, got.stderr)
	}
	return got.stdout
}

// eventually repeats an attempt until it succeeds: during an election a call
// may be refused, or end with an unknown outcome.
func eventually(t *testing.T, what string, attempt func() error) {
	t.Helper()
	deadline := time.NewTimer(nodetest.Patience)
	defer deadline.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := attempt()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

func (s *site) register(id string) {
	s.t.Helper()
	s.must("process", "register", "--id", id, "--disposition", "rerunnable", "--input", `{"type":"external"}`, "--event-type", "progress")
}

// claim runs lease claim and returns the exit code with the lease: the owner's
// own, or the holder's.
func (s *site) claim(id, owner string, more ...string) (int, registry.ProcessLease, error) {
	s.t.Helper()
	got := s.run(append([]string{"lease", "claim", id, "--owner", owner}, more...)...)
	if got.code != exitOK && got.code != exitBusy {
		return got.code, registry.ProcessLease{}, fmt.Errorf("exit code %d: %s", got.code, got.stderr)
	}
	answer := decode[registry.ProcessLeaseClaimOutcome](s.t, got.stdout)
	if (answer.Acquired != nil) != (got.code == exitOK) {
		s.t.Fatalf("exit code %d with %s", got.code, got.stdout)
	}
	if answer.Acquired != nil {
		return got.code, *answer.Acquired, nil
	}
	return got.code, *answer.Busy, nil
}

// verify waits until all members answer with the hash of one and the same
// state, as cluster status --verify shows it.
func (s *site) verify() clusterReport {
	s.t.Helper()
	var report clusterReport
	eventually(s.t, "the replicas agree", func() error {
		got := s.run("cluster", "status", "--verify")
		if got.code != exitOK {
			return fmt.Errorf("exit code %d: %s", got.code, got.stderr)
		}
		report = decode[clusterReport](s.t, got.stdout)
		return nil
	})
	return report
}

// refusedAsFenced checks that a command is refused with the current fencing
// token.
func (s *site) refusedAsFenced(current uint64, args ...string) {
	s.t.Helper()
	got := s.run(args...)
	if got.code != exitError {
		s.t.Fatalf("holdfast %v: exit code %d, %s%s", args, got.code, got.stdout, got.stderr)
	}
	object := decode[errorObject](s.t, got.stderr)
	if object.Code != "Fenced" || !object.Definite || object.FencingToken == nil || *object.FencingToken != current {
		s.t.Errorf("holdfast %v: %s", args, got.stderr)
	}
}

// TestLeasesOutliveTheirLeader kills the leader under a held lease.
func TestLeasesOutliveTheirLeader(t *testing.T) {
	nodetest.Exclusive(t)
	s := newSite(t, 3)
	s.register("p")
	code, first, err := s.claim("p", "a", "--incarnation", "a1", "--ttl", "5m")
	if s.check(err); code != exitOK {
		t.Fatalf("the first claim: exit code %d", code)
	}
	underFirst := []string{"--lease-token", first.LeaseToken, "--fencing-token", number(first.FencingToken)}
	s.must(append([]string{"event", "append", "p", "--type", "progress", "--payload", `{"step":1}`}, underFirst...)...)

	leader, err := s.cluster.Leader(t.Context())
	s.check(err)
	s.check(s.cluster.Node(leader).Kill())

	var holder registry.ProcessLease
	eventually(t, "the new leader answers a claim", func() (err error) {
		code, holder, err = s.claim("p", "b", "--ttl", "5m")
		return err
	})
	if code != exitBusy || holder.LeaseToken != first.LeaseToken || holder.FencingToken != first.FencingToken || holder.Owner.OwnerID != "a" {
		t.Fatalf("after the leader's death: exit code %d, %+v", code, holder)
	}
	s.must(append([]string{"lease", "renew", "p", "--owner", "a", "--incarnation", "a1", "--ttl", "5m"}, underFirst...)...)
	s.must(append([]string{"event", "append", "p", "--type", "progress", "--payload", `{"step":2}`}, underFirst...)...)

	s.must("lease", "release", "p", "--lease-token", first.LeaseToken)
	code, second, err := s.claim("p", "b", "--ttl", "5m")
	if s.check(err); code != exitOK || second.FencingToken <= first.FencingToken {
		t.Fatalf("after the release: exit code %d, fencing token %d after %d", code, second.FencingToken, first.FencingToken)
	}

	record, events := s.must("process", "get", "p"), s.must("event", "list", "p")
	s.refusedAsFenced(second.FencingToken, append([]string{"event", "append", "p", "--type", "progress", "--payload", `{"step":3}`}, underFirst...)...)
	s.refusedAsFenced(second.FencingToken, append([]string{"process", "complete", "p", "--result", `{"type":"success","value":1}`}, underFirst...)...)
	if got := s.must("process", "get", "p"); got != record {
		t.Errorf("the old owner changed the record\nfrom %s\nto   %s", record, got)
	}
	if got := s.must("event", "list", "p"); got != events || len(decode[[]registry.ProcessEvent](t, events)) != 2 {
		t.Errorf("the old owner changed the events\nfrom %s\nto   %s", events, got)
	}

	restarted := s.cluster.Node(leader)
	s.check(restarted.Start())
	s.check(restarted.AwaitReady(t.Context()))
	report := s.verify()
	caughtUp := slices.ContainsFunc(report.State.Members, func(m registry.MemberState) bool { return m.ID == restarted.ID && m.Hash != "" })
	if !report.State.Agree || len(report.State.Members) != s.cluster.Len() || !caughtUp {
		t.Errorf("after the restart: %+v", report.State)
	}
	// What it holds is there without the others too.
	alone, err := client.Dial([]string{restarted.Addr})
	s.check(err)
	defer alone.Close()
	stored, err := alone.GetProcess(registry.WithReadLevel(t.Context(), registry.Stale), "p")
	if s.check(err); jsonText(stored)+"\n" != record {
		t.Errorf("the restarted node has %s\nnot %s", jsonText(stored), record)
	}
	for i := range s.cluster.Len() {
		s.check(s.cluster.Node(i).Stop())
	}
}

// TestPausedClusterKeepsItsLeases stops all nodes for longer than a lease has
// left. Lease time does not run then: at most two seconds of the pause count.
// After the pause three nodes may or may not choose a leader again, and only
// without a takeover does any of the pause count; one node never has to.
func TestPausedClusterKeepsItsLeases(t *testing.T) {
	const pause = 10 * time.Second
	nodetest.Exclusive(t)
	three, one := newSite(t, 3), newSite(t, 1)
	leases := []*pausedLease{three.pauseUnderLease(), one.pauseUnderLease()}
	time.Sleep(pause)
	for _, l := range leases {
		l.resume()
		l.awaitEnd()
	}
}

// pausedLease is a lease of three seconds whose cluster stands still.
type pausedLease struct {
	*site
	first *registry.ProcessLease
	// startedMs and endMs are in lease time.
	startedMs, endMs uint64
	// awake is how long the cluster has run since the claim, before the pause
	// and then after resumed.
	awake   time.Duration
	resumed time.Time
}

func single(owner string) registry.LeaseOwnerIdentity {
	return registry.LeaseOwnerIdentity{OwnerID: owner, IncarnationID: owner}
}

const pausedTTLMs = 3_000

func (s *site) pauseUnderLease() *pausedLease {
	s.t.Helper()
	s.register("p")
	var answer registry.AnswerInfo
	claimed, err := s.client.ClaimProcessLease(registry.WithAnswerInfo(s.t.Context(), &answer), "p", single("a"), pausedTTLMs)
	began := time.Now()
	if s.check(err); claimed.Acquired == nil {
		s.t.Fatal("the first claim was not granted")
	}
	l := &pausedLease{site: s, first: claimed.Acquired, startedMs: answer.LeaseTimeMs}
	// The clock has kept step with lease time so far.
	l.endMs = l.startedMs + l.first.ExpiresAtMs - answer.ClockMs
	for i := range s.cluster.Len() {
		s.check(s.cluster.Node(i).Pause())
	}
	l.awake = time.Since(began)
	return l
}

func (l *pausedLease) resume() {
	l.t.Helper()
	for i := range l.cluster.Len() {
		l.check(l.cluster.Node(i).Resume())
	}
	l.resumed = time.Now()
}

// awaitEnd claims until it is granted. Claims are log entries: they move lease
// time, and each says on which side of the end it was.
func (l *pausedLease) awaitEnd() {
	l.t.Helper()
	var answer registry.AnswerInfo
	ctx := registry.WithAnswerInfo(l.t.Context(), &answer)
	var second *registry.ProcessLease
	answers := 0
	eventually(l.t, "the lease ends", func() error {
		outcome, err := l.client.ClaimProcessLease(ctx, "p", single("b"), pausedTTLMs)
		if err != nil {
			return err
		}
		if answers++; answers == 1 {
			l.checkFirstAnswer(outcome, answer.LeaseTimeMs-l.startedMs)
		}
		if second = outcome.Acquired; second != nil {
			return nil
		}
		if h := outcome.Busy; h.LeaseToken != l.first.LeaseToken || h.FencingToken != l.first.FencingToken || h.Owner.OwnerID != "a" {
			l.t.Fatalf("the holder is %+v", h)
		}
		// Ticks move lease time at least once a second, claims more often.
		if answer.LeaseTimeMs > l.endMs+1_000 {
			l.t.Fatalf("still held at lease time %d, and should have ended at %d", answer.LeaseTimeMs, l.endMs)
		}
		return fmt.Errorf("held at lease time %d, until %d", answer.LeaseTimeMs, l.endMs)
	})
	if answer.LeaseTimeMs < l.endMs {
		l.t.Errorf("it ended at lease time %d already, %d ms too soon", answer.LeaseTimeMs, l.endMs-answer.LeaseTimeMs)
	}
	if second.FencingToken <= l.first.FencingToken {
		l.t.Errorf("fencing token %d follows %d", second.FencingToken, l.first.FencingToken)
	}
	lease, err := l.client.GetProcessLease(ctx, "p")
	if l.check(err); lease == nil || lease.LeaseToken != second.LeaseToken {
		l.t.Errorf("the lease is %+v afterwards", lease)
	}
}

// checkFirstAnswer judges the first claim after the pause.
func (l *pausedLease) checkFirstAnswer(outcome registry.ProcessLeaseClaimOutcome, passedMs uint64) {
	l.t.Helper()
	const mostCountedMs = 2_000
	l.awake += time.Since(l.resumed)
	l.t.Logf("nodes: %d; %d ms of lease time passed in %v and a pause", l.cluster.Len(), passedMs, l.awake)
	if outcome.Busy == nil {
		l.t.Fatal("the lease did not outlive the pause")
	}
	if passedMs > mostCountedMs+uint64(l.awake.Milliseconds())+1 {
		l.t.Fatalf("that is more than %d ms and the time that the cluster ran", mostCountedMs)
	}
}

// TestDevelopmentCluster starts dev as a user does, runs every command that it
// proposes, and stops it with Ctrl-C.
func TestDevelopmentCluster(t *testing.T) {
	nodetest.Exclusive(t)
	base, err := process.FreePorts(1, 2, httpPortOffset, httpPortOffset+1, httpPortOffset+2)
	if err != nil {
		t.Fatal(err)
	}
	temporary := t.TempDir()
	var stderr bytes.Buffer
	dev := exec.Command(binary, "dev", "--base-port", fmt.Sprint(base))
	dev.Env = append(os.Environ(), "TMPDIR="+temporary)
	dev.Stderr = &stderr
	stdout, err := dev.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Spawn(dev); err != nil {
		t.Fatal(err)
	}
	ended := false
	t.Cleanup(func() {
		if !ended {
			dev.Process.Kill()
			dev.Wait()
		}
	})

	written := make(chan string)
	go func() {
		defer close(written)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			written <- scanner.Text()
		}
	}()
	deadline := time.NewTimer(nodetest.Patience)
	defer deadline.Stop()
	next := func() (line string, ok bool) {
		select {
		case line, ok = <-written:
			return line, ok
		case <-deadline.C:
			t.Fatalf("dev wrote nothing more; stderr:\n%s", stderr.String())
			return "", false
		}
	}
	line, _ := next()
	if want := fmt.Sprintf("ready: 127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d", base, base+1, base+2); line != want {
		t.Fatalf("the first line is %q, not %q", line, want)
	}
	commands := 0
	for !strings.HasPrefix(line, "Ctrl-C") {
		var ok bool
		if line, ok = next(); !ok {
			t.Fatalf("dev ended; stderr:\n%s", stderr.String())
		}
		if command, ok := strings.CutPrefix(line, "  "); ok {
			commands++
			if output, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", command, err, output)
			}
		}
	}
	if commands < 5 {
		t.Errorf("dev proposes %d commands only", commands)
	}

	if err := dev.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for open := true; open; {
		_, open = next()
	}
	if err := dev.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v\n%s", err, stderr.String())
	}
	ended = true
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}
