//go:build mutant_fence_complete

package fsm

const mutant = ignoresFenceOnComplete
