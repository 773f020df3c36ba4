package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-registry/holdfast/registry"
)

// The codes of the failures that a worker writes by itself.
const (
	// FailureHandler is an error of the handler that chose no code.
	FailureHandler = "handler_failed"
	// FailurePanic is a panic of the handler, or the end of its goroutine.
	FailurePanic = "panic"
	// FailureAttempts is a process that was handed out too often.
	FailureAttempts = "attempts_exhausted"
	// FailureOutput is a handler's answer that the registry does not take.
	FailureOutput = "output_refused"
)

// Failure is an error by which a handler chooses how its process fails.
type Failure struct {
	// Class is execution when empty.
	Class registry.FailureClass
	// Code is for programs, Message for people, of at most
	// registry.MaxStringBytes each; more is cut off. An empty code is
	// handler_failed.
	Code, Message string
	// Raw is any JSON value, or none.
	Raw registry.JSON
}

// Error is code and message.
func (f Failure) Error() string { return fmt.Sprintf("%s: %s", f.Code, f.Message) }

// Retry is an error by which a handler gives its process back: claim-next hands
// it out again after so much lease time, at most registry.MaxRetryAfterMs. The
// cause, which may be nil, is logged. Only rerunnable work can be run again: for
// other work the error is a failure like any other.
func Retry(after time.Duration, cause error) error { return &retryError{after, cause} }

type retryError struct {
	after time.Duration
	cause error
}

// Error names the time and the cause.
func (e *retryError) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("to be tried again after %v", e.after)
	}
	return fmt.Sprintf("to be tried again after %v: %v", e.after, e.cause)
}

// Unwrap is the cause.
func (e *retryError) Unwrap() error { return e.cause }

// delay is the time as the registry takes it.
func (e *retryError) delay() time.Duration {
	return min(max(0, e.after), registry.MaxRetryAfterMs*time.Millisecond)
}

// success is the output of a handler's value: JSON as it is, anything else as
// encoding/json writes it.
func success(value any) registry.ProcessAwaitOutput {
	text, ok := value.(registry.JSON)
	if !ok || text == nil {
		var err error
		if text, err = json.Marshal(value); err != nil {
			return failed(FailureOutput, fmt.Sprintf("the handler's value has no JSON form: %v", err))
		}
	}
	return registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: text}
}

// failed is the output of a failure of the class execution.
func failed(code, message string) registry.ProcessAwaitOutput {
	return Failure{Code: code, Message: message}.output()
}

// failureOf is the output of a handler's error.
func failureOf(err error) registry.ProcessAwaitOutput {
	var chosen Failure
	var pointer *Failure
	switch {
	case errors.As(err, &chosen):
	case errors.As(err, &pointer) && pointer != nil:
		chosen = *pointer
	default:
		chosen.Message = err.Error()
	}
	return chosen.output()
}

func (f Failure) output() registry.ProcessAwaitOutput {
	if f.Class == "" {
		f.Class = registry.ClassExecution
	}
	if f.Code == "" {
		f.Code = FailureHandler
	}
	return registry.ProcessAwaitOutput{Kind: registry.OutputFailure, Class: f.Class, Code: cut(f.Code), Message: cut(f.Message), Raw: f.Raw}
}

// cancelled is the output of a run that stopped because somebody asked it to.
func cancelled(reason string) registry.ProcessAwaitOutput {
	return registry.ProcessAwaitOutput{Kind: registry.OutputCancelled, Message: cut(reason)}
}

// abandoned is the output of a run that nobody goes on with.
func abandoned(writer registry.AbandonWriter, owner *registry.LeaseOwnerIdentity) registry.ProcessAwaitOutput {
	return registry.ProcessAwaitOutput{Kind: registry.OutputAbandoned, Evidence: &registry.AbandonEvidence{
		Writer: writer, Owner: owner, EpochMs: nowMs(),
	}}
}

// ownerOf is the owner of the first start, if there was one.
func ownerOf(record registry.ProcessRecord) *registry.LeaseOwnerIdentity {
	if record.FirstStarted == nil {
		return nil
	}
	owner := record.FirstStarted.Owner
	return &owner
}

// nowMs is the wall clock of this worker, as evidence and starts have it. Spec
// 7.3: they are stored as sent.
func nowMs() uint64 { return uint64(time.Now().UnixMilli()) }

// cut makes a text one that the registry takes: valid, and not too long.
func cut(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= registry.MaxStringBytes {
		return text
	}
	const mark = " …"
	end := registry.MaxStringBytes - len(mark)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}
