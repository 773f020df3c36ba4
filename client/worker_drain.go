package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrStillRunning is returned by Worker.Run when handlers did not return although
// their contexts were cancelled. Their leases run out.
var ErrStillRunning = errors.New("handlers have not returned")

// Drained is what a drain did with work that was not finished. Each list is
// ascending.
type Drained struct {
	// Released is rerunnable work that was given back.
	Released []string
	// Abandoned is owner_bound work that was begun.
	Abandoned []string
	// Running is work whose handler has not returned.
	Running []string
}

// Drained tells what the drain of the last Run did.
func (w *Worker) Drained() Drained {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Drained{sorted(w.drained.Released), sorted(w.drained.Abandoned), sorted(w.drained.Running)}
}

func sorted(ids []string) []string { return slices.Sorted(slices.Values(ids)) }

// noteDrained takes note of an attempt that a drain has interrupted.
func (w *Worker) noteDrained(run *Run, outcome Outcome) {
	run.mu.Lock()
	draining := run.draining
	run.mu.Unlock()
	if !draining {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch outcome {
	case OutcomeReleased, OutcomeRetried:
		w.drained.Released = append(w.drained.Released, run.granted.ProcessID)
	case OutcomeAbandoned:
		w.drained.Abandoned = append(w.drained.Abandoned, run.granted.ProcessID)
	}
}

// drain waits for the attempts under way, which are all that this worker itself
// has started: first for handlers to finish, then for them to stop. What does
// neither is left as it is, and giveUp ends what is still being written. Spec
// 7.4.
func (w *Worker) drain(giveUp context.CancelFunc, working *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		working.Wait()
		close(done)
	}()
	if await(done, w.drainTimeout) {
		return nil
	}
	for _, run := range w.underWay() {
		run.interrupt(ErrDraining, func() { run.draining = true })
	}
	if await(done, w.stopTimeout) {
		return nil
	}
	defer giveUp()
	var running []string
	for _, run := range w.underWay() {
		running = append(running, run.granted.ProcessID)
		w.mu.Lock()
		lease := run.lease
		w.mu.Unlock()
		if lease != nil {
			lease.Close()
		}
	}
	w.mu.Lock()
	w.drained.Running = running
	w.mu.Unlock()
	if len(running) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrStillRunning, strings.Join(sorted(running), ", "))
}

func (w *Worker) underWay() []*Run {
	w.mu.Lock()
	defer w.mu.Unlock()
	var runs []*Run
	for run := range w.runs {
		runs = append(runs, run)
	}
	return runs
}

// disownRest makes a last try to end what this worker began and lost.
func (w *Worker) disownRest(base context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(base), releaseTime)
	defer cancel()
	w.disownAll(ctx)
}

// await waits for the end of a channel, and tells whether it came in time.
func await(done <-chan struct{}, timeout time.Duration) bool {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
