package fsm

import (
	"io"
	"sync"

	"github.com/holdfast-registry/holdfast/registry"
)

// Machine is the state machine behind its lock: entries apply one at a time,
// reads run beside each other and never see half an entry. It is safe for
// concurrent use.
type Machine struct {
	mu    sync.RWMutex
	state *state
}

// NewMachine returns a machine with an empty state.
func NewMachine() *Machine { return &Machine{state: newState()} }

// Apply applies the log entry of an index that raft committed in a term. An
// error means that this replica must stop: it cannot know what the others
// made of the entry.
func (m *Machine) Apply(index, term uint64, data []byte) (EntryResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.applyEntry(index, term, data)
}

// Skip tells the machine that raft used an index for an entry of its own.
func (m *Machine) Skip(index uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Index = index
}

// Read runs a function over the state as it is between two entries. The view
// must not be kept; what it returned may be.
func (m *Machine) Read(read func(View)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	read(View{m.state})
}

// Process returns a record as it is between two entries, nil when there is
// none. The record may be kept.
func (m *Machine) Process(id string) (record *registry.ProcessRecord) {
	m.Read(func(v View) { record = v.Process(id) })
	return record
}

// Snapshot freezes the state in constant time. Writing it out does not hold up
// anything.
func (m *Machine) Snapshot() *Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Snapshot{frozen: m.state.freeze()}
}

// Restore replaces the state by that of a snapshot. On an error the state
// stays as it was.
func (m *Machine) Restore(r io.Reader) error {
	restored, err := readSnapshot(r)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = restored
	return nil
}
