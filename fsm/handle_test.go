package fsm

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func scope(session, frame string) registry.SessionScope {
	return registry.SessionScope{SessionID: session, AgentFrameID: frame}
}

// grantTo is a grant with a label.
func grantTo(s registry.SessionScope, id, label string) *GrantHandle {
	return NewGrantHandle(s, id, registry.ProcessHandleDescriptor{Label: ptr(label)})
}

// handles lists what a scope holds as "process=label", page by page.
func (r *rig) handles(s registry.SessionScope, live bool, size int) string {
	r.t.Helper()
	var out []string
	request := registry.PageRequest{Size: size}
	for range 100 {
		var page registry.Page[registry.ProcessHandleGrantEntry]
		var err error
		r.m.Read(func(v View) {
			if live {
				page, err = v.ListLiveHandleGrants(s, request)
			} else {
				page, err = v.ListHandleGrants(s, request)
			}
		})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, entry := range page.Items {
			if entry.Grant.SessionID != s.SessionID || entry.Grant.ProcessID != entry.Record.ID {
				r.t.Errorf("entry %+v of %s", entry.Grant, entry.Record.ID)
			}
			out = append(out, entry.Record.ID+"="+*entry.Grant.Descriptor.Label)
		}
		if request.Token = page.NextToken; request.Token == "" {
			break
		}
	}
	return strings.Join(out, " ")
}

// holders lists the grants of a process as "session=label", page by page.
func (r *rig) holders(id string, size int) string {
	r.t.Helper()
	var out []string
	request := registry.PageRequest{Size: size}
	for range 100 {
		var page registry.Page[registry.ProcessHandleGrant]
		var err error
		r.m.Read(func(v View) { page, err = v.HandleGrantsForProcess(id, request) })
		if err != nil {
			r.t.Fatal(err)
		}
		for _, g := range page.Items {
			if g.ProcessID != id {
				r.t.Errorf("grant %+v", g)
			}
			out = append(out, g.SessionID+"="+*g.Descriptor.Label)
		}
		if request.Token = page.NextToken; request.Token == "" {
			break
		}
	}
	return strings.Join(out, " ")
}

func (r *rig) has(s registry.SessionScope, id string) (has bool) {
	r.m.Read(func(v View) { has = v.HasHandleGrant(s, id) })
	return has
}

func (r *rig) want(what, got, want string) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestAGrantIsStoredAndReplaced(t *testing.T) {
	r := newRig(t)
	s := scope("s", "")
	r.register("p", registry.FencingRequired)
	r.must(r.do(claim("p", 10_000, "t")))
	before := dumpJSON(*r.m.Process("p"))
	r.refused(r.do(grantTo(s, "none", "x")), registry.CodeNotFound)
	revision := r.position().Revision
	for i, label := range []string{"one", "two", "two"} {
		r.pass(10)
		r.must(r.do(grantTo(s, "p", label)))
		r.want("the scope holds", r.handles(s, false, 0), "p="+label)
		if got := r.position().Revision; got != revision+uint64(i)+1 {
			t.Errorf("revision %d after %d grants", got, i+1)
		}
	}
	if after := dumpJSON(*r.m.Process("p")); after != before {
		t.Errorf("a grant changed the record to %s", after)
	}
	fenced := r.m.Process("p")
	r.must(r.fenced(completion("p", success("1")), r.leaseOf("p").Fence()))
	r.must(r.do(grantTo(scope("s2", ""), "p", "late")))
	r.want("the ended process is held by", r.holders("p", 0), "s=two s2=late")
	r.want("live ones", r.handles(s, true, 0), "")
	if fenced.Status.State.Terminal() {
		t.Error("an old record changed")
	}
}

func (r *rig) leaseOf(id string) (lease *registry.ProcessLease) {
	r.m.Read(func(v View) { lease = v.Lease(id) })
	return lease
}

func TestRevokingIsNeverAnError(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.must(r.do(grantTo(scope("s", "f"), "p", "x")))
	revision := r.position().Revision
	for _, body := range []Body{
		NewRevokeHandle(scope("s", ""), "p"), NewRevokeHandle(scope("s", "g"), "p"), NewRevokeHandle(scope("t", "f"), "p"), NewRevokeHandle(scope("s", "f"), "none"),
	} {
		r.must(r.do(body))
	}
	if !r.has(scope("s", "f"), "p") || r.position().Revision != revision {
		t.Error("something was changed where there was nothing to revoke")
	}
	r.must(r.do(NewRevokeHandle(scope("s", "f"), "p")))
	if r.has(scope("s", "f"), "p") || r.position().Revision != revision+1 {
		t.Error("the grant stayed, or the revision")
	}
}

// TestScopesAreComparedAsPairs is A18: the joined text of the two scopes is the
// same.
func TestScopesAreComparedAsPairs(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.register("q", "")
	joined, pair := scope("a/frame:b", ""), scope("a", "b")
	if joined.ScopeID() != pair.ScopeID() {
		t.Fatal("these scopes do not collide")
	}
	r.must(r.do(grantTo(joined, "p", "joined")))
	if r.has(pair, "p") || !r.has(joined, "p") {
		t.Error("one scope holds what the other was granted")
	}
	r.must(r.do(grantTo(pair, "p", "pair")))
	r.must(r.do(grantTo(pair, "q", "pair")))
	r.want("the joined scope holds", r.handles(joined, false, 0), "p=joined")
	r.want("the pair holds", r.handles(pair, false, 0), "p=pair q=pair")
	r.want("p is held by", r.holders("p", 1), "a=pair a/frame:b=joined")
	if report := r.must(r.do(&DeleteSessionProcessState{SessionID: "a"})).DeletedSession; report.RevokedHandleCount != 2 {
		t.Errorf("%+v", report)
	}
	r.want("the joined scope holds", r.handles(joined, false, 0), "p=joined")
	r.want("the pair holds", r.handles(pair, false, 0), "")
}

func TestListsOfHandles(t *testing.T) {
	r := newRig(t)
	s := scope("s", "")
	for _, id := range []string{"d", "b", "a", "c", "é"} {
		r.register(id, "")
		r.must(r.do(grantTo(s, id, id)))
		r.must(r.do(grantTo(scope("s", "frame"), id, "f")))
		r.must(r.do(grantTo(scope("r", ""), id, "r")))
		r.must(r.do(grantTo(scope("t", "x"), id, "t")))
		r.must(r.do(grantTo(scope("t", "y"), id, "u")))
	}
	r.must(r.do(completion("b", success("1"))))
	for _, size := range []int{0, 1, 2, 5} {
		r.want("a scope holds, ascending, the ended ones too", r.handles(s, false, size), "a=a b=b c=c d=d é=é")
		r.want("of these live", r.handles(s, true, size), "a=a c=c d=d é=é")
		r.want("a process is held by, session by session and none before a frame", r.holders("b", size), "r=r s=b s=f t=t t=u")
	}
	r.want("a scope without grants holds", r.handles(scope("none", ""), false, 0), "")
	for _, c := range []struct {
		s  registry.SessionScope
		id string
	}{{scope("none", ""), "a"}, {s, "none"}, {scope("t", ""), "a"}, {scope("t", "z"), "a"}} {
		if r.has(c.s, c.id) {
			t.Errorf("%v holds %s", c.s, c.id)
		}
	}
	r.m.Read(func(v View) {
		if _, err := v.HandleGrantsForProcess("none", registry.PageRequest{}); asRefusal(t, err).Code != registry.CodeNotFound {
			t.Error(err)
		}
	})
}

func TestAnEntryShowsTheCurrentRecord(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.must(r.do(grantTo(scope("s", ""), "p", "x")))
	r.must(r.do(note("p", "1", "")))
	r.m.Read(func(v View) {
		page, err := v.ListHandleGrants(scope("s", ""), registry.PageRequest{})
		if err != nil || dumpJSON(page.Items[0].Record) != dumpJSON(*v.Process("p")) {
			t.Errorf("%+v (%v)", page.Items, err)
		}
	})
}

func TestPageTokensOfHandles(t *testing.T) {
	r := newRig(t)
	for _, id := range []string{"p", "q"} {
		r.register(id, "")
		r.must(r.do(grantTo(scope("s", ""), id, "x")))
		r.must(r.do(grantTo(scope("t", ""), id, "x")))
	}
	encode := base64.RawURLEncoding.EncodeToString
	one := registry.PageRequest{Size: 1}
	r.m.Read(func(v View) {
		all, _ := v.ListHandleGrants(scope("s", ""), one)
		live, _ := v.ListLiveHandleGrants(scope("s", ""), one)
		holders, _ := v.HandleGrantsForProcess("p", one)
		for name, token := range map[string]string{
			"of another list": live.NextToken, "without a place": encode([]byte{1, listProcessGrants}),
			"of a place that is cut": encode(append([]byte{1, listProcessGrants}, "12345678\x00\x05abc"...)),
		} {
			if _, err := v.HandleGrantsForProcess("p", registry.PageRequest{Token: token}); asRefusal(t, err).Code != registry.CodeInvalidArgument {
				t.Errorf("holders with a token %s: %v", name, err)
			}
		}
		if _, err := v.ListHandleGrants(scope("s", ""), registry.PageRequest{Token: live.NextToken}); asRefusal(t, err).Code != registry.CodeInvalidArgument {
			t.Errorf("all with a token of live: %v", err)
		}
		if _, err := v.ListLiveHandleGrants(scope("s", ""), registry.PageRequest{Token: all.NextToken}); asRefusal(t, err).Code != registry.CodeInvalidArgument {
			t.Errorf("live with a token of all: %v", err)
		}
		if _, err := v.HandleGrantsForProcess("q", registry.PageRequest{Token: holders.NextToken}); asRefusal(t, err).Code != registry.CodeLifeEnded {
			t.Errorf("holders with a token of another life: %v", err)
		}
	})
}

func TestTransfers(t *testing.T) {
	from, to := scope("from", ""), scope("to", "f")
	for _, c := range []struct {
		name     string
		from, to registry.SessionScope
		ids      []string
		// missing is the process that is not granted, "" when all are moved.
		missing      string
		wantF, wantT string
	}{
		{"moves grants with their descriptors", from, to, []string{"b", "a"}, "", "c=c", "a=a b=b c=old d=old"},
		{"replaces a grant that is there", from, to, []string{"c"}, "", "a=a b=b", "c=c d=old"},
		{"of nothing is fine", from, to, nil, "", "a=a b=b c=c", "c=old d=old"},
		{"to where they are changes nothing", from, from, []string{"a", "a", "b"}, "", "a=a b=b c=c", "c=old d=old"},
		{"to where they are misses what is not there", from, from, []string{"a", "d"}, "d", "a=a b=b c=c", "c=old d=old"},
		{"of a missing grant moves nothing", from, to, []string{"a", "d", "none"}, "d", "a=a b=b c=c", "c=old d=old"},
		{"of an unknown process moves nothing", from, to, []string{"a", "b", "none"}, "none", "a=a b=b c=c", "c=old d=old"},
		{"of the same process twice moves nothing", from, to, []string{"a", "b", "a"}, "a", "a=a b=b c=c", "c=old d=old"},
		{"from a frame of the session misses them", scope("from", "f"), to, []string{"a"}, "a", "a=a b=b c=c", "c=old d=old"},
		{"out of a scope that is not there", scope("none", ""), to, []string{"a"}, "a", "a=a b=b c=c", "c=old d=old"},
	} {
		t.Run("a transfer "+c.name, func(t *testing.T) {
			r := newRig(t)
			for _, id := range []string{"a", "b", "c", "d"} {
				r.register(id, "")
			}
			for _, id := range []string{"a", "b", "c"} {
				r.must(r.do(grantTo(from, id, id)))
			}
			r.must(r.do(grantTo(to, "c", "old")))
			r.must(r.do(grantTo(to, "d", "old")))
			r.must(r.do(completion("a", success("1"))))
			before := r.position().Revision
			result := r.do(NewTransferHandleGrants(c.from, c.to, c.ids))
			if c.missing != "" {
				refusal := r.refused(result, registry.CodeNotGranted)
				want := fmt.Sprintf("process handle `%s` is not granted to session `%s`", c.missing, c.from.SessionID)
				if refusal.Message != want || refusal.Fields.ProcessID != c.missing || refusal.Fields.SessionID != c.from.SessionID {
					t.Errorf("%s %+v", refusal.Message, refusal.Fields)
				}
			} else {
				r.must(result)
			}
			if want := c.wantF != "a=a b=b c=c"; (r.position().Revision != before) != want {
				t.Errorf("the revision moved from %d to %d", before, r.position().Revision)
			}
			r.want("left", r.handles(from, false, 0), c.wantF)
			r.want("moved", r.handles(to, false, 0), c.wantT)
		})
	}
}

func TestATransferAndItsRepeat(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.must(r.do(grantTo(scope("s", ""), "p", "x")))
	r.must(r.do(NewTransferHandleGrants(scope("s", ""), scope("s", "f"), []string{"p"})))
	r.refused(r.do(NewTransferHandleGrants(scope("s", ""), scope("s", "f"), []string{"p"})), registry.CodeNotGranted)
	r.want("the frame holds", r.handles(scope("s", "f"), false, 0), "p=x")
}

// TestDeletingASession is 5.11.
func TestDeletingASession(t *testing.T) {
	r := newRig(t)
	s := scope("s", "")
	for _, id := range []string{"z", "y", "x", "ended", "kept ended", "other"} {
		r.must(r.do(targeting(id, map[bool]string{true: "s", false: "t"}[id != "other"], "f")))
	}
	r.must(r.do(targeting("no grant", "s", "")))
	for _, id := range []string{"z", "y", "x", "ended", "kept ended"} {
		r.must(r.do(grantTo(s, id, "a")))
		r.must(r.do(grantTo(scope("s", "f"), id, "b")))
	}
	r.must(r.do(grantTo(scope("t", ""), "y", "t")))
	r.must(r.do(grantTo(scope("t", ""), "kept ended", "t")))
	r.must(r.do(completion("ended", success("1"))))
	r.must(r.do(completion("kept ended", success("1"))))
	r.pass(50)
	revision := r.position().Revision
	report := r.must(r.do(&DeleteSessionProcessState{SessionID: "s"})).DeletedSession
	want := `{"session_id":"s","revoked_handle_count":10,"deleted_wake_count":0,"orphaned_process_ids":["x","z"],"preserved_process_ids":["y"]}`
	if got := dumpJSON(*report); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if r.position().Revision != revision+1 {
		t.Errorf("one command moved the revision by %d", r.position().Revision-revision)
	}
	for _, id := range []string{"z", "y", "x", "ended", "kept ended", "no grant"} {
		record := r.m.Process(id)
		if record.WakeTarget != nil || record.UpdatedAtMs != 10_050 || record.Revision != revision+1 {
			t.Errorf("%s: target %v, updated at %d, revision %d", id, record.WakeTarget, record.UpdatedAtMs, record.Revision)
		}
	}
	if other := r.m.Process("other"); other.WakeTarget == nil || other.UpdatedAtMs != 10_000 {
		t.Errorf("the other session's process changed: %s", dumpJSON(*other))
	}
	r.want("the other session holds", r.handles(scope("t", ""), false, 0), "kept ended=t y=t")
	r.pass(50)
	for _, session := range []string{"s", "never heard of"} {
		report := r.must(r.do(&DeleteSessionProcessState{SessionID: session})).DeletedSession
		want := fmt.Sprintf(`{"session_id":%q,"revoked_handle_count":0,"deleted_wake_count":0,"orphaned_process_ids":[],"preserved_process_ids":[]}`, session)
		if got := dumpJSON(*report); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	if r.position().Revision != revision+1 || r.m.Process("x").UpdatedAtMs != 10_050 {
		t.Error("a repeat changed something")
	}
}

// TestTheGrantsOfASessionAreLimited is A16, for grants and for transfers.
func TestTheGrantsOfASessionAreLimited(t *testing.T) {
	r := newRig(t)
	const limit = registry.MaxGrantsPerSession
	r.fill(limit+2, nil)
	for i := range limit {
		r.m.state.grants.put(&grant{scope: scope("full", fmt.Sprintf("f%d", i%3)), processID: fmt.Sprintf("p%06d", i)})
	}
	tooMany := func(result Result, value uint64) {
		t.Helper()
		f := r.refused(result, registry.CodeTooLarge).Fields
		if f.Field != "grants" || *f.Limit != limit || *f.Value != value || f.SessionID != "full" {
			t.Errorf("fields %+v", f)
		}
	}
	first, extra := "p000000", []string{"p010000", "p010001"}
	tooMany(r.do(grantTo(scope("full", ""), extra[0], "x")), limit+1)
	tooMany(r.do(grantTo(scope("full", "f1"), first, "x")), limit+1)
	r.must(r.do(grantTo(scope("full", "f0"), first, "replaced")))
	for _, id := range append(extra, first) {
		r.must(r.do(grantTo(scope("s", ""), id, "x")))
	}
	tooMany(r.do(NewTransferHandleGrants(scope("s", ""), scope("full", "f0"), append(extra, first))), limit+2)
	r.want("after a refused transfer the scope holds", r.handles(scope("s", ""), false, 0), "p000000=x p010000=x p010001=x")
	r.must(r.do(NewTransferHandleGrants(scope("s", ""), scope("full", "f0"), []string{first})))
	r.must(r.do(NewTransferHandleGrants(scope("full", "f0"), scope("full", ""), []string{first})))
	r.must(r.do(NewRevokeHandle(scope("full", ""), first)))
	r.must(r.do(grantTo(scope("full", ""), extra[0], "x")))
	if report := r.must(r.do(&DeleteSessionProcessState{SessionID: "full"})).DeletedSession; report.RevokedHandleCount != limit {
		t.Errorf("%d revoked", report.RevokedHandleCount)
	}
}
