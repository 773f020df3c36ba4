package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/holdfast-registry/holdfast/registry"
)

// Read reads a history file. A last line that was cut off, as by the end of the
// harness, is left out.
func Read(path string) (*History, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	h := new(History)
	in := bufio.NewReaderSize(file, 256<<10)
	for number := 1; ; number++ {
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return h, nil
		}
		if err != nil {
			return nil, err
		}
		if err := h.add(text); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, number, err)
		}
	}
}

// add reads one line.
func (h *History) add(text []byte) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	switch l.Type {
	case typeInvoke:
		if l.Index == nil || *l.Index != len(h.Ops) {
			return errors.New("operations are not numbered 0, 1, 2 and so on")
		}
		o, err := opFrom(&l)
		if err != nil {
			return err
		}
		h.Ops = append(h.Ops, o)
	case string(OK), string(Refused), string(Unknown):
		if l.Index == nil || *l.Index < 0 || *l.Index >= len(h.Ops) {
			return errors.New("what returns was never invoked")
		}
		return h.Ops[*l.Index].finish(&l)
	case typeFault:
		if l.Fault == nil {
			return errors.New("a fault without a fault")
		}
		h.Faults = append(h.Faults, *l.Fault)
	case typeFollow, typeItem, typeLeave, typeComplaint:
		return h.addToStream(&l)
	case typeNote:
		h.Notes = append(h.Notes, Note{Text: l.Text, AtNs: l.AtNs})
	case typeState:
		h.State = new(registry.StateReport)
		return json.Unmarshal(l.State, h.State)
	default:
		return fmt.Errorf("a line of the unknown type %q", l.Type)
	}
	return nil
}
