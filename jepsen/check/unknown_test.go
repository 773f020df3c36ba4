package check

import (
	"fmt"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestWhatIsUnknownMayHaveHappenedOrNot has one append of unknown outcome,
// whose effect is seen or not.
func TestWhatIsUnknownMayHaveHappenedOrNot(t *testing.T) {
	for _, happened := range []bool{false, true} {
		t.Run(fmt.Sprintf("happened: %v", happened), func(t *testing.T) {
			s := newSim(1, 0)
			s.do(model.RegisterProcess{Registration: registration("p0", "a")})
			lost := s.appendTo("p0", nil)
			o := s.do(lost)
			if !happened {
				s.state.Processes["p0"].Events = nil
				s.state.Revision--
				s.state.Processes["p0"].Revision, s.state.Processes["p0"].UpdatedAtMs = 1, s.state.Processes["p0"].CreatedAtMs
			}
			o.Outcome, o.Answer, o.Info = history.Unknown, model.Answer{}, registry.AnswerInfo{}
			s.do(s.appendTo("p0", nil))
			h := s.history()
			expectNothing(t, Judge(h, whole))
			// The same history, if nobody had sent it.
			if happened {
				o.Outcome = history.Refused
				o.Answer.Code = registry.CodeNotLeader
				if len(Judge(h, whole).Violations()) == 0 {
					t.Error("an event that was refused is in the log, and nothing was found")
				}
			}
		})
	}
}

// TestARepeatMayShowANewerRecord has a registration whose answer was lost, and
// whose repeat is answered when somebody else has started the process.
func TestARepeatMayShowANewerRecord(t *testing.T) {
	for _, otherLife := range []bool{false, true} {
		s := newSim(1, 0)
		first := s.do(model.RegisterProcess{Registration: registration("p0", "a")})
		s.do(model.RecordFirstStarted{ProcessID: "p0", Started: registry.ProcessStarted{Owner: owner("o"), StartedAtMs: 1}})
		newer := *s.do(model.GetProcess{ProcessID: "p0"}).Answer.Record
		if otherLife {
			newer.Life++
		}
		first.Answer.Record = &newer
		h := s.history()
		first.ReturnNs = h.Ops[len(h.Ops)-1].ReturnNs
		first.Client = "other"
		if found := len(Judge(h, whole).Violations()) > 0; found != otherLife {
			t.Errorf("with another life %v: found %v", otherLife, Judge(h, whole).Violations())
		}
	}
}

// TestARevisionThatNothingMadeNamesWhoShowsIt has a revision that nobody was
// answered with, nor can have made.
func TestARevisionThatNothingMadeNamesWhoShowsIt(t *testing.T) {
	s := newSim(1, 0)
	s.do(model.RegisterProcess{Registration: registration("p0", "a")})
	s.state.Revision++
	shows := s.do(model.RegisterProcess{Registration: registration("p1", "a")})
	violations, _, _ := checkModel(newView(s.history(), whole))
	if len(violations) != 1 || len(violations[0].Ops) != 1 || violations[0].Ops[0] != shows.Index || violations[0].AtNs != shows.ReturnNs {
		t.Errorf("found %+v", violations)
	}
}
