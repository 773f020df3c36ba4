package fsm

import (
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// The facts of a record: each command of them, what it needs and what it
// moves. Spec 5.3, 5.18 to 5.21.

func TestTheFirstStartWins(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.refused(r.do(started("none", "w")), registry.CodeNotFound)
	r.must(r.do(completion("p", success("1"))))
	r.pass(10)
	first := r.must(r.do(started("p", "w"))).Process
	r.pass(10)
	second := r.must(r.do(started("p", "v"))).Process
	if dumpJSON(*second) != dumpJSON(*first) || second.FirstStarted.Owner.OwnerID != "w" || second.UpdatedAtMs != 10_010 || second.FirstStarted.StartedAtMs != 7 {
		t.Errorf("%s", dumpJSON(*second))
	}
}

func TestTheFirstExternalRefStays(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.refused(r.do(externalRefOf("none", registry.ProcessExternalRef{})), registry.CodeNotFound)
	r.must(r.do(completion("p", success("1"))))
	r.pass(10)
	ref := registry.ProcessExternalRef{Backend: "b", ID: "x", Metadata: registry.JSON(`{"a": 1}`)}
	first := r.must(r.do(externalRefOf("p", ref))).Process
	if first.UpdatedAtMs != 10_010 || first.ExternalRef.ID != "x" || string(first.ExternalRef.Metadata) != `{"a": 1}` {
		t.Errorf("%s", dumpJSON(*first))
	}
	r.pass(10)
	// An equal one in other words: the hash says so.
	again := externalRefOf("p", ref)
	again.Ref.Metadata = []byte(`{"a":1}`)
	if second := r.must(r.do(again)).Process; dumpJSON(*second) != dumpJSON(*first) {
		t.Errorf("%s", dumpJSON(*second))
	}
	other := ref
	other.Metadata = nil
	fields := r.refused(r.do(externalRefOf("p", other)), registry.CodeAlreadyExists).Fields
	if fields.Existing != `{"backend":"b","id":"x","metadata":{"a": 1}}` || fields.New != `{"backend":"b","id":"x"}` || fields.ProcessID != "p" {
		t.Errorf("fields %+v", fields)
	}
	other.Metadata = registry.JSON(`"` + strings.Repeat("x", maxShownMetadata) + `"`)
	if fields := r.refused(r.do(externalRefOf("p", other)), registry.CodeAlreadyExists).Fields; fields.New != `{"backend":"b","id":"x"}` {
		t.Errorf("an error with %d bytes of a reference", len(fields.New))
	}
}

func TestTheFirstAbandonRequestStays(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	request := func(id, by string) *RequestProcessAbandon {
		return NewRequestProcessAbandon(id, registry.AbandonRequest{RequestedBy: by, RequestedAtMs: 5, Reason: ptr("why")})
	}
	r.refused(r.do(request("none", "a")), registry.CodeNotFound)
	r.pass(10)
	first := r.must(r.do(request("p", "a"))).Process
	if q := first.AbandonRequest; q == nil || q.RequestedBy != "a" || q.RequestedAtMs != 5 || *q.Reason != "why" || first.UpdatedAtMs != 10_010 {
		t.Errorf("%s", dumpJSON(*first))
	}
	r.pass(10)
	if second := r.must(r.do(request("p", "b"))).Process; dumpJSON(*second) != dumpJSON(*first) {
		t.Errorf("%s", dumpJSON(*second))
	}
	ended := r.must(r.do(completion("p", success("1")))).Process
	if ended.AbandonRequest == nil {
		t.Error("the request is gone with the end")
	}
	refusal := r.refused(r.do(request("p", "a")), registry.CodeTerminal)
	if refusal.Fields.State != "completed" || refusal.Message != "terminal process `p` cannot accept an abandon request" {
		t.Errorf("%s %+v", refusal.Message, refusal.Fields)
	}
}

func TestAWaitIsReplacedAndCleared(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.refused(r.do(NewSetProcessWait("none", signalWait("go", 1))), registry.CodeNotFound)
	r.refused(r.do(&ClearProcessWait{ProcessID: "none"}), registry.CodeNotFound)
	at := uint64(10_000)
	step := func(body Body, wait *registry.WaitState) {
		t.Helper()
		r.pass(10)
		at += 10
		record := r.must(r.do(body)).Process
		if record.UpdatedAtMs != at || record.Revision != r.position().Revision {
			t.Errorf("%T left updated_at at %d, want %d", body, record.UpdatedAtMs, at)
		}
		if (record.Wait == nil) != (wait == nil) || wait != nil && *record.Wait != *wait {
			t.Errorf("%T left the wait %+v, want %+v", body, record.Wait, wait)
		}
	}
	one, two := signalWait("go", 1), signalWait("stop", 2)
	step(NewSetProcessWait("p", one), &one)
	step(NewSetProcessWait("p", one), &one)
	step(NewSetProcessWait("p", two), &two)
	step(&ClearProcessWait{ProcessID: "p"}, nil)
	step(&ClearProcessWait{ProcessID: "p"}, nil)
	step(NewSetProcessWait("p", two), &two)
	step(completion("p", success("1")), nil)
	step(&ClearProcessWait{ProcessID: "p"}, nil)
	refusal := r.refused(r.do(NewSetProcessWait("p", one)), registry.CodeTerminal)
	if refusal.Fields.State != "completed" || refusal.Message != "terminal process `p` cannot enter a wait state" {
		t.Errorf("%s %+v", refusal.Message, refusal.Fields)
	}
}

// TestTheFencesOfFacts is A2: which facts need the fence where the process
// requires one, and that a stale fence stops all of them, before anything that
// the contract looks at later.
func TestTheFencesOfFacts(t *testing.T) {
	for _, c := range []struct {
		name     string
		body     Body
		required bool
	}{
		{"the first start", started("p", "w"), true},
		{"a wait", NewSetProcessWait("p", signalWait("go", 1)), true},
		{"the end of a wait", &ClearProcessWait{ProcessID: "p"}, true},
		{"an external ref", externalRefOf("p", registry.ProcessExternalRef{Backend: "b", ID: "x"}), false},
		{"an abandon request", NewRequestProcessAbandon("p", registry.AbandonRequest{RequestedBy: "r"}), false},
	} {
		for _, mode := range []registry.FencingMode{registry.FencingOptional, registry.FencingRequired} {
			t.Run(c.name+" with fencing "+string(mode), func(t *testing.T) {
				r := newRig(t)
				r.register("p", mode)
				stale := r.must(r.do(claim("p", 1, "one"))).Lease.Fence()
				r.pass(10)
				current := r.must(r.do(claim("p", 1, "two"))).Lease.Fence()
				before := r.position().Revision
				if f := r.refused(r.fenced(c.body, stale), registry.CodeFenced).Fields; *f.FencingToken != current.FencingToken {
					t.Errorf("fields %+v", f)
				}
				if unfenced := c.required && mode == registry.FencingRequired; unfenced {
					r.refused(r.do(c.body), registry.CodeFenced)
				}
				if r.position().Revision != before {
					t.Error("a refusal moved the revision")
				}
				r.must(r.fenced(c.body, current))
				if !c.required || mode == registry.FencingOptional {
					r.must(r.do(c.body))
				}
				r.must(r.fenced(completion("p", success("1")), current))
				r.refused(r.fenced(c.body, stale), registry.CodeFenced)
			})
		}
	}
}
