package check

import (
	"cmp"
	"slices"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// ahead is what is known of a history before it is replayed: where unknown
// operations can have made revisions at all, and who looks at a process next. An
// unknown operation that the next answer about its process refutes is not
// followed up to there.
type ahead struct {
	// about are the known operations on the row of each process, by revision;
	// unknown those of unknown outcome.
	about, unknown map[string][]*history.Op
	// several are the known operations that may change several rows, by revision;
	// severalUnknown those of unknown outcome.
	several, severalUnknown []*history.Op
	// handed are the times that each process was handed out, by revision.
	handed map[string][]handedAt
	// gaps counts the revisions up to each that unknown operations may have made.
	gaps []int
	// ids are the processes of all operations by index, empty where there are
	// several or none.
	ids map[int]string
}

func lookAhead(v *view, never map[*history.Op]bool, groups map[uint64][]*history.Op, last uint64) *ahead {
	a := &ahead{
		about: make(map[string][]*history.Op), unknown: make(map[string][]*history.Op), handed: make(map[string][]handedAt),
		gaps: make([]int, last+1), ids: make(map[int]string, len(v.Ops)),
	}
	for _, o := range v.Ops {
		a.ids[o.Index], _ = processOf(o.Call)
	}
	for _, o := range v.judged {
		for _, c := range o.Answer.Claims {
			a.handed[c.Record.ID] = append(a.handed[c.Record.ID], handedAt{o.Info.Revision, c.Record.Life, c.Attempt})
		}
		switch id := a.ids[o.Index]; {
		case onGrants(o.Call):
		case id != "":
			a.about[id] = append(a.about[id], o)
		case !isRead(o.Call):
			a.several = append(a.several, o)
		}
	}
	for _, o := range v.unknown {
		switch id := a.ids[o.Index]; {
		case never[o] || onGrants(o.Call):
		case id != "":
			a.unknown[id] = append(a.unknown[id], o)
		default:
			a.severalUnknown = append(a.severalUnknown, o)
		}
	}
	for revision := uint64(1); revision <= last; revision++ {
		a.gaps[revision] = a.gaps[revision-1]
		if makerOf(groups[revision]) == nil {
			a.gaps[revision]++
		}
	}
	return a
}

// handedAt is a time that claim-next handed a process out: in which life, and the
// number of the attempt.
type handedAt struct{ revision, life, attempt uint64 }

// tooOften tells whether a process was handed out more often by a revision than
// the next time that it was, in the same life, shows.
func (a *ahead) tooOften(p *model.Process, revision uint64) bool {
	handed := a.handed[p.Registration.ID]
	i := slices.IndexFunc(handed, func(h handedAt) bool { return h.revision > revision })
	return i >= 0 && handed[i].life == p.Life && handed[i].attempt <= p.Attempts
}

// makerOf is the operation of a group that changes something whenever it is
// accepted: nothing else can have made the revision. nil if there is none.
func makerOf(group []*history.Op) *history.Op {
	for _, o := range group {
		if o.Outcome != history.OK {
			continue
		}
		switch call := o.Call.(type) {
		case model.ClaimProcessLease, model.ReclaimProcessLease, model.RenewProcessLease:
			if grants(o) != nil {
				return o
			}
		case model.AppendEvent:
			if call.Request.Replay == nil {
				return o
			}
		case model.ClaimNext:
			if len(o.Answer.Claims) > 0 {
				return o
			}
		case model.GrantHandle, model.SetProcessWait, model.ClearProcessWait:
			return o
		}
	}
	return nil
}

// onGrants tells whether a call neither changes nor shows a row.
func onGrants(call model.Op) bool {
	switch call.(type) {
	case model.GrantHandle, model.RevokeHandle, model.TransferHandleGrants, model.HasHandleGrant, model.HandleGrantsForProcess:
		return true
	}
	return false
}

// maxAhead bounds how many ways are tried in which unknown operations may lead
// to the next answer about a process.
const maxAhead = 200

// maxLooks is to how many answers it is looked ahead.
const maxLooks = 20

// bears tells whether a world in which an unknown operation has just made a
// revision is borne out by the next answers about its process, or each that it was
// handed, and takes over what they show of the row. True where nobody can tell yet.
func (r *replay) bears(w *world, o *history.Op) bool {
	if call, hands := o.Call.(model.ClaimNext); hands {
		for id, p := range w.state.Processes {
			got := p.Lease.Held && p.Lease.Owner.SameIncarnation(call.Owner)
			if got && (r.ahead.tooOften(p, w.state.Revision) || !r.bearsRow(w, id)) {
				return false
			}
		}
		return true
	}
	id := r.ahead.ids[o.Index]
	return id == "" || onGrants(o.Call) || r.bearsRow(w, id)
}

// bearsRow is bears for the row of one process.
func (r *replay) bearsRow(w *world, id string) bool {
	at := w.state.Revision
	row := w.only(id)
	for i, next := range r.ahead.nextAbout(id, at) {
		if i == maxLooks || r.crosses(row, id, at, next.Info.Revision) {
			return true
		}
		makers := r.ahead.makersAbout(id, next.Info.Revision)
		if len(makers) > 1 {
			return true
		}
		makes := len(makers) == 1
		if makes {
			next = makers[0] // others look at what it leaves
		}
		open := r.mayInterfere(row, id, at, next.Info.Revision)
		budget := maxAhead
		if len(open) == 0 && !makes {
			row.correct(next)
		}
		if possible := r.leads(row, next, id, open, &budget); !possible || makes {
			return possible
		}
		if len(open) == 0 {
			w.state.Processes[id] = row.state.Processes[id]
			w.setVague(id, row.vague[id])
		}
	}
	return true
}

// nextAbout are the known operations on a process behind a revision.
func (a *ahead) nextAbout(id string, revision uint64) []*history.Op {
	about := a.about[id]
	first, _ := slices.BinarySearchFunc(about, revision+1, func(o *history.Op, revision uint64) int { return cmp.Compare(o.Info.Revision, revision) })
	return about[first:]
}

// makersAbout are those of the known operations on a process that may have made
// a revision.
func (a *ahead) makersAbout(id string, revision uint64) (makers []*history.Op) {
	for _, o := range a.nextAbout(id, revision-1) {
		if o.Info.Revision != revision {
			break
		}
		if !onlyLooks(o) {
			makers = append(makers, o)
		}
	}
	return makers
}

// only is a world of one process, for what is about nothing else.
func (w *world) only(id string) *world {
	state := *w.state
	state.Processes, state.Grants = make(map[string]*model.Process, 1), nil
	if p := w.state.Processes[id]; p != nil {
		state.Processes[id] = p
	}
	row := &world{state: &state, used: w.used}
	if v, ok := w.vague[id]; ok {
		row.vague = map[string]vague{id: v}
	}
	return row
}

// onlyLooks tells whether an operation cannot have made its revision.
func onlyLooks(o *history.Op) bool { return o.Outcome != history.OK || isRead(o.Call) }

// crosses tells whether something on several processes may change the row of one
// behind a revision and up to another.
func (r *replay) crosses(w *world, id string, from, to uint64) bool {
	a := r.ahead
	i, _ := slices.BinarySearchFunc(a.several, from+1, func(o *history.Op, revision uint64) int { return cmp.Compare(o.Info.Revision, revision) })
	for ; i < len(a.several) && a.several[i].Info.Revision <= to; i++ {
		if w.reaches(a.several[i], id) {
			return true
		}
	}
	return a.gaps[to] > a.gaps[from] && slices.ContainsFunc(a.severalUnknown, func(u *history.Op) bool {
		return !deletesSession(u) && r.isOpen(w, u, to) && w.reaches(u, id)
	})
}

// isOpen tells whether an unknown operation may yet happen up to a revision.
func (r *replay) isOpen(w *world, u *history.Op, to uint64) bool {
	return !w.has(u.Index) && u.InvokeNs <= r.returned[to] && !r.over(w, u)
}

// deletesSession tells whether an operation does to each row that it reaches what
// depends on no other.
func deletesSession(o *history.Op) bool {
	_, deletes := o.Call.(model.DeleteSessionProcessState)
	return deletes
}

// reaches tells whether an operation on several processes may change a row.
func (w *world) reaches(o *history.Op, id string) bool {
	p := w.state.Processes[id]
	if o.Outcome == history.Refused {
		return false
	}
	switch call := o.Call.(type) {
	case model.DeleteSessionProcessState:
		if p == nil {
			return true
		}
		target := p.Registration.WakeTarget
		return target != nil && target.SessionID == call.SessionID
	case model.ClaimNext:
		if o.Outcome == history.Unknown {
			return p == nil || p.IsOf(call.Kinds)
		}
		return slices.ContainsFunc(o.Answer.Claims, func(c registry.ClaimedProcess) bool { return c.Lease.ProcessID == id })
	}
	return true
}

// mayInterfere are the unknown operations that may change the row of a process
// behind one revision and up to another.
func (r *replay) mayInterfere(w *world, id string, from, to uint64) (open []*history.Op) {
	if r.ahead.gaps[to] == r.ahead.gaps[from] {
		return nil
	}
	for _, u := range r.ahead.unknown[id] {
		if r.isOpen(w, u, to) {
			open = append(open, u)
		}
	}
	for _, u := range r.ahead.severalUnknown {
		if deletesSession(u) && r.isOpen(w, u, to) && w.reaches(u, id) {
			open = append(open, u)
		}
	}
	return open
}

// leads tells whether an operation may be answered as it was when some of the
// unknown ones have happened before.
func (r *replay) leads(row *world, o *history.Op, id string, open []*history.Op, budget *int) bool {
	if *budget--; *budget < 0 || row.agrees(o, id) || !onlyLooks(o) && row.makes(o, id) {
		return true
	}
	for _, u := range open {
		if row.has(u.Index) {
			continue
		}
		for _, c := range r.choices(row, u, span{r.position, place(o.Info)}) {
			if next := r.take(row, c, u); next != nil && r.leads(next, o, id, open, budget) {
				return true
			}
		}
	}
	return false
}

// alone tells whether a known operation that would make a revision in a world
// has to have made it there: nothing unknown can have done the same before.
func (r *replay) alone(w *world, o *history.Op) bool {
	id, revision := r.ahead.ids[o.Index], o.Info.Revision
	return id != "" && !onGrants(o.Call) && !w.vague[id].leaseVague &&
		!r.crosses(w, id, revision-1, revision) && len(r.mayInterfere(w, id, revision-1, revision)) == 0
}

// agrees tells whether an operation that changes nothing may be answered as it
// was, as far as the row of its process goes.
func (w *world) agrees(o *history.Op, id string) bool {
	return slices.ContainsFunc(w.split(id, o.Info.LeaseTimeMs), func(each *world) bool {
		look := each.only(id)
		look.state.Revision = o.Info.Revision
		return look.looks(o) == nil
	})
}

// makes tells whether an operation may have made its revision and been answered
// as it was, as far as the row of its process goes. How many tokens others have
// got by then is not known.
func (w *world) makes(o *history.Op, id string) bool {
	return slices.ContainsFunc(w.split(id, o.Info.LeaseTimeMs), func(each *world) bool {
		made := each.fork(id)
		made.state.Revision = o.Info.Revision - 1
		if l := grants(o); l == nil {
			made.correct(o)
		} else if l.FencingToken > 0 {
			made.state.Fencing = l.FencingToken - 1
		}
		made.at(place(o.Info))
		answer := made.state.Do(asked(o))
		return made.state.Revision == o.Info.Revision && differs(o, answer) == nil
	})
}
