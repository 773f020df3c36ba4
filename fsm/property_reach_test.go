package fsm_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// reach counts what random runs came to: how often each operation was answered
// in which way, and how often states came up that are easily got wrong. A
// generator that starves one of them shows here, not by a test that stays green.
type reach struct {
	counts map[string]int
	// pruned are the processes of the run so far that once were.
	pruned map[string]bool
}

func (r *reach) seen(what string) { r.counts[what]++ }

// count counts an answer of the model, and what was special about it.
func (r *reach) count(before, after *model.State, op model.Op, a model.Answer) {
	if op, ok := op.(model.Stamped); ok {
		r.countStamped(before, op, a)
		return
	}
	name := strings.TrimPrefix(fmt.Sprintf("%T", op), "model.")
	outcome := "changed"
	switch {
	case a.Code != 0:
		outcome = a.Code.String()
	case a.Busy:
		outcome = "busy"
	case before.Revision == after.Revision:
		outcome = "unchanged"
	}
	r.seen(name + " " + outcome)
	if op, ok := op.(model.Batch); ok && a.Code != 0 {
		for _, undone := range op.Ops[:*a.Fields.Operation] {
			r.seen(fmt.Sprintf("Undone %T", undone))
		}
	}
	if op, ok := op.(model.ClaimNext); ok {
		r.countClaims(before, op, a)
	}
	if outcome == "changed" {
		r.countChange(before, after, op)
	}
}

// countChange counts states that are easily got wrong.
func (r *reach) countChange(before, after *model.State, op model.Op) {
	switch op := op.(type) {
	case model.AckWake:
		if op.Sequence > uint64(len(before.Processes[op.ProcessID].Events)) {
			r.seen("with an ack before its event")
		}
	case model.AppendEvent:
		p := after.Processes[op.ProcessID]
		if e := p.Events[len(p.Events)-1]; e.Semantics.Wake != nil && p.Acked[e.Sequence] {
			r.seen("with a wake that was acked before")
		}
	case model.CompleteProcess:
		if before.Processes[op.ProcessID].Wait != nil {
			r.seen("with a wait that a terminal event ends")
		}
	case model.ClaimProcessLease:
		if l := before.Processes[op.ProcessID].Lease; l.Held && l.EndMs == before.LeaseTimeMs {
			r.seen("with a claim of a lease that ends now")
		}
	case model.ReclaimProcessLease:
		if l := before.Processes[op.ProcessID].Lease; l.Held && l.EndMs > before.LeaseTimeMs {
			r.seen("with a reclaim of a live lease")
		}
	case model.TransferHandleGrants:
		if len(before.Grants) > len(after.Grants) {
			r.seen("with a transfer onto a grant")
		}
	case model.DeleteSessionProcessState:
		r.countDeleted(before, after)
	case model.PruneTerminalProcesses:
		for id, p := range before.Processes {
			if after.Processes[id] != nil {
				continue
			}
			r.pruned[id] = true
			if p.Lease.Held && p.Lease.EndMs > before.LeaseTimeMs {
				r.seen("with a live lease that is pruned")
			}
		}
		if len(before.Grants) > len(after.Grants) {
			r.seen("with a grant that is pruned")
		}
	case model.RegisterProcess:
		if r.pruned[op.Registration.ID] {
			r.seen("with another life of a pruned process")
		}
	}
}

func (r *reach) countDeleted(before, after *model.State) {
	for id, p := range after.Processes {
		if p.State != "running" && p.Registration.WakeTarget == nil && before.Processes[id].Registration.WakeTarget != nil {
			r.seen("with an ended process that loses its target")
		}
	}
	processes := map[string]int{}
	for g := range before.Grants {
		if _, kept := after.Grants[g]; !kept {
			processes[g.ProcessID]++
		}
	}
	for _, scopes := range processes {
		if scopes > 1 {
			r.seen("with two frames of a deleted session")
		}
	}
}

// countStamped counts what writes of sessions came to.
func (r *reach) countStamped(before *model.State, op model.Stamped, a model.Answer) {
	session := before.Sessions[op.Session]
	switch {
	case a.Outcome != nil:
		r.seen(fmt.Sprintf("SettleWrite done=%v refused=%v", a.Outcome.Done, a.Outcome.Refusal != 0))
	case session == nil:
		r.seen("Stamped in no session")
	case session.EndMs <= before.LeaseTimeMs:
		r.seen("Stamped in a session whose time is over")
	case op.Sequence < session.Floor:
		r.seen("Stamped below the floor")
	case !before.Answered(op.Session, op.Sequence):
		r.seen("Stamped for the first time")
		if op.Floor > session.Floor {
			r.seen("Stamped with a floor that rises")
		}
	case a.Code == registry.CodeLifeEnded:
		r.seen("Stamped again after the life")
	case a.Code == registry.CodeInvalidArgument && !a.Again:
		r.seen("Stamped as another kind")
	case a.Code == registry.CodeSessionExpired:
		r.seen("Stamped after it was settled")
	case a.Code != 0:
		r.seen("Stamped again with a refusal")
	default:
		r.seen(fmt.Sprintf("Stamped again as %T", op.Op))
		r.seen("Stamped again")
	}
}

// countClaims counts what claim-next found.
func (r *reach) countClaims(before *model.State, op model.ClaimNext, a model.Answer) {
	if len(a.Claims) < len(before.Ready(op.Kinds)) {
		r.seen("with a claim-next that leaves work")
	}
	for _, c := range a.Claims {
		if c.Attempt > 1 {
			r.seen("with work that is handed out again")
		}
		if before.Processes[c.Record.ID].NotBeforeMs > 0 {
			r.seen("with a delay that is over")
		}
	}
	for _, p := range before.Processes {
		if p.State == "running" && !p.Lease.Held && p.NotBeforeMs > before.LeaseTimeMs {
			r.seen("with a claim-next that passes a delayed process over")
		}
		if p.State == "running" && !p.Lease.Held && p.AbandonRequest != nil {
			r.seen("with a claim-next that passes an abandoned process over")
		}
	}
}

// mustReach is what a full run has to come to: each of these came up at least
// ten times in each of three runs of a hundred checks.
var mustReach = map[string][]string{
	"AckWake":                   {"changed", "unchanged", "NotFound"},
	"AppendEvent":               {"changed", "unchanged", "NotFound", "Fenced", "ReplayConflict", "UndeclaredEvent", "MissingReplayKey", "InvalidArgument", "PayloadRejected", "Terminal"},
	"Batch":                     {"changed", "unchanged", "BatchRefused"},
	"ClaimNext":                 {"changed", "unchanged"},
	"ClaimProcessLease":         {"changed", "busy", "NotFound", "Terminal"},
	"ClearProcessWait":          {"changed", "NotFound", "Fenced"},
	"CompleteProcess":           {"changed", "unchanged", "NotFound", "Fenced", "ReplayConflict", "Terminal"},
	"CompleteProcessLease":      {"changed", "unchanged"},
	"DeleteSessionProcessState": {"changed", "unchanged"},
	"GrantHandle":               {"changed", "NotFound"},
	"PruneTerminalProcesses":    {"changed", "unchanged"},
	"ReclaimProcessLease":       {"changed", "busy", "NotFound", "Terminal"},
	"RecordFirstStarted":        {"changed", "unchanged", "NotFound", "Fenced"},
	"RegisterProcess":           {"changed", "unchanged", "AlreadyExists"},
	"ReleaseForRetry":           {"changed", "unchanged"},
	"RenewProcessLease":         {"changed", "LeaseExpired"},
	"RequestProcessAbandon":     {"changed", "unchanged", "NotFound", "Fenced", "Terminal"},
	"RevokeHandle":              {"changed", "unchanged"},
	"SetExternalRef":            {"changed", "unchanged", "NotFound", "Fenced", "AlreadyExists"},
	"SetProcessWait":            {"changed", "NotFound", "Fenced", "Terminal"},
	"SettleWrite":               {"done=false refused=false", "done=true refused=false", "done=true refused=true"},
	"Stamped": {
		"for the first time", "again", "again with a refusal", "again after the life", "again as model.Batch", "again as model.ClaimNext",
		"as another kind", "after it was settled", "below the floor", "in no session", "in a session whose time is over", "with a floor that rises",
	},
	"Undone": {
		"model.AppendEvent", "model.ClaimProcessLease", "model.GrantHandle", "model.RegisterProcess", "model.ReleaseForRetry", "model.TransferHandleGrants",
	},
	"TransferHandleGrants": {"changed", "unchanged", "NotGranted"},
	"with": {
		"a claim-next that leaves work", "work that is handed out again", "a delay that is over",
		"a claim-next that passes a delayed process over", "a claim-next that passes an abandoned process over",
		"another life than the decision's", "another life of a pruned process", "a grant that is pruned", "a live lease that is pruned",
		"a claim of a lease that ends now", "a reclaim of a live lease", "a wait that a terminal event ends", "a transfer onto a grant",
		"an ack before its event", "a wake that was acked before", "an ended process that loses its target", "two frames of a deleted session",
	},
}

// check fails when a full run starved something, and shows the counts under
// -v.
func (r *reach) check(t *testing.T) {
	for _, what := range slices.Sorted(maps.Keys(r.counts)) {
		t.Logf("%6d  %s", r.counts[what], what)
	}
	if checks, err := strconv.Atoi(flag.Lookup("rapid.checks").Value.String()); err != nil || checks < 100 || t.Failed() {
		return
	}
	for name, outcomes := range mustReach {
		for _, outcome := range outcomes {
			if r.counts[name+" "+outcome] == 0 {
				t.Errorf("no call came to: %s %s", name, outcome)
			}
		}
	}
}
