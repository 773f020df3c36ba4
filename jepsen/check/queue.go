package check

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// queue is what is known of each process that is handed out, without the model.
type queue struct {
	view *view
	// leases are the latest ones; delays are those that are known to be on.
	leases map[string]holder
	delays map[string]delay
	// handed is how a process was handed out last, ended who completed it.
	handed map[string]handedOut
	ended  map[string]*history.Op
	// releases counts the calls that may have released a lease, by its token;
	// others are the processes that somebody may have leased unseen, by their name.
	releases map[string]int
	others   map[string]bool
	count    int
	found    []Violation
}

// delay is what keeps a process from being handed out until a lease time.
type delay struct {
	by      *history.Op
	untilMs uint64
}

// handedOut is one time that claim-next handed a process out.
type handedOut struct {
	by      *history.Op
	attempt uint64
}

// checkQueue judges what claim-next handed out: no process before its delay was
// over, none that had ended, each time with the next number of its attempts. That
// it is what has waited longest the model judges, and that nobody else holds it
// the checker of holders.
func checkQueue(v *view) (violations []Violation, checked, _ string) {
	q := &queue{
		view: v, leases: make(map[string]holder), delays: make(map[string]delay), handed: make(map[string]handedOut),
		ended: make(map[string]*history.Op), releases: make(map[string]int), others: make(map[string]bool),
	}
	for _, o := range v.Ops {
		q.expect(o)
	}
	for _, o := range v.judged {
		if o.Outcome == history.OK {
			q.step(o)
		}
	}
	late, longest := workIsFound(v)
	return append(q.found, late...), fmt.Sprintf("%d processes handed out; after the faults none was known to lie ready for more than %.1f s", q.count, ms(longest)/1e3), ""
}

// expect notes what makes it uncertain later whether a release did anything.
func (q *queue) expect(o *history.Op) {
	if o.Outcome == history.Refused {
		return
	}
	switch call := o.Call.(type) {
	case model.ReleaseForRetry:
		q.releases[call.Completion.LeaseToken]++
	case model.CompleteProcessLease:
		q.releases[call.Completion.LeaseToken]++
	case model.ClaimProcessLease, model.ReclaimProcessLease:
		if id, _ := processOf(call); o.Outcome == history.Unknown {
			q.others[id] = true
		}
	}
}

// step looks at an operation; they come in the order of revisions.
func (q *queue) step(o *history.Op) {
	switch call := o.Call.(type) {
	case model.ReleaseForRetry:
		q.release(o, call)
	case model.CompleteProcess:
		q.ended[o.Answer.Record.ID] = o
	}
	if l := grants(o); l != nil {
		q.leases[l.ProcessID] = holder{l, o.Info.LeaseTimeMs + ttlOf(o.Call), o}
		delete(q.delays, l.ProcessID) // its next release may say otherwise
	}
	for i := range o.Answer.Claims {
		q.handOut(o, &o.Answer.Claims[i])
	}
}

// release notes a delay, if the lease was certainly the process's: it had not run
// out, and nobody else released it.
func (q *queue) release(o *history.Op, call model.ReleaseForRetry) {
	id := call.Completion.ProcessID
	h, known := q.leases[id]
	if known && h.lease.LeaseToken == call.Completion.LeaseToken && o.Info.LeaseTimeMs < h.endMs &&
		q.releases[h.lease.LeaseToken] == 1 && !q.others[id] {
		q.delays[id] = delay{o, o.Info.LeaseTimeMs + call.RetryAfterMs}
	}
}

func (q *queue) handOut(o *history.Op, c *registry.ClaimedProcess) {
	id := c.Lease.ProcessID
	if d, on := q.delays[id]; on && d.by.Info.Revision < o.Info.Revision && o.Info.LeaseTimeMs < d.untilMs {
		q.violated(NoEarlyRetry, d.by, o, fmt.Sprintf("at lease time %d, which %s had delayed until %d", o.Info.LeaseTimeMs, describe(d.by), d.untilMs), id)
	}
	if by := q.ended[id]; by != nil && by.Info.Revision < o.Info.Revision && !q.view.mayBePruned(id) {
		q.violated(OnlyWhatRuns, by, o, fmt.Sprintf("which %s had completed", describe(by)), id)
	}
	if h := q.handed[id]; h.by != nil && c.Attempt <= h.attempt && !q.view.mayBePruned(id) {
		q.violated(AttemptsCount, h.by, o, fmt.Sprintf("for time %d; by %s it was handed out for time %d before", c.Attempt, describe(h.by), h.attempt), id)
	}
	q.count++
	q.handed[id] = handedOut{o, c.Attempt}
	q.leases[id] = holder{&c.Lease, o.Info.LeaseTimeMs + o.Call.(model.ClaimNext).TTLMs, o}
	delete(q.delays, id)
}

func (q *queue) violated(sentence Sentence, before, o *history.Op, text, id string) {
	q.found = append(q.found, violated(sentence, "%s was handed %s %s", describe(o), id, text).about(before, o))
}
