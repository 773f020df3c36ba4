package fsm

import (
	"github.com/tidwall/btree"

	"github.com/holdfast-registry/holdfast/registry"
)

// readyIndex finds the processes that claim-next may hand out, without a look
// at any other. Whether a process is ready depends on lease time, so the index
// is kept by two events: a row that changes, and time that passes.
type readyIndex struct {
	// all and byKind hold the ids of ready processes by life, so the oldest
	// comes first. A life belongs to one process only.
	all    *btree.Map[uint64, string]
	byKind map[string]*btree.Map[uint64, string]
	// delays holds the runnable processes that nobody may have yet.
	delays *btree.BTreeG[delay]
	// gained are the kinds of the processes that became ready since the entry
	// began, one for each.
	gained []string
}

// delay orders delayed processes by when they may be had.
type delay struct {
	notBeforeMs uint64
	processID   string
}

func newReadyIndex() readyIndex {
	return readyIndex{
		all:    new(btree.Map[uint64, string]),
		byKind: make(map[string]*btree.Map[uint64, string]),
		delays: btree.NewBTreeGOptions(func(a, b delay) bool {
			if a.notBeforeMs != b.notBeforeMs {
				return a.notBeforeMs < b.notBeforeMs
			}
			return a.processID < b.processID
		}, btree.Options{NoLocks: true}),
	}
}

// runnable tells that a process is there to be run by whoever claims it:
// nobody asked to give it up, and running it would not be running it twice.
func (p *process) runnable() bool {
	r := &p.record
	if r.Status.State.Terminal() || r.AbandonRequest != nil {
		return false
	}
	return r.Disposition == registry.Rerunnable || r.Disposition == registry.OwnerBound && r.FirstStarted == nil
}

// ready tells that claim-next may hand a process out now.
func (s *state) ready(p *process) bool {
	if p == nil || !p.runnable() {
		return false
	}
	return (!s.live(p.lease) || mutant == handsOutWhatIsLeased) && (p.notBeforeMs <= s.LeaseTimeMs || mutant == ignoresRetryDelay)
}

// delayed tells that a process will be ready at its time, but for its lease.
func (s *state) delayed(p *process) bool {
	return p != nil && p.runnable() && p.notBeforeMs > s.LeaseTimeMs
}

// indexReady follows the change of a row; nil is no row.
func (s *state) indexReady(old, row *process) {
	if before, after := s.ready(old), s.ready(row); before != after {
		if after {
			s.readiness.insert(row)
		} else {
			s.readiness.remove(old)
		}
	}
	before, after := delay{}, delay{}
	if s.delayed(old) {
		before = delay{old.notBeforeMs, old.record.ID}
	}
	if s.delayed(row) {
		after = delay{row.notBeforeMs, row.record.ID}
	}
	if before != after {
		if before.processID != "" {
			s.readiness.delays.Delete(before)
		}
		if after.processID != "" {
			s.readiness.delays.Set(after)
		}
	}
}

func (x *readyIndex) insert(p *process) {
	life, kind := p.record.Life, p.record.Identity.Kind
	ofKind := x.byKind[kind]
	if ofKind == nil {
		ofKind = new(btree.Map[uint64, string])
		x.byKind[kind] = ofKind
	}
	x.all.Set(life, p.record.ID)
	ofKind.Set(life, p.record.ID)
	x.gained = append(x.gained, kind)
}

func (x *readyIndex) remove(p *process) {
	life, kind := p.record.Life, p.record.Identity.Kind
	x.all.Delete(life)
	ofKind := x.byKind[kind]
	ofKind.Delete(life)
	if ofKind.Len() == 0 {
		delete(x.byKind, kind)
	}
}

// leaseEnded makes a process ready whose lease has just ended.
func (s *state) leaseEnded(processID string) {
	if p, _ := s.processes.Get(processID); s.ready(p) {
		s.readiness.insert(p)
	}
}

// endDelays makes processes ready whose time has come. Every delay is passed
// once.
func (s *state) endDelays() {
	for {
		first, ok := s.readiness.delays.Min()
		if !ok || first.notBeforeMs > s.LeaseTimeMs {
			return
		}
		s.readiness.delays.Delete(first)
		if p, _ := s.processes.Get(first.processID); s.ready(p) && !s.readiness.has(p) {
			s.readiness.insert(p)
		}
	}
}

func (x *readyIndex) has(p *process) bool {
	_, ok := x.all.Get(p.record.Life)
	return ok
}

// oldest returns the ready process of some kinds that was registered first; no
// kinds are all kinds.
func (x *readyIndex) oldest(kinds []string) (processID string, ok bool) {
	if len(kinds) == 0 {
		_, processID, ok = x.all.Min()
		return processID, ok
	}
	var oldest uint64
	for _, kind := range kinds {
		ofKind := x.byKind[kind]
		if ofKind == nil {
			continue
		}
		if life, id, _ := ofKind.Min(); !ok || life < oldest {
			oldest, processID, ok = life, id, true
		}
	}
	return processID, ok
}

// Claim is one process that claim-next handed out.
type Claim struct {
	Lease   *registry.ProcessLease
	Process *registry.ProcessRecord
	// Attempt is how often claim-next handed it out in this life, this time
	// included.
	Attempt uint64
}

// applyClaimNextLease leases the oldest ready processes to one owner, each
// with a fencing token of its own. It stops early where the records make much
// to send.
func (s *state) applyClaimNextLease(c *ClaimNextLease) Result {
	var result Result
	for bytes := 0; len(result.Claims) < len(c.LeaseTokens) && bytes < registry.MaxPageBytes; {
		id, ok := s.readiness.oldest(c.Kinds)
		if !ok {
			break
		}
		p, _ := s.processes.Get(id)
		row := *p
		row.attempts++
		row.notBeforeMs = 0
		row.lease = s.grantLease(c.owner, c.LeaseTokens[len(result.Claims)], c.TTLMs)
		if len(result.Claims) == 0 {
			s.Revision++
		}
		s.tell(&row, registry.ChangeLease, 0)
		s.put(p, &row)
		result.Claims = append(result.Claims, Claim{Lease: s.show(id, row.lease), Process: &row.record, Attempt: row.attempts})
		bytes += row.size()
	}
	return result
}

// AnyReady tells whether claim-next would hand out a process of some kinds; no
// kinds are all kinds.
func (v View) AnyReady(kinds []string) bool {
	_, ok := v.state.readiness.oldest(kinds)
	return ok
}
