package model

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-registry/holdfast/registry"
)

// canonical is the text of 2.3 of a free JSON value.
func canonical(raw registry.JSON) string {
	out, err := registry.CanonicalJSON(raw)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// text is the JSON form of a typed value.
func text(v json.Marshaler) string {
	out, err := v.MarshalJSON()
	if err != nil {
		panic(err)
	}
	return string(out)
}

// members reads a JSON object; nil when it is something else.
func members(raw registry.JSON) map[string]registry.JSON {
	var object map[string]registry.JSON
	if json.Unmarshal(raw, &object) != nil {
		return nil
	}
	return object
}

// accepts checks a payload against a schema. Of JSON Schema the model knows
// the keywords "type": "object" and "required", and "properties" with
// "type": "integer" or "string" in it: enough to see payloads refused.
func accepts(schema, payload registry.JSON) bool {
	keywords, object := members(schema), members(payload)
	if typ, ok := keywords["type"]; ok && canonical(typ) == `"object"` && object == nil {
		return false
	}
	if object == nil {
		return true
	}
	var required []string
	_ = json.Unmarshal(keywords["required"], &required)
	for _, name := range required {
		if _, ok := object[name]; !ok {
			return false
		}
	}
	for name, property := range members(keywords["properties"]) {
		value, ok := object[name]
		if !ok {
			continue
		}
		switch canonical(members(property)["type"]) {
		case `"integer"`:
			if _, err := strconv.ParseInt(string(value), 10, 64); err != nil {
				return false
			}
		case `"string"`:
			if canonical(value)[0] != '"' {
				return false
			}
		}
	}
	return true
}

// materialise evaluates the semantics of a type on a payload: first the
// terminal, then the wake. identity is the dedupe key of event_identity. False
// when the event has to be refused. 4.4, 4.5, A17.
func materialise(spec registry.EventSemanticsSpec, payload registry.JSON, identity string) (registry.EventSemantics, bool) {
	var out registry.EventSemantics
	if t := spec.Terminal; t != nil {
		output, ok := terminalOutput(t, payload)
		if !ok {
			return out, false
		}
		out.Terminal = &registry.EventTerminal{State: t.State, AwaitOutput: output}
	}
	w := spec.Wake
	if w == nil {
		return out, true
	}
	if w.When != nil {
		when, ok := selected(*w.When, payload)
		if !ok {
			return out, false
		}
		switch canonical(when) {
		case "null", "false", `""`, "[]", "{}":
			return out, true
		}
	}
	input, ok := selected(w.Input, payload)
	if !ok {
		return out, false
	}
	out.Wake = &registry.EventWake{Input: plain(input), DedupeKey: identity}
	switch w.DedupeKey.Kind {
	case "selector":
		key, ok := selected(*w.DedupeKey.Selector, payload)
		if !ok {
			return out, false
		}
		out.Wake.DedupeKey = plain(key)
	case "const":
		out.Wake.DedupeKey = w.DedupeKey.Const
	}
	return out, true
}

// terminalOutput is the await output of a terminal event. 4.4, A17.
func terminalOutput(t *registry.TerminalSpec, payload registry.JSON) (registry.ProcessAwaitOutput, bool) {
	if t.AwaitOutput == nil {
		return registry.ProcessAwaitOutput{Kind: "success", Value: payload}, t.State == "completed"
	}
	value, ok := selected(*t.AwaitOutput, payload)
	if !ok {
		return registry.ProcessAwaitOutput{}, false
	}
	var output registry.ProcessAwaitOutput
	if output.UnmarshalJSON(value) == nil {
		arms := map[registry.OutputKind]registry.ProcessState{
			"success": "completed", "failure": "failed", "cancelled": "cancelled", "abandoned": "abandoned",
		}
		return output, arms[output.Kind] == t.State
	}
	raw := value
	if canonical(raw) == "null" {
		raw = nil
	}
	switch t.State {
	case "completed":
		return registry.ProcessAwaitOutput{Kind: "success", Value: value}, true
	case "failed":
		return registry.ProcessAwaitOutput{Kind: "failure", Class: "execution", Code: "process_failed", Message: plain(value), Raw: raw}, true
	case "cancelled":
		return registry.ProcessAwaitOutput{Kind: "cancelled", Message: plain(value), Raw: raw}, true
	}
	return registry.ProcessAwaitOutput{Kind: "abandoned", Evidence: &registry.AbandonEvidence{Writer: "owner_drain"}}, true
}

// selected evaluates a selector. 4.3.
func selected(s registry.Selector, payload registry.JSON) (registry.JSON, bool) {
	switch s.Kind {
	case "payload":
		return payload, true
	case "pointer":
		return at(payload, s.Text)
	case "const":
		return s.Const, true
	case "present":
		_, ok := at(payload, s.Text)
		return registry.JSON(strconv.FormatBool(ok)), true
	}
	fields := map[string]registry.Selector{}
	for _, field := range s.Fields {
		fields[field.Name] = field.Selector
	}
	out := s.Text
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value, ok := selected(fields[name], payload)
		if !ok {
			return nil, false
		}
		out = strings.ReplaceAll(out, "{"+name+"}", plain(value))
	}
	return registry.AppendCanonicalString(nil, out), true
}

// at follows a JSON pointer. 4.3.
func at(value registry.JSON, pointer string) (registry.JSON, bool) {
	if pointer == "" {
		return value, true
	}
	if !strings.HasPrefix(pointer, "/") {
		return nil, false
	}
	for _, token := range strings.Split(pointer, "/")[1:] {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		var elements []registry.JSON
		if json.Unmarshal(value, &elements) == nil && elements != nil {
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(elements) || strconv.Itoa(i) != token {
				return nil, false
			}
			value = elements[i]
			continue
		}
		var ok bool
		if value, ok = members(value)[token]; !ok {
			return nil, false
		}
	}
	return value, true
}

// plain converts a value to text: a string is itself. 4.3.
func plain(value registry.JSON) string {
	var s *string
	if json.Unmarshal(value, &s) == nil && s != nil {
		return *s
	}
	return canonical(value)
}
