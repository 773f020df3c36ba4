package check

import (
	"slices"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// twoLogs is a history with a batch of two appends to two logs, read by somebody
// at the end. The answer of the batch may be lost.
func twoLogs(lost bool) (h *history.History, batch *history.Op) {
	s := newSim(1, 0)
	s.do(model.RegisterProcess{Registration: registration("p0", "a")})
	s.do(model.RegisterProcess{Registration: registration("p1", "a")})
	s.counts = 1 // appends without a replay key
	one := s.appendTo("p0", nil)
	one.Request.Replay = nil
	other := s.appendTo("p1", nil)
	other.Request.Replay = nil
	batch = s.do(model.Batch{Ops: []model.Op{one, other}})
	if lost {
		batch.Outcome, batch.Answer, batch.Info = history.Unknown, model.Answer{}, registry.AnswerInfo{}
	}
	s.do(s.appendTo("p0", nil))
	return s.history(), batch
}

func TestABatchThatIsNotWholeIsFound(t *testing.T) {
	read := func(h *history.History, id string) []*history.Op {
		return slices.DeleteFunc(slices.Clone(h.Ops), func(o *history.Op) bool {
			call, is := o.Call.(model.EventsAfter)
			return !is || call.ProcessID != id
		})
	}
	for _, test := range []struct {
		name  string
		lost  bool
		spoil func(h *history.History, batch *history.Op)
		want  Sentence
	}{
		{name: "it is whole", spoil: func(*history.History, *history.Op) {}},
		{name: "it is whole, and nobody was told", lost: true, spoil: func(*history.History, *history.Op) {}},
		{name: "somebody was answered in the middle of it", want: BatchIsWhole, spoil: func(h *history.History, batch *history.Op) {
			o := read(h, "p1")[0]
			o.Info.Revision, o.Answer.Events = batch.Info.Revision-1, nil
		}},
		{name: "half of it is there, and nobody was told", lost: true, want: BatchIsWhole, spoil: func(h *history.History, _ *history.Op) {
			for _, o := range read(h, "p1") {
				o.Answer.Events = nil
			}
		}},
		{name: "half of it is there", want: AckedStays, spoil: func(h *history.History, _ *history.Op) {
			for _, o := range read(h, "p1") {
				o.Answer.Events = nil
			}
		}},
		{name: "it was refused, and half of it is there", want: RefusedIsAbsent, spoil: func(h *history.History, batch *history.Op) {
			batch.Outcome, batch.Answer = history.Refused, model.Answer{Code: registry.CodeBatchRefused}
			for _, o := range read(h, "p1") {
				o.Answer.Events = nil
			}
		}},
		{name: "it was refused for another reason than the model has", want: AnswersAgree, spoil: func(_ *history.History, batch *history.Op) {
			batch.Outcome, batch.Answer = history.Refused, model.Answer{Code: registry.CodeBatchRefused}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, batch := twoLogs(test.lost)
			test.spoil(h, batch)
			violations := Judge(h, whole).Violations()
			if test.want == "" {
				expectNothing(t, Judge(h, whole))
			} else if !slices.ContainsFunc(violations, func(v Violation) bool { return v.Sentence == test.want }) {
				t.Errorf("found %v", violations)
			}
		})
	}
}
