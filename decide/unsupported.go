package decide

import (
	"context"

	"github.com/holdfast-registry/holdfast/registry"
)

// unsupported answers the methods whose commands this version of the log
// format does not hold yet. A method that works overrides it.
type unsupported struct{}

func notOffered(method string) error {
	return registry.Errorf(registry.CodeUnsupported, registry.Fields{Field: method}, "%s is not offered by this version", method)
}

func (unsupported) WakeEventsAfter(context.Context, string, uint64, registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
	return registry.Page[registry.ProcessEvent]{}, notOffered("WakeEventsAfter")
}

func (unsupported) AckWake(context.Context, string, uint64) error { return notOffered("AckWake") }

func (unsupported) GrantHandle(context.Context, registry.SessionScope, string, registry.ProcessHandleDescriptor) (registry.ProcessHandleGrant, error) {
	return registry.ProcessHandleGrant{}, notOffered("GrantHandle")
}

func (unsupported) RevokeHandle(context.Context, registry.SessionScope, string) error {
	return notOffered("RevokeHandle")
}

func (unsupported) TransferHandleGrants(context.Context, registry.SessionScope, registry.SessionScope, []string) error {
	return notOffered("TransferHandleGrants")
}

func (unsupported) ListHandleGrants(context.Context, registry.SessionScope, registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
	return registry.Page[registry.ProcessHandleGrantEntry]{}, notOffered("ListHandleGrants")
}

func (unsupported) ListLiveHandleGrants(context.Context, registry.SessionScope, registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
	return registry.Page[registry.ProcessHandleGrantEntry]{}, notOffered("ListLiveHandleGrants")
}

func (unsupported) HasHandleGrant(context.Context, registry.SessionScope, string) (bool, error) {
	return false, notOffered("HasHandleGrant")
}

func (unsupported) HandleGrantsForProcess(context.Context, string, registry.PageRequest) (registry.Page[registry.ProcessHandleGrant], error) {
	return registry.Page[registry.ProcessHandleGrant]{}, notOffered("HandleGrantsForProcess")
}

func (unsupported) DeleteSessionProcessState(context.Context, string) (registry.ProcessSessionDeleteReport, error) {
	return registry.ProcessSessionDeleteReport{}, notOffered("DeleteSessionProcessState")
}

func (unsupported) ReclaimProcessLease(context.Context, string, registry.LeaseOwnerIdentity, registry.ProcessLease, registry.HolderVerdict, uint64) (registry.ProcessLeaseClaimOutcome, error) {
	return registry.ProcessLeaseClaimOutcome{}, notOffered("ReclaimProcessLease")
}

func (unsupported) PruneTerminalProcesses(context.Context, uint64) (registry.ProcessPruneReport, error) {
	return registry.ProcessPruneReport{}, notOffered("PruneTerminalProcesses")
}

func (unsupported) OpenSession(context.Context) (string, error) {
	return "", notOffered("OpenSession")
}

func (unsupported) CloseSession(context.Context, string) error { return notOffered("CloseSession") }
