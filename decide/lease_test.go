package decide

import (
	"errors"
	"testing"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

func TestEveryClaimHasATokenOfItsOwn(t *testing.T) {
	r, log := newTestRegistry(t)
	owner := registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i"}
	for range 100 {
		_, err := r.ClaimProcessLease(t.Context(), "p", owner, 1)
		wantCode(t, err, registry.CodeNotFound)
	}
	seen := map[string]bool{}
	for _, c := range log.commands {
		token := c.Body.(*fsm.ClaimProcessLease).LeaseToken
		if len(token) != 32 || seen[token] {
			t.Errorf("token %q comes twice, or is not of 128 bits", token)
		}
		seen[token] = true
	}
}

type noEntropy struct{}

func (noEntropy) Read([]byte) (int, error) { return 0, errors.New("dry") }

func TestWithoutEntropyNothingIsClaimed(t *testing.T) {
	log := newTestLog(t)
	r := NewRegistry(log, registry.TierDurable, noEntropy{})
	_, err := r.ClaimProcessLease(t.Context(), "p", registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i"}, 1)
	wantCode(t, err, registry.CodeInternal)
	_, err = r.ReclaimProcessLease(t.Context(), "p", registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i"}, registry.ProcessLease{}, "", 1)
	wantCode(t, err, registry.CodeInternal)
	if len(log.commands) != 0 {
		t.Error("a claim without a token was proposed")
	}
}

// TestTheVerdictOfAReclaimReachesTheStateMachine: who may take a lease is its
// to judge, by what the claimant brought.
func TestTheVerdictOfAReclaimReachesTheStateMachine(t *testing.T) {
	r, _ := newTestRegistry(t)
	mustRegister(t, r, job("p", `{}`, registry.EventSemanticsSpec{}))
	local := func(id string) registry.LeaseOwnerIdentity {
		return registry.LeaseOwnerIdentity{OwnerID: id, IncarnationID: "1", Liveness: registry.LeaseOwnerLiveness{
			Kind: registry.LivenessLocalProcess, HostID: "h", BootID: "b", PID: 1, ProcessStart: "1",
		}}
	}
	held, err := r.ClaimProcessLease(t.Context(), "p", local("holder"), 5000)
	if err != nil {
		t.Fatal(err)
	}
	for _, verdict := range []registry.HolderVerdict{"", registry.VerdictUnknown} {
		outcome, err := r.ReclaimProcessLease(t.Context(), "p", local("claimant"), *held.Acquired, verdict, 5000)
		if err != nil || outcome.Acquired != nil || *outcome.Busy != *held.Acquired {
			t.Errorf("%q: %+v (%v)", verdict, outcome, err)
		}
	}
	outcome, err := r.ReclaimProcessLease(t.Context(), "p", local("claimant"), *held.Acquired, registry.VerdictDead, 5000)
	if err != nil || outcome.Busy != nil || outcome.Acquired.FencingToken != 2 || len(outcome.Acquired.LeaseToken) != 32 {
		t.Errorf("%+v (%v)", outcome, err)
	}
}
