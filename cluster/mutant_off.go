//go:build !mutant_disk_errors && !mutant_fsync && !mutant_read_barrier && !mutant_verify_leader

package cluster

// mutant is none in everything that is not built to be caught.
const mutant = none
