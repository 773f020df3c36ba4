package fsm_test

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/fsm"
)

// A leader decides an entry in its term. If raft commits it in a later one,
// nobody applies it: what a deposed leader decided never takes effect.
func ExampleMachine_Apply() {
	m := fsm.NewMachine()
	commit := func(index, decidedIn, committedIn, stampMs uint64, body fsm.Body) {
		entry, err := fsm.EncodeEntry(fsm.Entry{Term: decidedIn, StampMs: stampMs, Commands: []fsm.Command{{Body: body}}})
		if err != nil {
			fmt.Println(err)
			return
		}
		result, err := m.Apply(index, committedIn, entry)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("entry %d: refused %v, clock %d, lease time %d\n", index, result.Refused, result.ClockMs, result.LeaseTimeMs)
	}
	commit(1, 1, 1, 10_000, &fsm.Takeover{Proposer: "n1", ClusterID: "c1"})
	commit(2, 1, 1, 10_500, &fsm.Tick{})
	// An hour passes on the clock, and two seconds for leases.
	commit(3, 1, 1, 3_610_500, &fsm.Tick{})
	// n2 takes over; what n1 still had under way comes too late.
	commit(4, 2, 2, 3_620_000, &fsm.Takeover{Proposer: "n2"})
	commit(5, 1, 2, 3_630_000, &fsm.Tick{})
	// Output:
	// entry 1: refused false, clock 10000, lease time 0
	// entry 2: refused false, clock 10500, lease time 500
	// entry 3: refused false, clock 3610500, lease time 2500
	// entry 4: refused false, clock 3620000, lease time 2500
	// entry 5: refused true, clock 3620000, lease time 2500
}
