package cluster

// flaw is one protection that is switched off. A build tag chooses it, and then
// everything that judges the product has to notice: see jepsen/mutants. The
// constant mutant says which one is built in; every other condition on a flaw is
// dead code.
type flaw int

const (
	none               flaw = 0
	trustsVerifyLeader flaw = 1
	skipsReadBarrier   flaw = 2
	skipsFsync         flaw = 3
	ignoresDiskErrors  flaw = 4
)
