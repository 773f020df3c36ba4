package history

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// EDNFile is the name of the history in the form of Jepsen's own tools.
const EDNFile = "history.edn"

// WriteEDN writes a history as Jepsen's tools read it: one map a line, two for
// each operation. A client whose operation ended in :info goes on under another
// process number there, as Jepsen demands.
func (h *History) WriteEDN(w io.Writer) error {
	type event struct {
		atNs int64
		text string
	}
	var events []event
	numbers, clients := make(map[string]int), 0
	for _, o := range h.Ops {
		process, known := numbers[o.Client]
		if !known {
			process = clients
			clients++
		}
		numbers[o.Client] = process
		args, err := compact(o.Call)
		if err != nil {
			return err
		}
		head := ", :process " + strconv.Itoa(process) + ", :f :" + keyword(CallName(o.Call)) + ", :time "
		events = append(events, event{o.InvokeNs, "{:type :invoke" + head + strconv.FormatInt(o.InvokeNs, 10) + ", :value " + edn(args)})
		if !o.Returned() || o.Outcome == Unknown {
			numbers[o.Client] = clients
			clients++
		}
		if !o.Returned() {
			continue
		}
		answer, err := compact(o.Answer)
		if err != nil {
			return err
		}
		types := map[Outcome]string{OK: ":ok", Refused: ":fail", Unknown: ":info"}
		text := "{:type " + types[o.Outcome] + head + strconv.FormatInt(o.ReturnNs, 10) + ", :value " + edn(answer)
		if o.Error != "" {
			text += ", :error " + ednString(o.Error)
		}
		events = append(events, event{o.ReturnNs, text})
	}
	for _, f := range h.Faults {
		events = append(events, event{f.AtNs, "{:type :info, :process :nemesis, :f :" + keyword(f.Name+"-"+string(f.Phase)) +
			", :time " + strconv.FormatInt(f.AtNs, 10) + ", :value " + ednString(f.Detail)})
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.atNs, b.atNs) })
	out := bufio.NewWriter(w)
	for i, e := range events {
		out.WriteString(e.text)
		out.WriteString(", :index " + strconv.Itoa(i) + "}\n")
	}
	return out.Flush()
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

// edn turns JSON into EDN. Keys stay strings: free JSON has keys that are no
// keywords.
func edn(raw json.RawMessage) string {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil && !errors.Is(err, io.EOF) {
		return ednString(string(raw))
	}
	var b strings.Builder
	appendEDN(&b, value)
	return b.String()
}

func appendEDN(b *strings.Builder, value any) {
	switch v := value.(type) {
	case nil:
		b.WriteString("nil")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case json.Number:
		b.WriteString(v.String())
		if v, err := strconv.ParseUint(v.String(), 10, 64); err == nil && v > 1<<63-1 {
			b.WriteByte('N')
		}
	case string:
		b.WriteString(ednString(v))
	case []any:
		b.WriteByte('[')
		for i, element := range v {
			if i > 0 {
				b.WriteByte(' ')
			}
			appendEDN(b, element)
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(ednString(key) + " ")
			appendEDN(b, v[key])
		}
		b.WriteByte('}')
	}
}

// ednString quotes as EDN does, which knows fewer escapes than JSON.
func ednString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + `"`
}
