package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

// retries counts what a client tries again, by the code of the refusal.
type retries struct {
	slog.Handler
	mu     sync.Mutex
	byCode map[string]int
}

func (r *retries) Enabled(context.Context, slog.Level) bool { return true }

func (r *retries) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(attr slog.Attr) bool {
		if attr.Key == "code" {
			r.mu.Lock()
			r.byCode[attr.Value.String()]++
			r.mu.Unlock()
		}
		return true
	})
	return nil
}

// rollingLoad is what goes on while the nodes are restarted.
type rollingLoad struct {
	t       *testing.T
	client  *client.Client
	running sync.WaitGroup
	// over is set when the load should end.
	over atomic.Bool
	// acked is how many events each process has, as its writer knows.
	acked []atomic.Uint64
	// slowest is the longest time of a write, in nanoseconds.
	slowest atomic.Int64
	reads   atomic.Uint64
}

// pace keeps the load from taking the processors from the elections.
const pace = 4 * time.Millisecond

func rollingID(i int) string { return fmt.Sprintf("rolling-%d", i) }

// write appends events to a process of its own. Every one must be acked as the
// next one: a lost or a doubled event shows in the sequence.
func (l *rollingLoad) write(i int) {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for !l.over.Load() {
		<-ticker.C
		began := time.Now()
		n := l.acked[i].Load() + 1
		event, err := l.client.AppendEvent(l.t.Context(), rollingID(i), registry.ProcessEventAppendRequest{
			EventType: "note", Payload: registry.JSON(fmt.Sprint(n)),
		}, nil)
		if err != nil {
			l.t.Errorf("writer %d, event %d: %v, %v", i, n, registry.CodeOf(err), err)
			return
		}
		if event.Event.Sequence != n {
			l.t.Errorf("writer %d: event %d was acked with sequence %d", i, n, event.Event.Sequence)
			return
		}
		l.acked[i].Store(n)
		l.slowest.Store(max(l.slowest.Load(), int64(time.Since(began))))
	}
}

// read asks for the last event that was acked before.
func (l *rollingLoad) read(i int) {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for !l.over.Load() {
		<-ticker.C
		n := l.acked[i].Load()
		if n == 0 {
			continue
		}
		page, err := l.client.EventsAfter(l.t.Context(), rollingID(i), n-1, registry.PageRequest{})
		if err != nil {
			l.t.Errorf("reader %d: %v, %v", i, registry.CodeOf(err), err)
			return
		}
		if len(page.Items) == 0 || page.Items[0].Sequence != n || string(page.Items[0].Payload) != fmt.Sprint(n) {
			l.t.Errorf("reader %d: event %d was acked and is not read: %+v", i, n, page.Items)
			return
		}
		l.reads.Add(1)
	}
}

// newestTerm is the highest term of the members that answer one of the nodes.
func (s *site) newestTerm(addrs ...string) uint64 {
	s.t.Helper()
	c, err := client.Dial(addrs)
	s.check(err)
	defer c.Close()
	status, err := c.ClusterStatus(s.t.Context())
	s.check(err)
	newest := uint64(0)
	for _, member := range status.Members {
		newest = max(newest, member.Term)
	}
	return newest
}

// TestRollingRestart restarts the nodes one after the other, as an operator
// does for a new version, while clients work. None of their calls may fail or
// end in doubt: what is refused meanwhile is refused for certain, and the
// client tries it again.
func TestRollingRestart(t *testing.T) {
	const writers, readers = 4, 2
	s := newSite(t, 3)
	tried := &retries{Handler: slog.DiscardHandler, byCode: make(map[string]int)}
	c, err := client.Dial(s.cluster.Addrs(), client.WithLogger(slog.New(tried)))
	s.check(err)
	defer c.Close()
	load := &rollingLoad{t: t, client: c, acked: make([]atomic.Uint64, writers)}
	for i := range writers {
		_, err := c.RegisterProcess(t.Context(), registry.ProcessRegistration{
			ID: rollingID(i), Disposition: registry.Rerunnable, Identity: registry.ProcessIdentity{Kind: "external"},
			Input:      registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON("null")},
			EventTypes: []registry.ProcessEventType{{Name: "note", PayloadSchema: registry.JSON("{}")}},
		})
		s.check(err)
	}
	for i := range writers {
		load.running.Go(func() { load.write(i) })
	}
	for i := range readers {
		load.running.Go(func() { load.read(i) })
	}
	// Whatever ends the test ends the load first: it must not outlive it.
	defer load.running.Wait()
	defer load.over.Store(true)

	// progress waits until every writer has had some more events acked.
	progress := func() {
		for i := range writers {
			before := load.acked[i].Load()
			eventually(t, "the writers go on", func() error {
				if t.Failed() || load.acked[i].Load() >= before+10 {
					return nil
				}
				return fmt.Errorf("writer %d stands at %d", i, before)
			})
		}
	}
	handovers := 0
	for restart := 0; restart < s.cluster.Len()+1 && !t.Failed(); restart++ {
		progress()
		leader, err := s.cluster.Leader(t.Context())
		s.check(err)
		next := restart
		if restart == s.cluster.Len() {
			next = leader // so that at least two restarts meet the leader
		}
		node := s.cluster.Node(next)
		var others []string
		for i := range s.cluster.Len() {
			if i != next {
				others = append(others, s.cluster.Node(i).Addr)
			}
		}
		before := s.newestTerm(others...)
		began := time.Now()
		s.check(node.Stop())
		stopped := time.Since(began)
		if next == leader {
			handovers++
			if after := s.newestTerm(others...); after <= before {
				t.Errorf("%s led term %d and is gone, and the others have not begun another: it handed nothing over", node.ID, before)
			}
		}
		s.check(node.Start())
		s.check(node.AwaitReady(t.Context()))
		t.Logf("restarted %s, leader %v: stopped in %v, ready after %v", node.ID, next == leader, stopped.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	}
	if !t.Failed() {
		progress()
	}
	load.over.Store(true)
	load.running.Wait()
	if handovers == 0 {
		t.Error("no leader was restarted")
	}

	total := uint64(0)
	for i := range writers {
		total += load.acked[i].Load()
		events := uint64(0)
		for {
			page, err := c.EventsAfter(t.Context(), rollingID(i), events, registry.PageRequest{})
			s.check(err)
			if len(page.Items) == 0 {
				break
			}
			for _, event := range page.Items {
				events++
				if event.Sequence != events || string(event.Payload) != fmt.Sprint(events) {
					t.Fatalf("%s: event %d is %+v", rollingID(i), events, event)
				}
			}
		}
		if events != load.acked[i].Load() {
			t.Errorf("%s: %d events are stored, %d were acked", rollingID(i), events, load.acked[i].Load())
		}
	}
	if report := s.verify(); !report.State.Agree {
		t.Errorf("%+v", report.State)
	}
	tried.mu.Lock()
	defer tried.mu.Unlock()
	t.Logf("%d writes, %d reads, %d leaders restarted, tried again: %v, slowest write %v",
		total, load.reads.Load(), handovers, tried.byCode, time.Duration(load.slowest.Load()).Round(time.Millisecond))
	if tried.byCode[registry.CodeOutcomeUnknown.String()] > 0 {
		t.Error("a call whose outcome was unknown was tried again")
	}
}
