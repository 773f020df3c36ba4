package main

import (
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/bench"
)

func TestBenchCommand(t *testing.T) {
	t.Run("json is one object with what was measured", func(t *testing.T) {
		d := newDesk(t)
		got := d.run("bench", "--workload", "lifecycle", "--callers", "2", "--time", "50ms", "--warm-up", "0s", "--output", "json")
		if got.code != exitOK {
			t.Fatalf("exit code %d, stderr %q", got.code, got.stderr)
		}
		for _, field := range []string{`"workload"`, `"callers"`, `"ops_per_s"`, `"lifecycles_per_s"`, `"errors"`, `"latency_ms"`, `"p50"`, `"p99"`, `"max"`} {
			if !strings.Contains(got.stdout, field) {
				t.Errorf("no %s in %s", field, got.stdout)
			}
		}
		result := decode[bench.Result](t, got.stdout)
		if result.Workload != "lifecycle" || result.Callers != 2 || result.Lifecycles == 0 || result.Errors != 0 {
			t.Errorf("%+v", result)
		}
	})
	t.Run("text names the workload and the latencies", func(t *testing.T) {
		text := newDesk(t).must("bench", "--workload", "read", "--read-level", "stale", "--callers", "1", "--time", "20ms", "--warm-up", "0s")
		if !strings.Contains(text, "read-stale") || !strings.Contains(text, "p99.9") {
			t.Errorf("%s", text)
		}
	})
	t.Run("flags out of bounds are wrong usage and name the flag", func(t *testing.T) {
		for _, args := range [][]string{
			{"--workload", "nothing"}, {"--callers", "0"}, {"--callers", "10001"}, {"--time", "0s"}, {"--warm-up", "-1s"},
			{"--rate", "-1"}, {"--payload-bytes", "2000000"}, {"--read-level", "fresh"}, {"--read-level", "stale", "--workload", "write"},
		} {
			got := newDesk(t).run(append([]string{"bench"}, args...)...)
			if got.code != exitUsage || !strings.Contains(got.stderr, args[0]) {
				t.Errorf("%v: exit code %d, stderr %q", args, got.code, got.stderr)
			}
		}
	})
}
