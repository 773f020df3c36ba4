package wire

import (
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// The tables of all enumerations; the index is the number in the .proto files.
var (
	causalKinds = enum[registry.CausalKind, pb.CausalKind]{
		"",
		registry.CausalTurn,
		registry.CausalEffect,
		registry.CausalToolCall,
		registry.CausalProcess,
		registry.CausalProcessEvent,
		registry.CausalTriggerOccurrence,
		registry.CausalSessionNode,
	}
	dispositions = enum[registry.RecoveryDisposition, pb.RecoveryDisposition]{
		"",
		registry.Rerunnable,
		registry.OwnerBound,
		registry.ExternallyOwned,
	}
	inputKinds = enum[registry.InputKind, pb.InputKind]{
		"",
		registry.InputToolCall,
		registry.InputEngine,
		registry.InputSessionTurn,
		registry.InputExternal,
	}
	processStates = enum[registry.ProcessState, pb.ProcessState]{
		"",
		registry.StateRunning,
		registry.StateCompleted,
		registry.StateFailed,
		registry.StateCancelled,
		registry.StateAbandoned,
	}
	selectorKinds = enum[registry.SelectorKind, pb.SelectorKind]{
		"",
		registry.SelectPayload,
		registry.SelectPointer,
		registry.SelectConst,
		registry.SelectTemplate,
		registry.SelectPresent,
	}
	dedupeKinds = enum[registry.DedupeKind, pb.DedupeKind]{
		"",
		registry.DedupeEventIdentity,
		registry.DedupeSelector,
		registry.DedupeConst,
	}
	fencingModes = enum[registry.FencingMode, pb.FencingMode]{
		"",
		registry.FencingOptional,
		registry.FencingRequired,
	}
	outputKinds = enum[registry.OutputKind, pb.OutputKind]{
		"",
		registry.OutputSuccess,
		registry.OutputFailure,
		registry.OutputCancelled,
		registry.OutputAbandoned,
	}
	failureClasses = enum[registry.FailureClass, pb.FailureClass]{
		"",
		registry.ClassInvalidRequest,
		registry.ClassUnavailable,
		registry.ClassPermissionDenied,
		registry.ClassTimeout,
		registry.ClassExecution,
		registry.ClassExternal,
		registry.ClassResourceLimit,
		registry.ClassInternal,
	}
	abandonWriters = enum[registry.AbandonWriter, pb.AbandonWriter]{
		"",
		registry.WriterOwnerDrain,
		registry.WriterSweep,
		registry.WriterReconciledRequest,
	}
	waitKinds = enum[registry.WaitKind, pb.WaitKind]{
		"",
		registry.WaitSignal,
	}
	livenessKinds = enum[registry.LivenessKind, pb.LivenessKind]{
		"",
		registry.LivenessOpaque,
		registry.LivenessLocalProcess,
	}
	holderVerdicts = enum[registry.HolderVerdict, pb.HolderVerdict]{
		"",
		registry.VerdictUnknown,
		registry.VerdictDead,
	}
	durabilityTiers = enum[registry.DurabilityTier, pb.DurabilityTier]{
		"",
		registry.TierInline,
		registry.TierDurable,
	}
	statusFilters = enum[registry.StatusFilter, pb.StatusFilter]{
		"",
		registry.StatusRunning,
		registry.StatusFilter(registry.StateCompleted),
		registry.StatusFilter(registry.StateFailed),
		registry.StatusFilter(registry.StateCancelled),
		registry.StatusFilter(registry.StateAbandoned),
		registry.StatusAny,
	}
)

// VerdictToPB returns the wire form of a verdict.
func VerdictToPB(verdict registry.HolderVerdict) pb.HolderVerdict {
	return holderVerdicts.toPB(verdict)
}

// VerdictFromPB reads a verdict.
func VerdictFromPB(verdict pb.HolderVerdict) (registry.HolderVerdict, error) {
	var d decoder
	return result(&d, holderVerdicts.fromPB(&d, verdict, "verdict"))
}

// TierToPB returns the wire form of a durability tier.
func TierToPB(tier registry.DurabilityTier) pb.DurabilityTier {
	return durabilityTiers.toPB(tier)
}

// TierFromPB reads a durability tier.
func TierFromPB(tier pb.DurabilityTier) (registry.DurabilityTier, error) {
	var d decoder
	return result(&d, durabilityTiers.fromPB(&d, tier, "tier"))
}
