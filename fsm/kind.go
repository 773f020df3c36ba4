package fsm

import "fmt"

// Kind is the number of a command. Numbers are part of the log format: they
// are only ever added, never changed or reused, and zero is invalid. A test
// repeats every one of them.
type Kind uint16

// The kinds. Those marked as reserved have a number but no body yet; a node
// that meets one in its log stops.
const (
	// KindTakeover is the first command of every term: it brings the new
	// leader's wall clock into the state and names the proposer.
	KindTakeover Kind = 1
	// KindTick moves the clock and nothing else.
	KindTick Kind = 2
	// KindCheckpoint asks every replica to hash its state at this entry.
	KindCheckpoint Kind = 3
	// KindRecordMember ties a node id to the instance that holds its data.
	KindRecordMember Kind = 4
	// KindRaiseFormat (reserved) allows newer kinds once every member reads them.
	KindRaiseFormat Kind = 5

	// KindRegisterProcess is RegisterProcess, spec 5.2.
	KindRegisterProcess Kind = 16
	// KindSetExternalRef is SetExternalRef, spec 5.3.
	KindSetExternalRef Kind = 17
	// KindCompleteProcess is CompleteProcess, spec 5.17.
	KindCompleteProcess Kind = 18
	// KindRecordFirstStarted is RecordFirstStarted, spec 5.18.
	KindRecordFirstStarted Kind = 19
	// KindRequestProcessAbandon is RequestProcessAbandon, spec 5.19.
	KindRequestProcessAbandon Kind = 20
	// KindSetProcessWait is SetProcessWait, spec 5.20.
	KindSetProcessWait Kind = 21
	// KindClearProcessWait is ClearProcessWait, spec 5.21.
	KindClearProcessWait Kind = 22

	// KindAppendEvent is AppendEvent, spec 5.12.
	KindAppendEvent Kind = 32
	// KindAckWake is AckWake, spec 5.24.
	KindAckWake Kind = 33

	// KindGrantHandle is GrantHandle, spec 5.4.
	KindGrantHandle Kind = 48
	// KindRevokeHandle is RevokeHandle, spec 5.5.
	KindRevokeHandle Kind = 49
	// KindTransferHandleGrants is TransferHandleGrants, spec 5.6.
	KindTransferHandleGrants Kind = 50
	// KindDeleteSessionProcessState is DeleteSessionProcessState, spec 5.11.
	KindDeleteSessionProcessState Kind = 51

	// KindClaimProcessLease is ClaimProcessLease, spec 5.26.
	KindClaimProcessLease Kind = 64
	// KindReclaimProcessLease is ReclaimProcessLease, spec 5.27.
	KindReclaimProcessLease Kind = 65
	// KindRenewProcessLease is RenewProcessLease, spec 5.28.
	KindRenewProcessLease Kind = 66
	// KindCompleteProcessLease is CompleteProcessLease, spec 5.30.
	KindCompleteProcessLease Kind = 67
	// KindClaimNextLease claims the oldest processes that are ready, spec A25.
	KindClaimNextLease Kind = 68
	// KindReleaseForRetry is CompleteProcessLease with a time before which
	// claim-next does not hand the process out, spec A25.
	KindReleaseForRetry Kind = 69

	// KindPruneTerminalProcesses is one bounded step of
	// PruneTerminalProcesses, spec 5.31.
	KindPruneTerminalProcesses Kind = 80

	// KindBatch is several writes that happen all or not at all, spec A26.
	KindBatch Kind = 88

	// KindOpenSession opens a client session, spec A9.
	KindOpenSession Kind = 96
	// KindCloseSession closes a client session, spec A9.
	KindCloseSession Kind = 97
	// KindSettleWrite answers what became of a write of a session, and makes
	// sure that one that was not done never will be. Spec A9.
	KindSettleWrite Kind = 98
)

// Body is the content of a command: one Go struct for each kind.
type Body interface {
	Kind() Kind
	// version is the number of the body's layout, from 1.
	version() uint8
}

// bodyOf makes an empty body of a kind and layout version to decode into; nil
// when this program does not know them.
func bodyOf(kind Kind, version uint8) Body {
	if version != 1 {
		return nil
	}
	switch kind {
	case KindTakeover:
		return new(Takeover)
	case KindTick:
		return new(Tick)
	case KindCheckpoint:
		return new(Checkpoint)
	case KindRecordMember:
		return new(RecordMember)
	case KindRegisterProcess:
		return new(RegisterProcess)
	case KindCompleteProcess:
		return new(CompleteProcess)
	case KindRecordFirstStarted:
		return new(RecordFirstStarted)
	case KindSetExternalRef:
		return new(SetExternalRef)
	case KindRequestProcessAbandon:
		return new(RequestProcessAbandon)
	case KindSetProcessWait:
		return new(SetProcessWait)
	case KindClearProcessWait:
		return new(ClearProcessWait)
	case KindAppendEvent:
		return new(AppendEvent)
	case KindAckWake:
		return new(AckWake)
	case KindGrantHandle:
		return new(GrantHandle)
	case KindRevokeHandle:
		return new(RevokeHandle)
	case KindTransferHandleGrants:
		return new(TransferHandleGrants)
	case KindDeleteSessionProcessState:
		return new(DeleteSessionProcessState)
	case KindClaimProcessLease:
		return new(ClaimProcessLease)
	case KindReclaimProcessLease:
		return new(ReclaimProcessLease)
	case KindRenewProcessLease:
		return new(RenewProcessLease)
	case KindCompleteProcessLease:
		return new(CompleteProcessLease)
	case KindPruneTerminalProcesses:
		return new(PruneTerminalProcesses)
	case KindClaimNextLease:
		return new(ClaimNextLease)
	case KindReleaseForRetry:
		return new(ReleaseForRetry)
	case KindBatch:
		return new(Batch)
	case KindOpenSession:
		return new(OpenSession)
	case KindCloseSession:
		return new(CloseSession)
	case KindSettleWrite:
		return new(SettleWrite)
	default:
		return nil
	}
}

// String returns the kind's number for messages.
func (k Kind) String() string { return fmt.Sprintf("kind %d", uint16(k)) }
