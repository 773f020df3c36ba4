package check

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// sim makes histories of a registry that keeps every promise: the model, called
// by several clients at once, some of whose answers are lost.
type sim struct {
	random *rand.Rand
	state  *model.State
	ops    []*history.Op
	// effectNs is when the last operation took effect; free is when each client
	// may call again.
	effectNs int64
	free     []int64
	tokens   int
	leases   []registry.ProcessLease
	// later are operations of unknown outcome that will yet happen.
	later []*history.Op
	// lost is how many of a hundred answers are lost.
	lost int
	// calls and processes bound what the clients do.
	processes int
	counts    int
	// prunes has processes live several lives.
	prunes bool
	// news is what streams can bring, nil where nobody follows any.
	news *news
}

func newSim(seed uint64, lost int) *sim {
	s := &sim{random: rand.New(rand.NewPCG(seed, 0)), state: model.New(), free: make([]int64, 5), lost: lost, processes: 4}
	s.effectNs = 1e9
	s.state.Apply(model.Entry{Term: 1, CommitTerm: 1, Takeover: true, StampMs: s.clock()})
	return s
}

func (s *sim) clock() uint64 { return 1_000_000 + uint64(s.effectNs/1e6) }

// advance lets time go by; every third time several operations share an entry.
func (s *sim) advance() {
	if s.random.IntN(3) > 0 {
		s.effectNs += 1e5 + s.random.Int64N(30e6)
		s.state.Apply(model.Entry{Term: 1, CommitTerm: 1, StampMs: s.clock()})
	}
}

// apply makes an operation take effect now.
func (s *sim) apply(o *history.Op) {
	call := s.drawn(o.Call)
	before := s.state
	if s.news != nil {
		s.state = s.state.Clone()
	}
	o.Answer = s.state.Do(call)
	s.news.take(before, s.state, call, s.effectNs)
	o.Info = registry.AnswerInfo{Revision: s.state.Revision, ClockMs: s.state.ClockMs, LeaseTimeMs: s.state.LeaseTimeMs, Term: 1, LeaderID: "n1"}
}

// drawn is a call with the tokens that a registry would draw for it.
func (s *sim) drawn(call model.Op) model.Op {
	token := func() string {
		s.tokens++
		return fmt.Sprint("token-", s.tokens)
	}
	switch call := call.(type) {
	case model.ClaimProcessLease:
		call.Token = token()
		return call
	case model.ReclaimProcessLease:
		call.Token = token()
		return call
	case model.ClaimNext:
		for range call.Limit {
			call.Tokens = append(call.Tokens, token())
		}
		return call
	case model.Batch:
		var ops []model.Op
		for _, op := range call.Ops {
			ops = append(ops, s.drawn(op))
		}
		return model.Batch{Ops: ops}
	}
	return call
}

// do has a client make a call.
func (s *sim) do(call model.Op) *history.Op {
	s.advance()
	for len(s.later) > 0 && s.random.IntN(3) == 0 {
		late := *s.later[0]
		s.apply(&late)
		s.later = s.later[1:]
		s.advance()
	}
	client := s.random.IntN(len(s.free))
	// Entries share a moment, but a call begins before it takes effect.
	invoke := max(s.free[client]+1, s.effectNs-s.random.Int64N(20e6))
	if invoke > s.effectNs {
		s.effectNs = invoke
		s.state.Apply(model.Entry{Term: 1, CommitTerm: 1, StampMs: s.clock()})
	}
	o := &history.Op{Client: fmt.Sprint("c", client), Call: call, InvokeNs: invoke, ReturnNs: s.effectNs + 1 + s.random.Int64N(20e6)}
	s.free[client] = o.ReturnNs
	s.ops = append(s.ops, o)
	if s.random.IntN(100) < s.lost {
		s.lose(o)
		return o
	}
	s.apply(o)
	o.Outcome = history.OK
	if o.Answer.Code != 0 {
		o.Outcome = history.Refused
	}
	for i := range o.Answer.Claims {
		s.leases = append(s.leases, o.Answer.Claims[i].Lease)
	}
	if l := grants(o); l != nil {
		s.leases = append(s.leases, *l)
	}
	return o
}

// lose makes an operation happen now, later or never, and nobody know.
func (s *sim) lose(o *history.Op) {
	o.Outcome, o.Answer = history.Unknown, model.Answer{Code: registry.CodeOutcomeUnknown}
	happens := *o
	switch s.random.IntN(3) {
	case 0:
		s.apply(&happens)
	case 1:
		s.later = append(s.later, &happens)
	}
}

func (s *sim) process() string { return fmt.Sprint("p", s.random.IntN(s.processes)) }

// lease is one that was granted at some time, or one that never was.
func (s *sim) lease() registry.ProcessLease {
	if len(s.leases) == 0 {
		return registry.ProcessLease{ProcessID: s.process(), Owner: owner("nobody"), LeaseToken: "none", FencingToken: 1}
	}
	// The later ones are more likely to be of use.
	return s.leases[max(0, len(s.leases)-1-s.random.IntN(4))]
}

func owner(name string) registry.LeaseOwnerIdentity {
	return registry.LeaseOwnerIdentity{OwnerID: name, IncarnationID: name}
}

func registration(id, variant string) registry.ProcessRegistration {
	return registry.ProcessRegistration{
		ID: id, Disposition: registry.Rerunnable, Identity: registry.ProcessIdentity{Kind: "external"}, WakeTarget: &registry.SessionScope{SessionID: "s0"},
		Input:      registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(fmt.Sprintf("%q", variant))},
		EventTypes: []registry.ProcessEventType{{Name: "entry", PayloadSchema: registry.JSON("{}")}},
	}
}

func (s *sim) appendTo(id string, fence *registry.Fence) model.AppendEvent {
	s.counts++
	request := registry.ProcessEventAppendRequest{EventType: "entry", Payload: registry.JSON(fmt.Sprintf(`{"count":%d}`, s.counts))}
	if s.counts%2 == 0 {
		request.Replay = &registry.Replay{Key: fmt.Sprint(s.counts)}
	}
	return model.AppendEvent{ProcessID: id, Request: request, Fence: fence}
}

// step makes a call of any kind.
func (s *sim) step() {
	output := registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON(fmt.Sprint(s.random.IntN(2)))}
	lease := s.lease()
	s.counts++
	if s.prunes && s.random.IntN(6) == 0 {
		switch s.random.IntN(3) {
		case 0:
			s.do(model.CompleteProcess{ProcessID: s.process(), Output: output})
		case 1:
			s.do(model.PruneTerminalProcesses{CutoffMs: math.MaxInt64})
		case 2:
			s.do(model.RegisterProcess{Registration: registration(s.process(), "0")})
		}
		return
	}
	switch s.random.IntN(17) {
	case 0, 1:
		s.do(model.RegisterProcess{Registration: registration(s.process(), fmt.Sprint(s.random.IntN(2)))})
	case 2:
		s.do(model.GetProcess{ProcessID: s.process()})
	case 3, 4:
		s.do(model.ClaimProcessLease{ProcessID: s.process(), Owner: owner(fmt.Sprint("o", s.counts)), TTLMs: 20 + s.random.Uint64N(400)})
	case 5:
		s.do(model.RenewProcessLease{Lease: lease, TTLMs: 50 + s.random.Uint64N(300)})
	case 6:
		s.do(model.CompleteProcessLease{Completion: registry.ProcessLeaseCompletion{ProcessID: lease.ProcessID, LeaseToken: lease.LeaseToken}})
	case 7:
		s.do(model.GetProcessLease{ProcessID: s.process()})
	case 8, 9, 10:
		s.do(s.appendTo(lease.ProcessID, lease.Fence()))
	case 11:
		s.do(model.EventsAfter{ProcessID: s.process()})
	case 12:
		if s.random.IntN(10) == 0 {
			s.do(model.CompleteProcess{ProcessID: s.process(), Output: output})
		} else {
			s.do(model.RecordFirstStarted{ProcessID: s.process(), Started: registry.ProcessStarted{Owner: owner("o"), StartedAtMs: uint64(s.counts)}})
		}
	case 13:
		s.do(model.ListProcesses{Filter: registry.ProcessListFilter{Status: registry.StatusAny}})
	case 14, 15:
		s.stepOnGrants()
	case 16:
		if s.random.IntN(2) == 0 {
			s.do(model.SetProcessWait{ProcessID: s.process(), Wait: registry.WaitState{Kind: registry.WaitSignal, Name: fmt.Sprint(s.counts)}})
		} else {
			s.do(model.ClearProcessWait{ProcessID: s.process()})
		}
	}
}

func (s *sim) scope() registry.SessionScope {
	return registry.SessionScope{SessionID: fmt.Sprint("s", s.random.IntN(2))}
}

// stepOnGrants makes a call on grants. When nobody knows what became of it,
// somebody looks, as the workloads do.
func (s *sim) stepOnGrants() {
	id, label := s.process(), fmt.Sprint(s.counts)
	var o *history.Op
	switch s.random.IntN(8) {
	case 0, 1:
		o = s.do(model.GrantHandle{Scope: s.scope(), ProcessID: id, Descriptor: registry.ProcessHandleDescriptor{Label: &label}})
	case 2:
		o = s.do(model.RevokeHandle{Scope: s.scope(), ProcessID: id})
	case 3:
		o = s.do(model.TransferHandleGrants{From: s.scope(), To: s.scope(), ProcessIDs: []string{id}})
	case 4:
		o = s.do(model.TransferHandleGrants{From: s.scope(), To: s.scope(), ProcessIDs: []string{"p0", "p1"}})
	case 5:
		o = s.do(model.DeleteSessionProcessState{SessionID: s.scope().SessionID})
	case 6:
		o = s.do(model.ListHandleGrants{Scope: s.scope()})
	case 7:
		o = s.do(model.HasHandleGrant{Scope: s.scope(), ProcessID: id})
	}
	if o.Outcome == history.Unknown {
		for i := range s.processes {
			s.do(model.HandleGrantsForProcess{ProcessID: fmt.Sprint("p", i)})
		}
	}
}

// history ends the run: everything is read back.
func (s *sim) history() *history.History {
	s.lost = 0
	// The read back comes when nothing is under way any more.
	for _, free := range s.free {
		s.effectNs = max(s.effectNs, free+1e9)
	}
	for range 2 {
		for i := range s.processes {
			id := fmt.Sprint("p", i)
			for _, call := range []model.Op{
				model.GetProcess{ProcessID: id}, model.EventsAfter{ProcessID: id},
				model.GetProcessLease{ProcessID: id}, model.HandleGrantsForProcess{ProcessID: id},
			} {
				s.later = nil
				s.do(call)
			}
		}
	}
	slices.SortFunc(s.ops, func(a, b *history.Op) int { return cmp.Compare(a.InvokeNs, b.InvokeNs) })
	for i, o := range s.ops {
		o.Index = i
	}
	state := registry.StateReport{Agree: true, Members: []registry.MemberState{{ID: "n1", Hash: "h"}, {ID: "n2", Hash: "h"}}}
	return &history.History{Ops: s.ops, Streams: s.streams(), State: &state}
}

// simulate makes a history of so many calls.
func simulate(seed uint64, calls, lost int) *history.History {
	s := newSim(seed, lost)
	for range calls {
		s.step()
	}
	return s.history()
}

var whole = Options{Complete: true, Nodes: 2}

// expectNothing fails for what was found in a history without faults.
func expectNothing(t *testing.T, verdicts Verdicts) {
	t.Helper()
	for _, v := range verdicts.Violations() {
		t.Error(v.Error())
	}
	for _, text := range verdicts.Undecided() {
		t.Error(text)
	}
}

// simulateLives makes one in which processes are pruned and registered anew.
func simulateLives(seed uint64, calls, lost int) *history.History {
	s := newSim(seed, lost)
	s.prunes = true
	for range calls {
		s.step()
	}
	return s.history()
}

func TestHistoriesOfSeveralLivesAreFoundRight(t *testing.T) {
	for _, lost := range []int{0, 4} {
		t.Run(fmt.Sprintf("with %d percent of the answers lost", lost), func(t *testing.T) {
			for seed := range uint64(40) {
				expectNothing(t, Judge(simulateLives(seed, 200, lost), whole))
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

func TestHistoriesThatKeepEveryPromiseAreFoundRight(t *testing.T) {
	for _, lost := range []int{0, 5, 20} {
		t.Run(fmt.Sprintf("with %d percent of the answers lost", lost), func(t *testing.T) {
			for seed := range uint64(40) {
				expectNothing(t, Judge(simulate(seed, 250, lost), whole))
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}
