package history

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
)

// EDNFile is the name of the history in the form of Jepsen's own tools.
const EDNFile = "history.edn"

// WriteEDN writes a history as Jepsen's tools read it: one map a line, two for
// each operation. A client whose operation ended in :info goes on under another
// process number there, as Jepsen demands. Streams are no operations: what they
// bring is :info of a process that is named by the stream.
func (h *History) WriteEDN(w io.Writer) error {
	var events []ednEvent
	numbers, clients := make(map[string]int), 0
	types := map[Outcome]string{OK: ":ok", Refused: ":fail", Unknown: ":info"}
	for _, o := range h.Ops {
		process, known := numbers[o.Client]
		if !known {
			process = clients
			clients++
		}
		numbers[o.Client] = process
		head := ", :process " + strconv.Itoa(process) + ", :f :" + keyword(CallName(o.Call))
		events = append(events, ednEvent{atNs: o.InvokeNs, head: ":invoke" + head, value: o.Call})
		if !o.Returned() || o.Outcome == Unknown {
			numbers[o.Client] = clients
			clients++
		}
		if !o.Returned() {
			continue
		}
		end := ""
		if o.Error != "" {
			end = ", :error " + ednString(o.Error)
		}
		events = append(events, ednEvent{atNs: o.ReturnNs, head: types[o.Outcome] + head, value: o.Answer, end: end})
	}
	for _, f := range h.Faults {
		events = append(events, ednEvent{atNs: f.AtNs, head: ":info, :process :nemesis, :f :" + keyword(f.Name+"-"+string(f.Phase)), detail: f.Detail})
	}
	for _, s := range h.Streams {
		events = append(events, s.edn()...)
	}
	for _, c := range h.Complaints {
		events = append(events, ednEvent{atNs: c.AtNs, head: ":info, :process :" + c.Client + ", :f :" + typeComplaint, value: c, tagged: true})
	}
	slices.SortStableFunc(events, func(a, b ednEvent) int { return cmp.Compare(a.atNs, b.atNs) })
	out := bufio.NewWriter(w)
	for i, e := range events {
		value := ednString(e.detail)
		if e.value != nil {
			write := compact
			if e.tagged {
				write = func(v any) (json.RawMessage, error) { return json.Marshal(v) }
			}
			text, err := write(e.value)
			if err != nil {
				return err
			}
			value = edn(text)
		}
		out.WriteString("{:type " + e.head + ", :time " + strconv.FormatInt(e.atNs, 10) + ", :value ")
		out.WriteString(value)
		out.WriteString(e.end + ", :index " + strconv.Itoa(i) + "}\n")
	}
	return out.Flush()
}

// ednEvent is a line that lacks its index.
type ednEvent struct {
	atNs int64
	head string
	// value is a call, an answer or a part of a stream, detail a text in its place.
	value  any
	detail string
	// tagged values have a JSON form of their own.
	tagged bool
	end    string
}

// edn are the lines of a stream: what was asked for, what came, and how it ended.
func (s *Stream) edn() (events []ednEvent) {
	head := ":info, :process :stream-" + strconv.Itoa(s.Index) + ", :f :"
	events = append(events, ednEvent{atNs: s.BeganNs, head: head + typeFollow, value: s.Follow, tagged: true})
	for _, item := range s.Items {
		events = append(events, ednEvent{atNs: item.AtNs, head: head + typeItem, value: item, tagged: true})
	}
	if s.Over() {
		events = append(events, ednEvent{atNs: s.LeftNs, head: head + typeLeave, detail: s.Error})
	}
	return events
}

// keyword turns a name into words with hyphens: AppendEvent is append-event.
func keyword(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('-')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// edn turns JSON into EDN, which writes most of it alike. Keys stay strings: free
// JSON has keys that are no keywords.
func edn(raw json.RawMessage) string {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		end := i + 1
		switch c := raw[i]; {
		case c == '"':
			end = i + ednStringEnd(raw[i:])
			out = appendEDNString(out, raw[i:end])
		case c == ':':
			out = append(out, ' ')
		case c == 'n':
			end = i + len("null")
			out = append(out, "nil"...)
		case c == '-' || c >= '0' && c <= '9':
			for end < len(raw) && strings.IndexByte("+-.0123456789Ee", raw[end]) >= 0 {
				end++
			}
			out = append(out, raw[i:end]...)
			if n, err := strconv.ParseUint(string(raw[i:end]), 10, 64); err == nil && n > 1<<63-1 {
				out = append(out, 'N')
			}
		default: // a bracket, a comma, or a letter of true and false
			out = append(out, c)
		}
		i = end
	}
	return string(out)
}

// ednStringEnd is the length of the JSON string that a text begins with.
func ednStringEnd(raw []byte) int {
	for i := 1; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

// appendEDNString appends a JSON string. Only what is escaped is written in
// another way.
func appendEDNString(out, raw []byte) []byte {
	var s string
	if bytes.IndexByte(raw, '\\') < 0 || json.Unmarshal(raw, &s) != nil {
		return append(out, raw...)
	}
	return append(out, ednString(s)...)
}

var ednEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// ednString quotes as EDN does, which knows fewer escapes than JSON.
func ednString(s string) string { return `"` + ednEscapes.Replace(s) + `"` }
