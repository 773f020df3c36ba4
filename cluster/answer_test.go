package cluster

import (
	"fmt"
	"sync"
	"testing"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestAnswersNameTheRevisionThatTheyAreOf has many callers write and read at
// once. Every write gets the revision that it made and not that of the entry
// that it shares with others; every read gets the revision of what it read and
// not that of a moment later. Each write here changes the same process, so the
// process's own revision tells which one that is.
func TestAnswersNameTheRevisionThatTheyAreOf(t *testing.T) {
	leader := newTestCluster(t, 1, nil).leader()
	if _, err := leader.RegisterProcess(t.Context(), registry.ProcessRegistration{
		ID: "p", Disposition: registry.Rerunnable, Identity: registry.ProcessIdentity{Kind: "external"},
		Input:      registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON("null")},
		EventTypes: []registry.ProcessEventType{{Name: "note", PayloadSchema: registry.JSON("{}")}},
	}); err != nil {
		t.Fatal(err)
	}
	const writers, writes = 16, 40
	var mu sync.Mutex
	made := make(map[uint64]string)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range writes {
				name := fmt.Sprintf("%d/%d", w, i)
				var info registry.AnswerInfo
				request := registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON("1")}
				result, err := leader.AppendEvent(registry.WithAnswerInfo(t.Context(), &info), "p", request, nil)
				if err != nil {
					t.Errorf("append %s: %v", name, err)
					return
				}
				// The registration made revision 1, each event one more.
				if want := result.Event.Sequence + 1; info.Revision != want {
					t.Errorf("append %s made revision %d and was answered with %d", name, want, info.Revision)
				}
				mu.Lock()
				if other := made[info.Revision]; other != "" {
					t.Errorf("appends %s and %s both got revision %d", other, name, info.Revision)
				}
				made[info.Revision] = name
				mu.Unlock()
				record, err := leader.GetProcess(registry.WithAnswerInfo(t.Context(), &info), "p")
				if err != nil {
					t.Errorf("read after append %s: %v", name, err)
					return
				}
				if record.Revision != info.Revision {
					t.Errorf("a read of revision %d was answered with %d", record.Revision, info.Revision)
				}
			}
		})
	}
	all.Wait()
}

// TestAReadIsAnsweredWithTheRevisionThatItSaw holds reads up until a write
// waits for them to end, so that it is applied as soon as they have.
func TestAReadIsAnsweredWithTheRevisionThatItSaw(t *testing.T) {
	c := newTestCluster(t, 1, nil)
	leader := c.leader()
	for i := range 20 {
		var info registry.AnswerInfo
		var seen uint64
		var write sync.WaitGroup
		err := leader.Read(registry.WithAnswerInfo(t.Context(), &info), func(v fsm.View) {
			seen = v.Position().Revision
			before := leader.raft.AppliedIndex()
			write.Go(func() { mustRegister(t, leader, fmt.Sprint("p", i)) })
			// Raft counts an entry before the state machine gets it.
			c.eventually("the write is on its way to the state machine", func() bool { return leader.raft.AppliedIndex() > before })
		})
		write.Wait()
		if err != nil {
			t.Fatal(err)
		}
		if info.Revision != seen {
			t.Fatalf("a read saw revision %d and was answered with %d", seen, info.Revision)
		}
	}
}
