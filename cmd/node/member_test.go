package main

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// AddMember and RemoveMember of the fake cluster change its status.

func (f *fakeAdmin) AddMember(_ context.Context, id, addr string) error {
	f.status.Members = append(f.status.Members, registry.MemberStatus{ID: id, Addr: addr, Voter: true})
	return nil
}

func (f *fakeAdmin) RemoveMember(_ context.Context, id string) error {
	before := len(f.status.Members)
	f.status.Members = slices.DeleteFunc(f.status.Members, func(m registry.MemberStatus) bool { return m.ID == id })
	if len(f.status.Members) == before {
		return registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "id"}, "%s is not a member", id)
	}
	return nil
}

func TestMemberCommands(t *testing.T) {
	d := newDesk(t)
	d.status = registry.ClusterStatus{Leader: "n1", Members: []registry.MemberStatus{{ID: "n1", Addr: "a:1", Voter: true}, {ID: "n2", Addr: "a:2", Error: "connection refused"}}}
	t.Run("add shows the cluster with the new member", func(t *testing.T) {
		status := decode[registry.ClusterStatus](t, d.must("cluster", "add", "--id", "n4", "--addr", "a:4", "--output", "json"))
		if len(status.Members) != 3 || status.Members[2].ID != "n4" || status.Members[2].Addr != "a:4" {
			t.Errorf("%+v", status.Members)
		}
	})
	t.Run("add needs an id and an address", func(t *testing.T) {
		if got := d.run("cluster", "add", "--id", "n4"); got.code != exitUsage {
			t.Errorf("exit code %d", got.code)
		}
	})
	t.Run("remove shows the cluster without it, and refuses a stranger", func(t *testing.T) {
		if text := d.must("cluster", "remove", "n4"); strings.Contains(text, "n4") {
			t.Errorf("still there: %s", text)
		}
		if got := d.run("cluster", "remove", "n4"); got.code != exitError || !strings.Contains(got.stderr, "not a member") {
			t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
		}
	})
	t.Run("why a member is unknown stands under the table", func(t *testing.T) {
		text := d.must("cluster", "status")
		if !strings.Contains(text, "\nn2: connection refused\n") {
			t.Errorf("%s", text)
		}
	})
}
