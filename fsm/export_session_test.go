package fsm

// checkSessions holds what is derived from the sessions against them.
func (s *state) checkSessions(fail func(string, ...any)) {
	var total uint64
	s.sessions.rows.Scan(func(id string, row *session) bool {
		var bytes uint64
		for i, a := range row.answers {
			bytes += uint64(len(a.data))
			if a.sequence < row.floor || i > 0 && a.sequence <= row.answers[i-1].sequence {
				fail("session %x: the answer to %d is out of order, the floor is %d", id, a.sequence, row.floor)
			}
		}
		if string(row.id[:]) != id || bytes != row.bytes {
			fail("session %x: holds %x with %d bytes of answers, counted %d", id, row.id, bytes, row.bytes)
		}
		if _, ok := s.sessions.ends.Get(sessionEnd{row.endMs, row.id}); !ok {
			fail("session %x: its end %d is not among the ends", id, row.endMs)
		}
		total += row.bytes
		return true
	})
	if total != s.sessions.bytes || s.sessions.rows.Len() != s.sessions.ends.Len() {
		fail("%d bytes of answers in %d sessions, counted %d and %d ends", total, s.sessions.rows.Len(), s.sessions.bytes, s.sessions.ends.Len())
	}
}
