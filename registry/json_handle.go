package registry

// The forms of spec 3.18 and 3.19: grants and the report on a deleted session.

func (d ProcessHandleDescriptor) encode(e *encoder) {
	e.open('{')
	e.optStr("kind", d.Kind)
	e.optStr("label", d.Label)
	e.close('}')
}

func readDescriptor(raw []byte) (ProcessHandleDescriptor, error) {
	o := readObject(raw)
	return ProcessHandleDescriptor{Kind: o.optStr("kind"), Label: o.optStr("label")}, o.done()
}

func (g ProcessHandleGrant) encode(e *encoder) {
	e.open('{')
	e.str("session_id", g.SessionID)
	e.str("process_id", g.ProcessID)
	e.object("descriptor", g.Descriptor)
	e.close('}')
}

func readGrant(raw []byte) (ProcessHandleGrant, error) {
	o := readObject(raw)
	return ProcessHandleGrant{
		SessionID:  o.str("session_id"),
		ProcessID:  o.str("process_id"),
		Descriptor: need(o, "descriptor", readDescriptor),
	}, o.done()
}

func (g ProcessHandleGrantEntry) encode(e *encoder) {
	e.open('[')
	g.Grant.encode(e)
	e.next()
	g.Record.encode(e)
	e.close(']')
}

func readGrantEntry(raw []byte) (ProcessHandleGrantEntry, error) {
	pair, err := listOf(readFree)(raw)
	if err != nil {
		return ProcessHandleGrantEntry{}, err
	}
	if len(pair) != 2 {
		return ProcessHandleGrantEntry{}, wrongForm("expected the pair [grant, record]")
	}
	var entry ProcessHandleGrantEntry
	if entry.Grant, err = readGrant(pair[0]); err != nil {
		return entry, at("[0]", err)
	}
	if entry.Record, err = readRecord(pair[1]); err != nil {
		return entry, at("[1]", err)
	}
	return entry, nil
}

func (r ProcessSessionDeleteReport) encode(e *encoder) {
	e.open('{')
	e.str("session_id", r.SessionID)
	e.u64("revoked_handle_count", r.RevokedHandleCount)
	e.u64("deleted_wake_count", r.DeletedWakeCount)
	encodeStrings(e, "orphaned_process_ids", r.OrphanedProcessIDs)
	encodeStrings(e, "preserved_process_ids", r.PreservedProcessIDs)
	e.close('}')
}

func readDeleteReport(raw []byte) (ProcessSessionDeleteReport, error) {
	o := readObject(raw)
	return ProcessSessionDeleteReport{
		SessionID:           o.str("session_id"),
		RevokedHandleCount:  o.u64("revoked_handle_count"),
		DeletedWakeCount:    o.u64("deleted_wake_count"),
		OrphanedProcessIDs:  need(o, "orphaned_process_ids", listOf(readString)),
		PreservedProcessIDs: need(o, "preserved_process_ids", listOf(readString)),
	}, o.done()
}
