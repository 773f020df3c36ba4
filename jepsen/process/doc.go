// Package process runs real nodes: it starts, kills, pauses, continues and
// restarts processes of `holdfast serve` on free loopback ports, each in a
// folder of its own. Failure injection, the end-to-end tests and the demo are
// built on it, so it knows nothing of package testing.
//
// It ends only processes that it started, by their process id. On Linux the
// nodes are killed by the kernel when the program that started them ends,
// however that happens; elsewhere Close must be called.
package process
