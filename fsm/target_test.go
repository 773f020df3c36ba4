package fsm

import (
	"fmt"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func targeting(id, session, frame string) *RegisterProcess {
	body := registration(id, registry.FencingOptional)
	body.Registration.WakeTarget = &storedScope{SessionID: session, AgentFrameID: frame}
	return body
}

func TestASessionIsTheWakeTargetOfABoundedNumberOfProcesses(t *testing.T) {
	r := newRig(t)
	commands := make([]Command, 0, MaxEntryCommands)
	registered := 0
	for registered < registry.MaxWakeTargetsPerSession {
		commands = commands[:0]
		for len(commands) < MaxEntryCommands && registered < registry.MaxWakeTargetsPerSession {
			registered++
			commands = append(commands, Command{Body: targeting(fmt.Sprintf("p%d", registered), "s", fmt.Sprintf("f%d", registered%3))})
		}
		for _, result := range r.entry(1, 1, commands...).Results {
			r.must(result)
		}
	}
	refusal := r.refused(r.do(targeting("one more", "s", "")), registry.CodeTooLarge)
	if f := refusal.Fields; f.Field != "wake_target" || *f.Limit != registry.MaxWakeTargetsPerSession || *f.Value != registry.MaxWakeTargetsPerSession+1 || f.SessionID != "s" {
		t.Errorf("fields %+v", f)
	}
	// A repeat is no further process, and another session has its own bound.
	r.must(r.do(targeting("p1", "s", "f1")))
	r.must(r.do(targeting("other", "s2", "")))
}
