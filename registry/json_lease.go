package registry

// The forms of spec 3.17: owners and leases.

// normal maps the zero kind to opaque and drops what an opaque owner does not
// have.
func (l LeaseOwnerLiveness) normal() LeaseOwnerLiveness {
	if l.Kind == LivenessLocalProcess {
		return l
	}
	return LeaseOwnerLiveness{Kind: LivenessOpaque}
}

func (l LeaseOwnerLiveness) encode(e *encoder) {
	e.open('{')
	switch l.Kind {
	case LivenessOpaque, "":
		e.str("kind", string(LivenessOpaque))
	case LivenessLocalProcess:
		e.str("kind", string(l.Kind))
		e.str("host_id", l.HostID)
		e.str("boot_id", l.BootID)
		e.u64("pid", uint64(l.PID))
		e.str("process_start", l.ProcessStart)
	default:
		e.fail("unknown liveness kind %q", string(l.Kind))
	}
	e.close('}')
}

func readLiveness(raw []byte) (LeaseOwnerLiveness, error) {
	o := readObject(raw)
	l := LeaseOwnerLiveness{Kind: need(o, "kind", oneOf(LivenessOpaque, LivenessLocalProcess))}
	if l.Kind == LivenessLocalProcess {
		l.HostID = o.str("host_id")
		l.BootID = o.str("boot_id")
		l.PID = o.u32("pid")
		l.ProcessStart = o.str("process_start")
	}
	return l, o.done()
}

func (p LeaseOwnerIdentity) encode(e *encoder) {
	e.open('{')
	e.str("owner_id", p.OwnerID)
	e.str("incarnation_id", p.IncarnationID)
	e.object("liveness", p.Liveness)
	e.close('}')
}

func readOwner(raw []byte) (LeaseOwnerIdentity, error) {
	o := readObject(raw)
	return LeaseOwnerIdentity{
		OwnerID:       o.str("owner_id"),
		IncarnationID: o.str("incarnation_id"),
		Liveness:      orDefault(o, "liveness", LeaseOwnerLiveness{Kind: LivenessOpaque}, readLiveness),
	}, o.done()
}

func (l ProcessLease) encode(e *encoder) {
	e.open('{')
	e.u64("schema_version", LeaseSchemaVersion)
	e.str("process_id", l.ProcessID)
	e.object("owner", l.Owner)
	e.str("lease_token", l.LeaseToken)
	e.u64("fencing_token", l.FencingToken)
	e.u64("claimed_at_epoch_ms", l.ClaimedAtMs)
	e.u64("expires_at_epoch_ms", l.ExpiresAtMs)
	e.close('}')
}

func readLease(raw []byte) (ProcessLease, error) {
	o := readObject(raw)
	// The version is written for others; it is required but never checked.
	o.u32("schema_version")
	return ProcessLease{
		ProcessID:    o.str("process_id"),
		Owner:        need(o, "owner", readOwner),
		LeaseToken:   o.str("lease_token"),
		FencingToken: o.u64("fencing_token"),
		ClaimedAtMs:  o.u64("claimed_at_epoch_ms"),
		ExpiresAtMs:  o.u64("expires_at_epoch_ms"),
	}, o.done()
}

func (c ProcessLeaseClaimOutcome) encode(e *encoder) {
	e.open('{')
	switch {
	case (c.Acquired == nil) == (c.Busy == nil):
		e.fail("a claim outcome is either acquired or busy")
	case c.Acquired != nil:
		e.object("Acquired", *c.Acquired)
	default:
		e.key("Busy")
		e.open('{')
		e.object("holder", *c.Busy)
		e.close('}')
	}
	e.close('}')
}

func readClaimOutcome(raw []byte) (ProcessLeaseClaimOutcome, error) {
	name, content, err := readVariant(raw)
	if err != nil {
		return ProcessLeaseClaimOutcome{}, err
	}
	var lease ProcessLease
	switch {
	case name == "Acquired" && content != nil:
		lease, err = readLease(content)
		return ProcessLeaseClaimOutcome{Acquired: &lease}, err
	case name == "Busy" && content != nil:
		o := readObject(content)
		lease = need(o, "holder", readLease)
		return ProcessLeaseClaimOutcome{Busy: &lease}, o.done()
	default:
		return ProcessLeaseClaimOutcome{}, wrongForm("expected Acquired or Busy")
	}
}

func (c ProcessLeaseCompletion) encode(e *encoder) {
	e.open('{')
	e.str("process_id", c.ProcessID)
	e.str("lease_token", c.LeaseToken)
	e.close('}')
}

func readLeaseCompletion(raw []byte) (ProcessLeaseCompletion, error) {
	o := readObject(raw)
	return ProcessLeaseCompletion{ProcessID: o.str("process_id"), LeaseToken: o.str("lease_token")}, o.done()
}

func (f Fence) encode(e *encoder) {
	e.open('{')
	e.str("lease_token", f.LeaseToken)
	e.u64("fencing_token", f.FencingToken)
	e.close('}')
}

func readFence(raw []byte) (Fence, error) {
	o := readObject(raw)
	return Fence{LeaseToken: o.str("lease_token"), FencingToken: o.u64("fencing_token")}, o.done()
}
