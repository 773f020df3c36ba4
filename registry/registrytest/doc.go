// Package registrytest is the contract of a process registry as tests: every
// sentence of docs/spec.md that a caller can see is one check. It serves whoever
// implements registry.Registry, or puts something in front of one, and links
// nothing but package registry and the standard library.
//
// A backend is put to the test by one call:
//
//	func TestConformance(t *testing.T) {
//		registrytest.Run(t, func(t *testing.T) registrytest.Harness {
//			return registrytest.Harness{Registry: mybackend.New(), Tier: registry.TierInline}
//		})
//	}
//
// The function is called once for every check. A backend that costs little
// returns a new one each time; one that costs much, such as a cluster, is
// started before and returned every time. Both work, because every check
// makes up process and session ids of its own, also over several runs.
//
// Checks run beside each other as far as -parallel allows. Those that prune run
// alone, since a prune takes the ended processes of everybody: never run the
// suite on a registry that holds something you need, or while somebody else
// writes to it.
//
// No check waits for time to pass unless it must. A backend whose clock can be
// moved offers Harness.Advance; then nothing waits at all, and the moment at
// which a lease expires is checked to the millisecond. Without it the checks of
// expiry use leases that are expired at birth, and a few short ones that they
// poll. A backend that can be stopped and started offers Harness.Reopen.
//
// Checks that need something which not every backend has say so (Need): the
// interfaces beside the 31 methods, a clock, a restart, or writes so cheap that
// ten thousand of them do not matter. They do not run where it is missing.
//
// What is expected comes from the contract and is written out in each check.
// Hashes are computed here by the recipe of the contract, never by the helpers
// of package registry.
//
// The suite is judged too: its own tests break a registry on purpose, in one way
// after the other, and expect the check that speaks of it to fail.
package registrytest
