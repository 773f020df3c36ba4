//go:build failpoints

package cluster

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// failpoints tells whether this program can be made to crash at named points.
const failpoints = true

// failpoint kills this process, as a crash does, when the point is armed:
// HOLDFAST_FAILPOINT arms one from the start; the file that
// HOLDFAST_FAILPOINT_FILE names arms the one whose name it holds, so that a
// running node can be armed. With "hang" and a space before its name a point
// does not kill: whoever comes there stays as long as it is armed. The points of
// the store can also fail, and not only crash: see faultyStore.
//
//	snapshot.write.begin         nothing is written of this node's own snapshot
//	snapshot.write.middle        some of it is written
//	snapshot.write.before_close  all is written, and not yet in place
//	snapshot.write.after_close   it is in place, and the log not yet compacted
//	snapshot.install.begin       nothing is written of a snapshot from the leader
//	snapshot.install.middle      some of it is written
//	snapshot.install.before_swap it is in place and read again, the state is the old one
//	snapshot.install.after       the state is the new one, raft does not know yet
//	propose.before               decided commands are about to be proposed
//	log.append.before            entries are about to be written to the log
//	log.append.after             they are written, nobody was told
//	store.sync.before            anything is about to be written to log or stable store
//	store.sync.after             it is written, nobody was told
func failpoint(name string) {
	for armedFailpoint() == "hang "+name {
		time.Sleep(10 * time.Millisecond) // nothing tells that the file has changed
	}
	if name != armedFailpoint() {
		return
	}
	fmt.Fprintf(os.Stderr, "failpoint %s: this process kills itself\n", name)
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func armedFailpoint() string {
	if path := os.Getenv("HOLDFAST_FAILPOINT_FILE"); path != "" {
		// No file, or none that can be read, arms nothing.
		name, _ := os.ReadFile(path)
		return strings.TrimSpace(string(name))
	}
	return os.Getenv("HOLDFAST_FAILPOINT")
}

// testConfig takes what tests of real processes set about a node:
// HOLDFAST_TEST_WALL_OFFSET is added to the wall clock; so is what the file
// holds that HOLDFAST_TEST_WALL_OFFSET_FILE names, at every look at the clock.
func testConfig(c *Config) {
	if text := os.Getenv("HOLDFAST_TEST_WALL_OFFSET"); text != "" {
		offset, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		c.Clock = offsetClock{c.Clock, func() time.Duration { return offset }}
	}
	if path := os.Getenv("HOLDFAST_TEST_WALL_OFFSET_FILE"); path != "" {
		c.Clock = offsetClock{c.Clock, func() time.Duration {
			// No file, or half of one, means no offset.
			text, _ := os.ReadFile(path)
			offset, _ := time.ParseDuration(strings.TrimSpace(string(text)))
			return offset
		}}
	}
}

// offsetClock is a clock whose wall is wrong.
type offsetClock struct {
	Clock
	offset func() time.Duration
}

func (c offsetClock) WallMs() uint64 {
	return uint64(max(0, int64(c.Clock.WallMs())+c.offset().Milliseconds()))
}
