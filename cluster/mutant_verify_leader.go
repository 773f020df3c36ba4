//go:build mutant_verify_leader

package cluster

const mutant = trustsVerifyLeader
