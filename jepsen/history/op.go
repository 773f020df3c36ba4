package history

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// Outcome is how an operation ended as its caller saw it.
type Outcome string

// The outcomes.
const (
	// OK operations were answered.
	OK Outcome = "ok"
	// Refused operations were answered with an error that is definite: they
	// changed nothing.
	Refused Outcome = "refused"
	// Unknown operations may have happened at any time after they were sent, or
	// not at all. One that is under way is unknown.
	Unknown Outcome = "unknown"
)

// Pending is the return time of an operation that has not returned.
const Pending int64 = -1

// Op is one operation.
type Op struct {
	Index  int
	Client string
	Call   model.Op
	// InvokeNs and ReturnNs are when it was called and when it returned.
	InvokeNs, ReturnNs int64
	Outcome            Outcome
	Answer             model.Answer
	// Error is the text of the error, if there was one.
	Error string
	// Info is the metadata of the answer, zero where there was no answer.
	Info registry.AnswerInfo
	// Whole is the batch that this is an operation of, where somebody took it apart.
	Whole *Op
}

// Returned tells whether the operation has come back, whatever it came to.
func (o *Op) Returned() bool { return o.ReturnNs != Pending }

// Judged tells whether the state answered the operation: with a result or with
// a refusal of its own, and with the revision at which it did. A refusal that
// nobody looked at the state for, as by a node that does not lead, is not.
func (o *Op) Judged() bool {
	switch o.Outcome {
	case OK:
		return true
	case Refused:
		return ofState(o.Answer.Code)
	}
	return false
}

// ofState tells whether a refusal depends on the state: then it comes from
// apply, or from a read, and what it says can be checked.
func ofState(code registry.Code) bool {
	switch code {
	case registry.CodeNotFound, registry.CodeAlreadyExists, registry.CodeTerminal, registry.CodeUndeclaredEvent,
		registry.CodeMissingReplayKey, registry.CodeReplayConflict, registry.CodePayloadRejected,
		registry.CodeNotGranted, registry.CodeLeaseExpired, registry.CodeFenced, registry.CodeLifeEnded,
		registry.CodeBatchRefused:
		return true
	}
	return false
}

// Phase is a moment of a fault.
type Phase string

// The phases.
const (
	Begin Phase = "begin"
	// Held is when all of it has been done.
	Held Phase = "held"
	// End is when the harness has taken the fault back.
	End Phase = "end"
	// Recovered is when a leader served through every node again.
	Recovered Phase = "recovered"
)

// NodeExit is the name of the fault that no nemesis made: a node that ended by
// itself.
const NodeExit = "node exit"

// Fault is a moment of a fault.
type Fault struct {
	// Name is that of the nemesis; Number tells its faults of a run apart.
	Name   string `json:"name"`
	Number int    `json:"number"`
	Phase  Phase  `json:"phase"`
	// Detail says what was done, and to whom.
	Detail string `json:"detail,omitempty"`
	// Stops says that from Held to End no majority can have written anything.
	Stops bool  `json:"stops,omitempty"`
	AtNs  int64 `json:"at_ns"`
}

// History is everything that happened.
type History struct {
	Ops        []*Op
	Streams    []*Stream
	Complaints []Complaint
	Faults     []Fault
	Notes      []Note
	// State is the comparison of all replicas at the end, nil when the run did
	// not get there.
	State *registry.StateReport
}

// With is the history with other operations.
func (h *History) With(ops []*Op) *History {
	other := *h
	other.Ops = ops
	return &other
}

// Note is a remark of the harness.
type Note struct {
	Text string `json:"text"`
	AtNs int64  `json:"at_ns"`
}

// Describe is an operation in one line: what was asked, and what came of it.
func Describe(o *Op) string {
	args, err := compact(o.Call)
	if err != nil {
		return err.Error()
	}
	text := fmt.Sprintf("%d %s %s %s -> %s", o.Index, o.Client, CallName(o.Call), args, o.Outcome)
	if o.Answer.Code != 0 {
		text += " " + o.Answer.Code.String()
	}
	if o.Answer.Busy {
		text += " Busy"
	}
	if l := o.Answer.Lease; l != nil {
		text += fmt.Sprintf(" %s %d", l.Owner.IncarnationID, l.FencingToken)
	}
	if e := o.Answer.Event; e != nil {
		text += fmt.Sprintf(" event %d", e.Sequence)
	}
	if o.Info.Term != 0 {
		text += fmt.Sprintf(" (revision %d, lease time %d, term %d)", o.Info.Revision, o.Info.LeaseTimeMs, o.Info.Term)
	}
	return text
}
