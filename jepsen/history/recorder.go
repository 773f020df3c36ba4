package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/registry"
)

// File is the name of the history in the folder of a run.
const File = "history.jsonl"

// Recorder collects a history while it happens, and writes it. All methods are
// safe for concurrent use.
type Recorder struct {
	began time.Time

	mu      sync.Mutex
	file    *os.File
	out     *bufio.Writer
	err     error
	history History
	counts  map[Outcome]int
	// processes are the ids that somebody tried to register, in that order.
	processes []string
	known     map[string]bool
}

// NewRecorder begins a history in a file, which must not exist.
func NewRecorder(path string) (*Recorder, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	return &Recorder{began: time.Now(), file: file, out: bufio.NewWriterSize(file, 256<<10), counts: make(map[Outcome]int), known: make(map[string]bool)}, nil
}

// NowNs is the time since the beginning.
func (r *Recorder) NowNs() int64 { return time.Since(r.began).Nanoseconds() }

// Invoke begins an operation.
func (r *Recorder) Invoke(client string, call model.Op) *Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Under the lock, so that the lines are in the order of their times.
	o := &Op{Index: len(r.history.Ops), Client: client, Call: call, InvokeNs: r.NowNs(), ReturnNs: Pending, Outcome: Unknown}
	r.history.Ops = append(r.history.Ops, o)
	r.registers(call)
	l, err := invokeLine(o)
	r.write(l, err)
	return o
}

// registers notes the processes that a call may register.
func (r *Recorder) registers(call model.Op) {
	switch call := call.(type) {
	case model.RegisterProcess:
		if id := call.Registration.ID; !r.known[id] {
			r.known[id] = true
			r.processes = append(r.processes, id)
		}
	case model.Batch:
		for _, op := range call.Ops {
			r.registers(op)
		}
	}
}

// Return ends an operation.
func (r *Recorder) Return(o *Op, outcome Outcome, answer model.Answer, info registry.AnswerInfo, failure error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o.ReturnNs, o.Outcome, o.Answer, o.Info = r.NowNs(), outcome, answer, info
	if failure != nil {
		o.Error = failure.Error()
	}
	r.counts[outcome]++
	l, err := returnLine(o)
	r.write(l, err)
}

// Fault notes a moment of a fault; its time is set.
func (r *Recorder) Fault(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.AtNs = r.NowNs()
	r.history.Faults = append(r.history.Faults, f)
	r.write(line{Type: typeFault, AtNs: f.AtNs, Fault: &f}, nil)
}

// Note adds a remark.
func (r *Recorder) Note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	note := Note{Text: fmt.Sprintf(format, args...), AtNs: r.NowNs()}
	r.history.Notes = append(r.history.Notes, note)
	r.write(line{Type: typeNote, AtNs: note.AtNs, Text: note.Text}, nil)
}

// State notes how the replicas compared at the end.
func (r *Recorder) State(report registry.StateReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history.State = &report
	text, err := json.Marshal(report)
	r.write(line{Type: typeState, AtNs: r.NowNs(), State: text}, err)
}

// Counts are how many operations have ended in which way.
func (r *Recorder) Counts() (ok, refused, unknown int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[OK], r.counts[Refused], r.counts[Unknown]
}

// write writes a line. The first error stays, and comes out in the end.
func (r *Recorder) write(l line, err error) {
	if err == nil {
		var text []byte
		if text, err = json.Marshal(l); err == nil {
			_, err = r.out.Write(append(text, '\n'))
		}
	}
	if r.err == nil {
		r.err = err
	}
}

// Processes are the ids of all processes that anybody tried to register, in the
// order in which they did.
func (r *Recorder) Processes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.processes)
}

// Ops are the operations so far. Those that are under way still change.
func (r *Recorder) Ops() []*Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.history.Ops)
}

// Flush brings what was recorded to the file.
func (r *Recorder) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.err, r.out.Flush())
}

// Close ends the history and returns it. No operation may be under way.
func (r *Recorder) Close() (*History, error) {
	err := errors.Join(r.Flush(), r.file.Close())
	return &r.history, err
}
