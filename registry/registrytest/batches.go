package registrytest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/holdfast-registry/holdfast/registry"
)

// batch does operations together.
func (s *scene) batch(ctx context.Context, operations ...registry.Operation) ([]registry.OperationAnswer, error) {
	return s.Registry.(registry.Batches).Batch(ctx, operations)
}

// batched wants a batch to be done, and as many answers as operations.
func (s *scene) batched(operations ...registry.Operation) []registry.OperationAnswer {
	s.Helper()
	answers, err := s.batch(s.ctx, operations...)
	s.done(err)
	if len(answers) != len(operations) {
		s.Fatalf("%d operations have %d answers", len(operations), len(answers))
	}
	return answers
}

// batchRefused wants an operation of a batch to have been refused with a code.
func (s *scene) batchRefused(err error, operation uint64, code string) registry.Fields {
	s.Helper()
	f := s.refused(registry.CodeBatchRefused, err).Fields
	s.named(f, operation, code)
	return f
}

// named wants a refusal to name an operation and its code.
func (s *scene) named(f registry.Fields, operation uint64, code string) {
	s.Helper()
	s.holds(f.Operation != nil && *f.Operation == operation && f.OperationCode == code,
		"the refusal names %s, want operation %d and operation_code %s", s.form(f), operation, code)
}

func noting(processID, payload string) registry.Operation {
	return registry.AppendEventOperation{ProcessID: processID, Request: event("note", payload, "")}
}

// impossible is sound by itself, and always refused by the state: NotFound.
func (s *scene) impossible() registry.Operation {
	return registry.AckWakeOperation{ProcessID: s.id("none"), Sequence: 1}
}

// stage is a process on which every operation changes something.
type stage struct {
	id    string
	lease registry.ProcessLease
	scope registry.SessionScope
	// fresh is an id that no process has.
	fresh string
}

func (s *scene) stage(name string) stage {
	s.Helper()
	holder, _ := neighbours()
	g := stage{id: s.id(name), fresh: s.id(name + " fresh"), scope: s.session(name)}
	s.register(waking(g.id, &g.scope))
	s.append(g.id, event("wake", `"up"`, "first"))
	s.grant(g.scope, g.id)
	s.wait(g.id, signal("go", 1))
	g.lease = s.claim(g.id, holder, longTTL)
	return g
}

// operationKinds are all operations that a batch may hold, each so that it
// changes what its stage shows.
var operationKinds = []struct {
	name string
	make func(g stage) registry.Operation
}{
	{"register", func(g stage) registry.Operation {
		return registry.RegisterProcessOperation{Registration: waking(g.fresh, nil)}
	}},
	{"external ref", func(g stage) registry.Operation {
		return registry.SetExternalRefOperation{ProcessID: g.id, Ref: registry.ProcessExternalRef{Backend: "b", ID: "x"}, Fence: g.lease.Fence()}
	}},
	{"first started", func(g stage) registry.Operation {
		return registry.RecordFirstStartedOperation{ProcessID: g.id, Started: started("w", 1), Fence: g.lease.Fence()}
	}},
	{"abandon request", func(g stage) registry.Operation {
		return registry.RequestProcessAbandonOperation{ProcessID: g.id, Request: registry.AbandonRequest{RequestedBy: "me"}, Fence: g.lease.Fence()}
	}},
	{"set wait", func(g stage) registry.Operation {
		return registry.SetProcessWaitOperation{ProcessID: g.id, Wait: signal("other", 2), Fence: g.lease.Fence()}
	}},
	{"clear wait", func(g stage) registry.Operation {
		return registry.ClearProcessWaitOperation{ProcessID: g.id, Fence: g.lease.Fence()}
	}},
	{"append", func(g stage) registry.Operation {
		return registry.AppendEventOperation{ProcessID: g.id, Request: event("wake", `"again"`, "second"), Fence: g.lease.Fence()}
	}},
	{"ack", func(g stage) registry.Operation { return registry.AckWakeOperation{ProcessID: g.id, Sequence: 1} }},
	{"grant", func(g stage) registry.Operation {
		return registry.GrantHandleOperation{Scope: g.scope, ProcessID: g.id, Descriptor: registry.ProcessHandleDescriptor{Label: ref("new")}}
	}},
	{"transfer", func(g stage) registry.Operation {
		to := registry.SessionScope{SessionID: g.scope.SessionID, AgentFrameID: "f"}
		return registry.TransferHandleGrantsOperation{From: g.scope, To: to, ProcessIDs: []string{g.id}}
	}},
	{"revoke", func(g stage) registry.Operation {
		return registry.RevokeHandleOperation{Scope: g.scope, ProcessID: g.id}
	}},
	{"delete session", func(g stage) registry.Operation {
		return registry.DeleteSessionProcessStateOperation{SessionID: g.scope.SessionID}
	}},
	{"renew", func(g stage) registry.Operation {
		return registry.RenewProcessLeaseOperation{Lease: g.lease, TTLMs: 3 * longTTL}
	}},
	{"claim again", func(g stage) registry.Operation {
		return registry.ClaimProcessLeaseOperation{ProcessID: g.id, Owner: g.lease.Owner, TTLMs: 3 * longTTL}
	}},
	{"reclaim", func(g stage) registry.Operation {
		_, claimant := neighbours()
		return registry.ReclaimProcessLeaseOperation{ProcessID: g.id, Owner: claimant, Observed: g.lease, Verdict: registry.VerdictDead, TTLMs: longTTL}
	}},
	{"release", func(g stage) registry.Operation {
		return registry.CompleteProcessLeaseOperation{Completion: g.completion()}
	}},
	{"release for retry", func(g stage) registry.Operation {
		return registry.ReleaseForRetryOperation{Completion: g.completion(), RetryAfterMs: 1000}
	}},
	{"complete", func(g stage) registry.Operation {
		return registry.CompleteProcessOperation{ProcessID: g.id, Output: success(`1`), Fence: g.lease.Fence()}
	}},
}

func (g stage) completion() registry.ProcessLeaseCompletion {
	return registry.ProcessLeaseCompletion{ProcessID: g.id, LeaseToken: g.lease.LeaseToken}
}

// seen is everything that a stage shows. When a lease ends is shown roughly:
// it moves on with the clock.
func (s *scene) seen(g stage) string {
	s.Helper()
	lease := "nobody"
	if held := s.lease(g.id); held != nil {
		long := held.ExpiresAtMs > g.lease.ExpiresAtMs+longTTL
		held.ExpiresAtMs = 0
		lease = s.form(held) + fmt.Sprint(" long: ", long)
	}
	_, err := s.GetProcess(s.ctx, g.fresh)
	return strings.Join([]string{
		s.form(s.get(g.id)), s.form(s.eventsAfter(g.id, 0)), s.form(s.wakesAfter(g.id, 0)), s.form(s.grantsOf(g.id)), s.form(s.grants(g.scope)),
		lease, fmt.Sprint("the other: ", registry.CodeOf(err)),
	}, "\n")
}

// passing are the members of answers that no two calls have alike.
var passing = regexp.MustCompile(`"(registration_hash|life|revision|created_at_ms|updated_at_ms|lease_token|fencing_token|claimed_at_epoch_ms|expires_at_epoch_ms|wake_id|secs_since_epoch|nanos_since_epoch)":("[^"]*"|\d+)`)

// answerForm is the form of an operation's answer, for comparing it with that
// of the same operation on another stage.
func (s *scene) answerForm(a registry.OperationAnswer, stage string) string {
	s.Helper()
	return strings.ReplaceAll(passing.ReplaceAllString(s.form(a), `"$1":_`), s.id(stage), "STAGE")
}

var batchChecks = []Check{
	{
		Name:  "operations are done in their order, and each sees those before it",
		Why:   "spec A26: in their order; each operation is decided on what those before it did, sees their effect",
		Needs: NeedsBatches,
		check: func(s *scene) {
			id, a, b := s.id("p"), s.session("a"), s.session("b")
			answers := s.batched(
				registry.RegisterProcessOperation{Registration: waking(id, nil)},
				registry.GrantHandleOperation{Scope: a, ProcessID: id},
				registry.TransferHandleGrantsOperation{From: a, To: b, ProcessIDs: []string{id}},
				noting(id, `1`), noting(id, `2`),
				registry.AppendEventOperation{ProcessID: id, Request: event("note", `3`, "k")},
				registry.AppendEventOperation{ProcessID: id, Request: event("note", `3`, "k")},
				registry.ClaimProcessLeaseOperation{ProcessID: id, Owner: owner("w", "1"), TTLMs: longTTL},
				registry.ClaimProcessLeaseOperation{ProcessID: id, Owner: owner("w", "1"), TTLMs: longTTL},
				registry.CompleteProcessOperation{ProcessID: id, Output: success(`1`)},
			)
			s.holds(!s.has(a, id) && s.has(b, id), "the grant is not where it was moved to")
			for i, want := range []uint64{1, 2, 3, 3} {
				equal(s, "sequence", answers[3+i].Append.Event.Sequence, want)
			}
			s.same("the lease that is claimed again", answers[8].Claim.Acquired.LeaseToken, answers[7].Claim.Acquired.LeaseToken)
			s.same("events", sequencesOf(s.eventsAfter(id, 0)), []uint64{1, 2, 3, 4})
			s.same("the record of the last operation", answers[9].Record, s.get(id))
			_, err := s.batch(s.ctx, registry.CompleteProcessOperation{ProcessID: s.process("q"), Output: success(`1`)},
				registry.SetProcessWaitOperation{ProcessID: s.id("q"), Wait: signal("go", 1)})
			s.batchRefused(err, 1, "Terminal")
		},
	},
	{
		Name:  "every operation is answered as it would be alone",
		Why:   "spec A26: is answered as it would be alone",
		Needs: NeedsBatches,
		check: func(s *scene) {
			alone, ok := s.Registry.(registry.Batchable)
			if !ok {
				s.Fatalf("the registry has no queue, which batches hold operations of")
			}
			for i, kind := range operationKinds {
				s.Logf("operation: %s", kind.name)
				one, two := fmt.Sprintf("a%02d", i), fmt.Sprintf("b%02d", i)
				want, err := kind.make(s.stage(one)).Do(s.ctx, alone)
				s.done(err)
				got := s.batched(kind.make(s.stage(two)))
				equal(s, "answer", s.answerForm(got[0], two), s.answerForm(want, one))
			}
		},
	},
	{
		Name:  "every operation has a revision of its own",
		Why:   "spec A26",
		Needs: NeedsBatches,
		check: func(s *scene) {
			id := s.process("p")
			var info registry.AnswerInfo
			answers, err := s.batch(registry.WithAnswerInfo(s.ctx, &info),
				registry.RequestProcessAbandonOperation{ProcessID: id, Request: registry.AbandonRequest{RequestedBy: "me"}},
				registry.SetProcessWaitOperation{ProcessID: id, Wait: signal("go", 1)},
				registry.ClearProcessWaitOperation{ProcessID: id})
			s.done(err)
			for i, answer := range answers {
				equal(s, "revision", answer.Record.Revision, answers[0].Record.Revision+uint64(i))
			}
			equal(s, "revision of the answer", info.Revision, answers[2].Record.Revision)
		},
	},
	{
		Name:  "a refused operation undoes every kind of operation before it",
		Why:   "spec A26: all or none; if one is refused, nothing of the batch is done",
		Needs: NeedsBatches,
		check: func(s *scene) {
			for _, kind := range operationKinds {
				s.Logf("operation: %s", kind.name)
				g := s.stage(kind.name)
				operation, before := kind.make(g), s.seen(g)
				f := s.batchRefused(failure(s.batch(s.ctx, operation, s.impossible())), 1, "NotFound")
				equal(s, "process_id", f.ProcessID, s.id("none"))
				equal(s, "what is seen after "+kind.name, s.seen(g), before)
				s.batched(operation)
				s.holds(s.seen(g) != before, "%s changed nothing", kind.name)
			}
		},
	},
	{
		Name:  "a refused batch moves no revision, and takes no fencing token away",
		Why:   "spec A26: what an operation took in the meantime, nobody was told of, and it is given to the next",
		Needs: NeedsBatches,
		Alone: true,
		check: func(s *scene) {
			id, other := s.process("p"), s.process("q")
			first := s.claim(id, owner("w", "1"), longTTL)
			revision := func() uint64 {
				s.Helper()
				var info registry.AnswerInfo
				s.done(failure(s.GetProcessLease(registry.WithAnswerInfo(s.ctx, &info), id)))
				return info.Revision
			}
			before := revision()
			s.batchRefused(failure(s.batch(s.ctx, registry.ClaimProcessLeaseOperation{ProcessID: other, Owner: owner("v", "1"), TTLMs: longTTL},
				noting(id, `1`), s.impossible())), 2, "NotFound")
			equal(s, "revision", revision(), before)
			equal(s, "the next fencing token", s.claim(other, owner("v", "1"), longTTL).FencingToken, first.FencingToken+1)
		},
	},
	{
		Name:  "a claim that finds a live lease refuses the batch",
		Why:   "spec A26: or a claim finds a live lease; operation_code is Busy",
		Needs: NeedsBatches,
		check: func(s *scene) {
			id, leased := s.process("p"), s.process("q")
			held := s.claim(leased, owner("w", "1"), longTTL)
			for _, claim := range []registry.Operation{
				registry.ClaimProcessLeaseOperation{ProcessID: leased, Owner: owner("v", "1"), TTLMs: longTTL},
				registry.ReclaimProcessLeaseOperation{ProcessID: leased, Owner: owner("v", "1"), Observed: held, Verdict: registry.VerdictDead, TTLMs: longTTL},
			} {
				f := s.batchRefused(failure(s.batch(s.ctx, noting(id, `1`), claim, noting(id, `2`))), 1, "Busy")
				equal(s, "process_id", f.ProcessID, leased)
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
			equal(s, "the held token", s.held(leased).LeaseToken, held.LeaseToken)
		},
	},
	{
		Name:  "a refused batch has the fields of the operation's refusal",
		Why:   "spec A26: operation, operation_code and the fields of its refusal; with its own arguments and fence",
		Needs: NeedsBatches,
		check: func(s *scene) {
			id, ended, other := s.process("p"), s.ended("ended"), s.id("other")
			lease := s.claim(id, owner("w", "1"), longTTL)
			stale := &registry.Fence{LeaseToken: "stale", FencingToken: lease.FencingToken}
			conflicting := declaring(id)
			refused := func(code string, operation registry.Operation) registry.Fields {
				s.Helper()
				err := failure(s.batch(s.ctx, registry.SetProcessWaitOperation{ProcessID: id, Wait: signal("go", 1), Fence: lease.Fence()}, operation))
				return s.batchRefused(err, 1, code)
			}
			f := refused("Fenced", registry.ClearProcessWaitOperation{ProcessID: id, Fence: stale})
			s.holds(f.ProcessID == id && f.FencingToken != nil && *f.FencingToken == lease.FencingToken, "Fenced names %s", s.form(f))
			f = refused("Terminal", registry.SetProcessWaitOperation{ProcessID: ended, Wait: signal("go", 1)})
			s.holds(f.ProcessID == ended && f.State == "completed", "Terminal names %s", s.form(f))
			f = refused("AlreadyExists", registry.RegisterProcessOperation{Registration: conflicting})
			s.holds(f.ProcessID == id && f.ExistingHash != "" && f.NewHash != "" && f.ExistingHash != f.NewHash, "AlreadyExists names %s", s.form(f))
			f = refused("NotGranted", registry.TransferHandleGrantsOperation{From: s.session("a"), To: s.session("b"), ProcessIDs: []string{id}})
			s.holds(f.ProcessID == id && f.SessionID == s.id("a"), "NotGranted names %s", s.form(f))
			f = refused("UndeclaredEvent", registry.AppendEventOperation{ProcessID: id, Request: event("undeclared", `1`, "")})
			s.holds(f.ProcessID == id && f.EventType == "undeclared", "UndeclaredEvent names %s", s.form(f))
			f = refused("LeaseExpired", registry.RenewProcessLeaseOperation{Lease: registry.ProcessLease{ProcessID: other, Owner: owner("w", "1"), LeaseToken: "t"}, TTLMs: 1})
			equal(s, "process_id", f.ProcessID, other)
			s.holds(s.get(id).Wait == nil, "a refused batch set the wait")
		},
	},
	{
		Name:  "an operation that is wrong by itself is refused with its own code",
		Why:   "spec A26: before the log with its own code, naming the operation",
		Needs: NeedsBatches,
		check: func(s *scene) {
			id := s.process("p")
			f := s.refused(registry.CodeInvalidArgument, failure(s.batch(s.ctx, noting(id, `1`), noting("", `1`), s.impossible()))).Fields
			s.named(f, 1, "InvalidArgument")
			f = s.refused(registry.CodeTooLarge, failure(s.batch(s.ctx, noting(id, `1`), noting(strings.Repeat("x", 513), `1`)))).Fields
			s.named(f, 1, "TooLarge")
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
		},
	},
	{
		Name:  "a batch has 1 to 100 operations",
		Why:   "spec A26, A16: up to 100 operations",
		Needs: NeedsBatches,
		check: func(s *scene) {
			id := s.process("p")
			operations := slices.Repeat([]registry.Operation{noting(id, `1`)}, 101)
			s.refused(registry.CodeInvalidArgument, failure(s.batch(s.ctx)))
			s.overLimit(failure(s.batch(s.ctx, operations...)), "operations", 100, 101)
			equal(s, "events", len(s.eventsAfter(id, 0)), 0)
			answers := s.batched(operations[:100]...)
			equal(s, "sequence of the last", answers[99].Append.Event.Sequence, 100)
		},
	},
	{
		Name:  "a batch is done once under its stamp, and answered again",
		Why:   "spec A26, A9: a batch carries one stamp, for all of it",
		Needs: NeedsBatches,
		check: func(s *scene) {
			if _, ok := s.Registry.(registry.Sessions); !ok {
				return
			}
			id, session := s.process("p"), s.open()
			s.grant(s.session("a"), id)
			operations := []registry.Operation{
				noting(id, `1`),
				registry.TransferHandleGrantsOperation{From: s.session("a"), To: s.session("b"), ProcessIDs: []string{id}},
				registry.ClaimProcessLeaseOperation{ProcessID: id, Owner: owner("w", "1"), TTLMs: 0},
				registry.DeleteSessionProcessStateOperation{SessionID: s.id("b")},
			}
			var first []registry.OperationAnswer
			for i := range 3 {
				answers, err := s.batch(s.stamped(session, 1), operations...)
				s.done(err)
				if i == 0 {
					first = answers
				}
				s.same("the answer", answers, first)
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 1)
			for range 2 {
				s.batchRefused(failure(s.batch(s.stamped(session, 2), noting(id, `2`), registry.AckWakeOperation{ProcessID: s.id("later"), Sequence: 1})), 1, "NotFound")
				s.process("later")
			}
			s.refused(registry.CodeInvalidArgument, s.noteAs(session, 1, id, `3`))
			equal(s, "events", len(s.eventsAfter(id, 0)), 1)
		},
	},
	{
		Name:  "a batch is seen whole",
		Why:   "spec A26: as one log entry",
		Needs: NeedsBatches,
		check: func(s *scene) {
			const n = 20
			scope, a, b := s.session("s"), s.id("a"), s.id("b")
			s.process("a")
			s.process("b")
			s.grant(scope, a)
			s.grant(scope, b)
			var over atomic.Bool
			var wrote, read error
			atOnce(2, func(i int) {
				if i == 0 {
					for i := 0; i < n && wrote == nil; i++ {
						wait := signal("go", uint64(i+1))
						_, wrote = s.batch(s.ctx, registry.SetProcessWaitOperation{ProcessID: a, Wait: wait}, registry.SetProcessWaitOperation{ProcessID: b, Wait: wait})
					}
					over.Store(true)
					return
				}
				for read == nil && !over.Load() {
					page, err := s.ListHandleGrants(s.ctx, scope, registry.PageRequest{})
					if read = err; err == nil && s.form(page.Items[0].Record.Wait) != s.form(page.Items[1].Record.Wait) {
						read = errors.New("one operation of a batch was seen without the other")
					}
				}
			})
			s.done(wrote)
			s.holds(read == nil, "%v", read)
			equal(s, "the last", s.get(b).Wait.Ordinal, n)
		},
	},
}
