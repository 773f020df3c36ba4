package wire

import (
	"math"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// EventWatchToPB returns the wire form of a watch that begins, under an id and
// with so many pages asked for.
func EventWatchToPB(id uint64, watch registry.EventWatch, credit uint32) *pb.EventWatch {
	return &pb.EventWatch{
		Id: id, ProcessId: watch.ProcessID, Life: watch.After.Life, AfterSequence: watch.After.Sequence,
		EventType: watch.EventType, EndOnly: watch.EndOnly, Credit: credit,
	}
}

// EventWatchFromPB reads a watch, but for its id and credit.
func EventWatchFromPB(m *pb.EventWatch) registry.EventWatch {
	return registry.EventWatch{
		ProcessID: m.GetProcessId(), After: registry.EventCursor{Life: m.GetLife(), Sequence: m.GetAfterSequence()},
		EventType: m.GetEventType(), EndOnly: m.GetEndOnly(),
	}
}

// EventsFromPB reads events.
func EventsFromPB(events []*pb.ProcessEvent) ([]registry.ProcessEvent, error) {
	var d decoder
	return result(&d, list(events, "events", d.event))
}

// ErrorToDetail returns the wire form of an error that does not end a call;
// one from outside the catalogue becomes Internal.
func ErrorToDetail(err error) *pb.ErrorDetail {
	e := catalogued(err)
	return errorToPB(e, cut(valid(e.Message), maxErrorText))
}

// ErrorFromDetail reads an error that does not end a call.
func ErrorFromDetail(m *pb.ErrorDetail) *registry.Error {
	if e, ok := errorFromPB(m); ok {
		return e
	}
	return AnswerError(registry.Errorf(registry.CodeInternal, registry.Fields{}, "an error has no code of number %d", int32(m.GetCode())))
}

// ChangeCursorToPB returns the wire form of a cursor; the zero cursor is nil.
func ChangeCursorToPB(cursor registry.ChangeCursor) *pb.ChangeCursor {
	if cursor == (registry.ChangeCursor{}) {
		return nil
	}
	return &pb.ChangeCursor{ClusterId: cursor.ClusterID, RestoreEpoch: cursor.RestoreEpoch, Revision: cursor.Revision}
}

// ChangeCursorFromPB reads a cursor; a missing one is the zero cursor.
func ChangeCursorFromPB(m *pb.ChangeCursor) registry.ChangeCursor {
	return registry.ChangeCursor{ClusterID: m.GetClusterId(), RestoreEpoch: m.GetRestoreEpoch(), Revision: m.GetRevision()}
}

// WatchedChangesToPB returns the wire form of a page of changes.
func WatchedChangesToPB(page registry.WatchedChanges) *pb.WatchChangesResponse {
	return &pb.WatchChangesResponse{Changes: rows(page.Changes, fillChange), Cursor: ChangeCursorToPB(page.Cursor)}
}

// WatchedChangesFromPB reads a page of changes.
func WatchedChangesFromPB(m *pb.WatchChangesResponse) (registry.WatchedChanges, error) {
	var d decoder
	return result(&d, registry.WatchedChanges{Changes: list(m.GetChanges(), "changes", d.change), Cursor: ChangeCursorFromPB(m.GetCursor())})
}

func fillChange(out *pb.ProcessChange, change *registry.ProcessChange) {
	out.Revision = change.Revision
	out.ProcessId = change.ProcessID
	out.Life = change.Life
	out.Kind = pb.ChangeKind(change.Kind)
	out.Sequence = change.Sequence
}

// change keeps the number of a kind that is not known here: its reader treats
// it as any change.
func (d *decoder) change(m *pb.ProcessChange, field string) registry.ProcessChange {
	if kind := m.GetKind(); kind <= 0 || kind > math.MaxUint8 {
		d.refuse(field, "%s has no kind of number %d", field, int32(kind))
	}
	return registry.ProcessChange{
		Revision: m.GetRevision(), ProcessID: m.GetProcessId(), Life: m.GetLife(), Kind: registry.ChangeKind(m.GetKind()), Sequence: m.GetSequence(),
	}
}
