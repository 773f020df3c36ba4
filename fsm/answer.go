package fsm

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

// maxKeptText bounds the text of a refusal that is kept; its code and fields
// are kept whole.
const maxKeptText = 1 << 10

// storedAnswer is the answer to one write of a session. Records and events are
// not in it: they are looked up again by their life, since a retry may well be
// told what has happened in the meantime.
type storedAnswer struct {
	// Kind is that of the command that was answered.
	Kind        uint16
	Revision    uint64
	ClockMs     uint64
	LeaseTimeMs uint64
	Refusal     *storedError
	// ProcessID and Life tell which record is the answer, none with life 0.
	ProcessID string
	Life      uint64
	// EventSequence tells which event of that life is, none with 0.
	EventSequence uint64
	// WakeTarget is the record's at that time, which may have been cleared
	// since.
	WakeTarget *storedScope
	Lease      *storedLeaseAnswer
	Busy       bool
	Settled    bool
	Deleted    *storedDeletedSession
	Pruned     *storedPruneStep
	Claims     []storedClaim
	Batch      []storedAnswer
}

// storedPruneStep has the fields of PruneStep, and is converted from and to it.
type storedPruneStep struct {
	Processes uint64
	Events    uint64
	CutoffMs  uint64
	More      bool
}

// storedClaim is one process that claim-next handed out; its record is looked
// up again by its life.
type storedClaim struct {
	Lease   storedLeaseAnswer
	Life    uint64
	Attempt uint64
}

// storedDeletedSession is the report on a session that was deleted.
type storedDeletedSession struct {
	SessionID    string
	RevokedCount uint64
	WakeCount    uint64
	Orphaned     []string
	Preserved    []string
}

func storeDeletedSession(r registry.ProcessSessionDeleteReport) storedDeletedSession {
	return storedDeletedSession{r.SessionID, r.RevokedHandleCount, r.DeletedWakeCount, r.OrphanedProcessIDs, r.PreservedProcessIDs}
}

func (s storedDeletedSession) load() registry.ProcessSessionDeleteReport {
	return registry.ProcessSessionDeleteReport{
		SessionID: s.SessionID, RevokedHandleCount: s.RevokedCount, DeletedWakeCount: s.WakeCount,
		OrphanedProcessIDs: s.Orphaned, PreservedProcessIDs: s.Preserved,
	}
}

// storedLeaseAnswer is a lease as it was shown.
type storedLeaseAnswer struct {
	ProcessID    string
	Owner        storedOwner
	LeaseToken   string
	FencingToken uint64
	ClaimedAtMs  uint64
	ExpiresAtMs  uint64
}

// storedError is a refusal with all its fields.
type storedError struct {
	Code          uint16
	Message       string
	Field         string
	Limit         *uint64
	Value         *uint64
	ProcessID     string
	SessionID     string
	EventType     string
	ReplayKey     string
	State         string
	FencingToken  *uint64
	ExistingHash  string
	NewHash       string
	Existing      string
	New           string
	LeaderID      string
	LeaderAddr    string
	RetryAfterMs  *uint64
	Operation     *uint64
	OperationCode string
}

func storeError(e *registry.Error) storedError {
	f := e.Fields
	return storedError{
		Code: uint16(e.Code), Message: cutText(e.Message, maxKeptText), Field: f.Field, Limit: f.Limit, Value: f.Value,
		ProcessID: f.ProcessID, SessionID: f.SessionID, EventType: f.EventType, ReplayKey: f.ReplayKey, State: f.State,
		FencingToken: f.FencingToken, ExistingHash: f.ExistingHash, NewHash: f.NewHash, Existing: f.Existing, New: f.New,
		LeaderID: f.LeaderID, LeaderAddr: f.LeaderAddr, RetryAfterMs: f.RetryAfterMs, Operation: f.Operation, OperationCode: f.OperationCode,
	}
}

func (s storedError) load() *registry.Error {
	return &registry.Error{Code: registry.Code(s.Code), Message: s.Message, Fields: registry.Fields{
		Field: s.Field, Limit: s.Limit, Value: s.Value,
		ProcessID: s.ProcessID, SessionID: s.SessionID, EventType: s.EventType, ReplayKey: s.ReplayKey, State: s.State,
		FencingToken: s.FencingToken, ExistingHash: s.ExistingHash, NewHash: s.NewHash, Existing: s.Existing, New: s.New,
		LeaderID: s.LeaderID, LeaderAddr: s.LeaderAddr, RetryAfterMs: s.RetryAfterMs, Operation: s.Operation, OperationCode: s.OperationCode,
	}}
}

// cutText shortens a text to a number of bytes without cutting a character.
func cutText(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && text[limit]&0xc0 == 0x80 {
		limit--
	}
	return text[:limit]
}

// encodeAnswer encodes the answer that a command had.
func encodeAnswer(c Command, result *Result) []byte {
	data, err := appendMsgpack(nil, storeAnswer(c, result))
	if err != nil {
		// Every field has a type that the codec knows.
		panic(fmt.Sprintf("encode an answer: %v", err))
	}
	return data
}

func storeAnswer(c Command, result *Result) storedAnswer {
	at := result.Answered
	stored := storedAnswer{
		Kind: uint16(c.Body.Kind()), Revision: at.Revision, ClockMs: at.ClockMs, LeaseTimeMs: at.LeaseTimeMs, Busy: result.Busy, Settled: result.Settled,
	}
	stored.Refusal = mapOptional(result.Refusal, func(e registry.Error) storedError { return storeError(&e) })
	if p := result.Process; p != nil {
		stored.ProcessID, stored.Life = p.ID, p.Life
		stored.WakeTarget = mapOptional(p.WakeTarget, storeScope)
	}
	if result.Event != nil {
		stored.EventSequence = result.Event.Sequence
	}
	stored.Lease = mapOptional(result.Lease, storeLeaseAnswer)
	for _, claim := range result.Claims {
		stored.Claims = append(stored.Claims, storedClaim{storeLeaseAnswer(*claim.Lease), claim.Process.Life, claim.Attempt})
	}
	stored.Deleted = mapOptional(result.DeletedSession, storeDeletedSession)
	stored.Pruned = (*storedPruneStep)(result.Pruned)
	for i := range result.Batch {
		stored.Batch = append(stored.Batch, storeAnswer(c.Body.(*Batch).commands[i], &result.Batch[i]))
	}
	return stored
}

func storeLeaseAnswer(l registry.ProcessLease) storedLeaseAnswer {
	return storedLeaseAnswer{
		ProcessID: l.ProcessID, Owner: storeOwner(l.Owner), LeaseToken: l.LeaseToken, FencingToken: l.FencingToken,
		ClaimedAtMs: l.ClaimedAtMs, ExpiresAtMs: l.ExpiresAtMs,
	}
}

func (l storedLeaseAnswer) load() (registry.ProcessLease, error) {
	owner, err := l.Owner.load()
	return registry.ProcessLease{
		ProcessID: l.ProcessID, Owner: owner, LeaseToken: l.LeaseToken, FencingToken: l.FencingToken,
		ClaimedAtMs: l.ClaimedAtMs, ExpiresAtMs: l.ExpiresAtMs,
	}, err
}

// decodeAnswer decodes a kept answer. Records and events are still to be
// looked up.
func decodeAnswer(data []byte) (stored storedAnswer, result Result, err error) {
	if err := decodeMsgpack(data, &stored); err != nil {
		return stored, result, err
	}
	result, err = stored.load()
	return stored, result, err
}

func (stored storedAnswer) load() (result Result, err error) {
	result = Result{Busy: stored.Busy, Settled: stored.Settled, Answered: Answered{
		Again: true, Revision: stored.Revision, ClockMs: stored.ClockMs, LeaseTimeMs: stored.LeaseTimeMs,
	}}
	if stored.Refusal != nil {
		result.Refusal = stored.Refusal.load()
	}
	result.DeletedSession = mapOptional(stored.Deleted, storedDeletedSession.load)
	result.Pruned = (*PruneStep)(stored.Pruned)
	for _, claim := range stored.Claims {
		if _, err := claim.Lease.load(); err != nil {
			return result, err
		}
	}
	for _, operation := range stored.Batch {
		one, err := operation.load()
		if err != nil {
			return result, err
		}
		result.Batch = append(result.Batch, one)
	}
	result.Lease, err = mapFallible(stored.Lease, storedLeaseAnswer.load)
	return result, err
}

// recallClaims returns the processes that claim-next handed out, but for those
// that were pruned since: their leases went with them.
func (s *state) recallClaims(stored []storedClaim) (claims []Claim) {
	for _, claim := range stored {
		p, ok := s.processes.Get(claim.Lease.ProcessID)
		if !ok || p.record.Life != claim.Life {
			continue
		}
		lease, err := claim.Lease.load()
		if err != nil {
			panic(fmt.Sprintf("decode a kept answer: %v", err)) // decodeAnswer read it
		}
		claims = append(claims, Claim{Lease: &lease, Process: &p.record, Attempt: claim.Attempt})
	}
	return claims
}

// recall returns an answer again, to the same kind of command.
func (s *state) recall(kept keptAnswer, kind Kind) Result {
	stored, result, err := decodeAnswer(kept.data)
	if err != nil {
		// It was encoded here or checked when it was restored.
		panic(fmt.Sprintf("decode a kept answer: %v", err))
	}
	if Kind(stored.Kind) != kind && kind != KindSettleWrite && !stored.Settled {
		return Result{Refusal: registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "session.sequence", Value: &kept.sequence},
			"the sequence %d of the session belongs to a write of another sort: number every write anew", kept.sequence)}
	}
	s.lookUp(&stored, &result)
	return result
}

// lookUp puts the records and events into an answer that is given again, as
// they are now.
func (s *state) lookUp(stored *storedAnswer, result *Result) {
	result.Claims = s.recallClaims(stored.Claims)
	for i := range stored.Batch {
		s.lookUp(&stored.Batch[i], &result.Batch[i])
		// Of several lives that are gone, the first is named.
		if refusal := result.Batch[i].Refusal; refusal != nil && result.Refusal == nil {
			result.Refusal = refusal
		}
	}
	if stored.Life == 0 {
		return
	}
	p, ok := s.processes.Get(stored.ProcessID)
	if !ok || p.record.Life != stored.Life {
		result.Refusal = &registry.Error{
			Code: registry.CodeLifeEnded, Unknown: true, Fields: registry.Fields{ProcessID: stored.ProcessID},
			Message: fmt.Sprintf("the write was done at revision %d, and process `%s` was pruned since: there is no record to answer with", stored.Revision, stored.ProcessID),
		}
		return
	}
	result.Process = &p.record
	result.WakeTarget = mapOptional(stored.WakeTarget, storedScope.load)
	if stored.EventSequence > 0 {
		result.Event = &p.events[stored.EventSequence-1].ProcessEvent
	}
}
