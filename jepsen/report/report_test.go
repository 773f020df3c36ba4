package report

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/check"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

func sample() *history.History {
	lease := &registry.ProcessLease{ProcessID: "p<1>", Owner: registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "o-1"}, LeaseToken: "t", FencingToken: 9}
	op := func(index int, atMs, tookMs int64, outcome history.Outcome, a model.Answer, leader string) *history.Op {
		return &history.Op{
			Index: index, Client: "c1", Call: model.ClaimProcessLease{ProcessID: "p<1>"}, InvokeNs: atMs * 1e6, ReturnNs: (atMs + tookMs) * 1e6,
			Outcome: outcome, Answer: a, Info: registry.AnswerInfo{LeaderID: leader, Term: 1},
		}
	}
	pending := op(3, 1300, 0, history.Unknown, model.Answer{}, "")
	pending.ReturnNs = history.Pending
	return &history.History{
		Ops: []*history.Op{
			op(0, 100, 10, history.OK, model.Answer{Lease: lease}, "n1"),
			op(1, 300, 20, history.Refused, model.Answer{Code: registry.CodeTerminal}, "n1"),
			op(2, 1200, 30, history.OK, model.Answer{Lease: lease, Busy: true}, "n2"),
			pending,
		},
		Faults: []history.Fault{
			{Name: "kill", Number: 1, Phase: history.Begin, Detail: "kill n1 (leader)", AtNs: 400e6},
			{Name: "kill", Number: 1, Phase: history.End, Detail: "kill n1 (leader)", AtNs: 800e6},
			{Name: "kill", Number: 1, Phase: history.Recovered, AtNs: 1000e6},
			{Name: "pause", Number: 2, Phase: history.Begin, Detail: "</script>", AtNs: 1100e6},
		},
	}
}

func TestAPictureHoldsWhatHappened(t *testing.T) {
	p := newPicture(sample())
	if len(p.Faults) != 2 || p.Faults[0] != (span{Row: "kill", Label: "kill n1 (leader)", FromMs: 400, ToMs: 800, BackMs: 1000}) || p.Faults[1].BackMs != 0 {
		t.Errorf("faults %+v", p.Faults)
	}
	if len(p.Leaders) != 2 || p.Leaders[0].Row != "n1" || p.Leaders[0].FromMs != 100 || p.Leaders[1].Row != "n2" {
		t.Errorf("leaders %+v", p.Leaders)
	}
	if len(p.Leases) != 1 || p.Leases[0] != (span{Row: "p<1>", Label: "o-1, fencing token 9", FromMs: 100, ToMs: 1230}) {
		t.Errorf("leases %+v", p.Leases)
	}
	if len(p.Buckets) != 6 || p.Buckets[0].OK != 1 || p.Buckets[0].P50Ms != 10 || p.Buckets[1].Refused != 1 {
		t.Errorf("buckets %+v", p.Buckets)
	}
	if len(p.Points) != 3 || p.Points[2].TookMs != 30 {
		t.Errorf("points %+v", p.Points)
	}
	if counts := countErrors(sample()); len(counts) != 1 || counts[0] != (errorCount{"ClaimProcessLease", "Terminal", 1}) {
		t.Errorf("errors %+v", counts)
	}
}

func TestThePageNeedsNothingElse(t *testing.T) {
	verdicts := check.Verdicts{{Checker: "model", Checked: "4 answers", Violations: []check.Violation{{Sentence: check.AckedStays, Detail: "here & there", Ops: []int{0, 99}}}}}
	var out bytes.Buffer
	if err := Write(&out, json.RawMessage(`{"seed":7}`), sample(), verdicts); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{"1 violations in 4 operations", string(check.AckedStays), "here &amp; there", "kill n1 (leader)", "fencing token 9", "never", `{&#34;seed&#34;:7}`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if found := regexp.MustCompile(`(src|href)=|@import|url\(|fetch\(`).FindString(text); found != "" {
		t.Errorf("the page loads something: %s", found)
	}
	// Nothing that a run names can end the script.
	if n := strings.Count(text, "</script>"); n != 1 {
		t.Errorf("%d ends of the one script", n)
	}
	out.Reset()
	if err := Write(&out, nil, sample(), check.Verdicts{{Checker: "model"}}); err != nil || !strings.Contains(out.String(), "Every promise held") {
		t.Errorf("a sound run: %v", err)
	}
}
