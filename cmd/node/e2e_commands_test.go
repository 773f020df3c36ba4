package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestCommandsOverACluster runs the commands that change something against real
// nodes, and reads back through others what they did.
func TestCommandsOverACluster(t *testing.T) {
	nodetest.Exclusive(t)
	s := newSite(t, 3)

	t.Run("facts, events and wakes", func(t *testing.T) {
		s := s.at(t)
		s.must("process", "register", "--id", "p", "--disposition", "rerunnable", "--input", `{"type":"external"}`, "--wake-target", "s1",
			"--event-type", `{"name":"line","payload_schema":{"schema":{}},"semantics":{"wake":{"input":"payload"}}}`)
		s.must("process", "wait", "set", "p", "--signal", "approve", "--ordinal", "1")
		s.must("process", "external-ref", "p", "--backend", "b", "--ref", "r")
		record := decode[registry.ProcessRecord](t, s.must("process", "abandon-request", "p", "--by", "me"))
		if record.Wait == nil || record.ExternalRef == nil || record.AbandonRequest == nil {
			t.Errorf("record %+v", record)
		}
		if record := decode[registry.ProcessRecord](t, s.must("process", "wait", "clear", "p")); record.Wait != nil {
			t.Errorf("wait %+v", record.Wait)
		}
		for i := range 3 {
			s.must("event", "append", "p", "--type", "line", "--payload", fmt.Sprint(i))
		}
		if text := s.must("event", "count", "p", "--type", "line"); text != "3\n" {
			t.Errorf("count %q", text)
		}
		if events := decode[[]registry.ProcessEvent](t, s.must("event", "recent", "p", "--limit", "2")); len(events) != 2 || events[0].Sequence != 2 {
			t.Errorf("recent %+v", events)
		}
		s.must("wake", "ack", "p", "--sequence", "2")
		if wakes := decode[[]registry.ProcessEvent](t, s.must("wake", "list", "p", "--after", "1")); len(wakes) != 1 || wakes[0].Sequence != 3 {
			t.Errorf("wakes %+v", wakes)
		}
	})
	t.Run("grants and a session", func(t *testing.T) {
		s := s.at(t)
		s.must("grant", "add", "p", "--session", "s1", "--label", "l")
		s.must("grant", "transfer", "p", "--from", "s1", "--to", "s2", "--to-frame", "f")
		if text := s.must("grant", "list", "--session", "s1"); text != "[]\n" {
			t.Errorf("s1 holds %s", text)
		}
		entries := decode[[]registry.ProcessHandleGrantEntry](t, s.must("grant", "list", "--session", "s2", "--frame", "f", "--live"))
		if len(entries) != 1 || *entries[0].Grant.Descriptor.Label != "l" || entries[0].Record.ID != "p" {
			t.Errorf("entries %+v", entries)
		}
		got := s.run("grant", "transfer", "p", "--from", "s1", "--to", "s2")
		if object := decode[errorObject](t, got.stderr); got.code != exitError || object.Code != "NotGranted" || object.SessionID != "s1" || !object.Definite {
			t.Errorf("exit code %d, %s", got.code, got.stderr)
		}
		report := decode[registry.ProcessSessionDeleteReport](t, s.must("session", "delete", "s2"))
		if report.RevokedHandleCount != 1 || len(report.OrphanedProcessIDs) != 1 {
			t.Errorf("report %+v", report)
		}
		if text := s.must("grant", "has", "p", "--session", "s2", "--frame", "f"); text != "false\n" {
			t.Errorf("has %q", text)
		}
	})
	t.Run("work that is waited for", func(t *testing.T) {
		s := s.at(t)
		leased := make(chan outcome)
		go func() { leased <- s.run("lease", "next", "--owner", "me", "--kind", "external", "--wait", "1m") }()
		s.register("w")
		got := <-leased
		claimed := decode[[]registry.ClaimedProcess](t, got.stdout)
		// p is ready too unless its abandonment was asked for.
		if got.code != exitOK || len(claimed) != 1 || claimed[0].Record.ID != "w" || claimed[0].Attempt != 1 {
			t.Fatalf("exit code %d, %s%s", got.code, got.stdout, got.stderr)
		}
		s.must("lease", "release", "w", "--lease-token", claimed[0].Lease.LeaseToken, "--retry-after", "1h")
		if text := s.must("lease", "next", "--owner", "me"); text != "[]\n" {
			t.Errorf("leased in spite of the delay: %s", text)
		}
	})
	t.Run("prune asks on a terminal", func(t *testing.T) {
		s := s.at(t)
		s.must("process", "complete", "p", "--result", `{"type":"success","value":1}`)
		prune := []string{"process", "prune", "--older-than", "0s"}
		if got := s.run(prune...); got.code != exitUsage || !strings.Contains(got.stderr, "--yes") {
			t.Errorf("without a terminal: exit code %d, %s", got.code, got.stderr)
		}
		if got := s.onTerminal("no", prune...); got.code != exitError || got.stdout != "" {
			t.Errorf("no: exit code %d, %s%s", got.code, got.stdout, got.stderr)
		}
		s.must("process", "get", "p")
		got := s.onTerminal("yes", prune...)
		if got.code != exitOK || !strings.Contains(got.stderr, "1 process at the moment") {
			t.Fatalf("yes: exit code %d, %s", got.code, got.stderr)
		}
		if report := decode[registry.ProcessPruneReport](t, got.stdout); report.PrunedProcesses != 1 || report.PrunedEvents != 4 {
			t.Errorf("report %+v", report)
		}
		if got := s.run("process", "get", "p"); got.code != exitError || decode[errorObject](t, got.stderr).Code != "NotFound" {
			t.Errorf("afterwards: exit code %d, %s", got.code, got.stderr)
		}
	})
}

// at is the same cluster for a test inside another.
func (s *site) at(t *testing.T) *site {
	inner := *s
	inner.t = t
	return &inner
}

// onTerminal runs the program with a terminal as stdin, on which somebody types
// a line as soon as the question is there.
func (s *site) onTerminal(line string, args ...string) outcome {
	s.t.Helper()
	keyboard, terminal := openTerminal(s.t)
	defer keyboard.Close()
	defer terminal.Close()
	command := s.command(args...)
	question := &typist{to: keyboard, line: line}
	var stdout bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = terminal, &stdout, question
	err := command.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		s.t.Fatal(err)
	}
	return outcome{command.ProcessState.ExitCode(), stdout.String(), question.read.String()}
}

// typist types a line once it was asked to.
type typist struct {
	to   io.Writer
	line string
	read strings.Builder
	done bool
}

func (w *typist) Write(text []byte) (int, error) {
	w.read.Write(text)
	if !w.done && strings.Contains(w.read.String(), "Type yes to go on: ") {
		w.done = true
		if _, err := io.WriteString(w.to, w.line+"\n"); err != nil {
			return 0, err
		}
	}
	return len(text), nil
}

// openTerminal makes a terminal: what is written to the keyboard is read from
// the terminal.
func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	unlocked := 0
	err = unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, unlocked)
	if err != nil {
		t.Fatal(err)
	}
	index, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(filepath.Join("/dev/pts", fmt.Sprint(index)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return keyboard, terminal
}
