package workload

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/check"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry/memory"
)

// TestWorkloadsAreJudgedRightOverASoundRegistry runs every workload on the
// registry in memory: whatever is found there is a fault of the workload or of
// a checker.
func TestWorkloadsAreJudgedRightOverASoundRegistry(t *testing.T) {
	for _, w := range All() {
		t.Run(w.Name, func(t *testing.T) {
			recorder, err := history.NewRecorder(filepath.Join(t.TempDir(), history.File))
			if err != nil {
				t.Fatal(err)
			}
			r := memory.New()
			var clients []*Client
			for _, name := range []string{"c1", "c2", "c3", "c4"} {
				clients = append(clients, NewClient(name, r, recorder))
			}
			const seed = 5
			ctx, stop := context.WithTimeout(t.Context(), time.Second)
			var working sync.WaitGroup
			working.Go(func() { RunReaders(ctx, []*Client{NewClient("r1", r, recorder), NewClient("r2", r, recorder)}, seed) })
			w.Run(ctx, clients, seed)
			stop()
			working.Wait()
			if err := ReadBack(t.Context(), NewClient("reader", r, recorder), recorder.Processes()); err != nil {
				t.Fatal(err)
			}
			h, err := recorder.Close()
			if err != nil {
				t.Fatal(err)
			}
			h.State = nil
			verdicts := check.Judge(h, check.Options{})
			for _, v := range verdicts.Violations() {
				t.Errorf("seed %d: %v", seed, v)
			}
			for _, text := range verdicts.Undecided() {
				t.Errorf("seed %d: undecided: %s", seed, text)
			}
			expectVariety(t, w.Name, h)
		})
	}
}

// expectVariety makes sure that a workload tries what it is for.
func expectVariety(t *testing.T, name string, h *history.History) {
	t.Helper()
	seen := make(map[string]int)
	for _, o := range h.Ops {
		key := history.CallName(o.Call)
		switch {
		case o.Answer.Busy:
			key += " Busy"
		case o.Answer.Code != 0:
			key += " " + o.Answer.Code.String()
		}
		seen[key]++
	}
	wanted := map[string][]string{
		"register": {"RegisterProcess", "RegisterProcess AlreadyExists", "RecordFirstStarted", "CompleteProcess", "CompleteProcess ReplayConflict", "GetProcess"},
		"lease":    {"ClaimProcessLease", "ClaimProcessLease Busy", "RenewProcessLease", "RenewProcessLease LeaseExpired", "AppendEvent", "CompleteProcessLease"},
		"log":      {"AppendEvent", "RecordFirstStarted", "ClaimProcessLease Busy", "EventsAfter"},
		"mixed":    {"RegisterProcess", "ClaimProcessLease", "AppendEvent"},
	}
	for _, key := range wanted[name] {
		if seen[key] == 0 {
			t.Errorf("no %s in %v", key, seen)
		}
	}
}

func TestEveryCallOfTheModelCanBePerformed(t *testing.T) {
	for _, call := range history.Calls() {
		func() {
			defer func() {
				if failure := recover(); failure != nil {
					t.Errorf("%T: %v", call, failure)
				}
			}()
			perform(t.Context(), memory.New(), call)
		}()
	}
	if len(history.Calls()) < 29 {
		t.Errorf("only %d calls", len(history.Calls()))
	}
}

func TestOneNameIsOneWorkload(t *testing.T) {
	for _, w := range All() {
		if got, err := ByName(w.Name); err != nil || got.Help != w.Help || w.Help == "" {
			t.Errorf("%s: %v", w.Name, err)
		}
	}
	if _, err := ByName("none"); err == nil {
		t.Error("a workload that there is not")
	}
}

func TestPlacesGoOnToTheNextProcess(t *testing.T) {
	p := &places{count: 2}
	at := place{"log", 1}
	for _, want := range []string{"log-1-0", "log-1-0", "log-1-1"} {
		if got := p.use(at, 2); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	p.leave(at, "log-1-0") // somebody has left already
	if got := p.use(at, 2); got != "log-1-1" {
		t.Error(got)
	}
	p.leave(at, "log-1-1")
	if got := p.use(at, 2); got != "log-1-2" {
		t.Error(got)
	}
}
