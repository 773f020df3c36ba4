package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

// heldVoter answers questions of a leader only when it is told to. The answer
// is computed when the question comes.
type heldVoter struct {
	asked   chan struct{}
	release chan struct{}
}

func newHeldVoter() *heldVoter {
	return &heldVoter{asked: make(chan struct{}, 64), release: make(chan struct{})}
}

func (h *heldVoter) answer(answer func() (uint64, error)) (uint64, error) {
	term, err := answer()
	h.asked <- struct{}{}
	<-h.release
	return term, err
}

// waitingReads tells how many reads a leader has not confirmed yet.
func waitingReads(r *reign) (reads int) {
	r.confirms.mu.Lock()
	defer r.confirms.mu.Unlock()
	for _, waiting := range r.confirms.waiting {
		reads += waiting.readers
	}
	if r.confirms.open != nil {
		reads += r.confirms.open.readers
	}
	return reads
}

func TestAnAnswerFromBeforeAReadNeverConfirmsIt(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	leader := c.leader()
	others := c.others(leader)
	held := newHeldVoter()
	t.Cleanup(func() { close(held.release) })
	c.interceptAsk(func(_, to string, answer func() (uint64, error)) (uint64, error) {
		if to == others[0].config.ID {
			return held.answer(answer)
		}
		return 0, errUnreachable
	})
	r := leader.reign.Load()
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- leader.readBarrier(t.Context()) }()
	<-held.asked // The question is out, and its answer is already fixed.
	go func() { second <- leader.readBarrier(t.Context()) }()
	c.eventually("both reads wait", func() bool { return waitingReads(r) == 2 })

	held.release <- struct{}{} // The answer to the first question arrives.
	if err := <-first; err != nil {
		t.Fatalf("the read that came before the question: %v", err)
	}
	// All reads that an answer confirms are let go together, so the second one
	// would not be waiting any more.
	if n := waitingReads(r); n != 1 {
		t.Fatalf("%d reads wait after the answer to a question from before the second one, want that one", n)
	}
	<-held.asked
	held.release <- struct{}{}
	if err := <-second; err != nil {
		t.Fatalf("the read that came after the first question: %v", err)
	}
}

func TestANonVotersAnswerNeverConfirmsARead(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	leader := c.leader()
	// Two of them: with the leader they would be a majority of all members.
	nonvoters := map[string]bool{"n4": true, "n5": true}
	for id := range nonvoters {
		c.start(id, nil)
		if err := leader.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress("mem-"+id), 0, patience).Error(); err != nil {
			t.Fatal(err)
		}
		c.eventually("the non-voter is in the leader's term", func() bool { return c.node(id).CurrentTerm() == leader.CurrentTerm() })
	}
	var mu sync.Mutex
	var askedNonvoter, votersAnswer bool
	c.interceptAsk(func(_, to string, answer func() (uint64, error)) (uint64, error) {
		mu.Lock()
		defer mu.Unlock()
		askedNonvoter = askedNonvoter || nonvoters[to]
		if nonvoters[to] || votersAnswer {
			return answer()
		}
		return 0, errUnreachable
	})
	err := leader.Read(short(t), func(fsm.View) { t.Error("the read was served") })
	if !errors.Is(err, registry.ErrNoLeader) {
		t.Fatalf("read with every voter out of reach: %v, want NoLeader", err)
	}
	mu.Lock()
	if askedNonvoter {
		t.Error("the non-voter was asked")
	}
	votersAnswer = true
	mu.Unlock()
	if err := leader.Read(t.Context(), func(fsm.View) {}); err != nil {
		t.Fatalf("read once the voters answer: %v", err)
	}
}

func TestAVoterThatKeepsAReadWaitingIsNotAskedFirstAgain(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	leader := c.leader()
	held := newHeldVoter()
	t.Cleanup(func() { close(held.release) })
	// The first voter of the configuration is asked first.
	silent := c.others(leader)[0].config.ID
	var mu sync.Mutex
	asked := make(map[string]int)
	c.interceptAsk(func(_, to string, answer func() (uint64, error)) (uint64, error) {
		mu.Lock()
		asked[to]++
		mu.Unlock()
		if to == silent {
			return held.answer(answer)
		}
		return answer()
	})
	for range 5 {
		if err := leader.readBarrier(t.Context()); err != nil {
			t.Fatalf("read with one of two voters silent: %v", err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if other := c.others(leader)[1].config.ID; asked[silent] != 1 || asked[other] < 5 {
		t.Errorf("asked %v: want the silent voter %s once and %s for every read", asked, silent, other)
	}
}

// blockingStore is a log store in which appends of commands stand still while
// it is blocked.
type blockingStore struct {
	raft.LogStore
	mu      sync.Mutex
	blocked chan struct{}
	stuck   chan struct{}
}

func (b *blockingStore) block() (unblock func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	blocked := make(chan struct{})
	b.blocked = blocked
	return sync.OnceFunc(func() {
		b.mu.Lock()
		b.blocked = nil
		b.mu.Unlock()
		close(blocked)
	})
}

func (b *blockingStore) wait(logs ...*raft.Log) {
	b.mu.Lock()
	blocked := b.blocked
	b.mu.Unlock()
	// The entries of raft itself pass, so that a node can be opened and elected.
	command := slices.ContainsFunc(logs, func(log *raft.Log) bool { return log.Type == raft.LogCommand })
	if blocked != nil && command {
		select {
		case b.stuck <- struct{}{}:
		default:
		}
		<-blocked
	}
}

func (b *blockingStore) StoreLog(log *raft.Log) error {
	b.wait(log)
	return b.LogStore.StoreLog(log)
}

func (b *blockingStore) StoreLogs(logs []*raft.Log) error {
	b.wait(logs...)
	return b.LogStore.StoreLogs(logs)
}

func TestALeaderBlockedInItsLogStoreServesNoStaleRead(t *testing.T) {
	stores := make(map[string]*blockingStore)
	c := newTestCluster(t, 3, func(config *Config) {
		stores[config.ID] = &blockingStore{LogStore: config.Storage.LogStore, stuck: make(chan struct{}, 1)}
		config.Storage.LogStore = stores[config.ID]
	})
	old := c.leader()
	mustRegister(t, old, "p")
	unblock := stores[old.config.ID].block()
	t.Cleanup(unblock)
	blockedWrite := make(chan error, 1)
	go func() {
		_, err := old.Propose(short(t), anyCommand)
		blockedWrite <- err
	}()
	<-stores[old.config.ID].stuck
	// Raft's main loop stands still in the disk: the leader cannot notice that
	// it is cut off, and goes on believing in its term.
	c.partition(old.config.ID)
	next := c.leader(old.config.ID)
	owner := registry.LeaseOwnerIdentity{OwnerID: "w", IncarnationID: "1"}
	if _, err := next.ClaimProcessLease(t.Context(), "p", owner, 60_000); err != nil {
		t.Fatalf("claim at the new leader: %v", err)
	}
	if old.raft.State() != raft.Leader || old.reign.Load() == nil {
		t.Fatal("the old leader noticed: the test does not show what it should")
	}
	lease, err := old.GetProcessLease(short(t), "p")
	if !errors.Is(err, registry.ErrNoLeader) {
		t.Fatalf("read at the blocked old leader: %+v, %v, want NoLeader", lease, err)
	}
	stale, err := old.GetProcessLease(registry.WithReadLevel(t.Context(), registry.Stale), "p")
	if err != nil || stale != nil {
		t.Fatalf("stale read at the old leader: %+v, %v, want the old state", stale, err)
	}
	if err := <-blockedWrite; !errors.Is(err, registry.ErrOutcomeUnknown) {
		t.Fatalf("the write that is stuck in the log store: %v, want OutcomeUnknown", err)
	}
	unblock()
	c.heal(old.config.ID)
	c.eventually("the old leader follows", func() bool { return old.raft.State() == raft.Follower })
}

func TestQuorumOfVoters(t *testing.T) {
	for _, test := range []struct {
		confirmed []uint64
		want      uint64
	}{
		{nil, 0},
		{[]uint64{7}, 7},
		{[]uint64{7, 5}, 5},
		{[]uint64{9, 4, 0}, 4},
		{[]uint64{9, 4, 3, 0}, 3},
		{[]uint64{9, 8, 7, 0, 0}, 7},
	} {
		if got := quorumOf(append([]uint64(nil), test.confirmed...)); got != test.want {
			t.Errorf("quorum of %v is %d, want %d", test.confirmed, got, test.want)
		}
	}
}

func TestLinearizableReadsOfASingleVoter(t *testing.T) {
	c := newTestCluster(t, 1, nil)
	leader := c.leader()
	mustRegister(t, leader, "p")
	if _, err := leader.GetProcess(t.Context(), "p"); err != nil {
		t.Fatal(err)
	}
	if _, err := leader.GetProcess(t.Context(), "q"); !errors.Is(err, registry.ErrNotFound) {
		t.Fatalf("unknown process: %v", err)
	}
}

func TestAFollowerRefusesToReadAndNamesTheLeader(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	leader := c.leader()
	mustRegister(t, leader, "p")
	follower := c.others(leader)[0]
	var info registry.AnswerInfo
	_, err := follower.GetProcess(registry.WithAnswerInfo(t.Context(), &info), "p")
	var refusal *registry.Error
	if !errors.As(err, &refusal) || refusal.Code != registry.CodeNotLeader || refusal.Fields.LeaderID != leader.config.ID {
		t.Fatalf("read at a follower: %v", err)
	}
	if info.LeaderID != leader.config.ID || info.LeaderAddr != leader.config.Addr {
		t.Errorf("answer info %+v does not name the leader", info)
	}
	c.eventually("a stale read at the follower finds the process", func() bool {
		_, err := follower.GetProcess(registry.WithReadLevel(context.Background(), registry.Stale), "p")
		return err == nil
	})
}
