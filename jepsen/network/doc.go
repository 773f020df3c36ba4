// Package network is the network between the nodes of a cluster under test,
// and between them and their clients, with faults that can be turned on and
// off while it is in use.
//
// There are two of them. Proxy is a program-level one that needs no rights: it
// stands in front of every node's address, learns from the preface who dials,
// and can cut, hold back, delay, slow down and reset what flows. Namespaces
// gives every node a network stack of its own on a bridge; it needs root on
// Linux, and can only cut.
//
// A fault belongs to a Link, which has a direction: cutting one of the two
// directions between two nodes is a fault of its own.
package network
