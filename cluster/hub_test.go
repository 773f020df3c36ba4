package cluster

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-registry/holdfast/registry"
)

// TestTheWindowAnswersOrSaysThatItCannot holds a small window against all
// changes that there ever were.
func TestTheWindowAnswersOrSaysThatItCannot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHub(rapid.IntRange(1, 12).Draw(t, "limit"))
		var all []registry.ProcessChange
		var revision, lost uint64
		t.Repeat(map[string]func(*rapid.T){
			"an entry is applied": func(t *rapid.T) {
				var changes []registry.ProcessChange
				for range rapid.IntRange(0, 4).Draw(t, "commands") {
					revision++
					for range rapid.IntRange(1, 3).Draw(t, "rows") {
						changes = append(changes, registry.ProcessChange{Revision: revision, ProcessID: fmt.Sprint(len(all) + len(changes))})
					}
				}
				h.publish(changes)
				all = append(all, changes...)
			},
			"a snapshot is restored": func(t *rapid.T) {
				revision += rapid.Uint64Range(0, 3).Draw(t, "jump")
				lost = revision
				h.reset(revision)
			},
			"": func(t *rapid.T) {
				after := rapid.Uint64Range(0, revision).Draw(t, "after")
				got, more, kept := h.behind(after)
				if !kept {
					if len(h.window.ring) < h.window.limit && after >= lost {
						t.Fatalf("what is behind revision %d was given up with room for it", after)
					}
					return
				}
				if after < lost {
					t.Fatalf("changes behind revision %d, those up to %d are not known", after, lost)
				}
				want := slices.DeleteFunc(slices.Clone(all), func(c registry.ProcessChange) bool { return c.Revision <= after })
				if !slices.Equal(got, want) {
					t.Fatalf("behind revision %d: %v, want %v", after, got, want)
				}
				if (more != nil) != (len(got) == 0) {
					t.Fatalf("%d changes, and a channel to wait on: %v", len(got), more != nil)
				}
			},
		})
	})
}

func TestAPageOfChangesNeverSplitsARevision(t *testing.T) {
	h := newHub(windowChanges)
	changes := make([]registry.ProcessChange, 3*registry.WatchPageRows)
	for i := range changes {
		// Revisions of one change, then a large one, then of one again.
		changes[i] = registry.ProcessChange{ProcessID: "p", Revision: uint64(min(i, 100) + max(0, i-2*registry.WatchPageRows) + 1)}
	}
	h.publish(changes)
	var got []registry.ProcessChange
	for after := uint64(0); ; after = got[len(got)-1].Revision {
		page, _, kept := h.behind(after)
		if !kept {
			t.Fatal("not kept")
		}
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	if !slices.Equal(got, changes) {
		t.Errorf("read %d changes of %d", len(got), len(changes))
	}
}

func TestAFeedThatWaitsIsWoken(t *testing.T) {
	h := newHub(8)
	_, more, _ := h.behind(0)
	h.publish(nil)
	select {
	case <-more:
		t.Fatal("an entry without changes woke the feed")
	default:
	}
	h.publish([]registry.ProcessChange{{Revision: 1, ProcessID: "p"}})
	<-more
	_, more, _ = h.behind(1)
	h.reset(9)
	<-more
	if _, _, kept := h.behind(1); kept {
		t.Error("a restore left the feed in the belief that it missed nothing")
	}
}

// listener counts how often it was woken.
type listener struct {
	woken  atomic.Int64
	signal chan struct{}
}

func (h *hub) listen(processID string) (*listener, func()) {
	l := &listener{signal: make(chan struct{}, 1)}
	return l, h.followers.follow(processID, func() {
		l.woken.Add(1)
		select {
		case l.signal <- struct{}{}:
		default:
		}
	})
}

func runningHub(t *testing.T, limit int) *hub {
	h, closing, done := newHub(limit), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		h.run(closing)
	}()
	t.Cleanup(func() {
		close(closing)
		<-done
	})
	return h
}

func TestFollowersHearOfTheirProcessOnly(t *testing.T) {
	h := runningHub(t, 8)
	p1, _ := h.listen("p")
	p2, unfollow := h.listen("p")
	q, _ := h.listen("q")
	h.publish([]registry.ProcessChange{{Revision: 1, ProcessID: "p"}})
	<-p1.signal
	<-p2.signal
	unfollow()
	unfollow()
	h.publish([]registry.ProcessChange{{Revision: 2, ProcessID: "r"}, {Revision: 3, ProcessID: "p"}, {Revision: 4, ProcessID: "q"}})
	<-p1.signal
	<-q.signal
	if got := [...]int64{p1.woken.Load(), p2.woken.Load(), q.woken.Load(), h.followers.count.Load()}; got != [...]int64{2, 1, 1, 2} {
		t.Errorf("woken %v", got)
	}
	h.reset(100)
	<-p1.signal
	<-q.signal
}

func TestFollowersOfAFullWindowAreAllWoken(t *testing.T) {
	h := newHub(4)
	p, _ := h.listen("p")
	for revision := range uint64(9) {
		h.publish([]registry.ProcessChange{{Revision: revision + 1, ProcessID: "q"}})
	}
	closing := make(chan struct{})
	defer close(closing)
	go h.run(closing)
	<-p.signal
}

// TestFollowersComeAndGo has many of them do so while changes are published,
// and ends with nobody left behind.
func TestFollowersComeAndGo(t *testing.T) {
	h := runningHub(t, 64)
	stop := make(chan struct{})
	var publishing, following sync.WaitGroup
	publishing.Go(func() {
		for revision := uint64(1); ; revision++ {
			select {
			case <-stop:
				return
			default:
				h.publish([]registry.ProcessChange{{Revision: revision, ProcessID: fmt.Sprint(revision % 5)}})
			}
		}
	})
	for i := range 16 {
		following.Go(func() {
			for range 200 {
				a, forgetA := h.listen(fmt.Sprint(i % 5))
				_, forgetB := h.listen(fmt.Sprint(i % 3))
				<-a.signal
				forgetB()
				forgetA()
			}
		})
	}
	following.Wait()
	close(stop)
	publishing.Wait()
	if n := h.followers.count.Load(); n != 0 || len(h.followers.byProcess) != 0 {
		t.Errorf("%d followers of %d processes are left", n, len(h.followers.byProcess))
	}
}

// BenchmarkPublish is what an entry of 64 commands costs the state machine, with
// ten thousand followers of other processes.
func BenchmarkPublish(b *testing.B) {
	for _, followers := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("%d followers", followers), func(b *testing.B) {
			h := newHub(windowChanges)
			closing := make(chan struct{})
			defer close(closing)
			go h.run(closing)
			for i := range followers {
				h.followers.follow(fmt.Sprint("f", i), func() {})
			}
			changes := make([]registry.ProcessChange, 64)
			b.ReportAllocs()
			for b.Loop() {
				for i := range changes {
					changes[i] = registry.ProcessChange{Revision: changes[i].Revision + 64, ProcessID: "p"}
				}
				h.publish(changes)
			}
		})
	}
}
