package fsm

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

// enum maps the words of the contract to the numbers of the log format. The
// index of a word is its number: never changed, never reused, zero invalid.
type enum[T ~string] []T

// number returns the number of a word, or 0 for one that has none.
func (e enum[T]) number(word T) uint8 {
	for number := 1; number < len(e); number++ {
		if e[number] == word {
			return uint8(number)
		}
	}
	return 0
}

// word returns the word of a number.
func (e enum[T]) word(number uint8) (T, error) {
	if number == 0 || int(number) >= len(e) {
		var none T
		return none, fmt.Errorf("%T has no number %d", none, number)
	}
	return e[number], nil
}

var (
	dispositions = enum[registry.RecoveryDisposition]{1: registry.Rerunnable, 2: registry.OwnerBound, 3: registry.ExternallyOwned}
	fencingModes = enum[registry.FencingMode]{1: registry.FencingOptional, 2: registry.FencingRequired}
	inputKinds   = enum[registry.InputKind]{1: registry.InputToolCall, 2: registry.InputEngine, 3: registry.InputSessionTurn, 4: registry.InputExternal}
	states       = enum[registry.ProcessState]{1: registry.StateRunning, 2: registry.StateCompleted, 3: registry.StateFailed, 4: registry.StateCancelled, 5: registry.StateAbandoned}
	outputKinds  = enum[registry.OutputKind]{1: registry.OutputSuccess, 2: registry.OutputFailure, 3: registry.OutputCancelled, 4: registry.OutputAbandoned}
	classes      = enum[registry.FailureClass]{
		1: registry.ClassInvalidRequest, 2: registry.ClassUnavailable, 3: registry.ClassPermissionDenied, 4: registry.ClassTimeout,
		5: registry.ClassExecution, 6: registry.ClassExternal, 7: registry.ClassResourceLimit, 8: registry.ClassInternal,
	}
	writers       = enum[registry.AbandonWriter]{1: registry.WriterOwnerDrain, 2: registry.WriterSweep, 3: registry.WriterReconciledRequest}
	livenessKinds = enum[registry.LivenessKind]{1: registry.LivenessOpaque, 2: registry.LivenessLocalProcess}
	verdicts      = enum[registry.HolderVerdict]{1: registry.VerdictUnknown, 2: registry.VerdictDead}
	causalKinds   = enum[registry.CausalKind]{
		1: registry.CausalTurn, 2: registry.CausalEffect, 3: registry.CausalToolCall, 4: registry.CausalProcess,
		5: registry.CausalProcessEvent, 6: registry.CausalTriggerOccurrence, 7: registry.CausalSessionNode,
	}
	selectorKinds = enum[registry.SelectorKind]{
		1: registry.SelectPayload, 2: registry.SelectPointer, 3: registry.SelectConst, 4: registry.SelectTemplate, 5: registry.SelectPresent,
	}
	dedupeKinds = enum[registry.DedupeKind]{1: registry.DedupeEventIdentity, 2: registry.DedupeSelector, 3: registry.DedupeConst}
	waitKinds   = enum[registry.WaitKind]{1: registry.WaitSignal}
)
