package check

import (
	"maps"
	"math"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// news is what happened in a simulation, as streams tell of it.
type news struct {
	changes []told[registry.ProcessChange]
	events  []told[registry.ProcessEvent]
}

// told is one piece of news, with its life and when it came about.
type told[T any] struct {
	what T
	life uint64
	atNs int64
}

// take notes what a call has made of a state.
func (n *news) take(before, after *model.State, call model.Op, atNs int64) {
	if n == nil || after.Revision == before.Revision {
		return
	}
	tell := func(id string, life uint64, kind registry.ChangeKind, sequence uint64) {
		change := registry.ProcessChange{Revision: after.Revision, ProcessID: id, Life: life, Kind: kind, Sequence: sequence}
		n.changes = append(n.changes, told[registry.ProcessChange]{change, life, atNs})
	}
	if _, prunes := call.(model.PruneTerminalProcesses); prunes {
		for _, id := range slices.Sorted(maps.Keys(before.Processes)) {
			if after.Processes[id] == nil {
				tell(id, before.Processes[id].Life, registry.ChangePruned, 0)
			}
		}
		return
	}
	for _, id := range grantsTouched(before, call) {
		tell(id, before.Processes[id].Life, registry.ChangeGrant, 0)
	}
	for _, id := range slices.Sorted(maps.Keys(after.Processes)) {
		was, is := before.Processes[id], after.Processes[id]
		if kind := becameOf(was, is, call); kind != 0 {
			sequence := uint64(0)
			if isEvent(kind) {
				event := is.Events[len(is.Events)-1].ProcessEvent
				sequence = event.Sequence
				n.events = append(n.events, told[registry.ProcessEvent]{event, is.Life, atNs})
			}
			tell(id, is.Life, kind, sequence)
		}
	}
}

// grantsTouched are the processes of the grants that a call has changed, one for
// each grant.
func grantsTouched(before *model.State, call model.Op) (ids []string) {
	switch op := call.(type) {
	case model.GrantHandle:
		return []string{op.ProcessID}
	case model.RevokeHandle:
		return []string{op.ProcessID}
	case model.TransferHandleGrants:
		return op.ProcessIDs
	case model.DeleteSessionProcessState:
		for grant := range before.Grants {
			if grant.Scope.SessionID == op.SessionID {
				ids = append(ids, grant.ProcessID)
			}
		}
		slices.Sort(ids)
	}
	return ids
}

// becameOf is what a call has made of a row, 0 for nothing.
func becameOf(was, is *model.Process, call model.Op) registry.ChangeKind {
	id, single := processOf(call)
	switch {
	case was == nil || was.Life != is.Life:
		return registry.ChangeRegistered
	case was.Registration.WakeTarget != nil && is.Registration.WakeTarget == nil:
		return registry.ChangeWakeTarget
	case len(is.Events) > len(was.Events) && is.State != was.State:
		return registry.ChangeEnded
	case len(is.Events) > len(was.Events):
		return registry.ChangeAppended
	case was.FirstStarted == nil && is.FirstStarted != nil:
		return registry.ChangeStarted
	case was.Lease != is.Lease && was.Lease.Held && is.Lease.Held && was.Lease.Fencing == is.Lease.Fencing:
		return registry.ChangeLeaseExtended
	case was.Lease != is.Lease:
		return registry.ChangeLease
	case !single || id != is.Registration.ID:
		return 0
	}
	switch call.(type) {
	case model.SetProcessWait, model.ClearProcessWait:
		return registry.ChangeWait
	case model.RenewProcessLease, model.ClaimProcessLease: // to the same end
		return registry.ChangeLeaseExtended
	}
	return 0
}

// simulatedStreams is how many streams a simulation has, of each kind.
const simulatedStreams = 12

// streams follows the news of a simulation that is over: from any moment on, for
// a while or to the end, and again from where a stream was let go of.
func (s *sim) streams() (all []*history.Stream) {
	if s.news == nil {
		return nil
	}
	first, last := s.ops[0].InvokeNs, s.effectNs
	end := last + 2*catchUpBound.Nanoseconds()
	add := func(asked history.Follow, began int64) *history.Stream {
		f := &history.Stream{Index: len(all), Client: "w", Follow: asked, BeganNs: began, LeftNs: end}
		if s.random.IntN(2) == 0 && began < last {
			f.LeftNs = began + 1 + s.random.Int64N(last-began)
		}
		all = append(all, f)
		return f
	}
	for range simulatedStreams {
		asked := history.Follow{Process: s.process(), EndOnly: s.random.IntN(5) == 0}
		if s.random.IntN(3) == 0 {
			asked.Sequence = s.random.Uint64N(4)
		}
		f := add(asked, first+s.random.Int64N(last-first))
		for s.watch(f); f.Code == 0 && f.LeftNs < last; s.watch(f) {
			f = add(goesOn(f), f.LeftNs+1)
		}
		f = add(history.Follow{}, first+s.random.Int64N(last-first))
		for s.feed(f); f.LeftNs < last; s.feed(f) {
			f = add(goesOn(f), f.LeftNs+1)
		}
	}
	return all
}

// goesOn is what is asked for where a stream was let go of.
func goesOn(f *history.Stream) history.Follow {
	asked := history.Follow{Process: f.Process, Life: f.Life, Sequence: f.Sequence, EndOnly: f.EndOnly, Resumes: &f.Index}
	switch n := len(f.Items); {
	case f.Process == "":
		asked.Cursor = registry.ChangeCursor{ClusterID: "c", Revision: f.Revision()}.String()
	case n > 0:
		asked.Life, asked.Sequence = f.Items[n-1].Life, f.Items[n-1].Event.Sequence
	}
	return asked
}

// lifeAt is the life of a process at a moment, 0 if there is none.
func (n *news) lifeAt(id string, atNs int64) (life uint64) {
	for _, c := range n.changes {
		switch {
		case c.what.ProcessID != id || c.atNs > atNs:
		case c.what.Kind == registry.ChangePruned:
			life = 0
		default:
			life = c.life
		}
	}
	return life
}

// endOf is when a life was pruned.
func (n *news) endOf(id string, life uint64) int64 {
	for _, c := range n.changes {
		if c.what.ProcessID == id && c.life == life && c.what.Kind == registry.ChangePruned {
			return c.atNs
		}
	}
	return math.MaxInt64
}

// watch brings what a watch brings.
func (s *sim) watch(f *history.Stream) {
	of := f.Life
	if of == 0 {
		of = s.news.lifeAt(f.Process, f.BeganNs)
	}
	if of == 0 {
		f.Code, f.LeftNs = registry.CodeNotFound, f.BeganNs+1
		return
	}
	ended := s.news.endOf(f.Process, of)
	if ended < f.LeftNs {
		f.Code, f.LeftNs = registry.CodeLifeEnded, max(ended, f.BeganNs)+1
	}
	cursor, at := f.Sequence, f.BeganNs
	for _, e := range s.news.events {
		if e.what.ProcessID != f.Process || e.life != of || e.what.Sequence <= cursor || f.EndOnly && e.what.Semantics.Terminal == nil {
			continue
		}
		// A life that has ended is not read any more.
		if at = max(at, e.atNs) + s.random.Int64N(1e6); at > min(f.LeftNs, ended) {
			return
		}
		f.Items = append(f.Items, history.Item{AtNs: at, Node: "n1", Life: of, Event: &e.what})
	}
}

// feed brings what a feed brings.
func (s *sim) feed(f *history.Stream) {
	cursor := f.Cursor
	if cursor == "" {
		present := uint64(0)
		for _, c := range s.news.changes {
			if c.atNs <= f.BeganNs {
				present = c.what.Revision
			}
		}
		cursor = registry.ChangeCursor{ClusterID: "c", Revision: present}.String()
	}
	at := f.BeganNs
	f.Items = []history.Item{{AtNs: at, Node: "n1", Cursor: cursor}}
	begins := f.Revision()
	for i := range s.news.changes {
		c := &s.news.changes[i]
		if c.what.Revision <= begins {
			continue
		}
		if c.what.Revision != f.Revision() {
			at = max(at, c.atNs) + 1 + s.random.Int64N(1e6)
		}
		if at > f.LeftNs {
			return
		}
		f.Items = append(f.Items, history.Item{AtNs: at, Node: "n1", Change: &c.what})
	}
}

// simulateStreams makes a history of several lives with streams.
func simulateStreams(seed uint64, calls, lost int) *history.History {
	s := newSim(seed, lost)
	s.prunes, s.news = true, new(news)
	for range calls {
		s.step()
		if s.random.IntN(2) == 0 {
			s.do(s.appendTo(s.process(), nil))
		}
	}
	return s.history()
}
