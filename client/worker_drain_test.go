package client

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// TestADrain: what is finished in time is finished, what may be run again is
// given back, what may not is abandoned, and nothing else is touched.
func TestADrain(t *testing.T) {
	b := newWorkbench(t)
	b.register("a-bound", registry.OwnerBound)
	b.register("b-free", registry.Rerunnable)
	b.register("c-quick", registry.Rerunnable)
	b.register("d-later", registry.Rerunnable)
	b.register("e-foreign", registry.OwnerBound)
	b.startAs("me", "e-foreign") // an earlier program of the same name
	began := make(chan *Run)
	finish := make(chan struct{})
	w := b.worker(Handlers{"email": func(ctx context.Context, run *Run) (any, error) {
		began <- run
		switch run.Process().ID {
		case "c-quick":
			<-finish
			return "finished", nil
		case "d-later":
			<-ctx.Done()
			return nil, Retry(time.Minute, context.Cause(ctx))
		}
		<-ctx.Done()
		if cause := context.Cause(ctx); !errors.Is(cause, ErrDraining) {
			t.Errorf("the cause is %v", cause)
		}
		return nil, ctx.Err()
	}}, WithDrainTimeout(50*time.Millisecond))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	for range 4 {
		receive(t, began, "a handler")
	}
	cancel()
	// Registered too late.
	b.register("f-late", registry.Rerunnable)
	close(finish)
	if err := receive(t, ended, "the end of the drain"); err != nil {
		t.Fatal(err)
	}
	b.mustBeAbandoned("a-bound", registry.WriterOwnerDrain, "me")
	b.mustEnd("b-free", registry.StateRunning, "")
	b.mustEnd("c-quick", registry.StateCompleted, "")
	b.mustEnd("d-later", registry.StateRunning, "")
	b.mustEnd("e-foreign", registry.StateRunning, "")
	b.mustEnd("f-late", registry.StateRunning, "")
	got := w.Drained()
	if !slices.Equal(got.Abandoned, []string{"a-bound"}) || !slices.Equal(got.Released, []string{"b-free", "d-later"}) || got.Running != nil {
		t.Errorf("drained: %+v", got)
	}
	claims, err := b.Registry.ClaimNext(t.Context(), registry.ClaimNextRequest{Owner: LocalOwner("next"), TTLMs: 1000, Limit: 10})
	var ready []string
	for _, claim := range claims {
		ready = append(ready, claim.Record.ID)
	}
	if err != nil || !slices.Equal(ready, []string{"b-free", "f-late"}) {
		t.Errorf("ready afterwards: %v, %v", ready, err)
	}
}

// TestADrainLetsHandlersFinish: their contexts go on for the drain timeout.
func TestADrainLetsHandlersFinish(t *testing.T) {
	b := newWorkbench(t)
	b.register("p", registry.OwnerBound)
	ctx, cancel := context.WithCancel(t.Context())
	w := b.worker(Handlers{"email": func(handling context.Context, _ *Run) (any, error) {
		cancel()
		select {
		case <-handling.Done():
			return nil, context.Cause(handling)
		case <-time.After(100 * time.Millisecond):
			return "finished", nil
		}
	}}, WithDrainTimeout(patience))
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
	b.mustEnd("p", registry.StateCompleted, "")
}

// TestAHandlerThatDoesNotStopIsLeft: its lease is not given back, since it may
// still be at work, and whatever it returns in the end is not written.
func TestAHandlerThatDoesNotStopIsLeft(t *testing.T) {
	b := newWorkbench(t)
	b.register("p", registry.OwnerBound)
	began, finish := make(chan *Run), make(chan struct{})
	w := b.worker(Handlers{"email": func(_ context.Context, run *Run) (any, error) {
		began <- run
		<-finish
		return "too late", nil
	}}, WithDrainTimeout(0), func(o *workerOptions) { o.stopTimeout = 20 * time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	run := receive(t, began, "the handler")
	cancel()
	if err := receive(t, ended, "the end of the drain"); !errors.Is(err, ErrStillRunning) {
		t.Errorf("it ended with %v", err)
	}
	if got := w.Drained(); !slices.Equal(got.Running, []string{"p"}) {
		t.Errorf("drained: %+v", got)
	}
	if lease := b.lease("p"); lease == nil || lease.LeaseToken != run.granted.LeaseToken {
		t.Errorf("its lease is %+v", lease)
	}
	if err := run.Lease().Err(); !errors.Is(err, ErrLeaseClosed) {
		t.Errorf("its handle: %v", err)
	}
	close(finish)
	b.await(1)
	b.mustEnd("p", registry.StateRunning, "")
}

// TestWorkThatComesWhileTheWorkerStopsIsGivenBack: it was claimed, and is not
// run.
func TestWorkThatComesWhileTheWorkerStopsIsGivenBack(t *testing.T) {
	b := newWorkbench(t)
	b.register("p", registry.OwnerBound)
	w := b.worker(Handlers{"email": func(context.Context, *Run) (any, error) {
		t.Error("the handler runs")
		return nil, nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	b.afterClaimNext = cancel
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if record := b.get("p"); record.FirstStarted != nil || b.lease("p") != nil {
		t.Errorf("begun: %+v, lease %+v", record.FirstStarted, b.lease("p"))
	}
	if got := w.Drained(); !slices.Equal(got.Released, []string{"p"}) {
		t.Errorf("drained: %+v", got)
	}
}

// TestCallOptionsOfTheCallerStayBehind: a stamp is for one write.
func TestCallOptionsOfTheCallerStayBehind(t *testing.T) {
	b := newWorkbench(t)
	b.register("p", registry.Rerunnable)
	w := b.worker(Handlers{"email": answer(nil, nil)})
	session, err := b.OpenSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(registry.WithSession(t.Context(), registry.SessionStamp{ID: session, Sequence: 1, Floor: 1}))
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	b.await(1)
	cancel()
	if err := receive(t, ended, "the end of Run"); err != nil {
		t.Error(err)
	}
	b.mustEnd("p", registry.StateCompleted, "")
}

// TestAClosedClientEndsItsWorker: it could only fail from there on.
func TestAClosedClientEndsItsWorker(t *testing.T) {
	b := newWorkbench(t)
	life, closeClient := context.WithCancel(t.Context())
	w := b.worker(Handlers{"email": answer(nil, nil)}, func(o *workerOptions) { o.life = life })
	ended := make(chan error)
	go func() { ended <- w.Run(t.Context()) }()
	closeClient()
	if err := receive(t, ended, "the end of Run"); err != nil {
		t.Error(err)
	}
}
