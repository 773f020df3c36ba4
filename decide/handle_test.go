package decide

import (
	"fmt"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// TestHandlesAnswerWhatWasDone takes each call of handles once through the log.
func TestHandlesAnswerWhatWasDone(t *testing.T) {
	r, _ := newTestRegistry(t)
	ctx, page := t.Context(), registry.PageRequest{}
	s, frame := registry.SessionScope{SessionID: "s"}, registry.SessionScope{SessionID: "s", AgentFrameID: "f"}
	for _, id := range []string{"p", "q"} {
		registration := job(id, `{}`, registry.EventSemanticsSpec{})
		registration.WakeTarget = &frame
		mustRegister(t, r, registration)
	}
	label := "label"
	grant, err := r.GrantHandle(ctx, s, "p", registry.ProcessHandleDescriptor{Label: &label})
	if err != nil || grant.SessionID != "s" || grant.ProcessID != "p" || grant.Descriptor.Label != &label || grant.Descriptor.Kind != nil {
		t.Errorf("%+v (%v)", grant, err)
	}
	if _, err := r.GrantHandle(ctx, s, "q", registry.ProcessHandleDescriptor{}); err != nil {
		t.Error(err)
	}
	wantCode(t, r.TransferHandleGrants(ctx, s, frame, []string{"p", "none"}), registry.CodeNotGranted)
	if err := r.TransferHandleGrants(ctx, s, frame, []string{"p"}); err != nil {
		t.Error(err)
	}
	if err := r.RevokeHandle(ctx, s, "q"); err != nil {
		t.Error(err)
	}
	if _, err := r.CompleteProcess(ctx, "p", registry.ProcessAwaitOutput{Kind: registry.OutputCancelled}, nil); err != nil {
		t.Error(err)
	}
	all, err := r.ListHandleGrants(ctx, frame, page)
	if err != nil || len(all.Items) != 1 || all.Items[0].Record.ID != "p" || *all.Items[0].Grant.Descriptor.Label != label {
		t.Errorf("%+v (%v)", all, err)
	}
	live, err := r.ListLiveHandleGrants(ctx, frame, page)
	if err != nil || len(live.Items) != 0 {
		t.Errorf("%+v (%v)", live, err)
	}
	for scope, want := range map[registry.SessionScope]bool{s: false, frame: true} {
		if got, err := r.HasHandleGrant(ctx, scope, "p"); err != nil || got != want {
			t.Errorf("%v has p: %v (%v)", scope, got, err)
		}
	}
	holders, err := r.HandleGrantsForProcess(ctx, "p", page)
	if err != nil || len(holders.Items) != 1 || holders.Items[0].SessionID != "s" {
		t.Errorf("%+v (%v)", holders, err)
	}
	_, err = r.HandleGrantsForProcess(ctx, "none", page)
	wantCode(t, err, registry.CodeNotFound)
	_, err = r.GrantHandle(ctx, s, "none", registry.ProcessHandleDescriptor{})
	wantCode(t, err, registry.CodeNotFound)
	report, err := r.DeleteSessionProcessState(ctx, "s")
	if text := fmt.Sprintf("%+v", report); err != nil || text != "{SessionID:s RevokedHandleCount:1 DeletedWakeCount:0 OrphanedProcessIDs:[] PreservedProcessIDs:[]}" {
		t.Errorf("%s (%v)", text, err)
	}
	for _, id := range []string{"p", "q"} {
		if record, err := r.GetProcess(ctx, id); err != nil || record.WakeTarget != nil {
			t.Errorf("%s still wakes %v (%v)", id, record.WakeTarget, err)
		}
	}
}
