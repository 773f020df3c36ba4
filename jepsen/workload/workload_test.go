package workload

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
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
			// A second may be too short for everything to have come up.
			for slice := range uint64(20) {
				work(t.Context(), w, r, recorder, slice)
				if len(missing(w.Name, recorder)) == 0 {
					break
				}
			}
			if names := missing(w.Name, recorder); len(names) > 0 {
				t.Errorf("nobody did %v", names)
			}
			Drain(t.Context(), NewClient("worker", r, recorder))
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
				t.Error(v)
			}
			for _, text := range verdicts.Undecided() {
				t.Errorf("undecided: %s", text)
			}
		})
	}
}

// work lets clients work for a second, under names and a seed of their own.
func work(ctx context.Context, w Workload, r Registry, recorder *history.Recorder, seed uint64) {
	var clients, readers []*Client
	for i := range 4 {
		clients = append(clients, NewClient(fmt.Sprintf("c%d.%d", seed, i), r, recorder))
	}
	for i := range 2 {
		readers = append(readers, NewClient(fmt.Sprintf("r%d.%d", seed, i), r, recorder))
	}
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	var working sync.WaitGroup
	working.Go(func() { RunReaders(ctx, readers, seed) })
	w.Run(ctx, clients, seed)
	working.Wait()
}

// missing is what a workload is for and nobody has done yet.
func missing(name string, recorder *history.Recorder) (names []string) {
	seen := make(map[string]bool)
	for _, o := range recorder.Ops() {
		key := history.CallName(o.Call)
		switch {
		case o.Answer.Busy:
			key += " Busy"
		case o.Answer.Code != 0:
			key += " " + o.Answer.Code.String()
		}
		seen[key] = true
	}
	wanted := map[string][]string{
		"register": {"RegisterProcess", "RegisterProcess AlreadyExists", "RecordFirstStarted", "CompleteProcess", "CompleteProcess ReplayConflict", "GetProcess"},
		"lease":    {"ClaimProcessLease", "ClaimProcessLease Busy", "RenewProcessLease", "RenewProcessLease LeaseExpired", "AppendEvent", "CompleteProcessLease"},
		"log":      {"AppendEvent", "RecordFirstStarted", "ClaimProcessLease Busy", "EventsAfter"},
		"once":     {"AppendEvent", "TransferHandleGrants", "ClaimProcessLease"},
		"queue":    {"ClaimNext", "ReleaseForRetry", "CompleteProcess", "CompleteProcessLease", "RenewProcessLease LeaseExpired"},
		"grants":   {"GrantHandle", "RevokeHandle", "TransferHandleGrants", "TransferHandleGrants NotGranted", "DeleteSessionProcessState", "ListHandleGrants", "HasHandleGrant", "HandleGrantsForProcess"},
		"waits":    {"SetProcessWait", "SetProcessWait Fenced", "ClearProcessWait", "RequestProcessAbandon", "RecordFirstStarted", "SetExternalRef", "SetExternalRef AlreadyExists", "ListProcesses"},
		"prune":    {"PruneTerminalProcesses", "AppendEvent NotFound", "AppendEvent UndeclaredEvent", "AppendEvent", "RenewProcessLease LeaseExpired", "HandleGrantsForProcess"},
		"watch":    {"RegisterProcess", "PruneTerminalProcesses", "AppendEvent", "AppendEvent NotFound", "CompleteProcess"},
		"mixed": {"RegisterProcess", "ClaimProcessLease", "AppendEvent", "GrantHandle", "SetProcessWait", "ClaimNext", "ReleaseForRetry", "ReclaimProcessLease", "CheckFence", "AckWake", "Batch",
			"RecentEvents", "CountEventsThrough", "WakeEventsAfter", "ListNonTerminal"},
	}
	return slices.DeleteFunc(wanted[name], func(key string) bool { return seen[key] })
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
