package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

// registerWork registers a process of the kind "email".
func registerWork(t *testing.T, c *client.Client, id string, disposition registry.RecoveryDisposition) {
	t.Helper()
	_, err := client.RegisterWork(t.Context(), c, registry.ProcessRegistration{
		ID: id, Disposition: disposition, Identity: registry.ProcessIdentity{Kind: "email"},
		Input: registry.ProcessInput{Kind: registry.InputExternal},
	})
	check(t, err)
}

// startWorker runs a worker until stop is called, or the test ends.
func startWorker(t *testing.T, c *client.Client, handler client.Handler, opts ...client.WorkerOption) (w *client.Worker, stop func()) {
	t.Helper()
	w, err := client.NewWorker(c, client.Handlers{"email": handler}, append([]client.WorkerOption{client.WithDrainTimeout(0)}, opts...)...)
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := next(t, ended, "the end of a worker"); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return w, stop
}

// next waits for what comes next.
func next[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(nodetest.Patience):
		t.Fatalf("no sign of %s", what)
		panic("unreachable")
	}
}

// awaitState waits until a process is in a state, and returns its record.
func awaitState(t *testing.T, c *client.Client, id string, state registry.ProcessState) registry.ProcessRecord {
	t.Helper()
	for deadline := time.Now().Add(nodetest.Patience); ; time.Sleep(5 * time.Millisecond) {
		record, err := c.GetProcess(t.Context(), id)
		check(t, err)
		if record.Status.State == state {
			return record
		}
		if record.Status.State.Terminal() || time.Now().After(deadline) {
			t.Fatalf("%s is %s, want %s: %+v", id, record.Status.State, state, record.Status.AwaitOutput)
		}
	}
}

// TestThreeWorkersRunEveryProcessOnce: three workers, each with a connection of
// its own, share 300 processes; in the second round the leader is stopped in the
// middle of it.
func TestThreeWorkersRunEveryProcessOnce(t *testing.T) {
	const workers, processes, concurrency = 3, 300, 5
	for _, test := range []struct {
		name string
		// stopAt is the run after which the leader is stopped; those after twice
		// as many end only when it is gone.
		stopAt int
	}{{"undisturbed", 0}, {"while the leader is stopped", processes / 3}} {
		t.Run(test.name, func(t *testing.T) {
			nodes := nodetest.Start(t, 3, nil)
			c := dial(t, nodes)
			var registering sync.WaitGroup
			for i := range 20 {
				registering.Go(func() {
					for j := i; j < processes; j += 20 {
						registerWork(t, c, fmt.Sprintf("p%03d", j), []registry.RecoveryDisposition{registry.Rerunnable, registry.OwnerBound}[j%2])
					}
				})
			}
			registering.Wait()

			var mu sync.Mutex
			runs, total, done := map[string]int{}, 0, make(chan struct{})
			stopLeader, stopped := make(chan struct{}), make(chan struct{})
			// Nobody goes on before everybody has begun, so that all take part.
			var begun sync.WaitGroup
			begun.Add(workers)
			for range workers {
				first := sync.OnceFunc(begun.Done)
				startWorker(t, dial(t, nodes), func(_ context.Context, run *client.Run) (any, error) {
					first()
					begun.Wait()
					mu.Lock()
					runs[run.Process().ID]++
					if total++; total == test.stopAt {
						close(stopLeader)
					}
					if total == processes {
						close(done)
					}
					last := total > 2*test.stopAt
					mu.Unlock()
					if last {
						<-stopped
					}
					return run.Lease().Lease().FencingToken, nil
				}, client.WithConcurrency(concurrency))
			}
			if test.stopAt > 0 {
				next(t, stopLeader, "the middle")
				nodes.Stop(nodes.AwaitLeader())
			}
			close(stopped)
			next(t, done, "the last run")
			for i := range processes {
				id := fmt.Sprintf("p%03d", i)
				record := awaitState(t, c, id, registry.StateCompleted)
				events, err := c.CountEventsThrough(t.Context(), id, registry.EventCompleted, 1<<62)
				check(t, err)
				if status, err := c.CheckFence(t.Context(), id, 1); err != nil || fmt.Sprint(status.FencingToken) != string(record.Status.AwaitOutput.Value) {
					t.Errorf("%s was leased again after its run: %+v, ended by %s, %v", id, status, record.Status.AwaitOutput.Value, err)
				}
				mu.Lock()
				if runs[id] != 1 || events != 1 {
					t.Errorf("%s ran %d times and ended %d times", id, runs[id], events)
				}
				mu.Unlock()
			}
		})
	}
}

// TestAWorkerOnACluster is one worker after the other on one cluster.
func TestAWorkerOnACluster(t *testing.T) {
	nodes := nodetest.Start(t, 3, nil)
	c := dial(t, nodes)
	t.Run("idle, it starts new work at once", func(t *testing.T) {
		began := make(chan string)
		startWorker(t, dial(t, nodes), func(_ context.Context, run *client.Run) (any, error) {
			began <- run.Process().ID
			return nil, nil
		}, client.WithPollWait(registry.MaxClaimWaitMs*time.Millisecond), client.WithSweepInterval(time.Hour))
		for i := range 5 {
			id := fmt.Sprint("idle-", i)
			registered := time.Now()
			registerWork(t, c, id, registry.Rerunnable)
			if got := next(t, began, "the run"); got != id {
				t.Errorf("%s ran, want %s", got, id)
			}
			if took := time.Since(registered); took > registry.MaxClaimWaitMs*time.Millisecond/4 {
				t.Errorf("it began after %v", took)
			}
			awaitState(t, c, id, registry.StateCompleted)
		}
	})
	t.Run("a panic is a failure, and the worker goes on", func(t *testing.T) {
		registerWork(t, c, "panics", registry.Rerunnable)
		startWorker(t, dial(t, nodes), func(_ context.Context, run *client.Run) (any, error) {
			if run.Process().ID == "panics" {
				panic("boom")
			}
			return nil, nil
		}, client.WithConcurrency(1))
		output := awaitState(t, c, "panics", registry.StateFailed).Status.AwaitOutput
		if output.Code != client.FailurePanic || !strings.HasPrefix(output.Message, "boom\n") {
			t.Errorf("it ended with %+v", output)
		}
		registerWork(t, c, "after the panic", registry.Rerunnable)
		awaitState(t, c, "after the panic", registry.StateCompleted)
	})
	t.Run("a retry waits its time, and attempts come to an end", func(t *testing.T) {
		const delay = 1500 * time.Millisecond
		type attempt struct {
			number uint64
			at     time.Time
		}
		attempts := make(chan attempt, 10)
		startWorker(t, dial(t, nodes), func(_ context.Context, run *client.Run) (any, error) {
			attempts <- attempt{run.Attempt(), time.Now()}
			return nil, client.Retry(delay, errors.New("not yet"))
		}, client.WithMaxAttempts(2))
		registerWork(t, c, "retries", registry.Rerunnable)
		first, second := next(t, attempts, "the first attempt"), next(t, attempts, "the second attempt")
		if first.number != 1 || second.number != 2 || second.at.Sub(first.at) < delay {
			t.Errorf("%+v, then %+v", first, second)
		}
		if output := awaitState(t, c, "retries", registry.StateFailed).Status.AwaitOutput; output.Code != client.FailureAttempts || len(attempts) != 0 {
			t.Errorf("it ended with %+v, %d attempts too many", output, len(attempts))
		}
	})
	stopped := func(t *testing.T, ttl time.Duration, id string) (causes <-chan error) {
		began, ended := make(chan string), make(chan error, 1)
		startWorker(t, dial(t, nodes), func(ctx context.Context, run *client.Run) (any, error) {
			began <- run.Process().ID
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return nil, ctx.Err()
		}, client.WithLeaseTTL(ttl))
		registerWork(t, c, id, registry.OwnerBound)
		next(t, began, "the run")
		return ended
	}
	t.Run("a request to cancel reaches the handler at once", func(t *testing.T) {
		// A look with the renewal would be in hours.
		causes := stopped(t, 12*time.Hour, "cancelled")
		reason := "too late"
		_, err := c.AppendEvent(t.Context(), "cancelled", registry.CancelRequest("cancelled", &reason), nil)
		check(t, err)
		if cause := next(t, causes, "the end of the context"); !errors.Is(cause, client.ErrCancelRequested) {
			t.Errorf("the cause is %v", cause)
		}
		if output := awaitState(t, c, "cancelled", registry.StateCancelled).Status.AwaitOutput; output.Message != reason {
			t.Errorf("it ended with %+v", output)
		}
	})
	t.Run("a request to abandon reaches the handler", func(t *testing.T) {
		causes := stopped(t, 3*time.Second, "abandoned")
		_, err := c.RequestProcessAbandon(t.Context(), "abandoned", registry.AbandonRequest{RequestedBy: "me", RequestedAtMs: 1}, nil)
		check(t, err)
		if cause := next(t, causes, "the end of the context"); !errors.Is(cause, client.ErrAbandonRequested) {
			t.Errorf("the cause is %v", cause)
		}
		record := awaitState(t, c, "abandoned", registry.StateAbandoned)
		if evidence := record.Status.AwaitOutput.Evidence; evidence.Writer != registry.WriterReconciledRequest || *evidence.Owner != record.FirstStarted.Owner {
			t.Errorf("it ended with %+v", evidence)
		}
	})
	t.Run("a drain gives back what may be run again and abandons the rest", func(t *testing.T) {
		began := make(chan string)
		w, stop := startWorker(t, dial(t, nodes), func(ctx context.Context, run *client.Run) (any, error) {
			began <- run.Process().ID
			<-ctx.Done()
			return nil, ctx.Err()
		})
		registerWork(t, c, "drain-free", registry.Rerunnable)
		registerWork(t, c, "drain-bound", registry.OwnerBound)
		next(t, began, "a run")
		next(t, began, "a run")
		stop()
		record := awaitState(t, c, "drain-bound", registry.StateAbandoned)
		if evidence := record.Status.AwaitOutput.Evidence; evidence.Writer != registry.WriterOwnerDrain || *evidence.Owner != record.FirstStarted.Owner {
			t.Errorf("it ended with %+v", evidence)
		}
		if got := fmt.Sprint(w.Drained()); got != "{[drain-free] [drain-bound] []}" {
			t.Errorf("drained: %s", got)
		}
		// It goes on with the next worker, at once.
		startWorker(t, dial(t, nodes), func(context.Context, *client.Run) (any, error) { return nil, nil })
		awaitState(t, c, "drain-free", registry.StateCompleted)
	})
}

// helperEnv makes this test binary a worker of its own process, over the cluster
// with these addresses; helperTTLEnv says how long its leases last.
const (
	helperEnv    = "HOLDFAST_TEST_WORKER"
	helperTTLEnv = "HOLDFAST_TEST_WORKER_TTL"
)

// helperReport is what a worker in a process of its own says.
type helperReport struct {
	// Began is the process that it begins.
	Began string `json:",omitempty"`
	// Stopped is the process whose handler was stopped, Lost that this was
	// because the lease was lost, and Late the code of a completion of rerunnable
	// work that was tried nevertheless.
	Stopped string `json:",omitempty"`
	Lost    bool   `json:",omitempty"`
	Late    registry.Code
}

// helperWorker runs a worker whose handlers go on until they are stopped.
func helperWorker(addrs []string, ttl string, out io.Writer) error {
	leaseTTL, err := time.ParseDuration(ttl)
	if err != nil {
		return err
	}
	c, err := client.Dial(addrs, client.WithRetryTimeout(nodetest.Patience))
	if err != nil {
		return err
	}
	defer c.Close()
	reports := make(chan helperReport)
	go func() {
		for report := range reports {
			_ = json.NewEncoder(out).Encode(report)
		}
	}()
	w, err := client.NewWorker(c, client.Handlers{"email": func(ctx context.Context, run *client.Run) (any, error) {
		id := run.Process().ID
		reports <- helperReport{Began: id}
		<-ctx.Done()
		report := helperReport{Stopped: id, Lost: errors.Is(context.Cause(ctx), client.ErrLeaseLost)}
		if run.Process().Disposition == registry.Rerunnable {
			late := registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(`"by the helper"`)}
			_, err := c.CompleteProcess(context.WithoutCancel(ctx), id, late, run.Lease().Fence())
			report.Late = registry.CodeOf(err)
		}
		reports <- report
		return "by the helper", nil
	}}, client.WithWorkerID("helper"), client.WithLeaseTTL(leaseTTL), client.WithSweepInterval(100*time.Millisecond))
	if err != nil {
		return err
	}
	return w.Run(context.Background())
}

// startHelper starts a worker in a process of its own, and waits until it has
// begun this many runs.
func startHelper(t *testing.T, nodes *nodetest.Cluster, ttl time.Duration, runs int) (*exec.Cmd, *json.Decoder) {
	t.Helper()
	helper := exec.Command(os.Args[0])
	helper.Env = append(os.Environ(), helperEnv+"="+strings.Join(nodes.Addrs(), ","), helperTTLEnv+"="+ttl.String())
	helper.Stderr = os.Stderr
	out, err := helper.StdoutPipe()
	check(t, err)
	check(t, helper.Start())
	t.Cleanup(func() {
		if helper.ProcessState == nil {
			_ = helper.Process.Kill()
			_ = helper.Wait()
		}
	})
	reports := json.NewDecoder(out)
	for range runs {
		var report helperReport
		if check(t, reports.Decode(&report)); report.Began == "" {
			t.Fatalf("the helper says %+v", report)
		}
	}
	return helper, reports
}

// TestTheWorkOfAKilledWorkerMovesOn: a neighbour sees that it died, long before
// its leases end. What may be run again is run again, and what only the dead one
// could go on with is abandoned in its name.
func TestTheWorkOfAKilledWorkerMovesOn(t *testing.T) {
	nodes := nodetest.Start(t, 3, nil)
	c := dial(t, nodes)
	registerWork(t, c, "free", registry.Rerunnable)
	registerWork(t, c, "bound", registry.OwnerBound)
	helper, _ := startHelper(t, nodes, time.Hour, 2)
	pid := helper.Process.Pid
	check(t, helper.Process.Signal(syscall.SIGKILL))
	_ = helper.Wait() // a zombie is not dead yet

	attempts := make(chan uint64, 2)
	startWorker(t, dial(t, nodes), func(_ context.Context, run *client.Run) (any, error) {
		attempts <- run.Attempt()
		return "by the neighbour", nil
	}, client.WithSweepInterval(50*time.Millisecond))
	if output := awaitState(t, c, "free", registry.StateCompleted).Status.AwaitOutput; string(output.Value) != `"by the neighbour"` {
		t.Errorf("it ended with %s", output.Value)
	}
	if attempt := next(t, attempts, "the attempt"); attempt != 2 || len(attempts) != 0 {
		t.Errorf("it was the attempt %d, and %d came after it", attempt, len(attempts))
	}
	record := awaitState(t, c, "bound", registry.StateAbandoned)
	evidence := record.Status.AwaitOutput.Evidence
	if evidence.Writer != registry.WriterSweep || *evidence.Owner != record.FirstStarted.Owner || evidence.Owner.OwnerID != "helper" || evidence.Owner.Liveness.PID != uint32(pid) {
		t.Errorf("it ended with %+v, the dead one was %d", evidence, pid)
	}
}

// TestTheWorkOfAStoppedWorkerMovesOn: nobody can tell that it will not go on, so
// its work moves on when its leases end. Going on, it writes nothing; what only
// it could go on with it abandons itself.
func TestTheWorkOfAStoppedWorkerMovesOn(t *testing.T) {
	nodes := nodetest.Start(t, 3, nil)
	c := dial(t, nodes)
	registerWork(t, c, "free", registry.Rerunnable)
	registerWork(t, c, "bound", registry.OwnerBound)
	helper, reports := startHelper(t, nodes, time.Second, 2)
	check(t, helper.Process.Signal(syscall.SIGSTOP))

	startWorker(t, dial(t, nodes), func(context.Context, *client.Run) (any, error) { return "by the next", nil }, client.WithSweepInterval(50*time.Millisecond))
	awaitState(t, c, "free", registry.StateCompleted)
	awaitState(t, c, "bound", registry.StateRunning)

	check(t, helper.Process.Signal(syscall.SIGCONT))
	for range 2 {
		var report helperReport
		check(t, reports.Decode(&report))
		if !report.Lost || report.Stopped == "free" && report.Late != registry.CodeFenced {
			t.Errorf("the helper says %+v", report)
		}
	}
	record := awaitState(t, c, "bound", registry.StateAbandoned)
	if evidence := record.Status.AwaitOutput.Evidence; evidence.Writer != registry.WriterOwnerDrain || *evidence.Owner != record.FirstStarted.Owner {
		t.Errorf("it ended with %+v", evidence)
	}
	if output := awaitState(t, c, "free", registry.StateCompleted).Status.AwaitOutput; string(output.Value) != `"by the next"` {
		t.Errorf("it ended with %s", output.Value)
	}
}
