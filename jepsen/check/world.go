package check

import (
	"hash/maphash"
	"maps"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// world is one way in which everything up to a revision may have happened.
type world struct {
	state *model.State
	// used are the indexes of the unknown operations that happened, ascending.
	used []int
	// vague is what is not known exactly of rows that unknown operations wrote.
	vague map[string]vague
	// lastUnknown is the operation that made the last revision, if that was an
	// unknown one and nothing known has happened since.
	lastUnknown *history.Op
}

// vague are the bounds of what an unknown operation may have written to a row.
// The row of the model holds one of the possible values; an answer that shows
// another one corrects it.
type vague struct {
	// changed bounds the revision and updated_at of the record, created its life
	// and created_at.
	changed, created span
	// endLo and endHi bound the end of the lease on lease time, as long as
	// leaseVague.
	leaseVague   bool
	endLo, endHi uint64
	// delayLo and delayHi bound the end of the delay, as long as delayVague.
	delayVague       bool
	delayLo, delayHi uint64
	// fencingVague tells that the lease was granted among other unknown grants.
	fencingVague bool
}

// when is a place in the history.
type when struct{ revision, clockMs, leaseTimeMs uint64 }

// span lies between two places, both included. The zero value holds nothing.
type span struct{ from, to when }

func (s span) holds(revision, clockMs uint64) bool {
	return revision != 0 && revision >= s.from.revision && revision <= s.to.revision && clockMs >= s.from.clockMs && clockMs <= s.to.clockMs
}

// unlessExact is the span, or none if it has but one place.
func (s span) unlessExact() span {
	if s.from.revision == s.to.revision && s.from.clockMs == s.to.clockMs {
		return span{}
	}
	return s
}

// at moves the clocks of a world. Revisions move by operations alone.
func (w *world) at(info when) {
	w.state.ClockMs, w.state.LeaseTimeMs = info.clockMs, info.leaseTimeMs
}

// fork is a copy whose named rows may be changed. All others stay shared, and
// what is known of them with them.
func (w *world) fork(ids ...string) *world {
	return &world{used: w.used, vague: w.vague, state: w.state.Fork(ids...)}
}

// forkAt is a copy in which a call may be made when the clocks stand there.
func (w *world) forkAt(at when, call model.Op) *world {
	state := *w.state
	moved := &world{used: w.used, vague: w.vague, state: &state}
	moved.at(at)
	return moved.fork(touches(moved.state, call)...)
}

// touches are the processes whose rows a call may change.
func touches(s *model.State, call model.Op) (ids []string) {
	if id, one := processOf(call); one {
		return []string{id}
	}
	switch op := call.(type) {
	case model.DeleteSessionProcessState:
		for id, p := range s.Processes {
			if target := p.Registration.WakeTarget; target != nil && target.SessionID == op.SessionID {
				ids = append(ids, id)
			}
		}
	case model.ClaimNext:
		ready := s.Ready(op.Kinds)
		for _, p := range ready[:min(op.Limit, len(ready))] {
			ids = append(ids, p.Registration.ID)
		}
	}
	return ids // transfers change grants alone, and a prune removes rows whole
}

// setVague replaces what is vague of a row; the map is shared by worlds.
func (w *world) setVague(id string, v vague) {
	w.vague = maps.Clone(w.vague)
	if w.vague == nil {
		w.vague = make(map[string]vague)
	}
	v.changed, v.created = v.changed.unlessExact(), v.created.unlessExact()
	w.vague[id] = v
	if v.changed == (span{}) && v.created == (span{}) && !v.leaseVague && !v.delayVague && !v.fencingVague {
		delete(w.vague, id)
	}
}

// correct brings what an answer shows into the vague rows of a world that was
// forked for them.
func (w *world) correct(o *history.Op) {
	if len(w.vague) == 0 {
		return
	}
	if o.Answer.Record != nil && !readAgain(o) {
		w.correctRecord(o.Answer.Record)
	}
	for i := range o.Answer.Records {
		w.correctRecord(&o.Answer.Records[i])
	}
	for i := range o.Answer.Entries {
		w.correctRecord(&o.Answer.Entries[i].Record)
	}
	for i := range o.Answer.Claims {
		if r := &o.Answer.Claims[i].Record; r.Revision <= o.Info.Revision {
			w.correctRecord(r)
		}
	}
	if l := o.Answer.Lease; l != nil {
		w.correctLease(l, o.Info)
	}
	if status := o.Answer.Fence; status != nil {
		w.correctFence(o.Call.(model.CheckFence).ProcessID, status, o.Info)
	}
	if id, _ := processOf(o.Call); o.Answer.Code == registry.CodeFenced && o.Answer.Fields.FencingToken != nil {
		if v := w.vague[id]; v.fencingVague {
			w.row(id).Lease.Fencing = *o.Answer.Fields.FencingToken
			v.fencingVague = false
			w.setVague(id, v)
		}
	}
}

// forgetPruned leaves nothing vague of rows that a call has removed.
func (w *world) forgetPruned(call model.Op) {
	if _, prunes := call.(model.PruneTerminalProcesses); !prunes {
		return
	}
	for id := range w.vague {
		if w.state.Processes[id] == nil {
			w.setVague(id, vague{})
		}
	}
}

// leaseKnown leaves nothing vague of the lease of a process.
func (w *world) leaseKnown(id string) {
	if v, ok := w.vague[id]; ok {
		v.leaseVague, v.delayVague, v.fencingVague = false, false, false
		w.setVague(id, v)
	}
}

// row is a row that may be changed.
func (w *world) row(id string) *model.Process {
	w.state = w.state.Fork(id)
	return w.state.Processes[id]
}

// correctRecord takes from an answer when a record was written, which is known from
// then on.
func (w *world) correctRecord(r *registry.ProcessRecord) {
	v, known := w.vague[r.ID]
	p := w.state.Processes[r.ID]
	if p == nil || !known {
		return
	}
	exact := v
	if v.changed.holds(r.Revision, r.UpdatedAtMs) {
		p = w.row(r.ID)
		p.Revision, p.UpdatedAtMs, exact.changed = r.Revision, r.UpdatedAtMs, span{}
	}
	if v.created.holds(r.Life, r.CreatedAtMs) {
		p = w.row(r.ID)
		p.Life, p.CreatedAtMs, exact.created = r.Life, r.CreatedAtMs, span{}
	}
	if exact != v {
		w.setVague(r.ID, exact)
	}
}

// correctLease takes the end of a lease from an answer that shows the lease as
// it was, and not as the operation made it.
func (w *world) correctLease(l *registry.ProcessLease, info registry.AnswerInfo) {
	v, ok := w.vague[l.ProcessID]
	p := w.state.Processes[l.ProcessID]
	if !ok || p == nil || !p.Lease.Held || !p.Lease.Owner.SameIncarnation(l.Owner) {
		return
	}
	if v.fencingVague {
		p = w.row(l.ProcessID)
		p.Lease.Token, p.Lease.Fencing, p.Lease.ClaimedAtMs = l.LeaseToken, l.FencingToken, l.ClaimedAtMs
		v.fencingVague = false
	}
	if end := l.ExpiresAtMs - info.ClockMs + info.LeaseTimeMs; v.leaseVague && end >= v.endLo && end <= v.endHi {
		p = w.row(l.ProcessID)
		p.Lease.EndMs = end
		v.leaseVague = false
	}
	w.setVague(l.ProcessID, v)
}

// correctFence takes what an answer about a fencing token shows of the lease.
func (w *world) correctFence(id string, status *registry.FenceStatus, info registry.AnswerInfo) {
	v, ok := w.vague[id]
	if p := w.state.Processes[id]; !ok || p == nil || !p.Lease.Held {
		return
	}
	if v.fencingVague {
		w.row(id).Lease.Fencing = status.FencingToken
		v.fencingVague = false
	}
	if end := info.LeaseTimeMs + status.LeaseTimeLeftMs; v.leaseVague && status.Live && end >= v.endLo && end <= v.endHi {
		w.row(id).Lease.EndMs = end
		v.leaseVague = false
	}
	w.setVague(id, v)
}

// split makes sure that a lease whose end is vague is either live or not at a
// lease time: one world becomes two where both are possible.
func (w *world) split(id string, leaseTimeMs uint64) []*world {
	v := w.vague[id]
	if !v.leaseVague || leaseTimeMs < v.endLo || leaseTimeMs >= v.endHi {
		return []*world{w}
	}
	ended, live := w.fork(id), w.fork(id)
	ended.state.Processes[id].Lease.EndMs = v.endLo
	live.state.Processes[id].Lease.EndMs = v.endHi
	early, late := v, v
	early.endHi, late.endLo = leaseTimeMs, leaseTimeMs+1
	ended.setVague(id, early)
	live.setVague(id, late)
	return []*world{live, ended}
}

// fingerprint is equal for worlds that nothing but their unknown operations can
// tell apart.
func (w *world) fingerprint(seed maphash.Seed, rows map[*model.Process]uint64) uint64 {
	sum := maphash.Comparable(seed, w.state.Fencing)
	for id, p := range w.state.Processes {
		h, known := rows[p]
		if !known {
			h = rowPrint(seed, id, p)
			rows[p] = h
		}
		sum ^= h
	}
	for key, descriptor := range w.state.Grants {
		sum ^= maphash.Comparable(seed, shownGrant{key, deref(descriptor.Kind), deref(descriptor.Label)})
	}
	for id, v := range w.vague {
		sum ^= maphash.Comparable(seed, struct {
			id string
			v  vague
		}{id, v})
	}
	return sum
}

// rowPrint is the fingerprint of a row. Its events, which may be many, go in by
// what tells them apart: the hash covers type and payload.
func rowPrint(seed maphash.Seed, id string, p *model.Process) uint64 {
	row := *p
	row.Events = nil
	sum := maphash.String(seed, id+jsonText(&row))
	for i := range p.Events {
		e := &p.Events[i]
		sum = sum*31 + maphash.Comparable(seed, struct {
			hash [32]byte
			key  string
			atMs uint64
		}{e.PayloadHash, e.ReplayKey, e.OccurredAtMs})
	}
	return sum
}

// shownGrant is a grant by value.
type shownGrant struct {
	grant       model.Grant
	kind, label string
}

// deref is a text that may be absent. That an absent and an empty one look alike
// does no harm: no workload writes empty ones.
func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// use notes that an unknown operation happened.
func (w *world) use(index int) {
	at, _ := slices.BinarySearch(w.used, index)
	w.used = slices.Insert(slices.Clone(w.used), at, index)
}

func (w *world) has(index int) bool {
	_, found := slices.BinarySearch(w.used, index)
	return found
}
