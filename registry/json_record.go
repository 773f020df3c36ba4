package registry

// The forms of spec 3.13, 3.14 and 3.16: a process record and the facts on it.

func (s ProcessStatus) encode(e *encoder) {
	e.open('{')
	e.str("state", string(s.State))
	switch {
	case !s.State.valid():
		e.fail("unknown process state %q", string(s.State))
	case s.State.Terminal() && s.AwaitOutput == nil:
		e.fail("status.await_output is missing")
	case s.State.Terminal():
		e.object("await_output", *s.AwaitOutput)
	}
	e.close('}')
}

func (s ProcessState) valid() bool {
	switch s {
	case StateRunning, StateCompleted, StateFailed, StateCancelled, StateAbandoned:
		return true
	}
	return false
}

var readState = oneOf(StateRunning, StateCompleted, StateFailed, StateCancelled, StateAbandoned)

func readStatus(raw []byte) (ProcessStatus, error) {
	o := readObject(raw)
	s := ProcessStatus{State: need(o, "state", readState)}
	if o.err == nil && s.State.Terminal() {
		output := need(o, "await_output", readAwaitOutput)
		s.AwaitOutput = &output
	}
	return s, o.done()
}

func (s ProcessStarted) encode(e *encoder) {
	e.open('{')
	e.object("owner", s.Owner)
	e.u64("started_at_ms", s.StartedAtMs)
	e.close('}')
}

func readStarted(raw []byte) (ProcessStarted, error) {
	o := readObject(raw)
	return ProcessStarted{
		Owner:       need(o, "owner", readOwner),
		StartedAtMs: o.u64("started_at_ms"),
	}, o.done()
}

func (r AbandonRequest) encode(e *encoder) {
	e.open('{')
	e.str("requested_by", r.RequestedBy)
	e.u64("requested_at_ms", r.RequestedAtMs)
	e.optStr("reason", r.Reason)
	e.close('}')
}

func readAbandonRequest(raw []byte) (AbandonRequest, error) {
	o := readObject(raw)
	return AbandonRequest{
		RequestedBy:   o.str("requested_by"),
		RequestedAtMs: o.u64("requested_at_ms"),
		Reason:        o.optStr("reason"),
	}, o.done()
}

func (r ProcessExternalRef) encode(e *encoder) {
	e.open('{')
	e.str("backend", r.Backend)
	e.str("id", r.ID)
	e.optFree("metadata", r.Metadata)
	e.close('}')
}

func readExternalRef(raw []byte) (ProcessExternalRef, error) {
	o := readObject(raw)
	return ProcessExternalRef{
		Backend:  o.str("backend"),
		ID:       o.str("id"),
		Metadata: o.optFree("metadata"),
	}, o.done()
}

func (w WaitState) encode(e *encoder) {
	if w.Kind != WaitSignal {
		e.fail("unknown wait kind %q", string(w.Kind))
	}
	e.open('{')
	e.key("kind")
	e.open('{')
	e.str("kind", string(w.Kind))
	e.str("name", w.Name)
	e.str("event_type", w.EventType)
	e.str("key", w.Key)
	e.u64("ordinal", w.Ordinal)
	e.close('}')
	e.u64("since_ms", w.SinceMs)
	e.close('}')
}

func readWait(raw []byte) (WaitState, error) {
	o := readObject(raw)
	w := need(o, "kind", readWaitKind)
	w.SinceMs = o.u64("since_ms")
	return w, o.done()
}

func readWaitKind(raw []byte) (WaitState, error) {
	o := readObject(raw)
	return WaitState{
		Kind:      need(o, "kind", oneOf(WaitSignal)),
		Name:      o.str("name"),
		EventType: o.str("event_type"),
		Key:       o.str("key"),
		Ordinal:   o.u64("ordinal"),
	}, o.done()
}

func (r ProcessRecord) encode(e *encoder) {
	e.open('{')
	e.str("id", r.ID)
	e.str("registration_hash", r.RegistrationHash)
	e.object("input", r.Input)
	e.str("disposition", string(r.Disposition))
	e.object("identity", r.Identity)
	encodeList(e, "event_types", r.EventTypes)
	e.object("provenance", r.Provenance)
	e.optStr("env_ref", r.EnvRef)
	encodeOptional(e, "wake_target", r.WakeTarget)
	e.u64("created_at_ms", r.CreatedAtMs)
	e.u64("updated_at_ms", r.UpdatedAtMs)
	encodeOptional(e, "external_ref", r.ExternalRef)
	encodeOptional(e, "first_started", r.FirstStarted)
	encodeOptional(e, "abandon_request", r.AbandonRequest)
	encodeOptional(e, "wait", r.Wait)
	e.object("status", r.Status)
	e.u64("life", r.Life)
	e.u64("revision", r.Revision)
	encodeFencing(e, r.Fencing)
	e.close('}')
}

func readRecord(raw []byte) (ProcessRecord, error) {
	o := readObject(raw)
	return ProcessRecord{
		ID:               o.str("id"),
		RegistrationHash: o.str("registration_hash"),
		Input:            need(o, "input", readInput),
		Disposition:      need(o, "disposition", readDisposition),
		Identity:         need(o, "identity", readIdentity),
		EventTypes:       orDefault(o, "event_types", nil, listOf(readEventType)),
		Provenance:       need(o, "provenance", readProvenance),
		EnvRef:           o.optStr("env_ref"),
		WakeTarget:       maybe(o, "wake_target", readSessionScope),
		CreatedAtMs:      orDefault(o, "created_at_ms", 0, readU64),
		UpdatedAtMs:      orDefault(o, "updated_at_ms", 0, readU64),
		ExternalRef:      maybe(o, "external_ref", readExternalRef),
		FirstStarted:     maybe(o, "first_started", readStarted),
		AbandonRequest:   maybe(o, "abandon_request", readAbandonRequest),
		Wait:             maybe(o, "wait", readWait),
		Status:           orDefault(o, "status", ProcessStatus{State: StateRunning}, readStatus),
		Life:             orDefault(o, "life", 0, readU64),
		Revision:         orDefault(o, "revision", 0, readU64),
		Fencing:          readFencing(o),
	}, o.done()
}
