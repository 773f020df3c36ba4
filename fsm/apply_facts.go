package fsm

import (
	"bytes"

	"github.com/holdfast-registry/holdfast/registry"
)

// fact is what the commands that add a fact to a record have in common:
// NotFound, then Fenced. change gets a copy of the row and tells whether it
// did anything; a row that it changed is updated now.
func (s *state) fact(c Command, processID string, kind registry.ChangeKind, fenceRequired bool, change func(row *process) (bool, *registry.Error)) Result {
	p, ok := s.processes.Get(processID)
	if !ok {
		return Result{Refusal: unknownProcess(processID)}
	}
	if refusal := checkFence(c, p, fenceRequired); refusal != nil {
		return Result{Refusal: refusal}
	}
	row := *p
	changed, refusal := change(&row)
	if refusal != nil {
		return Result{Refusal: refusal}
	}
	if !changed {
		return Result{Process: &p.record}
	}
	row.record.UpdatedAtMs = s.ClockMs
	row.record.Revision = s.changed(&row, kind, 0)
	s.put(p, &row)
	return Result{Process: &row.record}
}

// applyRecordFirstStarted follows spec 5.18.
func (s *state) applyRecordFirstStarted(c Command, body *RecordFirstStarted) Result {
	return s.fact(c, body.ProcessID, registry.ChangeStarted, true, func(row *process) (bool, *registry.Error) {
		if row.record.FirstStarted != nil {
			return false, nil
		}
		row.record.FirstStarted = &body.started
		return true, nil
	})
}

// applySetExternalRef follows spec 5.3: the first ref stays, an equal one is a
// repeat.
func (s *state) applySetExternalRef(c Command, body *SetExternalRef) Result {
	return s.fact(c, body.ProcessID, registry.ChangeExternalRef, false, func(row *process) (bool, *registry.Error) {
		switch {
		case row.ref == nil:
			row.setExternalRef(body.Ref)
			return true, nil
		case bytes.Equal(row.ref.hash, body.Ref.Hash):
			return false, nil
		}
		fields := registry.Fields{ProcessID: row.record.ID, Existing: refText(storeExternalRef(row.ref.ProcessExternalRef, nil)), New: refText(body.Ref)}
		return false, registry.Errorf(registry.CodeAlreadyExists, fields,
			"process `%s` external ref conflict: existing %s, new %s", row.record.ID, fields.Existing, fields.New)
	})
}

// setExternalRef gives the row a reference.
func (p *process) setExternalRef(stored storedExternalRef) {
	p.ref = &externalRef{
		ProcessExternalRef: registry.ProcessExternalRef{Backend: stored.Backend, ID: stored.ID, Metadata: stored.Metadata},
		hash:               stored.Hash,
	}
	p.record.ExternalRef = &p.ref.ProcessExternalRef
}

// maxShownMetadata is how much metadata of a reference an error shows: errors
// travel in the trailer of an answer, which has no room for a megabyte.
const maxShownMetadata = 1 << 10

// refText is the JSON form of a reference for an error, without metadata that
// is too long for one.
func refText(stored storedExternalRef) string {
	ref := registry.ProcessExternalRef{Backend: stored.Backend, ID: stored.ID, Metadata: stored.Metadata}
	if len(ref.Metadata) > maxShownMetadata {
		ref.Metadata = nil
	}
	text, err := ref.MarshalJSON()
	if err != nil {
		return ref.Backend + " " + ref.ID
	}
	return string(text)
}

// applyRequestProcessAbandon follows spec 5.19.
func (s *state) applyRequestProcessAbandon(c Command, body *RequestProcessAbandon) Result {
	return s.fact(c, body.ProcessID, registry.ChangeAbandonRequested, false, func(row *process) (bool, *registry.Error) {
		if row.record.Status.State.Terminal() {
			return false, registry.Errorf(registry.CodeTerminal, registry.Fields{ProcessID: row.record.ID, State: string(row.record.Status.State)},
				"terminal process `%s` cannot accept an abandon request", row.record.ID)
		}
		if row.record.AbandonRequest != nil {
			return false, nil
		}
		row.record.AbandonRequest = (*registry.AbandonRequest)(&body.Request)
		return true, nil
	})
}

// applySetProcessWait follows spec 5.20: an equal wait is stored again, so that
// updated_at tells when it was last confirmed.
func (s *state) applySetProcessWait(c Command, body *SetProcessWait) Result {
	return s.fact(c, body.ProcessID, registry.ChangeWait, true, func(row *process) (bool, *registry.Error) {
		if row.record.Status.State.Terminal() {
			return false, registry.Errorf(registry.CodeTerminal, registry.Fields{ProcessID: row.record.ID, State: string(row.record.Status.State)},
				"terminal process `%s` cannot enter a wait state", row.record.ID)
		}
		row.record.Wait = &body.wait
		return true, nil
	})
}

// applyClearProcessWait follows spec 5.21: it moves updated_at even where there
// was no wait, on ended processes too.
func (s *state) applyClearProcessWait(c Command, body *ClearProcessWait) Result {
	return s.fact(c, body.ProcessID, registry.ChangeWait, true, func(row *process) (bool, *registry.Error) {
		row.record.Wait = nil
		return true, nil
	})
}
