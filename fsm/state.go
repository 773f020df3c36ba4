package fsm

import (
	"github.com/tidwall/btree"

	"github.com/holdfast-registry/holdfast/registry"
)

// counters are the numbers of the state that belong to no row.
type counters struct {
	// Index and Term are those of the last log entry seen, refused ones and
	// configuration entries included.
	Index uint64
	Term  uint64
	// Revision grows by one with every command that changed a row.
	Revision uint64
	// ClockMs is the state's clock: the highest stamp so far.
	ClockMs uint64
	// LeaseTimeMs is the time that leases run on.
	LeaseTimeMs uint64
	// Fencing is the last fencing token that was granted.
	Fencing uint64
	// TakeoverTerm is the term of the last takeover, Proposer its node.
	TakeoverTerm uint64
	Proposer     string
	// ClusterID is minted by the first takeover.
	ClusterID string
	// RestoreEpoch is how often a backup was restored: each begins a history of
	// its own, whose revisions are not those of the one before.
	RestoreEpoch uint64
}

// process is one row: everything about one process. Rows are immutable and
// replaced whole, so that a frozen copy of the table stays as it was; what
// they point at is shared between versions and never changed either.
type process struct {
	record registry.ProcessRecord
	// hash is the binary form of the record's registration hash.
	hash []byte
	// events is the log. Versions of a row share one backing array: an append
	// writes behind the end that every older version sees.
	events []*event
	// acks are the sequences whose wakes were consumed, nil without any.
	acks  *btree.Set[uint32]
	lease lease
	// attempts is how often claim-next handed the process out; notBeforeMs is
	// the lease time before which it does not.
	attempts    uint64
	notBeforeMs uint64
	// terminal is the event that ended the process, nil while it runs.
	terminal *event
	// ref is what the record's external ref points into, nil without one.
	ref *externalRef
	// index finds events by replay key. It is shared by all versions of the
	// row, belongs to the newest, and is rebuilt from the events on restore.
	index *eventIndex
}

// event is one stored event with the hash that replays are compared by.
type event struct {
	registry.ProcessEvent
	payloadHash []byte
	// outputHash is set on terminal events.
	outputHash []byte
}

// externalRef is a reference with the hash that another one is compared by.
type externalRef struct {
	registry.ProcessExternalRef
	hash []byte
}

// lease is the lease row of a process. After a release the fencing number
// stays.
type lease struct {
	held        bool
	owner       registry.LeaseOwnerIdentity
	token       string
	fencing     uint64
	claimedAtMs uint64
	// endMs is on lease time.
	endMs uint64
}

// state is the whole state. Its tables can be copied in constant time.
type state struct {
	counters
	processes *btree.Map[string, *process]
	members   *btree.Map[string, string]
	grants    grantTable
	sessions  sessions

	// The indexes are derived from the tables and never part of a snapshot.
	nonTerminal *btree.Set[string]
	ended       *btree.BTreeG[endedProcess]
	leaseEnds   *btree.BTreeG[leaseEnd]
	// wakeTargets holds, by session id, the processes whose wakes go there.
	wakeTargets map[string]*btree.Set[string]
	// liveLeases is how many of leaseEnds are not over yet.
	liveLeases int
	readiness  readyIndex

	// undo is the way back of the batch that is being applied.
	undo *undoLog
	// changes are those of the entry that is being applied. They are told of and
	// forgotten: no part of the state.
	changes []registry.ProcessChange
}

func newState() *state {
	undo := new(undoLog)
	return &state{
		processes:   new(btree.Map[string, *process]),
		members:     new(btree.Map[string, string]),
		grants:      newGrantTable(undo),
		undo:        undo,
		sessions:    newSessions(),
		nonTerminal: new(btree.Set[string]),
		readiness:   newReadyIndex(),
		wakeTargets: make(map[string]*btree.Set[string]),
		ended: btree.NewBTreeGOptions(func(a, b endedProcess) bool {
			if a.updatedAtMs != b.updatedAtMs {
				return a.updatedAtMs < b.updatedAtMs
			}
			return a.processID < b.processID
		}, btree.Options{NoLocks: true}),
		leaseEnds: btree.NewBTreeGOptions(func(a, b leaseEnd) bool {
			if a.endMs != b.endMs {
				return a.endMs < b.endMs
			}
			return a.processID < b.processID
		}, btree.Options{NoLocks: true}),
	}
}

// frozen is a copy of the tables that later changes do not reach.
type frozen struct {
	counters
	processes *btree.Map[string, *process]
	members   *btree.Map[string, string]
	grants    *btree.BTreeG[*grant]
	sessions  *btree.Map[string, *session]
}

func (s *state) freeze() *frozen {
	return &frozen{
		counters: s.counters, processes: s.processes.Copy(), members: s.members.Copy(),
		grants: s.grants.byScope.Copy(), sessions: s.sessions.rows.Copy(),
	}
}

// advanceLeaseTime moves lease time on. Every lease is passed once.
func (s *state) advanceLeaseTime(ms uint64) {
	before := s.LeaseTimeMs
	s.LeaseTimeMs += ms
	s.leaseEnds.Ascend(leaseEnd{endMs: before + 1}, func(end leaseEnd) bool {
		if end.endMs > s.LeaseTimeMs {
			return false
		}
		s.liveLeases--
		s.leaseEnded(end.processID)
		return true
	})
	s.endDelays()
}

// live tells that a lease has a holder and has not ended.
func (s *state) live(l lease) bool { return l.held && l.endMs > s.LeaseTimeMs }

// needsTime tells whether time must go on because something runs on it.
func (s *state) needsTime() bool {
	return s.liveLeases > 0 || s.sessions.rows.Len() > 0 || s.readiness.delays.Len() > 0
}

// show gives a lease row its public form: its end on the cluster's clock.
func (s *state) show(processID string, l lease) *registry.ProcessLease {
	return &registry.ProcessLease{
		ProcessID:    processID,
		Owner:        l.owner,
		LeaseToken:   l.token,
		FencingToken: l.fencing,
		ClaimedAtMs:  l.claimedAtMs,
		ExpiresAtMs:  addClamped(s.ClockMs, l.endMs, s.LeaseTimeMs),
	}
}

// addClamped returns base + (plus - minus), kept within what a uint64 holds.
func addClamped(base, plus, minus uint64) uint64 {
	if plus >= minus {
		sum := base + (plus - minus)
		if sum < base {
			return ^uint64(0)
		}
		return sum
	}
	if minus-plus > base {
		return 0
	}
	return base - (minus - plus)
}
