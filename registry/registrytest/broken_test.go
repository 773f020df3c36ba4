package registrytest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/memory"
)

// Each of these types breaks one promise and is sound otherwise.
type (
	list     = registry.Page[registry.ProcessRecord]
	events   = registry.Page[registry.ProcessEvent]
	entries  = registry.Page[registry.ProcessHandleGrantEntry]
	outcome  = registry.ProcessLeaseClaimOutcome
	owner    = registry.LeaseOwnerIdentity
	appended = registry.ProcessEventAppendResult
)

type reversedLists struct{ registry.Registry }

func (r reversedLists) ListProcesses(ctx context.Context, f registry.ProcessListFilter, p registry.PageRequest) (list, error) {
	page, err := r.Registry.ListProcesses(ctx, f, p)
	slices.Reverse(page.Items)
	return page, err
}

type lostTokens struct{ registry.Registry }

func (r lostTokens) EventsAfter(ctx context.Context, id string, after uint64, p registry.PageRequest) (events, error) {
	page, err := r.Registry.EventsAfter(ctx, id, after, p)
	page.NextToken = ""
	return page, err
}

type largePages struct{ registry.Registry }

func (r largePages) ListHandleGrants(ctx context.Context, s registry.SessionScope, p registry.PageRequest) (entries, error) {
	p.Size = max(p.Size, 3)
	return r.Registry.ListHandleGrants(ctx, s, p)
}

type showsEnded struct{ registry.Registry }

func (r showsEnded) ListProcesses(ctx context.Context, f registry.ProcessListFilter, p registry.PageRequest) (list, error) {
	if f.Status == "" {
		f.Status = registry.StatusAny
	}
	return r.Registry.ListProcesses(ctx, f, p)
}

type emptyRecords struct{ registry.Registry }

func (r emptyRecords) GetProcess(ctx context.Context, id string) (registry.ProcessRecord, error) {
	record, err := r.Registry.GetProcess(ctx, id)
	if registry.CodeOf(err) == registry.CodeNotFound {
		err = nil
	}
	return record, err
}

type unsureRefusals struct{ registry.Registry }

func (r unsureRefusals) GetProcess(ctx context.Context, id string) (registry.ProcessRecord, error) {
	record, err := r.Registry.GetProcess(ctx, id)
	if refusal, ok := err.(*registry.Error); ok {
		refusal.Unknown = true
	}
	return record, err
}

type touchedByRepeat struct{ registry.Registry }

func (r touchedByRepeat) RegisterProcess(ctx context.Context, registration registry.ProcessRegistration) (registry.ProcessRecord, error) {
	if _, err := r.GetProcess(ctx, registration.ID); err == nil {
		r.ClearProcessWait(ctx, registration.ID, nil)
	}
	return r.Registry.RegisterProcess(ctx, registration)
}

type noConflict struct{ registry.Registry }

func (r noConflict) RegisterProcess(ctx context.Context, registration registry.ProcessRegistration) (registry.ProcessRecord, error) {
	record, err := r.Registry.RegisterProcess(ctx, registration)
	if registry.CodeOf(err) == registry.CodeAlreadyExists {
		return r.GetProcess(ctx, registration.ID)
	}
	return record, err
}

type compactJSON struct{ registry.Registry }

func (r compactJSON) AppendEvent(ctx context.Context, id string, q registry.ProcessEventAppendRequest, fence *registry.Fence) (appended, error) {
	var text bytes.Buffer
	if json.Compact(&text, q.Payload) == nil {
		q.Payload = text.Bytes()
	}
	return r.Registry.AppendEvent(ctx, id, q, fence)
}

type alwaysDurable struct{ registry.Registry }

func (alwaysDurable) DurabilityTier() registry.DurabilityTier { return registry.TierDurable }

type gaps struct{ registry.Registry }

func (r gaps) AppendEvent(ctx context.Context, id string, q registry.ProcessEventAppendRequest, fence *registry.Fence) (appended, error) {
	result, err := r.Registry.AppendEvent(ctx, id, q, fence)
	if registry.CodeOf(err) == registry.CodePayloadRejected {
		r.Registry.AppendEvent(ctx, id, registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON(`1`)}, nil)
	}
	return result, err
}

type inclusiveEvents struct{ registry.Registry }

func (r inclusiveEvents) EventsAfter(ctx context.Context, id string, after uint64, p registry.PageRequest) (events, error) {
	return r.Registry.EventsAfter(ctx, id, max(after, 1)-1, p)
}

type signedSequences struct{ registry.Registry }

func (r signedSequences) EventsAfter(ctx context.Context, id string, after uint64, p registry.PageRequest) (events, error) {
	return r.Registry.EventsAfter(ctx, id, uint64(max(int64(after), 0)), p)
}

type exclusiveCount struct{ registry.Registry }

func (r exclusiveCount) CountEventsThrough(ctx context.Context, id, name string, through uint64) (uint64, error) {
	return r.Registry.CountEventsThrough(ctx, id, name, max(through, 1)-1)
}

type unlimitedRecent struct{ registry.Registry }

func (r unlimitedRecent) RecentEvents(ctx context.Context, id string, limit uint64, p registry.PageRequest) (events, error) {
	if limit == 0 {
		limit = 1 << 40
	}
	return r.Registry.RecentEvents(ctx, id, limit, p)
}

type forgottenKeys struct{ registry.Registry }

func (r forgottenKeys) AppendEvent(ctx context.Context, id string, q registry.ProcessEventAppendRequest, fence *registry.Fence) (appended, error) {
	if q.EventType == "note" {
		q.Replay = nil
	}
	return r.Registry.AppendEvent(ctx, id, q, fence)
}

type schemaFirst struct{ registry.Registry }

func (r schemaFirst) AppendEvent(ctx context.Context, id string, q registry.ProcessEventAppendRequest, fence *registry.Fence) (appended, error) {
	result, err := r.Registry.AppendEvent(ctx, id, q, fence)
	if registry.CodeOf(err) != registry.CodeReplayConflict {
		return result, err
	}
	// Under another key it shows what the schema says.
	q.Replay = &registry.Replay{Key: "another"}
	if _, other := r.Registry.AppendEvent(ctx, id, q, fence); other != nil {
		err = other
	}
	return result, err
}

type strictEvidence struct{ registry.Registry }

func (r strictEvidence) CompleteProcess(ctx context.Context, id string, o registry.ProcessAwaitOutput, fence *registry.Fence) (registry.ProcessRecord, error) {
	record, err := r.Registry.CompleteProcess(ctx, id, o, fence)
	if err == nil && o.Evidence != nil && record.Status.AwaitOutput.Evidence.EpochMs != o.Evidence.EpochMs {
		return record, registry.Errorf(registry.CodeReplayConflict, registry.Fields{}, "another output")
	}
	return record, err
}

type releasesOnEnd struct{ registry.Registry }

func (r releasesOnEnd) CompleteProcess(ctx context.Context, id string, o registry.ProcessAwaitOutput, fence *registry.Fence) (registry.ProcessRecord, error) {
	record, err := r.Registry.CompleteProcess(ctx, id, o, fence)
	if lease, _ := r.GetProcessLease(ctx, id); lease != nil {
		r.CompleteProcessLease(ctx, registry.ProcessLeaseCompletion{ProcessID: id, LeaseToken: lease.LeaseToken})
	}
	return record, err
}

type ignoresAim struct{ registry.Registry }

func (r ignoresAim) AppendEvent(ctx context.Context, id string, q registry.ProcessEventAppendRequest, fence *registry.Fence) (appended, error) {
	q.WakeTargetScope = nil
	return r.Registry.AppendEvent(ctx, id, q, fence)
}

type sequenceWakes struct{ registry.Registry }

func (r sequenceWakes) AppendEvent(ctx context.Context, id string, q registry.ProcessEventAppendRequest, fence *registry.Fence) (appended, error) {
	result, err := r.Registry.AppendEvent(ctx, id, q, fence)
	if d := result.WakeDelivery; d != nil && d.Sequence > 1 {
		d.WakeID += "-again"
	}
	return result, err
}

type touchedByAck struct{ registry.Registry }

func (r touchedByAck) AckWake(ctx context.Context, id string, sequence uint64) error {
	r.ClearProcessWait(ctx, id, nil)
	return r.Registry.AckWake(ctx, id, sequence)
}

type strictAcks struct{ registry.Registry }

func (r strictAcks) AckWake(ctx context.Context, id string, sequence uint64) error {
	page, err := r.Registry.EventsAfter(ctx, id, max(sequence, 1)-1, registry.PageRequest{Size: 1})
	if err == nil && len(page.Items) == 0 {
		return registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "sequence"}, "no such event")
	}
	return r.Registry.AckWake(ctx, id, sequence)
}

// split reads a scope by its joined string.
func split(s registry.SessionScope) registry.SessionScope {
	if session, frame, ok := strings.Cut(s.SessionID, "/frame:"); ok && s.AgentFrameID == "" {
		return registry.SessionScope{SessionID: session, AgentFrameID: frame}
	}
	return s
}

type joinedScopes struct{ registry.Registry }

func (r joinedScopes) GrantHandle(ctx context.Context, s registry.SessionScope, id string, d registry.ProcessHandleDescriptor) (registry.ProcessHandleGrant, error) {
	return r.Registry.GrantHandle(ctx, split(s), id, d)
}

func (r joinedScopes) ListHandleGrants(ctx context.Context, s registry.SessionScope, p registry.PageRequest) (entries, error) {
	return r.Registry.ListHandleGrants(ctx, split(s), p)
}

type frameless struct{ registry.Registry }

func (r frameless) GrantHandle(ctx context.Context, s registry.SessionScope, id string, d registry.ProcessHandleDescriptor) (registry.ProcessHandleGrant, error) {
	s.AgentFrameID = ""
	return r.Registry.GrantHandle(ctx, s, id, d)
}

type undeadLists struct{ registry.Registry }

func (r undeadLists) ListLiveHandleGrants(ctx context.Context, s registry.SessionScope, p registry.PageRequest) (entries, error) {
	return r.Registry.ListHandleGrants(ctx, s, p)
}

type strictRevoke struct{ registry.Registry }

func (r strictRevoke) RevokeHandle(ctx context.Context, s registry.SessionScope, id string) error {
	if has, _ := r.HasHandleGrant(ctx, s, id); !has {
		return registry.Errorf(registry.CodeNotGranted, registry.Fields{}, "not granted")
	}
	return r.Registry.RevokeHandle(ctx, s, id)
}

type stepwiseTransfer struct{ registry.Registry }

func (r stepwiseTransfer) TransferHandleGrants(ctx context.Context, from, to registry.SessionScope, ids []string) error {
	for _, id := range ids {
		if err := r.Registry.TransferHandleGrants(ctx, from, to, []string{id}); err != nil {
			return err
		}
	}
	return nil
}

type repeatableTransfer struct{ registry.Registry }

func (r repeatableTransfer) TransferHandleGrants(ctx context.Context, from, to registry.SessionScope, ids []string) error {
	err := r.Registry.TransferHandleGrants(ctx, from, to, ids)
	if registry.CodeOf(err) == registry.CodeNotGranted {
		return nil
	}
	return err
}

type unsortedReport struct{ registry.Registry }

func (r unsortedReport) DeleteSessionProcessState(ctx context.Context, id string) (registry.ProcessSessionDeleteReport, error) {
	report, err := r.Registry.DeleteSessionProcessState(ctx, id)
	slices.Reverse(report.OrphanedProcessIDs)
	return report, err
}

type keepsTargets struct {
	registry.Registry
	targets sync.Map
}

func (r *keepsTargets) RegisterProcess(ctx context.Context, registration registry.ProcessRegistration) (registry.ProcessRecord, error) {
	r.targets.Store(registration.ID, registration.WakeTarget)
	return r.Registry.RegisterProcess(ctx, registration)
}

func (r *keepsTargets) GetProcess(ctx context.Context, id string) (registry.ProcessRecord, error) {
	record, err := r.Registry.GetProcess(ctx, id)
	if target, ok := r.targets.Load(id); ok && record.Status.State == registry.StateCompleted {
		record.WakeTarget = target.(*registry.SessionScope)
	}
	return record, err
}

type idleWaits struct{ registry.Registry }

func (r idleWaits) SetProcessWait(ctx context.Context, id string, wait registry.WaitState, fence *registry.Fence) (registry.ProcessRecord, error) {
	if record, err := r.GetProcess(ctx, id); err == nil && record.Wait != nil && *record.Wait == wait {
		return record, nil
	}
	return r.Registry.SetProcessWait(ctx, id, wait, fence)
}

type lastStart struct{ registry.Registry }

func (r lastStart) RecordFirstStarted(ctx context.Context, id string, started registry.ProcessStarted, fence *registry.Fence) (registry.ProcessRecord, error) {
	record, err := r.Registry.RecordFirstStarted(ctx, id, started, fence)
	record.FirstStarted = &started
	return record, err
}

type lateRequests struct{ registry.Registry }

func (r lateRequests) RequestProcessAbandon(ctx context.Context, id string, q registry.AbandonRequest, fence *registry.Fence) (registry.ProcessRecord, error) {
	record, err := r.Registry.RequestProcessAbandon(ctx, id, q, fence)
	if now, _ := r.GetProcess(ctx, id); registry.CodeOf(err) == registry.CodeTerminal && now.AbandonRequest != nil {
		return now, nil
	}
	return record, err
}

type looseRefs struct{ registry.Registry }

func (r looseRefs) SetExternalRef(ctx context.Context, id string, ref registry.ProcessExternalRef, fence *registry.Fence) (registry.ProcessRecord, error) {
	if record, err := r.GetProcess(ctx, id); err == nil && record.ExternalRef != nil {
		ref.Metadata = record.ExternalRef.Metadata
	}
	return r.Registry.SetExternalRef(ctx, id, ref, fence)
}

type busyErrors struct{ registry.Registry }

func (r busyErrors) ClaimProcessLease(ctx context.Context, id string, who owner, ttl uint64) (outcome, error) {
	out, err := r.Registry.ClaimProcessLease(ctx, id, who, ttl)
	if out.Busy != nil {
		return outcome{}, registry.Errorf(registry.CodeLeaseExpired, registry.Fields{}, "busy")
	}
	return out, err
}

type noReentry struct{ registry.Registry }

func (r noReentry) ClaimProcessLease(ctx context.Context, id string, who owner, ttl uint64) (outcome, error) {
	if lease, _ := r.GetProcessLease(ctx, id); lease != nil && lease.Owner.SameIncarnation(who) {
		r.CompleteProcessLease(ctx, registry.ProcessLeaseCompletion{ProcessID: id, LeaseToken: lease.LeaseToken})
	}
	return r.Registry.ClaimProcessLease(ctx, id, who, ttl)
}

type lateRenewals struct{ registry.Registry }

func (r lateRenewals) RenewProcessLease(ctx context.Context, lease registry.ProcessLease, ttl uint64) (registry.ProcessLease, error) {
	renewed, err := r.Registry.RenewProcessLease(ctx, lease, ttl)
	if held, _ := r.GetProcessLease(ctx, lease.ProcessID); err != nil && held != nil && held.LeaseToken == lease.LeaseToken {
		return lease, nil
	}
	return renewed, err
}

type longLeases struct{ registry.Registry }

func (r longLeases) ClaimProcessLease(ctx context.Context, id string, who owner, ttl uint64) (outcome, error) {
	return r.Registry.ClaimProcessLease(ctx, id, who, ttl+1)
}

type looseRelease struct{ registry.Registry }

func (r looseRelease) CompleteProcessLease(ctx context.Context, c registry.ProcessLeaseCompletion) error {
	if held, _ := r.GetProcessLease(ctx, c.ProcessID); held != nil {
		c.LeaseToken = held.LeaseToken
	}
	return r.Registry.CompleteProcessLease(ctx, c)
}

type unboundedTTL struct{ registry.Registry }

func (r unboundedTTL) RenewProcessLease(ctx context.Context, lease registry.ProcessLease, ttl uint64) (registry.ProcessLease, error) {
	return r.Registry.RenewProcessLease(ctx, lease, min(ttl, 86_400_000))
}

type alwaysDead struct{ registry.Registry }

func (r alwaysDead) ReclaimProcessLease(ctx context.Context, id string, who owner, observed registry.ProcessLease, _ registry.HolderVerdict, ttl uint64) (outcome, error) {
	return r.Registry.ReclaimProcessLease(ctx, id, who, observed, registry.VerdictDead, ttl)
}

type looseReclaim struct{ registry.Registry }

func (r looseReclaim) ReclaimProcessLease(ctx context.Context, id string, who owner, observed registry.ProcessLease, verdict registry.HolderVerdict, ttl uint64) (outcome, error) {
	if held, _ := r.GetProcessLease(ctx, id); held != nil {
		observed.LeaseToken = held.LeaseToken
	}
	return r.Registry.ReclaimProcessLease(ctx, id, who, observed, verdict, ttl)
}

type ignoresFences struct{ registry.Registry }

func (r ignoresFences) AppendEvent(ctx context.Context, id string, q registry.ProcessEventAppendRequest, _ *registry.Fence) (appended, error) {
	return r.Registry.AppendEvent(ctx, id, q, nil)
}

type inventsFences struct{ registry.Registry }

func (r inventsFences) ClearProcessWait(ctx context.Context, id string, fence *registry.Fence) (registry.ProcessRecord, error) {
	if lease, _ := r.GetProcessLease(ctx, id); fence == nil && lease != nil {
		fence = lease.Fence()
	}
	return r.Registry.ClearProcessWait(ctx, id, fence)
}

type fenceFirst struct{ registry.Registry }

func (r fenceFirst) SetExternalRef(ctx context.Context, id string, ref registry.ProcessExternalRef, fence *registry.Fence) (registry.ProcessRecord, error) {
	record, err := r.Registry.SetExternalRef(ctx, id, ref, fence)
	if registry.CodeOf(err) == registry.CodeNotFound && fence != nil {
		err = registry.Errorf(registry.CodeFenced, registry.Fields{FencingToken: new(uint64)}, "fenced")
	}
	return record, err
}

type cutsIDs struct{ registry.Registry }

func (r cutsIDs) ClaimProcessLease(ctx context.Context, id string, who owner, ttl uint64) (outcome, error) {
	who.IncarnationID = who.IncarnationID[:min(len(who.IncarnationID), 512)]
	return r.Registry.ClaimProcessLease(ctx, id, who, ttl)
}

type inclusivePrune struct{ registry.Registry }

func (r inclusivePrune) PruneTerminalProcesses(ctx context.Context, cutoff uint64) (registry.ProcessPruneReport, error) {
	return r.Registry.PruneTerminalProcesses(ctx, max(cutoff, cutoff+1))
}

type signedCutoffs struct{ registry.Registry }

func (r signedCutoffs) PruneTerminalProcesses(ctx context.Context, cutoff uint64) (registry.ProcessPruneReport, error) {
	return r.Registry.PruneTerminalProcesses(ctx, uint64(max(int64(cutoff), 0)))
}

type forgetsFencing struct {
	registry.Registry
	last, pruned uint64
}

func (r *forgetsFencing) ClaimProcessLease(ctx context.Context, id string, who owner, ttl uint64) (outcome, error) {
	out, err := r.Registry.ClaimProcessLease(ctx, id, who, ttl)
	if out.Acquired != nil {
		r.last = out.Acquired.FencingToken
		out.Acquired.FencingToken -= r.pruned
	}
	return out, err
}

func (r *forgetsFencing) PruneTerminalProcesses(ctx context.Context, cutoff uint64) (registry.ProcessPruneReport, error) {
	r.pruned = r.last
	return r.Registry.PruneTerminalProcesses(ctx, cutoff)
}

type countsNoEvents struct{ registry.Registry }

func (r countsNoEvents) PruneTerminalProcesses(ctx context.Context, cutoff uint64) (registry.ProcessPruneReport, error) {
	report, err := r.Registry.PruneTerminalProcesses(ctx, cutoff)
	report.PrunedEvents = 0
	return report, err
}

type forgetsStamps struct{ *memory.Registry }

func (r forgetsStamps) AppendEvent(ctx context.Context, id string, q registry.ProcessEventAppendRequest, fence *registry.Fence) (appended, error) {
	return r.Registry.AppendEvent(registry.WithOptions(ctx, registry.CallOptions{}), id, q, fence)
}

type newestFirst struct{ *memory.Registry }

func (r newestFirst) ClaimNext(ctx context.Context, q registry.ClaimNextRequest) ([]registry.ClaimedProcess, error) {
	claimed, err := r.Registry.ClaimNext(ctx, q)
	slices.Reverse(claimed)
	return claimed, err
}
