package client

import (
	"context"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// AppendEvent implements registry.Events.
func (c *Client) AppendEvent(ctx context.Context, processID string, request registry.ProcessEventAppendRequest, fence *registry.Fence) (registry.ProcessEventAppendResult, error) {
	out, err := call(ctx, c, write, pb.RegistryClient.AppendEvent, &pb.AppendEventRequest{
		ProcessId: processID, Request: wire.AppendRequestToPB(request), Fence: wire.FenceToPB(fence), Session: session(ctx),
	})
	return converted(out.GetResult(), err, wire.AppendResultFromPB)
}

// EventsAfter implements registry.Events; AllEvents walks all pages.
func (c *Client) EventsAfter(ctx context.Context, processID string, afterSequence uint64, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
	out, err := call(ctx, c, read, pb.RegistryClient.EventsAfter, &pb.EventsAfterRequest{
		ProcessId: processID, AfterSequence: afterSequence, Page: wire.PageToPB(page), ReadLevel: level(ctx),
	})
	return pageOf(out.GetEvents(), out.GetNextPageToken(), err, wire.EventPageFromPB)
}

// CountEventsThrough implements registry.Events.
func (c *Client) CountEventsThrough(ctx context.Context, processID, eventType string, upToSequence uint64) (uint64, error) {
	out, err := call(ctx, c, read, pb.RegistryClient.CountEventsThrough, &pb.CountEventsThroughRequest{
		ProcessId: processID, EventType: eventType, UpToSequence: upToSequence, ReadLevel: level(ctx),
	})
	return out.GetCount(), err
}

// RecentEvents implements registry.Events.
func (c *Client) RecentEvents(ctx context.Context, processID string, limit uint64, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
	out, err := call(ctx, c, read, pb.RegistryClient.RecentEvents, &pb.RecentEventsRequest{
		ProcessId: processID, Limit: limit, Page: wire.PageToPB(page), ReadLevel: level(ctx),
	})
	return pageOf(out.GetEvents(), out.GetNextPageToken(), err, wire.EventPageFromPB)
}

// WakeEventsAfter implements registry.Events.
func (c *Client) WakeEventsAfter(ctx context.Context, processID string, afterSequence uint64, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
	out, err := call(ctx, c, read, pb.RegistryClient.WakeEventsAfter, &pb.WakeEventsAfterRequest{
		ProcessId: processID, AfterSequence: afterSequence, Page: wire.PageToPB(page), ReadLevel: level(ctx),
	})
	return pageOf(out.GetEvents(), out.GetNextPageToken(), err, wire.EventPageFromPB)
}

// AckWake implements registry.Events.
func (c *Client) AckWake(ctx context.Context, processID string, sequence uint64) error {
	_, err := call(ctx, c, write, pb.RegistryClient.AckWake, &pb.AckWakeRequest{
		ProcessId: processID, Sequence: sequence, Session: session(ctx),
	})
	return err
}
