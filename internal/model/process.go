package model

import (
	"cmp"
	"maps"
	"slices"

	"github.com/holdfast-registry/holdfast/registry"
)

// RegisterProcess is 5.2.
type RegisterProcess struct{ Registration registry.ProcessRegistration }

func (op RegisterProcess) step(s *State) Answer {
	r := op.Registration
	r.EventTypes = completed(r.EventTypes)
	hash, err := registry.RegistrationHash(r)
	if err != nil {
		panic(err)
	}
	if p := s.Processes[r.ID]; p != nil {
		if p.Hash == hash {
			return p.answer()
		}
		a := refuse(registry.CodeAlreadyExists, r.ID)
		a.Fields.ExistingHash, a.Fields.NewHash = p.Hash, hash
		return a
	}
	p := &Process{Registration: r, Hash: hash, State: "running", CreatedAtMs: s.ClockMs, Acked: map[uint64]bool{}}
	s.changed(p)
	p.Life = p.Revision
	s.Processes[r.ID] = p
	return p.answer()
}

// completed appends the core types that are not declared. 4.1.
func completed(declared []registry.ProcessEventType) []registry.ProcessEventType {
	types := slices.Clone(declared)
	for _, name := range []string{"cancel_requested", "waiting", "resumed", "completed", "failed", "cancelled", "abandoned"} {
		core := registry.ProcessEventType{Name: "process." + name, PayloadSchema: registry.JSON("{}")}
		switch name {
		case "completed", "failed", "cancelled", "abandoned":
			core.Semantics.Terminal = &registry.TerminalSpec{
				State:       registry.ProcessState(name),
				AwaitOutput: &registry.Selector{Kind: "pointer", Text: "/await_output"},
			}
		}
		if !slices.ContainsFunc(declared, func(t registry.ProcessEventType) bool { return t.Name == core.Name }) {
			types = append(types, core)
		}
	}
	return types
}

// GetProcess is 5.22 with A7.
type GetProcess struct{ ProcessID string }

func (op GetProcess) step(s *State) Answer {
	return s.on(op.ProcessID, (*Process).answer)
}

// ListProcesses is 5.23: the whole list.
type ListProcesses struct{ Filter registry.ProcessListFilter }

func (op ListProcesses) step(s *State) Answer {
	var a Answer
	for _, id := range s.ids() {
		if p := s.Processes[id]; matches(op.Filter, p) {
			a.Records = append(a.Records, *p.answer().Record)
		}
	}
	return a
}

// ids are those of all processes, ascending.
func (s *State) ids() []string { return slices.Sorted(maps.Keys(s.Processes)) }

// matches is the rule of 3.20.
func matches(f registry.ProcessListFilter, p *Process) bool {
	status, definition := cmp.Or(string(f.Status), "running"), p.Registration.Identity.Definition
	return (status == "any" || status == string(p.State)) &&
		(f.Definition == nil || definition != nil && canonical(f.Definition) == canonical(definition)) &&
		(f.Waiting == nil || *f.Waiting == (p.Wait != nil))
}

// ListNonTerminal is 5.25: the whole list.
type ListNonTerminal struct{}

func (ListNonTerminal) step(s *State) Answer { return s.Do(ListProcesses{}) }

// CompleteProcess is 5.17 with A20.
type CompleteProcess struct {
	ProcessID string
	Output    registry.ProcessAwaitOutput
	Fence     *registry.Fence
}

func (op CompleteProcess) step(s *State) Answer {
	return s.fenced(op.ProcessID, op.Fence, true, func(p *Process) Answer {
		if p.Output != nil && withoutTime(*p.Output) == withoutTime(op.Output) {
			return p.answer()
		}
		eventType := "process." + map[registry.OutputKind]string{
			"success": "completed", "failure": "failed", "cancelled": "cancelled", "abandoned": "abandoned",
		}[op.Output.Kind]
		a := s.Do(AppendEvent{ProcessID: op.ProcessID, Fence: op.Fence, Request: registry.ProcessEventAppendRequest{
			EventType: eventType,
			Payload:   registry.JSON(`{"await_output":` + text(op.Output) + `}`),
			Replay:    &registry.Replay{Key: "process:" + op.ProcessID + ":terminal:" + eventType},
		}})
		if a.Code != 0 {
			return a
		}
		return p.answer()
	})
}

// withoutTime is an output's text without the time of its evidence. A20.
func withoutTime(o registry.ProcessAwaitOutput) string {
	if o.Evidence != nil {
		evidence := *o.Evidence
		evidence.EpochMs = 0
		o.Evidence = &evidence
	}
	return canonical(registry.JSON(text(o)))
}
