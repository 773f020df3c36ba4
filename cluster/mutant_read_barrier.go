//go:build mutant_read_barrier

package cluster

const mutant = skipsReadBarrier
