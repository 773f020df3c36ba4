package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

const hourMs = 3_600_000

// fakeClock is the clock of one node. Nothing moves it but a test.
type fakeClock struct {
	mu         sync.Mutex
	wall, boot uint64
	// step is added to the boot clock whenever it is read.
	step uint64
}

func (c *fakeClock) WallMs() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *fakeClock) BootMs() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.boot += c.step
	return c.boot
}

func (c *fakeClock) add(wallMs, bootMs int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = uint64(int64(c.wall) + wallMs)
	c.boot = uint64(int64(c.boot) + bootMs)
}

// timeCluster is a cluster on fake clocks. It watches what may never happen to
// the time of a state, entry by entry.
type timeCluster struct {
	*testCluster
	clocks map[string]*fakeClock
	// passedMs is how much time has passed in the world.
	passedMs uint64
	last     fsm.Position
	// clockMs is the latest time that any record showed.
	clockMs uint64
}

// newTimeCluster has the wall clocks of n2 and n3 wrong by an hour, and boot
// clocks that have nothing to do with each other. Ticks are written by tests.
func newTimeCluster(t *testing.T, nodes int) *timeCluster {
	t.Helper()
	c := &timeCluster{clocks: make(map[string]*fakeClock)}
	const wall = 1_700_000_000_000
	for i, offset := range []int64{0, hourMs, -hourMs}[:nodes] {
		c.clocks[fmt.Sprintf("n%d", i+1)] = &fakeClock{wall: uint64(wall + offset), boot: uint64(1000 + i*77*hourMs)}
	}
	c.testCluster = newTestCluster(t, nodes, func(config *Config) {
		config.Clock = c.clocks[config.ID]
		config.tick = time.Hour
		// An election that the test did not ask for would only confuse it.
		config.Timing = Timing{Heartbeat: 400 * time.Millisecond, Election: 400 * time.Millisecond, LeaderLease: 200 * time.Millisecond}
	})
	c.last = c.leader().replica.position()
	return c
}

// pass lets time pass everywhere.
func (c *timeCluster) pass(ms uint64) {
	for _, clock := range c.clocks {
		clock.add(int64(ms), int64(ms))
	}
	c.passedMs += ms
}

// observe checks the time of the state against what it was at the last look.
func (c *timeCluster) observe(p fsm.Position) {
	c.t.Helper()
	entries, advance := p.Index-c.last.Index, p.LeaseTimeMs-c.last.LeaseTimeMs
	switch {
	case p.Index < c.last.Index:
		return
	case p.LeaseTimeMs < c.last.LeaseTimeMs || p.ClockMs < c.last.ClockMs:
		c.t.Fatalf("time went back from %+v to %+v", c.last, p)
	case advance > 2000*entries:
		c.t.Fatalf("%d entries added %d ms of lease time", entries, advance)
	case p.LeaseTimeMs > c.passedMs:
		c.t.Fatalf("lease time is %d ms, and only %d ms have passed", p.LeaseTimeMs, c.passedMs)
	}
	c.last = p
}

// shown checks that a time in a record is not before any that was shown.
func (c *timeCluster) shown(what string, ms uint64) {
	c.t.Helper()
	if ms < c.clockMs {
		c.t.Fatalf("%s is %d, and %d was shown before", what, ms, c.clockMs)
	}
	c.clockMs = ms
}

// heldLease is a lease, and where its end lies on lease time.
type heldLease struct {
	registry.ProcessLease
	endMs uint64
}

// answered is a lease as an answer shows it: the same instant on the clock and
// on lease time.
func (c *timeCluster) answered(lease registry.ProcessLease, info registry.AnswerInfo, ttlMs uint64) *heldLease {
	c.t.Helper()
	if lease.ExpiresAtMs != info.ClockMs+ttlMs {
		c.t.Fatalf("the lease is shown to end at %d, the clock is %d and its ttl %d", lease.ExpiresAtMs, info.ClockMs, ttlMs)
	}
	return &heldLease{lease, info.LeaseTimeMs + ttlMs}
}

func (c *timeCluster) claim(n *Node, process, owner string, ttlMs uint64) (mine *heldLease, busy *registry.ProcessLease, info registry.AnswerInfo) {
	c.t.Helper()
	ctx := registry.WithAnswerInfo(c.t.Context(), &info)
	answer, err := n.ClaimProcessLease(ctx, process, registry.LeaseOwnerIdentity{OwnerID: owner, IncarnationID: owner}, ttlMs)
	if err != nil {
		c.t.Fatalf("%s claims %s: %v", owner, process, err)
	}
	c.observe(n.replica.position())
	if answer.Acquired == nil {
		return nil, answer.Busy, info
	}
	return c.answered(*answer.Acquired, info, ttlMs), nil, info
}

func (c *timeCluster) renew(n *Node, lease *heldLease, ttlMs uint64) *heldLease {
	c.t.Helper()
	var info registry.AnswerInfo
	renewed, err := n.RenewProcessLease(registry.WithAnswerInfo(c.t.Context(), &info), lease.ProcessLease, ttlMs)
	if err != nil {
		c.t.Fatalf("renew, %d ms of lease time before the end: %v", lease.endMs-c.last.LeaseTimeMs, err)
	}
	c.observe(n.replica.position())
	return c.answered(renewed, info, ttlMs)
}

// tick writes an entry that carries only the time.
func (c *timeCluster) tick(n *Node) {
	c.t.Helper()
	if _, err := n.Propose(c.t.Context(), anyCommand); err != nil {
		c.t.Fatal(err)
	}
	c.observe(n.replica.position())
}

// contend has somebody else claim a lease: it is busy until its end on lease
// time, and free from then on. It tells whether it was busy.
func (c *timeCluster) contend(n *Node, lease *heldLease, ttlMs uint64) (taken *heldLease) {
	c.t.Helper()
	other := "a"
	if lease.Owner.OwnerID == "a" {
		other = "b"
	}
	mine, busy, info := c.claim(n, lease.ProcessID, other, ttlMs)
	switch live := info.LeaseTimeMs < lease.endMs; {
	case live && mine != nil:
		c.t.Fatalf("a lease was taken %d ms of lease time before its end", lease.endMs-info.LeaseTimeMs)
	case !live && mine == nil:
		c.t.Fatalf("a lease is still busy %d ms of lease time after its end", info.LeaseTimeMs-lease.endMs)
	case live && busy.ExpiresAtMs != info.ClockMs+lease.endMs-info.LeaseTimeMs:
		c.t.Fatalf("the lease is shown to end at %d; the clock is %d and %d ms of lease time are left", busy.ExpiresAtMs, info.ClockMs, lease.endMs-info.LeaseTimeMs)
	}
	return mine
}

// move moves the leadership, by transfer or because the leader is cut off, and
// lets time pass while nobody leads. Lease time must stand still meanwhile.
func (c *timeCluster) move(from *Node, to string, cutOff bool, leaderlessMs uint64) *Node {
	c.t.Helper()
	// Up to date, so that handing over finds nothing to add.
	c.tick(from)
	before := c.last
	if cutOff {
		c.pass(leaderlessMs)
		c.partition(from.config.ID)
	} else if err := from.TransferLeadership(c.t.Context(), to); err != nil {
		c.t.Fatal(err)
	}
	next := c.leader(from.config.ID)
	after := next.replica.position()
	if after.LeaseTimeMs != before.LeaseTimeMs {
		c.t.Fatalf("a takeover by %s after %d ms without a leader added %d ms of lease time", next.config.ID, leaderlessMs, after.LeaseTimeMs-before.LeaseTimeMs)
	}
	c.observe(after)
	if cutOff {
		c.heal(from.config.ID)
		c.eventually("the old leader follows", func() bool { return from.reign.Load() == nil && from.replica.applied.Load() >= after.Index })
	}
	return next
}

// testSeed is a seed that the test prints, and takes from HOLDFAST_TEST_SEED.
func testSeed(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	if text := os.Getenv("HOLDFAST_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("HOLDFAST_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestTimeUnderWrongClocksAndMovingLeadership holds, renews and contends for
// leases while the leadership goes round nodes whose wall clocks are an hour
// apart from each other.
func TestTimeUnderWrongClocksAndMovingLeadership(t *testing.T) {
	const ttlMs, rounds, stepsPerRound = 20_000, 9, 12
	random := testSeed(t)
	c := newTimeCluster(t, 3)
	leader := c.leader()
	for _, id := range []string{"renewed", "left"} {
		mustRegister(t, leader, id)
	}
	renewed, _, _ := c.claim(leader, "renewed", "a", ttlMs)
	left, _, _ := c.claim(leader, "left", "a", ttlMs)
	after := map[string]string{"n1": "n2", "n2": "n3", "n3": "n1"}
	takenOver, led := 0, make(map[string]int)
	for round := range rounds {
		led[leader.config.ID]++
		for step := range stepsPerRound {
			d, before := random.Uint64N(4000), c.last.LeaseTimeMs
			c.pass(d)
			c.tick(leader)
			if moved := c.last.LeaseTimeMs - before; moved != min(d, 2000) {
				t.Fatalf("%d ms have passed, and lease time moved by %d ms under %s", d, moved, leader.config.ID)
			}
			if c.contend(leader, renewed, ttlMs) != nil {
				t.Fatal("a lease that is renewed was lost")
			}
			if taken := c.contend(leader, left, ttlMs); taken != nil {
				left = taken
				takenOver++
			}
			renewed = c.renew(leader, renewed, ttlMs)
			c.record(leader, fmt.Sprintf("p-%d-%d", round, step))
		}
		leader = c.move(leader, after[leader.config.ID], round%3 == 2, random.Uint64N(10*hourMs))
	}
	if takenOver < rounds*stepsPerRound*2000/ttlMs/4 {
		t.Errorf("the lease that nobody renews ended %d times only", takenOver)
	}
	for id := range c.clocks {
		if led[id] == 0 {
			t.Errorf("%s never led: %v", id, led)
		}
	}
}

// record writes what carries times, and checks that none goes back.
func (c *timeCluster) record(n *Node, id string) {
	c.t.Helper()
	ctx := c.t.Context()
	record, err := n.RegisterProcess(ctx, registration(id))
	if err != nil {
		c.t.Fatal(err)
	}
	c.shown("created_at", record.CreatedAtMs)
	claimed, _, _ := c.claim(n, id, "a", 1)
	c.shown("claimed_at", claimed.ClaimedAtMs)
	appended, err := n.AppendEvent(ctx, id, registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON("1")}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.shown("occurred_at", appended.Event.OccurredAtMs)
	record, err = n.CompleteProcess(ctx, id, registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("1")}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.shown("updated_at", record.UpdatedAtMs)
	if record.UpdatedAtMs < record.CreatedAtMs {
		c.t.Fatalf("%s was updated before it was created: %+v", id, record)
	}
	c.observe(n.replica.position())
}

func TestABootClockThatStandsStillOrJumps(t *testing.T) {
	const ttlMs = 10_000
	c := newTimeCluster(t, 1)
	n := c.leader()
	clock := c.clocks["n1"]
	mustRegister(t, n, "p")
	lease, _, _ := c.claim(n, "p", "a", ttlMs)
	advance := func() uint64 {
		before := c.last.LeaseTimeMs
		c.tick(n)
		return c.last.LeaseTimeMs - before
	}
	t.Run("a clock that stands still ends nothing, whatever the wall says", func(t *testing.T) {
		for range 20 {
			clock.add(hourMs, 0)
			c.passedMs += hourMs
			if moved := advance(); moved != 0 {
				t.Fatalf("lease time moved by %d ms", moved)
			}
		}
		if c.contend(n, lease, ttlMs) != nil {
			t.Fatal("the lease ended")
		}
	})
	t.Run("a jump ahead adds two seconds", func(t *testing.T) {
		c.pass(5 * hourMs)
		if moved := advance(); moved != 2000 {
			t.Fatalf("lease time moved by %d ms", moved)
		}
	})
	t.Run("a jump back adds nothing, and time goes on from there", func(t *testing.T) {
		clock.add(-hourMs, -hourMs)
		if moved := advance(); moved != 0 {
			t.Fatalf("lease time moved by %d ms", moved)
		}
		c.pass(1500)
		if moved := advance(); moved != 1500 {
			t.Fatalf("lease time moved by %d ms, 1500 ms have passed", moved)
		}
	})
	t.Run("a lease that nobody renews ends", func(t *testing.T) {
		for range ttlMs / 1000 {
			c.pass(1000)
			if c.contend(n, lease, ttlMs) != nil {
				return
			}
		}
		t.Fatal("it is still there after its ttl")
	})
}

// TestTicksAreWrittenWhileALeaseLives has the proposer write ticks on its own.
func TestTicksAreWrittenWhileALeaseLives(t *testing.T) {
	const ttlMs, stepMs = 100_000, 1000
	clock := &fakeClock{wall: 1_700_000_000_000}
	c := newTestCluster(t, 1, func(config *Config) {
		config.Clock = clock
		config.tick = 2 * time.Millisecond
	})
	n := c.leader()
	mustRegister(t, n, "p")
	owner := registry.LeaseOwnerIdentity{OwnerID: "a", IncarnationID: "a"}
	claim := func() registry.ProcessLease {
		answer, err := n.ClaimProcessLease(t.Context(), "p", owner, ttlMs)
		if err != nil || answer.Acquired == nil {
			t.Fatalf("%+v, %v", answer, err)
		}
		return *answer.Acquired
	}
	index := func() uint64 { return n.raft.LastIndex() }
	lease := claim()
	// The clock stands still, so the lease lives on and ticks go on.
	before, begin := index(), time.Now()
	c.eventually("ticks are written while a lease lives", func() bool { return index() >= before+30 })
	tookForTicks := time.Since(begin)
	quiet := func(what string) {
		t.Helper()
		// A tick may be on its way.
		if err := n.Read(t.Context(), func(fsm.View) {}); err != nil {
			t.Fatal(err)
		}
		before := index()
		if idle(t.Context(), 2*tookForTicks); index() != before {
			t.Errorf("%s: %d entries were written in %v, 30 ticks took %v", what, index()-before, 2*tookForTicks, tookForTicks)
		}
	}
	if err := n.CompleteProcessLease(t.Context(), registry.ProcessLeaseCompletion{ProcessID: "p", LeaseToken: lease.LeaseToken}); err != nil {
		t.Fatal(err)
	}
	quiet("after the release")
	// Now every entry takes a second of the boot clock.
	clock.mu.Lock()
	clock.step = stepMs
	clock.mu.Unlock()
	claim()
	before = index()
	c.eventually("the lease has ended by itself", func() bool {
		live := true
		n.replica.machine.Read(func(v fsm.View) { live = v.NeedsTime() })
		return !live
	})
	if entries := index() - before; entries < ttlMs/stepMs-1 || entries > ttlMs/stepMs+2 {
		t.Errorf("the lease of %d ms ended after %d entries of %d ms", ttlMs, entries, stepMs)
	}
	quiet("after the end of the lease")
}

// idle waits, as nothing else tells that nothing happens.
func idle(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
