package mutants

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/check"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/jepsen/run"
)

func TestAMutantThatCannotBeRunHereIsNotMissed(t *testing.T) {
	f := Finding{Mutant: Mutant{Name: "m", Run: &Run{Workload: "log", Nemeses: "kill"}}, Cannot: "there is no root"}
	if f.Missed() || !strings.HasPrefix(f.String(), "not run") || !strings.Contains(f.String(), f.Cannot) {
		t.Errorf("missed is %v: %v", f.Missed(), f)
	}
	if f.Cannot = f.Mutant.Run.cannot(); f.Cannot != "" || !f.Missed() {
		t.Errorf("a nemesis that can be used everywhere: missed is %v: %v", f.Missed(), f)
	}
}

func TestAHuntThatFailedSaysNothingOfItsMutant(t *testing.T) {
	m := Mutant{Name: "m\x00", Run: &Run{Workload: "log", Nemeses: "kill"}}
	f, err := m.Hunt(t.Context(), Options{Dir: t.TempDir(), Time: time.Second})
	if err == nil || f.Failed != err || f.Missed() || !strings.HasPrefix(f.String(), "failed") {
		t.Errorf("a mutant whose tag no compiler takes: missed is %v: %v (%v)", f.Missed(), f, err)
	}
}

// TestJudge judges a run of three operations, a second apart.
func TestJudge(t *testing.T) {
	second := time.Second.Nanoseconds()
	h := new(history.History)
	for i := range int64(3) {
		h.Ops = append(h.Ops, &history.Op{InvokeNs: (5 + i) * second, ReturnNs: (5+i)*second + 1})
	}
	m := Mutant{Name: "m", Run: &Run{Broken: []check.Sentence{check.AtMostOnce, check.TokensGrow}}}
	for _, test := range []struct {
		name       string
		control    bool
		violations []check.Violation
		caught     check.Sentence
		ops        int
		took       time.Duration
	}{
		{"a run that breaks nothing counts as a whole", false, nil, "", 3, 10 * time.Second},
		{
			"the first of the promises that the mutant breaks catches it", false,
			[]check.Violation{
				{Sentence: check.TokensGrow, AtNs: 7 * second},
				{Sentence: check.AtMostOnce, AtNs: 6 * second},
				{Sentence: check.NodesStay, AtNs: 5 * second},
			},
			check.AtMostOnce, 2, time.Second,
		},
		{"another promise does not catch it", false, []check.Violation{{Sentence: check.NodesStay, AtNs: 5 * second}}, "", 3, 10 * time.Second},
		{"without the mutant every promise counts", true, []check.Violation{{Sentence: check.NodesStay, AtNs: 5 * second}}, check.NodesStay, 1, 0},
		{"what is noticed at the end took the whole run", false, []check.Violation{{Sentence: check.AtMostOnce}}, check.AtMostOnce, 3, 2*time.Second + 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := Finding{Mutant: m, Control: test.control}
			result := &run.Result{History: h, Verdicts: check.Verdicts{{Violations: test.violations}}}
			result.Config.Time = 10 * time.Second
			found := m.judge(&f, result, test.control)
			if found != (test.caught != "") || f.Caught != string(test.caught) || f.Ops != test.ops || f.Took != test.took {
				t.Errorf("found %v: %+v", found, f)
			}
			if missed := !found && !test.control; f.Missed() != missed {
				t.Errorf("missed is %v", f.Missed())
			}
		})
	}
}
