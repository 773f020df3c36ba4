package check

import (
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// evidence is what answers show of operations whose own answers nobody saw.
// What nobody ever saw cannot contradict anything either.
type evidence struct {
	// events are those that were read, by process and sequence: one in each life.
	events map[string]map[uint64][]*registry.ProcessEvent
	// lives are the revisions at which processes were registered.
	lives map[string][]uint64
	// leases are the rows that were seen of an incarnation.
	leases map[incarnation][]*registry.ProcessLease
	// never are the unknown operations that cannot have happened: appends whose
	// event is not in a log that was read when all was over.
	never map[*history.Op]bool
}

func collect(v *view) *evidence {
	e := &evidence{
		events: make(map[string]map[uint64][]*registry.ProcessEvent), lives: make(map[string][]uint64), leases: make(map[incarnation][]*registry.ProcessLease),
		never: make(map[*history.Op]bool),
	}
	last := make(map[string]*history.Op)
	for _, o := range v.judged {
		if o.Answer.Event != nil {
			e.event(o.Answer.Event)
		}
		for i := range o.Answer.Events {
			e.event(&o.Answer.Events[i])
		}
		if o.Answer.Lease != nil {
			e.lease(o.Answer.Lease)
		}
		if o.Answer.Record != nil {
			e.life(o.Answer.Record)
		}
		for i := range o.Answer.Claims {
			e.lease(&o.Answer.Claims[i].Lease)
			e.life(&o.Answer.Claims[i].Record)
		}
		if read, ok := o.Call.(model.EventsAfter); ok && read.After == 0 && o.Outcome == history.OK {
			last[read.ProcessID] = o // judged is in the order of revisions
		}
	}
	if v.options.Complete {
		e.absent(v, last)
	}
	return e
}

func (e *evidence) event(event *registry.ProcessEvent) {
	log := e.events[event.ProcessID]
	if log == nil {
		log = make(map[uint64][]*registry.ProcessEvent)
		e.events[event.ProcessID] = log
	}
	for _, seen := range log[event.Sequence] {
		if sameEvent(seen, event) && seen.OccurredAtMs == event.OccurredAtMs {
			return
		}
	}
	log[event.Sequence] = append(log[event.Sequence], event)
}

func (e *evidence) life(r *registry.ProcessRecord) {
	if !slices.Contains(e.lives[r.ID], r.Life) {
		e.lives[r.ID] = append(e.lives[r.ID], r.Life)
	}
}

func sameEvent(a, b *registry.ProcessEvent) bool {
	return string(a.Payload) == string(b.Payload) && a.EventType == b.EventType
}

func (e *evidence) lease(l *registry.ProcessLease) {
	who := incarnationOf(l)
	for _, seen := range e.leases[who] {
		if seen.LeaseToken == l.LeaseToken {
			return
		}
	}
	e.leases[who] = append(e.leases[who], l)
}

// absent finds the appends that left no event in a log that was read after
// they can have happened: at the end of a complete run, when no node holds a
// call any more.
func (e *evidence) absent(v *view, last map[string]*history.Op) {
	for _, o := range v.unknown {
		appended, ok := o.Call.(model.AppendEvent)
		read := last[appended.ProcessID]
		if !ok || read == nil || read.InvokeNs < o.ReturnNs || v.mayBePruned(appended.ProcessID) {
			continue
		}
		e.never[o] = !slices.ContainsFunc(read.Answer.Events, sameAs(appended))
	}
}

// sameAs tells which event an append has written.
func sameAs(appended model.AppendEvent) func(registry.ProcessEvent) bool {
	return func(event registry.ProcessEvent) bool {
		return string(event.Payload) == string(appended.Request.Payload)
	}
}
