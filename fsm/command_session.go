package fsm

// OpenSession opens a client session under the id that the leader drew.
type OpenSession struct {
	ID SessionID
}

// CloseSession ends a client session.
type CloseSession struct {
	ID SessionID
}

// SettleWrite does nothing, in the place of a write: proposed under the
// session and sequence of a write whose outcome is not known, it is answered
// with that write's answer, or takes its place for good.
type SettleWrite struct{}

func (*OpenSession) Kind() Kind  { return KindOpenSession }
func (*CloseSession) Kind() Kind { return KindCloseSession }
func (*SettleWrite) Kind() Kind  { return KindSettleWrite }

func (*OpenSession) version() uint8  { return 1 }
func (*CloseSession) version() uint8 { return 1 }
func (*SettleWrite) version() uint8  { return 1 }
