package registry

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The checks of arguments that need nothing but the argument. Each refusal is
// an *Error: InvalidArgument for a broken rule, TooLarge for something longer
// or more numerous than its limit (spec A16); Fields tells field, limit and
// value. They come before everything else a call does (spec A2, A12).

func invalid(field, format string, args ...any) *Error {
	return Errorf(CodeInvalidArgument, Fields{Field: field}, format, args...)
}

func tooLarge(field, unit string, limit, value int) *Error {
	l, v := uint64(limit), uint64(value)
	return Errorf(CodeTooLarge, Fields{Field: field, Limit: &l, Value: &v}, "%s is %d %s, over the limit of %d", field, value, unit, limit)
}

// overLimit refuses a number that is no size.
func overLimit(field string, limit, value uint64) *Error {
	refusal := invalid(field, "%s is %d, over the limit of %d", field, value, limit)
	refusal.Fields.Limit, refusal.Fields.Value = &limit, &value
	return refusal
}

// The two names under which process ids are arguments.
const (
	fieldProcessID      = "process_id"
	fieldRegistrationID = "id"
)

// ValidateID checks an id: 1 to MaxIDBytes bytes of UTF-8 without control
// characters. A process id (field "process_id" or "id") must have something
// other than white space too. Spec 5.2, A16.
func ValidateID(field, id string) error {
	if field == fieldProcessID || field == fieldRegistrationID {
		return validateProcessID(field, id)
	}
	return validateName(field, id, MaxIDBytes)
}

func validateProcessID(field, id string) error {
	if strings.TrimSpace(id) == "" {
		return invalid(field, "process id must be a non-empty string")
	}
	return validateName(field, id, MaxIDBytes)
}

// ValidateTransferIDs checks the list of a transfer: at most MaxTransferIDs
// process ids. Spec 5.6, A16.
func ValidateTransferIDs(ids []string) error {
	if len(ids) > MaxTransferIDs {
		return tooLarge("process_ids", "ids", MaxTransferIDs, len(ids))
	}
	for i, id := range ids {
		if err := validateProcessID(fmt.Sprintf("process_ids[%d]", i), id); err != nil {
			return err
		}
	}
	return nil
}

// ValidateReplayKey checks a replay key: 1 to MaxReplayKeyBytes bytes of UTF-8
// without control characters. Spec A16.
func ValidateReplayKey(key string) error {
	return validateName("replay.key", key, MaxReplayKeyBytes)
}

func validateName(field, name string, limit int) error {
	if name == "" {
		return invalid(field, "%s must not be empty", field)
	}
	if err := validateText(field, name, limit); err != nil {
		return err
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return invalid(field, "%s must not contain control characters", field)
	}
	return nil
}

// ValidateString checks any other string: at most MaxStringBytes bytes of
// UTF-8. Spec A16.
func ValidateString(field, s string) error { return validateText(field, s, MaxStringBytes) }

func validateText(field, s string, limit int) error {
	if len(s) > limit {
		return tooLarge(field, "bytes", limit, len(s))
	}
	if !utf8.ValidString(s) {
		return invalid(field, "%s is not valid UTF-8", field)
	}
	return nil
}

func validateOptional(field string, s *string) error {
	if s == nil {
		return nil
	}
	return ValidateString(field, *s)
}

// text is a string argument with its name.
type text struct{ field, value string }

// validateStrings checks several strings in order.
func validateStrings(texts ...text) error {
	for _, t := range texts {
		if err := ValidateString(t.field, t.value); err != nil {
			return err
		}
	}
	return nil
}

// ValidateScope checks the ids of a session scope; the frame may be empty.
func ValidateScope(field string, s SessionScope) error {
	if err := ValidateID(field+".session_id", s.SessionID); err != nil {
		return err
	}
	if s.AgentFrameID == "" {
		return nil
	}
	return ValidateID(field+".agent_frame_id", s.AgentFrameID)
}

// ValidateDescriptor checks how a grant is to show its process. Spec 3.18.
func ValidateDescriptor(d ProcessHandleDescriptor) error {
	if err := validateOptional("descriptor.kind", d.Kind); err != nil {
		return err
	}
	return validateOptional("descriptor.label", d.Label)
}

// ValidateOwner checks who wants a lease. A local process must name its host
// and boot: two owners that both left them out would pass for neighbours, and
// one could declare the other dead. Spec 3.17, A5.
func ValidateOwner(field string, o LeaseOwnerIdentity) error {
	if err := ValidateID(field+".owner_id", o.OwnerID); err != nil {
		return err
	}
	if err := ValidateID(field+".incarnation_id", o.IncarnationID); err != nil {
		return err
	}
	live, at := o.Liveness, field+".liveness"
	switch live.Kind {
	case "", LivenessOpaque:
		return nil
	case LivenessLocalProcess:
	default:
		return invalid(at+".kind", "%s.kind %q is not known", at, string(live.Kind))
	}
	if live.HostID == "" || live.BootID == "" {
		return invalid(at, "%s of a local process must name host_id and boot_id", at)
	}
	return validateStrings(text{at + ".host_id", live.HostID}, text{at + ".boot_id", live.BootID}, text{at + ".process_start", live.ProcessStart})
}

// ValidateObserved checks the size of what a claimant says it saw of a lease.
// What is wrong with it otherwise makes it another lease than the live one, or
// does not matter where none is live. Spec 5.27.
func ValidateObserved(l ProcessLease) error {
	return validateStrings(text{"observed.process_id", l.ProcessID}, text{"observed.owner.owner_id", l.Owner.OwnerID},
		text{"observed.owner.incarnation_id", l.Owner.IncarnationID}, text{"observed.lease_token", l.LeaseToken})
}

// ValidateVerdict checks what a claimant found out; the empty verdict is
// unknown. Spec A5.
func ValidateVerdict(v HolderVerdict) error {
	if v != "" && !known(v, VerdictUnknown, VerdictDead) {
		return invalid("verdict", "verdict %q is not known", string(v))
	}
	return nil
}

// ValidateTTL checks the time to live of a lease, in milliseconds: at most
// MaxLeaseTTLMs. Zero is a lease that is expired at birth. Spec A16.
func ValidateTTL(ttlMs uint64) error {
	if ttlMs > MaxLeaseTTLMs {
		return overLimit("ttl_ms", MaxLeaseTTLMs, ttlMs)
	}
	return nil
}

// ValidateClaimNext checks what claim-next is asked for. Spec A25.
func ValidateClaimNext(r ClaimNextRequest) error {
	if err := ValidateOwner("owner", r.Owner); err != nil {
		return err
	}
	if err := ValidateTTL(r.TTLMs); err != nil {
		return err
	}
	switch {
	case r.TTLMs == 0:
		return invalid("ttl_ms", "ttl_ms is 0: a lease that is over at birth leaves the process to the next one who asks; give at least 1")
	case r.Limit < 1:
		return invalid("limit", "limit is %d: ask for at least 1 process", r.Limit)
	case r.Limit > MaxClaims:
		return overLimit("limit", MaxClaims, uint64(r.Limit))
	case r.WaitMs > MaxClaimWaitMs:
		return overLimit("wait_ms", MaxClaimWaitMs, r.WaitMs)
	case len(r.Kinds) > MaxClaimKinds:
		return tooLarge("kinds", "kinds", MaxClaimKinds, len(r.Kinds))
	}
	for i, kind := range r.Kinds {
		if err := ValidateString(fmt.Sprintf("kinds[%d]", i), kind); err != nil {
			return err
		}
	}
	return nil
}

// ValidateRetryAfter checks a delay in milliseconds: at most MaxRetryAfterMs.
func ValidateRetryAfter(retryAfterMs uint64) error {
	if retryAfterMs > MaxRetryAfterMs {
		return overLimit("retry_after_ms", MaxRetryAfterMs, retryAfterMs)
	}
	return nil
}

// ValidateFence checks the form of a fence; nil is none. Whether it is current
// is for the state machine to say. Spec A2.
func ValidateFence(f *Fence) error {
	if f == nil {
		return nil
	}
	return ValidateString("fence.lease_token", f.LeaseToken)
}

// ValidatePage checks a page request: a size from 0, the default, to
// MaxPageSize. What the token says is checked by who made it. Spec A15.
func ValidatePage(p PageRequest) error {
	if p.Size < 0 {
		return invalid("page.size", "page.size must not be negative")
	}
	if p.Size > MaxPageSize {
		return overLimit("page.size", MaxPageSize, uint64(p.Size))
	}
	return ValidateString("page.token", p.Token)
}

// ValidateAppendRequest checks what can be said about an append without its
// process. Whether the replay key may be missing depends on the declared type,
// and an empty one counts as missing, so neither is looked at here. Spec 5.12.
func ValidateAppendRequest(r ProcessEventAppendRequest) error {
	if err := ValidateString("event_type", r.EventType); err != nil {
		return err
	}
	if err := CheckJSON("payload", r.Payload); err != nil {
		return err
	}
	if r.Replay != nil && r.Replay.Key != "" {
		if err := ValidateReplayKey(r.Replay.Key); err != nil {
			return err
		}
	}
	if r.WakeTargetScope == nil {
		return nil
	}
	return ValidateScope("wake_target_scope", *r.WakeTargetScope)
}

// ValidateStarted checks the fact that execution began. Spec 5.18.
func ValidateStarted(s ProcessStarted) error { return ValidateOwner("owner", s.Owner) }

// ValidateAbandonRequest checks a request to give a process up. Spec 5.19.
func ValidateAbandonRequest(r AbandonRequest) error {
	if err := ValidateString("requested_by", r.RequestedBy); err != nil {
		return err
	}
	return validateOptional("reason", r.Reason)
}

// ValidateExternalRef checks an external reference. Spec 5.3.
func ValidateExternalRef(r ProcessExternalRef) error {
	if err := validateStrings(text{"external_ref.backend", r.Backend}, text{"external_ref.id", r.ID}); err != nil {
		return err
	}
	return checkOptional("external_ref.metadata", r.Metadata)
}

// checkOptional checks free JSON that may be absent.
func checkOptional(field string, raw JSON) error {
	if len(raw) == 0 {
		return nil
	}
	return CheckJSON(field, raw)
}

// ValidateWait checks what a process is to wait for. Spec 3.16, 5.20.
func ValidateWait(w WaitState) error {
	if w.Kind != WaitSignal {
		return invalid("wait.kind", "wait kind %q is not known", string(w.Kind))
	}
	return validateStrings(text{"wait.name", w.Name}, text{"wait.event_type", w.EventType}, text{"wait.key", w.Key})
}

// ValidateOutput checks an await output: the parts that its kind needs, words,
// sizes, and the form of its control. As the output is stored inside an event
// payload, the two together must keep the limits of a JSON value. Spec 3.15,
// 5.17.
func ValidateOutput(o ProcessAwaitOutput) error {
	if err := validateOutputParts(o); err != nil {
		return err
	}
	if !isAbsent(o.Control) {
		if err := CheckJSON("output.control", o.Control); err != nil {
			return err
		}
		if _, err := decode(o.Control, readControl); err != nil {
			return invalid("output.control", "output.control is not a tool control: %v", err)
		}
	}
	request, err := CompletionRequest("", o)
	if err != nil {
		return err
	}
	return CheckJSON("output", request.Payload)
}

func validateOutputParts(o ProcessAwaitOutput) error {
	switch o.Kind {
	case OutputSuccess:
		return CheckJSON("output.value", o.Value)
	case OutputFailure:
		if !known(o.Class, ClassInvalidRequest, ClassUnavailable, ClassPermissionDenied, ClassTimeout,
			ClassExecution, ClassExternal, ClassResourceLimit, ClassInternal) {
			return invalid("output.class", "failure class %q is not known", string(o.Class))
		}
		if err := validateStrings(text{"output.code", o.Code}, text{"output.message", o.Message}); err != nil {
			return err
		}
		return checkOptional("output.raw", o.Raw)
	case OutputCancelled:
		if err := ValidateString("output.message", o.Message); err != nil {
			return err
		}
		return checkOptional("output.raw", o.Raw)
	case OutputAbandoned:
		return validateEvidence(o.Evidence)
	default:
		return invalid("output.type", "output type %q is not known", string(o.Kind))
	}
}

func validateEvidence(v *AbandonEvidence) error {
	if v == nil {
		return invalid("output.evidence", "output.evidence is missing")
	}
	if !known(v.Writer, WriterOwnerDrain, WriterSweep, WriterReconciledRequest) {
		return invalid("output.evidence.writer", "abandon writer %q is not known", string(v.Writer))
	}
	if v.Owner == nil {
		return nil
	}
	return ValidateOwner("output.evidence.owner", *v.Owner)
}

// known tells whether a word is one of the allowed ones.
func known[T ~string](word T, words ...T) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}
