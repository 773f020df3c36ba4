package registry

// EventWatch asks for the events of a process that are stored behind a cursor,
// and for those to come.
type EventWatch struct {
	ProcessID string
	After     EventCursor
	// EventType, if not empty, leaves out the events of other types.
	EventType string
	// EndOnly leaves out all events but the one that ended the process.
	EndOnly bool
}

// Validate tells what is wrong with a watch by itself. Errors: InvalidArgument,
// TooLarge.
func (w EventWatch) Validate() error {
	if err := ValidateID("process_id", w.ProcessID); err != nil {
		return err
	}
	return ValidateString("event_type", w.EventType)
}

// The bounds of one read behind a cursor, of events as of changes: so many rows
// and so many bytes, but always at least one event, and all changes of a
// revision.
const (
	WatchPageRows  = 500
	WatchPageBytes = 256 << 10
)

// WatchedEvents are the next events of a watch.
type WatchedEvents struct {
	// Life is the life that they are of.
	Life   uint64
	Events []ProcessEvent
	// More tells that further ones are stored already.
	More bool
}

// WatchedChanges are the next changes behind a cursor.
type WatchedChanges struct {
	Changes []ProcessChange
	// Cursor is the place behind them.
	Cursor ChangeCursor
}
