package check

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// register is what can be seen of a process that is only registered, started
// and completed: three places that are written once. Empty is not yet.
type register struct{ hash, started, status string }

var running = jsonText(registry.ProcessStatus{State: registry.StateRunning})

// checkRegisters looks for linearizations of the processes that nobody leases.
func checkRegisters(v *view) ([]Violation, string, string) {
	return search(v, registerModel, "register", func(ops []*history.Op) bool {
		for _, o := range ops {
			switch o.Call.(type) {
			case model.RegisterProcess, model.GetProcess, model.RecordFirstStarted, model.CompleteProcess,
				model.EventsAfter, model.GetProcessLease, model.HandleGrantsForProcess:
			default:
				return false
			}
		}
		return true
	})
}

var registerModel = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(state, input, _ any) (bool, any) {
		next, ok := state.(register).step(input.(*history.Op))
		return ok, next
	},
	DescribeOperation: describeOperation,
	DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
}

// step answers whether the register may have given the answer, and what it is
// then.
func (r register) step(o *history.Op) (register, bool) {
	a := o.Answer
	if r.hash == "" && o.Outcome != history.Unknown {
		switch o.Call.(type) {
		case model.RegisterProcess, model.GetProcessLease:
		default:
			return r, a.Code == registry.CodeNotFound
		}
	}
	switch call := o.Call.(type) {
	case model.RegisterProcess:
		hash := hashOf(call.Registration)
		if a.Code == registry.CodeAlreadyExists {
			return r, r.hash != "" && r.hash != hash && a.Fields.ExistingHash == r.hash
		}
		if r.hash == "" {
			r = register{hash: hash, status: running}
		}
		return r, r.shown(o)
	case model.RecordFirstStarted:
		if r.hash != "" && r.started == "" {
			r.started = jsonText(call.Started)
		}
		return r, r.shown(o)
	case model.CompleteProcess:
		status := jsonText(registry.ProcessStatus{State: call.Output.Kind.State(), AwaitOutput: &call.Output})
		if a.Code == registry.CodeTerminal || a.Code == registry.CodeReplayConflict {
			return r, r.status != running && r.status != status
		}
		if r.status == running {
			r.status = status
		}
		return r, r.shown(o)
	case model.GetProcess:
		return r, r.shown(o)
	default:
		return r, true
	}
}

// shown tells whether the record in an answer is that of the register.
func (r register) shown(o *history.Op) bool {
	if o.Outcome == history.Unknown {
		return true
	}
	if readAgain(o) {
		return true
	}
	record := o.Answer.Record
	if o.Outcome != history.OK || record == nil {
		return false
	}
	started := ""
	if record.FirstStarted != nil {
		started = jsonText(*record.FirstStarted)
	}
	return record.RegistrationHash == r.hash && started == r.started && jsonText(record.Status) == r.status
}

// hashOf is the hash of a registration as it is stored: with the core types.
func hashOf(r registry.ProcessRegistration) string {
	s := model.New()
	return s.Do(model.RegisterProcess{Registration: r}).Record.RegistrationHash
}
