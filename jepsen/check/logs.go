package check

import (
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// processLog is a log as it was last read, and the appends to it.
type processLog struct {
	read    *history.Op
	appends []*history.Op
}

// checkLogs judges each event log, as it was read last, by the appends that
// were sent: without revisions, and without the model.
func checkLogs(v *view) (violations []Violation, checked, _ string) {
	logs := make(map[string]*processLog)
	of := func(id string) *processLog {
		if logs[id] == nil {
			logs[id] = new(processLog)
		}
		return logs[id]
	}
	for _, o := range v.Ops {
		switch op := o.Call.(type) {
		case model.AppendEvent:
			log := of(op.ProcessID)
			log.appends = append(log.appends, o)
		case model.EventsAfter:
			if log := of(op.ProcessID); o.Outcome == history.OK && op.After == 0 && (log.read == nil || o.InvokeNs > log.read.InvokeNs) {
				log.read = o
			}
		}
	}
	events, read := 0, 0
	for _, id := range slices.Sorted(maps.Keys(logs)) {
		log := logs[id]
		if log.read == nil {
			continue
		}
		read++
		events += len(log.read.Answer.Events)
		violations = append(violations, log.judge(v, id)...)
	}
	return violations, fmt.Sprintf("%d events of %d logs", events, read), ""
}

func (l *processLog) judge(v *view, id string) (violations []Violation) {
	log := l.read.Answer.Events
	for i := range log {
		if log[i].Sequence != uint64(i+1) || log[i].ProcessID != id {
			return []Violation{violated(LogIsDense, "process %s: event %d of the log says that it is event %d of %s",
				id, i+1, log[i].Sequence, log[i].ProcessID).about(l.read)}
		}
	}
	for _, a := range l.appends {
		// What was acked after the read was called need not be in it.
		if a.Outcome == history.OK && a.ReturnNs < l.read.InvokeNs && !v.prunedBetween(id, a, l.read) {
			violations = append(violations, l.acked(a)...)
		}
	}
	return append(violations, l.found(id)...)
}

// acked looks for an acked event where its writer was told that it is.
func (l *processLog) acked(a *history.Op) []Violation {
	log, op := l.read.Answer.Events, a.Call.(model.AppendEvent)
	key := ""
	if op.Request.Replay != nil {
		key = op.Request.Replay.Key
	}
	if a.Answer.Event == nil {
		return []Violation{violated(AckedStays, "%s was acked without an event", describe(a)).about(a)}
	}
	at := a.Answer.Event.Sequence
	if at == 0 || at > uint64(len(log)) {
		return []Violation{violated(AckedStays, "%s was acked at %d, but the log ends at %d", describe(a), at, len(log)).about(a, l.read)}
	}
	if e := &log[at-1]; string(e.Payload) != string(op.Request.Payload) || e.EventType != op.Request.EventType || e.ReplayKey != key {
		return []Violation{violated(AckedStays, "%s, %s (%s, replay key %q), was acked at %d, where the log has %s (%s, replay key %q)",
			describe(a), op.Request.Payload, op.Request.EventType, key, at, e.Payload, e.EventType, e.ReplayKey).about(a, l.read)}
	}
	if e := &log[at-1]; e.OccurredAtMs != a.Answer.Event.OccurredAtMs {
		return []Violation{violated(FirstAnswer, "%s was answered with an event of %d, the log has it as of %d",
			describe(a), a.Answer.Event.OccurredAtMs, e.OccurredAtMs).about(a, l.read)}
	}
	return nil
}

// found goes the other way: from what is in the log to what was sent.
func (l *processLog) found(id string) (violations []Violation) {
	sent := make(map[string][]*history.Op)
	for _, a := range l.appends {
		payload := string(a.Call.(model.AppendEvent).Request.Payload)
		sent[payload] = append(sent[payload], a)
	}
	found := make(map[string]uint64)
	var greatest *history.Op
	for i := range l.read.Answer.Events {
		e := &l.read.Answer.Events[i]
		if isCoreTerminal(e.EventType) {
			continue // written by CompleteProcess: see checkEnds
		}
		tries := sent[string(e.Payload)]
		first, again := found[string(e.Payload)]
		switch {
		case len(tries) == 0:
			return append(violations, violated(NothingInvented, "process %s: nobody sent event %d, %s %s", id, e.Sequence, e.EventType, e.Payload).about(l.read))
		case again:
			return append(violations, violated(AtMostOnce, "process %s: %s is in the log at %d and at %d", id, e.Payload, first, e.Sequence).about(append(tries, l.read)...))
		case !slices.ContainsFunc(tries, func(a *history.Op) bool { return a.Outcome != history.Refused }):
			return append(violations, violated(RefusedIsAbsent, "process %s: %s was refused and is in the log at %d", id, e.Payload, e.Sequence).about(append(tries, l.read)...))
		}
		found[string(e.Payload)] = e.Sequence
		if fence := fenceOf(tries[0].Call); fence != nil {
			if greatest != nil && fence.FencingToken < fenceOf(greatest.Call).FencingToken {
				return append(violations, violated(FenceHolds, "process %s: event %d, %s under fencing token %d, follows one under %d",
					id, e.Sequence, e.Payload, fence.FencingToken, fenceOf(greatest.Call).FencingToken).about(greatest, tries[0], l.read))
			}
			greatest = tries[0]
		}
	}
	return violations
}

func isCoreTerminal(eventType string) bool {
	switch eventType {
	case registry.EventCompleted, registry.EventFailed, registry.EventCancelled, registry.EventAbandoned:
		return true
	}
	return false
}

// checkEnds judges what became of completed processes: the record that was
// acked first is that of every later answer.
func checkEnds(v *view) (violations []Violation, checked, _ string) {
	type end struct {
		op     *history.Op
		status string
	}
	type life struct {
		id    string
		began uint64
	}
	ended := make(map[life]end)
	of := func(o *history.Op) life { return life{o.Answer.Record.ID, o.Answer.Record.Life} }
	byReturn := slices.Clone(v.Ops)
	slices.SortStableFunc(byReturn, func(a, b *history.Op) int { return int(a.ReturnNs - b.ReturnNs) })
	for _, o := range byReturn {
		if _, completes := o.Call.(model.CompleteProcess); completes && o.Outcome == history.OK {
			if _, known := ended[of(o)]; !known {
				ended[of(o)] = end{o, jsonText(o.Answer.Record.Status)}
			}
		}
	}
	for _, o := range v.Ops {
		if o.Outcome == history.OK && o.Answer.Record != nil {
			e, known := ended[of(o)]
			if status := jsonText(o.Answer.Record.Status); known && o.InvokeNs > e.op.ReturnNs && status != e.status {
				violations = append(violations, violated(EndIsFinal, "%s shows %s after %s had been acked with %s",
					describe(o), status, describe(e.op), e.status).about(e.op, o))
			}
		}
		if _, reads := o.Call.(model.EventsAfter); reads && o.Outcome == history.OK {
			count := 0
			for _, event := range o.Answer.Events {
				if isCoreTerminal(event.EventType) {
					count++
				}
			}
			if count > 1 {
				violations = append(violations, violated(EndIsFinal, "%s shows %d terminal events", describe(o), count).about(o))
			}
		}
	}
	return violations, fmt.Sprintf("%d completed processes", len(ended)), ""
}
