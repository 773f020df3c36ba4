package cluster

import (
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/fsm"
)

func newTestIdentity(t *testing.T, nodeID string) (*Identity, raft.StableStore) {
	t.Helper()
	store := raft.NewInmemStore()
	i, err := openIdentity(notFoundAsBolt{store}, nodeID)
	if err != nil {
		t.Fatal(err)
	}
	return i, notFoundAsBolt{store}
}

// notFoundAsBolt answers a missing key as the bolt store does.
type notFoundAsBolt struct{ *raft.InmemStore }

func (s notFoundAsBolt) Get(key []byte) ([]byte, error) {
	value, err := s.InmemStore.Get(key)
	if err != nil && err.Error() == "not found" {
		return nil, nil
	}
	return value, err
}

func mustRefuse(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("%v, want a refusal that says %q", err, text)
	}
}

func TestIdentity(t *testing.T) {
	t.Run("before the first takeover the first instance of a node is pinned", func(t *testing.T) {
		i, store := newTestIdentity(t, "n1")
		if err := i.Admit("", "n2", "a"); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, i.Admit("", "n2", "b"), "lost its data")
		again, err := openIdentity(store, "n1")
		if err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, again.Admit("", "n2", "b"), "lost its data")
		if err := again.Admit("", "n2", "a"); err != nil {
			t.Fatalf("after a restart: %v", err)
		}
	})
	t.Run("the recorded map replaces pins, survives a restart and is never taken back", func(t *testing.T) {
		i, store := newTestIdentity(t, "n1")
		_, _, self := i.Self()
		if err := i.Admit("", "n3", "pinned"); err != nil {
			t.Fatal(err)
		}
		recorded := []fsm.Member{{NodeID: "n1", InstanceID: self}, {NodeID: "n2", InstanceID: "a"}}
		if changed, err := i.adopt("c", recorded); err != nil || !changed {
			t.Fatal(changed, err)
		}
		mustRefuse(t, i.Admit("c", "n3", "pinned"), "not recorded")
		if changed, err := i.adopt("c", recorded[:1]); err != nil || changed {
			t.Fatalf("an older map was adopted: %v, %v", changed, err)
		}
		again, err := openIdentity(store, "n1")
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Admit("c", "n2", "a"); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, again.Admit("c", "n2", "b"), "join it under a new id")
	})
	t.Run("only a leader has unknown instances recorded, and lets them in later", func(t *testing.T) {
		i, _ := newTestIdentity(t, "n1")
		_, _, self := i.Self()
		if _, err := i.adopt("c", []fsm.Member{{NodeID: "n1", InstanceID: self}}); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, i.Admit("c", "n2", "a"), "the leader lets it in first")
		var introduced []fsm.Member
		i.setIntroduce(func(m fsm.Member) { introduced = append(introduced, m) })
		mustRefuse(t, i.Admit("c", "n2", "a"), "being recorded")
		if len(introduced) != 1 || introduced[0] != (fsm.Member{NodeID: "n2", InstanceID: "a"}) {
			t.Fatalf("introduced %v", introduced)
		}
	})
	t.Run("a node that is not recorded yet itself does not refuse whom the map does not have", func(t *testing.T) {
		i, _ := newTestIdentity(t, "n5")
		_, _, self := i.Self()
		recorded := []fsm.Member{{NodeID: "n1", InstanceID: "a"}, {NodeID: "n2", InstanceID: "b"}}
		if changed, err := i.adopt("c", recorded); err != nil || !changed {
			t.Fatal(changed, err)
		}
		if err := i.Admit("c", "n4", "d"); err != nil {
			t.Fatalf("the leader, which was added later, brings no more of the log: %v", err)
		}
		mustRefuse(t, i.Admit("c", "n2", "other"), "lost its data")
		mustRefuse(t, i.Admit("d", "n4", "d"), "belongs to cluster d")
		recorded = append(recorded, fsm.Member{NodeID: "n4", InstanceID: "d"}, fsm.Member{NodeID: "n5", InstanceID: self})
		if changed, err := i.adopt("c", recorded); err != nil || !changed {
			t.Fatal(changed, err)
		}
		mustRefuse(t, i.Admit("c", "n6", "e"), "not recorded")
		mustRefuse(t, i.Admit("c", "n4", "other"), "lost its data")
	})
	t.Run("other clusters, doubles and the nameless are refused", func(t *testing.T) {
		i, _ := newTestIdentity(t, "n1")
		_, _, self := i.Self()
		if _, err := i.adopt("c", []fsm.Member{{NodeID: "n1", InstanceID: self}}); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, i.Admit("d", "n2", "a"), "belongs to cluster d")
		mustRefuse(t, i.Admit("c", "n1", "other"), "two nodes call themselves n1")
		mustRefuse(t, i.Admit("c", "", "a"), "must show its id")
		if err := i.Admit("c", "n1", self); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a node that the cluster knows as another instance does not go on", func(t *testing.T) {
		i, _ := newTestIdentity(t, "n1")
		_, err := i.adopt("c", []fsm.Member{{NodeID: "n1", InstanceID: "other"}})
		mustRefuse(t, err, "this node lost its data")
	})
}
