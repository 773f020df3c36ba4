package model

import (
	"slices"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// world is a state with processes a, b and c.
func world(t *testing.T) *State {
	s := begun(t)
	for _, id := range []string{"a", "b", "c"} {
		s.Do(job(id))
	}
	return s
}

func complete(id string) CompleteProcess {
	return CompleteProcess{ProcessID: id, Output: registry.ProcessAwaitOutput{Kind: "success", Value: registry.JSON("1")}}
}

func scope(session, frame string) registry.SessionScope {
	return registry.SessionScope{SessionID: session, AgentFrameID: frame}
}

func grant(s *State, scope registry.SessionScope, ids ...string) {
	for _, id := range ids {
		s.Do(GrantHandle{Scope: scope, ProcessID: id})
	}
}

func TestScopesAreComparedAsPairs(t *testing.T) {
	s := world(t)
	grant(s, scope("s", "f"), "a")
	for _, other := range []registry.SessionScope{scope("s/frame:f", ""), scope("s", ""), scope("s", "g")} {
		if s.Do(HasHandleGrant{Scope: other, ProcessID: "a"}).Has {
			t.Errorf("%+v has the grant of another scope", other)
		}
	}
}

func TestATransferIsAllOrNothing(t *testing.T) {
	s := world(t)
	from, to := scope("s", ""), scope("t", "f")
	grant(s, from, "a", "b")
	before := s.Revision
	for _, ids := range [][]string{{"a", "c"}, {"a", "b", "a"}, {"none"}} {
		a := s.Do(TransferHandleGrants{From: from, To: to, ProcessIDs: ids})
		if a.Code != registry.CodeNotGranted || a.Fields.ProcessID != ids[len(ids)-1] || a.Fields.SessionID != "s" {
			t.Errorf("%v: %+v", ids, a)
		}
	}
	for _, ids := range [][]string{nil, {"a", "a"}} {
		if a := s.Do(TransferHandleGrants{From: from, To: from, ProcessIDs: ids}); a.Code != 0 {
			t.Errorf("%v onto itself: %+v", ids, a)
		}
	}
	if s.Revision != before || len(s.Grants) != 2 {
		t.Errorf("revision %d, %d grants", s.Revision, len(s.Grants))
	}
	if a := s.Do(TransferHandleGrants{From: from, To: to, ProcessIDs: []string{"b", "a"}}); a.Code != 0 {
		t.Errorf("%+v", a)
	}
	if entries := s.Do(ListHandleGrants{Scope: to}).Entries; len(entries) != 2 || entries[0].Grant.ProcessID != "a" || entries[0].Grant.SessionID != "t" {
		t.Errorf("%+v", entries)
	}
}

func TestADeletedSessionLosesGrantsAndTargets(t *testing.T) {
	s := world(t)
	ended := job("d")
	ended.Registration.WakeTarget = &registry.SessionScope{SessionID: "s", AgentFrameID: "g"}
	s.Do(ended)
	grant(s, scope("s", ""), "a", "b", "d")
	grant(s, scope("s", "f"), "a", "b")
	grant(s, scope("t", ""), "b")
	s.Do(complete("d"))
	s.Apply(Entry{Term: 1, CommitTerm: 1, StampMs: 5000})
	report := s.Do(DeleteSessionProcessState{"s"}).Deleted
	if report.RevokedHandleCount != 5 || !slices.Equal(report.OrphanedProcessIDs, []string{"a"}) || !slices.Equal(report.PreservedProcessIDs, []string{"b"}) {
		t.Errorf("%+v", report)
	}
	if d := s.Do(GetProcess{"d"}).Record; d.WakeTarget != nil || d.UpdatedAtMs != 5000 || d.Revision != s.Revision {
		t.Errorf("%+v", d)
	}
	before := s.Revision
	if again := s.Do(DeleteSessionProcessState{"s"}).Deleted; again.RevokedHandleCount != 0 || s.Revision != before {
		t.Errorf("%+v", again)
	}
}

func TestGrantsOfAProcessAreInTheOrderOfScopes(t *testing.T) {
	s := world(t)
	label := func(text string) registry.ProcessHandleDescriptor {
		return registry.ProcessHandleDescriptor{Label: &text}
	}
	for _, at := range []registry.SessionScope{scope("t", ""), scope("s", "g"), scope("s", "f"), scope("s", "")} {
		s.Do(GrantHandle{Scope: at, ProcessID: "a", Descriptor: label(at.ScopeID())})
	}
	var order []string
	for _, g := range s.Do(HandleGrantsForProcess{"a"}).Grants {
		order = append(order, *g.Descriptor.Label)
	}
	if want := []string{"session:s", "session:s/frame:f", "session:s/frame:g", "session:t"}; !slices.Equal(order, want) {
		t.Errorf("%v", order)
	}
	s.Do(complete("a"))
	if all, live := s.Do(ListHandleGrants{Scope: scope("t", "")}), s.Do(ListHandleGrants{Scope: scope("t", ""), Live: true}); len(all.Entries) != 1 || len(live.Entries) != 0 {
		t.Errorf("%d grants, %d live", len(all.Entries), len(live.Entries))
	}
}
