package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/fsm"
)

// Identity is who a node is, and which instance it knows behind every other
// node id. An instance is one data folder: a node that lost its folder has
// another instance id, has forgotten what it voted and acked, and must not
// come back under its old id.
//
// The map of instances is part of the replicated state. The state is empty
// until the log was replayed, so each node keeps the map in its own stable
// store too, and asks that before it takes or makes any connection. Before the
// cluster's first takeover there is no map; then a node pins whom it meets. A
// node that has not come to its own record yet, as one that was added and reads
// the log from its beginning, takes those that its map does not have.
//
// Safe for concurrent use.
type Identity struct {
	store raft.StableStore

	mu     sync.Mutex
	record identityRecord
	// introduce, when set, is called for an instance that no map holds yet. It
	// must not block. Only a leader has it.
	introduce func(fsm.Member)
}

// Self returns the ids that the node shows to others. The cluster id is empty
// before the first takeover.
func (i *Identity) Self() (clusterID, nodeID, instanceID string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.record.ClusterID, i.record.NodeID, i.record.InstanceID
}

// Admit decides whether to talk with a node that showed these ids. The error
// is meant for both sides and says what to do.
func (i *Identity) Admit(clusterID, nodeID, instanceID string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	self := &i.record
	switch {
	case nodeID == "" || instanceID == "":
		return fmt.Errorf("a node must show its id and its instance")
	case clusterID != "" && self.ClusterID != "" && clusterID != self.ClusterID:
		return fmt.Errorf("node %s belongs to cluster %s, and %s to cluster %s: check the addresses in --peers",
			nodeID, clusterID, self.NodeID, self.ClusterID)
	case nodeID == self.NodeID && instanceID != self.InstanceID:
		return fmt.Errorf("two nodes call themselves %s: each needs an id of its own", nodeID)
	case nodeID == self.NodeID:
		return nil
	}
	known, ok := self.Members[nodeID]
	switch {
	case ok && known == instanceID:
		return nil
	case ok:
		return fmt.Errorf("node %s lost its data (it is instance %s, known is %s) and must not vote again: "+
			"remove %s from the cluster, then join it under a new id with an empty data folder", nodeID, instanceID, known, nodeID)
	case self.ClusterID == "":
		return i.pin(nodeID, instanceID)
	case i.introduce != nil:
		i.introduce(fsm.Member{NodeID: nodeID, InstanceID: instanceID})
		return fmt.Errorf("node %s is being recorded in the cluster: it is let in as soon as that is committed", nodeID)
	case self.Members[self.NodeID] != self.InstanceID:
		// The map is of a time before this node came, and cannot tell who has come
		// since: the leader from whom the rest of the log is to come, for one.
		return nil
	default:
		return fmt.Errorf("node %s is not recorded in the cluster yet: the leader lets it in first", nodeID)
	}
}

// pin remembers an instance met before there is a recorded map.
func (i *Identity) pin(nodeID, instanceID string) error {
	members := maps.Clone(i.record.Members)
	if members == nil {
		members = make(map[string]string)
	}
	members[nodeID] = instanceID
	before := i.record.Members
	i.record.Members = members
	if err := i.save(); err != nil {
		i.record.Members = before
		return fmt.Errorf("node %s cannot be remembered: %w", nodeID, err)
	}
	return nil
}

// met returns all instances that this node knows, its own included.
func (i *Identity) met() []fsm.Member {
	i.mu.Lock()
	defer i.mu.Unlock()
	members := []fsm.Member{{NodeID: i.record.NodeID, InstanceID: i.record.InstanceID}}
	for nodeID, instanceID := range i.record.Members {
		if nodeID != i.record.NodeID {
			members = append(members, fsm.Member{NodeID: nodeID, InstanceID: instanceID})
		}
	}
	return members
}

// knows tells whether an instance of a node has been met.
func (i *Identity) knows(nodeID string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, ok := i.record.Members[nodeID]
	return ok || nodeID == i.record.NodeID
}

// adopt takes over the recorded map of the state: pins that the cluster did
// not record are dropped. It tells whether anything changed.
func (i *Identity) adopt(clusterID string, members []fsm.Member) (bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if clusterID == "" {
		return false, nil
	}
	if i.record.ClusterID != "" && i.record.ClusterID != clusterID {
		return false, fmt.Errorf("the state is of cluster %s, this node's data of cluster %s: start the node with its own data folder",
			clusterID, i.record.ClusterID)
	}
	recorded := make(map[string]string, len(members))
	for _, m := range members {
		recorded[m.NodeID] = m.InstanceID
	}
	if i.record.ClusterID == clusterID && maps.Equal(recorded, i.record.Members) {
		return false, nil
	}
	if own, ok := recorded[i.record.NodeID]; ok && own != i.record.InstanceID {
		return false, fmt.Errorf("the cluster knows node %s as instance %s, and this is %s: this node lost its data. "+
			"Remove it from the cluster, then join it under a new id with an empty folder", i.record.NodeID, own, i.record.InstanceID)
	}
	// A replay after a restart starts from an older map than the one on disk;
	// records are never taken back, so the larger map is the newer one.
	if i.record.ClusterID == clusterID && len(recorded) <= len(i.record.Members) {
		return false, nil
	}
	i.record.ClusterID, i.record.Members = clusterID, recorded
	return true, i.save()
}

// setIntroduce sets who records new instances; nil when this node does not
// lead.
func (i *Identity) setIntroduce(introduce func(fsm.Member)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.introduce = introduce
}

// save writes the record. The lock must be held, or nobody else know of i yet.
func (i *Identity) save() error {
	data, err := json.Marshal(i.record)
	if err != nil {
		return err
	}
	return i.store.Set(keyIdentity, data)
}
