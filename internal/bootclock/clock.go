// Package bootclock reads how long this machine has been running, suspends
// included where the system can tell. Leaders count elapsed time by it, and
// holders of leases how long they may trust them: neither may lose the time
// that was slept through, nor be moved by somebody who sets the wall clock.
package bootclock

import "time"

// Now is the time since some fixed moment of this process or machine. It never
// goes back; only differences mean something. It is safe for concurrent use.
func Now() time.Duration { return now() }

// started is the fixed moment of sinceStart.
var started = time.Now()

// sinceStart is Go's monotonic clock, which stands still in suspend.
func sinceStart() time.Duration { return time.Since(started) }
