package check

import (
	"slices"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// find returns the last operation of a kind that a function picks.
func find[Call model.Op](h *history.History, pick func(o *history.Op, call Call) bool) *history.Op {
	for _, o := range slices.Backward(h.Ops) {
		if call, ok := o.Call.(Call); ok && o.Outcome != history.Unknown && pick(o, call) {
			return o
		}
	}
	return nil
}

// read is the last whole read of a log with events enough.
func read(h *history.History, events int) *history.Op {
	return find(h, func(o *history.Op, call model.EventsAfter) bool {
		return call.After == 0 && o.Outcome == history.OK && len(o.Answer.Events) >= events && !isCoreTerminal(o.Answer.Events[len(o.Answer.Events)-1].EventType)
	})
}

// onLease is the last operation of a kind that was answered with a lease.
func granted(h *history.History) *history.Op {
	return find(h, func(o *history.Op, _ model.ClaimProcessLease) bool { return grants(o) != nil })
}

// TestEveryKindOfViolationIsFound breaks a history that keeps every promise in
// one place, for each sentence in each way.
func TestEveryKindOfViolationIsFound(t *testing.T) {
	events := func(o *history.Op) *[]registry.ProcessEvent {
		o.Answer.Events = slices.Clone(o.Answer.Events)
		return &o.Answer.Events
	}
	for _, test := range []struct {
		name string
		// spoil breaks the history; false when this one has no place for it.
		spoil func(h *history.History) bool
		want  Sentence
	}{
		{"an acked event is missing at the end of the log", func(h *history.History) bool {
			o := read(h, 3)
			if o == nil {
				return false
			}
			log := events(o)
			*log = (*log)[:1]
			return true
		}, AckedStays},
		{"an acked event has another payload", func(h *history.History) bool {
			a := find(h, func(o *history.Op, call model.AppendEvent) bool { return o.Outcome == history.OK })
			call := a.Call.(model.AppendEvent)
			call.Request.Payload = registry.JSON(`"other"`)
			a.Call = call
			return true
		}, AckedStays},
		{"a repeat got another answer than the first", func(h *history.History) bool {
			a := find(h, func(o *history.Op, _ model.AppendEvent) bool { return o.Outcome == history.OK })
			event := *a.Answer.Event
			event.OccurredAtMs++
			a.Answer.Event = &event
			return true
		}, FirstAnswer},
		{"an event is in the log twice", func(h *history.History) bool {
			o := read(h, 2)
			if o == nil {
				return false
			}
			log := events(o)
			(*log)[len(*log)-1].Payload = (*log)[0].Payload
			return true
		}, AtMostOnce},
		{"a refused append left an event", func(h *history.History) bool {
			o := read(h, 1)
			if o == nil {
				return false
			}
			refused := find(h, func(a *history.Op, call model.AppendEvent) bool {
				return a.Outcome == history.Refused && call.ProcessID == o.Call.(model.EventsAfter).ProcessID
			})
			if refused == nil {
				return false
			}
			log := events(o)
			*log = append(*log, registry.ProcessEvent{
				ProcessID: refused.Call.(model.AppendEvent).ProcessID, Sequence: uint64(len(*log) + 1), EventType: "entry",
				Payload: refused.Call.(model.AppendEvent).Request.Payload,
			})
			return true
		}, RefusedIsAbsent},
		{"an event that nobody sent", func(h *history.History) bool {
			o := read(h, 1)
			if o == nil {
				return false
			}
			log := events(o)
			*log = append(*log, registry.ProcessEvent{ProcessID: o.Call.(model.EventsAfter).ProcessID, Sequence: uint64(len(*log) + 1), EventType: "entry", Payload: registry.JSON("7")})
			return true
		}, NothingInvented},
		{"a hole in the sequences", func(h *history.History) bool {
			o := read(h, 2)
			if o == nil {
				return false
			}
			(*events(o))[1].Sequence++
			return true
		}, LogIsDense},
		{"an older owner writes after a newer one", func(h *history.History) bool {
			o := read(h, 2)
			if o == nil {
				return false
			}
			last := o.Answer.Events[len(o.Answer.Events)-1]
			a := find(h, func(a *history.Op, call model.AppendEvent) bool {
				return string(call.Request.Payload) == string(last.Payload)
			})
			if a == nil || fenceOf(a.Call) == nil {
				return false
			}
			call := a.Call.(model.AppendEvent)
			call.Fence = &registry.Fence{LeaseToken: "old", FencingToken: 0}
			a.Call = call
			return true
		}, FenceHolds},
		{"a write is accepted under a released lease", func(h *history.History) bool {
			release := find(h, func(r *history.Op, call model.CompleteProcessLease) bool { return r.Outcome == history.OK })
			if release == nil {
				return false
			}
			token := release.Call.(model.CompleteProcessLease).Completion
			a := find(h, func(a *history.Op, call model.AppendEvent) bool {
				return call.ProcessID == token.ProcessID && a.InvokeNs > release.ReturnNs && call.Fence != nil && call.Fence.LeaseToken == token.LeaseToken
			})
			if a == nil {
				return false
			}
			a.Outcome, a.Answer = history.OK, model.Answer{Event: &registry.ProcessEvent{ProcessID: token.ProcessID}}
			return true
		}, StaleIsRefused},
		{"a renewal is accepted after another owner was seen", func(h *history.History) bool {
			r := find(h, func(r *history.Op, call model.RenewProcessLease) bool {
				later := find(h, func(c *history.Op, claim model.ClaimProcessLease) bool {
					return claim.ProcessID == call.Lease.ProcessID && grants(c) != nil && c.ReturnNs < r.InvokeNs && c.Answer.Lease.FencingToken > call.Lease.FencingToken
				})
				return r.Outcome == history.Refused && later != nil
			})
			if r == nil {
				return false
			}
			lease := r.Call.(model.RenewProcessLease).Lease
			r.Outcome, r.Answer = history.OK, model.Answer{Lease: &lease}
			return true
		}, StaleIsRefused},
		{"a completed process runs again", func(h *history.History) bool {
			done := find(h, func(o *history.Op, call model.CompleteProcess) bool { return o.Outcome == history.OK })
			if done == nil {
				return false
			}
			later := find(h, func(o *history.Op, call model.GetProcess) bool {
				return call.ProcessID == done.Answer.Record.ID && o.InvokeNs > done.ReturnNs
			})
			record := *later.Answer.Record
			record.Status = registry.ProcessStatus{State: registry.StateRunning}
			later.Answer.Record = &record
			return true
		}, EndIsFinal},
		{"two grants have one fencing token", func(h *history.History) bool {
			o := granted(h)
			lease := *o.Answer.Lease
			lease.FencingToken--
			o.Answer.Lease = &lease
			return true
		}, TokensAreUnique},
		{"a fencing token goes back", func(h *history.History) bool {
			o := granted(h)
			lease := *o.Answer.Lease
			lease.FencingToken = 1
			o.Answer.Lease = &lease
			return true
		}, TokensGrow},
		{"a lease is granted while another one is live", func(h *history.History) bool {
			busy := find(h, func(o *history.Op, _ model.ClaimProcessLease) bool { return o.Answer.Busy })
			if busy == nil {
				return false
			}
			claim := busy.Call.(model.ClaimProcessLease)
			busy.Answer.Busy = false
			busy.Answer.Lease = &registry.ProcessLease{
				ProcessID: claim.ProcessID, Owner: claim.Owner, LeaseToken: "another", FencingToken: 1_000_000,
				ClaimedAtMs: busy.Info.ClockMs, ExpiresAtMs: busy.Info.ClockMs + claim.TTLMs,
			}
			return true
		}, OneHolder},
		{"a renewal is refused while the lease is live", func(h *history.History) bool {
			renewed := find(h, func(o *history.Op, call model.RenewProcessLease) bool {
				return o.Outcome == history.OK && call.Lease.ExpiresAtMs > o.Info.ClockMs+50
			})
			if renewed == nil {
				return false
			}
			renewed.Outcome, renewed.Answer = history.Refused, model.Answer{Code: registry.CodeLeaseExpired}
			return true
		}, NoEarlyEnd},
		{"lease time runs ahead of real time", func(h *history.History) bool {
			for _, o := range h.Ops[len(h.Ops)/2:] {
				o.Info.LeaseTimeMs += 5000
			}
			return true
		}, NoEarlyEnd},
		{"lease time stands still although nothing is wrong", func(h *history.History) bool {
			for _, o := range h.Ops {
				o.Info.LeaseTimeMs = min(o.Info.LeaseTimeMs, 500)
			}
			return true
		}, LeaseTimePasses},
		{"an answer carries no metadata", func(h *history.History) bool {
			granted(h).Info = registry.AnswerInfo{}
			return true
		}, AnswersCarryInfo},
		{"a read shows an older revision than one before", func(h *history.History) bool {
			h.Ops[len(h.Ops)-1].Info.Revision = 1
			return true
		}, RealTimeOrder},
		{"the clock goes back", func(h *history.History) bool {
			// Of the first operation at a revision, not to break real time.
			h.Ops[len(h.Ops)-1].Info.ClockMs -= 500
			return true
		}, ClocksGrow},
		{"a stale record is read", func(h *history.History) bool {
			// An answer of before, at the place of now: only the model and
			// porcupine can see it.
			o := find(h, func(o *history.Op, call model.GetProcess) bool {
				return o.Outcome == history.OK && o.Answer.Record.FirstStarted != nil
			})
			if o == nil {
				return false
			}
			record := *o.Answer.Record
			record.FirstStarted = nil
			o.Answer.Record = &record
			return true
		}, AnswersAgree},
		{"an acked write has no effect", func(h *history.History) bool {
			o := read(h, 2)
			if o == nil {
				return false
			}
			o.Answer.Events = nil
			return true
		}, AnswersAgree},
		{"a revision that nothing made", func(h *history.History) bool {
			for _, o := range h.Ops[len(h.Ops)/2:] {
				if o.Info.Revision > 0 {
					o.Info.Revision++
				}
			}
			return true
		}, AnswersAgree},
		{"a grant is not seen", func(h *history.History) bool {
			o := find(h, func(o *history.Op, _ model.HandleGrantsForProcess) bool { return len(o.Answer.Grants) > 0 })
			if o == nil {
				return false
			}
			o.Answer.Grants = o.Answer.Grants[1:]
			return true
		}, AnswersAgree},
		{"half of a transfer is seen", func(h *history.History) bool {
			moved := find(h, func(o *history.Op, call model.TransferHandleGrants) bool {
				return o.Outcome == history.OK && len(call.ProcessIDs) == 2 && call.From != call.To
			})
			if moved == nil {
				return false
			}
			call := moved.Call.(model.TransferHandleGrants)
			call.ProcessIDs = call.ProcessIDs[:1]
			moved.Call = call
			return true
		}, AnswersAgree},
		{"a wait is not cleared", func(h *history.History) bool {
			cleared := find(h, func(o *history.Op, _ model.ClearProcessWait) bool { return o.Outcome == history.OK })
			if cleared == nil {
				return false
			}
			record := *cleared.Answer.Record
			record.Wait = &registry.WaitState{Kind: registry.WaitSignal, Name: "old"}
			cleared.Answer.Record = &record
			return true
		}, AnswersAgree},
		{"a lease is acquired twice", func(h *history.History) bool {
			busy := find(h, func(o *history.Op, _ model.ClaimProcessLease) bool { return o.Answer.Busy })
			if busy == nil {
				return false
			}
			claim := busy.Call.(model.ClaimProcessLease)
			lease := *busy.Answer.Lease
			lease.Owner = claim.Owner
			busy.Answer.Busy, busy.Answer.Lease = false, &lease
			return true
		}, Linearizable},
		{"the replicas differ", func(h *history.History) bool {
			h.State.Members[1].Hash, h.State.Agree = "other", false
			return true
		}, ReplicasAgree},
		{"a replica is missing", func(h *history.History) bool {
			h.State.Members = h.State.Members[:1]
			return true
		}, ReplicasAgree},
		{"the cluster does not come back", func(h *history.History) bool {
			h.Faults = []history.Fault{{Name: "kill", Phase: history.Begin}, {Name: "kill", Phase: history.End}}
			return true
		}, LeaderReturns},
		{"a node ends by itself", func(h *history.History) bool {
			h.Faults = []history.Fault{{Name: history.NodeExit, Phase: history.Begin, Detail: "n1 ended"}}
			return true
		}, NodesStay},
	} {
		t.Run(test.name, func(t *testing.T) {
			for seed := range uint64(50) {
				h := simulate(seed, 250, 3)
				if !test.spoil(h) {
					continue
				}
				for _, v := range Judge(h, whole).Violations() {
					if v.Sentence == test.want {
						return
					}
				}
				t.Fatalf("seed %d: not found", seed)
			}
			t.Fatal("no history has a place for this")
		})
	}
}
