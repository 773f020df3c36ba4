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
	switch s.random.IntN(12) {
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
	case 9, 10:
		s.do(s.batch(lease))
	case 11:
		if s.random.IntN(4) == 0 {
			s.do(model.PruneTerminalProcesses{CutoffMs: math.MaxInt64})
		}
	}
}

// batch is one in which each operation changes something, if it is not refused.
func (s *sim) batch(lease registry.ProcessLease) model.Batch {
	completion := registry.ProcessLeaseCompletion{ProcessID: lease.ProcessID, LeaseToken: lease.LeaseToken}
	entry := func(id string, fence *registry.Fence) model.AppendEvent {
		call := s.appendTo(id, fence)
		call.Request.Replay = nil
		return call
	}
	switch s.random.IntN(3) {
	case 0:
		return model.Batch{Ops: []model.Op{entry(lease.ProcessID, lease.Fence()), model.CompleteProcessLease{Completion: completion}}}
	case 1:
		id := fmt.Sprint("b", s.counts)
		return model.Batch{Ops: []model.Op{
			model.RegisterProcess{Registration: registration(id, "0")}, model.ClaimProcessLease{ProcessID: id, Owner: owner(id), TTLMs: 100}, entry(id, nil),
		}}
	}
	return model.Batch{Ops: []model.Op{entry("p0", nil), model.ClearProcessWait{ProcessID: "p0"}, entry("p1", nil)}}
}

func TestHistoriesOfEveryKindOfCallAreFoundRight(t *testing.T) {
	for _, lost := range []int{0, 4, 10} {
		t.Run(fmt.Sprintf("with %d percent of the answers lost", lost), func(t *testing.T) {
			for seed := range uint64(60) {
				expectNothing(t, Judge(simulateAlphabet(seed, 200, lost), whole))
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}
