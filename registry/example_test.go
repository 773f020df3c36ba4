package registry_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/memory"
)

// A registration says what a process is to do, what may be done when its owner
// is gone, and which events it emits.
func ExampleProcessRegistration() {
	input := registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(`{"title":"nightly report"}`)}
	report := registry.ProcessRegistration{
		ID:          "report-7",
		Input:       input,
		Disposition: registry.Rerunnable,
		// The identity is how lists show it: here an external process with the
		// label "nightly report".
		Identity: registry.DeriveIdentity(input),
		EventTypes: []registry.ProcessEventType{{
			// A page that is ready wakes the session; its number is the text.
			Name:          "page",
			PayloadSchema: registry.JSON(`{"type":"object","required":["number"]}`),
			Semantics: registry.EventSemanticsSpec{Wake: &registry.WakeSpec{
				Input:     registry.Selector{Kind: registry.SelectPointer, Text: "/number"},
				DedupeKey: registry.DedupeKey{Kind: registry.DedupeEventIdentity},
			}},
		}},
		WakeTarget: &registry.SessionScope{SessionID: "s1"},
		// Only the holder of the lease may start and end it.
		Fencing: registry.FencingRequired,
	}
	ctx, r := context.Background(), memory.New()
	record, err := r.RegisterProcess(ctx, report)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(record.Identity.Kind, *record.Identity.Label, record.Status.State)
	fmt.Println(len(record.EventTypes), "event types, the core types among them")

	result, err := r.AppendEvent(ctx, "report-7", registry.ProcessEventAppendRequest{EventType: "page", Payload: registry.JSON(`{"number":1}`)}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("wakes", result.WakeDelivery.TargetSessionID, "with", result.WakeDelivery.Input)

	// The same again is the same process, another content is refused.
	_, err = r.RegisterProcess(ctx, report)
	fmt.Println(err)
	report.Disposition = registry.OwnerBound
	_, err = r.RegisterProcess(ctx, report)
	fmt.Println(errors.Is(err, registry.ErrAlreadyExists), registry.IsDefinite(err))
	// Output:
	// external nightly report running
	// 8 event types, the core types among them
	// wakes s1 with 1
	// <nil>
	// true true
}

// Errors carry a code, which errors.Is matches, and fields.
func ExampleError() {
	ctx, r := context.Background(), memory.New()
	_, err := r.GetProcess(ctx, "nobody")

	fmt.Println(errors.Is(err, registry.ErrNotFound))
	var e *registry.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code, e.Fields.ProcessID)
		fmt.Println(e.Code.Info().Remedy)
	}
	// Output:
	// true
	// NotFound nobody
	// Register the process first, or look for the id: it may be misspelt, or pruned.
}

// Each walks a list page by page.
func ExampleEach() {
	ctx, r := context.Background(), memory.New()
	for _, id := range []string{"b", "a", "c"} {
		input := registry.ProcessInput{Kind: registry.InputExternal}
		if _, err := r.RegisterProcess(ctx, registry.ProcessRegistration{
			ID: id, Input: input, Disposition: registry.Rerunnable, Identity: registry.DeriveIdentity(input)}); err != nil {
			fmt.Println(err)
			return
		}
	}
	for record, err := range registry.Each(ctx, r.ListNonTerminal) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(record.ID)
	}
	// Output:
	// a
	// b
	// c
}
