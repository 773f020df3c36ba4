//go:build !linux

package bootclock

import "time"

// now falls back to Go's monotonic clock.
func now() time.Duration { return sinceStart() }
