package check

import (
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// handedOut are the ways in which a claim-next of unknown outcome may have got
// something. What was ready changes with every lease and delay that ends within a
// span, so each of those is a way.
func (w *world) handedOut(call model.ClaimNext, within span) (choices []choice) {
	// Which process gets which token turns out once it is known what was ready.
	call.Tokens = slices.Repeat([]string{unknownToken}, call.Limit)
	from, to := within.from, within.to
	times := []uint64{from.leaseTimeMs}
	for id, p := range w.state.Processes {
		if !p.IsOf(call.Kinds) {
			continue
		}
		ends := []uint64{p.NotBeforeMs, p.Lease.EndMs}
		v := w.vague[id]
		if v.leaseVague {
			ends = append(ends, v.endLo, v.endHi)
		}
		if v.delayVague {
			ends = append(ends, v.delayLo, v.delayHi)
		}
		for _, end := range ends {
			if end > from.leaseTimeMs && end <= to.leaseTimeMs {
				times = append(times, end)
			}
		}
	}
	slices.Sort(times)
	times = slices.Compact(times)
	for i, at := range times {
		c := choice{call: call, at: when{from.revision, from.clockMs, at}, span: within}
		c.from.leaseTimeMs = at
		if i+1 < len(times) {
			c.to.leaseTimeMs = times[i+1] - 1
		}
		choices = append(choices, c)
	}
	return choices
}

// beforeHandedOut are the worlds in which every lease that a claim-next may look
// at is live or not, at any time of the choice.
func (w *world) beforeHandedOut(c choice) []*world {
	if _, hands := c.call.(model.ClaimNext); !hands {
		return []*world{w}
	}
	return w.splits(c.call, c.at.leaseTimeMs)
}

// splitDelay is split for the delay of a process.
func (w *world) splitDelay(id string, leaseTimeMs uint64) []*world {
	v := w.vague[id]
	if !v.delayVague || leaseTimeMs < v.delayLo || leaseTimeMs >= v.delayHi {
		return []*world{w}
	}
	over, ahead := w.fork(id), w.fork(id)
	over.state.Processes[id].NotBeforeMs = v.delayLo
	ahead.state.Processes[id].NotBeforeMs = v.delayHi
	early, late := v, v
	early.delayHi, late.delayLo = leaseTimeMs, leaseTimeMs+1
	over.setVague(id, early)
	ahead.setVague(id, late)
	return []*world{ahead, over}
}

// seen is the lease that an incarnation was seen to hold, nil if it was not.
func (r *replay) seen(id string, owner registry.LeaseOwnerIdentity) *registry.ProcessLease {
	rows := r.evidence.leases[incarnation{id, owner.OwnerID, owner.IncarnationID}]
	if len(rows) == 0 {
		return nil
	}
	return rows[0] // it claims once
}

// blurHandedOut notes what is not known exactly of leases that were handed out.
func (r *replay) blurHandedOut(w *world, c choice, claims []registry.ClaimedProcess) {
	ttl := c.call.(model.ClaimNext).TTLMs
	for i := range claims {
		id := claims[i].Lease.ProcessID
		v := w.vague[id]
		v.leaseVague = c.from.leaseTimeMs != c.to.leaseTimeMs
		v.endLo, v.endHi = c.from.leaseTimeMs+ttl, c.to.leaseTimeMs+ttl
		v.fencingVague, v.delayVague = true, false
		if row := r.seen(id, claims[i].Lease.Owner); row != nil {
			p := w.state.Processes[id]
			p.Lease.Token, p.Lease.Fencing, p.Lease.ClaimedAtMs = row.LeaseToken, row.FencingToken, row.ClaimedAtMs
			v.fencingVague = false
		}
		w.setVague(id, v)
	}
}
