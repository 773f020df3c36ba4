package check

import (
	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// leased is what can be seen of the lease of one process without a clock: a
// lease that is held may have ended at any time, but it ends once.
type leased struct {
	known, ended bool
	// holder is the incarnation that holds the lease; its token is unknownToken
	// while only an operation of unknown outcome can have got it.
	holder, token string
	// fencing is the greatest token so far; that of an unknown token is greater.
	fencing uint64
	// expired is set once somebody was told so.
	expired bool
}

const unknownToken = "?"

// checkLeases looks for linearizations of the processes that are leased.
func checkLeases(v *view) ([]Violation, string, string) {
	return search(v, searched[leased]{name: "lease", step: leased.step, says: saysOfLease, fits: func(ops []*history.Op) bool {
		leases := false
		for _, o := range ops {
			switch o.Call.(type) {
			case model.ClaimProcessLease, model.RenewProcessLease:
				leases = true
			case model.ReclaimProcessLease, model.PruneTerminalProcesses:
				return false
			}
		}
		return leases
	}})
}

// saysOfLease leaves out what step makes nothing of: above all what is written
// without a fence, and the writes under one that nobody knows about.
func saysOfLease(o *history.Op) bool {
	switch o.Call.(type) {
	case model.RegisterProcess, model.CompleteProcess, model.ClaimProcessLease, model.CompleteProcessLease, model.GetProcessLease:
		return true
	case model.RenewProcessLease:
		return o.Outcome != history.Unknown
	}
	return fenceOf(o.Call) != nil && (o.Outcome == history.OK || o.Answer.Code == registry.CodeFenced)
}

// step answers what the lease may be after an operation; nothing when the
// answer cannot have been given.
func (s leased) step(o *history.Op) []leased {
	unknown := o.Outcome == history.Unknown
	switch call := o.Call.(type) {
	case model.RegisterProcess:
		s.known = s.known || o.Outcome != history.Refused
		return []leased{s}
	case model.CompleteProcess:
		return s.complete(o, call)
	case model.ClaimProcessLease:
		if unknown {
			return s.mayClaim(call)
		}
		return s.claim(o, call)
	case model.RenewProcessLease:
		return s.renew(o, call)
	case model.CompleteProcessLease:
		if s.token != call.Completion.LeaseToken {
			// It may be the one whose token nobody knew yet.
			return []leased{s}
		}
		free := s
		free.holder, free.token, free.expired = "", "", false
		if unknown {
			return []leased{free, s}
		}
		return []leased{free}
	case model.GetProcessLease:
		if o.Answer.Lease == nil {
			return s.only(s.holder == "")
		}
		return s.shows(o.Answer.Lease)
	default:
		return s.fenced(o)
	}
}

func (s leased) only(possible bool) []leased {
	if possible {
		return []leased{s}
	}
	return nil
}

func name(owner registry.LeaseOwnerIdentity) string { return owner.OwnerID + "/" + owner.IncarnationID }

// shows learns from a lease that an answer shows: it is the current one.
func (s leased) shows(l *registry.ProcessLease) []leased {
	if s.holder != name(l.Owner) {
		return nil
	}
	if s.token == unknownToken {
		if l.FencingToken <= s.fencing {
			return nil
		}
		s.token, s.fencing = l.LeaseToken, l.FencingToken
	}
	return s.only(s.token == l.LeaseToken && s.fencing == l.FencingToken)
}

func (s leased) claim(o *history.Op, call model.ClaimProcessLease) []leased {
	switch {
	case o.Answer.Code == registry.CodeNotFound:
		return s.only(!s.known)
	case o.Answer.Code == registry.CodeTerminal:
		return s.only(s.ended)
	case o.Outcome != history.OK || s.ended || !s.known:
		return nil
	case o.Answer.Busy:
		if s.expired || s.holder == name(call.Owner) {
			return nil
		}
		return s.shows(o.Answer.Lease)
	}
	l := o.Answer.Lease
	if s.token == l.LeaseToken {
		return s.only(!s.expired && s.holder == name(call.Owner) && s.fencing == l.FencingToken)
	}
	s.token, s.holder, s.expired = l.LeaseToken, name(l.Owner), false
	grew := l.FencingToken > s.fencing
	s.fencing = l.FencingToken
	return s.only(grew && s.holder == name(call.Owner))
}

// mayClaim is a claim whose answer nobody saw: it got the lease or did not.
func (s leased) mayClaim(call model.ClaimProcessLease) []leased {
	if s.ended || !s.known {
		return []leased{s}
	}
	got := s
	got.holder, got.token, got.expired = name(call.Owner), unknownToken, false
	return []leased{s, got}
}

func (s leased) renew(o *history.Op, call model.RenewProcessLease) []leased {
	mine := s.holder == name(call.Lease.Owner)
	if mine && s.token == unknownToken && call.Lease.FencingToken > s.fencing {
		s.token, s.fencing = call.Lease.LeaseToken, call.Lease.FencingToken
	}
	mine = mine && s.token == call.Lease.LeaseToken
	if o.Outcome == history.OK {
		return s.only(mine && !s.expired)
	}
	if mine {
		s.expired = true
	}
	return []leased{s}
}

// fenced is a write that is checked by its fence and says nothing else here.
func (s leased) fenced(o *history.Op) []leased {
	fence := fenceOf(o.Call)
	if fence == nil {
		return []leased{s}
	}
	if s.token == unknownToken && fence.FencingToken > s.fencing && o.Outcome == history.OK {
		s.token, s.fencing = fence.LeaseToken, fence.FencingToken
	}
	passes := s.holder != "" && s.token == fence.LeaseToken && s.fencing == fence.FencingToken
	switch {
	case o.Answer.Code == registry.CodeFenced:
		if s.token == unknownToken {
			return []leased{s}
		}
		current := o.Answer.Fields.FencingToken
		return s.only(!passes && current != nil && *current == s.fencing)
	case o.Outcome == history.OK:
		return s.only(passes)
	}
	return []leased{s}
}

func (s leased) complete(o *history.Op, call model.CompleteProcess) []leased {
	done := s
	done.ended = true
	switch {
	case o.Outcome == history.Unknown:
		return []leased{done, s}
	case o.Outcome == history.OK:
		return done.fenced(o)
	}
	return s.fenced(o)
}
