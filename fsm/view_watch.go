package fsm

import "github.com/holdfast-registry/holdfast/registry"

// WatchEvents reads the next events of a watch from the state, without a wait
// for any. Errors: NotFound (the cursor names no life and there is none),
// LifeEnded (there is another life than the cursor's, or none). Spec 7.1.
func (v View) WatchEvents(watch registry.EventWatch) (registry.WatchedEvents, error) {
	row, ok := v.state.processes.Get(watch.ProcessID)
	switch life := watch.After.Life; {
	case !ok && life == 0:
		return registry.WatchedEvents{}, unknownProcess(watch.ProcessID)
	case !ok || life != 0 && life != row.record.Life:
		return registry.WatchedEvents{}, registry.Errorf(registry.CodeLifeEnded, registry.Fields{ProcessID: watch.ProcessID},
			"the watched life of process `%s` has ended: it was pruned", watch.ProcessID)
	}
	page := registry.WatchedEvents{Life: row.record.Life}
	bytes := 0
	for e := row.watched(watch); e != nil; e = row.watched(watch) {
		if len(page.Events) >= registry.WatchPageRows || bytes >= registry.WatchPageBytes {
			page.More = true
			break
		}
		page.Events = append(page.Events, e.ProcessEvent)
		bytes += e.size()
		watch.After.Sequence = e.Sequence
	}
	return page, nil
}

// watched returns the first event behind the cursor of a watch that it does not
// leave out, nil if there is none yet.
func (p *process) watched(watch registry.EventWatch) *event {
	after := watch.After.Sequence
	switch {
	case watch.EndOnly:
		if p.terminal == nil || p.terminal.Sequence <= after || watch.EventType != "" && watch.EventType != p.terminal.EventType {
			return nil
		}
		return p.terminal
	case watch.EventType != "":
		sequences := p.index.behind(watch.EventType, after)
		if len(sequences) == 0 {
			return nil
		}
		return p.events[sequences[0]-1]
	default:
		return p.eventBehind(eventPlace{after: after, end: registry.MaxEventSequence})
	}
}
