//go:build mutant_fence_append

package fsm

const mutant = ignoresFenceOnAppend
