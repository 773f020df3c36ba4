//go:build mutant_sessions_snapshot

package fsm

const mutant = forgetsSessionsInSnapshot
