package fsm

import (
	"reflect"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// TestOnlyEntriesOfTheirOwnTermApply is the term check: raft says nothing about
// the term that a proposal ends up in.
func TestOnlyEntriesOfTheirOwnTermApply(t *testing.T) {
	write := func() Command { return Command{Body: note("p", `1`, "")} }
	for _, c := range []struct {
		name string
		run  func(*rig) EntryResult
	}{
		{"an entry decided in an older term changes nothing", func(r *rig) EntryResult { return r.entry(4, 5, write()) }},
		{"an entry decided in a much older term changes nothing", func(r *rig) EntryResult { return r.entry(1, 5, write()) }},
		{"an entry decided in an older term changes nothing, in the term after next either", func(r *rig) EntryResult { return r.entry(5, 7, write()) }},
		{"an entry that claims a later term changes nothing", func(r *rig) EntryResult { return r.entry(6, 5, write()) }},
		{"an entry before the term's takeover is refused", func(r *rig) EntryResult { return r.entry(6, 6, write()) }},
		{"a tick before the term's takeover is refused", func(r *rig) EntryResult { return r.entry(6, 6, Command{Body: &Tick{}}) }},
		{"a takeover decided in an older term is refused", func(r *rig) EntryResult {
			return r.entry(5, 6, Command{Body: &Takeover{Proposer: "deposed", ClusterID: "x", Members: []Member{{"n9", "i9"}}}})
		}},
		{"a takeover does not open its term to the commands beside it", func(r *rig) EntryResult {
			return r.entry(6, 6, Command{Body: &Takeover{Proposer: "n2"}}, write())
		}},
		{"a checkpoint in a refused entry is not made", func(r *rig) EntryResult { return r.entry(4, 5, Command{Body: &Checkpoint{}}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.takeover(5)
			r.register("p", "")
			r.must(r.do(claim("p", 5000, "token")))
			before := r.position()
			r.pass(1000)
			result := c.run(r)
			if !result.Refused || result.Results != nil || result.Checkpoint != nil {
				t.Errorf("the entry was applied: %+v", result)
			}
			if result.ClockMs != before.ClockMs || result.LeaseTimeMs != before.LeaseTimeMs || result.Revision != before.Revision {
				t.Errorf("the answer tells of %+v, the state is %+v", result, before)
			}
			after := r.position()
			if after.Index != before.Index+1 {
				t.Errorf("the index is %d after %d", after.Index, before.Index)
			}
			after.Index, after.Term = before.Index, before.Term
			if !reflect.DeepEqual(after, before) {
				t.Errorf("clock, lease time or revision moved: %+v after %+v", after, before)
			}
			r.m.Read(func(v View) {
				page, _ := v.EventsAfter("p", 0, registry.PageRequest{})
				if len(page.Items) != 0 || len(v.Members()) != 0 {
					t.Errorf("something was written: %v, %v", page.Items, v.Members())
				}
			})
		})
	}
}

func TestARefusedEntryIsSafeToProposeAgainInTheNextTerm(t *testing.T) {
	r := newRig(t)
	life := r.register("p", "")
	c := Command{Body: note("p", `1`, ""), Life: &life}
	if !r.entry(1, 2, c).Refused {
		t.Fatal("applied")
	}
	r.takeover(2)
	r.must(r.command(c))
	if e := r.must(r.do(note("p", `2`, ""))).Event; e.Sequence != 2 {
		t.Errorf("sequence %d", e.Sequence)
	}
}

func TestTheTakeoverNamesItsProposerAndMintsTheClusterOnce(t *testing.T) {
	r := &rig{t: t, m: NewMachine(), stamp: 1, term: 1}
	take := func(term uint64, proposer, cluster string) {
		r.term = term
		r.must(r.do(&Takeover{Proposer: proposer, ClusterID: cluster, Members: []Member{{"n1", "i1"}}}))
	}
	take(1, "n1", "first")
	take(4, "n2", "second")
	p := r.position()
	if p.ClusterID != "first" || p.Proposer != "n2" || p.TakeoverTerm != 4 || p.Term != 4 {
		t.Errorf("%+v", p)
	}
}

func TestAnInstanceIsRecordedOnce(t *testing.T) {
	r := newRig(t)
	r.must(r.do(&RecordMember{Member: Member{"n1", "i1"}}))
	r.must(r.do(&RecordMember{Member: Member{"n1", "i1"}}))
	r.refused(r.do(&RecordMember{Member: Member{"n1", "wiped"}}), registry.CodeAlreadyExists)
	r.must(r.do(&Takeover{Proposer: "n2", Members: []Member{{"n1", "wiped"}, {"n2", "i2"}}}))
	r.m.Read(func(v View) {
		if got := v.Members(); !reflect.DeepEqual(got, []Member{{"n1", "i1"}, {"n2", "i2"}}) {
			t.Errorf("members %v", got)
		}
		if _, ok := v.Member("n3"); ok {
			t.Error("n3 is recorded")
		}
	})
}

func TestASessionStampIsRefusedBeforeAnythingElse(t *testing.T) {
	r := newRig(t)
	before := r.position().Revision
	r.refused(r.command(Command{Session: &SessionHeader{Sequence: 1}, Body: registration("p", "")}), registry.CodeSessionExpired)
	if r.position().Revision != before {
		t.Error("the revision moved")
	}
}

func TestTheRevisionCountsChangesAndNothingElse(t *testing.T) {
	r := newRig(t)
	for i, step := range []struct {
		body    Body
		changes bool
	}{
		{registration("p", ""), true}, {registration("p", ""), false}, {registration("p", "required"), false},
		{note("p", "1", ""), true}, {note("p", "1", "k"), true}, {note("p", "1", "k"), false}, {note("p", "2", "k"), false}, {note("none", "1", ""), false},
		{started("p", "w"), true}, {started("p", "v"), false},
		{claim("p", 1000, "t"), true}, {claim("p", 2000, "t"), true}, {claim("p", 1000, "other"), false},
		{&CompleteProcessLease{ProcessID: "p", LeaseToken: "wrong"}, false}, {&CompleteProcessLease{ProcessID: "p", LeaseToken: "t"}, true},
		{&CompleteProcessLease{ProcessID: "p", LeaseToken: "t"}, false},
		{completion("p", success("1")), true}, {completion("p", success("1")), false}, {completion("p", success("2")), false},
		{&Tick{}, false}, {&Checkpoint{}, false}, {&Takeover{Proposer: "n2"}, false},
	} {
		before := r.position().Revision
		result := r.do(step.body)
		after := r.position().Revision
		want := before
		if step.changes {
			want++
		}
		if after != want || result.Revision != want {
			t.Errorf("%d, %T: revision %d and %d after %d", i, step.body, after, result.Revision, before)
		}
		if step.changes && result.Process != nil && result.Process.Revision != want {
			t.Errorf("%d, %T: the record has revision %d of %d", i, step.body, result.Process.Revision, want)
		}
	}
}

func TestACommandDecidedAgainstAnotherLifeChangesNothing(t *testing.T) {
	r := newRig(t)
	life := r.register("p", "")
	for _, c := range []struct {
		name     string
		id       string
		life     *uint64
		mismatch bool
	}{
		{"the life that stands", "p", lifeOf(life), false},
		{"another life", "p", lifeOf(life + 1), true},
		{"decided while there was none", "p", lifeOf(0), true},
		{"gone since it was decided", "q", lifeOf(life), true},
		{"still none", "q", lifeOf(0), false},
		{"a decision that does not depend on it", "p", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := r.position().Revision
			// The fence is wrong as well: whatever it was decided by comes first.
			result := r.command(Command{Body: note(c.id, "1", ""), Life: c.life, Fence: &registry.Fence{LeaseToken: "x"}})
			if result.LifeMismatch != c.mismatch {
				t.Errorf("life mismatch %v", result.LifeMismatch)
			}
			if c.mismatch && (result.Refusal != nil || result.Event != nil) {
				t.Errorf("a mismatch came with %+v", result)
			}
			if r.position().Revision != before {
				t.Error("the revision moved")
			}
		})
	}
}
