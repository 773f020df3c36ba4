package node_test

import (
	"context"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/node"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
)

// TestANodeJoinsUnderALeaderThatJoinedBefore adds a node whose log is read from
// its beginning, at which the cluster did not have its present leader yet, in
// several pieces: having read the first one it must go on to take the others from
// that leader.
func TestANodeJoinsUnderALeaderThatJoinedBefore(t *testing.T) {
	c := nodetest.Start(t, 1, nil)
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience/2)
	defer cancel()
	addrs := append(c.Addrs(), nodetest.FreeAddrs(t, 2)...)
	writer := dial(t, addrs)
	write := func(id string, events int) {
		t.Helper()
		if _, err := writer.RegisterProcess(ctx, registration(id)); err != nil {
			t.Fatal(err)
		}
		inParallel(t, events, func(i int) error {
			_, err := note(ctx, writer, id, i)
			return err
		})
	}
	join := func(id, addr string) {
		t.Helper()
		joining, err := node.Start(t.Context(), node.Config{
			ID: id, DataDir: t.TempDir(), Addr: addr, Advertise: addr, Timing: nodetest.FastTiming, Version: "test",
			Fatal: func(err error) { c.Fatals <- err }, Logger: nodetest.Logger(t),
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Nodes = append(c.Nodes, joining) // which closes it
		if err := writer.AddMember(ctx, id, addr); err != nil {
			t.Fatalf("add %s: %v", id, err)
		}
	}
	write("first", 3000)
	join("n2", addrs[1])
	if err := writer.TransferLeadership(ctx, "n2"); err != nil {
		t.Fatal(err)
	}
	if leader := c.AwaitLeader(); leader != 1 {
		t.Fatalf("n%d leads, not n2", leader+1)
	}
	write("second", 10)
	join("n3", addrs[2])
	state, err := writer.VerifyState(ctx)
	if err != nil || !state.Agree || len(state.Members) != 3 {
		t.Errorf("%+v, %v", state, err)
	}
}
