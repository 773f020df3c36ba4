//go:build mutant_sessions_off

package fsm

const mutant = ignoresKeptAnswers
