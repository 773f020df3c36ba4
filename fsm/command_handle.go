package fsm

import "github.com/holdfast-registry/holdfast/registry"

// GrantHandle carries a grant.
type GrantHandle struct {
	Grant storedGrant
}

// NewGrantHandle makes the command body of a grant.
func NewGrantHandle(scope registry.SessionScope, processID string, descriptor registry.ProcessHandleDescriptor) *GrantHandle {
	return &GrantHandle{Grant: storeGrant(&grant{scope: scope, processID: processID, descriptor: descriptor})}
}

// RevokeHandle names the grant to remove.
type RevokeHandle struct {
	Scope     storedScope
	ProcessID string
}

// NewRevokeHandle makes the command body of a revocation.
func NewRevokeHandle(scope registry.SessionScope, processID string) *RevokeHandle {
	return &RevokeHandle{Scope: storeScope(scope), ProcessID: processID}
}

// TransferHandleGrants names the grants to move, in the order in which they
// are checked.
type TransferHandleGrants struct {
	From       storedScope
	To         storedScope
	ProcessIDs []string
}

// NewTransferHandleGrants makes the command body of a transfer.
func NewTransferHandleGrants(from, to registry.SessionScope, processIDs []string) *TransferHandleGrants {
	body := &TransferHandleGrants{From: storeScope(from), To: storeScope(to)}
	if len(processIDs) > 0 {
		// An empty list and none are one list, and have one form.
		body.ProcessIDs = processIDs
	}
	return body
}

// DeleteSessionProcessState names the session whose grants and wake targets
// go.
type DeleteSessionProcessState struct {
	SessionID string
}

func (*GrantHandle) Kind() Kind               { return KindGrantHandle }
func (*RevokeHandle) Kind() Kind              { return KindRevokeHandle }
func (*TransferHandleGrants) Kind() Kind      { return KindTransferHandleGrants }
func (*DeleteSessionProcessState) Kind() Kind { return KindDeleteSessionProcessState }

func (*GrantHandle) version() uint8               { return 1 }
func (*RevokeHandle) version() uint8              { return 1 }
func (*TransferHandleGrants) version() uint8      { return 1 }
func (*DeleteSessionProcessState) version() uint8 { return 1 }
