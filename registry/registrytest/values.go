package registrytest

import (
	"crypto/sha256"
	"encoding/hex"
	"math"

	"github.com/holdfast-registry/holdfast/registry"
)

// longTTL is the life of a lease that must not expire during a check.
const longTTL = 10 * 60 * 1000

const maxUint64 = math.MaxUint64

// plain is a registration of work that is done elsewhere, with one event type
// beside the core ones.
func plain(id string) registry.ProcessRegistration {
	return declaring(id, eventType("note"))
}

// declaring is a plain registration with these event types.
func declaring(id string, types ...registry.ProcessEventType) registry.ProcessRegistration {
	return registry.ProcessRegistration{
		ID:          id,
		Input:       registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(`null`)},
		Disposition: registry.ExternallyOwned,
		Identity:    registry.ProcessIdentity{Kind: "external"},
		EventTypes:  types,
	}
}

// waking is a plain registration whose events "wake" wake a target with their
// payload, under their own identity.
func waking(id string, target *registry.SessionScope) registry.ProcessRegistration {
	registration := declaring(id, eventType("note"), wakeType("wake", registry.WakeSpec{Input: payload()}))
	registration.WakeTarget = target
	return registration
}

// fenced is a plain registration that requires fences, with a terminal type of
// its own.
func fenced(id string) registry.ProcessRegistration {
	registration := declaring(id, eventType("note"), terminalType("end", registry.StateCompleted, nil))
	registration.Fencing = registry.FencingRequired
	return registration
}

func eventType(name string) registry.ProcessEventType {
	return registry.ProcessEventType{Name: name, PayloadSchema: registry.JSON(`{}`)}
}

func schemaType(name, schema string) registry.ProcessEventType {
	return registry.ProcessEventType{Name: name, PayloadSchema: registry.JSON(schema)}
}

func terminalType(name string, state registry.ProcessState, output *registry.Selector) registry.ProcessEventType {
	t := eventType(name)
	t.Semantics.Terminal = &registry.TerminalSpec{State: state, AwaitOutput: output}
	return t
}

func wakeType(name string, wake registry.WakeSpec) registry.ProcessEventType {
	if wake.DedupeKey.Kind == "" {
		wake.DedupeKey.Kind = registry.DedupeEventIdentity
	}
	t := eventType(name)
	t.Semantics.Wake = &wake
	return t
}

func payload() registry.Selector { return registry.Selector{Kind: registry.SelectPayload} }

func pointer(text string) registry.Selector {
	return registry.Selector{Kind: registry.SelectPointer, Text: text}
}

func present(text string) registry.Selector {
	return registry.Selector{Kind: registry.SelectPresent, Text: text}
}

func constant(value string) registry.Selector {
	return registry.Selector{Kind: registry.SelectConst, Const: registry.JSON(value)}
}

func template(text string, fields ...registry.TemplateField) registry.Selector {
	return registry.Selector{Kind: registry.SelectTemplate, Text: text, Fields: fields}
}

func field(name string, selector registry.Selector) registry.TemplateField {
	return registry.TemplateField{Name: name, Selector: selector}
}

func ref[T any](value T) *T { return &value }

// event asks for one event; without a key it can not be replayed.
func event(eventType, payload, key string) registry.ProcessEventAppendRequest {
	request := registry.ProcessEventAppendRequest{EventType: eventType, Payload: registry.JSON(payload)}
	if key != "" {
		request.Replay = &registry.Replay{Key: key}
	}
	return request
}

// aimed is event with a wake target of its own.
func aimed(request registry.ProcessEventAppendRequest, target registry.SessionScope) registry.ProcessEventAppendRequest {
	request.WakeTargetScope = &target
	return request
}

func success(value string) registry.ProcessAwaitOutput {
	return registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(value)}
}

func failed(message string) registry.ProcessAwaitOutput {
	return registry.ProcessAwaitOutput{Kind: registry.OutputFailure, Class: registry.ClassTimeout, Code: "late", Message: message}
}

func cancelled(message string) registry.ProcessAwaitOutput {
	return registry.ProcessAwaitOutput{Kind: registry.OutputCancelled, Message: message}
}

func abandoned(writer registry.AbandonWriter, epochMs uint64) registry.ProcessAwaitOutput {
	return registry.ProcessAwaitOutput{Kind: registry.OutputAbandoned, Evidence: &registry.AbandonEvidence{Writer: writer, EpochMs: epochMs}}
}

// outputs are one of each kind, by the state that it ends a process in.
var outputs = []struct {
	state  registry.ProcessState
	output registry.ProcessAwaitOutput
}{
	{registry.StateCompleted, success(`{"b":1,"a":2}`)},
	{registry.StateFailed, failed("too late")},
	{registry.StateCancelled, cancelled("not wanted")},
	{registry.StateAbandoned, abandoned(registry.WriterSweep, 5)},
}

// owner is an opaque owner in one incarnation.
func owner(name, incarnation string) registry.LeaseOwnerIdentity {
	return registry.LeaseOwnerIdentity{
		OwnerID: name, IncarnationID: incarnation, Liveness: registry.LeaseOwnerLiveness{Kind: registry.LivenessOpaque},
	}
}

// local is an owner that can be judged by whoever is on the same host and boot.
func local(name, incarnation, host, boot string, pid uint32) registry.LeaseOwnerIdentity {
	o := owner(name, incarnation)
	o.Liveness = registry.LeaseOwnerLiveness{Kind: registry.LivenessLocalProcess, HostID: host, BootID: boot, PID: pid, ProcessStart: "77"}
	return o
}

func signal(name string, ordinal uint64) registry.WaitState {
	return registry.WaitState{Kind: registry.WaitSignal, Name: name, EventType: "signal." + name, Key: "key:" + name, Ordinal: ordinal, SinceMs: 3}
}

func started(name string, atMs uint64) registry.ProcessStarted {
	return registry.ProcessStarted{Owner: owner(name, "i"), StartedAtMs: atMs}
}

// sha is the digest of a text, as the contract prints it.
func sha(text string) string {
	digest := sha256.Sum256([]byte(text))
	return hex.EncodeToString(digest[:])
}

// cancel is the request by which clients ask a process to stop; payload is in
// canonical form.
func cancel(processID, payload string) registry.ProcessEventAppendRequest {
	return event("process.cancel_requested", payload,
		"process:"+processID+":cancel_requested:"+sha(`["process.cancel_requested",`+payload+`]`))
}

// idsOf are the ids of records, in their order.
func idsOf(records []registry.ProcessRecord) []string {
	ids := []string{}
	for _, record := range records {
		ids = append(ids, record.ID)
	}
	return ids
}

// sequencesOf are the sequences of events, in their order.
func sequencesOf(events []registry.ProcessEvent) []uint64 {
	sequences := []uint64{}
	for _, event := range events {
		sequences = append(sequences, event.Sequence)
	}
	return sequences
}

// grantedIn are the process ids of entries, in their order.
func grantedIn(entries []registry.ProcessHandleGrantEntry) []string {
	ids := []string{}
	for _, entry := range entries {
		ids = append(ids, entry.Grant.ProcessID)
	}
	return ids
}
