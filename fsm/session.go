package fsm

import (
	"cmp"
	"slices"

	"github.com/tidwall/btree"

	"github.com/holdfast-registry/holdfast/registry"
)

// maxSessionsEnded is how many sessions one entry removes at most, so that no
// entry takes long because many sessions end at once. Spec A9.
const maxSessionsEnded = 64

// SessionID is the binary form of a session's id.
type SessionID [16]byte

// session is one client session: which of its writes were done, and what was
// answered. Rows are immutable and replaced whole, as those of processes are.
type session struct {
	id SessionID
	// floor is the lowest sequence whose answer is still wanted: whatever is
	// below it comes too late.
	floor uint64
	// endMs is on lease time.
	endMs uint64
	// answers are by sequence ascending; bytes is the length of them all.
	answers []keptAnswer
	bytes   uint64
}

// keptAnswer is the answer to one write, encoded: it is kept for a retry that
// hardly ever comes.
type keptAnswer struct {
	sequence uint64
	data     []byte
}

// sessionEnd orders sessions by when they end.
type sessionEnd struct {
	endMs uint64
	id    SessionID
}

// sessions is the table of client sessions with what is derived from it. What
// happens to sessions moves no revision: they say how calls were made, and
// nothing about the processes that the registry is about.
type sessions struct {
	rows *btree.Map[string, *session]
	ends *btree.BTreeG[sessionEnd]
	// bytes is the length of all kept answers.
	bytes uint64
}

func newSessions() sessions {
	return sessions{
		rows: new(btree.Map[string, *session]),
		ends: btree.NewBTreeGOptions(func(a, b sessionEnd) bool {
			if a.endMs != b.endMs {
				return a.endMs < b.endMs
			}
			return string(a.id[:]) < string(b.id[:])
		}, btree.Options{NoLocks: true}),
	}
}

// put stores a new version of a row, or the first.
func (t *sessions) put(row *session) {
	old, replaced := t.rows.Set(string(row.id[:]), row)
	if replaced {
		t.bytes -= old.bytes
		t.ends.Delete(sessionEnd{old.endMs, old.id})
	}
	t.bytes += row.bytes
	t.ends.Set(sessionEnd{row.endMs, row.id})
}

func (t *sessions) remove(id SessionID) {
	if old, ok := t.rows.Delete(string(id[:])); ok {
		t.bytes -= old.bytes
		t.ends.Delete(sessionEnd{old.endMs, old.id})
	}
}

// endSessions removes sessions that are over, a bounded number of them. The
// others are over all the same: liveSession looks at their end.
func (s *state) endSessions() {
	for range maxSessionsEnded {
		end, ok := s.sessions.ends.Min()
		if !ok || end.endMs > s.LeaseTimeMs {
			return
		}
		s.sessions.remove(end.id)
	}
}

// Answered tells whether a write of a session has an answer already.
func (v View) Answered(id SessionID, sequence uint64) bool {
	row, ok := v.state.liveSession(id)
	if !ok {
		return true // SessionExpired is one
	}
	_, kept := row.find(sequence)
	return kept || sequence < row.floor
}

func (s *state) liveSession(id SessionID) (*session, bool) {
	row, ok := s.sessions.rows.Get(string(id[:]))
	return row, ok && row.endMs > s.LeaseTimeMs
}

func (s *state) applyOpenSession(c *OpenSession) Result {
	if _, ok := s.liveSession(c.ID); ok {
		return Result{}
	}
	if s.sessions.rows.Len() >= registry.MaxSessions {
		return overloadedSessions("sessions", registry.MaxSessions, uint64(s.sessions.rows.Len())+1,
			"there are %d client sessions, which is the limit: close some, or wait until they expire")
	}
	s.sessions.put(&session{id: c.ID, floor: 1, endMs: addClamped(s.LeaseTimeMs, registry.SessionTTLMs, 0)})
	return Result{}
}

func (s *state) applyCloseSession(c *CloseSession) Result {
	s.sessions.remove(c.ID)
	return Result{}
}

// applyInSession applies a write of a session once, however often it comes: a
// repeat is answered with what the first one was. Spec A9.
func (s *state) applyInSession(c Command) Result {
	row, ok := s.liveSession(c.Session.ID)
	if !ok {
		return sessionExpired("the session is not known any more, nothing was applied: open a new one")
	}
	if mutant == ignoresKeptAnswers {
		return s.applyBody(c)
	}
	sequence := c.Session.Sequence
	if sequence < row.floor {
		return sessionExpired("the answer to this write is no longer kept, since its client said that it wants none below a later one: nothing was applied now")
	}
	if i, found := row.find(sequence); found {
		return s.recall(row.answers[i], c.Body.Kind())
	}
	next := *row
	next.answers = nil
	next.floor = max(row.floor, c.Session.Floor)
	wanted, _ := row.find(next.floor)
	next.answers = row.answers[wanted:]
	for _, forgotten := range row.answers[:wanted] {
		next.bytes -= uint64(len(forgotten.data))
	}
	// What the client acknowledged is forgotten also when this write is
	// refused, or a full session could never be emptied.
	if refusal := s.checkAnswers(row, &next); refusal != nil {
		s.sessions.put(&next)
		return Result{Refusal: refusal}
	}
	result := s.applyBody(c)
	if !result.LifeMismatch {
		s.keep(&next, c, &result)
		next.endMs = addClamped(s.LeaseTimeMs, registry.SessionTTLMs, 0)
	}
	s.sessions.put(&next)
	return result
}

// applySettleWrite takes the place of a write that was not done. It only gets
// here when there is no answer to that write.
func (s *state) applySettleWrite() Result {
	result := sessionExpired("the write was settled before it was done: it was not done, and will not be")
	result.Settled = true
	return result
}

// find returns where the answer to a sequence is, or would be.
func (r *session) find(sequence uint64) (int, bool) {
	return slices.BinarySearchFunc(r.answers, sequence, func(a keptAnswer, sequence uint64) int {
		return cmp.Compare(a.sequence, sequence)
	})
}

// checkAnswers refuses a write whose answer there is no room for. It is
// checked before the write is applied, so that an answer that was given is
// always kept; the last one may pass the bound of its session. before is the
// row in the table, next what it becomes.
func (s *state) checkAnswers(before, next *session) *registry.Error {
	count := uint64(len(next.answers)) + 1
	total := s.sessions.bytes - before.bytes + next.bytes
	switch {
	case count > registry.MaxSessionAnswers:
		return overloadedSessions("session.answers", registry.MaxSessionAnswers, count,
			"the session has %d answers that its client still wants, which is the limit: send a higher floor, or use another session").Refusal
	case next.bytes >= registry.MaxSessionAnswerBytes:
		return overloadedSessions("session.answer_bytes", registry.MaxSessionAnswerBytes, next.bytes,
			"the answers that the session keeps have reached their limit of %d bytes: send a higher floor, or use another session").Refusal
	case total >= registry.MaxAnswerBytes:
		return overloadedSessions("answer_bytes", registry.MaxAnswerBytes, total,
			"the answers that all sessions keep have reached their limit of %d bytes: try again later").Refusal
	}
	return nil
}

// keep stores the answer to a command.
func (s *state) keep(row *session, c Command, result *Result) {
	result.Answered = s.answered()
	sequence, data := c.Session.Sequence, encodeAnswer(c, result)
	i, _ := row.find(sequence)
	kept := make([]keptAnswer, 0, len(row.answers)+1)
	kept = append(kept, row.answers[:i]...)
	kept = append(kept, keptAnswer{sequence, data})
	row.answers = append(kept, row.answers[i:]...)
	row.bytes += uint64(len(data))
}

// overloadedRetryMs is when to try again after a bound of the sessions was
// met.
const overloadedRetryMs = 1000

func overloadedSessions(field string, limit, value uint64, format string) Result {
	return Result{Refusal: registry.Errorf(registry.CodeOverloaded,
		registry.Fields{Field: field, Limit: &limit, Value: &value, RetryAfterMs: new(uint64(overloadedRetryMs))}, format, limit)}
}

func sessionExpired(text string) Result {
	return Result{Refusal: registry.Errorf(registry.CodeSessionExpired, registry.Fields{}, "%s", text)}
}
