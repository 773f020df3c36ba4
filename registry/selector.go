package registry

import (
	"strconv"
	"strings"
)

// Selectors work on the text of a payload that was checked before: a value is
// found by walking over what stands before it, and only what was selected is
// ever turned into something else. Spec 4.3.

// selectValue evaluates a selector to a JSON value.
func selectValue(s *Selector, payload JSON) (JSON, error) {
	switch s.Kind {
	case SelectPayload:
		return payload, nil
	case SelectPointer:
		value := lookup(payload, s.Text)
		if value == nil {
			return nil, Errorf(CodePayloadRejected, Fields{}, "payload pointer `%s` did not match", s.Text)
		}
		return value, nil
	case SelectConst:
		return s.Const, nil
	case SelectTemplate:
		text, err := expand(s, payload)
		if err != nil {
			return nil, err
		}
		return AppendCanonicalString(nil, text), nil
	case SelectPresent:
		return strconv.AppendBool(nil, lookup(payload, s.Text) != nil), nil
	default:
		return nil, Errorf(CodePayloadRejected, Fields{}, "unknown selector kind %q", string(s.Kind))
	}
}

// selectText evaluates a selector to text, of at most MaxMaterialisedBytes.
func selectText(field string, s *Selector, payload JSON) (string, error) {
	var text string
	var err error
	if s.Kind == SelectTemplate {
		text, err = expand(s, payload)
	} else {
		var value JSON
		if value, err = selectValue(s, payload); err == nil {
			text, err = textOf(value)
		}
	}
	if err == nil && len(text) > MaxMaterialisedBytes {
		err = tooLarge(field, "bytes", MaxMaterialisedBytes, len(text))
	}
	return text, err
}

// expand fills in a template. One field after the other replaces its holes in
// the text so far, so what an early field puts in may be filled in by a later
// one. That lets a short template double at every field, so the size is
// counted before each replacement is made.
func expand(s *Selector, payload JSON) (string, error) {
	text := s.Text
	for _, field := range s.sortedFields() {
		value, err := selectText("template", &field.Selector, payload)
		if err != nil {
			return "", err
		}
		hole := "{" + field.Name + "}"
		count := strings.Count(text, hole)
		if count == 0 {
			continue
		}
		// At most 2^20 holes of at most 2^20 bytes: no overflow.
		if size := len(text) + count*(len(value)-len(hole)); size > MaxMaterialisedBytes {
			return "", tooLarge("template", "bytes", MaxMaterialisedBytes, size)
		}
		text = strings.ReplaceAll(text, hole, value)
	}
	if len(text) > MaxMaterialisedBytes {
		return "", tooLarge("template", "bytes", MaxMaterialisedBytes, len(text))
	}
	return text, nil
}

// textOf converts a JSON value to text: a string is itself, everything else
// its canonical text.
func textOf(value JSON) (string, error) {
	s := scanner{src: value, maxDepth: MaxJSONDepth}
	s.space()
	if s.peek() == '"' {
		body, escaped, err := s.str()
		if err != nil {
			return "", refuseJSON("", err)
		}
		if escaped {
			body = appendUnescaped(nil, body)
		}
		return string(body), nil
	}
	text, err := CanonicalJSON(value)
	return string(text), err
}

// truthy tells whether a JSON value counts as true: null, false and empty
// strings, arrays and objects do not; every number does, zero included.
func truthy(value JSON) bool {
	s := scanner{src: value, maxDepth: MaxJSONDepth}
	s.space()
	switch s.peek() {
	case 'n', 'f':
		return false
	case '"':
		s.pos++
		return s.peek() != '"'
	case '[':
		s.pos++
		s.space()
		return s.peek() != ']'
	case '{':
		s.pos++
		s.space()
		return s.peek() != '}'
	default:
		return true
	}
}

// lookup finds a value by JSON pointer; nil when the pointer does not match.
func lookup(value JSON, pointer string) JSON {
	if pointer == "" {
		return value
	}
	if pointer[0] != '/' {
		return nil
	}
	for _, token := range strings.Split(pointer[1:], "/") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		if value = child(value, token); value == nil {
			return nil
		}
	}
	return value
}

// child finds one member or element of a value by its name or index.
func child(value JSON, token string) JSON {
	s := scanner{src: value, maxDepth: MaxJSONDepth}
	s.space()
	switch s.peek() {
	case '{':
		return s.findMember(token)
	case '[':
		index, ok := elementIndex(token)
		if !ok {
			return nil
		}
		return s.findElement(index)
	default:
		return nil
	}
}

// findMember returns the last member of a name: all of the object is walked.
func (s *scanner) findMember(name string) JSON {
	var found JSON
	if s.enter(0) != nil {
		return nil
	}
	for first := true; ; first = false {
		key, escaped, ok, err := s.nextMember(first)
		if err != nil {
			return nil
		}
		if !ok {
			return found
		}
		if escaped {
			key = appendUnescaped(nil, key)
		}
		start := s.pos
		if s.skip(1) != nil {
			return nil
		}
		if string(key) == name {
			found = s.src[start:s.pos:s.pos]
		}
	}
}

func (s *scanner) findElement(index uint64) JSON {
	if s.enter(0) != nil {
		return nil
	}
	for i := uint64(0); ; i++ {
		ok, err := s.nextElement(i == 0)
		if err != nil || !ok {
			return nil
		}
		start := s.pos
		if s.skip(1) != nil {
			return nil
		}
		if i == index {
			return s.src[start:s.pos:s.pos]
		}
	}
}

// elementIndex reads the index of an array element: decimal digits without a
// sign or leading zeros. "-", the element after the last, matches nothing.
func elementIndex(token string) (uint64, bool) {
	if len(token) > 1 && token[0] == '0' {
		return 0, false
	}
	index, err := strconv.ParseUint(token, 10, 64)
	return index, err == nil
}
