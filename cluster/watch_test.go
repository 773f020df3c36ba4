package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// TestCatchingUpWithTheLeader has a follower that raft cannot reach: it must not
// take what it knows for what there is.
func TestCatchingUpWithTheLeader(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	leader := c.leader()
	mustRegister(t, leader, "before")
	behind := c.others(leader)[0]
	c.eventually("the follower knows the leader", func() bool { return behind.CatchUp(t.Context()) == nil })
	watch := registry.EventWatch{ProcessID: "before"}
	if _, err := behind.WatchEvents(watch); err != nil {
		t.Fatalf("caught up, and the process is missing: %v", err)
	}
	c.partition(behind.config.ID)
	mustRegister(t, leader, "after")
	watch.ProcessID = "after"
	if err := behind.CatchUp(short(t)); !errors.Is(err, registry.ErrNoLeader) && !errors.Is(err, registry.ErrNotLeader) {
		t.Errorf("a node that is cut off caught up: %v", err)
	}
	if _, err := behind.WatchEvents(watch); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("it knows what it cannot: %v", err)
	}
	c.heal(behind.config.ID)
	c.eventually("the follower catches up", func() bool {
		err := behind.CatchUp(t.Context())
		if err == nil {
			if _, err := behind.WatchEvents(watch); err != nil {
				t.Fatalf("caught up, and the process is missing: %v", err)
			}
		}
		return err == nil
	})
}

// TestChangesAreTheSameOnEveryNode reads the feed of each node from the start.
func TestChangesAreTheSameOnEveryNode(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	leader := c.leader()
	begin, _, err := leader.WatchChanges(registry.ChangeCursor{})
	if err != nil || begin.Cursor.ClusterID == "" {
		t.Fatalf("%+v, %v", begin, err)
	}
	var want []string
	var info registry.AnswerInfo
	ctx := registry.WithAnswerInfo(t.Context(), &info)
	for i := range 20 {
		id := fmt.Sprint("p", i%5)
		var err error
		if i < 5 {
			_, err = leader.RegisterProcess(ctx, registration(id))
		} else {
			_, err = leader.AppendEvent(ctx, id, registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON("1")}, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprint(info.Revision, id))
	}
	for _, n := range append(c.others(leader), leader) {
		cursor := begin.Cursor
		var got []string
		for len(got) < len(want) {
			page, more, err := n.WatchChanges(cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, change := range page.Changes {
				got = append(got, fmt.Sprint(change.Revision, change.ProcessID))
			}
			cursor = page.Cursor
			if more != nil {
				<-more
			}
		}
		if !slices.Equal(got, want) || cursor.Revision != info.Revision {
			t.Errorf("%s: %v up to %v, want %v", n.config.ID, got, cursor, want)
		}
	}
	for name, cursor := range map[string]registry.ChangeCursor{
		"another cluster":   {ClusterID: "other", Revision: 1},
		"another epoch":     {ClusterID: begin.Cursor.ClusterID, RestoreEpoch: 1, Revision: 1},
		"the future":        {ClusterID: begin.Cursor.ClusterID, Revision: info.Revision + 1},
		"no cluster at all": {Revision: 1},
	} {
		if page, _, err := leader.WatchChanges(cursor); !errors.Is(err, registry.ErrCompacted) {
			t.Errorf("a cursor of %s: %+v, %v", name, page, err)
		}
	}
}

// TestAfterARestoreOlderCursorsAreCompacted: a node that was sent a snapshot
// does not know how the state came about, and those who follow must look again.
func TestAfterARestoreOlderCursorsAreCompacted(t *testing.T) {
	c := newTestCluster(t, 3, func(config *Config) { config.TrailingLogs = 1 })
	leader := c.leader()
	mustRegister(t, leader, "p")
	behind := c.others(leader)[0]
	if err := behind.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, _, err := behind.WatchChanges(registry.ChangeCursor{})
	if err != nil {
		t.Fatal(err)
	}
	_, more, err := behind.WatchChanges(page.Cursor)
	if err != nil {
		t.Fatal(err)
	}
	woken := make(chan struct{}, 1)
	unfollow := behind.FollowProcess("p", func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	defer unfollow()
	c.partition(behind.config.ID)
	for i := range 50 {
		mustRegister(t, leader, fmt.Sprint("q", i))
	}
	if _, err := leader.AppendEvent(t.Context(), "p", registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON("1")}, nil); err != nil {
		t.Fatal(err)
	}
	if err := leader.TakeSnapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.heal(behind.config.ID)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for waiting := 2; waiting > 0; waiting-- {
		select {
		case <-more:
			more = nil
		case <-woken:
		case <-ctx.Done():
			t.Fatal("nobody was woken by the restore")
		}
	}
	c.eventually("the follower has caught up", func() bool { return behind.CatchUp(ctx) == nil })
	if page, _, err := behind.WatchChanges(page.Cursor); !errors.Is(err, registry.ErrCompacted) {
		t.Errorf("the cursor from before the snapshot: %+v, %v", page, err)
	}
	if events, err := behind.WatchEvents(registry.EventWatch{ProcessID: "p"}); err != nil || len(events.Events) != 1 {
		t.Errorf("%+v, %v", events, err)
	}
	present, _, err := behind.WatchChanges(registry.ChangeCursor{})
	if err != nil {
		t.Fatal(err)
	}
	mustRegister(t, c.leader(), "later")
	_, more, err = behind.WatchChanges(present.Cursor)
	if err != nil {
		t.Fatal(err)
	}
	if more != nil {
		<-more
	}
	if page, _, err := behind.WatchChanges(present.Cursor); err != nil || len(page.Changes) != 1 || page.Changes[0].ProcessID != "later" {
		t.Errorf("%+v, %v", page, err)
	}
}

// TestAReadIndexIsVouchedForByTheLeader: a node that cannot show that it leads
// does not know how far the others are.
func TestAReadIndexIsVouchedForByTheLeader(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	leader := c.leader()
	mustRegister(t, leader, "p")
	if index, err := leader.ReadIndex(t.Context()); err != nil || index == 0 {
		t.Errorf("the leader: %d, %v", index, err)
	}
	if index, err := c.others(leader)[0].ReadIndex(t.Context()); !errors.Is(err, registry.ErrNotLeader) && !errors.Is(err, registry.ErrNoLeader) {
		t.Errorf("a follower: %d, %v", index, err)
	}
	c.interceptAsk(func(string, string, func() (uint64, error)) (uint64, error) { return 0, errUnreachable })
	if index, err := leader.ReadIndex(short(t)); err == nil {
		t.Errorf("a leader that nobody confirms vouches for %d", index)
	}
	if err := leader.CatchUp(short(t)); err == nil {
		t.Error("a leader that nobody confirms has caught up with itself")
	}
}
