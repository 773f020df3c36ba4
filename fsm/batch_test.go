package fsm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func batchOf(commands ...Command) *Batch {
	b, err := NewBatch(commands)
	if err != nil {
		panic(err)
	}
	return b
}

func bodies(bodies ...Body) *Batch {
	var commands []Command
	for _, body := range bodies {
		commands = append(commands, Command{Body: body})
	}
	return batchOf(commands...)
}

func TestABatchAppliesInOrder(t *testing.T) {
	r := newRig(t)
	before := r.position().Revision
	s := registry.SessionScope{SessionID: "s"}
	result := r.must(r.do(bodies(
		registration("p", ""), NewGrantHandle(s, "p", registry.ProcessHandleDescriptor{}), claim("p", 5000, "t"), note("p", `{}`, "k"), note("p", `{}`, "k"),
	)))
	if len(result.Batch) != 5 || result.Revision != before+4 {
		t.Fatalf("%d results at revision %d", len(result.Batch), result.Revision)
	}
	for i, want := range []uint64{1, 2, 3, 4, 4} {
		if got := result.Batch[i].Revision; got != before+want {
			t.Errorf("operation %d has revision %d, want %d", i, got, before+want)
		}
	}
	if result.Batch[2].Lease.LeaseToken != "t" || result.Batch[4].Event != result.Batch[3].Event {
		t.Errorf("%+v", result.Batch)
	}
	fence := result.Batch[2].Lease.Fence()
	r.must(r.do(batchOf(
		Command{Fence: fence, Body: note("p", `{}`, "")}, Command{Fence: fence, Body: completion("p", success("1"))},
		Command{Body: &CompleteProcessLease{ProcessID: "p", LeaseToken: "t"}},
	)))
}

func TestABatchIsDoneWholeOrNotAtAll(t *testing.T) {
	r := newRig(t)
	r.register("p", registry.FencingRequired)
	r.register("q", "")
	r.must(r.do(claim("q", 60_000, "other")))
	for name, c := range map[string]struct {
		last Command
		code string
	}{
		"a refusal":     {Command{Body: note("none", `{}`, "")}, "NotFound"},
		"a stale fence": {Command{Body: note("q", `{}`, ""), Fence: &registry.Fence{LeaseToken: "x", FencingToken: 1}}, "Fenced"},
		"Busy":          {Command{Body: claim("q", 5000, "mine")}, "Busy"},
	} {
		t.Run(name, func(t *testing.T) {
			refusal := r.refused(r.do(batchOf(
				Command{Body: registration("new", "")}, Command{Body: claim("new", 5000, "t")}, Command{Body: note("q", `{}`, "key")}, c.last,
			)), registry.CodeBatchRefused)
			if f := refusal.Fields; f.Operation == nil || *f.Operation != 3 || f.OperationCode != c.code {
				t.Errorf("fields %+v", refusal.Fields)
			}
		})
	}
	if r.m.Process("new") != nil {
		t.Error("what a refused batch registered is there")
	}
	if r.eventCount("q") != 0 || r.position().Fencing != 1 {
		t.Errorf("%d events, fencing %d", r.eventCount("q"), r.position().Fencing)
	}
	// The replay key and the token are free again.
	r.must(r.do(note("q", `{"other":1}`, "key")))
}

// TestARefusedBatchLeavesNoTrace: whatever a batch did before it was refused
// is taken back, in rows and in what is derived from them.
func TestARefusedBatchLeavesNoTrace(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	r := newRig(t)
	one, two := registry.SessionScope{SessionID: "s"}, registry.SessionScope{SessionID: "s", AgentFrameID: "f"}
	draw := func(n int) Body {
		id := fmt.Sprintf("p%d", random.IntN(5))
		target := registration(id, "")
		target.Registration.WakeTarget = &storedScope{SessionID: "s"}
		waking := note(id, `{}`, fmt.Sprint("wake ", random.IntN(9)))
		waking.Wake = &storedMaterialisedWake{Input: "x", EventIdentity: true}
		return []Body{
			target, note(id, `{}`, ""), note(id, `{}`, fmt.Sprint("key ", random.IntN(9))), waking,
			&AckWake{ProcessID: id, Sequence: uint64(1 + random.IntN(6))},
			NewGrantHandle(one, id, registry.ProcessHandleDescriptor{}), NewGrantHandle(two, id, registry.ProcessHandleDescriptor{}),
			NewRevokeHandle(one, id), NewTransferHandleGrants(one, two, []string{id}),
			&DeleteSessionProcessState{SessionID: "s"},
			claim(id, uint64(random.IntN(3000)), fmt.Sprint("token ", n)), &CompleteProcessLease{ProcessID: id, LeaseToken: fmt.Sprint("token ", n-2)},
			&ReleaseForRetry{ProcessID: id, LeaseToken: fmt.Sprint("token ", n-1), RetryAfterMs: 1000},
			started(id, "w"), NewRequestProcessAbandon(id, registry.AbandonRequest{RequestedBy: "me"}),
			completion(id, success("1")),
		}[random.IntN(16)]
	}
	refused := 0
	for n := range 600 {
		r.pass(uint64(random.IntN(500)))
		if random.IntN(2) == 0 {
			r.do(draw(n)) // moves the state on
			continue
		}
		operations := []Body{}
		for i := range 1 + random.IntN(8) {
			operations = append(operations, draw(n+i))
		}
		r.do(&Tick{}) // what time alone changes comes before
		r.m.state.Index = 0
		before, position := r.hash(), r.position()
		result := r.do(bodies(append(operations, note("none", `{}`, ""))...))
		if result.Refusal == nil {
			t.Fatal("a batch with an operation on no process was done")
		}
		refused++
		r.m.state.Index = 0
		if r.hash() != before || r.position() != position {
			t.Fatalf("after %T and %d others: %+v, was %+v", operations[0], len(operations)-1, r.position(), position)
		}
		// Index entries are looked at by every entry that the rig makes.
		r.do(draw(n))
	}
	if refused < 100 {
		t.Errorf("only %d batches were refused", refused)
	}
}

func TestALifeMismatchInsideIsThatOfTheBatch(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	result := r.do(batchOf(Command{Body: note("p", `{}`, "")}, Command{Life: lifeOf(99), Body: note("p", `{}`, "")}))
	if !result.LifeMismatch || r.eventCount("p") != 0 {
		t.Errorf("%+v with %d events", result, r.eventCount("p"))
	}
}

func TestWhatABatchMayNotHold(t *testing.T) {
	many := make([]Command, registry.MaxBatchOperations+1)
	for i := range many {
		many[i] = Command{Body: note("p", `{}`, "")}
	}
	for name, commands := range map[string][]Command{
		"nothing":              nil,
		"too much":             many,
		"another batch":        {{Body: bodies(note("p", `{}`, ""))}},
		"a takeover":           {{Body: &Takeover{Proposer: "n1"}}},
		"a prune":              {{Body: &PruneTerminalProcesses{CutoffMs: 1}}},
		"claim-next":           {{Body: NewClaimNextLease(owner("w", "1"), 1, nil, []string{"t"})}},
		"a session of its own": {in(sessionA, 1, 1, note("p", `{}`, ""))},
		"the end of a session": {{Body: &CloseSession{}}},
	} {
		if _, err := NewBatch(commands); err == nil {
			t.Errorf("a batch may hold %s", name)
		}
	}
	if _, err := NewBatch(many[:registry.MaxBatchOperations]); err != nil {
		t.Error(err)
	}
}
