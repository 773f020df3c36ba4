//go:build mutant_batch_atomic

package fsm

const mutant = keepsHalfOfABatch
