package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/jepsen/nemesis"
	"github.com/holdfast-registry/holdfast/jepsen/run"
	"github.com/holdfast-registry/holdfast/jepsen/workload"
)

func jepsen(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestHelpListsWorkloadsAndNemeses(t *testing.T) {
	_, out, _ := jepsen(t, "run", "--help")
	for _, w := range workload.All() {
		if !strings.Contains(out, w.Help) {
			t.Errorf("the help does not tell about workload %s", w.Name)
		}
	}
	for _, n := range nemesis.All() {
		if !strings.Contains(out, n.Help) {
			t.Errorf("the help does not tell about nemesis %s", n.Name)
		}
	}
}

func TestWhatCannotBeRunEndsWith2(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"run", "--workload", "none"}, {"run", "--nemesis", "storm"}, {"run", "--net", "air"}, {"run", "--dir", full},
		{"run", "--nothing"}, {"check", t.TempDir()}, {"check"}, {"soak", "--workload", "none"},
	} {
		if code, _, stderr := jepsen(t, args...); code != 2 || stderr == "" {
			t.Errorf("%v ended with %d and %q", args, code, stderr)
		}
	}
}

// TestASavedHistoryIsJudgedAgain judges a history of two operations that fit,
// and then one in which the second shows another state.
func TestASavedHistoryIsJudgedAgain(t *testing.T) {
	history := `{"type":"invoke","at_ns":1,"index":0,"client":"c1","op":"GetProcess","args":{"ProcessID":"p"}}
{"type":"refused","at_ns":2,"index":0,"answer":{"Code":2,"Fields":{"process_id":"p"}},"info":{"revision":0,"clock_ms":5,"lease_time_ms":0,"term":1}}
`
	for _, test := range []struct {
		name, history, last string
		code                int
	}{
		{"a sound one ends with 0", history, "1 ops, 0 faults, 0 violations\n", 0},
		{"a broken one ends with 1", strings.Replace(history, `"Code":2`, `"Code":4`, 1), "1 ops, 0 faults, 2 violations\n", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{"history.jsonl": test.history, run.ConfigFile: `{"nodes":3}`} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code, out, stderr := jepsen(t, "check", dir)
			if code != test.code || !strings.HasSuffix(out, test.last) {
				t.Errorf("ended with %d\n%s%s", code, out, stderr)
			}
			if page, err := os.ReadFile(filepath.Join(dir, run.ReportFile)); err != nil || len(page) == 0 {
				t.Errorf("no report: %v", err)
			}
		})
	}
}
