//go:build mutant_clock_back

package fsm

const mutant = letsClockGoBack
