package check

import (
	"fmt"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// unknown are the worlds in which an unknown operation made a revision.
func (r *replay) unknown(w *world, revision uint64, group []*history.Op) (made []*world) {
	for _, o := range r.view.unknown {
		if w.has(o.Index) || r.evidence.never[o] || o.InvokeNs > r.returned[revision] || !r.inOrder(w, o, revision) || !r.streamed.mayMake(o, revision) {
			continue
		}
		if twin := r.twins[o]; twin != nil && !w.has(twin.Index) && !r.over(w, twin) || r.over(w, o) {
			continue
		}
		for _, choice := range r.choices(w, o, span{r.position, r.upTo(group)}) {
			for _, before := range w.beforeHandedOut(choice) {
				next := r.take(before, choice, o)
				if next == nil || next.state.Revision != revision || !r.bears(next, o) {
					continue
				}
				next.lastUnknown = o
				made = append(made, next)
			}
		}
	}
	return made
}

// take is the world in which an unknown operation has happened, nil if it has
// changed nothing or not what was seen of it.
func (r *replay) take(w *world, c choice, o *history.Op) *world {
	next := w.forkAt(c.at, c.call)
	if c.endMs != 0 {
		next.state.Processes[c.id].Lease.EndMs = c.endMs
	}
	answer := next.state.Do(c.call)
	if next.state.Revision == w.state.Revision || !r.fits(next, c) || answer.Event != nil && !r.streamed.mayWrite(next.state, answer.Event) {
		return nil
	}
	next.forgetPruned(c.call)
	next.use(o.Index)
	r.blur(next, c, o, answer)
	return next
}

// twinsOf finds, for each unknown operation, the one before it that asked for
// the very same. Of two that nothing tells apart the first happened first:
// whenever the second can have happened, the first can have, too.
func twinsOf(unknown []*history.Op, never map[*history.Op]bool) map[*history.Op]*history.Op {
	twins := make(map[*history.Op]*history.Op)
	last := make(map[string]*history.Op)
	for _, o := range unknown { // in the order of their calls
		if never[o] {
			continue
		}
		key := history.CallName(o.Call) + jsonText(o.Call)
		if before := last[key]; before != nil {
			twins[o] = before
		}
		last[key] = o
	}
	return twins
}

// inOrder tells whether an unknown operation may follow another one: of two
// that do not touch each other only one order is looked at, unless a stream tells
// the order.
func (r *replay) inOrder(w *world, o *history.Op, revision uint64) bool {
	before := w.lastUnknown
	if before == nil || before.Index < o.Index || r.streamed.tells(revision-1) || r.streamed.tells(revision) {
		return true
	}
	one, single := processOf(before.Call)
	other, alsoSingle := processOf(o.Call)
	return !single || !alsoSingle || one == other
}

// choice is one way in which an unknown operation may have happened.
type choice struct {
	call model.Op
	// id is its process, empty if there are several.
	id string
	at when
	// span bounds when it was.
	span
	// endMs is when the lease of the process ends, if that is of importance.
	endMs uint64
	// lease is the row that it made, as it was seen later; nil if it was not.
	lease *registry.ProcessLease
}

// choices are the ways in which an operation may have made the next revision.
// When exactly, within a span between two known operations, matters where a lease
// ends in between: it was made before that, or after.
func (r *replay) choices(w *world, o *history.Op, within span) []choice {
	if call, hands := o.Call.(model.ClaimNext); hands {
		return w.handedOut(call, within)
	}
	id, _ := processOf(o.Call)
	base := choice{call: o.Call, id: id, at: within.from, span: within}
	p := w.state.Processes[id]
	if ttl := ttlOf(o.Call); p == nil || !p.Lease.Held || ttl == 0 {
		return r.drawn(base, o)
	}
	endLo, endHi := p.Lease.EndMs, p.Lease.EndMs
	if v := w.vague[id]; v.leaseVague {
		endLo, endHi = v.endLo, v.endHi
	}
	var choices []choice
	if base.from.leaseTimeMs < endHi {
		live := base
		live.to.leaseTimeMs = min(base.to.leaseTimeMs, endHi-1)
		live.endMs = endHi
		choices = append(choices, r.drawn(live, o)...)
	}
	if base.to.leaseTimeMs >= endLo {
		ended := base
		ended.from.leaseTimeMs = max(base.from.leaseTimeMs, endLo)
		ended.at.leaseTimeMs = ended.from.leaseTimeMs
		ended.endMs = endLo
		choices = append(choices, r.drawn(ended, o)...)
	}
	return choices
}

// upTo is the place of the next known operation. There is one, since the last
// revision is that of a known one.
func (r *replay) upTo(group []*history.Op) when {
	for revision := r.position.revision + 1; len(group) == 0; revision++ {
		group = r.groups[revision]
	}
	return place(group[0].Info)
}

// drawn adds what the implementation drew and when it wrote, as far as anybody
// saw it.
func (r *replay) drawn(c choice, o *history.Op) (all []choice) {
	var owner registry.LeaseOwnerIdentity
	var with func(token string) model.Op
	switch call := o.Call.(type) {
	case model.ClaimProcessLease:
		owner, with = call.Owner, func(token string) model.Op { call.Token = token; return call }
	case model.ReclaimProcessLease:
		owner, with = call.Owner, func(token string) model.Op { call.Token = token; return call }
	default:
		return []choice{r.dated(c, o)}
	}
	rows := r.evidence.leases[incarnation{c.id, owner.OwnerID, owner.IncarnationID}]
	for _, row := range rows {
		c.call, c.lease = with(row.LeaseToken), row
		all = append(all, c)
	}
	if len(rows) == 0 {
		c.call = with(fmt.Sprintf("%s %d", unknownToken, o.Index))
		all = append(all, c)
	}
	return all
}

// dated sets the clock to when an event occurred or a process was registered,
// where that was seen.
func (r *replay) dated(c choice, o *history.Op) choice {
	payload := ""
	switch call := o.Call.(type) {
	case model.AppendEvent:
		payload = string(call.Request.Payload)
	case model.CompleteProcess:
		payload = `{"await_output":` + jsonText(call.Output) + `}`
	default:
		return c
	}
	for _, events := range r.evidence.events[c.id] {
		for _, event := range events {
			if string(event.Payload) == payload && event.OccurredAtMs >= c.from.clockMs && event.OccurredAtMs <= c.to.clockMs {
				c.at.clockMs = event.OccurredAtMs
				if !r.view.mayBePruned(c.id) {
					c.from.clockMs, c.to.clockMs = event.OccurredAtMs, event.OccurredAtMs
				}
			}
		}
	}
	return c
}

// fits tells whether what an operation wrote, and when, is what was seen later.
func (r *replay) fits(w *world, c choice) bool {
	p := w.state.Processes[c.id]
	if p == nil || r.view.mayBePruned(c.id) {
		return true // what was seen may be of another life
	}
	switch c.call.(type) {
	case model.RegisterProcess:
		lives := r.evidence.lives[c.id]
		return len(lives) == 0 || slices.ContainsFunc(lives, func(life uint64) bool { return life > c.from.revision && life <= c.to.revision })
	case model.AppendEvent, model.CompleteProcess:
		wrote := p.Events[len(p.Events)-1].ProcessEvent
		seen := r.evidence.events[c.id][wrote.Sequence]
		return len(seen) == 0 || slices.ContainsFunc(seen, func(event *registry.ProcessEvent) bool {
			return sameEvent(event, &wrote) && event.OccurredAtMs >= c.from.clockMs && event.OccurredAtMs <= c.to.clockMs
		})
	}
	return true
}

// blur notes what is not known exactly of the row that an operation wrote.
func (r *replay) blur(w *world, c choice, o *history.Op, answer model.Answer) {
	// Other unknown operations may have come in between, in another order.
	within := c.span
	within.from.revision, within.to.revision = r.position.revision+1, max(c.to.revision, w.state.Revision)
	p := w.state.Processes[c.id]
	switch {
	case len(answer.Claims) > 0:
		r.blurHandedOut(w, c, answer.Claims)
		return
	case p == nil:
		w.blurAll(within)
		return
	}
	v := w.vague[c.id]
	switch call := o.Call.(type) {
	case model.ClaimProcessLease, model.ReclaimProcessLease, model.RenewProcessLease:
		ttl := ttlOf(o.Call)
		v.leaseVague = c.from.leaseTimeMs != c.to.leaseTimeMs
		v.endLo, v.endHi = c.from.leaseTimeMs+ttl, c.to.leaseTimeMs+ttl
		p.Lease.EndMs = v.endLo
		switch {
		case c.lease != nil && p.Lease.Token == c.lease.LeaseToken:
			p.Lease.Fencing, p.Lease.ClaimedAtMs = c.lease.FencingToken, c.lease.ClaimedAtMs
		case c.lease == nil && answer.Lease.FencingToken == w.state.Fencing:
			v.fencingVague = true
		}
	case model.CompleteProcessLease:
		v.leaseVague, v.fencingVague = false, false
	case model.ReleaseForRetry:
		v.leaseVague, v.fencingVague = false, false
		v.delayVague = c.from.leaseTimeMs != c.to.leaseTimeMs
		v.delayLo, v.delayHi = c.from.leaseTimeMs+call.RetryAfterMs, c.to.leaseTimeMs+call.RetryAfterMs
	default:
		v.changes(p, w.state.Revision, within)
	}
	w.setVague(c.id, v)
}

// changes notes when a record was written, if it is what made a revision.
func (v *vague) changes(p *model.Process, revision uint64, within span) {
	if p.Life == revision {
		v.created = within
	}
	if p.Revision == revision {
		v.changed = within
	}
}

// blurAll notes it of every record that an operation on several has written.
func (w *world) blurAll(within span) {
	for id, p := range w.state.Processes {
		if p.Revision == w.state.Revision {
			v := w.vague[id]
			v.changes(p, w.state.Revision, within)
			w.setVague(id, v)
		}
	}
}
