// Package cluster is one node of a cluster: the state machine behind raft. It
// proposes commands in batches, confirms reads with the voters, keeps the
// leader's clock, knows which instance stands behind which node id, and changes
// the membership.
//
// The way of a write is Propose: decide on the applied state, encode, queue;
// the proposer of the term takes what has gathered while the entry before was
// committed and proposes it as one entry. The way of a linearizable read is
// Read: a quorum of the voters confirms the term after the read arrived, the
// state machine catches up with the commit index, and the read runs under the
// read lock.
//
// The package knows nothing of gRPC: what it needs from other nodes it asks
// for through the Peers interface.
package cluster
