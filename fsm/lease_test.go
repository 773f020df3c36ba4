package fsm

import (
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// TestLeaseTime is the table of A3 and A4.
func TestLeaseTime(t *testing.T) {
	for _, c := range []struct {
		name             string
		stamp            uint64
		takeover         bool
		clock, leaseTime uint64
	}{
		{"a stamp of the same millisecond adds nothing", 10_000, false, 10_000, 0},
		{"a stamp adds what has passed", 10_001, false, 10_001, 1},
		{"a stamp adds up to two seconds", 12_000, false, 12_000, 2000},
		{"a stamp adds no more than two seconds", 12_001, false, 12_001, 2000},
		{"a stamp after an hour adds two seconds", 3_610_000, false, 3_610_000, 2000},
		{"a stamp that is behind moves nothing", 9_000, false, 10_000, 0},
		{"the highest stamp there is fits", ^uint64(0), false, ^uint64(0), 2000},
		{"a takeover moves the clock and adds nothing", 11_000, true, 11_000, 0},
		{"a takeover after an hour adds nothing", 3_610_000, true, 3_610_000, 0},
		{"a takeover with a clock behind moves nothing", 1, true, 10_000, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.stamp = c.stamp
			var result EntryResult
			if c.takeover {
				result = r.takeover(2)
			} else {
				result = r.entry(1, 1, Command{Body: &Tick{}})
			}
			p := r.position()
			if p.ClockMs != c.clock || p.LeaseTimeMs != c.leaseTime {
				t.Errorf("clock %d, lease time %d, want %d and %d", p.ClockMs, p.LeaseTimeMs, c.clock, c.leaseTime)
			}
			if result.ClockMs != c.clock || result.LeaseTimeMs != c.leaseTime {
				t.Errorf("the answer says %d and %d", result.ClockMs, result.LeaseTimeMs)
			}
		})
	}
}

func TestTheClockOfABatchIsThatOfItsEntry(t *testing.T) {
	r := newRig(t)
	r.pass(700)
	result := r.entry(1, 1, Command{Body: registration("p", "")}, Command{Body: note("p", "1", "")})
	record := result.Results[1].Process
	if record.CreatedAtMs != 10_700 || record.UpdatedAtMs != 10_700 || result.Results[1].Event.OccurredAtMs != 10_700 || result.LeaseTimeMs != 700 {
		t.Errorf("%+v", record)
	}
}

// TestExpiry: a lease is live iff its end is greater than lease time.
func TestExpiry(t *testing.T) {
	for _, c := range []struct {
		name       string
		ttl        uint64
		passes     []uint64
		stillThere bool
	}{
		{"a lease lives until its end", 1000, []uint64{999}, true},
		{"a lease that ends now is expired", 1000, []uint64{1000}, false},
		{"a lease of ttl 0 is expired at birth", 0, nil, false},
		{"a lease over two seconds outlives any silence", 2001, []uint64{3_600_000}, true},
		{"a lease of two seconds ends after a silence", 2000, []uint64{3_600_000}, false},
		{"ticks add up", 2001, []uint64{1000, 1000, 1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.register("p", "")
			mine := r.must(r.do(claim("p", c.ttl, "mine"))).Lease
			for _, ms := range c.passes {
				r.pass(ms)
				r.do(&Tick{})
			}
			r.m.Read(func(v View) {
				if v.NeedsTime() != c.stillThere {
					t.Errorf("needs time: %v", v.NeedsTime())
				}
				if lease := v.Lease("p"); lease == nil || lease.LeaseToken != "mine" {
					t.Errorf("an expired lease is no longer shown: %+v", lease)
				}
			})
			renewed := r.do(NewRenewProcessLease(*mine, c.ttl))
			if lives := renewed.Refusal == nil; lives != c.stillThere {
				t.Errorf("renewed: %v", renewed.Refusal)
			} else if !lives {
				r.refused(renewed, registry.CodeLeaseExpired)
			}
			other := r.must(r.do(claim("p", 1000, "other")))
			if other.Busy != c.stillThere {
				t.Errorf("busy: %v", other.Busy)
			}
			if !other.Busy && other.Lease.FencingToken <= mine.FencingToken {
				t.Errorf("fencing token %d after %d", other.Lease.FencingToken, mine.FencingToken)
			}
		})
	}
}

func TestATakeoverLengthensLeasesByTheInterruption(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	lease := r.must(r.do(claim("p", 1000, "mine"))).Lease
	if lease.ClaimedAtMs != 10_000 || lease.ExpiresAtMs != 11_000 {
		t.Fatalf("claimed at %d, expires at %d", lease.ClaimedAtMs, lease.ExpiresAtMs)
	}
	r.pass(400)
	r.do(&Tick{})
	r.pass(60_000)
	r.takeover(2)
	r.m.Read(func(v View) {
		if shown := v.Lease("p"); shown.ExpiresAtMs != 71_000 || shown.ClaimedAtMs != 10_000 {
			t.Errorf("after a minute without a leader it is shown to expire at %d, want 71000", shown.ExpiresAtMs)
		}
	})
	r.pass(599)
	if !r.must(r.do(claim("p", 1, "other"))).Busy {
		t.Error("the interruption ended the lease")
	}
	r.pass(1)
	if r.must(r.do(claim("p", 1, "other"))).Busy {
		t.Error("the lease outlived its ttl of lease time")
	}
}

func TestAnExpiredLeaseIsShownInThePast(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.must(r.do(claim("p", 1000, "mine")))
	r.pass(1500)
	r.do(&Tick{})
	r.m.Read(func(v View) {
		if shown := v.Lease("p"); shown.ExpiresAtMs != 11_000 {
			t.Errorf("expires at %d, want 11000", shown.ExpiresAtMs)
		}
	})
}

func TestALeaseEndNeverOverflows(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.pass(5)
	lease := r.must(r.do(claim("p", ^uint64(0), "mine"))).Lease
	if lease.ExpiresAtMs != ^uint64(0) {
		t.Errorf("expires at %d", lease.ExpiresAtMs)
	}
	if !r.must(r.do(claim("p", 1, "other"))).Busy {
		t.Error("a lease without end was over at once")
	}
	if got := r.must(r.do(NewRenewProcessLease(*lease, ^uint64(0)))).Lease.ExpiresAtMs; got != ^uint64(0) {
		t.Errorf("renewed to %d", got)
	}
}

func TestReentryKeepsTheLeaseAndMovesItsEnd(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	first := r.must(r.do(NewClaimProcessLease("p", localOwner(), 5000, "first"))).Lease
	r.pass(1000)
	again := localOwner()
	again.Liveness = registry.LeaseOwnerLiveness{}
	second := r.must(r.do(NewClaimProcessLease("p", again, 1000, "second")))
	if second.Busy || second.Lease.LeaseToken != "first" || second.Lease.FencingToken != first.FencingToken ||
		second.Lease.Owner != localOwner() || second.Lease.ClaimedAtMs != first.ClaimedAtMs {
		t.Errorf("%+v after %+v", second.Lease, first)
	}
	if second.Lease.ExpiresAtMs != 12_000 {
		t.Errorf("expires at %d: re-entry may shorten", second.Lease.ExpiresAtMs)
	}
	r.pass(1000)
	third := r.must(r.do(NewClaimProcessLease("p", localOwner(), 1000, "third"))).Lease
	if third.LeaseToken != "third" || third.FencingToken != first.FencingToken+1 {
		t.Errorf("the own expired lease is granted anew: %+v", third)
	}
}

func TestFencingTokensGrowOverAllProcessesReleasesAndTerms(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.register("q", "")
	last := uint64(0)
	for i, step := range []func(){
		func() {},
		func() { r.must(r.do(&CompleteProcessLease{ProcessID: "p", LeaseToken: "p"})) },
		func() { r.pass(1500); r.do(&Tick{}) },
		func() { r.takeover(2); r.pass(1500); r.do(&Tick{}) },
		func() { r.pass(1500); r.do(&Tick{}); r.m = restored(t, write(t, r.m.Snapshot())) },
	} {
		step()
		for _, id := range []string{"p", "q"} {
			result := r.must(r.do(claim(id, 1000, id)))
			if result.Busy {
				t.Fatalf("%d: busy", i)
			}
			if id == "q" && i == 1 {
				continue // re-entry
			}
			if result.Lease.FencingToken != last+1 {
				t.Errorf("%d: %s got the fencing token %d after %d", i, id, result.Lease.FencingToken, last)
			}
			last = result.Lease.FencingToken
		}
	}
}

func TestWhoMayRenew(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*registry.ProcessLease)
		ok    bool
	}{
		{"the holder", func(*registry.ProcessLease) {}, true},
		{"the holder whatever times it sends", func(l *registry.ProcessLease) { l.ClaimedAtMs, l.ExpiresAtMs = 1, 1 }, true},
		{"the holder with another liveness", func(l *registry.ProcessLease) { l.Owner.Liveness = localOwner().Liveness }, true},
		{"another owner does not", func(l *registry.ProcessLease) { l.Owner.OwnerID = "x" }, false},
		{"another incarnation does not", func(l *registry.ProcessLease) { l.Owner.IncarnationID = "x" }, false},
		{"another lease token does not", func(l *registry.ProcessLease) { l.LeaseToken = "x" }, false},
		{"a lower fencing token does not", func(l *registry.ProcessLease) { l.FencingToken-- }, false},
		{"a higher fencing token does not", func(l *registry.ProcessLease) { l.FencingToken++ }, false},
		{"the holder of another process does not", func(l *registry.ProcessLease) { l.ProcessID = "none" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.register("p", "")
			lease := *r.must(r.do(claim("p", 1000, "t"))).Lease
			c.spoil(&lease)
			result := r.do(NewRenewProcessLease(lease, 3000))
			if !c.ok {
				r.refused(result, registry.CodeLeaseExpired)
				return
			}
			if got := r.must(result).Lease.ExpiresAtMs; got != 13_000 {
				t.Errorf("expires at %d", got)
			}
		})
	}
}

func TestARenewedLeaseOfATerminalProcessLivesOn(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	lease := r.must(r.do(claim("p", 1000, "t"))).Lease
	r.must(r.do(completion("p", success("1"))))
	r.must(r.do(NewRenewProcessLease(*lease, 3000)))
	if refusal := r.refused(r.do(claim("p", 1000, "t")), registry.CodeTerminal); refusal.Fields.State != "completed" {
		t.Errorf("fields %+v", refusal.Fields)
	}
	r.refused(r.do(claim("none", 1000, "t")), registry.CodeNotFound)
}

func TestReleaseByToken(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	lease := r.must(r.do(claim("p", 1000, "t"))).Lease
	held := func(want bool) {
		t.Helper()
		r.m.Read(func(v View) {
			if got := v.Lease("p"); (got != nil) != want {
				t.Errorf("lease %+v", got)
			}
		})
	}
	r.must(r.do(&CompleteProcessLease{ProcessID: "p", LeaseToken: "stale"}))
	r.must(r.do(&CompleteProcessLease{ProcessID: "none", LeaseToken: "t"}))
	held(true)
	// An expired lease that nobody superseded can be released.
	r.pass(1500)
	r.must(r.do(&CompleteProcessLease{ProcessID: "p", LeaseToken: "t"}))
	held(false)
	r.must(r.do(&CompleteProcessLease{ProcessID: "p", LeaseToken: "t"}))
	r.must(r.do(&CompleteProcessLease{ProcessID: "p", LeaseToken: ""}))
	r.refused(r.do(NewRenewProcessLease(*lease, 1000)), registry.CodeLeaseExpired)
	held(false)
}
