package fsm

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

// The facts that a process gathers after its registration, in the form that
// commands and snapshots share.

type storedStarted struct {
	Owner       storedOwner
	StartedAtMs uint64
}

// storedExternalRef is a reference. Hash is that of its canonical JSON form:
// an equal one is known by it.
type storedExternalRef struct {
	Backend  string
	ID       string
	Metadata []byte
	Hash     []byte
}

// storedAbandonRequest has the fields of registry.AbandonRequest, and is
// converted from and to it.
type storedAbandonRequest struct {
	RequestedBy   string
	RequestedAtMs uint64
	Reason        *string
}

type storedWait struct {
	Kind      uint8
	Name      string
	EventType string
	Key       string
	Ordinal   uint64
	SinceMs   uint64
}

func storeStarted(s registry.ProcessStarted) storedStarted {
	return storedStarted{Owner: storeOwner(s.Owner), StartedAtMs: s.StartedAtMs}
}

func (s storedStarted) load() (registry.ProcessStarted, error) {
	owner, err := s.Owner.load()
	return registry.ProcessStarted{Owner: owner, StartedAtMs: s.StartedAtMs}, err
}

func storeExternalRef(ref registry.ProcessExternalRef, hash []byte) storedExternalRef {
	return storedExternalRef{Backend: ref.Backend, ID: ref.ID, Metadata: ref.Metadata, Hash: hash}
}

// check tells whether what was read is a reference with its hash.
func (s storedExternalRef) check() error {
	if len(s.Hash) != 32 {
		return fmt.Errorf("external ref hash of %d bytes", len(s.Hash))
	}
	return nil
}

func storeWait(w registry.WaitState) storedWait {
	return storedWait{Kind: waitKinds.number(w.Kind), Name: w.Name, EventType: w.EventType, Key: w.Key, Ordinal: w.Ordinal, SinceMs: w.SinceMs}
}

func (s storedWait) load() (registry.WaitState, error) {
	kind, err := waitKinds.word(s.Kind)
	return registry.WaitState{Kind: kind, Name: s.Name, EventType: s.EventType, Key: s.Key, Ordinal: s.Ordinal, SinceMs: s.SinceMs}, err
}
