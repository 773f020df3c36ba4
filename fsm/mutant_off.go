//go:build !mutant_batch_atomic && !mutant_claim_live && !mutant_clock_back && !mutant_fence_append && !mutant_fence_complete && !mutant_fencing_snapshot && !mutant_leaderless_time && !mutant_life_check && !mutant_retry_delay && !mutant_sessions_off && !mutant_sessions_snapshot && !mutant_term_check && !mutant_transfer_atomic

package fsm

// mutant is none in everything that is not built to be caught.
const mutant = none
