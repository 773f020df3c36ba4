package check

import (
	"cmp"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// lifelog is what answers tell of the logs of all lives: what streams are held
// against. An answer is put to a life only where that is certain.
type lifelog struct {
	view *view
	// lives are those that anybody saw, ascending; shown tells of each by whom.
	lives map[string][]uint64
	shown map[life]*shown
	// events are those that answers show, and those that streams brought first.
	events map[spot]evidenced
	// told are the changes by which a feed told of events.
	told map[spot]*registry.ProcessChange
	// appends are the calls that may have written an event, by process and payload.
	appends map[string][]*history.Op
	// registers are the registrations of unknown outcome.
	registers map[string][]*history.Op
	// ends are how everything was when nothing was written any more; quietNs is
	// when that began.
	ends    history.Ends
	quietNs int64
}

// life is one life of a process.
type life struct {
	id    string
	began uint64
}

// spot is the place of one event of a life.
type spot struct {
	life
	sequence uint64
}

// shown tells when a life was there.
type shown struct {
	// byAnswer is set when an answer shows it, and not a stream alone.
	byAnswer bool
	// lastRevision is the greatest at which it was there.
	lastRevision uint64
	// first is the answer that had returned first, last the one called last.
	first, last *history.Op
}

// evidenced is an event with the operation or stream that shows it.
type evidenced struct {
	event *registry.ProcessEvent
	text  string
	by    string
	op    *history.Op
}

func newLifelog(v *view) *lifelog {
	l := &lifelog{
		view: v, lives: make(map[string][]uint64), shown: make(map[life]*shown), events: make(map[spot]evidenced),
		told: make(map[spot]*registry.ProcessChange), appends: make(map[string][]*history.Op), registers: make(map[string][]*history.Op), ends: history.EndsOf(v.Ops),
	}
	for _, o := range v.Ops {
		l.send(o)
	}
	for _, f := range v.Faults {
		l.quietNs = max(l.quietNs, f.AtNs)
	}
	for _, o := range v.judged {
		l.seeRecords(o)
	}
	for _, s := range v.Streams {
		for _, item := range s.Items {
			switch {
			case item.Event != nil:
				l.see(life{item.Event.ProcessID, item.Life}, 0, nil)
			case item.Change != nil && item.Change.Kind != registry.ChangePruned:
				of := life{item.Change.ProcessID, item.Change.Life}
				l.see(of, item.Change.Revision, nil)
				if isEvent(item.Change.Kind) {
					l.told[spot{of, item.Change.Sequence}] = item.Change
				}
			}
		}
	}
	for at := range l.shown {
		l.lives[at.id] = append(l.lives[at.id], at.began)
	}
	for _, lives := range l.lives {
		slices.Sort(lives)
	}
	for _, o := range v.judged {
		l.seeEvents(o)
	}
	return l
}

// send takes in a call for what it may have written.
func (l *lifelog) send(o *history.Op) {
	if !isRead(o.Call) {
		l.quietNs = max(l.quietNs, o.ReturnNs)
	}
	switch call := o.Call.(type) {
	case model.AppendEvent:
		key := call.ProcessID + " " + string(call.Request.Payload)
		l.appends[key] = append(l.appends[key], o)
	case model.CompleteProcess:
		key := call.ProcessID + " " + endPayload(call)
		l.appends[key] = append(l.appends[key], o)
	case model.RegisterProcess:
		if o.Outcome == history.Unknown {
			l.registers[call.Registration.ID] = append(l.registers[call.Registration.ID], o)
		}
	}
}

// endPayload is the payload of the event that a completion writes.
func endPayload(call model.CompleteProcess) string {
	return `{"await_output":` + jsonText(call.Output) + `}`
}

// seeRecords takes in the lives that an answer shows.
func (l *lifelog) seeRecords(o *history.Op) {
	if o.Outcome != history.OK {
		return
	}
	see := func(r *registry.ProcessRecord) { l.see(life{r.ID, r.Life}, max(r.Revision, o.Info.Revision), o) }
	if o.Answer.Record != nil {
		see(o.Answer.Record)
	}
	for i := range o.Answer.Records {
		see(&o.Answer.Records[i])
	}
	for i := range o.Answer.Claims {
		see(&o.Answer.Claims[i].Record)
	}
	for i := range o.Answer.Entries {
		see(&o.Answer.Entries[i].Record)
	}
}

func (l *lifelog) see(at life, revision uint64, by *history.Op) {
	s := l.shown[at]
	if s == nil {
		s = new(shown)
		l.shown[at] = s
	}
	s.lastRevision = max(s.lastRevision, revision)
	if by == nil {
		return
	}
	s.byAnswer = true
	if s.first == nil || by.ReturnNs < s.first.ReturnNs {
		s.first = by
	}
	if s.last == nil || by.InvokeNs > s.last.InvokeNs {
		s.last = by
	}
}

// at is the life of a process at a revision, if that is certain: either it was
// there later still, or nobody can have pruned it.
func (l *lifelog) at(id string, revision uint64) (life, bool) {
	i, found := slices.BinarySearchFunc(l.lives[id], revision, cmp.Compare[uint64])
	if !found {
		i--
	}
	if i < 0 {
		return life{}, false
	}
	began := life{id, l.lives[id][i]}
	return began, l.shown[began].lastRevision >= revision || !l.view.mayBePruned(id)
}

// seeEvents takes in the events that an answer shows.
func (l *lifelog) seeEvents(o *history.Op) {
	if o.Outcome != history.OK {
		return
	}
	show := func(e *registry.ProcessEvent) {
		at, certain := l.at(e.ProcessID, o.Info.Revision)
		if _, known := l.events[spot{at, e.Sequence}]; certain && !known {
			l.events[spot{at, e.Sequence}] = evidenced{e, jsonText(e), describe(o), o}
		}
	}
	if o.Answer.Event != nil {
		show(o.Answer.Event)
	}
	for i := range o.Answer.Events {
		show(&o.Answer.Events[i])
	}
}

// sent are the calls that may have written an event that somebody saw.
func (l *lifelog) sent(e *registry.ProcessEvent, seenNs int64) (by []*history.Op) {
	for _, o := range l.appends[e.ProcessID+" "+string(e.Payload)] {
		fits := isCoreTerminal(e.EventType)
		if call, appends := o.Call.(model.AppendEvent); appends {
			key := ""
			if call.Request.Replay != nil {
				key = call.Request.Replay.Key
			}
			fits = call.Request.EventType == e.EventType && key == e.ReplayKey
		}
		if fits && o.Outcome != history.Refused && o.InvokeNs < seenNs {
			by = append(by, o)
		}
	}
	return by
}

// final is how a process was read when nothing was written any more.
func (l *lifelog) final(id string) (history.ProcessEnd, bool) {
	end := l.ends.Processes[id]
	return end, l.view.options.Complete && end.Record != nil && end.Read != nil &&
		end.Record.InvokeNs > l.quietNs && end.Read.InvokeNs > l.quietNs
}

// registered tells whether a life is known from answers, or may be that of a
// registration whose answer was lost.
func (l *lifelog) registered(at life, seenNs int64) bool {
	s := l.shown[at]
	return s != nil && s.byAnswer || slices.ContainsFunc(l.registers[at.id], func(o *history.Op) bool { return o.InvokeNs < seenNs })
}

// mayEnd tells whether a life can have been pruned by a time.
func (l *lifelog) mayEnd(id string, byNs int64) bool {
	end := l.view.ended[id]
	return end != nil && end.InvokeNs < byNs && slices.ContainsFunc(l.view.pruned, func(p *history.Op) bool { return p.InvokeNs < byNs })
}
