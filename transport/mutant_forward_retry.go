//go:build mutant_forward_retry

package transport

const mutant = forwardsAgain
