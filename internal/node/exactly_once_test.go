package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
)

// lossyProxy stands before a node and loses answers: every so many pieces that
// the node sends, it swallows one and cuts the connection, with all that was
// under way on it.
type lossyProxy struct {
	listener net.Listener
	node     string
	every    int64
	pieces   atomic.Int64
	lost     atomic.Int64
}

func startLossyProxy(t *testing.T, node string, every int64) *lossyProxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &lossyProxy{listener: listener, node: node, every: every}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p
}

func (p *lossyProxy) serve(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", p.node)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		io.Copy(to, from)
		to.Close()
	}()
	piece := make([]byte, 32<<10)
	for {
		n, err := to.Read(piece)
		if err != nil {
			return
		}
		if p.pieces.Add(1)%p.every == 0 {
			p.lost.Add(1)
			return
		}
		if _, err := from.Write(piece[:n]); err != nil {
			return
		}
	}
}

// TestEveryWriteHappensOnceThoughAnswersAreLost: 10,000 mixed writes over
// connections that lose answers all the time. Each is acked, has happened
// once, and was answered with what happened the first time.
func TestEveryWriteHappensOnceThoughAnswersAreLost(t *testing.T) {
	c := nodetest.Start(t, 3, nil)
	proxies := map[string]*lossyProxy{}
	for _, addr := range c.Addrs() {
		proxies[addr] = startLossyProxy(t, addr, 97)
	}
	dial := grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", proxies[addr].listener.Addr().String())
	})
	lossy, err := client.Dial(c.Addrs(), client.WithRetryTimeout(nodetest.Patience), client.WithDialOptions(dial))
	if err != nil {
		t.Fatal(err)
	}
	defer lossy.Close()
	direct, err := client.Dial(c.Addrs())
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()

	const writers, rounds, perRound = 20, 100, 5
	fencings := make([][]uint64, writers)
	var running sync.WaitGroup
	for i := range writers {
		running.Go(func() {
			w := &onceWriter{client: lossy, process: fmt.Sprintf("once-%d", i), session: registry.SessionScope{SessionID: fmt.Sprintf("s-%d", i)}}
			if err := w.run(t.Context(), rounds); err != nil {
				t.Errorf("%s: %v", w.process, err)
			}
			fencings[i] = w.fencings
		})
	}
	running.Wait()
	var lost int64
	for _, p := range proxies {
		lost += p.lost.Load()
	}
	t.Logf("%d writes, %d connections cut over an answer", writers*rounds*perRound, lost)
	if lost < 20 {
		t.Errorf("only %d answers were lost: this test shows nothing", lost)
	}
	seen := map[uint64]bool{}
	for i := range writers {
		events := 0
		for event, err := range direct.AllEvents(t.Context(), fmt.Sprintf("once-%d", i), 0) {
			if err != nil {
				t.Fatal(err)
			}
			events++
			if want := fmt.Sprintf(`{"n":%d}`, events); string(event.Payload) != want {
				t.Fatalf("event %d of writer %d is %s", events, i, event.Payload)
			}
		}
		if events != 2*rounds {
			t.Errorf("writer %d: %d events, %d were appended", i, events, 2*rounds)
		}
		for _, token := range fencings[i] {
			if seen[token] {
				t.Errorf("the fencing token %d was given twice", token)
			}
			seen[token] = true
		}
	}
	// A claim that happened twice would have used up a number.
	if len(seen) != writers*rounds || !seen[1] || !seen[uint64(len(seen))] {
		t.Errorf("%d tokens for %d claims, or not from 1 on without a gap", len(seen), writers*rounds)
	}
}

// onceWriter makes writes none of which may be repeated without harm.
type onceWriter struct {
	client   *client.Client
	process  string
	session  registry.SessionScope
	appended uint64
	fencings []uint64
}

func (w *onceWriter) run(ctx context.Context, rounds int) error {
	_, err := w.client.RegisterProcess(ctx, registry.ProcessRegistration{
		ID: w.process, Input: registry.ProcessInput{Kind: registry.InputExternal}, Disposition: registry.Rerunnable,
		Identity:   registry.ProcessIdentity{Kind: "external"},
		EventTypes: []registry.ProcessEventType{{Name: "n", PayloadSchema: registry.JSON(`{}`)}},
	})
	if err != nil {
		return err
	}
	if _, err := w.client.GrantHandle(ctx, w.session, w.process, registry.ProcessHandleDescriptor{}); err != nil {
		return err
	}
	other := registry.SessionScope{SessionID: w.session.SessionID, AgentFrameID: "f"}
	for round := range rounds {
		claim, err := w.client.ClaimProcessLease(ctx, w.process, registry.LeaseOwnerIdentity{OwnerID: w.process, IncarnationID: fmt.Sprint(round)}, 60_000)
		if err != nil || claim.Acquired == nil {
			return fmt.Errorf("claim: %+v, %w", claim, err)
		}
		w.fencings = append(w.fencings, claim.Acquired.FencingToken)
		for range 2 {
			if err := w.append(ctx, claim.Acquired.Fence()); err != nil {
				return err
			}
		}
		// Moving a grant that was moved already would be refused.
		if err := w.client.TransferHandleGrants(ctx, w.session, other, []string{w.process}); err != nil {
			return fmt.Errorf("transfer: %w", err)
		}
		w.session, other = other, w.session
		if err := w.client.CompleteProcessLease(ctx, registry.ProcessLeaseCompletion{ProcessID: w.process, LeaseToken: claim.Acquired.LeaseToken}); err != nil {
			return fmt.Errorf("release: %w", err)
		}
	}
	return nil
}

func (w *onceWriter) append(ctx context.Context, fence *registry.Fence) error {
	w.appended++
	result, err := w.client.AppendEvent(ctx, w.process, registry.ProcessEventAppendRequest{
		EventType: "n", Payload: registry.JSON(fmt.Sprintf(`{"n":%d}`, w.appended)),
	}, fence)
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	if result.Event.Sequence != w.appended {
		return errors.Join(fmt.Errorf("append %d was answered with event %d", w.appended, result.Event.Sequence))
	}
	return nil
}

// TestAWriteThatWasGivenUpIsSettled: its client kept the session, and asks
// afterwards what became of it.
func TestAWriteThatWasGivenUpIsSettled(t *testing.T) {
	c := nodetest.Start(t, 3, nil)
	direct, err := client.Dial(c.Addrs())
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	session, err := direct.OpenSession(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stamp := registry.SessionStamp{ID: session, Sequence: 1, Floor: 1}
	w := &onceWriter{client: direct, process: "p", session: registry.SessionScope{SessionID: "s"}}
	if err := w.run(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.append(registry.WithSession(ctx, stamp), nil); err != nil {
		t.Fatal(err)
	}
	// The leader that answered goes; what it answered stays.
	leader := c.AwaitLeader()
	c.Stop(leader)
	if outcome, err := direct.SettleWrite(ctx, stamp); err != nil || !outcome.Done || outcome.Refusal != nil {
		t.Errorf("a write that took effect: %+v (%v)", outcome, err)
	}
	stamp.Sequence = 2
	if outcome, err := direct.SettleWrite(ctx, stamp); err != nil || outcome.Done {
		t.Errorf("a write that was never sent: %+v (%v)", outcome, err)
	}
	if err := w.append(registry.WithSession(ctx, stamp), nil); registry.CodeOf(err) != registry.CodeSessionExpired {
		t.Errorf("its late attempt: %v", err)
	}
}
