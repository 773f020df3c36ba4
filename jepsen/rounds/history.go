package rounds

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Outcome is how an operation ended as its caller saw it.
type Outcome string

// The outcomes. An operation that is under way is unknown: it may have happened
// at any time after it was sent.
const (
	Unknown Outcome = "unknown"
	Acked   Outcome = "acked"
	Refused Outcome = "refused"
)

// Append is one event that a writer wanted in a log, over all its tries.
type Append struct {
	Process string
	// Payload names the writer and its count, so no two are equal.
	Payload   string
	EventType string
	// ReplayKey is empty for half of the events: those are tried once.
	ReplayKey    string
	FencingToken uint64
	// Stale marks an append under a lease that its writer knows to be over.
	Stale bool
	// Code is the last refusal, Sequence where an acked event was said to be.
	Outcome  Outcome
	Code     string
	Sequence uint64
	// BeganNs and EndedNs count from the beginning of the run.
	BeganNs, EndedNs int64
}

// Claim is one grant that an owner asked for, over all its tries.
type Claim struct {
	Process, Owner, Incarnation string
	Outcome                     Outcome
	Code                        string
	FencingToken                uint64
	BeganNs, EndedNs            int64
}

// History is what the clients of a run saw. All of it is written to a file too,
// one JSON object a line, so that a violation can be looked into afterwards.
type History struct {
	began time.Time

	mu        sync.Mutex
	processes []string
	appends   map[string][]*Append
	claims    []*Claim
	completed map[string]bool
	file      *os.File
	lines     *bufio.Writer
	failure   error

	acked, unknown, refused atomic.Int64
}

// NewHistory begins a history that is written to a file.
func NewHistory(path string) (*History, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &History{
		began: time.Now(), appends: make(map[string][]*Append), completed: make(map[string]bool),
		file: file, lines: bufio.NewWriter(file),
	}, nil
}

func (h *History) now() int64 { return int64(time.Since(h.began)) }

// write adds a line to the file. The first failure is kept for Close.
func (h *History) write(kind string, value any) {
	line, err := json.Marshal(map[string]any{kind: value})
	if err == nil {
		_, err = h.lines.Write(append(line, '\n'))
	}
	if h.failure == nil {
		h.failure = err
	}
}

// Note writes down something that is no operation, such as a fault.
func (h *History) Note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.write("note", map[string]any{"AtNs": h.now(), "Text": fmt.Sprintf(format, args...)})
}

// opened writes down that a process was registered; both owners of a slot do so.
func (h *History) opened(process string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if slices.Contains(h.processes, process) {
		return
	}
	h.processes = append(h.processes, process)
	h.write("process", process)
}

// beginAppend writes an append down before it is sent for the first time:
// whatever is found in a log must have been announced.
func (h *History) beginAppend(a Append) *Append {
	h.mu.Lock()
	defer h.mu.Unlock()
	a.Outcome, a.BeganNs = Unknown, h.now()
	h.appends[a.Process] = append(h.appends[a.Process], &a)
	return &a
}

func (h *History) endAppend(a *Append, outcome Outcome, code string, sequence uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a.Outcome, a.Code, a.Sequence, a.EndedNs = outcome, code, sequence, h.now()
	h.write("append", a)
	switch outcome {
	case Acked:
		h.acked.Add(1)
	case Unknown:
		h.unknown.Add(1)
	default:
		h.refused.Add(1)
	}
}

func (h *History) beginClaim(c Claim) *Claim {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.Outcome, c.BeganNs = Unknown, h.now()
	h.claims = append(h.claims, &c)
	return &c
}

func (h *History) endClaim(c *Claim, outcome Outcome, code string, token uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.Outcome, c.Code, c.FencingToken, c.EndedNs = outcome, code, token, h.now()
	h.write("claim", c)
}

// ended writes down that a completion was acked.
func (h *History) ended(process string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.completed[process] = true
	h.write("completed", process)
}

// Processes returns the ids of all processes so far.
func (h *History) Processes() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.processes...)
}

// Appends returns the appends to a process so far, as they stand.
func (h *History) Appends(process string) []Append {
	h.mu.Lock()
	defer h.mu.Unlock()
	appends := make([]Append, len(h.appends[process]))
	for i, a := range h.appends[process] {
		appends[i] = *a
	}
	return appends
}

// Claims returns all claims so far, as they stand.
func (h *History) Claims() []Claim {
	h.mu.Lock()
	defer h.mu.Unlock()
	claims := make([]Claim, len(h.claims))
	for i, c := range h.claims {
		claims[i] = *c
	}
	return claims
}

// Completed tells whether the completion of a process was acked.
func (h *History) Completed(process string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.completed[process]
}

// Flush brings the file up to date.
func (h *History) Flush() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.lines.Flush(); h.failure == nil {
		h.failure = err
	}
	return h.failure
}

// Close completes the file. What is still under way is written as it stands.
func (h *History) Close() error {
	h.mu.Lock()
	for _, appends := range h.appends {
		for _, a := range appends {
			if a.EndedNs == 0 {
				h.write("append", a)
			}
		}
	}
	for _, c := range h.claims {
		if c.EndedNs == 0 {
			h.write("claim", c)
		}
	}
	h.mu.Unlock()
	return errors.Join(h.Flush(), h.file.Close())
}
