//go:build mutant_disk_errors

package cluster

const mutant = ignoresDiskErrors
