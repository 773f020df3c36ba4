//go:build mutant_fsync

package cluster

const mutant = skipsFsync
