package registrytest

import (
	"fmt"
	"strings"

	"github.com/holdfast-registry/holdfast/registry"
)

var terminalChecks = []Check{
	{
		Name: "completing appends the terminal event of the output's kind",
		Why:  "spec 5.17: type, payload, replay key and sequence of the append",
		check: func(s *scene) {
			for _, c := range outputs {
				id := s.process(string(c.state))
				s.note(id, `1`)
				r := s.complete(id, c.output)
				equal(s, "state", r.Status.State, c.state)
				s.same("output", r.Status.AwaitOutput, c.output)
				e := s.eventsAfter(id, 1)[0]
				name := "process." + string(c.state)
				equal(s, "sequence", e.Sequence, 2)
				equal(s, "event_type", e.EventType, name)
				equal(s, "replay key", e.ReplayKey, "process:"+id+":terminal:"+name)
				s.same("payload", e.Payload, map[string]any{"await_output": c.output})
				equal(s, "terminal state", e.Semantics.Terminal.State, c.state)
				s.same("terminal output", e.Semantics.Terminal.AwaitOutput, c.output)
				equal(s, "updated_at_ms", r.UpdatedAtMs, e.OccurredAtMs)
				s.same("the record as it is read", s.get(id), r)
			}
		},
	},
	{
		Name: "completing moves updated_at",
		Why:  "spec 5: complete_process as append_event",
		check: func(s *scene) {
			id := s.process("p")
			s.moved(id, func() { s.complete(id, success(`1`)) })
		},
	},
	{
		Name: "an unknown process can not be completed",
		Why:  "spec 5.17: unknown is an error",
		check: func(s *scene) {
			s.refused(registry.CodeNotFound, failure(s.CompleteProcess(s.ctx, s.id("none"), success(`1`), nil)))
		},
	},
	{
		Name: "completing again with an equal output changes nothing",
		Why:  "spec 5.17: idempotent, returns the record unchanged",
		check: func(s *scene) {
			for _, c := range outputs {
				id := s.process(string(c.state))
				first := s.complete(id, c.output)
				s.unchanged(id, func() { s.same("the answer", s.complete(id, c.output), first) })
				equal(s, "events", len(s.eventsAfter(id, 0)), 1)
			}
		},
	},
	{
		Name: "outputs are compared as JSON values",
		Why:  "spec 5.17: equality of outputs is by JSON hash",
		check: func(s *scene) {
			id := s.process("p")
			first := s.complete(id, success(`{"a":1,"b":"A"}`))
			s.same("the answer", s.complete(id, success(`{ "b":"\u0041", "a":1 }`)), first)
			s.refused(registry.CodeReplayConflict, failure(s.CompleteProcess(s.ctx, id, success(`{"a":1.0,"b":"A"}`), nil)))
		},
	},
	{
		Name: "another output of the same kind conflicts",
		Why:  "spec 5.17: same arm, other output: replay-key conflict",
		check: func(s *scene) {
			id := s.process("p")
			s.complete(id, failed("one"))
			s.unchanged(id, func() {
				refusal := s.refused(registry.CodeReplayConflict, failure(s.CompleteProcess(s.ctx, id, failed("two"), nil)))
				equal(s, "replay_key", refusal.Fields.ReplayKey, "process:"+id+":terminal:process.failed")
			})
			equal(s, "events", len(s.eventsAfter(id, 0)), 1)
		},
	},
	{
		Name: "an output of another kind finds the process ended",
		Why:  "spec 5.17: other arm on a terminal row: already terminal",
		check: func(s *scene) {
			id := s.ended("p")
			s.unchanged(id, func() {
				refusal := s.refused(registry.CodeTerminal, failure(s.CompleteProcess(s.ctx, id, cancelled("no"), nil)))
				equal(s, "state", refusal.Fields.State, "completed")
				equal(s, "process_id", refusal.Fields.ProcessID, id)
			})
		},
	},
	{
		Name: "the time in the evidence does not make another output",
		Why:  "spec A20: equal except for evidence.epoch_ms returns the record as it is",
		check: func(s *scene) {
			id := s.process("p")
			first := s.complete(id, abandoned(registry.WriterSweep, 5))
			s.unchanged(id, func() { s.same("the answer", s.complete(id, abandoned(registry.WriterSweep, 6)), first) })
			equal(s, "events", len(s.eventsAfter(id, 0)), 1)
			s.refused(registry.CodeReplayConflict, failure(s.CompleteProcess(s.ctx, id, abandoned(registry.WriterOwnerDrain, 5), nil)))
			owned := abandoned(registry.WriterSweep, 5)
			owned.Evidence.Owner = ref(owner("w", "i"))
			s.refused(registry.CodeReplayConflict, failure(s.CompleteProcess(s.ctx, id, owned, nil)))
		},
	},
	{
		Name: "completing is the same write as the append that it stands for",
		Why:  "spec 5.17: exactly an append",
		check: func(s *scene) {
			id := s.process("p")
			request := event("process.completed", `{"await_output":{"type":"success","value":1}}`, "process:"+id+":terminal:process.completed")
			first := s.append(id, request).Event
			s.unchanged(id, func() { equal(s, "state", s.complete(id, success(`1`)).Status.State, registry.StateCompleted) })
			other := s.process("q")
			s.complete(other, success(`1`))
			request.Replay.Key = "process:" + other + ":terminal:process.completed"
			again := s.append(other, request).Event
			equal(s, "sequence", again.Sequence, 1)
			s.same("semantics", again.Semantics, first.Semantics)
		},
	},
	{
		Name: "it does not matter which event ended the process with that output",
		Why:  "spec A20: completing again",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), terminalType("end", registry.StateCompleted, nil))).ID
			s.append(id, event("end", `{"a":1}`, "k"))
			s.unchanged(id, func() { s.complete(id, success(`{"a":1}`)) })
			s.refused(registry.CodeTerminal, failure(s.CompleteProcess(s.ctx, id, success(`{"a":2}`), nil)))
		},
	},
	{
		Name: "of completions at the same time one wins for good",
		Why:  "spec 1: written exactly once, and never changes afterwards",
		check: func(s *scene) {
			id := s.process("p")
			var errs [4]error
			atOnce(4, func(i int) { _, errs[i] = s.CompleteProcess(s.ctx, id, outputs[i].output, nil) })
			won := -1
			for i, err := range errs {
				if err == nil {
					s.holds(won < 0, "two completions of different kinds succeeded")
					won = i
					continue
				}
				s.refused(registry.CodeTerminal, err)
			}
			if won < 0 {
				s.Fatalf("no completion succeeded")
			}
			equal(s, "state", s.get(id).Status.State, outputs[won].state)
			equal(s, "events", len(s.eventsAfter(id, 0)), 1)
		},
	},
	{
		Name: "an output that lacks what its kind needs is invalid",
		Why:  "spec 3.15: required fields and words; A8",
		check: func(s *scene) {
			id := s.process("p")
			late := failed("m")
			late.Class = "late"
			for _, output := range []registry.ProcessAwaitOutput{
				{}, {Kind: "done"}, {Kind: registry.OutputSuccess}, late, {Kind: registry.OutputFailure, Code: "c", Message: "m"},
				{Kind: registry.OutputAbandoned}, abandoned("nobody", 1), abandoned("", 1),
			} {
				s.refused(registry.CodeInvalidArgument, failure(s.CompleteProcess(s.ctx, id, output, nil)))
			}
			equal(s, "state", s.get(id).Status.State, registry.StateRunning)
		},
	},
	{
		Name: "an output keeps all that it says",
		Why:  "spec 3.15: raw, control and evidence are part of the output",
		check: func(s *scene) {
			full := failed("m")
			full.Raw = registry.JSON(`{"trace":[1, 2]}`)
			full.Control = registry.JSON(`{"type":"switch_agent_frame","frame_id":"f","initial_nodes":[{"n":1}],"task":"t"}`)
			owned := abandoned(registry.WriterReconciledRequest, maxUint64)
			owned.Evidence.Owner = ref(local("w", "i", "h", "b", 7))
			for i, output := range []registry.ProcessAwaitOutput{full, owned} {
				id := s.process(fmt.Sprint(i))
				s.complete(id, output)
				s.same("the output", s.get(id).Status.AwaitOutput, output)
			}
		},
	},
	{
		Name: "completing does not release the lease",
		Why:  "spec A6, 5.17: the release is explicit",
		check: func(s *scene) {
			id := s.process("p")
			lease := s.claim(id, owner("w", "1"), longTTL)
			s.complete(id, success(`1`))
			held := s.held(id)
			equal(s, "lease token", held.LeaseToken, lease.LeaseToken)
			s.renew(lease, longTTL)
			s.release(lease)
			s.holds(s.lease(id) == nil, "the lease is still there")
		},
	},
	{
		Name: "a declared terminal type ends the process with its payload",
		Why:  "spec 4.4: completed without a selector: success with the whole payload",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), terminalType("end", registry.StateCompleted, nil))).ID
			e := s.append(id, event("end", `{"type":"failure", "n":1.0}`, "k")).Event
			s.same("status", s.get(id).Status, registry.ProcessStatus{State: registry.StateCompleted, AwaitOutput: ref(success(`{"type":"failure", "n":1.0}`))})
			equal(s, "updated_at_ms", s.get(id).UpdatedAtMs, e.OccurredAtMs)
		},
	},
	{
		Name: "a selected value that reads as an output is the output",
		Why:  "spec 4.4: unknown fields dropped",
		check: func(s *scene) {
			for _, c := range outputs {
				ends(s, c.state, s.form(c.output), c.output)
			}
			ends(s, registry.StateCompleted, `{"extra":1,"value":2,"type":"success"}`, success(`2`))
			ends(s, registry.StateFailed, `{"type":"failure","class":"timeout","code":"late","message":"m","raw":null,"control":null}`, failed("m"))
		},
	},
	{
		Name: "any other selected value is wrapped by the declared state",
		Why:  "spec 4.4: if it does not read",
		check: func(s *scene) {
			const value = `{"b":1, "a":"x"}`
			text := `{"a":"x","b":1}`
			ends(s, registry.StateCompleted, value, success(value))
			ends(s, registry.StateFailed, value, registry.ProcessAwaitOutput{
				Kind: registry.OutputFailure, Class: registry.ClassExecution, Code: "process_failed", Message: text, Raw: registry.JSON(value),
			})
			ends(s, registry.StateFailed, `"broken"`, registry.ProcessAwaitOutput{
				Kind: registry.OutputFailure, Class: registry.ClassExecution, Code: "process_failed", Message: "broken", Raw: registry.JSON(`"broken"`),
			})
			ends(s, registry.StateCancelled, value, registry.ProcessAwaitOutput{Kind: registry.OutputCancelled, Message: text, Raw: registry.JSON(value)})
			ends(s, registry.StateAbandoned, value, abandoned(registry.WriterOwnerDrain, 0))
		},
	},
	{
		Name: "a value that nearly reads as an output is wrapped",
		Why:  "spec 4.4: every required field needs the right type; a malformed control makes the whole read fail",
		check: func(s *scene) {
			for _, value := range []string{
				`{"type":"success"}`, `{"type":"Success","value":1}`, `{"value":1}`, `{"type":"success","value":1,"control":{"type":"none"}}`,
				`{"type":"failure","class":"timeout","code":1,"message":"m"}`, `{"type":"cancelled"}`, `{"type":"abandoned","evidence":{"writer":"sweep"}}`,
				`["success",5]`, `{"type":"success","value":1,"control":{"type":"finish"}}`,
			} {
				ends(s, registry.StateCompleted, value, success(value))
			}
		},
	},
	{
		Name: "an output of another kind than the declared state is rejected",
		Why:  "spec A17: a terminal event's output arm must agree with the declared state",
		check: func(s *scene) {
			id := s.process("p")
			for _, c := range outputs {
				for _, other := range outputs {
					if c.state == other.state {
						continue
					}
					request := event("process."+string(c.state), `{"await_output":`+s.form(other.output)+`}`, "k")
					s.refused(registry.CodePayloadRejected, failure(s.AppendEvent(s.ctx, id, request, nil)))
				}
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
			equal(s, "state", s.get(id).Status.State, registry.StateRunning)
		},
	},
	{
		Name: "a core terminal event needs its await_output",
		Why:  "spec 4.1, 4.3: a pointer that does not match fails the append",
		check: func(s *scene) {
			id := s.process("p")
			s.refused(registry.CodePayloadRejected, failure(s.AppendEvent(s.ctx, id, event("process.completed", `{"output":1}`, "k"), nil)))
			s.append(id, event("process.completed", `{"await_output":null}`, "k"))
			s.same("output", s.get(id).Status.AwaitOutput, success(`null`))
		},
	},
	{
		Name: "a terminal event needs a replay key, before its payload is looked at",
		Why:  "spec 5.12: step 5 before steps 6 and 7",
		check: func(s *scene) {
			end := terminalType("end", registry.StateFailed, ref(pointer("/a")))
			end.PayloadSchema = registry.JSON(`{"type":"object"}`)
			id := s.register(declaring(s.id("p"), end)).ID
			for _, replay := range []*registry.Replay{nil, {}} {
				request := event("end", `1`, "")
				request.Replay = replay
				refusal := s.refused(registry.CodeMissingReplayKey, failure(s.AppendEvent(s.ctx, id, request, nil)))
				equal(s, "event_type", refusal.Fields.EventType, "end")
			}
		},
	},
	{
		Name: "a second terminal event finds the process ended",
		Why:  "spec 5.12 step 8",
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), terminalType("end", registry.StateCompleted, nil))).ID
			s.append(id, event("end", `1`, "a"))
			s.unchanged(id, func() {
				refusal := s.refused(registry.CodeTerminal, failure(s.AppendEvent(s.ctx, id, event("end", `1`, "b"), nil)))
				equal(s, "state", refusal.Fields.State, "completed")
			})
			equal(s, "events", len(s.eventsAfter(id, 0)), 1)
		},
	},
	{
		Name: "a payload is judged before the status",
		Why:  "spec 5.12: steps 6 and 7 before step 8",
		check: func(s *scene) {
			end := terminalType("end", registry.StateFailed, ref(pointer("/a")))
			end.PayloadSchema = registry.JSON(`{"type":"object"}`)
			id := s.register(declaring(s.id("p"), end)).ID
			s.complete(id, success(`1`))
			s.refused(registry.CodePayloadRejected, failure(s.AppendEvent(s.ctx, id, event("end", `1`, "k"), nil)))
			s.refused(registry.CodePayloadRejected, failure(s.AppendEvent(s.ctx, id, event("end", `{}`, "k"), nil)))
			s.refused(registry.CodeTerminal, failure(s.AppendEvent(s.ctx, id, event("end", `{"a":1}`, "k"), nil)))
		},
	},
	{
		Name: "a terminal event clears the wait",
		Why:  "spec 5.12 step 9, 5.17: wait cleared",
		check: func(s *scene) {
			id := s.process("p")
			s.wait(id, signal("go", 1))
			s.holds(s.complete(id, success(`1`)).Wait == nil, "the wait is still there")
			other := s.register(declaring(s.id("q"), terminalType("end", registry.StateCompleted, nil))).ID
			s.wait(other, signal("go", 1))
			s.append(other, event("end", `1`, "k"))
			s.holds(s.get(other).Wait == nil, "the wait is still there")
		},
	},
	{
		Name: "a type may end the process and wake a session",
		Why:  "spec 4.5: terminal is evaluated before wake; a type may have both",
		check: func(s *scene) {
			both := wakeType("end", registry.WakeSpec{Input: pointer("/wake")})
			both.Semantics.Terminal = &registry.TerminalSpec{State: registry.StateCancelled, AwaitOutput: ref(pointer("/why"))}
			registration := declaring(s.id("p"), both)
			registration.WakeTarget = ref(s.session("s"))
			id := s.register(registration).ID
			s.refused(registry.CodePayloadRejected, failure(s.AppendEvent(s.ctx, id, event("end", `{"why":"x"}`, "k"), nil)))
			equal(s, "state", s.get(id).Status.State, registry.StateRunning)
			result := s.append(id, event("end", `{"why":"x","wake":"up"}`, "k"))
			equal(s, "state", s.get(id).Status.State, registry.StateCancelled)
			if result.WakeDelivery == nil || result.Event.Semantics.Terminal == nil {
				s.Fatalf("the event lacks a delivery or a terminal: %s", s.form(result))
			}
			equal(s, "input", result.WakeDelivery.Input, "up")
		},
	},
}

// ends wants a terminal type of a state to make an output of a selected value.
func ends(s *scene, state registry.ProcessState, value string, want registry.ProcessAwaitOutput) {
	s.Helper()
	id := s.id(strings.Join([]string{"ends", string(state), sha(value)[:12]}, " "))
	s.register(declaring(id, terminalType("end", state, ref(pointer("/v")))))
	result, err := s.AppendEvent(s.ctx, id, event("end", `{"v":`+value+`}`, "k"), nil)
	if err != nil {
		s.Errorf("%s by %s: %v", state, value, err)
		return
	}
	s.same("the output by "+value, s.get(id).Status, registry.ProcessStatus{State: state, AwaitOutput: &want})
	s.same("the terminal by "+value, result.Event.Semantics.Terminal, registry.EventTerminal{State: state, AwaitOutput: want})
}
