//go:build mutant_claim_live

package fsm

const mutant = handsOutWhatIsLeased
