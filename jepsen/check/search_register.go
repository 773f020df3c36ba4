package check

import (
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
	texts := make(registers)
	return search(v, searched[register]{name: "register", step: texts.step, fits: func(ops []*history.Op) bool {
		for _, o := range ops {
			switch o.Call.(type) {
			case model.RegisterProcess, model.GetProcess, model.RecordFirstStarted, model.CompleteProcess,
				model.EventsAfter, model.GetProcessLease, model.HandleGrantsForProcess:
			default:
				return false
			}
		}
		return true
	}})
}

// registers are what operations have written and shown: a search looks at each
// of them many times.
type registers map[*history.Op]*registerTexts

// registerTexts are what one operation writes, and the register that its answer
// shows, if it shows one.
type registerTexts struct {
	writes string
	shows  *register
}

func (texts registers) of(o *history.Op) *registerTexts {
	t := texts[o]
	if t != nil {
		return t
	}
	t = new(registerTexts)
	switch call := o.Call.(type) {
	case model.RegisterProcess:
		t.writes = hashOf(call.Registration)
	case model.RecordFirstStarted:
		t.writes = jsonText(call.Started)
	case model.CompleteProcess:
		t.writes = jsonText(registry.ProcessStatus{State: call.Output.Kind.State(), AwaitOutput: &call.Output})
	}
	if record := o.Answer.Record; o.Outcome == history.OK && record != nil {
		t.shows = &register{hash: record.RegistrationHash, status: jsonText(record.Status)}
		if record.FirstStarted != nil {
			t.shows.started = jsonText(*record.FirstStarted)
		}
	}
	texts[o] = t
	return t
}

// step answers what the register is after an operation; nothing when it cannot
// have given the answer.
func (texts registers) step(r register, o *history.Op) []register {
	a, t := o.Answer, texts.of(o)
	if r.hash == "" && o.Outcome != history.Unknown {
		switch o.Call.(type) {
		case model.RegisterProcess, model.GetProcessLease:
		default:
			return r.only(a.Code == registry.CodeNotFound)
		}
	}
	switch o.Call.(type) {
	case model.RegisterProcess:
		if a.Code == registry.CodeAlreadyExists {
			return r.only(r.hash != "" && r.hash != t.writes && a.Fields.ExistingHash == r.hash)
		}
		if r.hash == "" {
			r = register{hash: t.writes, status: running}
		}
	case model.RecordFirstStarted:
		if r.hash != "" && r.started == "" {
			r.started = t.writes
		}
	case model.CompleteProcess:
		if a.Code == registry.CodeTerminal || a.Code == registry.CodeReplayConflict {
			return r.only(r.status != running && r.status != t.writes)
		}
		if r.status == running {
			r.status = t.writes
		}
	case model.GetProcess:
	default:
		return []register{r}
	}
	return r.only(o.Outcome == history.Unknown || readAgain(o) || t.shows != nil && *t.shows == r)
}

func (r register) only(possible bool) []register {
	if possible {
		return []register{r}
	}
	return nil
}

// hashOf is the hash of a registration as it is stored: with the core types.
func hashOf(r registry.ProcessRegistration) string {
	s := model.New()
	return s.Do(model.RegisterProcess{Registration: r}).Record.RegistrationHash
}
