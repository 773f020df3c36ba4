// Package examples_test builds the examples and runs each as a process of its
// own against a real cluster.
package examples_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/internal/nodetest"
)

// story is what an example is to say, in this order.
type story struct {
	example string
	lines   []string
}

var stories = []story{
	{"fenced-resource", []string{
		`store: took "draft of a" under fencing token 1`,
		"story: worker a is suspended",
		"under fencing token 2",
		`store: refused "late words of a": fencing token 1 is not the current one, which is 2`,
		"worker a: was refused",
		`store: took "report of b" under fencing token 2`,
		`store: refused "late words of a": fencing token 1 is smaller than 2`,
		`story: the store holds "report of b"`,
	}},
	{"agent", []string{
		"agent: began under fencing token",
		"agent: waits for the signal approve",
		"person: signalled approve, which wakes",
		`agent: was told "yes, book it"`,
		"agent: completed",
		"nobody holds it, and its log has step, signal.approve, step, process.completed",
	}},
	{"worker", []string{
		"story: registered 10 emails",
		": sends email-",
		"story: killed worker-",
		"attempt 2",
		" was begun by worker-",
		"story: all 10 emails were sent and completed, each once",
	}},
}

// limit is far more than any example takes.
const limit = 90 * time.Second

// TestEveryExampleTellsItsStory runs the examples one after the other, each on
// a cluster of its own, so that fencing tokens are known.
func TestEveryExampleTellsItsStory(t *testing.T) {
	binaries := build(t)
	for _, s := range stories {
		t.Run(s.example, func(t *testing.T) {
			cluster := nodetest.Start(t, 3, nil)
			output, code := run(t, filepath.Join(binaries, s.example), "--addrs", strings.Join(cluster.Addrs(), ","))
			if code != 0 {
				t.Fatalf("exit code %d:\n%s", code, output)
			}
			rest := output
			for _, line := range s.lines {
				_, after, found := strings.Cut(rest, line)
				if !found {
					t.Fatalf("%q is missing, or not in its place:\n%s", line, output)
				}
				rest = after
			}
		})
	}
}

// TestEveryExampleIsTried keeps the list of stories complete. The addresses of
// embed are those of a development cluster, and it is only compiled.
func TestEveryExampleIsTried(t *testing.T) {
	tried := map[string]bool{"embed": true}
	for _, s := range stories {
		tried[s.example] = true
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() && !tried[entry.Name()] {
			t.Errorf("examples/%s is not run by any test", entry.Name())
		}
	}
}

// TestExamplesFailWithoutACluster shows that an example which could not tell
// its story says so.
func TestExamplesFailWithoutACluster(t *testing.T) {
	binaries, addr := build(t), nodetest.FreeAddrs(t, 1)[0]
	for _, s := range stories {
		t.Run(s.example, func(t *testing.T) {
			t.Parallel()
			output, code := run(t, filepath.Join(binaries, s.example), "--addrs", addr)
			if code != 1 || !strings.Contains(output, addr) {
				t.Errorf("exit code %d:\n%s", code, output)
			}
		})
	}
}

// build compiles all examples into a folder.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	command := exec.CommandContext(t.Context(), "go", "build", "-o", dir+string(filepath.Separator), "./...")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return dir
}

// run runs a program and returns all that it wrote, and its exit code.
func run(t *testing.T, program string, args ...string) (output string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	written, err := command.CombinedOutput()
	if err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	return string(written), command.ProcessState.ExitCode()
}
