package check

import (
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestALeaseThatOutlastsItsTTLIsFound is about ExpiredIsFree: lease time keeps
// up, and a claim is turned away all the same.
func TestALeaseThatOutlastsItsTTLIsFound(t *testing.T) {
	lease := registry.ProcessLease{ProcessID: "p", Owner: owner("a"), LeaseToken: "t", FencingToken: 1}
	var ops []*history.Op
	add := func(atMs int64, call model.Op, answer model.Answer) {
		ops = append(ops, &history.Op{
			Index: len(ops), Client: "c", Call: call, InvokeNs: atMs * 1e6, ReturnNs: atMs*1e6 + 1000, Outcome: history.OK, Answer: answer,
			Info: registry.AnswerInfo{Revision: uint64(len(ops)), ClockMs: uint64(atMs), LeaseTimeMs: uint64(atMs), Term: 1},
		})
	}
	add(50, model.RegisterProcess{Registration: registration("p", "a")}, model.Answer{})
	add(100, model.ClaimProcessLease{ProcessID: "p", Owner: owner("a"), TTLMs: 200}, model.Answer{Lease: &lease})
	for at := int64(300); at < 4000; at += 200 {
		add(at, model.ClaimProcessLease{ProcessID: "p", Owner: owner("b"), TTLMs: 200}, model.Answer{Lease: &lease, Busy: true})
	}
	violations, _, _ := checkLeaseTime(newView(&history.History{Ops: ops}, Options{}))
	if len(violations) == 0 || violations[0].Sentence != ExpiredIsFree {
		t.Errorf("found %v", violations)
	}
	// An interruption excuses it.
	faults := []history.Fault{{Name: "pause", Phase: history.Begin, AtNs: 200e6}}
	if violations, _, _ := checkLeaseTime(newView(&history.History{Ops: ops, Faults: faults}, Options{})); len(violations) != 0 {
		t.Errorf("under a fault: %v", violations)
	}
}

// TestAnInterruptionThatCountsIsFound has a fault of 3 s in which no majority
// runs, and lease time that passes all along, or some of it.
func TestAnInterruptionThatCountsIsFound(t *testing.T) {
	for _, test := range []struct {
		name             string
		leaseMs, newTerm uint64
		found            bool
	}{
		{"nothing counts where the leader changes", 200, 1, false},
		{"what the old leader wrote before it stepped down counts", 700, 1, false},
		{"two seconds count where it stays", 2200, 0, false},
		{"two seconds are too much where it changes", 2200, 1, true},
		{"three are too much", 3200, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			write := func(atMs int64, leaseMs, term uint64) *history.Op {
				return &history.Op{
					Call: model.RegisterProcess{Registration: registration("p", "a")}, Outcome: history.OK, InvokeNs: atMs * 1e6, ReturnNs: (atMs + 10) * 1e6,
					Info: registry.AnswerInfo{Revision: uint64(atMs), LeaseTimeMs: leaseMs, ClockMs: uint64(atMs), Term: term},
				}
			}
			fault := func(phase history.Phase, atMs int64) history.Fault {
				return history.Fault{Name: "kill", Number: 1, Phase: phase, Stops: true, AtNs: atMs * 1e6}
			}
			h := &history.History{
				Ops:    []*history.Op{write(1000, 1000, 1), write(4180, 1000+test.leaseMs, 1+test.newTerm)},
				Faults: []history.Fault{fault(history.Begin, 1050), fault(history.Held, 1100), fault(history.End, 4100), fault(history.Recovered, 4150)},
			}
			violations, _, _ := checkLeaseTime(newView(h, Options{}))
			if found := len(violations) == 1 && violations[0].Sentence == LeasesOutlive; found != test.found || len(violations) > 1 {
				t.Errorf("found %v", violations)
			}
		})
	}
}
