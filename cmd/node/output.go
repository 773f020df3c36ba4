package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// The forms of --output.
const (
	outputText = "text"
	outputJSON = "json"
)

// emit writes an answer: the value in its JSON form, or the text that the
// function writes.
func (a *app) emit(value any, text func(t *table)) error {
	if a.output == outputJSON {
		line, err := registry.MarshalJSONText(value)
		if err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
		_, err = a.stdout.Write(append(line, '\n'))
		return err
	}
	t := &table{w: tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)}
	text(t)
	return t.flush()
}

// emitLine is emit for one of many answers: as JSON it is on one line, also where
// free JSON in it was sent on several.
func (a *app) emitLine(value any, text func(t *table)) error {
	if a.output == outputJSON {
		_, err := io.WriteString(a.stdout, jsonText(value)+"\n")
		return err
	}
	return a.emit(value, text)
}

// table writes aligned columns. The first error sticks.
type table struct {
	w   *tabwriter.Writer
	err error
}

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = oneLine(cell)
	}
	t.line(strings.Join(cells, "\t"))
}

// fact writes a row of a name and a value, unless there is no value.
func (t *table) fact(name, value string) {
	if value != "" {
		t.row(name, value)
	}
}

// line writes a line without columns.
func (t *table) line(text string) {
	if _, err := io.WriteString(t.w, text+"\n"); err != nil && t.err == nil {
		t.err = err
	}
}

func (t *table) flush() error { return errors.Join(t.err, t.w.Flush()) }

// oneLine keeps what others wrote (reasons, messages, labels) from moving the
// cursor or breaking the columns.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// compact is a JSON value on one line.
func compact(value registry.JSON) string {
	var buf bytes.Buffer
	if err := json.Compact(&buf, value); err != nil {
		return string(value)
	}
	return buf.String()
}

// jsonText is the JSON form of one of the registry's values.
func jsonText(value any) string {
	text, err := registry.MarshalJSONText(value)
	if err != nil {
		return "unreadable: " + err.Error()
	}
	return compact(text)
}

// atTime shows a point of time on the cluster's clock.
func atTime(epochMs uint64) string {
	if epochMs == 0 {
		return ""
	}
	return time.UnixMilli(int64(epochMs)).UTC().Format("2006-01-02 15:04:05.000 UTC")
}

// text is a text that may be missing.
func text(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}

// dash stands for a text that is missing in a column.
func dash(value *string) string {
	if text(value) == "" {
		return "-"
	}
	return *value
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "s"):
		return strconv.Itoa(n) + " " + noun + "es"
	default:
		return strconv.Itoa(n) + " " + noun + "s"
	}
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

// errorObject is an error as programs read it.
type errorObject struct {
	Code     string `json:"code"`
	Message  string `json:"message"`
	Definite bool   `json:"definite"`
	registry.Fields
}

// report writes an error to stderr: an object, or a line with the message and a
// line with what to do next.
func (a *app) report(err error, asJSON bool) {
	var refusal *registry.Error
	known := errors.As(err, &refusal)
	if asJSON {
		object := errorObject{Code: registry.CodeOf(err).String(), Message: err.Error(), Definite: registry.IsDefinite(err)}
		if known {
			object.Fields = refusal.Fields
		}
		if line, failure := json.Marshal(object); failure == nil {
			err = errors.New(string(line))
		}
		fmt.Fprintln(a.stderr, err)
		return
	}
	fmt.Fprintln(a.stderr, "holdfast: "+oneLine(err.Error()))
	if !known {
		return
	}
	if next := a.nextStep(refusal); next != "" {
		fmt.Fprintln(a.stderr, "  "+oneLine(next))
	}
}

// nextStep says what to do about a refusal; empty when its message says it all.
func (a *app) nextStep(e *registry.Error) string {
	call := func(command string) string { return a.program + " " + command }
	process, session := e.Fields.ProcessID, e.Fields.SessionID
	if process == "" {
		process = "ID"
	}
	if session == "" {
		session = "SESSION"
	}
	switch e.Code {
	case registry.CodeNotFound:
		return "what there is: " + call("process list --status any")
	case registry.CodeAlreadyExists:
		return "what is stored: " + call("process get "+process)
	case registry.CodeTerminal:
		return "how it ended: " + call("process get "+process)
	case registry.CodeUndeclaredEvent, registry.CodePayloadRejected:
		return "the declared event types are in: " + call("process get "+process+" --output json")
	case registry.CodeMissingReplayKey:
		return "give the event a key that a repeat would use again: --replay-key KEY"
	case registry.CodeReplayConflict:
		return "what is stored under the key: " + call("event list "+process)
	case registry.CodeFenced:
		return "nothing was changed; who holds the lease now: " + call("lease get "+process)
	case registry.CodeLeaseExpired:
		return "take it again if it is free: " + call("lease claim "+process+" --owner OWNER --ttl 30s")
	case registry.CodeNoLeader:
		return "nothing was done. Asked: " + strings.Join(a.addrs, ", ") + ". Is a majority of the nodes running? Name others with --addrs or HOLDFAST_ADDRS."
	case registry.CodeOverloaded:
		return "nothing was done; try again"
	case registry.CodeNotGranted:
		return "nothing was moved; what the session holds: " + call("grant list --session "+session)
	case registry.CodeOutcomeUnknown:
		return "it may or may not have happened: look before you repeat it"
	case registry.CodeInvalidArgument:
		// The message says what is wrong with which argument.
		return ""
	default:
		return e.Code.Info().Remedy
	}
}
