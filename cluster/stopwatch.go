package cluster

import "time"

// stopwatch measures how long something has gone on while this process ran. It
// is looked at again and again, and a gap between two looks that is much longer
// than it should be means that the process itself stood still (it was paused,
// the machine was suspended): what waited meanwhile is not to blame, and the
// gap counts as one step only.
type stopwatch struct {
	// step is the most that one look adds.
	step time.Duration

	last    time.Time
	elapsed time.Duration
}

// look returns how long the process has run since the first look after the
// last reset.
func (s *stopwatch) look(now time.Time) time.Duration {
	if !s.last.IsZero() {
		s.elapsed += min(now.Sub(s.last), s.step)
	}
	s.last = now
	return s.elapsed
}

func (s *stopwatch) reset() { s.last, s.elapsed = time.Time{}, 0 }
