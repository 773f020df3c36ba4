package bootclock

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The first field of /proc/uptime is the same clock, by another way.
func TestNowIsTheBootClockOfTheKernel(t *testing.T) {
	before := Now()
	raw, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	after := Now()
	first, _, _ := strings.Cut(string(raw), " ")
	seconds, err := strconv.ParseFloat(first, 64)
	if err != nil {
		t.Fatal(err)
	}
	uptime := time.Duration(seconds * float64(time.Second))
	// The file has hundredths of a second.
	const fine = 10 * time.Millisecond
	if uptime < before-fine || uptime > after {
		t.Errorf("the kernel is up for %v, and the clock went from %v to %v", uptime, before, after)
	}
}

func TestNowNeverGoesBack(t *testing.T) {
	last := Now()
	for range 10_000 {
		now := Now()
		if now < last {
			t.Fatalf("%v came after %v", now, last)
		}
		last = now
	}
}
