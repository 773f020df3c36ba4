package rounds

import (
	"cmp"
	"slices"

	"github.com/holdfast-registry/holdfast/registry"
)

// checkLog judges the log of one process as it was read. before is what the
// history held of the process before the read began, after what it held when
// the read had ended: what was acked by then must be there, and what is there
// must have been announced by now.
func checkLog(process string, log []registry.ProcessEvent, before, after []Append) *Violation {
	for i := range log {
		if log[i].Sequence != uint64(i+1) || log[i].ProcessID != process {
			return violated(LogIsDense, "process %s: event %d of the log says that it is event %d of %s", process, i+1, log[i].Sequence, log[i].ProcessID)
		}
	}
	for i := range before {
		if v := checkAcked(&before[i], log); v != nil {
			return v
		}
	}
	sent := make(map[string]*Append, len(after))
	for i := range after {
		sent[after[i].Payload] = &after[i]
	}
	return checkFound(process, log, sent)
}

// checkAcked looks for an acked event where its writer was told that it is.
func checkAcked(a *Append, log []registry.ProcessEvent) *Violation {
	if a.Outcome != Acked {
		return nil
	}
	if a.Stale {
		return violated(StaleIsRefused, "process %s: %s under fencing token %d was acked at %d", a.Process, a.Payload, a.FencingToken, a.Sequence)
	}
	if a.Sequence == 0 || a.Sequence > uint64(len(log)) {
		return violated(AckedStays, "process %s: %s was acked at %d, but the log ends at %d", a.Process, a.Payload, a.Sequence, len(log))
	}
	if e := &log[a.Sequence-1]; string(e.Payload) != a.Payload || e.EventType != a.EventType || e.ReplayKey != a.ReplayKey {
		return violated(AckedStays, "process %s: %s (%s, replay key %q) was acked at %d, where the log has %s (%s, replay key %q)",
			a.Process, a.Payload, a.EventType, a.ReplayKey, a.Sequence, e.Payload, e.EventType, e.ReplayKey)
	}
	return nil
}

// checkFound goes the other way: from what is in the log to what was sent.
func checkFound(process string, log []registry.ProcessEvent, sent map[string]*Append) *Violation {
	found := make(map[string]uint64, len(log))
	var greatest *Append
	for i := range log {
		e := &log[i]
		if e.EventType == registry.EventCompleted {
			// Written by CompleteProcess, and the last one: see checkEnd.
			continue
		}
		a := sent[string(e.Payload)]
		switch first, again := found[string(e.Payload)]; {
		case a == nil || a.EventType != e.EventType:
			return violated(NothingInvented, "process %s: nobody sent event %d, %s %s", process, e.Sequence, e.EventType, e.Payload)
		case again:
			return violated(AtMostOnce, "process %s: %s is in the log at %d and at %d", process, e.Payload, first, e.Sequence)
		case a.Outcome == Refused:
			return violated(RefusedIsAbsent, "process %s: %s was refused with %s and is in the log at %d", process, e.Payload, a.Code, e.Sequence)
		case greatest != nil && a.FencingToken < greatest.FencingToken:
			return violated(FenceHolds, "process %s: event %d, %s under fencing token %d, follows %s under %d",
				process, e.Sequence, e.Payload, a.FencingToken, greatest.Payload, greatest.FencingToken)
		}
		found[string(e.Payload)] = e.Sequence
		greatest = a
	}
	return nil
}

// checkEnd judges the record and log of a process whose completion was acked
// before they were read.
func checkEnd(record registry.ProcessRecord, log []registry.ProcessEvent) *Violation {
	if record.Status.State != registry.StateCompleted {
		return violated(EndIsFinal, "process %s is %s", record.ID, record.Status.State)
	}
	var ends []uint64
	for i := range log {
		if log[i].EventType == registry.EventCompleted {
			ends = append(ends, log[i].Sequence)
		}
	}
	if len(ends) != 1 {
		return violated(EndIsFinal, "process %s has terminal events at %v", record.ID, ends)
	}
	return nil
}

// checkClaims judges the fencing tokens of all acked claims of a run, over all
// processes: they come from one counter.
func checkClaims(claims []Claim) *Violation {
	acked := slices.DeleteFunc(slices.Clone(claims), func(c Claim) bool { return c.Outcome != Acked })
	holders := make(map[uint64]*Claim, len(acked))
	for i := range acked {
		c := &acked[i]
		if other := holders[c.FencingToken]; other != nil {
			return violated(TokensAreUnique, "fencing token %d was granted to %s of %s and to %s of %s",
				c.FencingToken, other.Incarnation, other.Process, c.Incarnation, c.Process)
		}
		holders[c.FencingToken] = c
	}
	// Walk the claims as they begin, with the greatest token among those that
	// had ended by then.
	began, ended := acked, slices.Clone(acked)
	slices.SortFunc(began, func(a, b Claim) int { return cmp.Compare(a.BeganNs, b.BeganNs) })
	slices.SortFunc(ended, func(a, b Claim) int { return cmp.Compare(a.EndedNs, b.EndedNs) })
	var earlier *Claim
	next := 0
	for i := range began {
		c := &began[i]
		for ; next < len(ended) && ended[next].EndedNs < c.BeganNs; next++ {
			if earlier == nil || ended[next].FencingToken > earlier.FencingToken {
				earlier = &ended[next]
			}
		}
		if earlier != nil && c.FencingToken <= earlier.FencingToken {
			return violated(TokensGrow, "the claim of %s by %s got %d after the claim of %s by %s had got %d",
				c.Process, c.Incarnation, c.FencingToken, earlier.Process, earlier.Incarnation, earlier.FencingToken)
		}
	}
	return nil
}
