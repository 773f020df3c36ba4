package fsm

import (
	"slices"
	"strings"

	"github.com/tidwall/btree"
)

// eventIndex is derived from the events of a row, so that no read has to look
// through a long log.
type eventIndex struct {
	byReplayKey map[string]*event
	// byType is in the order of the names. A process emits few types, and a map
	// for each process would be the larger part of its memory.
	byType []typeSequences
	// wakes are the sequences of the events with a wake that nobody acked.
	wakes btree.Set[uint32]
}

// typeSequences are the sequences of the events of one type, ascending.
// registry.MaxEventSequence lets them take four bytes.
type typeSequences struct {
	eventType string
	sequences []uint32
}

// add takes in the newest event.
func (x *eventIndex) add(e *event) {
	if e.ReplayKey != "" {
		if x.byReplayKey == nil {
			x.byReplayKey = make(map[string]*event)
		}
		x.byReplayKey[e.ReplayKey] = e
	}
	place, found := x.findType(e.EventType)
	if !found {
		x.byType = slices.Insert(x.byType, place, typeSequences{eventType: e.EventType})
	}
	x.byType[place].sequences = append(x.byType[place].sequences, uint32(e.Sequence))
}

// drop takes out the event that was added last.
func (x *eventIndex) drop(e *event) {
	if e.ReplayKey != "" {
		delete(x.byReplayKey, e.ReplayKey)
	}
	if place, found := x.findType(e.EventType); found {
		t := &x.byType[place]
		if t.sequences = t.sequences[:len(t.sequences)-1]; len(t.sequences) == 0 {
			x.byType = slices.Delete(x.byType, place, place+1)
			if len(x.byType) == 0 {
				x.byType = nil // as in an index that never had an event
			}
		}
	}
	x.wakes.Delete(uint32(e.Sequence))
}

func (x *eventIndex) findType(eventType string) (place int, found bool) {
	return slices.BinarySearchFunc(x.byType, eventType, func(t typeSequences, name string) int { return strings.Compare(t.eventType, name) })
}

// wakeBehind returns the first sequence behind another one whose event has a
// wake that nobody acked.
func (x *eventIndex) wakeBehind(after uint32) (sequence uint32, found bool) {
	x.wakes.Ascend(after+1, func(s uint32) bool {
		sequence, found = s, true
		return false
	})
	return sequence, found
}

// behind returns the sequences of a type behind another one, ascending. They
// are shared and must not be changed.
func (x *eventIndex) behind(eventType string, after uint64) []uint32 {
	place, found := x.findType(eventType)
	if !found {
		return nil
	}
	return x.byType[place].sequences[x.countThrough(eventType, after):]
}

// countThrough counts the events of a type up to and including a sequence.
func (x *eventIndex) countThrough(eventType string, through uint64) uint64 {
	place, found := x.findType(eventType)
	if !found {
		return 0
	}
	sequences := x.byType[place].sequences
	count, found := slices.BinarySearchFunc(sequences, through, func(s uint32, through uint64) int {
		switch {
		case uint64(s) < through:
			return -1
		case uint64(s) > through:
			return 1
		}
		return 0
	})
	if found {
		count++
	}
	return uint64(count)
}
