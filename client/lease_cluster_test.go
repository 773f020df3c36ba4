package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

// workerEnv makes this test binary the worker of TestAPausedWorkerWritesNothing;
// it holds the addresses of the cluster.
const workerEnv = "HOLDFAST_TEST_PAUSED_WORKER"

func TestMain(m *testing.M) {
	if addrs := os.Getenv(helperEnv); addrs != "" {
		if err := helperWorker(strings.Split(addrs, ","), os.Getenv(helperTTLEnv), os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if addrs := os.Getenv(workerEnv); addrs != "" {
		if err := pausedWorker(strings.Split(addrs, ","), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// clusterOf starts three nodes with a process called p.
func clusterOf(t *testing.T) (*nodetest.Cluster, *client.Client) {
	t.Helper()
	nodes := nodetest.Start(t, 3, nil)
	c := dial(t, nodes)
	input := registry.ProcessInput{Kind: registry.InputExternal}
	_, err := c.RegisterProcess(t.Context(), registry.ProcessRegistration{
		ID: "p", Input: input, Identity: registry.DeriveIdentity(input), Disposition: registry.Rerunnable, Fencing: registry.FencingRequired,
		EventTypes: []registry.ProcessEventType{{Name: "note", PayloadSchema: registry.JSON(`{}`)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return nodes, c
}

func dial(t *testing.T, nodes *nodetest.Cluster) *client.Client {
	t.Helper()
	c, err := client.Dial(nodes.Addrs(), client.WithRetryTimeout(nodetest.Patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// awaitRenewals waits until a lease ends this much later than it did.
func awaitRenewals(t *testing.T, l *client.Lease, later time.Duration) {
	t.Helper()
	until := l.Lease().ExpiresAtMs + uint64(later.Milliseconds())
	for deadline := time.Now().Add(nodetest.Patience); l.Lease().ExpiresAtMs < until; time.Sleep(time.Millisecond) {
		if err := l.Err(); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not renewed any more")
		}
	}
}

func note(ctx context.Context, l *client.Lease) error {
	_, err := l.AppendEvent(ctx, registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON(`"by the handle"`)})
	return err
}

func events(t *testing.T, c *client.Client) int {
	t.Helper()
	count := 0
	for _, err := range c.AllEvents(t.Context(), "p", 0) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	return count
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestALeaseOnACluster(t *testing.T) {
	nodes, c := clusterOf(t)
	me, other := client.LocalOwner("me"), client.LocalOwner("other")

	// Renewed for longer than its ttl, it keeps others out.
	const ttl = 900 * time.Millisecond
	lease, err := c.Claim(t.Context(), "p", me, ttl)
	check(t, err)
	mine := lease.Lease()
	awaitRenewals(t, lease, 2*ttl)
	var busy *client.BusyError
	if _, err := c.Claim(t.Context(), "p", other, ttl); !errors.As(err, &busy) || busy.Holder.FencingToken != mine.FencingToken {
		t.Fatalf("a claim of a lease that is kept: %v", err)
	}
	status, err := c.CheckFence(t.Context(), "p", mine.FencingToken)
	if check(t, err); !status.Current || !status.Live || status.LeaseTimeLeftMs == 0 || status.LeaseTimeLeftMs > uint64(ttl.Milliseconds()) {
		t.Errorf("%+v", status)
	}
	record, err := lease.RecordFirstStarted(t.Context(), 1)
	if check(t, err); record.FirstStarted == nil || record.FirstStarted.Owner != me {
		t.Errorf("first started: %+v", record.FirstStarted)
	}
	check(t, note(t.Context(), lease))

	// A program that comes again under the same identity gets the same lease.
	restarted := dial(t, nodes)
	lease.Close()
	again, err := restarted.Claim(t.Context(), "p", me, 30*time.Second)
	check(t, err)
	if got := again.Lease(); got.FencingToken != mine.FencingToken || got.LeaseToken != mine.LeaseToken || got.ClaimedAtMs != mine.ClaimedAtMs {
		t.Fatalf("claimed again: %+v, was %+v", got, mine)
	}
	check(t, note(t.Context(), again))

	// Superseded behind its back, it learns so by its next write, and its
	// release does no harm.
	check(t, c.CompleteProcessLease(t.Context(), registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: mine.LeaseToken}))
	next, err := c.Claim(t.Context(), "p", other, 30*time.Second)
	check(t, err)
	if err := note(t.Context(), again); !errors.Is(err, registry.ErrFenced) {
		t.Errorf("a superseded write: %v", err)
	}
	if cause := context.Cause(again.Context()); !errors.Is(cause, client.ErrLeaseLost) || !errors.Is(cause, registry.ErrFenced) {
		t.Errorf("it ended by %v", cause)
	}
	check(t, again.Release(t.Context()))
	status, err = restarted.CheckFence(t.Context(), "p", mine.FencingToken)
	if check(t, err); status.Current || status.Live || status.FencingToken != next.Lease().FencingToken {
		t.Errorf("of the old token: %+v", status)
	}
	_, err = next.CompleteProcess(t.Context(), registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("1")})
	check(t, err)
	check(t, next.Release(t.Context()))
	if held, err := c.GetProcessLease(t.Context(), "p"); err != nil || held != nil {
		t.Errorf("after the release: %+v, %v", held, err)
	}
	if n := events(t, c); n != 3 {
		t.Errorf("%d events, and two notes and an end were stored", n)
	}
}

func TestALeaseIsKeptOverAChangeOfLeader(t *testing.T) {
	nodes, c := clusterOf(t)
	lease, err := c.Claim(t.Context(), "p", client.LocalOwner("me"), 9*time.Second)
	check(t, err)
	leader := nodes.AwaitLeader()
	nodes.Stop(leader)
	awaitRenewals(t, lease, 3*time.Second)
	check(t, note(t.Context(), lease))
	if err := lease.Err(); err != nil || lease.Context().Err() != nil {
		t.Errorf("%v, context %v", err, lease.Context().Err())
	}
	check(t, lease.Release(t.Context()))
}

// workerReport is what the worker found when it went on.
type workerReport struct {
	// Write is the code of its first write, through the handle.
	Write registry.Code
	// Lost tells that that was ErrLeaseLost; Definite, that nothing happened.
	Lost, Definite bool
	// Raw is the code of the same write past the handle, under the same fence.
	Raw registry.Code
	// Cause is why the handle's context ended, as far as it did.
	Cause string
	Ended bool
}

// pausedWorker claims p, says so, and writes when it is told to.
func pausedWorker(addrs []string, in io.Reader, out io.Writer) error {
	c, err := client.Dial(addrs, client.WithRetryTimeout(nodetest.Patience))
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := context.Background()
	lease, err := c.Claim(ctx, "p", client.LocalOwner("worker"), time.Second)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(lease.Lease()); err != nil {
		return err
	}
	if _, err := bufio.NewReader(in).ReadString('\n'); err != nil {
		return err
	}

	err = note(ctx, lease)
	report := workerReport{Write: registry.CodeOf(err), Lost: errors.Is(err, client.ErrLeaseLost), Definite: registry.IsDefinite(err)}
	_, err = c.AppendEvent(ctx, "p", registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON(`"past the handle"`)}, lease.Fence())
	report.Raw = registry.CodeOf(err)
	select {
	case <-lease.Context().Done():
		report.Ended, report.Cause = true, fmt.Sprint(context.Cause(lease.Context()))
	case <-time.After(nodetest.Patience):
	}
	return json.NewEncoder(out).Encode(report)
}

// TestAPausedWorkerWritesNothing stops a real process for longer than its lease.
// It goes on only when another owner has the process.
func TestAPausedWorkerWritesNothing(t *testing.T) {
	nodes, c := clusterOf(t)
	worker := exec.Command(os.Args[0])
	worker.Env = append(os.Environ(), workerEnv+"="+strings.Join(nodes.Addrs(), ","))
	worker.Stderr = os.Stderr
	in, err := worker.StdinPipe()
	check(t, err)
	out, err := worker.StdoutPipe()
	check(t, err)
	check(t, worker.Start())
	t.Cleanup(func() {
		_ = worker.Process.Kill()
		_ = worker.Wait()
	})
	answers := json.NewDecoder(out)
	var held registry.ProcessLease
	check(t, answers.Decode(&held))

	check(t, worker.Process.Signal(syscall.SIGSTOP))
	var next *client.Lease
	for deadline := time.Now().Add(nodetest.Patience); next == nil; time.Sleep(20 * time.Millisecond) {
		next, err = c.Claim(t.Context(), "p", client.LocalOwner("next"), 30*time.Second)
		var busy *client.BusyError
		if err != nil && !errors.As(err, &busy) {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the lease of a process that stands still does not end")
		}
	}
	_, err = io.WriteString(in, "go on\n")
	check(t, err)
	check(t, worker.Process.Signal(syscall.SIGCONT))

	var report workerReport
	check(t, answers.Decode(&report))
	if report.Write != registry.CodeLeaseExpired || !report.Lost || !report.Definite {
		t.Errorf("its first write was not refused on the spot: %+v", report)
	}
	if report.Raw != registry.CodeFenced {
		t.Errorf("its write past the handle was not fenced: %+v", report)
	}
	if !report.Ended {
		t.Error("its context goes on")
	}
	if n := events(t, c); n != 0 {
		t.Errorf("%d events were stored", n)
	}
	if token := next.Lease().FencingToken; token <= held.FencingToken {
		t.Errorf("fencing token %d follows %d", token, held.FencingToken)
	}
	check(t, note(t.Context(), next))
	check(t, next.Release(t.Context()))
}
