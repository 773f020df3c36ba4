package registrytest

import "slices"

// topics are all checks, in the order of the contract.
var topics = []topic{
	{"Tier", tierChecks},
	{"Registration", registrationChecks},
	{"Hashes and JSON", jsonChecks},
	{"Forms", formChecks},
	{"Schemas", schemaChecks},
	{"Selectors", selectorChecks},
	{"Events", eventChecks},
	{"Replay", replayChecks},
	{"Terminal semantics", terminalChecks},
	{"Wakes", wakeChecks},
	{"Acks", ackChecks},
	{"Handles", handleChecks},
	{"Transfer", transferChecks},
	{"Session deletion", sessionDeletionChecks},
	{"Waits", waitChecks},
	{"First started", firstStartedChecks},
	{"Abandon", abandonChecks},
	{"External ref", externalRefChecks},
	{"Leases", leaseChecks},
	{"Reclaim", reclaimChecks},
	{"Fencing", fencingChecks},
	{"Questions about fences", fenceChecks},
	{"Sessions", sessionChecks},
	{"Queue", queueChecks},
	{"Batches", batchChecks},
	{"Lists and pages", listChecks},
	{"Limits", slices.Concat(limitChecks, countedLimitChecks)},
	{"State", stateChecks},
	{"Retention", retentionChecks},
}
