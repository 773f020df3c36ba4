// Package rounds runs kill and restart rounds against a cluster of real
// processes, and judges what its clients saw.
//
// Writers append events under leases to several processes all the time, two of
// them competing for each lease. Each round kills or pauses one or two nodes,
// brings them back, waits until a leader serves through every node, and reads
// everything back with linearizable reads. The sentences that must hold are in
// sentences.go; the judging (check.go) is apart from the running, so that it
// can be tested on histories made by hand.
//
// The package promises nothing to programs outside of this module.
package rounds
