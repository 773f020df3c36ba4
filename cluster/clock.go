package cluster

import "time"

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

// leaderClock gives the stamps of one term: what the takeover returned, and the
// time that passed since. Spec A3.
type leaderClock struct {
	clock  Clock
	baseMs uint64
	bootMs uint64
}

func newLeaderClock(clock Clock, takeoverClockMs uint64) leaderClock {
	return leaderClock{clock: clock, baseMs: takeoverClockMs, bootMs: clock.BootMs()}
}

func (c leaderClock) stampMs() uint64 { return c.baseMs + (c.clock.BootMs() - c.bootMs) }

// started is the fixed moment of monotonicMs.
var started = time.Now()

func monotonicMs() uint64 { return uint64(time.Since(started).Milliseconds()) }
