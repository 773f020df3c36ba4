package registry

import "context"

// Admin is what an operator asks of a cluster, beside the registry that it
// serves. Every method is safe for concurrent use.
type Admin interface {
	// ClusterStatus tells about every member, as far as it can be reached.
	ClusterStatus(ctx context.Context) (ClusterStatus, error)
	// TransferLeadership hands leadership to a voter, or to the most advanced
	// one when toID is empty. Errors: InvalidArgument, NotLeader, Overloaded.
	TransferLeadership(ctx context.Context, toID string) error
	// AddMember lets a new node in as a non-voter and promotes it once it has
	// caught up. Errors: InvalidArgument, NotLeader, OutcomeUnknown.
	AddMember(ctx context.Context, id, addr string) error
	// RemoveMember takes a node out for good; its id must not be used again
	// with an empty data folder. Errors: InvalidArgument, NotLeader,
	// OutcomeUnknown.
	RemoveMember(ctx context.Context, id string) error
	// TakeSnapshot makes the asked node write a snapshot now; one with nothing
	// new to write is a success.
	TakeSnapshot(ctx context.Context) error
	// VerifyState makes every member hash its state at one and the same log
	// entry. Errors: NotLeader, OutcomeUnknown.
	VerifyState(ctx context.Context) (StateReport, error)
}

// ClusterStatus is the cluster as one node sees it.
type ClusterStatus struct {
	ClusterID string         `json:"cluster_id"`
	Leader    string         `json:"leader"`
	Term      uint64         `json:"term"`
	Members   []MemberStatus `json:"members"`
}

// MemberStatus is one member. Error says why the rest is missing.
type MemberStatus struct {
	ID    string `json:"id"`
	Addr  string `json:"addr"`
	Voter bool   `json:"voter"`
	NodeStatus
	Error string `json:"error,omitempty"`
}

// NodeStatus is what a node says of itself.
type NodeStatus struct {
	// Role is leader, follower or candidate.
	Role string `json:"role"`
	Term uint64 `json:"term"`
	// LastContactMs is the time since the node last heard from the leader.
	LastContactMs uint64 `json:"last_contact_ms"`
	// CommitIndex is raft's; AppliedIndex is the state machine's own.
	CommitIndex  uint64 `json:"commit_index"`
	AppliedIndex uint64 `json:"applied_index"`
	LastLogIndex uint64 `json:"last_log_index"`
	// SnapshotIndex is the index of the last snapshot, 0 for none.
	SnapshotIndex uint64 `json:"snapshot_index"`
	Revision      uint64 `json:"revision"`
	ClockMs       uint64 `json:"clock_ms"`
	LeaseTimeMs   uint64 `json:"lease_time_ms"`
	InstanceID    string `json:"instance_id"`
	Version       string `json:"version"`
}

// StateReport is the outcome of VerifyState: the state's hash at one index on
// every member.
type StateReport struct {
	Index uint64 `json:"index"`
	// Agree is true when every member answered with the same hash.
	Agree   bool          `json:"agree"`
	Members []MemberState `json:"members"`
}

// MemberState is one member's hash, or why it is missing.
type MemberState struct {
	ID    string `json:"id"`
	Hash  string `json:"hash,omitempty"`
	Error string `json:"error,omitempty"`
}
