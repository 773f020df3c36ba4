// Package nemesis does harm to a cluster: it kills and pauses processes, cuts
// the network, moves leadership, and so on. Each nemesis draws faults from the
// seed of the run; a fault says what it does in words, begins, and ends.
//
// After every fault the whole cluster is made well again, whatever the fault
// was, so that two faults at once need not know of each other.
package nemesis
