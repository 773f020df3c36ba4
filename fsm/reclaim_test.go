package fsm

import (
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// neighbour is an owner that is a process of one host.
func neighbour(id string, pid uint32) registry.LeaseOwnerIdentity {
	return registry.LeaseOwnerIdentity{OwnerID: id, IncarnationID: "1", Liveness: registry.LeaseOwnerLiveness{
		Kind: registry.LivenessLocalProcess, HostID: "host", BootID: "boot", PID: pid, ProcessStart: "12345",
	}}
}

// reclaim takes the arguments of one reclaim of p, so that a test changes one.
type reclaim struct {
	holder   registry.LeaseOwnerIdentity
	claimant registry.LeaseOwnerIdentity
	observed registry.ProcessLease
	verdict  registry.HolderVerdict
}

// TestALiveLeaseIsReclaimedOnlyFromTheDead is A5: every condition by itself.
func TestALiveLeaseIsReclaimedOnlyFromTheDead(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*reclaim)
		taken  bool
	}{
		{"all of it holds", func(*reclaim) {}, true},
		{"the lease was renewed and looks newer", func(c *reclaim) { c.observed.ClaimedAtMs, c.observed.ExpiresAtMs = 1, 2 }, true},
		{"the observed owner's liveness is another", func(c *reclaim) { c.observed.Owner.Liveness = registry.LeaseOwnerLiveness{} }, true},
		{"the claimant is of the holder's own incarnation and says that it is dead", func(c *reclaim) { c.claimant = c.holder }, true},
		{"the verdict is unknown", func(c *reclaim) { c.verdict = registry.VerdictUnknown }, false},
		{"there is no verdict", func(c *reclaim) { c.verdict = "" }, false},
		{"another process was observed", func(c *reclaim) { c.observed.ProcessID = "q" }, false},
		{"another owner was observed", func(c *reclaim) { c.observed.Owner.OwnerID = "x" }, false},
		{"another incarnation was observed", func(c *reclaim) { c.observed.Owner.IncarnationID = "2" }, false},
		{"another lease token was observed", func(c *reclaim) { c.observed.LeaseToken = "x" }, false},
		{"another fencing token was observed", func(c *reclaim) { c.observed.FencingToken++ }, false},
		{"nothing was observed", func(c *reclaim) { c.observed = registry.ProcessLease{} }, false},
		{"the holder is opaque", func(c *reclaim) { c.holder.Liveness = registry.LeaseOwnerLiveness{} }, false},
		{"the claimant is opaque", func(c *reclaim) { c.claimant.Liveness = registry.LeaseOwnerLiveness{} }, false},
		{"both are opaque", func(c *reclaim) {
			c.holder.Liveness, c.claimant.Liveness = registry.LeaseOwnerLiveness{}, registry.LeaseOwnerLiveness{}
		}, false},
		{"the claimant is on another host", func(c *reclaim) { c.claimant.Liveness.HostID = "other" }, false},
		{"the host was booted since", func(c *reclaim) { c.claimant.Liveness.BootID = "other" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.register("p", "")
			args := reclaim{holder: neighbour("holder", 1), claimant: neighbour("claimant", 2), verdict: registry.VerdictDead}
			untouched := args.holder
			c.change(&args)
			held := r.must(r.do(NewClaimProcessLease("p", args.holder, 10_000, "held"))).Lease
			args.observed = *held
			args.holder = untouched
			c.change(&args)
			r.pass(100)
			result := r.must(r.do(NewReclaimProcessLease("p", args.claimant, args.observed, args.verdict, 5000, "taken")))
			if result.Busy == c.taken {
				t.Fatalf("busy %v, lease %+v", result.Busy, result.Lease)
			}
			if !c.taken {
				want := *held
				if *result.Lease != want || *r.leaseOf("p") != want {
					t.Errorf("busy with %+v, want %+v", result.Lease, want)
				}
				return
			}
			want := registry.ProcessLease{
				ProcessID: "p", Owner: args.claimant, LeaseToken: "taken", FencingToken: held.FencingToken + 1, ClaimedAtMs: 10_100, ExpiresAtMs: 15_100,
			}
			if *result.Lease != want || *r.leaseOf("p") != want {
				t.Errorf("acquired %+v, want %+v", result.Lease, want)
			}
			r.refused(r.do(NewRenewProcessLease(*held, 1000)), registry.CodeLeaseExpired)
			r.refused(r.fenced(note("p", "1", ""), held.Fence()), registry.CodeFenced)
			// The next one that comes with the same evidence is too late.
			if again := r.must(r.do(NewReclaimProcessLease("p", neighbour("third", 3), *held, registry.VerdictDead, 1, "x"))); !again.Busy {
				t.Errorf("one death was good for two leases: %+v", again.Lease)
			}
		})
	}
}

func TestARenewalDoesNotSaveADeadHolder(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	held := r.must(r.do(NewClaimProcessLease("p", neighbour("holder", 1), 1000, "held"))).Lease
	r.pass(500)
	r.must(r.do(NewRenewProcessLease(*held, 5000)))
	if result := r.must(r.do(NewReclaimProcessLease("p", neighbour("claimant", 2), *held, registry.VerdictDead, 1000, "taken"))); result.Busy {
		t.Errorf("busy with %+v", result.Lease)
	}
}

// TestWithoutALiveLeaseAReclaimIsAClaim: what was observed, and the verdict, are
// not looked at.
func TestWithoutALiveLeaseAReclaimIsAClaim(t *testing.T) {
	for name, prepare := range map[string]func(r *rig){
		"never leased": func(*rig) {},
		"released": func(r *rig) {
			r.must(r.do(claim("p", 1000, "a")))
			r.must(r.do(&CompleteProcessLease{ProcessID: "p", LeaseToken: "a"}))
		},
		"expired by this very millisecond": func(r *rig) {
			r.must(r.do(claim("p", 1000, "a")))
			r.pass(1000)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.register("p", "")
			prepare(r)
			result := r.must(r.do(NewReclaimProcessLease("p", owner("w", "1"), registry.ProcessLease{}, "", 1000, "token")))
			if result.Busy || result.Lease.LeaseToken != "token" || result.Lease.FencingToken != r.position().Fencing {
				t.Errorf("%+v", result)
			}
			// The own live lease is not entered again, as a claim would.
			if again := r.must(r.do(NewReclaimProcessLease("p", owner("w", "1"), *result.Lease, "", 1000, "other"))); !again.Busy || *again.Lease != *result.Lease {
				t.Errorf("%+v", again)
			}
		})
	}
}

func TestNothingIsReclaimedOfWhatDoesNotRun(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	held := r.must(r.do(NewClaimProcessLease("p", neighbour("holder", 1), 5000, "held"))).Lease
	r.must(r.do(completion("p", success("1"))))
	before := r.position()
	reclaim := func(id string) Result {
		return r.do(NewReclaimProcessLease(id, neighbour("claimant", 2), *held, registry.VerdictDead, 1000, "taken"))
	}
	r.refused(reclaim("none"), registry.CodeNotFound)
	if f := r.refused(reclaim("p"), registry.CodeTerminal).Fields; f.State != "completed" || f.ProcessID != "p" {
		t.Errorf("fields %+v", f)
	}
	if after := r.position(); after.Revision != before.Revision || after.Fencing != before.Fencing {
		t.Errorf("a refusal moved %+v to %+v", before, after)
	}
}
