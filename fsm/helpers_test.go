package fsm

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// rig drives a machine entry by entry.
type rig struct {
	t     testing.TB
	m     *Machine
	index uint64
	term  uint64
	stamp uint64
}

// newRig returns a machine in term 1 whose clock stands at 10,000.
func newRig(t testing.TB) *rig {
	r := &rig{t: t, m: NewMachine(), stamp: 10_000}
	r.takeover(1)
	return r
}

// entry applies commands decided in one term and committed in another.
func (r *rig) entry(decidedIn, committedIn uint64, commands ...Command) EntryResult {
	r.t.Helper()
	data, err := EncodeEntry(Entry{Term: decidedIn, StampMs: r.stamp, Commands: commands})
	if err != nil {
		r.t.Fatalf("encode: %v", err)
	}
	r.index++
	before := r.position().Revision
	result, err := r.m.Apply(r.index, committedIn, data)
	if err != nil {
		r.t.Fatalf("apply: %v", err)
	}
	if err := errors.Join(r.m.CheckConsistency(), CheckChanges(before, result)); err != nil {
		r.t.Fatal(err)
	}
	return result
}

// takeover begins a term with the rig's stamp.
func (r *rig) takeover(term uint64) EntryResult {
	r.t.Helper()
	r.term = term
	return r.entry(term, term, Command{Body: &Takeover{Proposer: "n1", ClusterID: "c1"}})
}

// do applies one command and returns its result.
func (r *rig) do(body Body) Result { return r.command(Command{Body: body}) }

func (r *rig) command(c Command) Result {
	r.t.Helper()
	result := r.entry(r.term, r.term, c)
	if result.Refused {
		r.t.Fatal("the entry was refused")
	}
	return result.Results[0]
}

// fenced applies one command under a fence.
func (r *rig) fenced(body Body, fence *registry.Fence) Result {
	return r.command(Command{Body: body, Fence: fence})
}

// pass lets milliseconds pass, up to the next entry.
func (r *rig) pass(ms uint64) { r.stamp += ms }

func (r *rig) position() (p Position) {
	r.m.Read(func(v View) { p = v.Position() })
	return p
}

func (r *rig) hash() string {
	r.t.Helper()
	hash, err := r.m.Snapshot().Hash()
	if err != nil {
		r.t.Fatalf("hash: %v", err)
	}
	return hash
}

// must fails unless the result is no refusal.
func (r *rig) must(result Result) Result {
	r.t.Helper()
	if result.Refusal != nil || result.LifeMismatch {
		r.t.Fatalf("refused: %v, life mismatch %v", result.Refusal, result.LifeMismatch)
	}
	return result
}

// refused fails unless the result is a refusal with a code.
func (r *rig) refused(result Result, code registry.Code) *registry.Error {
	r.t.Helper()
	if result.Refusal == nil || result.Refusal.Code != code {
		r.t.Fatalf("refusal %v, want code %v", result.Refusal, code)
	}
	if result.Process != nil || result.Event != nil || result.Lease != nil {
		r.t.Fatalf("a refusal came with %+v", result)
	}
	return result.Refusal
}

// register registers a process and returns its life.
func (r *rig) register(id string, fencing registry.FencingMode) uint64 {
	r.t.Helper()
	return r.must(r.do(registration(id, fencing))).Process.Life
}

func registration(id string, fencing registry.FencingMode) *RegisterProcess {
	sum := sha256.Sum256([]byte(id + string(fencing)))
	return NewRegisterProcess(registry.ProcessRegistration{
		ID: id, Input: registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON("null")},
		Disposition: registry.OwnerBound, Identity: registry.ProcessIdentity{Kind: "external"},
		EventTypes: registry.CoreEventTypes(), Fencing: fencing,
	}, sum[:])
}

func owner(id, incarnation string) registry.LeaseOwnerIdentity {
	return registry.LeaseOwnerIdentity{OwnerID: id, IncarnationID: incarnation}
}

func claim(id string, ttlMs uint64, token string) *ClaimProcessLease {
	return NewClaimProcessLease(id, owner("w", token), ttlMs, token)
}

// note is a plain event as the leader decides it.
func note(id, payload, key string) *AppendEvent {
	return noteRefused(id, payload, key, nil)
}

// noteRefused is an event that the leader refused.
func noteRefused(id, payload, key string, refusal *registry.Error) *AppendEvent {
	request := registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON(payload)}
	if key != "" {
		request.Replay = &registry.Replay{Key: key}
	}
	return NewAppendEvent(id, request, hashOf("note", payload), false, registry.Materialised{}, nil, refusal)
}

// ending is a terminal event as the leader decides it.
func ending(id, eventType, payload, key string, output registry.ProcessAwaitOutput) *AppendEvent {
	request := registry.ProcessEventAppendRequest{EventType: eventType, Payload: registry.JSON(payload), Replay: &registry.Replay{Key: key}}
	materialised := registry.Materialised{Terminal: &registry.EventTerminal{State: output.Kind.State(), AwaitOutput: output}}
	return NewAppendEvent(id, request, hashOf(eventType, payload), true, materialised, hashOf("output", dumpJSON(output)), nil)
}

// completion is a completion as the leader decides it.
func completion(id string, output registry.ProcessAwaitOutput) *CompleteProcess {
	request, err := registry.CompletionRequest(id, output)
	if err != nil {
		panic(err)
	}
	timeless := output
	if output.Evidence != nil {
		evidence := *output.Evidence
		evidence.EpochMs = 0
		timeless.Evidence = &evidence
	}
	return NewCompleteProcess(id, request, hashOf(request.EventType, string(request.Payload)), output, hashOf("output", dumpJSON(timeless)))
}

func success(value string) registry.ProcessAwaitOutput {
	return registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(value)}
}

func started(id, by string) *RecordFirstStarted {
	return NewRecordFirstStarted(id, registry.ProcessStarted{Owner: owner(by, "1"), StartedAtMs: 7})
}

func externalRefOf(id string, ref registry.ProcessExternalRef) *SetExternalRef {
	return NewSetExternalRef(id, ref, hashOf("external ref", dumpJSON(ref)))
}

func signalWait(name string, ordinal uint64) registry.WaitState {
	return registry.WaitState{Kind: registry.WaitSignal, Name: name, EventType: "signal." + name, Key: "k", Ordinal: ordinal, SinceMs: 8}
}

func hashOf(eventType, payload string) []byte {
	sum := sha256.Sum256([]byte(eventType + "\x00" + payload))
	return sum[:]
}

func dumpJSON(v json.Marshaler) string {
	out, err := v.MarshalJSON()
	if err != nil {
		panic(err)
	}
	return string(out)
}

// lifeOf makes the life that a command was decided against.
func lifeOf(life uint64) *uint64 { return &life }

// asRefusal returns an error as one of the catalogue.
func asRefusal(t testing.TB, err error) *registry.Error {
	t.Helper()
	var refusal *registry.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("%v is not of the catalogue", err)
	}
	return refusal
}
