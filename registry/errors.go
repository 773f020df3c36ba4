package registry

import (
	"errors"
	"fmt"
)

// Code is the stable number of an error. Codes and fields are API; texts are
// not. Numbers are never reused; zero is invalid. Spec A8.
type Code uint16

// The catalogue. Every code says in codeTable whether it leaves the outcome of
// a write definite.
const (
	CodeInvalidArgument  Code = 1
	CodeNotFound         Code = 2
	CodeAlreadyExists    Code = 3
	CodeTerminal         Code = 4
	CodeUndeclaredEvent  Code = 5
	CodeMissingReplayKey Code = 6
	CodeReplayConflict   Code = 7
	CodePayloadRejected  Code = 8
	CodeNotGranted       Code = 9
	CodeLeaseExpired     Code = 10
	CodeFenced           Code = 11
	CodeTooLarge         Code = 12
	CodeOverloaded       Code = 13
	CodeSessionExpired   Code = 14
	CodeLifeEnded        Code = 15
	CodeCompacted        Code = 16
	CodeBatchRefused     Code = 17
	CodeNotLeader        Code = 18
	CodeNoLeader         Code = 19
	CodeOutcomeUnknown   Code = 20
	CodeUnauthenticated  Code = 21
	CodePermissionDenied Code = 22
	CodeUnsupported      Code = 23
	CodeCorrupt          Code = 24
	CodeInternal         Code = 25
)

// CodeInfo is one row of the catalogue.
type CodeInfo struct {
	Code Code
	Name string
	// Definite tells that a write refused with this code did not happen.
	Definite bool
	// Meaning is one sentence: "is returned when …".
	Meaning string
	// Fields names the fields that such an error can carry, in their JSON form
	// and with commas between them.
	Fields string
	// Remedy says what to do about it.
	Remedy string
}

//go:generate go run ../internal/errordoc

// codeTable is the one list of codes; names, definiteness, wire forms and
// docs/errors.md derive from it.
var codeTable = []CodeInfo{
	{CodeInvalidArgument, "InvalidArgument", true,
		"is returned when an argument breaks a rule or a limit; field, limit and value tell which.",
		"field, limit, value, process_id, event_type, operation, operation_code",
		"Correct the argument that field names, of the operation that is named if it was a batch."},
	{CodeNotFound, "NotFound", true,
		"is returned when the process is not known.",
		"process_id",
		"Register the process first, or look for the id: it may be misspelt, or pruned."},
	{CodeAlreadyExists, "AlreadyExists", true,
		"is returned when another registration or external ref is stored under this id.",
		"process_id, existing_hash, new_hash, existing, new",
		"Read what is stored. Take another id, or repeat exactly what was registered."},
	{CodeTerminal, "Terminal", true,
		"is returned when the process has already ended.",
		"process_id, state",
		"Read the record for the outcome. There is nothing left to do for this process."},
	{CodeUndeclaredEvent, "UndeclaredEvent", true,
		"is returned when the registration does not declare the event type.",
		"process_id, event_type",
		"Use one of the record's event types. Types are declared at registration and cannot be added later."},
	{CodeMissingReplayKey, "MissingReplayKey", true,
		"is returned when an event of this type needs a replay key and has none.",
		"process_id, event_type",
		"Send a key that a repeat of the same event would carry again."},
	{CodeReplayConflict, "ReplayConflict", true,
		"is returned when the replay key belongs to an event with another type or payload.",
		"process_id, replay_key",
		"Read the event that is stored under the key. A key stands for one event: take another one for other content."},
	{CodePayloadRejected, "PayloadRejected", true,
		"is returned when a payload does not fit the schema, selectors or state that its type declares.",
		"process_id, event_type, state",
		"Send a payload that fits the type as it is declared in the record."},
	{CodeNotGranted, "NotGranted", true,
		"is returned when the scope holds no grant of the process.",
		"process_id, session_id",
		"List the grants of the scope that was named. If an earlier try of a transfer may have happened, look at the other scope first."},
	{CodeLeaseExpired, "LeaseExpired", true,
		"is returned when the lease to renew is missing, superseded, released or expired.",
		"process_id",
		"Stop the work, then claim again. Until a claim succeeds somebody else may be at work."},
	{CodeFenced, "Fenced", true,
		"is returned when the fence is not that of the current lease; nothing was changed.",
		"process_id, fencing_token",
		"Stop the work: another owner has the process, or nobody has. Do not retry under this lease."},
	{CodeTooLarge, "TooLarge", true,
		"is returned when a value or request is over its size limit.",
		"field, limit, value, process_id, session_id, operation, operation_code",
		"Make what field names smaller, or keep the bulk elsewhere and send a reference."},
	{CodeOverloaded, "Overloaded", true,
		"is returned when a queue is full; nothing was done, retry after the hint.",
		"retry_after_ms, field, limit, value, session_id",
		"Try again after retry_after_ms, with fewer calls at a time."},
	{CodeSessionExpired, "SessionExpired", true,
		"is returned when the session is not known any more; nothing was applied by this attempt.",
		"session_id",
		"Open another session. Whether an earlier attempt was applied can only be seen in the state."},
	{CodeLifeEnded, "LifeEnded", true,
		"is returned when the life of the process that the call speaks of was pruned.",
		"process_id",
		"Start over from the current record: the id was pruned, and perhaps registered anew."},
	{CodeCompacted, "Compacted", true,
		"is returned when the asked for history is no longer kept.",
		"process_id, field",
		"Begin anew: take the present cursor of changes, list what there is, and go on from that cursor."},
	{CodeBatchRefused, "BatchRefused", true,
		"is returned when one operation of a batch was refused; none was applied.",
		"operation, operation_code, process_id, session_id, event_type, replay_key, state, fencing_token, field, limit, value, existing_hash, new_hash, existing, new",
		"Correct the operation with this index, counted from 0, and send the whole batch again."},
	{CodeNotLeader, "NotLeader", true,
		"is returned by a node that does not lead; the leader is named if known.",
		"leader_id, leader_addr",
		"Send it to leader_addr, or to any node a little later; the Go client does so by itself."},
	{CodeNoLeader, "NoLeader", true,
		"is returned when no leader could be reached; nothing was sent to one.",
		"leader_id, leader_addr",
		"Try again in a moment. If it lasts, see whether a majority of the nodes runs."},
	{CodeOutcomeUnknown, "OutcomeUnknown", false,
		"is returned when the write may or may not have happened.",
		"process_id",
		"Read the state before you repeat it. Writes that change nothing when repeated may be sent again at once."},
	{CodeUnauthenticated, "Unauthenticated", true,
		"is returned when the caller did not prove who it is.",
		"",
		"Send valid credentials."},
	{CodePermissionDenied, "PermissionDenied", true,
		"is returned when the caller may not do this.",
		"process_id, session_id",
		"Ask an operator for the right, or call as somebody who has it."},
	{CodeUnsupported, "Unsupported", true,
		"is returned for a call that this version or format does not offer.",
		"field",
		"Do without it, or upgrade all nodes to a version that has it."},
	{CodeCorrupt, "Corrupt", false,
		"is returned when stored data cannot be read.",
		"",
		"Keep the data folder as it is and look at the node's log, which says what cannot be read."},
	{CodeInternal, "Internal", false,
		"is returned when something went wrong that should not.",
		"",
		"Look at the node's log and report what is there. Read the state before you repeat a write."},
}

// Codes returns the catalogue, in the order of the numbers.
func Codes() []CodeInfo { return append([]CodeInfo(nil), codeTable...) }

// Info returns the row of a code; an unknown code reads as an indefinite one.
func (c Code) Info() CodeInfo {
	if c >= 1 && int(c) <= len(codeTable) {
		return codeTable[c-1]
	}
	return CodeInfo{Code: c, Name: fmt.Sprintf("Code%d", uint16(c)), Definite: false, Meaning: "is not known to this version."}
}

// String returns the code's name.
func (c Code) String() string { return c.Info().Name }

// CodeByName returns the code of a name, or 0.
func CodeByName(name string) Code {
	for _, info := range codeTable {
		if info.Name == name {
			return info.Code
		}
	}
	return 0
}

// Fields are the facts of an error. A nil pointer or empty string means that
// the field does not belong to this error.
type Fields struct {
	// Field, Limit and Value tell which argument broke which bound.
	Field string  `json:"field,omitempty"`
	Limit *uint64 `json:"limit,omitempty"`
	Value *uint64 `json:"value,omitempty"`

	ProcessID string `json:"process_id,omitempty"`
	SessionID string `json:"session_id,omitempty"`
	EventType string `json:"event_type,omitempty"`
	ReplayKey string `json:"replay_key,omitempty"`
	// State is the state that a terminal process is in.
	State string `json:"state,omitempty"`
	// FencingToken is the current fencing token of the process; 0 when it was
	// never leased.
	FencingToken *uint64 `json:"fencing_token,omitempty"`
	// ExistingHash and NewHash are those of conflicting registrations.
	ExistingHash string `json:"existing_hash,omitempty"`
	NewHash      string `json:"new_hash,omitempty"`
	// Existing and New are conflicting external refs in their JSON form,
	// without metadata of more than 1 KiB.
	Existing string `json:"existing,omitempty"`
	New      string `json:"new,omitempty"`
	// LeaderID and LeaderAddr name the leader where it is known.
	LeaderID   string `json:"leader_id,omitempty"`
	LeaderAddr string `json:"leader_addr,omitempty"`
	// RetryAfterMs is how long to wait before trying again.
	RetryAfterMs *uint64 `json:"retry_after_ms,omitempty"`
	// Operation and OperationCode tell which operation of a batch was refused.
	Operation     *uint64 `json:"operation,omitempty"`
	OperationCode string  `json:"operation_code,omitempty"`
}

// Error is every error of a Registry. Match codes with errors.Is and the Err
// sentinels; read fields with errors.As.
type Error struct {
	Code    Code
	Message string
	Fields  Fields
	// Unknown marks an error of a definite code whose write may nevertheless
	// have happened, because an earlier attempt was sent.
	Unknown bool
}

// Error returns the text.
func (e *Error) Error() string { return e.Message }

// Definite tells that a write which got this error did not happen.
func (e *Error) Definite() bool { return e.Code.Info().Definite && !e.Unknown }

// Is matches the sentinel of the error's code.
func (e *Error) Is(target error) bool {
	code, ok := target.(sentinel)
	return ok && Code(code) == e.Code
}

// Errorf makes an error of a code.
func Errorf(code Code, fields Fields, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Fields: fields}
}

// CodeOf returns the code of an error; errors from outside the catalogue are
// Internal, and nil is 0.
func CodeOf(err error) Code {
	if err == nil {
		return 0
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// IsDefinite tells that a write which got this error did not happen. Errors
// from outside the catalogue are never definite.
func IsDefinite(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Definite()
}

// sentinel matches every Error of its code in errors.Is.
type sentinel Code

func (s sentinel) Error() string { return Code(s).String() }

// The sentinels for errors.Is, one for each code; Codes tells their meaning.
var (
	ErrInvalidArgument  error = sentinel(CodeInvalidArgument)
	ErrNotFound         error = sentinel(CodeNotFound)
	ErrAlreadyExists    error = sentinel(CodeAlreadyExists)
	ErrTerminal         error = sentinel(CodeTerminal)
	ErrUndeclaredEvent  error = sentinel(CodeUndeclaredEvent)
	ErrMissingReplayKey error = sentinel(CodeMissingReplayKey)
	ErrReplayConflict   error = sentinel(CodeReplayConflict)
	ErrPayloadRejected  error = sentinel(CodePayloadRejected)
	ErrNotGranted       error = sentinel(CodeNotGranted)
	ErrLeaseExpired     error = sentinel(CodeLeaseExpired)
	ErrFenced           error = sentinel(CodeFenced)
	ErrTooLarge         error = sentinel(CodeTooLarge)
	ErrOverloaded       error = sentinel(CodeOverloaded)
	ErrSessionExpired   error = sentinel(CodeSessionExpired)
	ErrLifeEnded        error = sentinel(CodeLifeEnded)
	ErrCompacted        error = sentinel(CodeCompacted)
	ErrBatchRefused     error = sentinel(CodeBatchRefused)
	ErrNotLeader        error = sentinel(CodeNotLeader)
	ErrNoLeader         error = sentinel(CodeNoLeader)
	ErrOutcomeUnknown   error = sentinel(CodeOutcomeUnknown)
	ErrUnauthenticated  error = sentinel(CodeUnauthenticated)
	ErrPermissionDenied error = sentinel(CodePermissionDenied)
	ErrUnsupported      error = sentinel(CodeUnsupported)
	ErrCorrupt          error = sentinel(CodeCorrupt)
	ErrInternal         error = sentinel(CodeInternal)
)
