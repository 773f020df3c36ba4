package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/jepsen/process"
)

// logged logs what is written to it.
type logged struct{ t *testing.T }

func (l logged) Write(text []byte) (int, error) {
	l.t.Logf("%s", strings.TrimSpace(string(text)))
	return len(text), nil
}

// TestAShortRunHoldsEveryPromise makes a real run, judges its history again,
// and judges it a third time with a broken answer in it.
func TestAShortRunHoldsEveryPromise(t *testing.T) {
	nodetest.Exclusive(t)
	dir := t.TempDir()
	binary, err := process.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	options := Options{
		Binary: binary, Dir: dir, Nodes: 3, Clients: 6, Time: 12 * time.Second, Workload: "mixed",
		Nemeses: "kill,partition,pause", Seed: 3, Net: NetProxy, Progress: logged{t},
	}
	result, err := Run(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, result, "seed 3")
	if result.Faults < 2 || result.Ops < 200 || !result.Config.Complete {
		t.Errorf("too little was tried: %d faults, %d operations", result.Faults, result.Ops)
	}
	for _, name := range []string{ConfigFile, history.File, history.EDNFile, VerdictsFile, ReportFile, "n1.log", "n2.log", "n3.log"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("the run left no %s: %v", name, err)
		}
	}
	again, err := JudgeAgain(dir)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, again, "judged again")
	if again.Ops != result.Ops || again.Faults != result.Faults {
		t.Errorf("judged again: %d operations and %d faults, not %d and %d", again.Ops, again.Faults, result.Ops, result.Faults)
	}
	lose(again.History)
	broken, err := Judge(dir, &again.Config, again.History)
	if err != nil {
		t.Fatal(err)
	}
	if len(broken.Verdicts.Violations()) == 0 {
		t.Error("an acked event was taken out of the history, and nothing was found")
	}
	if err := Clean(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "n1")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data of n1 is still there: %v", err)
	}
}

func expect(t *testing.T, result *Result, what string) {
	t.Helper()
	for _, v := range result.Verdicts.Violations() {
		t.Errorf("%s: %v", what, v)
	}
	for _, text := range result.Verdicts.Undecided() {
		t.Errorf("%s: undecided: %s", what, text)
	}
}

// lose takes the last event out of the last read of a log.
func lose(h *history.History) {
	for i := len(h.Ops) - 1; i >= 0; i-- {
		o := h.Ops[i]
		if _, reads := o.Call.(model.EventsAfter); reads && len(o.Answer.Events) > 0 {
			o.Answer.Events = o.Answer.Events[:len(o.Answer.Events)-1]
			return
		}
	}
}

func TestARunThatCannotBeMadeSaysWhy(t *testing.T) {
	sound := Options{Nodes: 3, Clients: 1, Time: time.Second, Workload: "mixed", Nemeses: "kill", Net: NetProxy}
	for name, change := range map[string]func(*Options){
		"workload": func(o *Options) { o.Workload = "none" },
		"nemesis":  func(o *Options) { o.Nemeses = "storm" },
		"network":  func(o *Options) { o.Net = "air" },
		"time":     func(o *Options) { o.Time = 0 },
		"node":     func(o *Options) { o.Nodes = 0 },
	} {
		options := sound
		change(&options)
		if s, err := prepare(options); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without a %s: %v, %v", name, s, err)
		}
	}
	if _, err := JudgeAgain(t.TempDir()); err == nil {
		t.Error("an empty folder was judged")
	}
}
