package history

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// The types of lines beside the outcomes, which are the types of the lines of
// operations that have returned.
const (
	typeInvoke    = "invoke"
	typeFault     = "fault"
	typeNote      = "note"
	typeState     = "state"
	typeFollow    = "follow"
	typeItem      = "item"
	typeLeave     = "leave"
	typeComplaint = "complaint"
)

// line is one line of a history file. Which fields are there depends on Type.
type line struct {
	Type   string          `json:"type"`
	AtNs   int64           `json:"at_ns"`
	Index  *int            `json:"index,omitempty"`
	Client string          `json:"client,omitempty"`
	Op     string          `json:"op,omitempty"`
	Args   json.RawMessage `json:"args,omitempty"`
	Answer json.RawMessage `json:"answer,omitempty"`
	Error  string          `json:"error,omitempty"`
	Info   *info           `json:"info,omitempty"`
	Fault  *Fault          `json:"fault,omitempty"`
	Text   string          `json:"text,omitempty"`
	State  json.RawMessage `json:"state,omitempty"`
	// Stream numbers the streams; the others are about one of them.
	Stream    *int          `json:"stream,omitempty"`
	Follow    *Follow       `json:"follow,omitempty"`
	Item      *Item         `json:"item,omitempty"`
	Complaint *Complaint    `json:"complaint,omitempty"`
	Code      registry.Code `json:"code,omitempty"`
}

// info is the metadata of an answer as it is written.
type info struct {
	Revision      uint64 `json:"revision"`
	ClockMs       uint64 `json:"clock_ms"`
	LeaseTimeMs   uint64 `json:"lease_time_ms"`
	Term          uint64 `json:"term"`
	LeaderID      string `json:"leader_id,omitempty"`
	LeaderAddr    string `json:"leader_addr,omitempty"`
	LastContactMs uint64 `json:"last_contact_ms,omitempty"`
}

// calls are the operations that a history can hold, by name.
var calls = table(
	model.RegisterProcess{}, model.GetProcess{}, model.ListProcesses{}, model.ListNonTerminal{}, model.CompleteProcess{},
	model.RecordFirstStarted{}, model.SetExternalRef{}, model.RequestProcessAbandon{}, model.SetProcessWait{}, model.ClearProcessWait{},
	model.AppendEvent{}, model.EventsAfter{}, model.RecentEvents{}, model.CountEventsThrough{}, model.WakeEventsAfter{}, model.AckWake{},
	model.ClaimProcessLease{}, model.ReclaimProcessLease{}, model.RenewProcessLease{}, model.GetProcessLease{}, model.CompleteProcessLease{},
	model.GrantHandle{}, model.RevokeHandle{}, model.TransferHandleGrants{}, model.ListHandleGrants{}, model.HasHandleGrant{},
	model.HandleGrantsForProcess{}, model.DeleteSessionProcessState{}, model.PruneTerminalProcesses{},
	model.CheckFence{}, model.ClaimNext{}, model.ReleaseForRetry{}, model.Batch{},
)

func table(ops ...model.Op) map[string]reflect.Type {
	types := make(map[string]reflect.Type)
	for _, op := range ops {
		types[CallName(op)] = reflect.TypeOf(op)
	}
	return types
}

// Calls returns an empty call of each kind that a history can hold.
func Calls() (empty []model.Op) {
	for _, typ := range calls {
		empty = append(empty, reflect.Zero(typ).Interface().(model.Op))
	}
	return empty
}

// CallName is the name of an operation: that of the method.
func CallName(op model.Op) string { return reflect.TypeOf(op).Name() }

func invokeLine(o *Op) (line, error) {
	args, err := compact(o.Call)
	return line{Type: typeInvoke, AtNs: o.InvokeNs, Index: &o.Index, Client: o.Client, Op: CallName(o.Call), Args: args}, err
}

func returnLine(o *Op) (line, error) {
	l := line{Type: string(o.Outcome), AtNs: o.ReturnNs, Index: &o.Index, Error: o.Error}
	if o.Info != (registry.AnswerInfo{}) {
		written := info(o.Info)
		l.Info = &written
	}
	answer, err := compact(o.Answer)
	if string(answer) != "{}" {
		l.Answer = answer
	}
	return l, err
}

// opFrom reads an operation that was invoked.
func opFrom(l *line) (*Op, error) {
	typ, ok := calls[l.Op]
	if !ok {
		return nil, fmt.Errorf("there is no operation %q", l.Op)
	}
	call, err := callFrom(typ, l.Args)
	if err != nil {
		return nil, fmt.Errorf("the arguments of %s: %w", l.Op, err)
	}
	return &Op{Index: *l.Index, Client: l.Client, Call: call, InvokeNs: l.AtNs, ReturnNs: Pending, Outcome: Unknown}, nil
}

// callFrom reads a call of a type.
func callFrom(typ reflect.Type, args json.RawMessage) (model.Op, error) {
	if typ == reflect.TypeFor[model.Batch]() {
		return batchFrom(args)
	}
	call := reflect.New(typ)
	err := json.Unmarshal(args, call.Interface())
	return call.Elem().Interface().(model.Op), err
}

// finish adds to an operation what it came to.
func (o *Op) finish(l *line) error {
	o.ReturnNs, o.Outcome, o.Error = l.AtNs, Outcome(l.Type), l.Error
	if l.Info != nil {
		o.Info = registry.AnswerInfo(*l.Info)
	}
	if l.Answer == nil {
		return nil
	}
	if err := json.Unmarshal(l.Answer, &o.Answer); err != nil {
		return fmt.Errorf("the answer of operation %d: %w", o.Index, err)
	}
	return nil
}

// compact is the JSON of a struct without its zero fields, which are most. That
// also keeps a JSON value that is absent apart from null.
func compact(v any) (json.RawMessage, error) {
	switch v := v.(type) {
	case model.Batch:
		return compactBatch(v)
	case []model.Answer:
		return compactAll(v)
	}
	value := reflect.ValueOf(v)
	fields := make(map[string]json.RawMessage)
	for i := range value.NumField() {
		if value.Field(i).IsZero() {
			continue
		}
		write, field := json.Marshal, value.Field(i).Interface()
		_, several := field.([]model.Answer)
		if several || value.Field(i).Kind() == reflect.Struct && !hasForm(field) {
			write = func(v any) ([]byte, error) { return compact(v) }
		}
		text, err := write(field)
		if err != nil {
			return nil, err
		}
		fields[value.Type().Field(i).Name] = text
	}
	return json.Marshal(fields)
}

// hasForm tells whether a struct has a JSON form of its own, by a method or by
// tags.
func hasForm(v any) bool {
	if _, marshals := v.(json.Marshaler); marshals {
		return true
	}
	_, tagged := reflect.TypeOf(v).Field(0).Tag.Lookup("json")
	return tagged
}
