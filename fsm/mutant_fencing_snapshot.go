//go:build mutant_fencing_snapshot

package fsm

const mutant = forgetsFencingInSnapshot
