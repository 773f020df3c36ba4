package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func TestAWorkerRunsAProcess(t *testing.T) {
	b := newWorkbench(t)
	var seen *Run
	w := b.worker(Handlers{"external": func(ctx context.Context, run *Run) (any, error) {
		seen = run
		if run.Process().FirstStarted == nil || run.Lease().Err() != nil {
			t.Errorf("the handler runs before the start is recorded: %+v, lease %v", run.Process(), run.Lease().Err())
		}
		_, err := run.AppendEvent(ctx, registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON(`1`)})
		return map[string]int{"sent": 1}, err
	}})
	registered, err := w.Register(t.Context(), registry.ProcessRegistration{
		ID: "p", Disposition: registry.OwnerBound, Input: anInput,
		EventTypes: []registry.ProcessEventType{{Name: "note", PayloadSchema: registry.JSON(`{}`)}},
	})
	if err != nil || registered.Fencing != registry.FencingRequired || registered.Identity.Kind != "external" {
		t.Fatalf("registered %+v, %v", registered, err)
	}
	b.start(w)
	settled := b.await(1)[0]
	if settled.Outcome != OutcomeCompleted || settled.ProcessID != "p" || settled.Kind != "external" || settled.Attempt != 1 {
		t.Errorf("settled: %+v", settled)
	}
	if output := b.mustEnd("p", registry.StateCompleted, ""); string(output.Value) != `{"sent":1}` {
		t.Errorf("it ended with %s", output.Value)
	}
	owner := b.get("p").FirstStarted.Owner
	if held := seen.Lease().Lease(); owner != held.Owner || owner.OwnerID != "me" || seen.Attempt() != 1 || string(seen.Input().Metadata) != `{"to":"you"}` {
		t.Errorf("begun by %+v, the lease is that of %+v", owner, held.Owner)
	}
	if lease := b.lease("p"); lease != nil {
		t.Errorf("the lease was not released: %+v", lease)
	}
}

// TestHowARunEnds: what a handler answers, and what the process ends with.
func TestHowARunEnds(t *testing.T) {
	large := strings.Repeat("é", 600_000)
	for _, test := range []struct {
		name    string
		handler Handler
		state   registry.ProcessState
		code    string
		check   func(registry.ProcessAwaitOutput) bool
	}{
		{"JSON is stored as it is", answer(registry.JSON("{\"a\" : 1.50}"), nil), registry.StateCompleted, "",
			func(o registry.ProcessAwaitOutput) bool { return string(o.Value) == `{"a" : 1.50}` }},
		{"no value is null", answer(nil, nil), registry.StateCompleted, "",
			func(o registry.ProcessAwaitOutput) bool { return string(o.Value) == `null` }},
		{"absent JSON is null", answer(registry.JSON(nil), nil), registry.StateCompleted, "",
			func(o registry.ProcessAwaitOutput) bool { return string(o.Value) == `null` }},
		{"an error is a failure", answer(nil, errors.New("no route")), registry.StateFailed, FailureHandler,
			func(o registry.ProcessAwaitOutput) bool {
				return o.Class == registry.ClassExecution && o.Message == "no route"
			}},
		{"a long error is cut", answer(nil, errors.New("\xff"+large)), registry.StateFailed, FailureHandler,
			func(o registry.ProcessAwaitOutput) bool {
				return len(o.Message) <= registry.MaxStringBytes && len(o.Message) > registry.MaxStringBytes-8 && strings.HasPrefix(o.Message, "\uFFFDéé")
			}},
		{"a handler chooses its failure", answer(nil, fmt.Errorf("wrapped: %w", Failure{registry.ClassExternal, "smtp", "550", registry.JSON(`{"n":1}`)})), registry.StateFailed, "smtp",
			func(o registry.ProcessAwaitOutput) bool {
				return o.Class == registry.ClassExternal && o.Message == "550" && string(o.Raw) == `{"n":1}`
			}},
		{"also by its address", answer(nil, &Failure{Message: "550"}), registry.StateFailed, FailureHandler,
			func(o registry.ProcessAwaitOutput) bool {
				return o.Class == registry.ClassExecution && o.Message == "550"
			}},
		{"a class that is not known is a refused output", answer(nil, Failure{Class: "odd"}), registry.StateFailed, FailureOutput, nil},
		{"a value that is too large is a refused output", answer(large, nil), registry.StateFailed, FailureOutput, nil},
		{"a value without a JSON form is a refused output", answer(func() {}, nil), registry.StateFailed, FailureOutput, nil},
		{"text that is not JSON is a refused output", answer(registry.JSON("{"), nil), registry.StateFailed, FailureOutput, nil},
		{"a panic is a failure", func(context.Context, *Run) (any, error) { panic("boom") }, registry.StateFailed, FailurePanic,
			func(o registry.ProcessAwaitOutput) bool {
				return strings.HasPrefix(o.Message, "boom\n") && strings.Contains(o.Message, "worker_test.go") && len(o.Message) <= registry.MaxStringBytes
			}},
		{"the end of the goroutine is a failure", func(context.Context, *Run) (any, error) { runtime.Goexit(); return nil, nil }, registry.StateFailed, FailurePanic, nil},
		{"owner_bound work cannot be tried again", answer(nil, Retry(time.Second, errors.New("no route"))), registry.StateFailed, FailureHandler, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newWorkbench(t)
			b.register("p", registry.OwnerBound)
			b.start(b.worker(Handlers{"email": test.handler}))
			b.await(1)
			output := b.mustEnd("p", test.state, test.code)
			if test.check != nil && !test.check(output) {
				t.Errorf("it ended with %.200q (%s, value %s, raw %s)", output.Message, output.Class, output.Value, output.Raw)
			}
			if b.lease("p") != nil {
				t.Error("the lease was not released")
			}
		})
	}
}

func answer(value any, err error) Handler {
	return func(context.Context, *Run) (any, error) { return value, err }
}

// TestRetries: the delay is that of claim-next, attempts are counted, and the
// last one past the limit does not reach the handler.
func TestRetries(t *testing.T) {
	b := newWorkbench(t)
	b.register("p", registry.Rerunnable)
	var attempts []uint64
	var ran []time.Duration
	b.start(b.worker(Handlers{"email": func(_ context.Context, run *Run) (any, error) {
		attempts, ran = append(attempts, run.Attempt()), append(ran, b.wall.read())
		return nil, fmt.Errorf("wrapped: %w", Retry(10*time.Second, errors.New("busy")))
	}}, WithMaxAttempts(2)))
	b.await(1)
	if lease := b.lease("p"); lease != nil {
		t.Errorf("the lease was not released: %+v", lease)
	}
	// It is not ready a moment before its time, and then it is.
	b.pass(9 * time.Second)
	claims, err := b.Registry.ClaimNext(t.Context(), registry.ClaimNextRequest{Owner: LocalOwner("other"), TTLMs: 1000, Limit: 1})
	if err != nil || len(claims) != 0 {
		t.Fatalf("before its time: %+v, %v", claims, err)
	}
	b.pass(time.Second)
	b.await(2)
	b.pass(10 * time.Second)
	settled := b.await(3)
	if want := []Outcome{OutcomeRetried, OutcomeRetried, OutcomeFailed}; !slices.Equal(outcomes(settled), want) {
		t.Errorf("settled: %+v", settled)
	}
	if !slices.Equal(attempts, []uint64{1, 2}) {
		t.Errorf("the handler ran for the attempts %v", attempts)
	} else if waited := ran[1] - ran[0]; waited < 10*time.Second {
		t.Errorf("the second attempt came after %v", waited)
	}
	b.mustEnd("p", registry.StateFailed, FailureAttempts)
}

func TestConcurrencyIsBounded(t *testing.T) {
	const concurrency, processes = 3, 20
	b := newWorkbench(t)
	for i := range processes {
		b.register(fmt.Sprint("p", i), registry.Rerunnable)
	}
	var running, most atomic.Int64
	var limits []int
	incarnations := map[string]bool{}
	b.claims = func(request registry.ClaimNextRequest) {
		limits = append(limits, request.Limit)
		if request.WaitMs != registry.MaxClaimWaitMs || request.TTLMs != uint64(ttl.Milliseconds()) || !slices.Equal(request.Kinds, []string{"email"}) {
			t.Errorf("it asks for %+v", request)
		}
		if incarnations[request.Owner.IncarnationID] {
			t.Error("two requests share an incarnation")
		}
		incarnations[request.Owner.IncarnationID] = true
	}
	stop := b.start(b.worker(Handlers{"email": func(context.Context, *Run) (any, error) {
		now := running.Add(1)
		defer running.Add(-1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		runtime.Gosched()
		return nil, nil
	}}, WithConcurrency(concurrency)))
	b.await(processes)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if most.Load() > concurrency || slices.Max(limits) > concurrency || limits[0] != concurrency {
		t.Errorf("%d handlers ran at a time, requests for %v, want at most %d", most.Load(), limits, concurrency)
	}
}

// TestAStartOfAnothersIsLeftAlone is A21: who is told that another began
// owner_bound work does not run it.
func TestAStartOfAnothersIsLeftAlone(t *testing.T) {
	for _, test := range []struct {
		disposition registry.RecoveryDisposition
		runs        bool
	}{{registry.OwnerBound, false}, {registry.Rerunnable, true}} {
		t.Run(string(test.disposition), func(t *testing.T) {
			b := newWorkbench(t)
			b.register("p", test.disposition)
			b.beforeStart = func(ctx context.Context, id string, fence *registry.Fence) {
				_, err := b.Registry.RecordFirstStarted(ctx, id, registry.ProcessStarted{Owner: LocalOwner("other"), StartedAtMs: 1}, fence)
				if err != nil {
					t.Error(err)
				}
			}
			ran := false
			b.start(b.worker(Handlers{"email": func(context.Context, *Run) (any, error) { ran = true; return nil, nil }}))
			b.await(1)
			if ran != test.runs {
				t.Errorf("it ran: %v, want %v", ran, test.runs)
			}
			if state := b.get("p").Status.State; state.Terminal() != test.runs || b.lease("p") != nil {
				t.Errorf("it is %s, lease %+v", state, b.lease("p"))
			}
		})
	}
}

// TestRequestsReachTheHandler: cancel and abandon requests, before the handler
// runs and while it does.
func TestRequestsReachTheHandler(t *testing.T) {
	for _, test := range []struct {
		name  string
		ask   func(*workbench, string)
		cause error
		told  func(*Run) (string, bool)
		check func(*workbench)
	}{
		{"cancel", (*workbench).askToCancel, ErrCancelRequested, (*Run).CancelRequested, func(b *workbench) {
			if output := b.mustEnd("p", registry.StateCancelled, ""); output.Message != "too late" {
				b.t.Errorf("it ended with %+v", output)
			}
		}},
		{"abandon", (*workbench).askToAbandon, ErrAbandonRequested, (*Run).AbandonRequested, func(b *workbench) {
			b.mustBeAbandoned("p", registry.WriterReconciledRequest, "me")
		}},
	} {
		for _, disposition := range []registry.RecoveryDisposition{registry.Rerunnable, registry.OwnerBound} {
			t.Run(fmt.Sprintf("%s while %s work runs", test.name, disposition), func(t *testing.T) {
				b := newWorkbench(t)
				b.register("p", disposition)
				began, causes := make(chan *Run), make(chan error, 1)
				// The time between two looks is real, so it must be short.
				b.start(b.worker(Handlers{"email": func(ctx context.Context, run *Run) (any, error) {
					began <- run
					<-ctx.Done()
					causes <- context.Cause(ctx)
					return nil, errors.New("I was told to stop")
				}}, WithLeaseTTL(30*time.Millisecond)))
				run := receive(t, began, "the handler")
				test.ask(b, "p")
				if cause := receive(t, causes, "the end of the context"); !errors.Is(cause, test.cause) {
					t.Errorf("the cause is %v", cause)
				}
				if reason, requested := test.told(run); !requested || reason == "" {
					t.Errorf("the run was told %q, %v", reason, requested)
				}
				b.await(1)
				test.check(b)
			})
			t.Run(fmt.Sprintf("%s before %s work runs", test.name, disposition), func(t *testing.T) {
				b := newWorkbench(t)
				b.register("p", disposition)
				b.beforeStart = func(_ context.Context, id string, _ *registry.Fence) { test.ask(b, id) }
				b.start(b.worker(Handlers{"email": func(context.Context, *Run) (any, error) {
					t.Error("the handler runs")
					return nil, nil
				}}))
				b.await(1)
				test.check(b)
			})
		}
		t.Run(test.name+" of work that is finished nevertheless", func(t *testing.T) {
			b := newWorkbench(t)
			b.register("p", registry.Rerunnable)
			b.start(b.worker(Handlers{"email": func(ctx context.Context, _ *Run) (any, error) {
				test.ask(b, "p")
				<-ctx.Done()
				return "done", nil
			}}, WithLeaseTTL(30*time.Millisecond)))
			b.await(1)
			b.mustEnd("p", registry.StateCompleted, "")
		})
	}
}

// TestAnEndByOthersStopsTheHandler: where no fence is required, anybody may end
// a process.
func TestAnEndByOthersStopsTheHandler(t *testing.T) {
	b := newWorkbench(t)
	if _, err := RegisterWork(t.Context(), b.Registry, registry.ProcessRegistration{
		ID: "p", Disposition: registry.Rerunnable, Fencing: registry.FencingOptional, Input: anInput, Identity: registry.ProcessIdentity{Kind: "email"},
	}); err != nil {
		t.Fatal(err)
	}
	began, causes := make(chan *Run), make(chan error, 1)
	b.start(b.worker(Handlers{"email": func(ctx context.Context, run *Run) (any, error) {
		began <- run
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return nil, ctx.Err()
	}}, WithLeaseTTL(30*time.Millisecond)))
	receive(t, began, "the handler")
	if _, err := b.Registry.CompleteProcess(t.Context(), "p", success("by hand"), nil); err != nil {
		t.Fatal(err)
	}
	if cause := receive(t, causes, "the end of the context"); !errors.Is(cause, ErrProcessEnded) {
		t.Errorf("the cause is %v", cause)
	}
	if settled := b.await(1); settled[0].Outcome != OutcomeReleased || b.lease("p") != nil {
		t.Errorf("%+v, lease %+v", settled, b.lease("p"))
	}
}

// TestAnEndWhoseAnswerIsLostIsWrittenAgain: the repeat does no harm, whether the
// lease was given back with the end or is still held.
func TestAnEndWhoseAnswerIsLostIsWrittenAgain(t *testing.T) {
	for _, test := range []struct {
		name string
		over func(b *workbench, lose func() error) WorkRegistry
		lost int
	}{
		{"with the release", func(b *workbench, lose func() error) WorkRegistry { b.afterBatch = lose; return b }, 1},
		{"before the release", func(b *workbench, lose func() error) WorkRegistry { return &lostEnds{b, lose} }, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newWorkbench(t)
			b.register("p", registry.OwnerBound)
			left := test.lost
			r := test.over(b, func() error {
				if left--; left >= 0 {
					return failure(registry.CodeOutcomeUnknown)
				}
				return nil
			})
			b.start(b.workerOver(r, Handlers{"email": answer("done", nil)}))
			if settled := b.await(1); settled[0].Outcome != OutcomeCompleted || left > 0 || b.lease("p") != nil {
				t.Errorf("%+v, %d answers to lose were left, lease %+v", settled, left, b.lease("p"))
			}
			events, err := b.EventsAfter(t.Context(), "p", 0, registry.PageRequest{})
			if err != nil || len(events.Items) != 1 {
				t.Errorf("events: %+v, %v", events.Items, err)
			}
		})
	}
}

// lostEnds completes processes and loses the answer. It offers no batches.
type lostEnds struct {
	WorkRegistry
	lose func() error
}

func (l *lostEnds) CompleteProcess(ctx context.Context, processID string, output registry.ProcessAwaitOutput, fence *registry.Fence) (registry.ProcessRecord, error) {
	record, err := l.WorkRegistry.CompleteProcess(ctx, processID, output, fence)
	if err == nil {
		err = l.lose()
	}
	return record, err
}

// TestALongWaitForWorkCostsNoTrust: the ttl counts from before the request was
// sent, and a request may have waited for longer than the ttl.
func TestALongWaitForWorkCostsNoTrust(t *testing.T) {
	b := newWorkbench(t)
	b.register("p", registry.Rerunnable)
	b.afterClaimNext = func() { b.boot.pass(2 * ttl) }
	var left time.Duration
	b.start(b.worker(Handlers{"email": func(_ context.Context, run *Run) (any, error) {
		left = run.Lease().TrustLeft()
		return nil, nil
	}}))
	if settled := b.await(1); settled[0].Outcome != OutcomeCompleted {
		t.Fatalf("settled: %+v", settled)
	}
	if want := ttl - ttl/20 - time.Millisecond; left != want {
		t.Errorf("trusted for %v, want %v: from the renewal", left, want)
	}
}

// TestAClaimThatIsLostAtOnceIsGivenBack: nothing is run without trust.
func TestAClaimThatIsLostAtOnceIsGivenBack(t *testing.T) {
	b := newWorkbench(t)
	b.register("p", registry.Rerunnable)
	ran := false
	b.renew = func() error { return failure(registry.CodeNoLeader) }
	b.afterClaimNext = func() { b.boot.pass(2 * ttl); b.afterClaimNext = nil }
	b.start(b.worker(Handlers{"email": func(context.Context, *Run) (any, error) { ran = true; return nil, nil }}))
	settled := b.await(2)
	if want := []Outcome{OutcomeLost, OutcomeCompleted}; !slices.Equal(outcomes(settled), want) || !ran {
		t.Errorf("settled: %+v", settled)
	}
}

func TestWhatAWorkerIsRefusedWith(t *testing.T) {
	b := newWorkbench(t)
	many := Handlers{}
	for i := range registry.MaxClaimKinds + 1 {
		many[fmt.Sprint(i)] = answer(nil, nil)
	}
	one := Handlers{"email": answer(nil, nil)}
	for _, test := range []struct {
		field    string
		handlers Handlers
		option   WorkerOption
	}{
		{"handlers", nil, nil},
		{"handlers", many, nil},
		{"handlers", Handlers{"email": nil}, nil},
		{"worker_id", one, WithWorkerID("")},
		{"concurrency", one, WithConcurrency(0)},
		{"ttl", one, WithLeaseTTL(0)},
		{"ttl", one, WithLeaseTTL(48 * time.Hour)},
		{"poll_wait", one, WithPollWait(time.Hour)},
		{"poll_wait", one, WithPollWait(-1)},
		{"sweep_interval", one, WithSweepInterval(0)},
		{"drain_timeout", one, WithDrainTimeout(-1)},
	} {
		var opts []WorkerOption
		if test.option != nil {
			opts = append(opts, test.option)
		}
		_, err := NewWorker(b, test.handlers, opts...)
		if failed := mustBe(t, err, registry.CodeInvalidArgument); failed.Fields.Field != test.field {
			t.Errorf("%v names %q, want %q", err, failed.Fields.Field, test.field)
		}
	}
	w := b.worker(one)
	b.start(w)
	b.register("p", registry.Rerunnable)
	b.await(1)
	mustBe(t, w.Run(t.Context()), registry.CodeInvalidArgument)
}

// TestAWorkerThatCanNeverWorkSaysSo: it would look idle otherwise.
func TestAWorkerThatCanNeverWorkSaysSo(t *testing.T) {
	b := newWorkbench(t)
	w := b.worker(Handlers{"email\xff": answer(nil, nil)})
	mustBe(t, w.Run(t.Context()), registry.CodeInvalidArgument)
}

// TestErrorsThatPassAreWaitedFor: and they are logged.
func TestErrorsThatPassAreWaitedFor(t *testing.T) {
	b := newWorkbench(t)
	b.register("p", registry.Rerunnable)
	var log bytes.Buffer
	failing := &failingQueue{WorkRegistry: b, left: 3}
	w, err := NewWorker(failing, Handlers{"email": answer(nil, nil)}, WithObserver(b.observe), WithSweepInterval(time.Hour),
		WithWorkerLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	stop := b.start(w)
	b.await(1)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(log.String(), "asking for work failed"); got != 3 {
		t.Errorf("%d failures were logged:\n%s", got, &log)
	}
}

// failingQueue answers the first calls with no leader.
type failingQueue struct {
	WorkRegistry
	left int
}

func (q *failingQueue) ClaimNext(ctx context.Context, request registry.ClaimNextRequest) ([]registry.ClaimedProcess, error) {
	if q.left--; q.left >= 0 {
		return nil, failure(registry.CodeNoLeader)
	}
	return q.WorkRegistry.ClaimNext(ctx, request)
}
