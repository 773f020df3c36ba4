package fsm

import (
	"fmt"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// waking is an event with a wake as the leader decides it.
func waking(id, payload, key string) *AppendEvent {
	body := note(id, payload, key)
	body.Wake = &storedMaterialisedWake{Input: "in", EventIdentity: true}
	return body
}

func (r *rig) wakePage(id string, after uint64, page registry.PageRequest) (out registry.Page[registry.ProcessEvent], err error) {
	r.m.Read(func(v View) { out, err = v.WakeEventsAfter(id, after, page) })
	return out, err
}

// wakes lists the wake events behind a sequence, page by page.
func (r *rig) wakes(id string, after uint64, size int) string {
	r.t.Helper()
	got, request := "", registry.PageRequest{Size: size}
	for range 100 {
		page, err := r.wakePage(id, after, request)
		if err != nil {
			r.t.Fatal(err)
		}
		got += sequencesOf(page.Items)
		if request.Token = page.NextToken; request.Token == "" {
			break
		}
	}
	return got
}

// wakingRig has the process p whose events 2, 3, 5 and 6 carry wakes.
func wakingRig(t testing.TB) *rig {
	r := newRig(t)
	r.register("p", "")
	for i, wake := range []bool{false, true, true, false, true, true} {
		if payload := fmt.Sprint(i); wake {
			r.must(r.do(waking("p", payload, "")))
		} else {
			r.must(r.do(note("p", payload, "")))
		}
	}
	return r
}

func TestWakeEventsAreThoseWithAWakeThatNobodyAcked(t *testing.T) {
	r := wakingRig(t)
	r.want("all wakes", r.wakes("p", 0, 0), "[2 3 5 6]")
	r.want("in pages of one", r.wakes("p", 0, 1), "[2][3][5][6]")
	r.want("in pages of two", r.wakes("p", 0, 2), "[2 3][5 6]")
	r.want("behind 1", r.wakes("p", 1, 0), "[2 3 5 6]")
	r.want("behind 2", r.wakes("p", 2, 0), "[3 5 6]")
	r.want("behind 3", r.wakes("p", 3, 0), "[5 6]")
	r.want("behind the last", r.wakes("p", 6, 0), "[]")
	for _, far := range []uint64{registry.MaxEventSequence - 1, registry.MaxEventSequence, 1 << 32, 1<<32 + 1, ^uint64(0)} {
		r.want("behind a sequence beyond all", r.wakes("p", far, 0), "[]")
	}
	record := dumpJSON(*r.m.Process("p"))
	r.pass(100)
	r.must(r.do(&AckWake{"p", 3}))
	r.want("after an ack", r.wakes("p", 0, 0), "[2 5 6]")
	r.must(r.do(completion("p", success("1"))))
	r.must(r.do(&AckWake{"p", 2}))
	r.must(r.do(waking("p", "late", "")))
	r.want("after the end", r.wakes("p", 0, 0), "[5 6 8]")
	if _, err := r.wakePage("none", 0, registry.PageRequest{}); asRefusal(t, err).Code != registry.CodeNotFound {
		t.Error(err)
	}
	r.refused(r.do(&AckWake{"none", 1}), registry.CodeNotFound)
	if record == dumpJSON(*r.m.Process("p")) {
		t.Error("the record is the same after the end")
	}
}

func TestAnAckChangesNoRecordAndCountsOnce(t *testing.T) {
	r := wakingRig(t)
	record, revision := dumpJSON(*r.m.Process("p")), r.position().Revision
	for _, c := range []struct {
		name     string
		sequence uint64
		moves    bool
	}{
		{"a wake", 2, true},
		{"it again", 2, false},
		{"an event without a wake", 1, true},
		{"an event of the future", 7, true},
		{"the highest sequence that there can be", registry.MaxEventSequence, true},
		{"no sequence at all", 0, false},
		{"a sequence that there can never be", registry.MaxEventSequence + 1, false},
		{"a sequence that looks like an acked one in 32 bits", 1<<32 + 3, false},
		{"the highest number there is", ^uint64(0), false},
	} {
		r.pass(10)
		r.must(r.do(&AckWake{"p", c.sequence}))
		moved := r.position().Revision != revision
		if moved != c.moves {
			t.Errorf("acking %s moved the revision: %v", c.name, moved)
		}
		revision = r.position().Revision
	}
	if after := dumpJSON(*r.m.Process("p")); after != record {
		t.Errorf("an ack changed the record to %s", after)
	}
	r.want("wakes", r.wakes("p", 0, 0), "[3 5 6]")
}

func TestAnAckThatComesFirstSuppressesTheWake(t *testing.T) {
	r := wakingRig(t)
	r.must(r.do(&AckWake{"p", 7}))
	r.must(r.do(&AckWake{"p", 9}))
	for range 3 {
		r.must(r.do(waking("p", "x", "")))
	}
	r.want("wakes", r.wakes("p", 5, 0), "[6 8]")
}

func TestAcksOutliveTheSessionAndTheSnapshot(t *testing.T) {
	r := wakingRig(t)
	r.must(r.do(targeting("q", "s", "")))
	r.must(r.do(waking("q", "x", "")))
	r.must(r.do(&AckWake{"q", 1}))
	r.must(r.do(&AckWake{"p", 5}))
	r.must(r.do(&AckWake{"p", 7}))
	r.must(r.do(&DeleteSessionProcessState{SessionID: "s"}))
	r.want("wakes of q", r.wakes("q", 0, 0), "[]")
	frozen := r.m.Snapshot()
	hash := r.hash()
	r.must(r.do(&AckWake{"p", 2}))
	other := &rig{t: t, m: restored(t, write(t, frozen)), index: r.index, term: 1, stamp: r.stamp}
	if other.hash() != hash {
		t.Error("what was frozen changed")
	}
	other.want("restored wakes of q", other.wakes("q", 0, 0), "[]")
	other.want("restored wakes of p", other.wakes("p", 0, 0), "[2 3 6]")
	other.must(other.do(waking("p", "x", "")))
	other.want("the wake that was acked first", other.wakes("p", 0, 0), "[2 3 6]")
	other.must(other.do(waking("p", "x", "")))
	other.want("the one behind it", other.wakes("p", 0, 0), "[2 3 6 8]")
	r.want("wakes of the other", r.wakes("p", 0, 0), "[3 6]")
}

func TestAcksInAnyOrderMakeOneState(t *testing.T) {
	hashes := map[string]bool{}
	for _, order := range [][]uint64{{2, 5, 6}, {6, 2, 5}, {5, 6, 2}} {
		r := wakingRig(t)
		for _, sequence := range order {
			r.must(r.do(&AckWake{"p", sequence}))
		}
		frozen := r.m.state.freeze()
		frozen.counters = counters{}
		hash, err := (&Snapshot{frozen}).Hash()
		if err != nil {
			t.Fatal(err)
		}
		hashes[hash] = true
	}
	if len(hashes) != 1 {
		t.Errorf("%d states", len(hashes))
	}
}

// TestAWakeThatIsAckedWhileListedComesAtMostOnce: pages go on from the place of
// the last event, whether or not that is still in the list.
func TestAWakeThatIsAckedWhileListedComesAtMostOnce(t *testing.T) {
	r := wakingRig(t)
	first, err := r.wakePage("p", 0, registry.PageRequest{Size: 2})
	if err != nil || sequencesOf(first.Items) != "[2 3]" {
		t.Fatal(sequencesOf(first.Items), err)
	}
	r.must(r.do(&AckWake{"p", 3}))
	r.must(r.do(&AckWake{"p", 5}))
	rest, err := r.wakePage("p", 0, registry.PageRequest{Token: first.NextToken})
	if err != nil || sequencesOf(rest.Items) != "[6]" {
		t.Error(sequencesOf(rest.Items), err)
	}
}

// TestALongLogIsNotLookedThrough: a page ends after so many rows examined, and
// one wake at the end of a full log is on the first.
func TestALongLogIsNotLookedThrough(t *testing.T) {
	r := newRig(t)
	r.fill(1, func(_ int, row *process) {
		for i := range uint64(registry.MaxPageExamined + 1) {
			row.append(&event{ProcessEvent: registry.ProcessEvent{ProcessID: row.record.ID, Sequence: i + 1, EventType: "note", Payload: registry.JSON("1")}})
		}
	})
	r.must(r.do(waking("p000000", "x", "")))
	page, err := r.wakePage("p000000", 0, registry.PageRequest{})
	if err != nil || sequencesOf(page.Items) != fmt.Sprintf("[%d]", registry.MaxPageExamined+2) || page.NextToken != "" {
		t.Errorf("%s, token %q (%v)", sequencesOf(page.Items), page.NextToken, err)
	}
}
