package wire

import (
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// ScopeToPB returns the wire form of a session scope.
func ScopeToPB(scope registry.SessionScope) *pb.SessionScope { return scopeToPB(&scope) }

// ScopeFromPB reads a session scope; field names it in errors.
func ScopeFromPB(m *pb.SessionScope, field string) (registry.SessionScope, error) {
	var d decoder
	return result(&d, d.scope(m, field))
}

func scopeToPB(scope *registry.SessionScope) *pb.SessionScope {
	return &pb.SessionScope{SessionId: scope.SessionID, AgentFrameId: scope.AgentFrameID}
}

func (d *decoder) scope(m *pb.SessionScope, field string) registry.SessionScope {
	if m == nil {
		d.missing(field)
	}
	return registry.SessionScope{SessionID: m.GetSessionId(), AgentFrameID: m.GetAgentFrameId()}
}

// DescriptorToPB returns the wire form of a descriptor.
func DescriptorToPB(descriptor registry.ProcessHandleDescriptor) *pb.ProcessHandleDescriptor {
	return &pb.ProcessHandleDescriptor{Kind: descriptor.Kind, Label: descriptor.Label}
}

// DescriptorFromPB reads a descriptor; a missing one is empty.
func DescriptorFromPB(m *pb.ProcessHandleDescriptor) registry.ProcessHandleDescriptor {
	if m == nil {
		return registry.ProcessHandleDescriptor{}
	}
	return registry.ProcessHandleDescriptor{Kind: m.Kind, Label: m.Label}
}

// GrantToPB returns the wire form of a grant.
func GrantToPB(grant registry.ProcessHandleGrant) *pb.ProcessHandleGrant {
	out := new(pb.ProcessHandleGrant)
	fillGrant(out, &grant)
	return out
}

// GrantFromPB reads a grant.
func GrantFromPB(m *pb.ProcessHandleGrant) (registry.ProcessHandleGrant, error) {
	var d decoder
	return result(&d, d.grant(m, "grant"))
}

// GrantsToPB returns the wire form of the grants of a page.
func GrantsToPB(grants []registry.ProcessHandleGrant) []*pb.ProcessHandleGrant {
	return rows(grants, fillGrant)
}

// GrantPageFromPB reads a page of grants.
func GrantPageFromPB(grants []*pb.ProcessHandleGrant, nextToken string) (registry.Page[registry.ProcessHandleGrant], error) {
	var d decoder
	return result(&d, registry.Page[registry.ProcessHandleGrant]{Items: list(grants, "grants", d.grant), NextToken: nextToken})
}

func fillGrant(out *pb.ProcessHandleGrant, grant *registry.ProcessHandleGrant) {
	out.SessionId = grant.SessionID
	out.ProcessId = grant.ProcessID
	out.Descriptor_ = DescriptorToPB(grant.Descriptor)
}

func (d *decoder) grant(m *pb.ProcessHandleGrant, field string) registry.ProcessHandleGrant {
	if m == nil {
		d.missing(field)
	}
	return registry.ProcessHandleGrant{
		SessionID:  m.GetSessionId(),
		ProcessID:  m.GetProcessId(),
		Descriptor: DescriptorFromPB(m.GetDescriptor_()),
	}
}

// EntriesToPB returns the wire form of the grant entries of a page.
func EntriesToPB(entries []registry.ProcessHandleGrantEntry) []*pb.ProcessHandleGrantEntry {
	return rows(entries, fillEntry)
}

// EntryPageFromPB reads a page of grant entries.
func EntryPageFromPB(entries []*pb.ProcessHandleGrantEntry, nextToken string) (registry.Page[registry.ProcessHandleGrantEntry], error) {
	var d decoder
	return result(&d, registry.Page[registry.ProcessHandleGrantEntry]{Items: list(entries, "entries", d.entry), NextToken: nextToken})
}

func fillEntry(out *pb.ProcessHandleGrantEntry, entry *registry.ProcessHandleGrantEntry) {
	out.Grant = GrantToPB(entry.Grant)
	out.Record = new(pb.ProcessRecord)
	fillRecord(out.Record, &entry.Record)
}

func (d *decoder) entry(m *pb.ProcessHandleGrantEntry, field string) registry.ProcessHandleGrantEntry {
	if m == nil {
		d.missing(field)
	}
	return registry.ProcessHandleGrantEntry{
		Grant:  d.grant(m.GetGrant(), "grant"),
		Record: d.record(m.GetRecord(), "record"),
	}
}

// DeleteReportToPB returns the wire form of a session delete report.
func DeleteReportToPB(report registry.ProcessSessionDeleteReport) *pb.ProcessSessionDeleteReport {
	return &pb.ProcessSessionDeleteReport{
		SessionId:           report.SessionID,
		RevokedHandleCount:  report.RevokedHandleCount,
		DeletedWakeCount:    report.DeletedWakeCount,
		OrphanedProcessIds:  report.OrphanedProcessIDs,
		PreservedProcessIds: report.PreservedProcessIDs,
	}
}

// DeleteReportFromPB reads a session delete report.
func DeleteReportFromPB(m *pb.ProcessSessionDeleteReport) (registry.ProcessSessionDeleteReport, error) {
	var d decoder
	if m == nil {
		d.missing("report")
	}
	return result(&d, registry.ProcessSessionDeleteReport{
		SessionID:           m.GetSessionId(),
		RevokedHandleCount:  m.GetRevokedHandleCount(),
		DeletedWakeCount:    m.GetDeletedWakeCount(),
		OrphanedProcessIDs:  m.GetOrphanedProcessIds(),
		PreservedProcessIDs: m.GetPreservedProcessIds(),
	})
}

// PruneReportToPB returns the wire form of a prune report.
func PruneReportToPB(report registry.ProcessPruneReport) *pb.ProcessPruneReport {
	return &pb.ProcessPruneReport{PrunedProcesses: report.PrunedProcesses, PrunedEvents: report.PrunedEvents}
}

// PruneReportFromPB reads a prune report.
func PruneReportFromPB(m *pb.ProcessPruneReport) (registry.ProcessPruneReport, error) {
	var d decoder
	if m == nil {
		d.missing("report")
	}
	return result(&d, registry.ProcessPruneReport{PrunedProcesses: m.GetPrunedProcesses(), PrunedEvents: m.GetPrunedEvents()})
}
