package fsm

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

// maxLeaseAdvanceMs is the most lease time that one entry adds, so that an
// interruption lengthens leases instead of ending them. Spec A4.
const maxLeaseAdvanceMs = 2000

// Result is the answer to one command. The pointers are to shared, immutable
// values.
type Result struct {
	// Refusal tells why nothing was changed; nil when the command applied.
	Refusal *registry.Error
	// LifeMismatch tells that the command was decided against another life of
	// its process: nothing was changed and the leader decides again.
	LifeMismatch bool
	Answered
	// Settled tells that SettleWrite took the place of the write.
	Settled bool
	// Process is the record after the command, for commands that answer one.
	Process *registry.ProcessRecord
	// Event is the stored or replayed event of AppendEvent.
	Event *registry.ProcessEvent
	// WakeTarget is set for an event that is answered again: where wakes went
	// when it was answered first.
	WakeTarget *registry.SessionScope
	// Lease is the lease acquired or renewed, or the live one of another
	// holder if Busy.
	Lease *registry.ProcessLease
	Busy  bool
	// Claims are the processes that claim-next handed out.
	Claims []Claim
	// Batch are the results of a batch's operations.
	Batch []Result
	// DeletedSession is the report of DeleteSessionProcessState.
	DeletedSession *registry.ProcessSessionDeleteReport
	// Pruned is what a step of PruneTerminalProcesses did.
	Pruned *PruneStep
}

// Answered is when a command was answered: where the state stood after it.
type Answered struct {
	// Again tells that a write of a session had been done before, and this is
	// the answer that it had then.
	Again       bool
	Revision    uint64
	ClockMs     uint64
	LeaseTimeMs uint64
}

// answered is the answer's time for what was done just now.
func (s *state) answered() Answered {
	return Answered{Revision: s.Revision, ClockMs: s.ClockMs, LeaseTimeMs: s.LeaseTimeMs}
}

// EntryResult is the answer to a whole entry.
type EntryResult struct {
	// Index is the log index of the entry.
	Index uint64
	// Refused tells that the term check refused the entry: no command of it
	// was applied and neither clock nor revision moved.
	Refused bool
	Results []Result
	// ClockMs, LeaseTimeMs and Revision are the state's after the entry.
	ClockMs     uint64
	LeaseTimeMs uint64
	Revision    uint64
	// Changes are what the entry did to processes, by revision ascending. Every
	// revision that the entry made has at least one.
	Changes []registry.ProcessChange
	// Ready has the kind of every process that became ready for claim-next, one
	// for each.
	Ready []string
	// MembersChanged tells that the cluster id or an instance was recorded.
	MembersChanged bool
	// Checkpoint is set when the entry asked for one: the state to hash.
	Checkpoint *Snapshot
}

// applyEntry applies one log entry. An error means that this replica cannot go
// on: index, kind and version are named, and the state was not changed.
func (s *state) applyEntry(index, term uint64, data []byte) (EntryResult, error) {
	e, err := DecodeEntry(data)
	if err != nil {
		return EntryResult{}, fmt.Errorf("log entry %d cannot be applied: %w", index, err)
	}
	s.Index, s.Term = index, term
	takeover := isTakeover(e)
	if mutant != skipsTermCheck && (e.Term != term || (!takeover && s.TakeoverTerm != term)) {
		return EntryResult{Index: index, Refused: true, ClockMs: s.ClockMs, LeaseTimeMs: s.LeaseTimeMs, Revision: s.Revision}, nil
	}
	s.readiness.gained = nil
	s.advanceClock(e.StampMs, takeover)
	s.endSessions()
	s.changes = make([]registry.ProcessChange, 0, len(e.Commands))
	result := EntryResult{Index: index, Results: make([]Result, len(e.Commands))}
	clusterID, members := s.ClusterID, s.members.Len()
	for i, command := range e.Commands {
		result.Results[i] = s.apply(command)
		if !result.Results[i].Again {
			result.Results[i].Answered = s.answered()
		}
		if command.Body.Kind() == KindCheckpoint {
			result.Checkpoint = &Snapshot{frozen: s.freeze()}
		}
	}
	result.Ready = s.readiness.gained
	result.MembersChanged = s.ClusterID != clusterID || s.members.Len() != members
	result.Changes, s.changes = s.changes, nil
	result.ClockMs, result.LeaseTimeMs, result.Revision = s.ClockMs, s.LeaseTimeMs, s.Revision
	return result, nil
}

// isTakeover tells whether an entry is a takeover, which is always alone.
func isTakeover(e Entry) bool {
	return len(e.Commands) == 1 && e.Commands[0].Body.Kind() == KindTakeover
}

// advanceClock brings the entry's stamp into the state. Within a term the
// leader's stamps grow with the time that passed; between terms nobody knows
// how much did, so a takeover moves the clock but never lease time.
func (s *state) advanceClock(stampMs uint64, takeover bool) {
	if stampMs <= s.ClockMs {
		if mutant == letsClockGoBack {
			s.ClockMs = stampMs
		}
		return
	}
	if !takeover || mutant == countsLeaderlessTime {
		s.advanceLeaseTime(min(stampMs-s.ClockMs, maxLeaseAdvanceMs))
	}
	s.ClockMs = stampMs
}

// apply applies one command, in its session if it has one.
func (s *state) apply(c Command) Result {
	if c.Session != nil {
		return s.applyInSession(c)
	}
	return s.applyBody(c)
}

func (s *state) applyBody(c Command) Result {
	switch body := c.Body.(type) {
	case *Takeover:
		return s.applyTakeover(body)
	case *Tick, *Checkpoint:
		return Result{}
	case *RecordMember:
		return s.applyRecordMember(body)
	case *RegisterProcess:
		return s.applyRegisterProcess(body)
	case *CompleteProcess:
		return s.applyCompleteProcess(c, body)
	case *RecordFirstStarted:
		return s.applyRecordFirstStarted(c, body)
	case *SetExternalRef:
		return s.applySetExternalRef(c, body)
	case *RequestProcessAbandon:
		return s.applyRequestProcessAbandon(c, body)
	case *SetProcessWait:
		return s.applySetProcessWait(c, body)
	case *ClearProcessWait:
		return s.applyClearProcessWait(c, body)
	case *AppendEvent:
		return s.applyAppendEvent(c, body)
	case *AckWake:
		return s.applyAckWake(body)
	case *GrantHandle:
		return s.applyGrantHandle(body)
	case *RevokeHandle:
		return s.applyRevokeHandle(body)
	case *TransferHandleGrants:
		return s.applyTransferHandleGrants(body)
	case *DeleteSessionProcessState:
		return s.applyDeleteSessionProcessState(body)
	case *ClaimProcessLease:
		return s.applyClaimProcessLease(body)
	case *ReclaimProcessLease:
		return s.applyReclaimProcessLease(body)
	case *RenewProcessLease:
		return s.applyRenewProcessLease(body)
	case *CompleteProcessLease:
		return s.applyCompleteProcessLease(body)
	case *PruneTerminalProcesses:
		return s.applyPruneTerminalProcesses(body)
	case *ReleaseForRetry:
		return s.applyReleaseForRetry(body)
	case *ClaimNextLease:
		return s.applyClaimNextLease(body)
	case *Batch:
		return s.applyBatch(body)
	case *OpenSession:
		return s.applyOpenSession(body)
	case *CloseSession:
		return s.applyCloseSession(body)
	case *SettleWrite:
		return s.applySettleWrite()
	default:
		// bodyOf made the body, so a kind that is missing here is a mistake in
		// this program and not in the log.
		panic(fmt.Sprintf("%v has a body but no apply", c.Body.Kind()))
	}
}

func (s *state) applyTakeover(c *Takeover) Result {
	s.TakeoverTerm, s.Proposer = s.Term, c.Proposer
	if s.ClusterID == "" {
		s.ClusterID = c.ClusterID
	}
	for _, member := range c.Members {
		s.recordMember(member)
	}
	return Result{}
}

func (s *state) applyRecordMember(c *RecordMember) Result {
	if recorded := s.recordMember(c.Member); recorded != c.Member.InstanceID {
		return Result{Refusal: registry.Errorf(registry.CodeAlreadyExists, registry.Fields{},
			"node %s is recorded with instance %s, not %s: if it lost its data, remove it and join it under a new id",
			c.Member.NodeID, recorded, c.Member.InstanceID)}
	}
	return Result{}
}

// recordMember records an instance unless its node has one, and returns the
// recorded one. A record is never changed or removed: an id whose data was
// lost must not vote again.
func (s *state) recordMember(m Member) string {
	if recorded, ok := s.members.Get(m.NodeID); ok {
		return recorded
	}
	s.members.Set(m.NodeID, m.InstanceID)
	return m.InstanceID
}
