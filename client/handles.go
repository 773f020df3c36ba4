package client

import (
	"context"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// GrantHandle implements registry.Handles.
func (c *Client) GrantHandle(ctx context.Context, scope registry.SessionScope, processID string, descriptor registry.ProcessHandleDescriptor) (registry.ProcessHandleGrant, error) {
	out, err := call(ctx, c, write, pb.RegistryClient.GrantHandle, &pb.GrantHandleRequest{
		Scope: wire.ScopeToPB(scope), ProcessId: processID, Descriptor_: wire.DescriptorToPB(descriptor), Session: session(ctx),
	})
	return converted(out.GetGrant(), err, wire.GrantFromPB)
}

// RevokeHandle implements registry.Handles.
func (c *Client) RevokeHandle(ctx context.Context, scope registry.SessionScope, processID string) error {
	_, err := call(ctx, c, write, pb.RegistryClient.RevokeHandle, &pb.RevokeHandleRequest{
		Scope: wire.ScopeToPB(scope), ProcessId: processID, Session: session(ctx),
	})
	return err
}

// TransferHandleGrants implements registry.Handles.
func (c *Client) TransferHandleGrants(ctx context.Context, from, to registry.SessionScope, processIDs []string) error {
	_, err := call(ctx, c, write, pb.RegistryClient.TransferHandleGrants, &pb.TransferHandleGrantsRequest{
		From: wire.ScopeToPB(from), To: wire.ScopeToPB(to), ProcessIds: processIDs, Session: session(ctx),
	})
	return err
}

// ListHandleGrants implements registry.Handles.
func (c *Client) ListHandleGrants(ctx context.Context, scope registry.SessionScope, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
	out, err := call(ctx, c, read, pb.RegistryClient.ListHandleGrants, &pb.ListHandleGrantsRequest{
		Scope: wire.ScopeToPB(scope), Page: wire.PageToPB(page), ReadLevel: level(ctx),
	})
	return pageOf(out.GetEntries(), out.GetNextPageToken(), err, wire.EntryPageFromPB)
}

// ListLiveHandleGrants implements registry.Handles.
func (c *Client) ListLiveHandleGrants(ctx context.Context, scope registry.SessionScope, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
	out, err := call(ctx, c, read, pb.RegistryClient.ListLiveHandleGrants, &pb.ListLiveHandleGrantsRequest{
		Scope: wire.ScopeToPB(scope), Page: wire.PageToPB(page), ReadLevel: level(ctx),
	})
	return pageOf(out.GetEntries(), out.GetNextPageToken(), err, wire.EntryPageFromPB)
}

// HasHandleGrant implements registry.Handles.
func (c *Client) HasHandleGrant(ctx context.Context, scope registry.SessionScope, processID string) (bool, error) {
	out, err := call(ctx, c, read, pb.RegistryClient.HasHandleGrant, &pb.HasHandleGrantRequest{
		Scope: wire.ScopeToPB(scope), ProcessId: processID, ReadLevel: level(ctx),
	})
	return out.GetGranted(), err
}

// HandleGrantsForProcess implements registry.Handles.
func (c *Client) HandleGrantsForProcess(ctx context.Context, processID string, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrant], error) {
	out, err := call(ctx, c, read, pb.RegistryClient.HandleGrantsForProcess, &pb.HandleGrantsForProcessRequest{
		ProcessId: processID, Page: wire.PageToPB(page), ReadLevel: level(ctx),
	})
	return pageOf(out.GetGrants(), out.GetNextPageToken(), err, wire.GrantPageFromPB)
}

// DeleteSessionProcessState implements registry.Handles.
func (c *Client) DeleteSessionProcessState(ctx context.Context, sessionID string) (registry.ProcessSessionDeleteReport, error) {
	out, err := call(ctx, c, write, pb.RegistryClient.DeleteSessionProcessState, &pb.DeleteSessionProcessStateRequest{
		SessionId: sessionID, Session: session(ctx),
	})
	return converted(out.GetReport(), err, wire.DeleteReportFromPB)
}
