package registrytest

import (
	"context"

	"github.com/holdfast-registry/holdfast/registry"
)

// The calls that a check expects to succeed.

func (s *scene) register(registration registry.ProcessRegistration) registry.ProcessRecord {
	s.Helper()
	record, err := s.RegisterProcess(s.ctx, registration)
	s.done(err)
	return record
}

// process registers a plain process and returns its id.
func (s *scene) process(name string) string {
	s.Helper()
	return s.register(plain(s.id(name))).ID
}

func (s *scene) get(processID string) registry.ProcessRecord {
	s.Helper()
	record, err := s.GetProcess(s.ctx, processID)
	s.done(err)
	return record
}

func (s *scene) append(processID string, request registry.ProcessEventAppendRequest) registry.ProcessEventAppendResult {
	s.Helper()
	result, err := s.AppendEvent(s.ctx, processID, request, nil)
	s.done(err)
	return result
}

// delivered appends an event whose wake has a target.
func (s *scene) delivered(processID string, request registry.ProcessEventAppendRequest) registry.ProcessWakeDelivery {
	s.Helper()
	delivery := s.append(processID, request).WakeDelivery
	if delivery == nil {
		s.Fatalf("there is no delivery")
	}
	return *delivery
}

// note appends a plain event without a replay key.
func (s *scene) note(processID, payload string) registry.ProcessEvent {
	s.Helper()
	return s.append(processID, event("note", payload, "")).Event
}

func (s *scene) complete(processID string, output registry.ProcessAwaitOutput) registry.ProcessRecord {
	s.Helper()
	record, err := s.CompleteProcess(s.ctx, processID, output, nil)
	s.done(err)
	return record
}

// ended registers a plain process and completes it.
func (s *scene) ended(name string) string {
	s.Helper()
	id := s.process(name)
	s.complete(id, success(`1`))
	return id
}

// all reads a whole list.
func all[T any](s *scene, list func(context.Context, registry.PageRequest) (registry.Page[T], error)) []T {
	s.Helper()
	return paged(s, 0, list)
}

// paged reads a whole list in pages of a size.
func paged[T any](s *scene, size int, list func(context.Context, registry.PageRequest) (registry.Page[T], error)) []T {
	s.Helper()
	var items []T
	request := registry.PageRequest{Size: size}
	for {
		page, err := list(s.ctx, request)
		s.done(err)
		if size > 0 && len(page.Items) > size {
			s.Fatalf("a page of %d rows was asked for and one of %d came", size, len(page.Items))
		}
		items = append(items, page.Items...)
		if page.NextToken == "" {
			return items
		}
		request.Token = page.NextToken
	}
}

func (s *scene) eventsAfter(processID string, after uint64) []registry.ProcessEvent {
	s.Helper()
	return all(s, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
		return s.EventsAfter(ctx, processID, after, page)
	})
}

func (s *scene) recent(processID string, limit uint64) []registry.ProcessEvent {
	s.Helper()
	return all(s, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
		return s.RecentEvents(ctx, processID, limit, page)
	})
}

func (s *scene) wakesAfter(processID string, after uint64) []registry.ProcessEvent {
	s.Helper()
	return all(s, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
		return s.WakeEventsAfter(ctx, processID, after, page)
	})
}

func (s *scene) count(processID, eventType string, through uint64) uint64 {
	s.Helper()
	n, err := s.CountEventsThrough(s.ctx, processID, eventType, through)
	s.done(err)
	return n
}

func (s *scene) ack(processID string, sequence uint64) {
	s.Helper()
	s.done(s.AckWake(s.ctx, processID, sequence))
}

func (s *scene) list(filter registry.ProcessListFilter) []registry.ProcessRecord {
	s.Helper()
	return all(s, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
		return s.ListProcesses(ctx, filter, page)
	})
}

func (s *scene) nonTerminal() []registry.ProcessRecord {
	s.Helper()
	return all(s, s.ListNonTerminal)
}

func (s *scene) grant(scope registry.SessionScope, processID string) registry.ProcessHandleGrant {
	s.Helper()
	return s.grantAs(scope, processID, registry.ProcessHandleDescriptor{})
}

func (s *scene) grantAs(scope registry.SessionScope, processID string, descriptor registry.ProcessHandleDescriptor) registry.ProcessHandleGrant {
	s.Helper()
	grant, err := s.GrantHandle(s.ctx, scope, processID, descriptor)
	s.done(err)
	return grant
}

func (s *scene) revoke(scope registry.SessionScope, processID string) {
	s.Helper()
	s.done(s.RevokeHandle(s.ctx, scope, processID))
}

func (s *scene) transfer(from, to registry.SessionScope, processIDs ...string) {
	s.Helper()
	s.done(s.TransferHandleGrants(s.ctx, from, to, processIDs))
}

func (s *scene) grants(scope registry.SessionScope) []registry.ProcessHandleGrantEntry {
	s.Helper()
	return all(s, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
		return s.ListHandleGrants(ctx, scope, page)
	})
}

func (s *scene) liveGrants(scope registry.SessionScope) []registry.ProcessHandleGrantEntry {
	s.Helper()
	return all(s, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
		return s.ListLiveHandleGrants(ctx, scope, page)
	})
}

func (s *scene) grantsOf(processID string) []registry.ProcessHandleGrant {
	s.Helper()
	return all(s, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrant], error) {
		return s.HandleGrantsForProcess(ctx, processID, page)
	})
}

func (s *scene) has(scope registry.SessionScope, processID string) bool {
	s.Helper()
	has, err := s.HasHandleGrant(s.ctx, scope, processID)
	s.done(err)
	return has
}

func (s *scene) deleteSession(sessionID string) registry.ProcessSessionDeleteReport {
	s.Helper()
	report, err := s.DeleteSessionProcessState(s.ctx, sessionID)
	s.done(err)
	return report
}

func (s *scene) wait(processID string, wait registry.WaitState) registry.ProcessRecord {
	s.Helper()
	record, err := s.SetProcessWait(s.ctx, processID, wait, nil)
	s.done(err)
	return record
}

func (s *scene) clearWait(processID string) registry.ProcessRecord {
	s.Helper()
	record, err := s.ClearProcessWait(s.ctx, processID, nil)
	s.done(err)
	return record
}

func (s *scene) firstStarted(processID string, started registry.ProcessStarted) registry.ProcessRecord {
	s.Helper()
	record, err := s.RecordFirstStarted(s.ctx, processID, started, nil)
	s.done(err)
	return record
}

func (s *scene) requestAbandon(processID string, request registry.AbandonRequest) registry.ProcessRecord {
	s.Helper()
	record, err := s.RequestProcessAbandon(s.ctx, processID, request, nil)
	s.done(err)
	return record
}

func (s *scene) externalRef(processID string, ref registry.ProcessExternalRef) registry.ProcessRecord {
	s.Helper()
	record, err := s.SetExternalRef(s.ctx, processID, ref, nil)
	s.done(err)
	return record
}

// acquired wants the outcome of a claim or reclaim to be a lease.
func (s *scene) acquired(outcome registry.ProcessLeaseClaimOutcome, err error) registry.ProcessLease {
	s.Helper()
	s.done(err)
	if outcome.Acquired == nil || outcome.Busy != nil {
		s.Fatalf("the outcome is %s, want Acquired", s.form(outcome))
	}
	return *outcome.Acquired
}

// busy wants the outcome of a claim or reclaim to be the holder's lease.
func (s *scene) busy(outcome registry.ProcessLeaseClaimOutcome, err error) registry.ProcessLease {
	s.Helper()
	s.done(err)
	if outcome.Busy == nil || outcome.Acquired != nil {
		s.Fatalf("the outcome is %s, want Busy", s.form(outcome))
	}
	return *outcome.Busy
}

func (s *scene) claim(processID string, owner registry.LeaseOwnerIdentity, ttlMs uint64) registry.ProcessLease {
	s.Helper()
	return s.acquired(s.ClaimProcessLease(s.ctx, processID, owner, ttlMs))
}

func (s *scene) reclaim(processID string, owner registry.LeaseOwnerIdentity, observed registry.ProcessLease) registry.ProcessLease {
	s.Helper()
	return s.acquired(s.ReclaimProcessLease(s.ctx, processID, owner, observed, registry.VerdictDead, longTTL))
}

func (s *scene) renew(lease registry.ProcessLease, ttlMs uint64) registry.ProcessLease {
	s.Helper()
	renewed, err := s.RenewProcessLease(s.ctx, lease, ttlMs)
	s.done(err)
	return renewed
}

func (s *scene) release(lease registry.ProcessLease) {
	s.Helper()
	s.done(s.CompleteProcessLease(s.ctx, registry.ProcessLeaseCompletion{ProcessID: lease.ProcessID, LeaseToken: lease.LeaseToken}))
}

// lease reads the held lease; nil is none.
func (s *scene) lease(processID string) *registry.ProcessLease {
	s.Helper()
	lease, err := s.GetProcessLease(s.ctx, processID)
	s.done(err)
	return lease
}

// held reads the lease that somebody must hold.
func (s *scene) held(processID string) registry.ProcessLease {
	s.Helper()
	lease := s.lease(processID)
	if lease == nil {
		s.Fatalf("nobody holds the lease")
	}
	return *lease
}

func (s *scene) prune(cutoffMs uint64) registry.ProcessPruneReport {
	s.Helper()
	report, err := s.PruneTerminalProcesses(s.ctx, cutoffMs)
	s.done(err)
	return report
}
