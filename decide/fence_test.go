package decide

import (
	"context"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// leveledLog notes the level of the last read.
type leveledLog struct {
	*testLog
	level registry.ReadLevel
}

func (l *leveledLog) Read(ctx context.Context, read func(fsm.View)) error {
	l.level = registry.OptionsFrom(ctx).ReadLevel
	return l.testLog.Read(ctx, read)
}

func TestFencesAreCheckedLinearizably(t *testing.T) {
	log := &leveledLog{testLog: newTestLog(t)}
	r := NewRegistry(log, registry.TierDurable, strings.NewReader(strings.Repeat("x", 64)))
	mustRegister(t, r, job("p", "{}", registry.EventSemanticsSpec{}))
	owner := registry.LeaseOwnerIdentity{OwnerID: "a", IncarnationID: "1"}
	outcome, err := r.ClaimProcessLease(t.Context(), "p", owner, 5_000)
	if err != nil {
		t.Fatal(err)
	}
	log.level = registry.Stale
	got, err := r.CheckFence(registry.WithReadLevel(t.Context(), registry.Stale), "p", outcome.Acquired.FencingToken)
	if want := (registry.FenceStatus{Current: true, Live: true, FencingToken: 1, LeaseTimeLeftMs: 5_000}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if log.level != registry.Linearizable {
		t.Error("a stale read answered")
	}
	_, err = r.CheckFence(t.Context(), "", 1)
	wantCode(t, err, registry.CodeInvalidArgument)
	_, err = r.CheckFence(t.Context(), "q", 1)
	wantCode(t, err, registry.CodeNotFound)
	log.fail = registry.Errorf(registry.CodeNoLeader, registry.Fields{}, "made up")
	if got, err = r.CheckFence(t.Context(), "p", 1); got != (registry.FenceStatus{}) {
		t.Errorf("%+v beside an error", got)
	}
	wantCode(t, err, registry.CodeNoLeader)
}
