//go:build mutant_term_check

package fsm

const mutant = skipsTermCheck
