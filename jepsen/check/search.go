package check

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
)

// defaultSearch bounds the search for a linearization of one process.
const defaultSearch = 20 * time.Second

// byProcess are the operations that may have taken effect, by the process that
// they are about. Refusals that say nothing about the state are left out.
func byProcess(v *view) map[string][]*history.Op {
	all := make(map[string][]*history.Op)
	for _, o := range v.Ops {
		if !o.Judged() && (o.Outcome != history.Unknown || isRead(o.Call)) {
			continue
		}
		if id, ok := processOf(o.Call); ok {
			all[id] = append(all[id], o)
		}
	}
	return all
}

// searched is what is searched for linearizations.
type searched[S comparable] struct {
	name string
	// fits tells whether the model knows all calls on a process.
	fits func([]*history.Op) bool
	step stepper[S]
	// says tells whether an operation can say or change anything: one that cannot
	// has a place anywhere. nil is all of them.
	says func(*history.Op) bool
}

// search looks for a linearization of each process whose calls a model knows
// all of. It looks at nothing but calls, answers and times.
func search[S comparable](v *view, what searched[S]) (violations []Violation, checked, undecided string) {
	limit := v.options.Porcupine
	if limit == 0 {
		limit = defaultSearch
	}
	all, gone := byProcess(v), goneNs(v)
	processes, count := 0, 0
	for _, id := range slices.Sorted(maps.Keys(all)) {
		// The models of the search know one life.
		if v.mayBePruned(id) || !what.fits(all[id]) {
			continue
		}
		known, unknown := what.split(all[id])
		unknown = since(known, unknown, gone)
		m := modelOf(what.step, unknown)
		operations := operationsOf(known)
		processes++
		count += len(all[id])
		switch porcupine.CheckOperationsTimeout(m, operations, limit) {
		case porcupine.Unknown:
			undecided = fmt.Sprintf("no end of the search on process %s (%d operations) within %v", id, len(operations), limit)
		case porcupine.Illegal:
			detail := fmt.Sprintf("process %s: its %d operations have no linearization", id, len(all[id]))
			if picture, err := draw(v, m, operations, unknown, what.name+"-"+id); err != nil {
				detail += fmt.Sprintf("; no picture: %v", err)
			} else if picture != "" {
				detail += "; see " + picture
			}
			violations = append(violations, Violation{Sentence: Linearizable, Detail: detail, AtNs: all[id][len(all[id])-1].InvokeNs})
		}
	}
	return violations, fmt.Sprintf("%d operations on %d processes", count, processes), undecided
}

// split parts the operations with an answer from those of unknown outcome.
func (what searched[S]) split(ops []*history.Op) (known, unknown []*history.Op) {
	for _, o := range ops {
		switch {
		case what.says != nil && !what.says(o):
		case o.Outcome == history.Unknown:
			unknown = append(unknown, o)
		default:
			known = append(known, o)
		}
	}
	return known, unknown
}

// since leaves out what was lost and gone before anybody had registered the
// process: a claim-next, which may have got anything, is about each process.
func since(known, unknown []*history.Op, gone map[int]int64) []*history.Op {
	registered := int64(math.MaxInt64)
	for _, ops := range [][]*history.Op{known, unknown} {
		for _, o := range ops {
			if _, registers := o.Call.(model.RegisterProcess); registers {
				registered = min(registered, o.InvokeNs)
			}
		}
	}
	return slices.DeleteFunc(unknown, func(u *history.Op) bool { return gone[u.Index] < registered })
}

// operationsOf converts operations.
func operationsOf(ops []*history.Op) (operations []porcupine.Operation) {
	clients := make(map[string]int)
	for _, o := range ops {
		if _, known := clients[o.Client]; !known {
			clients[o.Client] = len(clients)
		}
		operations = append(operations, porcupine.Operation{ClientId: clients[o.Client], Input: o, Call: o.InvokeNs, Output: o, Return: o.ReturnNs})
	}
	return operations
}

// draw writes porcupine's picture of a refuted history, with the operations of
// unknown outcome beside it. What the picture needs is found by another search,
// which takes far longer than the one that refutes.
func draw(v *view, m porcupine.Model, operations []porcupine.Operation, unknown []*history.Op, name string) (path string, err error) {
	if v.options.Dir == "" {
		return "", nil
	}
	_, info := porcupine.CheckOperationsVerbose(m, operations, defaultSearch)
	var beside []porcupine.Annotation
	for _, u := range unknown {
		beside = append(beside, porcupine.Annotation{Tag: u.Client, Start: u.InvokeNs, End: u.ReturnNs, Description: describeOperation(u, nil)})
	}
	info.AddAnnotations(beside)
	path = filepath.Join(v.options.Dir, "porcupine-"+name+".html")
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return path, porcupine.Visualize(m, info, file)
}

// describeOperation is what a picture shows of an operation.
func describeOperation(input, _ any) string {
	o := input.(*history.Op)
	text := fmt.Sprintf("%d %s", o.Index, history.CallName(o.Call))
	switch call := o.Call.(type) {
	case model.ClaimProcessLease:
		text += " " + call.Owner.IncarnationID
	case model.RenewProcessLease:
		text += fmt.Sprint(" ", call.Lease.FencingToken)
	}
	switch {
	case o.Outcome == history.Unknown:
		return text + " -> ?"
	case o.Outcome == history.Refused:
		return text + " -> " + o.Answer.Code.String()
	case o.Answer.Lease != nil:
		busy := ""
		if o.Answer.Busy {
			busy = "Busy "
		}
		return fmt.Sprintf("%s -> %s%s %d", text, busy, o.Answer.Lease.Owner.IncarnationID, o.Answer.Lease.FencingToken)
	}
	return text + " -> ok"
}
