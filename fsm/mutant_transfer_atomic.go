//go:build mutant_transfer_atomic

package fsm

const mutant = transfersOneByOne
