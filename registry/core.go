package registry

import (
	"encoding/hex"
	"fmt"
)

// The seven core event types that every process declares. Spec 4.1.
const (
	EventCancelRequested = "process.cancel_requested"
	EventWaiting         = "process.waiting"
	EventResumed         = "process.resumed"
	EventCompleted       = "process.completed"
	EventFailed          = "process.failed"
	EventCancelled       = "process.cancelled"
	EventAbandoned       = "process.abandoned"
)

// coreTypes is the one list of core types. Its values are shared by every
// record and never changed.
var coreTypes = []ProcessEventType{
	plainType(EventCancelRequested),
	plainType(EventWaiting),
	plainType(EventResumed),
	terminalType(EventCompleted, StateCompleted),
	terminalType(EventFailed, StateFailed),
	terminalType(EventCancelled, StateCancelled),
	terminalType(EventAbandoned, StateAbandoned),
}

func plainType(name string) ProcessEventType {
	return ProcessEventType{Name: name, PayloadSchema: JSON("{}")}
}

func terminalType(name string, state ProcessState) ProcessEventType {
	t := plainType(name)
	t.Semantics.Terminal = &TerminalSpec{
		State:       state,
		AwaitOutput: &Selector{Kind: SelectPointer, Text: "/await_output"},
	}
	return t
}

// CoreEventTypes returns the seven core types in their order. The schemas and
// selectors in them are shared and must not be changed. Spec 4.1.
func CoreEventTypes() []ProcessEventType {
	return append([]ProcessEventType(nil), coreTypes...)
}

// CoreEventType returns the core type of a name. What it points to is shared
// and must not be changed.
func CoreEventType(name string) (ProcessEventType, bool) {
	for _, t := range coreTypes {
		if t.Name == name {
			return t, true
		}
	}
	return ProcessEventType{}, false
}

// CompleteEventTypes returns the declared types followed by the core types
// whose names are not among them, in the order of the core types. The argument
// is not changed; it is returned as it is when nothing is missing. Spec 4.1.
func CompleteEventTypes(types []ProcessEventType) []ProcessEventType {
	declared := make(map[string]struct{}, len(types))
	for _, t := range types {
		declared[t.Name] = struct{}{}
	}
	// Clipped, so that appending never writes into the caller's array.
	complete := types[:len(types):len(types)]
	for _, core := range coreTypes {
		if _, ok := declared[core.Name]; !ok {
			complete = append(complete, core)
		}
	}
	return complete
}

// TerminalEventType is the name of the core event type that ends a process in
// a state.
func TerminalEventType(state ProcessState) string { return "process." + string(state) }

// CancelRequest forms the append by which clients ask a process to stop. The
// same reason twice is one event, another reason a second one; the status does
// not change by it. The reason must be valid UTF-8. Spec 5.12.
func CancelRequest(processID string, reason *string) ProcessEventAppendRequest {
	payload := []byte(`{"reason":`)
	if reason == nil {
		payload = append(payload, "null}"...)
	} else {
		payload = append(AppendCanonicalString(payload, *reason), '}')
	}
	request := ProcessEventAppendRequest{EventType: EventCancelRequested, Payload: payload}
	// A reason that is not UTF-8 has no hash; the request is then refused for
	// its payload wherever it is validated, whatever its key.
	hash, _ := PayloadHash(request.EventType, request.Payload)
	request.Replay = &Replay{Key: "process:" + processID + ":cancel_requested:" + hex.EncodeToString(hash[:])}
	return request
}

// CompletionRequest forms the append that completing a process is: the terminal
// event type of the output's kind, the output as payload, and a replay key of
// process and type. It fails with InvalidArgument when the output has no JSON
// form. Spec 5.17.
func CompletionRequest(processID string, output ProcessAwaitOutput) (ProcessEventAppendRequest, error) {
	if !isAbsent(output.Control) {
		control, err := decode(output.Control, readControl)
		if err != nil {
			return ProcessEventAppendRequest{}, err
		}
		output.Control = control
	}
	e := encoder{buf: make([]byte, 0, 256)}
	e.open('{')
	e.object("await_output", output)
	e.close('}')
	if e.err != nil {
		return ProcessEventAppendRequest{}, e.err
	}
	eventType := TerminalEventType(output.Kind.State())
	return ProcessEventAppendRequest{
		EventType: eventType,
		Payload:   e.buf,
		Replay:    &Replay{Key: fmt.Sprintf("process:%s:terminal:%s", processID, eventType)},
	}, nil
}

// DeriveIdentity forms the identity that clients give to a process of this
// input: what kind of work it is, and a label if the input has one. The
// registry itself stores the identity it is given. Spec 3.7.
func DeriveIdentity(input ProcessInput) ProcessIdentity {
	switch input.Kind {
	case InputToolCall:
		return ProcessIdentity{Kind: "tool", Label: textAt(input.Call, "tool_name")}
	case InputEngine:
		return ProcessIdentity{Kind: input.Engine}
	case InputSessionTurn:
		identity := ProcessIdentity{Kind: "session_turn"}
		for _, path := range [...][]string{{"subagent", "capability"}, {"usage_source"}, {"session_id"}} {
			if identity.Label = textAt(input.CreateRequest, path...); identity.Label != nil {
				break
			}
		}
		return identity
	default:
		identity := ProcessIdentity{Kind: "external"}
		for _, key := range [...]string{"label", "name", "title"} {
			// The first key that exists decides, even if it holds no string.
			if memberOf(input.Metadata, key) != nil {
				identity.Label = textAt(input.Metadata, key)
				break
			}
		}
		return identity
	}
}

// memberOf returns the text of one member of a JSON object, nil when raw is not
// JSON, no object, or has no such member.
func memberOf(raw JSON, name string) JSON {
	value, err := decode(raw, func(raw []byte) (JSON, error) {
		o := readObject(raw)
		return o.get(name), o.done()
	})
	if err != nil {
		return nil
	}
	return value
}

// textAt returns the string at a path of members, nil when there is none.
func textAt(raw JSON, path ...string) *string {
	for _, name := range path {
		raw = memberOf(raw, name)
	}
	if len(raw) == 0 {
		return nil
	}
	text, err := readString(raw)
	if err != nil {
		return nil
	}
	return &text
}
