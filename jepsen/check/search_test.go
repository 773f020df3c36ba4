package check

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// leaseHistory is made by hand: of operations on one process whose times are
// given, and whose revisions nobody looks at.
type leaseHistory struct{ history.History }

func (h *leaseHistory) add(client string, call model.Op, fromMs, toMs int64) *history.Op {
	o := &history.Op{
		Index: len(h.Ops), Client: client, Call: call, InvokeNs: fromMs * 1e6, ReturnNs: toMs * 1e6,
		Outcome: history.OK, Info: registry.AnswerInfo{Revision: 1, Term: 1},
	}
	h.Ops = append(h.Ops, o)
	return o
}

func (h *leaseHistory) lost(client string, call model.Op, fromMs, toMs int64) {
	h.add(client, call, fromMs, toMs).Outcome = history.Unknown
}

// claimed is a claim that was answered with this token, by the owner of its name.
func (h *leaseHistory) claimed(token uint64, fromMs, toMs int64) {
	name := fmt.Sprint("o", token)
	o := h.add(name, claimOf(name), fromMs, toMs)
	o.Answer.Lease = &registry.ProcessLease{ProcessID: "p", Owner: owner(name), LeaseToken: fmt.Sprint(token), FencingToken: token}
}

// busy is a claim that was answered with the lease of another owner.
func (h *leaseHistory) busy(holder string, token uint64, fromMs, toMs int64) {
	o := h.add("x", claimOf("x"), fromMs, toMs)
	o.Answer.Busy = true
	o.Answer.Lease = &registry.ProcessLease{ProcessID: "p", Owner: owner(holder), LeaseToken: fmt.Sprint(token), FencingToken: token}
}

func claimOf(name string) model.ClaimProcessLease {
	return model.ClaimProcessLease{ProcessID: "p", Owner: owner(name), TTLMs: 1000}
}

// judge is how the search ends on the lease of the process: with a violation, or
// undecided, or without either.
func (h *leaseHistory) judge(t *testing.T) string {
	t.Helper()
	violations, _, undecided := checkLeases(newView(&h.History, Options{Porcupine: 10 * time.Second}))
	switch {
	case undecided != "":
		return undecided
	case len(violations) > 0:
		return "no linearization"
	}
	return "sound"
}

// TestTheSearchTakesWhatIsUnknownAsPossible has one claim whose answer was lost,
// and somebody who sees its lease, or should have.
func TestTheSearchTakesWhatIsUnknownAsPossible(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(h *leaseHistory)
		want string
	}{
		{"its lease is seen afterwards", func(h *leaseHistory) {
			h.lost("l", claimOf("l"), 20, 30)
			h.busy("l", 7, 40, 50)
		}, "sound"},
		{"its lease is seen while it is under way", func(h *leaseHistory) {
			h.lost("l", claimOf("l"), 20, 30)
			h.busy("l", 7, 10, 25)
		}, "sound"},
		{"its lease is seen before it was asked for", func(h *leaseHistory) {
			h.busy("l", 7, 10, 15)
			h.lost("l", claimOf("l"), 20, 30)
		}, "no linearization"},
		{"it happened after what had returned before it was called", func(h *leaseHistory) {
			h.add("x", model.GetProcessLease{ProcessID: "p"}, 10, 15)
			h.lost("l", claimOf("l"), 20, 30)
			h.busy("l", 7, 40, 50)
		}, "sound"},
		{"what was seen behind it had returned before it was called", func(h *leaseHistory) {
			// The reader that shows the lease of l called first, and goes on; the
			// one behind it in the order of tokens was over before l called.
			h.busy("l", 3, 5, 60)
			h.claimed(4, 10, 15)
			h.lost("l", claimOf("l"), 20, 30)
			h.busy("o4", 4, 70, 80)
		}, "no linearization"},
		{"it happens twice", func(h *leaseHistory) {
			h.lost("l", claimOf("l"), 20, 30)
			h.busy("l", 7, 40, 50)
			h.claimed(8, 60, 70)
			h.busy("l", 9, 80, 90)
		}, "no linearization"},
		{"it never happened", func(h *leaseHistory) {
			h.lost("l", claimOf("l"), 20, 30)
			h.claimed(7, 40, 50)
			h.busy("o7", 7, 60, 70)
		}, "sound"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := new(leaseHistory)
			h.add("r", model.RegisterProcess{Registration: registration("p", "a")}, 0, 1)
			test.make(h)
			if got := h.judge(t); got != test.want {
				t.Errorf("%s, not %s", got, test.want)
			}
		})
	}
}

// TestLostAnswersDoNotMultiplyWhatIsSearched loses the answers of many calls at
// once. That one of them happened or did not says nothing about the others, and
// the search must come to its end whether there is a linearization or not.
func TestLostAnswersDoNotMultiplyWhatIsSearched(t *testing.T) {
	for _, sound := range []bool{true, false} {
		t.Run(fmt.Sprintf("there is a linearization: %v", sound), func(t *testing.T) {
			h := new(leaseHistory)
			h.add("r", model.RegisterProcess{Registration: registration("p", "a")}, 0, 1)
			fence := &registry.Fence{LeaseToken: "7", FencingToken: 7}
			for i := range 20 {
				lost := fmt.Sprint("l", i)
				h.lost(lost, claimOf(lost), 2, 100)
				h.lost(lost+"a", model.AppendEvent{ProcessID: "p", Fence: fence}, 2, 100)
				h.lost(lost+"r", model.RenewProcessLease{Lease: registry.ProcessLease{ProcessID: "p", Owner: owner("o7"), LeaseToken: "7", FencingToken: 7}}, 2, 100)
			}
			// Eight who ask at once see the lease of one of those.
			for range 8 {
				h.busy("l3", 5, 200, 300)
			}
			h.claimed(7, 400, 500)
			want := "sound"
			if !sound {
				h.busy("l3", 5, 600, 700)
				want = "no linearization"
			}
			if got := h.judge(t); got != want {
				t.Errorf("%s, not %s", got, want)
			}
		})
	}
}

// TestLostClaimsThatEveryWriteMayHaveFollowed has claims whose answers were lost
// and writes under the leases of others behind them, each of which may be what
// one of the lost claims got.
func TestLostClaimsThatEveryWriteMayHaveFollowed(t *testing.T) {
	h := new(leaseHistory)
	h.add("r", model.RegisterProcess{Registration: registration("p", "a")}, 0, 1)
	for i := range 120 {
		lost := fmt.Sprint("l", i)
		h.lost(lost, claimOf(lost), 2, 100)
	}
	for token := uint64(1); token <= 6; token++ {
		from := int64(token) * 200
		h.claimed(token, from, from+300)
		fence := &registry.Fence{LeaseToken: fmt.Sprint(token), FencingToken: token}
		h.add(fmt.Sprint("o", token), model.AppendEvent{ProcessID: "p", Fence: fence}, from+310, from+320)
	}
	if got := h.judge(t); got != "sound" {
		t.Errorf("%s, not sound", got)
	}
}

// TestWhatWasGoneBeforeTheProcessIsNotSearched has a claim that was lost, long
// before its process was registered or shortly.
func TestWhatWasGoneBeforeTheProcessIsNotSearched(t *testing.T) {
	for lostMs, want := range map[int64]string{10: "no linearization", 19_000: "sound"} {
		h := new(leaseHistory)
		h.lost("l", claimOf("l"), lostMs, lostMs+10)
		h.add("r", model.RegisterProcess{Registration: registration("p", "a")}, 20_000, 20_001)
		h.busy("l", 7, 20_010, 20_020)
		if got := h.judge(t); got != want {
			t.Errorf("lost after %d ms: %s, not %s", lostMs, got, want)
		}
	}
}

// TestARegisterIsJudgedWithoutRevisions spoils what only porcupine looks at.
func TestARegisterIsJudgedWithoutRevisions(t *testing.T) {
	for seed := range uint64(20) {
		s := newSim(seed, 10)
		for range 60 {
			switch s.random.IntN(4) {
			case 0:
				s.do(model.RegisterProcess{Registration: registration("p0", fmt.Sprint(s.random.IntN(2)))})
			case 1, 2:
				s.do(model.GetProcess{ProcessID: "p0"})
			case 3:
				s.counts++
				s.do(model.RecordFirstStarted{ProcessID: "p0", Started: registry.ProcessStarted{Owner: owner("o"), StartedAtMs: uint64(s.counts)}})
			}
		}
		h := s.history()
		v := newView(h, Options{})
		if violations, _, undecided := checkRegisters(v); len(violations) > 0 || undecided != "" {
			t.Fatalf("seed %d: %v %s", seed, violations, undecided)
		}
		// A read that goes back: what was registered is unknown again.
		o := find(h, func(o *history.Op, _ model.GetProcess) bool { return o.Outcome == history.OK })
		if o == nil {
			continue
		}
		o.Outcome, o.Answer = history.Refused, model.Answer{Code: registry.CodeNotFound}
		dir := t.TempDir()
		violations, _, _ := checkRegisters(newView(h, Options{Dir: dir}))
		if len(violations) != 1 || violations[0].Sentence != Linearizable {
			t.Fatalf("seed %d: found %v", seed, violations)
		}
		if pictures, _ := filepath.Glob(filepath.Join(dir, "porcupine-*.html")); len(pictures) != 1 {
			t.Errorf("seed %d: pictures %v", seed, pictures)
		}
	}
}
