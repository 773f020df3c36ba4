package client

import (
	"context"
	"os/exec"
	"testing"

	"github.com/holdfast-registry/holdfast/client/liveness"
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/memory"
)

func TestLocalOwnersAreIncarnationsOfTheirOwn(t *testing.T) {
	a, b := LocalOwner("worker"), LocalOwner("worker")
	if a.OwnerID != "worker" || len(a.IncarnationID) != 32 || a.SameIncarnation(b) {
		t.Errorf("%+v and %+v", a, b)
	}
	if a.Liveness != liveness.Self() {
		t.Errorf("liveness %+v", a.Liveness)
	}
	if err := registry.ValidateOwner("owner", a); err != nil {
		t.Error(err)
	}
	if verdict := JudgeHolder(a, b); verdict != registry.VerdictUnknown {
		t.Errorf("this process is %s to itself", verdict)
	}
}

// leases answers claims with one outcome and records what is asked.
type leases struct {
	registry.Leases
	holder    *registry.ProcessLease
	reclaimed []registry.ProcessLease
}

func (l *leases) ClaimProcessLease(_ context.Context, processID string, owner registry.LeaseOwnerIdentity, _ uint64) (registry.ProcessLeaseClaimOutcome, error) {
	if l.holder != nil {
		return registry.ProcessLeaseClaimOutcome{Busy: l.holder}, nil
	}
	return registry.ProcessLeaseClaimOutcome{Acquired: &registry.ProcessLease{ProcessID: processID, Owner: owner}}, nil
}

func (l *leases) ReclaimProcessLease(_ context.Context, processID string, owner registry.LeaseOwnerIdentity, observed registry.ProcessLease, verdict registry.HolderVerdict, _ uint64) (registry.ProcessLeaseClaimOutcome, error) {
	if verdict != registry.VerdictDead {
		return registry.ProcessLeaseClaimOutcome{}, registry.Errorf(registry.CodeInternal, registry.Fields{}, "verdict %s", verdict)
	}
	l.reclaimed = append(l.reclaimed, observed)
	return registry.ProcessLeaseClaimOutcome{Acquired: &registry.ProcessLease{ProcessID: processID, Owner: owner}}, nil
}

func TestClaimOrReclaim(t *testing.T) {
	// A real child that has ended: no process has its pid and start time.
	child := exec.Command("cat")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	gone, err := liveness.Of(uint32(child.Process.Pid))
	if stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	held := func(l registry.LeaseOwnerLiveness) *registry.ProcessLease {
		return &registry.ProcessLease{ProcessID: "p", LeaseToken: "t", FencingToken: 3,
			Owner: registry.LeaseOwnerIdentity{OwnerID: "o", IncarnationID: "i", Liveness: l}}
	}
	me := LocalOwner("me")
	for _, test := range []struct {
		name               string
		holder             *registry.ProcessLease
		acquired, reclaims bool
	}{
		{"a free lease is claimed and not reclaimed", nil, true, false},
		{"that of a dead holder is reclaimed", held(gone), true, true},
		{"that of a holder who runs is left alone", held(me.Liveness), false, false},
		{"that of an opaque holder is left alone", held(registry.LeaseOwnerLiveness{}), false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			fake := &leases{holder: test.holder}
			outcome, err := ClaimOrReclaim(t.Context(), fake, "p", me, 1000)
			if err != nil || (outcome.Acquired != nil) != test.acquired {
				t.Fatalf("%+v, %v", outcome, err)
			}
			if (len(fake.reclaimed) == 1) != test.reclaims || (test.reclaims && fake.reclaimed[0] != *test.holder) {
				t.Errorf("reclaimed with %+v", fake.reclaimed)
			}
		})
	}
	t.Run("a registry agrees, and gives the next fencing token", func(t *testing.T) {
		r := memory.New()
		input := registry.ProcessInput{Kind: registry.InputExternal}
		if _, err := r.RegisterProcess(t.Context(), registry.ProcessRegistration{
			ID: "p", Input: input, Disposition: registry.Rerunnable, Identity: registry.DeriveIdentity(input)}); err != nil {
			t.Fatal(err)
		}
		for i, step := range []struct {
			owner registry.LeaseOwnerIdentity
			// holder is who has the lease afterwards.
			holder string
		}{
			{held(gone).Owner, "o"}, {me, "me"}, {me, "me"}, {LocalOwner("late"), "me"},
		} {
			outcome, err := ClaimOrReclaim(t.Context(), r, "p", step.owner, 60_000)
			if err != nil || (outcome.Acquired != nil) != (step.holder == step.owner.OwnerID) {
				t.Fatalf("step %d: %+v, %v", i, outcome, err)
			}
		}
		lease, err := r.GetProcessLease(t.Context(), "p")
		if err != nil || lease.Owner != me || lease.FencingToken != 2 {
			t.Errorf("%+v, %v", lease, err)
		}
	})
}
