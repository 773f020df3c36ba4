package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

// running is a command that lasts. Its lines can be read while it does.
type running struct {
	t         *testing.T
	lines     *bufio.Scanner
	interrupt context.CancelFunc
	stderr    bytes.Buffer
	code      chan int
}

func start(t *testing.T, addr string, args ...string) *running {
	t.Helper()
	ctx, interrupt := context.WithTimeout(t.Context(), nodetest.Patience)
	t.Cleanup(interrupt)
	reader, writer := io.Pipe()
	r := &running{t: t, lines: bufio.NewScanner(reader), interrupt: interrupt, code: make(chan int, 1)}
	go func() {
		code := run(ctx, append(args, "--addrs", addr), strings.NewReader(""), writer, &r.stderr)
		writer.Close()
		r.code <- code
	}()
	return r
}

func (r *running) line() string {
	r.t.Helper()
	if !r.lines.Scan() {
		r.t.Fatalf("the command said no more: exit code %d, %s", <-r.code, r.stderr.String())
	}
	return r.lines.Text()
}

// ends waits for the command, which must say nothing more.
func (r *running) ends(code int) {
	r.t.Helper()
	for r.lines.Scan() {
		r.t.Errorf("it also said %q", r.lines.Text())
	}
	if got := <-r.code; got != code {
		r.t.Errorf("exit code %d, want %d: %s", got, code, r.stderr.String())
	}
}

// TestWatchCommands follows a real node from the command line.
func TestWatchCommands(t *testing.T) {
	c := nodetest.Start(t, 1, nil)
	addr := c.Addrs()[0]
	cl, err := client.Dial(c.Addrs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cl.Close() })
	ctx := t.Context()
	register := func(id string) {
		t.Helper()
		if _, err := cl.RegisterProcess(ctx, registry.ProcessRegistration{
			ID: id, Disposition: registry.Rerunnable, Identity: registry.ProcessIdentity{Kind: "external"},
			Input:      registry.ProcessInput{Kind: registry.InputExternal},
			EventTypes: []registry.ProcessEventType{{Name: "note", PayloadSchema: registry.JSON("{}")}, {Name: "other", PayloadSchema: registry.JSON("{}")}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	add := func(id, eventType, payload string) {
		t.Helper()
		if _, err := cl.AppendEvent(ctx, id, registry.ProcessEventAppendRequest{EventType: eventType, Payload: registry.JSON(payload)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	complete := func(id string, output registry.ProcessAwaitOutput) {
		t.Helper()
		if _, err := cl.CompleteProcess(ctx, id, output, nil); err != nil {
			t.Fatal(err)
		}
	}
	success := registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("42")}

	t.Run("event watch shows history, then what happens, until it is interrupted", func(t *testing.T) {
		register("p")
		add("p", "note", `1`)
		add("p", "note", "{\n \"n\": 2}")
		all, some := start(t, addr, "event", "watch", "p", "--output", "json"), start(t, addr, "event", "watch", "p", "--after", "1")
		for want := uint64(1); want <= 2; want++ {
			if event := decode[registry.ProcessEvent](t, all.line()); event.Sequence != want {
				t.Errorf("%+v, want event %d", event, want)
			}
		}
		if line := some.line(); !strings.HasPrefix(line, "2  ") || !strings.HasSuffix(line, `note  -  {"n":2}`) {
			t.Errorf("as text: %q", line)
		}
		add("p", "note", `3`)
		if event := decode[registry.ProcessEvent](t, all.line()); event.Sequence != 3 {
			t.Errorf("%+v", event)
		}
		if line := some.line(); !strings.HasPrefix(line, "3  ") {
			t.Errorf("as text: %q", line)
		}
		for _, r := range []*running{all, some} {
			r.interrupt()
			r.ends(exitOK)
		}
	})
	t.Run("event watch --until-terminal ends with the process", func(t *testing.T) {
		register("q")
		add("q", "note", `1`)
		all, notes := start(t, addr, "event", "watch", "q", "--until-terminal"), start(t, addr, "event", "watch", "q", "--until-terminal", "--type", "note")
		all.line()
		notes.line()
		add("q", "other", `2`)
		complete("q", success)
		all.line()
		if line := all.line(); !strings.Contains(line, "process.completed") {
			t.Errorf("the last line is %q", line)
		}
		all.ends(exitOK)
		notes.ends(exitOK)
		start(t, addr, "event", "watch", "q", "--until-terminal", "--after", "3").ends(exitOK)
		start(t, addr, "event", "watch", "q", "--until-terminal", "--after", "99").ends(exitOK)
		start(t, addr, "event", "watch", "q", "--after", "3", "--timeout", "100ms").ends(exitOK)
	})
	t.Run("event watch of what is not there is an error", func(t *testing.T) {
		for _, args := range [][]string{{"event", "watch", "nobody"}, {"event", "watch", "nobody", "--until-terminal"}, {"process", "await", "nobody"}} {
			r := start(t, addr, append(args, "--output", "json")...)
			r.ends(exitError)
			if object := decode[errorObject](t, r.stderr.String()); object.Code != "NotFound" {
				t.Errorf("%v: %s", args, r.stderr.String())
			}
		}
	})
	t.Run("process await tells by its exit code how it ended", func(t *testing.T) {
		for i, test := range []struct {
			output registry.ProcessAwaitOutput
			code   int
		}{
			{success, exitOK},
			{registry.ProcessAwaitOutput{Kind: registry.OutputFailure, Class: registry.ClassExecution, Code: "c", Message: "m"}, exitFailed},
			{registry.ProcessAwaitOutput{Kind: registry.OutputCancelled, Message: "m"}, exitCancelled},
			{registry.ProcessAwaitOutput{Kind: registry.OutputAbandoned, Evidence: &registry.AbandonEvidence{Writer: registry.WriterSweep}}, exitAbandoned},
		} {
			id := fmt.Sprint("w", i)
			register(id)
			waiting := start(t, addr, "process", "await", id, "--output", "json")
			complete(id, test.output)
			if line := waiting.line(); line != jsonText(test.output) {
				t.Errorf("shown %s, want %s", line, jsonText(test.output))
			}
			waiting.ends(test.code)
			again := start(t, addr, "process", "await", id)
			if line := again.line(); !strings.HasSuffix(line, "  "+string(test.output.Kind)) {
				t.Errorf("as text: %q", line)
			}
			for again.lines.Scan() {
			}
			again.ends(test.code)
		}
	})
	t.Run("process await gives up when it is told to", func(t *testing.T) {
		register("slow")
		r := start(t, addr, "process", "await", "slow", "--timeout", "100ms")
		r.ends(exitError)
		if !strings.Contains(r.stderr.String(), "had not ended") {
			t.Errorf("stderr %q", r.stderr.String())
		}
	})
	t.Run("process await is not bounded by the timeout of calls", func(t *testing.T) {
		t.Setenv("HOLDFAST_TIMEOUT", "1ms")
		r := start(t, addr, "process", "await", "slow")
		complete("slow", success)
		r.line()
		r.line()
		r.ends(exitOK)
	})
	t.Run("changes watch goes on behind a cursor", func(t *testing.T) {
		first := start(t, addr, "changes", "watch")
		header := first.line()
		var cursor string
		if n, err := fmt.Sscanf(header, "# behind %s", &cursor); n != 1 || err != nil {
			t.Fatalf("header %q", header)
		}
		register("r")
		add("r", "note", `1`)
		if line := first.line(); !strings.HasSuffix(line, "  r") || !strings.Contains(line, "registered") {
			t.Errorf("line %q", line)
		}
		first.line()
		first.interrupt()
		first.ends(exitOK)
		second := start(t, addr, "changes", "watch", "--after", strings.TrimSuffix(cursor, ":"), "--output", "json")
		for _, want := range []registry.ChangeKind{registry.ChangeRegistered, registry.ChangeAppended} {
			shown := decode[shownChange](t, second.line())
			if shown.ProcessID != "r" || shown.Kind != want || !strings.HasSuffix(shown.Cursor, fmt.Sprint(".", shown.Revision)) {
				t.Errorf("%+v, want %v", shown, want)
			}
		}
		second.interrupt()
		second.ends(exitOK)
		for args, code := range map[string]int{"other.0.1": exitError, "nonsense": exitUsage} {
			r := start(t, addr, "changes", "watch", "--after", args, "--output", "json")
			r.ends(code)
			if want := map[int]string{exitError: "Compacted", exitUsage: "InvalidArgument"}[code]; decode[errorObject](t, r.stderr.String()).Code != want {
				t.Errorf("%s: %s", args, r.stderr.String())
			}
		}
	})
	t.Run("event watch of a process that is pruned ends with LifeEnded", func(t *testing.T) {
		register("old")
		complete("old", success)
		r := start(t, addr, "event", "watch", "old", "--output", "json")
		r.line()
		for pruned := uint64(0); pruned == 0; {
			report, err := cl.PruneTerminalProcesses(ctx, ^uint64(0))
			if err != nil {
				t.Fatal(err)
			}
			pruned = report.PrunedProcesses
		}
		r.ends(exitError)
		if object := decode[errorObject](t, r.stderr.String()); object.Code != "LifeEnded" {
			t.Errorf("stderr %s", r.stderr.String())
		}
	})
}
