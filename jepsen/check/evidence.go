package check

import (
	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// evidence is what answers show of operations whose own answers nobody saw.
// What nobody ever saw cannot contradict anything either.
type evidence struct {
	// events are those that were read, by process and sequence; length is how
	// long each log was when it was read last.
	events map[string]map[uint64]*registry.ProcessEvent
	// leases are the rows that were seen of an incarnation.
	leases map[incarnation][]*registry.ProcessLease
	// created is when the lives of processes began.
	created map[string]map[uint64]uint64
	// never are the unknown operations that cannot have happened: appends whose
	// event is not in a log that was read when all was over.
	never map[*history.Op]bool
}

func collect(v *view) *evidence {
	e := &evidence{
		events: make(map[string]map[uint64]*registry.ProcessEvent), leases: make(map[incarnation][]*registry.ProcessLease),
		created: make(map[string]map[uint64]uint64), never: make(map[*history.Op]bool),
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
			e.record(o.Answer.Record)
		}
		for i := range o.Answer.Records {
			e.record(&o.Answer.Records[i])
		}
		if read, ok := o.Call.(model.EventsAfter); ok && read.After == 0 && o.Outcome == history.OK {
			last[read.ProcessID] = o // judged is in the order of revisions
		}
	}
	if v.options.Complete {
		e.absent(v.unknown, last)
	}
	return e
}

func (e *evidence) event(event *registry.ProcessEvent) {
	if e.events[event.ProcessID] == nil {
		e.events[event.ProcessID] = make(map[uint64]*registry.ProcessEvent)
	}
	e.events[event.ProcessID][event.Sequence] = event
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

func (e *evidence) record(r *registry.ProcessRecord) {
	if e.created[r.ID] == nil {
		e.created[r.ID] = make(map[uint64]uint64)
	}
	e.created[r.ID][r.Life] = r.CreatedAtMs
}

// absent finds the appends that left no event in a log that was read after
// they can have happened: at the end of a complete run, when no node holds a
// call any more.
func (e *evidence) absent(unknown []*history.Op, last map[string]*history.Op) {
	for _, o := range unknown {
		appended, ok := o.Call.(model.AppendEvent)
		read := last[appended.ProcessID]
		if !ok || read == nil || read.InvokeNs < o.ReturnNs {
			continue
		}
		found := false
		for _, event := range read.Answer.Events {
			found = found || string(event.Payload) == string(appended.Request.Payload)
		}
		e.never[o] = !found
	}
}
