package fsm

import (
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// fencedWrites are the writes that look at a fence, and whether a process that
// requires fencing demands one of them.
var fencedWrites = []struct {
	name     string
	body     func() Body
	required bool
}{
	{"a completion", func() Body { return completion("p", success("1")) }, true},
	{"a terminal event", func() Body {
		return ending("p", "process.failed", `{"await_output":1}`, "k", registry.ProcessAwaitOutput{Kind: registry.OutputFailure, Class: registry.ClassExecution})
	}, true},
	{"a terminal event that the leader refused", func() Body {
		body := noteRefused("p", `1`, "k", goldenRefusal())
		body.TerminalType = true
		return body
	}, true},
	{"first_started", func() Body { return started("p", "w") }, true},
	{"a plain event", func() Body { return note("p", `1`, "k") }, false},
}

// TestFence is A2.
func TestFence(t *testing.T) {
	good := func(l *registry.ProcessLease) *registry.Fence { return l.Fence() }
	none := func(*registry.ProcessLease) *registry.Fence { return nil }
	nothing := func(*rig) {}
	for _, c := range []struct {
		name   string
		fence  func(*registry.ProcessLease) *registry.Fence
		before func(*rig)
		// passes is what happens where fencing is optional; where it is
		// required, passesRequired.
		passes, passesRequired bool
		current                uint64
	}{
		{"the fence of the live lease passes", good, nothing, true, true, 1},
		{"the fence of an expired lease that nobody superseded passes", good, func(r *rig) { r.pass(1500); r.do(&Tick{}) }, true, true, 1},
		{"the fence of a renewed lease passes", good, func(r *rig) { r.must(r.do(claim("p", 9000, "mine"))) }, true, true, 1},
		{"the fence passes in the next term", good, func(r *rig) { r.takeover(2) }, true, true, 1},
		{"the fence of a released lease fails", good, func(r *rig) { r.do(&CompleteProcessLease{ProcessID: "p", LeaseToken: "mine"}) }, false, false, 1},
		{"the fence of a superseded lease fails", good, func(r *rig) {
			r.pass(1500)
			r.must(r.do(claim("p", 1000, "other")))
		}, false, false, 2},
		{"a lower fencing token fails", func(l *registry.ProcessLease) *registry.Fence { return &registry.Fence{LeaseToken: "mine"} }, nothing, false, false, 1},
		{"a higher fencing token fails", func(l *registry.ProcessLease) *registry.Fence {
			return &registry.Fence{LeaseToken: "mine", FencingToken: 2}
		}, nothing, false, false, 1},
		{"another lease token fails", func(l *registry.ProcessLease) *registry.Fence {
			return &registry.Fence{LeaseToken: "other", FencingToken: 1}
		}, nothing, false, false, 1},
		{"the fence of a released lease with empty token fails", func(l *registry.ProcessLease) *registry.Fence {
			return &registry.Fence{FencingToken: 1}
		}, func(r *rig) { r.do(&CompleteProcessLease{ProcessID: "p", LeaseToken: "mine"}) }, false, false, 1},
		{"no fence passes only where none is required", none, nothing, true, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, w := range fencedWrites {
				for _, mode := range []registry.FencingMode{"", registry.FencingOptional, registry.FencingRequired} {
					passes := c.passes
					if mode == registry.FencingRequired && w.required {
						passes = c.passesRequired
					}
					checkFenced(t, w.name+" "+string(mode), mode, w.body(), c.fence, c.before, passes, c.current)
				}
			}
		})
	}
}

func checkFenced(t *testing.T, name string, mode registry.FencingMode, body Body, fence func(*registry.ProcessLease) *registry.Fence, before func(*rig), passes bool, current uint64) {
	t.Helper()
	r := newRig(t)
	r.register("p", mode)
	lease := r.must(r.do(claim("p", 1000, "mine"))).Lease
	before(r)
	revision, hash := r.position().Revision, r.hashOfRows()
	result := r.fenced(body, fence(lease))
	fenced := result.Refusal != nil && result.Refusal.Code == registry.CodeFenced
	if fenced == passes {
		t.Errorf("%s: %v", name, result.Refusal)
	}
	if !fenced {
		return
	}
	f := result.Refusal.Fields
	if f.FencingToken == nil || *f.FencingToken != current || f.ProcessID != "p" {
		t.Errorf("%s: fields %+v, the current fencing token is %d", name, f, current)
	}
	if !result.Refusal.Definite() || r.position().Revision != revision || r.hashOfRows() != hash {
		t.Errorf("%s: the refused write changed something", name)
	}
}

// hashOfRows is a hash of the state without the log's position.
func (r *rig) hashOfRows() string {
	r.t.Helper()
	s := r.m.Snapshot()
	s.frozen.Index, s.frozen.Term = 0, 0
	hash, err := s.Hash()
	if err != nil {
		r.t.Fatal(err)
	}
	return hash
}

func TestAProcessThatWasNeverLeasedHasTheFencingTokenZero(t *testing.T) {
	r := newRig(t)
	r.register("p", registry.FencingRequired)
	for _, fence := range []*registry.Fence{nil, {}, {LeaseToken: "x", FencingToken: 1}} {
		refusal := r.refused(r.fenced(completion("p", success("1")), fence), registry.CodeFenced)
		if refusal.Fields.FencingToken == nil || *refusal.Fields.FencingToken != 0 {
			t.Errorf("fields %+v", refusal.Fields)
		}
	}
}

func TestAFenceOnAnUnknownProcessIsNotFound(t *testing.T) {
	r := newRig(t)
	for _, w := range fencedWrites {
		r.refused(r.fenced(w.body(), &registry.Fence{LeaseToken: "x"}), registry.CodeNotFound)
	}
}

// TestAStaleOwnerIsStopped is the sentence that the whole registry serves.
func TestAStaleOwnerIsStopped(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	stale := r.must(r.do(claim("p", 1000, "stale"))).Lease
	r.pass(1500)
	fresh := r.must(r.do(claim("p", 1000, "fresh"))).Lease
	r.refused(r.fenced(note("p", `"half done"`, ""), stale.Fence()), registry.CodeFenced)
	r.refused(r.fenced(completion("p", success(`"stale"`)), stale.Fence()), registry.CodeFenced)
	done := r.must(r.fenced(completion("p", success(`"fresh"`)), fresh.Fence())).Process
	if string(done.Status.AwaitOutput.Value) != `"fresh"` {
		t.Errorf("%+v", done.Status)
	}
	r.refused(r.fenced(completion("p", success(`"stale"`)), stale.Fence()), registry.CodeFenced)
	// Not even what would be a repeat gets past the fence.
	r.refused(r.fenced(completion("p", success(`"fresh"`)), stale.Fence()), registry.CodeFenced)
	r.must(r.fenced(completion("p", success(`"fresh"`)), fresh.Fence()))
}
