package fsm

import (
	"github.com/holdfast-registry/holdfast/registry"
)

// View reads the state. It is only valid inside Machine.Read; the records,
// events and leases that it returns are immutable and may be kept.
type View struct{ state *state }

// Position is where a state stands.
type Position struct {
	Index       uint64
	Term        uint64
	Revision    uint64
	ClockMs     uint64
	LeaseTimeMs uint64
	// Fencing is the last fencing token that was granted.
	Fencing uint64
	// TakeoverTerm is the term of the last takeover, Proposer its node.
	TakeoverTerm uint64
	Proposer     string
	ClusterID    string
	// RestoreEpoch tells histories of one cluster apart.
	RestoreEpoch uint64
}

// Position returns where the state stands.
func (v View) Position() Position {
	return Position(v.state.counters)
}

// Counts are how many rows of a kind there are.
type Counts struct {
	Processes  int
	Running    int
	HeldLeases int
	LiveLeases int
}

// Counts returns how much the state holds. It does not look at any row.
func (v View) Counts() Counts {
	s := v.state
	return Counts{Processes: s.processes.Len(), Running: s.nonTerminal.Len(), HeldLeases: s.leaseEnds.Len(), LiveLeases: s.liveLeases}
}

// NeedsTime tells whether something runs on lease time, so that the leader has
// to keep it moving.
func (v View) NeedsTime() bool { return v.state.needsTime() }

// Member returns the recorded instance of a node.
func (v View) Member(nodeID string) (instanceID string, ok bool) {
	return v.state.members.Get(nodeID)
}

// Members returns all recorded instances, by node id ascending.
func (v View) Members() []Member {
	members := make([]Member, 0, v.state.members.Len())
	v.state.members.Scan(func(nodeID, instanceID string) bool {
		members = append(members, Member{NodeID: nodeID, InstanceID: instanceID})
		return true
	})
	return members
}

// Process returns a record, nil when there is none.
func (v View) Process(id string) *registry.ProcessRecord {
	p, ok := v.state.processes.Get(id)
	if !ok {
		return nil
	}
	return &p.record
}

// Lease returns the held lease of a process, expired or not; nil when there is
// none. Spec 5.29.
func (v View) Lease(id string) *registry.ProcessLease {
	p, ok := v.state.processes.Get(id)
	if !ok || !p.lease.held {
		return nil
	}
	return v.state.show(id, p.lease)
}

// ListProcesses reads one page of the records that match, by id ascending.
// Spec 5.23, A15.
func (v View) ListProcesses(filter registry.ProcessListFilter, request registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
	if filter.Status == "" {
		filter.Status = registry.StatusRunning
	}
	p, err := newPager[registry.ProcessRecord](request, listProcesses)
	if err != nil {
		return p.page, err
	}
	examine := func(row *process) bool {
		id := row.record.ID
		if !p.more(id) {
			return false
		}
		if registry.MatchesFilter(filter, &row.record) {
			p.add(row.record, row.size())
		}
		return true
	}
	// Running records have an index of their own, so that a long history does
	// not slow their list down.
	if filter.Status == registry.StatusRunning {
		v.state.nonTerminal.Ascend(p.after, func(id string) bool {
			if id == p.after {
				return true
			}
			row, _ := v.state.processes.Get(id)
			return examine(row)
		})
	} else {
		v.state.processes.Ascend(p.after, func(id string, row *process) bool {
			if id == p.after {
				return true
			}
			return examine(row)
		})
	}
	return p.page, nil
}

// ListNonTerminal reads one page of the running records, by id ascending. Spec
// 5.25, A15.
func (v View) ListNonTerminal(request registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
	return v.ListProcesses(registry.ProcessListFilter{Status: registry.StatusRunning}, request)
}

// size is about what a record takes on the wire.
func (p *process) size() int {
	r := &p.record
	size := 512 + len(r.ID) + len(r.Input.Call) + len(r.Input.Payload) + len(r.Input.CreateRequest) + len(r.Input.TurnInput) +
		len(r.Input.OutputContract) + len(r.Input.Metadata) + len(r.Identity.Definition)
	for i := range r.EventTypes {
		size += 64 + len(r.EventTypes[i].Name) + len(r.EventTypes[i].PayloadSchema)
	}
	if r.ExternalRef != nil {
		size += len(r.ExternalRef.Metadata)
	}
	if out := r.Status.AwaitOutput; out != nil {
		size += len(out.Value) + len(out.Raw) + len(out.Message) + len(out.Control)
	}
	return size
}
