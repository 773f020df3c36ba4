package client

import (
	"context"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// DurabilityTier asks a node once and remembers the answer. As long as no node
// could be asked it is TierInline, which promises nothing.
func (c *Client) DurabilityTier() registry.DurabilityTier {
	c.tierMu.Lock()
	defer c.tierMu.Unlock()
	if c.tier == "" {
		out, err := call(c.ctx, c, localRead, pb.RegistryClient.DurabilityTier, &pb.DurabilityTierRequest{})
		tier, err := converted(out.GetTier(), err, wire.TierFromPB)
		if err != nil || tier == "" {
			return registry.TierInline
		}
		c.tier = tier
	}
	return c.tier
}

// RegisterProcess implements registry.Processes.
func (c *Client) RegisterProcess(ctx context.Context, registration registry.ProcessRegistration) (registry.ProcessRecord, error) {
	out, err := call(ctx, c, write, pb.RegistryClient.RegisterProcess, &pb.RegisterProcessRequest{
		Registration: wire.RegistrationToPB(registration), Session: session(ctx),
	})
	return converted(out.GetRecord(), err, wire.RecordFromPB)
}

// SetExternalRef implements registry.Processes.
func (c *Client) SetExternalRef(ctx context.Context, processID string, ref registry.ProcessExternalRef, fence *registry.Fence) (registry.ProcessRecord, error) {
	out, err := call(ctx, c, write, pb.RegistryClient.SetExternalRef, &pb.SetExternalRefRequest{
		ProcessId: processID, Ref: wire.ExternalRefToPB(ref), Fence: wire.FenceToPB(fence), Session: session(ctx),
	})
	return converted(out.GetRecord(), err, wire.RecordFromPB)
}

// GetProcess implements registry.Processes.
func (c *Client) GetProcess(ctx context.Context, processID string) (registry.ProcessRecord, error) {
	out, err := call(ctx, c, read, pb.RegistryClient.GetProcess, &pb.GetProcessRequest{
		ProcessId: processID, ReadLevel: level(ctx),
	})
	return converted(out.GetRecord(), err, wire.RecordFromPB)
}

// ListProcesses implements registry.Processes; AllProcesses walks all pages.
func (c *Client) ListProcesses(ctx context.Context, filter registry.ProcessListFilter, page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
	out, err := call(ctx, c, read, pb.RegistryClient.ListProcesses, &pb.ListProcessesRequest{
		Filter: wire.FilterToPB(filter), Page: wire.PageToPB(page), ReadLevel: level(ctx),
	})
	return pageOf(out.GetRecords(), out.GetNextPageToken(), err, wire.RecordPageFromPB)
}

// ListNonTerminal implements registry.Processes; AllNonTerminal walks all
// pages.
func (c *Client) ListNonTerminal(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
	out, err := call(ctx, c, read, pb.RegistryClient.ListNonTerminal, &pb.ListNonTerminalRequest{
		Page: wire.PageToPB(page), ReadLevel: level(ctx),
	})
	return pageOf(out.GetRecords(), out.GetNextPageToken(), err, wire.RecordPageFromPB)
}

// CompleteProcess implements registry.Processes.
func (c *Client) CompleteProcess(ctx context.Context, processID string, output registry.ProcessAwaitOutput, fence *registry.Fence) (registry.ProcessRecord, error) {
	out, err := call(ctx, c, write, pb.RegistryClient.CompleteProcess, &pb.CompleteProcessRequest{
		ProcessId: processID, Output: wire.OutputToPB(output), Fence: wire.FenceToPB(fence), Session: session(ctx),
	})
	return converted(out.GetRecord(), err, wire.RecordFromPB)
}

// RecordFirstStarted implements registry.Processes.
func (c *Client) RecordFirstStarted(ctx context.Context, processID string, started registry.ProcessStarted, fence *registry.Fence) (registry.ProcessRecord, error) {
	out, err := call(ctx, c, write, pb.RegistryClient.RecordFirstStarted, &pb.RecordFirstStartedRequest{
		ProcessId: processID, Started: wire.StartedToPB(started), Fence: wire.FenceToPB(fence), Session: session(ctx),
	})
	return converted(out.GetRecord(), err, wire.RecordFromPB)
}

// RequestProcessAbandon implements registry.Processes.
func (c *Client) RequestProcessAbandon(ctx context.Context, processID string, request registry.AbandonRequest, fence *registry.Fence) (registry.ProcessRecord, error) {
	out, err := call(ctx, c, write, pb.RegistryClient.RequestProcessAbandon, &pb.RequestProcessAbandonRequest{
		ProcessId: processID, Request: wire.AbandonRequestToPB(request), Fence: wire.FenceToPB(fence), Session: session(ctx),
	})
	return converted(out.GetRecord(), err, wire.RecordFromPB)
}

// SetProcessWait implements registry.Processes.
func (c *Client) SetProcessWait(ctx context.Context, processID string, wait registry.WaitState, fence *registry.Fence) (registry.ProcessRecord, error) {
	out, err := call(ctx, c, write, pb.RegistryClient.SetProcessWait, &pb.SetProcessWaitRequest{
		ProcessId: processID, Wait: wire.WaitToPB(wait), Fence: wire.FenceToPB(fence), Session: session(ctx),
	})
	return converted(out.GetRecord(), err, wire.RecordFromPB)
}

// ClearProcessWait implements registry.Processes.
func (c *Client) ClearProcessWait(ctx context.Context, processID string, fence *registry.Fence) (registry.ProcessRecord, error) {
	out, err := call(ctx, c, write, pb.RegistryClient.ClearProcessWait, &pb.ClearProcessWaitRequest{
		ProcessId: processID, Fence: wire.FenceToPB(fence), Session: session(ctx),
	})
	return converted(out.GetRecord(), err, wire.RecordFromPB)
}

// PruneTerminalProcesses implements registry.Retention. It has no attempt
// timeout; one that ends with OutcomeUnknown may simply be repeated, and goes
// on where it stopped.
func (c *Client) PruneTerminalProcesses(ctx context.Context, cutoffEpochMs uint64) (registry.ProcessPruneReport, error) {
	out, err := call(ctx, c, longWrite, pb.RegistryClient.PruneTerminalProcesses, &pb.PruneTerminalProcessesRequest{
		CutoffEpochMs: cutoffEpochMs, Session: session(ctx),
	})
	return converted(out.GetReport(), err, wire.PruneReportFromPB)
}
