package model

import "github.com/holdfast-registry/holdfast/registry"

// SetExternalRef is 5.3. Ended processes take one too.
type SetExternalRef struct {
	ProcessID string
	Ref       registry.ProcessExternalRef
	Fence     *registry.Fence
}

func (op SetExternalRef) step(s *State) Answer {
	return s.fenced(op.ProcessID, op.Fence, false, func(p *Process) Answer {
		switch {
		case p.ExternalRef == nil:
			p.ExternalRef = &op.Ref
			s.changed(p)
		// Absent metadata has no member in the JSON form, so that absent and
		// present ones differ. Null reads as absent: 2.1.
		case canonical(registry.JSON(text(*p.ExternalRef))) != canonical(registry.JSON(text(op.Ref))):
			a := refuse(registry.CodeAlreadyExists, op.ProcessID)
			a.Fields.Existing, a.Fields.New = text(*p.ExternalRef), text(op.Ref)
			return a
		}
		return p.answer()
	})
}

// RecordFirstStarted is 5.18. Ended processes take one too.
type RecordFirstStarted struct {
	ProcessID string
	Started   registry.ProcessStarted
	Fence     *registry.Fence
}

func (op RecordFirstStarted) step(s *State) Answer {
	return s.fenced(op.ProcessID, op.Fence, true, func(p *Process) Answer {
		if p.FirstStarted == nil {
			p.FirstStarted = &op.Started
			s.changed(p)
		}
		return p.answer()
	})
}

// RequestProcessAbandon is 5.19. It is no write that "fencing: required" asks
// a fence for: A2 names those.
type RequestProcessAbandon struct {
	ProcessID string
	Request   registry.AbandonRequest
	Fence     *registry.Fence
}

func (op RequestProcessAbandon) step(s *State) Answer {
	return s.fenced(op.ProcessID, op.Fence, false, func(p *Process) Answer {
		if p.State != "running" {
			return p.refuseTerminal()
		}
		if p.AbandonRequest == nil {
			p.AbandonRequest = &op.Request
			s.changed(p)
		}
		return p.answer()
	})
}

// SetProcessWait is 5.20. An equal wait is a change as any other: "always
// bumps".
type SetProcessWait struct {
	ProcessID string
	Wait      registry.WaitState
	Fence     *registry.Fence
}

func (op SetProcessWait) step(s *State) Answer {
	return s.fenced(op.ProcessID, op.Fence, true, func(p *Process) Answer {
		if p.State != "running" {
			return p.refuseTerminal()
		}
		p.Wait = &op.Wait
		s.changed(p)
		return p.answer()
	})
}

// ClearProcessWait is 5.21: always a change, ended or not waiting included.
type ClearProcessWait struct {
	ProcessID string
	Fence     *registry.Fence
}

func (op ClearProcessWait) step(s *State) Answer {
	return s.fenced(op.ProcessID, op.Fence, true, func(p *Process) Answer {
		p.Wait = nil
		s.changed(p)
		return p.answer()
	})
}
