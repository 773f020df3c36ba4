package registry

// The forms of spec 3.15: what those who wait for a process get.

// ParseAwaitOutput reads an await output from its JSON form. Unknown members
// are dropped; a control is checked and brought into normal form. It fails
// with InvalidArgument naming the member when the text is not of that form.
// The result shares memory with raw. Spec 3.15.
func ParseAwaitOutput(raw JSON) (ProcessAwaitOutput, error) {
	return decode(raw, readAwaitOutput)
}

// OutputsEqual tells whether two outputs are equal as JSON, but for
// evidence.epoch_ms: somebody who sends a completion again takes its evidence
// from a later clock. Spec A20.
func OutputsEqual(a, b ProcessAwaitOutput) bool {
	if a.Kind != b.Kind || !EqualJSON(normalControl(a.Control), normalControl(b.Control)) {
		return false
	}
	switch a.Kind {
	case OutputSuccess:
		return EqualJSON(a.Value, b.Value)
	case OutputFailure:
		return a.Class == b.Class && a.Code == b.Code && a.Message == b.Message && equalOptional(a.Raw, b.Raw)
	case OutputCancelled:
		return a.Message == b.Message && equalOptional(a.Raw, b.Raw)
	default:
		return equalEvidence(a.Evidence, b.Evidence)
	}
}

// normalControl returns a control as it is stored: callers who built an output
// themselves may have put unknown members into it.
func normalControl(control JSON) JSON {
	if isAbsent(control) {
		return nil
	}
	if normal, err := decode(control, readControl); err == nil {
		return normal
	}
	return control
}

// equalOptional compares optional free JSON, where null reads as absent.
func equalOptional(a, b JSON) bool {
	if isAbsent(a) || isAbsent(b) {
		return isAbsent(a) == isAbsent(b)
	}
	return EqualJSON(a, b)
}

func equalEvidence(a, b *AbandonEvidence) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Writer != b.Writer || (a.Owner == nil) != (b.Owner == nil) {
		return false
	}
	return a.Owner == nil || a.Owner.SameIncarnation(*b.Owner) &&
		a.Owner.Liveness.normal() == b.Owner.Liveness.normal()
}

func (p ProcessAwaitOutput) encode(e *encoder) {
	e.open('{')
	e.str("type", string(p.Kind))
	switch p.Kind {
	case OutputSuccess:
		e.free("value", p.Value)
	case OutputFailure:
		e.str("class", string(p.Class))
		e.str("code", p.Code)
		e.str("message", p.Message)
		e.optFree("raw", p.Raw)
	case OutputCancelled:
		e.str("message", p.Message)
		e.optFree("raw", p.Raw)
	case OutputAbandoned:
		if p.Evidence == nil {
			e.fail("evidence is missing")
			break
		}
		e.object("evidence", *p.Evidence)
	default:
		e.fail("unknown output kind %q", string(p.Kind))
	}
	e.optFree("control", p.Control)
	e.close('}')
}

var (
	readOutputKind   = oneOf(OutputSuccess, OutputFailure, OutputCancelled, OutputAbandoned)
	readFailureClass = oneOf(ClassInvalidRequest, ClassUnavailable, ClassPermissionDenied, ClassTimeout,
		ClassExecution, ClassExternal, ClassResourceLimit, ClassInternal)
	readAbandonWriter = oneOf(WriterOwnerDrain, WriterSweep, WriterReconciledRequest)
)

func readAwaitOutput(raw []byte) (ProcessAwaitOutput, error) {
	o := readObject(raw)
	p := ProcessAwaitOutput{Kind: need(o, "type", readOutputKind)}
	switch p.Kind {
	case OutputSuccess:
		p.Value = o.free("value")
	case OutputFailure:
		p.Class = need(o, "class", readFailureClass)
		p.Code = o.str("code")
		p.Message = o.str("message")
		p.Raw = o.optFree("raw")
	case OutputCancelled:
		p.Message = o.str("message")
		p.Raw = o.optFree("raw")
	case OutputAbandoned:
		evidence := need(o, "evidence", readEvidence)
		p.Evidence = &evidence
	}
	if control := maybe(o, "control", readControl); control != nil {
		p.Control = *control
	}
	return p, o.done()
}

func (v AbandonEvidence) encode(e *encoder) {
	e.open('{')
	e.str("writer", string(v.Writer))
	encodeOptional(e, "owner", v.Owner)
	e.u64("epoch_ms", v.EpochMs)
	e.close('}')
}

func readEvidence(raw []byte) (AbandonEvidence, error) {
	o := readObject(raw)
	return AbandonEvidence{
		Writer:  need(o, "writer", readAbandonWriter),
		Owner:   maybe(o, "owner", readOwner),
		EpochMs: o.u64("epoch_ms"),
	}, o.done()
}
