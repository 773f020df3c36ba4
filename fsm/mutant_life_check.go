//go:build mutant_life_check

package fsm

const mutant = comparesNoLife
