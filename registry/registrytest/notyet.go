package registrytest

// notYet are the checks of methods that still answer Unsupported.
var notYet = map[string]bool{
	"a live lease of a dead neighbour is taken over":                         true,
	"a page size out of range is invalid":                                    true,
	"a page token of an earlier life has ended":                              true,
	"a process without events has none to read":                              true,
	"a prune counts rows and events, and a repeat reports zeros":             true,
	"a prune goes by the last update":                                        true,
	"a prune of more rows than one entry takes sums up":                      true,
	"a prune takes ended processes that are older than the cutoff, strictly": true,
	"a pruned id is free for a new life":                                     true,
	"a pruned process is unknown to every call":                              true,
	"a reclaim leaves record and log alone":                                  true,
	"a reclaim that is repeated is busy with its own lease":                  true,
	"a replayed wake is one wake":                                            true,
	"a token that is none is invalid":                                        true,
	"a ttl is at most 24 hours":                                              true,
	"acking is idempotent and moves nothing":                                 true,
	"acks at the same time are all kept":                                     true,
	"acks belong to one process":                                             true,
	"acks survive the deletion of a session":                                 true,
	"an acked wake is not read again":                                        true,
	"an ended process can be acked":                                          true,
	"an unknown process can not be acked":                                    true,
	"cutoffs up to the end of the numbers work":                              true,
	"equal dedupe keys are all delivered and all stay":                       true,
	"fencing tokens go on over pruning and a new life":                       true,
	"neither unknown nor ended processes can be reclaimed":                   true,
	"of reclaims at the same time one is acquired and the others are busy":   true,
	"only neighbours can be judged":                                          true,
	"pages of any size make up the same list":                                true,
	"processes, events, leases and originators stay":                         true,
	"running processes are never pruned":                                     true,
	"the observed lease must be the one that is held":                        true,
	"the own live lease is not entered again by a reclaim":                   true,
	"the pid and start of the claimant do not matter":                        true,
	"times and liveness of the observed lease are not compared":              true,
	"wakes are read behind a sequence, ascending, and only those":            true,
	"what is acked need not exist or be a wake":                              true,
	"what is not pruned keeps all it has":                                    true,
	"what the claimant says of the holder's liveness counts for nothing":     true,
	"what was answered is there after the registry was started again":        true,
	"without a live lease a reclaim is a claim":                              true,
	"without the verdict dead a live lease stays":                            true,
}

func (t topic) offered() []Check {
	var checks []Check
	for _, check := range t.checks {
		if !notYet[check.Name] {
			checks = append(checks, check)
		}
	}
	return checks
}
