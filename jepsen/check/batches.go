package check

import (
	"fmt"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
)

// parts are operations with those of each batch in its place, which have numbers
// behind all others. Each operation of a batch that a workload makes changes
// something when it is done, so that the last one made the revision that the batch
// was answered at, and the others those before. Of one that was refused the batch
// stays, for the model, and its appends, which may have left nothing.
func parts(ops []*history.Op) (all []*history.Op) {
	next := 0
	for _, o := range ops {
		next = max(next, o.Index+1)
	}
	for _, o := range ops {
		batch, is := o.Call.(model.Batch)
		if !is {
			all = append(all, o)
			continue
		}
		if o.Outcome == history.Refused {
			all = append(all, o)
		}
		for i, call := range batch.Ops {
			part := as(o, call, model.Answer{})
			part.Whole, part.Index = o, next
			if o.Outcome == history.OK && i < len(o.Answer.Batch) {
				part.Answer = o.Answer.Batch[i]
				part.Info.Revision -= min(part.Info.Revision, uint64(len(batch.Ops)-1-i))
			}
			if _, appends := call.(model.AppendEvent); appends || o.Outcome != history.Refused {
				all = append(all, part)
				next++
			}
		}
	}
	return all
}

// checkBatches judges, without the model, that nobody was answered in the middle
// of a batch, and that of one whose outcome nobody knows all events came into the
// logs or none.
func checkBatches(v *view) (violations []Violation, checked, _ string) {
	in := make(map[uint64]*history.Op)
	batches := make(map[*history.Op][]*history.Op)
	for _, o := range v.Ops {
		if o.Whole == nil {
			continue
		}
		batches[o.Whole] = append(batches[o.Whole], o)
		if o.Outcome == history.OK && o.Info.Revision < o.Whole.Info.Revision {
			in[o.Info.Revision] = o.Whole
		}
	}
	last := make(map[string]*history.Op)
	for _, o := range v.judged {
		if by := in[o.Info.Revision]; by != nil && o.Whole != by {
			violations = append(violations, violated(BatchIsWhole, "%s was answered at revision %d, in the middle of %s", describe(o), o.Info.Revision, describe(by)).about(by, o))
		}
		if read, ok := o.Call.(model.EventsAfter); ok && read.After == 0 && o.Outcome == history.OK {
			last[read.ProcessID] = o
		}
	}
	for _, o := range v.Ops { // in the order of their calls
		if each := batches[o.Whole]; v.options.Complete && o.Outcome == history.Unknown && len(each) > 0 && each[0] == o {
			if found := v.halves(o.Whole, each, last); found != nil {
				violations = append(violations, *found)
			}
		}
	}
	return violations, fmt.Sprintf("%d batches", len(batches)), ""
}

// halves looks for the events of a batch of unknown outcome in logs that were read
// when it had returned.
func (v *view) halves(batch *history.Op, each []*history.Op, last map[string]*history.Op) *Violation {
	var there, missing *history.Op
	for _, part := range each {
		call, appends := part.Call.(model.AppendEvent)
		read := last[call.ProcessID]
		if !appends || read == nil || read.InvokeNs < batch.ReturnNs || v.mayBePruned(call.ProcessID) {
			continue
		}
		if slices.ContainsFunc(read.Answer.Events, sameAs(call)) {
			there = read
		} else {
			missing = read
		}
	}
	if there == nil || missing == nil {
		return nil
	}
	found := violated(BatchIsWhole, "of %s one event shows in %s, and another one does not in %s", describe(batch), describe(there), describe(missing)).about(batch, there, missing)
	return &found
}
