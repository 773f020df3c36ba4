//go:build !mutant_forward_retry

package transport

// mutant is none in everything that is not built to be caught.
const mutant = none
