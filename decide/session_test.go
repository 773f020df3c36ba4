package decide

import (
	"context"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// stamped is a context with the stamp of a write.
func stamped(t testing.TB, id string, sequence uint64) context.Context {
	return registry.WithSession(t.Context(), registry.SessionStamp{ID: id, Sequence: sequence, Floor: 1})
}

func mustOpen(t testing.TB, r *Registry) string {
	t.Helper()
	id, err := r.OpenSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestEverySessionHasAnIDOfItsOwn(t *testing.T) {
	r, _ := newTestRegistry(t)
	seen := map[string]bool{}
	for range 100 {
		id := mustOpen(t, r)
		if len(id) != 32 || seen[id] {
			t.Fatalf("id %q comes twice, or is not of 128 bits", id)
		}
		seen[id] = true
	}
}

func TestAStampedWriteHappensOnce(t *testing.T) {
	r, log := newTestRegistry(t)
	id := mustOpen(t, r)
	wake := registry.EventSemanticsSpec{Wake: &registry.WakeSpec{Input: registry.Selector{Kind: registry.SelectPayload}}}
	registration := job("p", `{}`, wake)
	registration.WakeTarget = &registry.SessionScope{SessionID: "s"}
	mustRegister(t, r, registration)
	first, err := r.AppendEvent(stamped(t, id, 1), "p", appendNote(`{}`, ""), nil)
	if err != nil || first.WakeDelivery == nil {
		t.Fatalf("%+v (%v)", first, err)
	}
	again, err := r.AppendEvent(stamped(t, id, 1), "p", appendNote(`{}`, ""), nil)
	if err != nil || again.Event.Sequence != 1 || again.WakeDelivery == nil || again.WakeDelivery.WakeID != first.WakeDelivery.WakeID {
		t.Errorf("answered again with %+v (%v)", again, err)
	}
	claim, err := r.ClaimProcessLease(stamped(t, id, 2), "p", registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i"}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	log.stamp += 5000
	repeat, err := r.ClaimProcessLease(stamped(t, id, 2), "p", registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i"}, 1000)
	if err != nil || *repeat.Acquired != *claim.Acquired {
		t.Errorf("the claim is answered again with %+v (%v), was %+v", repeat.Acquired, err, claim.Acquired)
	}
	if err := r.CloseSession(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	_, err = r.AppendEvent(stamped(t, id, 3), "p", appendNote(`{}`, ""), nil)
	wantCode(t, err, registry.CodeSessionExpired)
}

// TestOpeningIsNoWriteOfASession: a stamp on the context of a call that opens
// or closes one is not looked at.
func TestOpeningIsNoWriteOfASession(t *testing.T) {
	r, log := newTestRegistry(t)
	ctx := stamped(t, strings.Repeat("0", 32), 1)
	id, err := r.OpenSession(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.CloseSession(ctx, id); err != nil {
		t.Fatal(err)
	}
	for _, c := range log.commands {
		if c.Session != nil {
			t.Errorf("%T was stamped", c.Body)
		}
	}
}

func TestStampsThatAreNone(t *testing.T) {
	r, log := newTestRegistry(t)
	id := mustOpen(t, r)
	before := len(log.commands)
	for field, stamp := range map[string]registry.SessionStamp{
		"session.id":       {ID: "s", Sequence: 1},
		"session.sequence": {ID: id},
		"session.floor":    {ID: id, Sequence: 1, Floor: 2},
	} {
		_, err := r.ClaimProcessLease(registry.WithSession(t.Context(), stamp), "p", registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i"}, 1)
		if refusal := wantCode(t, err, registry.CodeInvalidArgument); refusal.Fields.Field != field {
			t.Errorf("fields %+v, want %s", refusal.Fields, field)
		}
	}
	for _, bad := range []string{"", "s", id + "0", id[:31], "x" + id[1:]} {
		wantCode(t, r.CloseSession(t.Context(), bad), registry.CodeInvalidArgument)
	}
	if len(log.commands) != before {
		t.Error("a bad stamp reached the log")
	}
}

func TestWhatBecameOfAWrite(t *testing.T) {
	r, log := newTestRegistry(t)
	id := mustOpen(t, r)
	mustRegister(t, r, job("p", `{}`, registry.EventSemanticsSpec{}))
	settle := func(sequence uint64) (registry.WriteOutcome, error) {
		return r.SettleWrite(t.Context(), registry.SessionStamp{ID: id, Sequence: sequence})
	}
	if _, err := r.AppendEvent(stamped(t, id, 1), "p", appendNote(`{}`, ""), nil); err != nil {
		t.Fatal(err)
	}
	revision := log.revision()
	_, err := r.AppendEvent(stamped(t, id, 2), "none", appendNote(`{}`, ""), nil)
	wantCode(t, err, registry.CodeNotFound)
	mustRegister(t, r, job("q", `{}`, registry.EventSemanticsSpec{}))

	if outcome, err := settle(1); err != nil || !outcome.Done || outcome.Refusal != nil || outcome.Revision != revision {
		t.Errorf("a write that took effect: %+v (%v)", outcome, err)
	}
	if outcome, err := settle(2); err != nil || !outcome.Done || outcome.Refusal == nil || outcome.Refusal.Code != registry.CodeNotFound {
		t.Errorf("a write that was refused: %+v (%v)", outcome, err)
	}
	for range 2 {
		if outcome, err := settle(3); err != nil || outcome.Done {
			t.Errorf("a write that was not done: %+v (%v)", outcome, err)
		}
	}
	if _, err := r.AppendEvent(stamped(t, id, 3), "p", appendNote(`{}`, ""), nil); err == nil {
		t.Error("a write that was settled as not done was done afterwards")
	}
	_, err = r.SettleWrite(t.Context(), registry.SessionStamp{ID: strings.Repeat("0", 32), Sequence: 1})
	wantCode(t, err, registry.CodeSessionExpired)
	_, err = r.SettleWrite(t.Context(), registry.SessionStamp{})
	wantCode(t, err, registry.CodeInvalidArgument)
}

func (l *testLog) revision() (revision uint64) {
	l.machine.Read(func(v fsm.View) { revision = v.Position().Revision })
	return revision
}
