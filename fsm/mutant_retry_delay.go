//go:build mutant_retry_delay

package fsm

const mutant = ignoresRetryDelay
