package check

import (
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestWhatWasLostHappensSoonOrNever has a write whose answer was lost, and which
// happened long after.
func TestWhatWasLostHappensSoonOrNever(t *testing.T) {
	fault := func(phase history.Phase, atNs int64) history.Fault {
		return history.Fault{Name: "pause", Number: 1, Phase: phase, AtNs: atNs}
	}
	for _, test := range []struct {
		name   string
		late   int64
		faults []history.Fault
		found  bool
	}{
		{name: "a moment later", late: 1e9},
		{name: "a minute later", late: 60e9, found: true},
		{name: "a minute later, in which a fault was on", late: 60e9, faults: []history.Fault{fault(history.Begin, 1e9), fault(history.Recovered, 58e9)}},
		{name: "a minute later, long after a fault", late: 60e9, faults: []history.Fault{fault(history.Begin, 1e9), fault(history.Recovered, 40e9)}, found: true},
		{name: "while a fault goes on", late: 60e9, faults: []history.Fault{fault(history.Begin, 1e9)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSim(1, 0)
			s.do(model.RegisterProcess{Registration: registration("p0", "a")})
			lost := &history.Op{Client: "other", Call: s.appendTo("p0", nil), InvokeNs: s.effectNs, ReturnNs: s.effectNs + 1e6, Outcome: history.Unknown}
			wait := func(ns int64) {
				s.effectNs += ns
				s.state.Apply(model.Entry{Term: 1, CommitTerm: 1, StampMs: s.clock()})
			}
			wait(test.late)
			s.do(model.GetProcess{ProcessID: "p0"})
			wait(1e6)
			happens := *lost
			s.apply(&happens)
			s.ops = append(s.ops, lost)
			h := s.history()
			h.Faults = test.faults
			violations, _, _ := checkModel(newView(h, Options{}))
			if (len(violations) > 0) != test.found {
				t.Errorf("found %v", violations)
			}
		})
	}
}

// TestWhatIsSeenLaterTellsWhatWasLostApart has registrations whose answers were
// lost, and one that happened: which one the record says, whenever it is read.
func TestWhatIsSeenLaterTellsWhatWasLostApart(t *testing.T) {
	s := newSim(1, 0)
	var lost []*history.Op
	for _, id := range []string{"p0", "p1", "p2"} {
		o := s.do(model.RegisterProcess{Registration: registration(id, "a")})
		if id != "p1" {
			delete(s.state.Processes, id)
		}
		lost = append(lost, o)
	}
	s.state.Revision = 1
	s.state.Processes["p1"].Life, s.state.Processes["p1"].Revision = 1, 1
	for _, o := range lost {
		o.Outcome, o.Answer, o.Info = history.Unknown, model.Answer{}, registry.AnswerInfo{}
	}
	s.do(model.RegisterProcess{Registration: registration("p3", "a")})
	r := &replay{}
	h := s.history()
	expectNothing(t, Judge(h, whole))
	r.view = newView(h, whole)
	r.evidence = collect(r.view)
	for i, id := range []string{"p0", "p1", "p2"} {
		made := &world{state: model.New()}
		made.state.Do(lost[i].Call)
		c := choice{call: lost[i].Call, id: id, span: span{when{revision: 0}, when{revision: 2}}}
		if len(r.evidence.lives[id]) > 0 != (id == "p1") || !r.fits(made, c) {
			t.Errorf("%s: lives %v", id, r.evidence.lives[id])
		}
		c.from.revision = 1
		if r.fits(made, c) != (id != "p1") {
			t.Errorf("%s may have been registered where its record says it was not", id)
		}
	}
}
