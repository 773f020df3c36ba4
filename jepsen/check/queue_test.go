package check

import (
	"fmt"
	"slices"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// simulateQueue makes a history in which work is handed out.
func simulateQueue(seed uint64, calls, lost int) *history.History {
	s := newSim(seed, lost)
	s.processes = 8
	for range calls {
		lease := s.lease()
		completion := registry.ProcessLeaseCompletion{ProcessID: lease.ProcessID, LeaseToken: lease.LeaseToken}
		s.counts++
		switch s.random.IntN(10) {
		case 0, 1:
			s.do(model.RegisterProcess{Registration: registration(s.process(), "0")})
		case 2, 3, 4:
			s.do(model.ClaimNext{Owner: owner(fmt.Sprint("w", s.counts)), TTLMs: 20 + s.random.Uint64N(300), Limit: 1 + s.random.IntN(2), Kinds: []string{"external"}})
		case 5:
			s.do(model.ReleaseForRetry{Completion: completion, RetryAfterMs: 20 + s.random.Uint64N(200)})
		case 6:
			s.do(model.CompleteProcessLease{Completion: completion})
		case 7:
			s.do(s.appendTo(lease.ProcessID, lease.Fence()))
		case 8:
			s.do(model.GetProcessLease{ProcessID: s.process()})
		case 9:
			if s.random.IntN(6) == 0 {
				output := registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("1")}
				s.do(model.CompleteProcess{ProcessID: lease.ProcessID, Output: output, Fence: lease.Fence()})
			} else {
				s.do(model.RenewProcessLease{Lease: lease, TTLMs: 50 + s.random.Uint64N(300)})
			}
		}
	}
	return s.history()
}

func TestHistoriesOfAQueueAreFoundRight(t *testing.T) {
	for _, lost := range []int{0, 4, 10} {
		t.Run(fmt.Sprintf("with %d percent of the answers lost", lost), func(t *testing.T) {
			for seed := range uint64(40) {
				expectNothing(t, Judge(simulateQueue(seed, 150, lost), whole))
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// TestALostClaimNextMayHaveFoundADelayOnOrOver has a process delayed by a call
// whose answer was lost, so that nobody knows exactly until when, and a claim-next
// whose answer was lost too, which got the one behind it.
func TestALostClaimNextMayHaveFoundADelayOnOrOver(t *testing.T) {
	s := newSim(1, 0)
	wait := func(milliseconds int64) {
		s.effectNs += milliseconds * 1e6
		s.state.Apply(model.Entry{Term: 1, CommitTerm: 1, StampMs: s.clock()})
	}
	lose := func(call model.Op) {
		o := s.do(call)
		o.Outcome, o.Answer, o.Info = history.Unknown, model.Answer{}, registry.AnswerInfo{}
	}
	s.do(model.RegisterProcess{Registration: registration("p0", "a")})
	s.do(model.RegisterProcess{Registration: registration("p1", "a")})
	first := s.do(model.ClaimNext{Owner: owner("first"), TTLMs: 10_000, Limit: 1}).Answer.Claims[0].Lease
	wait(500)
	lose(model.ReleaseForRetry{Completion: registry.ProcessLeaseCompletion{ProcessID: "p0", LeaseToken: first.LeaseToken}, RetryAfterMs: 1000})
	wait(500)
	s.do(model.RegisterProcess{Registration: registration("p2", "a")})
	wait(300)
	lose(model.ClaimNext{Owner: owner("second"), TTLMs: 10_000, Limit: 1})
	if got := s.state.Processes["p1"].Lease.Owner.OwnerID; got != "second" {
		t.Fatalf("p1 is held by %q", got)
	}
	wait(500)
	s.do(model.GetProcessLease{ProcessID: "p1"})
	expectNothing(t, Judge(s.history(), whole))
}

// TestWhatIsHandedOutWronglyIsFound breaks a history of a queue in one place.
func TestWhatIsHandedOutWronglyIsFound(t *testing.T) {
	// again is a process that was handed out after something had been done to it.
	again := func(h *history.History, id string, after uint64) (*history.Op, int) {
		for _, o := range h.Ops {
			if _, hands := o.Call.(model.ClaimNext); !hands || o.Outcome != history.OK || o.Info.Revision <= after {
				continue
			}
			if i := slices.IndexFunc(o.Answer.Claims, func(c registry.ClaimedProcess) bool { return c.Lease.ProcessID == id }); i >= 0 {
				return o, i
			}
		}
		return nil, 0
	}
	for _, test := range []struct {
		name  string
		spoil func(h *history.History) bool
		want  Sentence
	}{
		{"before its delay is over", func(h *history.History) bool {
			o := find(h, func(o *history.Op, call model.ReleaseForRetry) bool {
				next, _ := again(h, call.Completion.ProcessID, o.Info.Revision)
				return o.Outcome == history.OK && next != nil
			})
			if o == nil {
				return false
			}
			call := o.Call.(model.ReleaseForRetry)
			call.RetryAfterMs = 1_000_000
			o.Call = call
			return true
		}, NoEarlyRetry},
		{"after it was completed", func(h *history.History) bool {
			for _, o := range h.Ops {
				if o.Outcome != history.OK || len(o.Answer.Claims) == 0 {
					continue
				}
				id := o.Answer.Claims[0].Lease.ProcessID
				first := find(h, func(f *history.Op, call model.AppendEvent) bool {
					return f.Outcome == history.OK && call.ProcessID == id && f.Info.Revision < o.Info.Revision
				})
				if first != nil {
					output := registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("1")}
					first.Call = model.CompleteProcess{ProcessID: id, Output: output}
					first.Answer = model.Answer{Record: &registry.ProcessRecord{ID: id}}
					return true
				}
			}
			return false
		}, OnlyWhatRuns},
		{"twice with one number", func(h *history.History) bool {
			o := find(h, func(o *history.Op, _ model.ClaimNext) bool {
				return len(o.Answer.Claims) > 0 && o.Answer.Claims[0].Attempt > 1
			})
			if o == nil {
				return false
			}
			o.Answer.Claims = slices.Clone(o.Answer.Claims)
			o.Answer.Claims[0].Attempt = 1
			return true
		}, AttemptsCount},
		{"while another owner holds it", func(h *history.History) bool {
			for _, o := range h.Ops {
				for i := range o.Answer.Claims {
					next, at := again(h, o.Answer.Claims[i].Lease.ProcessID, o.Info.Revision)
					if next == nil {
						continue
					}
					claims := slices.Clone(o.Answer.Claims)
					claims[i].Lease.ExpiresAtMs += 1_000_000
					o.Answer.Claims = claims
					released := slices.ContainsFunc(single(h.Ops), func(r *history.Op) bool {
						call, is := r.Call.(model.CompleteProcessLease)
						return is && call.Completion.LeaseToken == claims[i].Lease.LeaseToken
					})
					renewed := slices.ContainsFunc(h.Ops, func(r *history.Op) bool {
						return r.Answer.Lease != nil && r.Answer.Lease.LeaseToken == claims[i].Lease.LeaseToken
					})
					if !released && !renewed && at >= 0 {
						return true
					}
				}
			}
			return false
		}, OneHolder},
		{"under a fencing token of before", func(h *history.History) bool {
			o := find(h, func(o *history.Op, _ model.ClaimNext) bool { return len(o.Answer.Claims) > 0 })
			o.Answer.Claims = slices.Clone(o.Answer.Claims)
			o.Answer.Claims[0].Lease.FencingToken = 1
			return true
		}, TokensAreUnique},
		{"to nobody although it is ready", func(h *history.History) bool {
			o := find(h, func(o *history.Op, _ model.ClaimNext) bool { return len(o.Answer.Claims) > 0 })
			o.Answer.Claims = nil
			return true
		}, AnswersAgree},
	} {
		t.Run(test.name, func(t *testing.T) {
			for seed := range uint64(50) {
				h := simulateQueue(seed, 200, 0)
				if !test.spoil(h) {
					continue
				}
				for _, v := range Judge(h, whole).Violations() {
					if v.Sentence == test.want {
						return
					}
				}
				t.Fatalf("seed %d: not found", seed)
			}
			t.Fatal("no history has a place for this")
		})
	}
}

// waited is a history in which a job is added, asked for, and left lying.
func waited(askNs int64) *history.History {
	registered := registration("p0", "a")
	op := func(call model.Op, revision uint64, returnNs int64, answer model.Answer) *history.Op {
		return &history.Op{Call: call, InvokeNs: returnNs - 1000, ReturnNs: returnNs, Outcome: history.OK, Answer: answer,
			Info: registry.AnswerInfo{Revision: revision, Term: 1}}
	}
	h := &history.History{Ops: []*history.Op{
		op(model.RegisterProcess{Registration: registered}, 1, 1e9, model.Answer{}),
		op(model.ClaimNext{Owner: owner("w"), TTLMs: 100, Limit: 1, Kinds: []string{registered.Identity.Kind}}, 1, askNs, model.Answer{}),
	}}
	h.Ops[1].Index = 1
	return h
}

func TestWorkThatLiesReadyForTooLongIsFound(t *testing.T) {
	fault := func(phase history.Phase, atNs int64) history.Fault {
		return history.Fault{Name: "kill", Number: 1, Phase: phase, AtNs: atNs}
	}
	for _, test := range []struct {
		name  string
		ops   []*history.Op
		fault []history.Fault
		found bool
	}{
		{name: "somebody asked for it long after it was added", found: true},
		{name: "a fault ended long before", fault: []history.Fault{fault(history.Begin, 2e9), fault(history.Recovered, 3e9)}, found: true},
		{name: "a fault has just ended", fault: []history.Fault{fault(history.Begin, 2e9), fault(history.Recovered, 5e9)}},
		{name: "a fault has not ended", fault: []history.Fault{fault(history.Begin, 2e9)}},
		{name: "it may have been done", ops: []*history.Op{
			{Call: model.CompleteProcess{ProcessID: "p0"}, InvokeNs: 2e9, ReturnNs: 3e9, Outcome: history.Unknown}}},
		{name: "an owner may hold it still", ops: []*history.Op{
			{Call: model.ClaimNext{Owner: owner("v"), TTLMs: 9000, Limit: 1}, InvokeNs: 2e9, ReturnNs: 3e9, Outcome: history.Unknown}}},
		{name: "an owner held it, and gave it back", ops: []*history.Op{
			{Call: model.ClaimProcessLease{ProcessID: "p0", Owner: owner("v"), TTLMs: 20_000}, InvokeNs: 2e9, ReturnNs: 2e9 + 1, Outcome: history.OK,
				Answer: model.Answer{Lease: &registry.ProcessLease{ProcessID: "p0", Owner: owner("v"), LeaseToken: "t"}}},
			{Call: model.CompleteProcessLease{Completion: registry.ProcessLeaseCompletion{ProcessID: "p0", LeaseToken: "t"}}, InvokeNs: 3e9, ReturnNs: 3e9 + 1, Outcome: history.OK}}, found: true},
		{name: "it may be delayed", ops: []*history.Op{
			{Call: model.ReleaseForRetry{Completion: registry.ProcessLeaseCompletion{ProcessID: "p0"}, RetryAfterMs: 9000}, InvokeNs: 2e9, ReturnNs: 3e9}}},
		{name: "its delay was short", ops: []*history.Op{
			{Call: model.ReleaseForRetry{Completion: registry.ProcessLeaseCompletion{ProcessID: "p0"}, RetryAfterMs: 100}, InvokeNs: 2e9, ReturnNs: 3e9}}, found: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := waited(15e9)
			h.Ops, h.Faults = slices.Insert(h.Ops, 1, test.ops...), test.fault
			violations, _, _ := checkQueue(newView(h, whole))
			if found := len(violations) == 1 && violations[0].Sentence == WorkIsFound; found != test.found || len(violations) > 1 {
				t.Errorf("found %v", violations)
			}
		})
	}
}

// TestARepeatOfAClaimNextMayShowNewerRecords has an answer whose record is of
// after somebody else had started the process.
func TestARepeatOfAClaimNextMayShowNewerRecords(t *testing.T) {
	for _, otherLife := range []bool{false, true} {
		s := newSim(1, 0)
		s.do(model.RegisterProcess{Registration: registration("p0", "a")})
		first := s.do(model.ClaimNext{Owner: owner("w"), TTLMs: 100_000, Limit: 2})
		s.do(model.RecordFirstStarted{ProcessID: "p0", Started: registry.ProcessStarted{Owner: owner("o"), StartedAtMs: 1}})
		newer := *s.do(model.GetProcess{ProcessID: "p0"}).Answer.Record
		if otherLife {
			newer.Life++
		}
		first.Answer.Claims = slices.Clone(first.Answer.Claims)
		first.Answer.Claims[0].Record = newer
		h := s.history()
		first.ReturnNs = h.Ops[len(h.Ops)-1].ReturnNs
		first.Client = "other"
		if violations := Judge(h, whole).Violations(); (len(violations) > 0) != otherLife {
			t.Errorf("with another life %v: found %v", otherLife, violations)
		}
	}
}
