package registry

// Every type of spec 3 reads and writes its JSON form through encoding/json;
// the forms themselves stand in the other json_ files. MarshalJSON fails with
// InvalidArgument on a value that has no form (an unknown kind, a required part
// that is missing); UnmarshalJSON on text of another form, naming the member in
// the error's field. It copies what it keeps, and leaves its receiver alone
// when it fails. Unlike encoding/json by itself, names must match exactly,
// required members must be there, and null is no stand-in for an object.

// MarshalJSON returns the form of spec 3.2.
func (x SessionScope) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.2.
func (x *SessionScope) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readSessionScope) }

// MarshalJSON returns the form of spec 3.3.
func (x CausalRef) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.3.
func (x *CausalRef) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readCausalRef) }

// MarshalJSON returns the form of spec 3.4.
func (x Originator) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.4.
func (x *Originator) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readOriginator) }

// MarshalJSON returns the form of spec 3.4.
func (x Provenance) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.4.
func (x *Provenance) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readProvenance) }

// MarshalJSON returns the form of spec 3.6.
func (x ProcessInput) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.6.
func (x *ProcessInput) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readInput) }

// MarshalJSON returns the form of spec 3.7.
func (x ProcessIdentity) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.7.
func (x *ProcessIdentity) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readIdentity) }

// MarshalJSON returns the form of spec 3.8.
func (x Selector) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.8.
func (x *Selector) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readSelector) }

// MarshalJSON returns the form of spec 3.8.
func (x TerminalSpec) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.8.
func (x *TerminalSpec) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readTerminalSpec) }

// MarshalJSON returns the form of spec 3.8.
func (x DedupeKey) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.8.
func (x *DedupeKey) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readDedupeKey) }

// MarshalJSON returns the form of spec 3.8.
func (x WakeSpec) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.8.
func (x *WakeSpec) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readWakeSpec) }

// MarshalJSON returns the form of spec 3.8.
func (x EventSemanticsSpec) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.8.
func (x *EventSemanticsSpec) UnmarshalJSON(raw []byte) error {
	return unmarshal(x, raw, readSemanticsSpec)
}

// MarshalJSON returns the form of spec 3.8.
func (x ProcessEventType) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.8.
func (x *ProcessEventType) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readEventType) }

// MarshalJSON returns the form of spec 3.9.
func (x ProcessRegistration) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.9.
func (x *ProcessRegistration) UnmarshalJSON(raw []byte) error {
	return unmarshal(x, raw, readRegistration)
}

// MarshalJSON returns the form of spec 3.11.
func (x Replay) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.11.
func (x *Replay) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readReplay) }

// MarshalJSON returns the form of spec 3.11.
func (x EventTerminal) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.11.
func (x *EventTerminal) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readEventTerminal) }

// MarshalJSON returns the form of spec 3.11.
func (x EventWake) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.11.
func (x *EventWake) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readEventWake) }

// MarshalJSON returns the form of spec 3.11.
func (x EventSemantics) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.11.
func (x *EventSemantics) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readSemantics) }

// MarshalJSON returns the form of spec 3.11.
func (x ProcessEvent) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.11.
func (x *ProcessEvent) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readEvent) }

// MarshalJSON returns the form of spec 3.11.
func (x ProcessEventAppendRequest) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.11.
func (x *ProcessEventAppendRequest) UnmarshalJSON(raw []byte) error {
	return unmarshal(x, raw, readAppendRequest)
}

// MarshalJSON returns the form of spec 3.11.
func (x ProcessEventAppendResult) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.11.
func (x *ProcessEventAppendResult) UnmarshalJSON(raw []byte) error {
	return unmarshal(x, raw, readAppendResult)
}

// MarshalJSON returns the form of spec 3.12.
func (x ProcessWakeDelivery) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.12.
func (x *ProcessWakeDelivery) UnmarshalJSON(raw []byte) error {
	return unmarshal(x, raw, readWakeDelivery)
}

// MarshalJSON returns the form of spec 3.13.
func (x ProcessRecord) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.13.
func (x *ProcessRecord) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readRecord) }

// MarshalJSON returns the form of spec 3.14.
func (x ProcessStatus) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.14.
func (x *ProcessStatus) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readStatus) }

// MarshalJSON returns the form of spec 3.15.
func (x ProcessAwaitOutput) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.15.
func (x *ProcessAwaitOutput) UnmarshalJSON(raw []byte) error {
	return unmarshal(x, raw, readAwaitOutput)
}

// MarshalJSON returns the form of spec 3.15.
func (x AbandonEvidence) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.15.
func (x *AbandonEvidence) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readEvidence) }

// MarshalJSON returns the form of spec 3.16.
func (x WaitState) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.16.
func (x *WaitState) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readWait) }

// MarshalJSON returns the form of spec 3.16.
func (x ProcessStarted) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.16.
func (x *ProcessStarted) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readStarted) }

// MarshalJSON returns the form of spec 3.16.
func (x AbandonRequest) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.16.
func (x *AbandonRequest) UnmarshalJSON(raw []byte) error {
	return unmarshal(x, raw, readAbandonRequest)
}

// MarshalJSON returns the form of spec 3.16.
func (x ProcessExternalRef) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.16.
func (x *ProcessExternalRef) UnmarshalJSON(raw []byte) error {
	return unmarshal(x, raw, readExternalRef)
}

// MarshalJSON returns the form of spec 3.17.
func (x LeaseOwnerLiveness) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.17.
func (x *LeaseOwnerLiveness) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readLiveness) }

// MarshalJSON returns the form of spec 3.17.
func (x LeaseOwnerIdentity) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.17.
func (x *LeaseOwnerIdentity) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readOwner) }

// MarshalJSON returns the form of spec 3.17.
func (x ProcessLease) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.17.
func (x *ProcessLease) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readLease) }

// MarshalJSON returns the form of spec 3.17.
func (x ProcessLeaseClaimOutcome) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.17.
func (x *ProcessLeaseClaimOutcome) UnmarshalJSON(raw []byte) error {
	return unmarshal(x, raw, readClaimOutcome)
}

// MarshalJSON returns the form of spec 3.17.
func (x ProcessLeaseCompletion) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.17.
func (x *ProcessLeaseCompletion) UnmarshalJSON(raw []byte) error {
	return unmarshal(x, raw, readLeaseCompletion)
}

// MarshalJSON returns the form of spec A2.
func (x Fence) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec A2.
func (x *Fence) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readFence) }

// MarshalJSON returns the form of spec 3.18.
func (x ProcessHandleDescriptor) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.18.
func (x *ProcessHandleDescriptor) UnmarshalJSON(raw []byte) error {
	return unmarshal(x, raw, readDescriptor)
}

// MarshalJSON returns the form of spec 3.18.
func (x ProcessHandleGrant) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.18.
func (x *ProcessHandleGrant) UnmarshalJSON(raw []byte) error { return unmarshal(x, raw, readGrant) }

// MarshalJSON returns the form of spec 3.18.
func (x ProcessHandleGrantEntry) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.18.
func (x *ProcessHandleGrantEntry) UnmarshalJSON(raw []byte) error {
	return unmarshal(x, raw, readGrantEntry)
}

// MarshalJSON returns the form of spec 3.19.
func (x ProcessSessionDeleteReport) MarshalJSON() ([]byte, error) { return marshal(x) }

// UnmarshalJSON reads the form of spec 3.19.
func (x *ProcessSessionDeleteReport) UnmarshalJSON(raw []byte) error {
	return unmarshal(x, raw, readDeleteReport)
}
