//go:build !linux

package cluster

// BootMs falls back to Go's monotonic clock, which stands still in suspend.
func (systemClock) BootMs() uint64 { return monotonicMs() }
