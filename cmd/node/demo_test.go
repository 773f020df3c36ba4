package main

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/registry"
)

// startDemo starts the demo with a folder of its own for what is temporary.
func startDemo(t *testing.T, args ...string) (command *exec.Cmd, temporary string) {
	t.Helper()
	temporary = t.TempDir()
	command = exec.Command(binary, append([]string{"demo"}, args...)...)
	command.Env = append(os.Environ(), "TMPDIR="+temporary)
	return command, temporary
}

func nothingLeft(t *testing.T, temporary string) {
	t.Helper()
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

// TestDemo runs the demo as a newcomer does.
func TestDemo(t *testing.T) {
	nodetest.Exclusive(t)
	command, temporary := startDemo(t, "--output", "json")
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("%v\n%s%s", err, stdout.String(), stderr.String())
	}
	report := decode[demoReport](t, stdout.String())
	for _, p := range report.Checks {
		if !p.Held || p.Broken != "" {
			t.Errorf("%+v", p)
		}
	}
	if len(report.Checks) != 6 || report.KilledLeader == report.NextLeader || report.NextLeader == "" || report.KilledWorker == "" {
		t.Errorf("%s", stdout.String())
	}
	nothingLeft(t, temporary)
}

// TestAStoppedDemoLeavesNothing stops the demo while its workers work.
func TestAStoppedDemoLeavesNothing(t *testing.T) {
	nodetest.Exclusive(t)
	command, temporary := startDemo(t)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdout, err := command.StdoutPipe()
	if err == nil {
		err = process.Spawn(command)
	}
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	stopped := false
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if _, text, found := strings.Cut(lines.Text(), "each a process of its own: "); found {
			addrs = strings.Split(text, ",")
		}
		if !stopped && strings.Contains(lines.Text(), " sent email-") {
			stopped = true
			if err := command.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = command.Wait()
	if code := command.ProcessState.ExitCode(); code != exitError || !stopped || !strings.Contains(stderr.String(), "stopped before its end") {
		t.Errorf("exit code %d, stderr %s", code, stderr.String())
	}
	nothingLeft(t, temporary)
	for _, addr := range addrs {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			t.Errorf("%s still answers", addr)
		}
	}
	if len(addrs) != demoNodes {
		t.Errorf("the demo named the nodes %v", addrs)
	}
}

// TestTheDemoNoticesABrokenPromise shows that each check can fail.
func TestTheDemoNoticesABrokenPromise(t *testing.T) {
	desk := newDesk(t)
	d := &demo{client: desk}
	desk.register("p")
	desk.must("event", "append", "p", "--type", "progress", "--payload", "1")
	lease := desk.claim("p", "a")
	other := lease
	other.FencingToken++
	earlier := lease
	earlier.ExpiresAtMs--
	desk.state = registry.StateReport{Members: []registry.MemberState{{ID: "n1", Hash: "aa"}, {ID: "n2", Hash: "bb"}, {ID: "n3", Hash: "aa"}}}
	ctx := t.Context()
	for promise, broken := range map[string]error{
		"a lease that is another one":     sameLease(&lease, &other),
		"a lease that ends earlier":       sameLease(&lease, &earlier),
		"a lease that is gone":            sameLease(&lease, nil),
		"a completion that is lost":       d.stillEnded(ctx, map[string]bool{"p": true}),
		"the same worker":                 movedOn(demoLine{Worker: "a", Token: 1}, demoLine{Worker: "a", Token: 2}),
		"a token that does not grow":      movedOn(demoLine{Worker: "a", Token: 2}, demoLine{Worker: "b", Token: 2}),
		"a log with something else in it": d.eachOnce(ctx, []string{"p"}),
		"nodes that differ":               d.sameEverywhere(ctx),
		"a write that is not refused":     d.lateWrite(ctx, &lease),
	} {
		if broken == nil {
			t.Errorf("%s was not noticed", promise)
		}
	}
	desk.state = registry.StateReport{Agree: true, Members: desk.state.Members[:2]}
	if d.sameEverywhere(ctx) == nil {
		t.Error("that a node is missing was not noticed")
	}

	var stdout bytes.Buffer
	d = &demo{app: &app{stdout: &stdout, output: outputText}}
	d.check(nil, "one")
	d.check(errors.New("it was lost"), "two")
	if err := d.conclude(); err == nil || !strings.Contains(stdout.String(), "  held    one\n  BROKEN  two: it was lost\n") {
		t.Errorf("%v\n%s", err, stdout.String())
	}
}
