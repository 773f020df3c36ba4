package bootclock

import (
	"time"

	"golang.org/x/sys/unix"
)

// now reads CLOCK_BOOTTIME: CLOCK_MONOTONIC, which Go's clock and timers run
// on, stands still while the machine is suspended.
func now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return sinceStart()
	}
	return time.Duration(ts.Nano())
}
