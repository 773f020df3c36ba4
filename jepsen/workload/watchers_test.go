package workload

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/jepsen/check"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/jepsen/network"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestStreamsAreJudgedRightOverASoundNode follows streams of a real node while
// others work on it and connections break: whatever is found there is a fault of
// the watchers or of a checker.
func TestStreamsAreJudgedRightOverASoundNode(t *testing.T) {
	cluster := nodetest.Start(t, 1, nil)
	c, err := client.Dial(cluster.Addrs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	recorder, err := history.NewRecorder(filepath.Join(t.TempDir(), history.File))
	if err != nil {
		t.Fatal(err)
	}
	w, err := ByName("watch")
	if err != nil {
		t.Fatal(err)
	}
	watchers := NewWatchers(recorder, 1)
	proxy := network.NewProxy()
	t.Cleanup(func() { proxy.Close() })
	front, err := proxy.Front("n1", cluster.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"w1", "w2", "w3"} {
		watcher, err := DialWatcher(name, []string{front}, map[string]string{front: "n1"}, recorder)
		if err != nil {
			t.Fatal(err)
		}
		watchers.Add(watcher)
	}
	load, stop := context.WithTimeout(t.Context(), 6*time.Second)
	defer stop()
	watchers.Start(load)
	// Not to the end: a stream that is opened again has no need to be woken.
	cuts, calm := context.WithTimeout(load, 3*time.Second)
	defer calm()
	var cutting sync.WaitGroup
	cutting.Go(func() {
		cut := time.NewTicker(500 * time.Millisecond)
		defer cut.Stop()
		for cuts.Err() == nil {
			<-cut.C
			proxy.Reset(network.Link{From: network.Clients, To: "n1"})
		}
	})
	work := NewClient("c1", c, recorder)
	w.Run(load, []*Client{work, NewClient("c2", c, recorder)}, 1)
	cutting.Wait()
	if err := ReadBack(t.Context(), work, recorder.Processes()); err != nil {
		t.Fatal(err)
	}
	watchers.CatchUp(t.Context())
	state, err := c.VerifyState(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	recorder.State(state)
	if err := watchers.Close(); err != nil {
		t.Fatal(err)
	}
	h, err := recorder.Close()
	if err != nil {
		t.Fatal(err)
	}
	verdicts := check.Judge(h, check.Options{Complete: true})
	for _, v := range verdicts.Violations() {
		t.Error(v)
	}
	expectStreams(t, h)
}

// expectStreams fails for a history that does not have a bit of everything.
func expectStreams(t *testing.T, h *history.History) {
	t.Helper()
	seen := make(map[string]bool)
	for _, s := range h.Streams {
		kind := "watch"
		if s.Process == "" {
			kind = "feed"
		}
		switch {
		case s.Resumes != nil:
			seen[kind+" that goes on"] = true
		case len(s.Items) > 0:
			seen[kind] = true
		}
		if s.Code != 0 {
			seen[s.Code.String()] = true
		}
		for _, item := range s.Items {
			if item.Node != "n1" {
				t.Fatalf("stream %d: an item came from %q", s.Index, item.Node)
			}
		}
		if !s.Over() {
			t.Errorf("stream %d is not over", s.Index)
		}
	}
	for _, kind := range []string{"watch", "watch that goes on", "feed", "feed that goes on", registry.CodeLifeEnded.String(), registry.CodeNotFound.String()} {
		if !seen[kind] {
			t.Errorf("there was no %s", kind)
		}
	}
}
