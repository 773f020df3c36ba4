package fsm

import "github.com/holdfast-registry/holdfast/registry"

// CountEventsThrough counts the events of a type up to and including a
// sequence. Spec 5.14.
func (v View) CountEventsThrough(id, eventType string, through uint64) (uint64, error) {
	row, ok := v.state.processes.Get(id)
	if !ok {
		return 0, unknownProcess(id)
	}
	return row.index.countThrough(eventType, through), nil
}

// EventsAfter reads one page of the events behind a sequence, ascending. Spec
// 5.13, A15.
func (v View) EventsAfter(id string, after uint64, request registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
	start := func(*process) eventPlace { return eventPlace{after: after, end: registry.MaxEventSequence} }
	return v.eventPage(id, request, listEvents, start, (*process).eventBehind)
}

// RecentEvents reads one page of the last events, so many of them, ascending.
// The first page fixes where the list ends: what is appended while it is read
// belongs to the next list. Spec 5.15, A15.
func (v View) RecentEvents(id string, limit uint64, request registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
	start := func(row *process) eventPlace {
		end := uint64(len(row.events))
		return eventPlace{after: end - min(limit, end), end: end}
	}
	return v.eventPage(id, request, listRecentEvents, start, (*process).eventBehind)
}

// WakeEventsAfter reads one page of the events behind a sequence whose stored
// semantics carry a wake and that are not acked, ascending. Spec 5.16, A15.
func (v View) WakeEventsAfter(id string, after uint64, request registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
	start := func(*process) eventPlace { return eventPlace{after: after, end: registry.MaxEventSequence} }
	return v.eventPage(id, request, listWakeEvents, start, (*process).wakeBehind)
}

// eventPlace is how far the pages of a list of events have come: after is the
// sequence behind which it goes on, end the last one that belongs to it.
type eventPlace struct{ after, end uint64 }

// eventBehind returns the next event of the log, nil at the end.
func (p *process) eventBehind(place eventPlace) *event {
	if place.after >= min(place.end, uint64(len(p.events))) {
		return nil
	}
	return p.events[place.after]
}

// wakeBehind returns the next event with a wake that is not acked, nil at the
// end.
func (p *process) wakeBehind(place eventPlace) *event {
	if place.after >= place.end {
		return nil
	}
	sequence, found := p.index.wakeBehind(uint32(place.after))
	if !found {
		return nil
	}
	return p.events[sequence-1]
}

// eventPage reads one page of a list of events. start is where the list begins,
// next gives the first event behind a place.
func (v View) eventPage(id string, request registry.PageRequest, list byte, start func(*process) eventPlace, next func(*process, eventPlace) *event) (registry.Page[registry.ProcessEvent], error) {
	row, ok := v.state.processes.Get(id)
	if !ok {
		return registry.Page[registry.ProcessEvent]{}, unknownProcess(id)
	}
	p, err := newPager[registry.ProcessEvent](request, list)
	if err != nil {
		return p.page, err
	}
	place := start(row)
	if request.Token != "" {
		if place, err = resumeEvents(p.after, row); err != nil {
			return p.page, err
		}
	}
	for e := next(row, place); e != nil; e = next(row, place) {
		if !p.more(eventCursor(row.record.Life, e.Sequence, place.end)) {
			break
		}
		p.add(e.ProcessEvent, e.size())
		place.after = e.Sequence
	}
	return p.page, nil
}

// resumeEvents is the place that a cursor names, if it is of this life of the
// process.
func resumeEvents(cursor string, row *process) (eventPlace, error) {
	life, after, end, err := parseEventCursor(cursor)
	if err != nil {
		return eventPlace{}, err
	}
	if life != row.record.Life {
		return eventPlace{}, lifeEnded(row.record.ID, "events")
	}
	return eventPlace{after: after, end: end}, nil
}

// lifeEnded is the refusal of a page token of another life.
func lifeEnded(id, what string) error {
	return registry.Errorf(registry.CodeLifeEnded, registry.Fields{ProcessID: id},
		"the page token is of another life of process `%s`, or of another process: list its %s from the start", id, what)
}

// size is about what an event takes on the wire.
func (e *event) size() int {
	size := 128 + len(e.EventType) + len(e.Payload) + len(e.ReplayKey)
	if t := e.Semantics.Terminal; t != nil {
		size += len(t.AwaitOutput.Value) + len(t.AwaitOutput.Raw) + len(t.AwaitOutput.Message)
	}
	if w := e.Semantics.Wake; w != nil {
		size += len(w.Input) + len(w.DedupeKey)
	}
	return size
}
