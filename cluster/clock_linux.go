package cluster

import (
	"time"

	"golang.org/x/sys/unix"
)

// BootMs reads CLOCK_BOOTTIME: Go's monotonic clock stands still while the
// machine is suspended, and leases would outlive their time by as much.
func (systemClock) BootMs() uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return monotonicMs()
	}
	return uint64(ts.Sec)*1000 + uint64(ts.Nsec)/uint64(time.Millisecond)
}
