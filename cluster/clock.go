package cluster

import (
	"time"

	"github.com/holdfast-registry/holdfast/internal/bootclock"
)

// Clock is where a leader's time comes from.
type Clock interface {
	// WallMs is the wall clock in epoch milliseconds. Only takeovers use it.
	WallMs() uint64
	// BootMs is the time since some fixed moment in milliseconds. It never goes
	// back and goes on while the machine is suspended, where the system can
	// tell.
	BootMs() uint64
}

// SystemClock returns the clock of this machine.
func SystemClock() Clock { return systemClock{} }

type systemClock struct{}

func (systemClock) WallMs() uint64 { return uint64(max(0, time.Now().UnixMilli())) }

func (systemClock) BootMs() uint64 { return uint64(bootclock.Now().Milliseconds()) }

// leaderClock gives the stamps of one term: what the takeover returned, and the
// time that passed since. Spec A3. Only the proposer of the term uses it.
type leaderClock struct {
	clock  Clock
	stamp  uint64
	bootMs uint64
}

func newLeaderClock(clock Clock, takeoverClockMs uint64) leaderClock {
	return leaderClock{clock: clock, stamp: takeoverClockMs, bootMs: clock.BootMs()}
}

// stampMs returns the stamp of the next entry. Should the boot clock go back
// all the same, as under a broken hypervisor, no time has passed: stamps that
// waited until it catches up would stop lease time for as long.
func (c *leaderClock) stampMs() uint64 {
	now := c.clock.BootMs()
	if now > c.bootMs {
		c.stamp += now - c.bootMs
	}
	c.bootMs = now
	return c.stamp
}
