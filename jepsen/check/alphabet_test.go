package check

import (
	"fmt"
	"math"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// simulateAlphabet makes a history with calls of every kind.
func simulateAlphabet(seed uint64, calls, lost int) *history.History {
	s := newSim(seed, lost)
	for range calls {
		if s.random.IntN(3) > 0 {
			s.step()
		} else {
			s.stepOnMore()
		}
	}
	return s.history()
}

// stepOnMore makes a call of a kind that step does not make.
func (s *sim) stepOnMore() {
	lease := s.lease()
	completion := registry.ProcessLeaseCompletion{ProcessID: lease.ProcessID, LeaseToken: lease.LeaseToken}
	s.counts++
	local := owner(fmt.Sprint("l", s.counts))
	local.Liveness = registry.LeaseOwnerLiveness{Kind: registry.LivenessLocalProcess, HostID: "h", BootID: "b"}
	ttlMs := 20 + s.random.Uint64N(400)
	switch s.random.IntN(10) {
	case 0, 1:
		s.do(model.CheckFence{ProcessID: lease.ProcessID, FencingToken: lease.FencingToken})
	case 2:
		s.do(model.AckWake{ProcessID: s.process(), Sequence: 1 + s.random.Uint64N(3)})
	case 3:
		s.do(model.ClaimProcessLease{ProcessID: s.process(), Owner: local, TTLMs: ttlMs})
	case 4, 5:
		s.do(model.ReclaimProcessLease{ProcessID: lease.ProcessID, Owner: local, Observed: lease, Verdict: registry.VerdictDead, TTLMs: ttlMs})
	case 6:
		s.do(model.ClaimNext{Owner: owner(fmt.Sprint("w", s.counts)), TTLMs: ttlMs, Limit: 1 + s.random.IntN(2), Kinds: []string{"external"}})
	case 7:
		s.do(model.ReleaseForRetry{Completion: completion, RetryAfterMs: ttlMs})
	case 8:
		s.do(model.RecentEvents{ProcessID: s.process(), Limit: 3})
		s.do(model.CountEventsThrough{ProcessID: s.process(), EventType: "entry", Through: 3})
		s.do(model.WakeEventsAfter{ProcessID: s.process()})
	case 9:
		if s.random.IntN(4) == 0 {
			s.do(model.PruneTerminalProcesses{CutoffMs: math.MaxInt64})
		}
	}
}

func TestHistoriesOfEveryKindOfCallAreFoundRight(t *testing.T) {
	for _, lost := range []int{0, 4, 10} {
		t.Run(fmt.Sprintf("with %d percent of the answers lost", lost), func(t *testing.T) {
			for seed := range uint64(100) {
				expectNothing(t, Judge(simulateAlphabet(seed, 200, lost), whole))
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}
