package check

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// lostClaims is a history in which a claim of each of many processes was lost at
// the same time, and every fourth happened, in the order of a sim. Everything is
// read back when all is over.
func lostClaims(seed uint64, processes int) *history.History {
	s := newSim(seed, 0)
	s.processes = processes
	for i := range processes {
		s.do(model.RegisterProcess{Registration: registration(fmt.Sprint("p", i), "a")})
	}
	for i := range processes {
		o := s.do(model.GetProcess{ProcessID: fmt.Sprint("p", i)})
		o.Call = model.ClaimProcessLease{ProcessID: fmt.Sprint("p", i), Owner: owner(fmt.Sprint("o", i)), TTLMs: 100}
		if i%4 == 0 {
			s.apply(o)
		}
		o.Outcome, o.Answer, o.Info = history.Unknown, model.Answer{}, registry.AnswerInfo{}
	}
	return s.history()
}

// TestWhatIsReadLaterSettlesWhatWasLost: which of many claims made the next
// revisions is known from what is read of their processes at the end, and need
// not be followed up to there in every combination.
func TestWhatIsReadLaterSettlesWhatWasLost(t *testing.T) {
	for seed := range uint64(10) {
		h := lostClaims(seed, 32)
		expectNothing(t, Judge(h, whole))
		o := find(h, func(o *history.Op, _ model.GetProcessLease) bool { return o.Answer.Lease != nil })
		o.Answer.Lease = nil
		if violations := Judge(h, whole).Violations(); len(violations) == 0 {
			t.Errorf("seed %d: a lease is gone that nobody released, and nothing was found", seed)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestAReadMayStandBeforeWhatItShows has a read and a write that were answered at
// the same revision and time: what the read shows of the write says nothing
// against an append of unknown outcome just before.
func TestAReadMayStandBeforeWhatItShows(t *testing.T) {
	s := newSim(1, 0)
	s.do(model.RegisterProcess{Registration: registration("p0", "a")})
	lost := s.do(s.appendTo("p0", nil))
	lost.Outcome, lost.Answer, lost.Info = history.Unknown, model.Answer{}, registry.AnswerInfo{}
	write := s.do(model.SetProcessWait{ProcessID: "p0", Wait: registry.WaitState{Kind: registry.WaitSignal, Name: "w"}})
	read := &history.Op{Client: "x", Call: model.GetProcess{ProcessID: "p0"}, InvokeNs: write.InvokeNs - 1, ReturnNs: write.ReturnNs}
	s.apply(read)
	read.Outcome = history.OK
	s.ops = append(s.ops, read)
	expectNothing(t, Judge(s.history(), whole))
}

// TestWorldsThatCameToTheSameAreOne has registrations that were lost and then
// repeated: either of the two may have made the record that the repeat shows, and
// nothing ever tells which.
func TestWorldsThatCameToTheSameAreOne(t *testing.T) {
	s := newSim(1, 0)
	s.processes = 20
	for i := range s.processes {
		call := model.RegisterProcess{Registration: registration(fmt.Sprint("p", i), "a")}
		lost := s.do(call)
		lost.Outcome, lost.Answer, lost.Info = history.Unknown, model.Answer{}, registry.AnswerInfo{}
		s.do(call)
	}
	violations, checked, undecided := checkModel(newView(s.history(), whole))
	if len(violations) > 0 || undecided != "" || !strings.HasSuffix(checked, "at most 2 worlds") {
		t.Error(violations, undecided, checked)
	}
}
