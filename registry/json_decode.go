package registry

import (
	"bytes"
	"math"
	"strconv"
)

// maxDocumentDepth bounds the nesting of a whole document: free JSON at its
// own limit, inside of what our forms put around it.
const maxDocumentDepth = MaxJSONDepth + 64

// formError says which member of a document has the wrong form.
type formError struct {
	path string
	what string
}

func (e *formError) Error() string {
	if e.path == "" {
		return e.what
	}
	return e.path + ": " + e.what
}

func wrongForm(what string) error { return &formError{what: what} }

// at puts a member's name or index in front of an error's path.
func at(step string, err error) error {
	inner, ok := err.(*formError)
	if !ok {
		inner = &formError{what: err.Error()}
	}
	path := step
	switch {
	case inner.path != "" && inner.path[0] == '[':
		path += inner.path
	case inner.path != "":
		path += "." + inner.path
	}
	return &formError{path: path, what: inner.what}
}

// reader decodes one value of T from the JSON text of that value, which is
// known to be sound. What it returns may share memory with the text.
type reader[T any] func(raw []byte) (T, error)

// decode reads a whole document. The result shares memory with raw.
func decode[T any](raw []byte, read reader[T]) (T, error) {
	var zero T
	if err := checkText(raw, maxDocumentDepth); err != nil {
		return zero, refuseJSON("", err)
	}
	value, err := read(bytes.TrimSpace(raw))
	if err != nil {
		refusal := Errorf(CodeInvalidArgument, Fields{}, "%v", err)
		if form, ok := err.(*formError); ok {
			refusal.Fields.Field = form.path
		}
		return zero, refusal
	}
	return value, nil
}

// unmarshal is the body of every UnmarshalJSON. The text is copied first, for
// the caller may use its buffer again.
func unmarshal[T any](dst *T, raw []byte, read reader[T]) error {
	value, err := decode(bytes.Clone(raw), read)
	if err == nil {
		*dst = value
	}
	return err
}

// object is one JSON object taken apart. Its methods read members by exact
// name, the last of equal ones winning, and keep the first error; names that
// nobody asks for are ignored.
type object struct {
	members []rawMember
	err     error
}

type rawMember struct {
	name  string
	value []byte
}

func readObject(raw []byte) *object {
	o := &object{}
	s := scanner{src: raw, maxDepth: maxDocumentDepth}
	if s.peek() != '{' {
		o.err = wrongForm("expected an object")
		return o
	}
	o.err = s.enter(0)
	for first := true; o.err == nil; first = false {
		key, escaped, ok, err := s.nextMember(first)
		if err != nil || !ok {
			o.err = err
			break
		}
		if escaped {
			key = appendUnescaped(nil, key)
		}
		start := s.pos
		o.err = s.skip(1)
		o.members = append(o.members, rawMember{name: string(key), value: s.src[start:s.pos:s.pos]})
	}
	return o
}

func (o *object) fail(name string, err error) {
	if o.err == nil {
		o.err = at(name, err)
	}
}

// done returns the first error. It is a method because Go does not say whether
// a plain field is read before or after the calls in the same return statement.
func (o *object) done() error { return o.err }

// get returns the text of a member, nil when there is none.
func (o *object) get(name string) []byte {
	for i := len(o.members) - 1; i >= 0; i-- {
		if o.members[i].name == name {
			return o.members[i].value
		}
	}
	return nil
}

// optional returns the text of an optional member; null counts as absent.
func (o *object) optional(name string) []byte {
	value := o.get(name)
	if string(value) == "null" {
		return nil
	}
	return value
}

// need reads a required member.
func need[T any](o *object, name string, read reader[T]) T {
	var zero T
	raw := o.get(name)
	if raw == nil {
		o.fail(name, wrongForm("is missing"))
		return zero
	}
	return readAt(o, name, raw, read)
}

// orDefault reads a defaulted member: absent means the default, null does not.
func orDefault[T any](o *object, name string, def T, read reader[T]) T {
	raw := o.get(name)
	if raw == nil {
		return def
	}
	return readAt(o, name, raw, read)
}

// maybe reads an optional member: absent and null are nil.
func maybe[T any](o *object, name string, read reader[T]) *T {
	raw := o.optional(name)
	if raw == nil {
		return nil
	}
	value := readAt(o, name, raw, read)
	return &value
}

func readAt[T any](o *object, name string, raw []byte, read reader[T]) T {
	value, err := read(raw)
	if err != nil {
		o.fail(name, err)
	}
	return value
}

func (o *object) str(name string) string     { return need(o, name, readString) }
func (o *object) optStr(name string) *string { return maybe(o, name, readString) }
func (o *object) u64(name string) uint64     { return need(o, name, readU64) }
func (o *object) u32(name string) uint32     { return need(o, name, readU32) }

// free reads a required member of free JSON, as sent.
func (o *object) free(name string) JSON { return need(o, name, readFree) }

// freeOrNull reads a member of free JSON whose default is null.
func (o *object) freeOrNull(name string) JSON {
	return orDefault(o, name, JSON("null"), readFree)
}

// optFree reads an optional member of free JSON, as sent.
func (o *object) optFree(name string) JSON { return o.optional(name) }

func readFree(raw []byte) (JSON, error) { return raw, nil }

func readString(raw []byte) (string, error) {
	if raw[0] != '"' {
		return "", wrongForm("expected a string")
	}
	body := raw[1 : len(raw)-1]
	if bytes.IndexByte(body, '\\') >= 0 {
		body = appendUnescaped(nil, body)
	}
	return string(body), nil
}

func readU64(raw []byte) (uint64, error) { return readUint(raw, 64) }

func readU32(raw []byte) (uint32, error) {
	value, err := readUint(raw, 32)
	return uint32(value), err
}

func readUint(raw []byte, bits int) (uint64, error) {
	// ParseUint takes digits only: no sign, point or exponent. It takes
	// leading zeros too, but the scanner does not.
	value, err := strconv.ParseUint(string(raw), 10, bits)
	if err != nil {
		return 0, wrongForm("expected an integer from 0 to " + strconv.FormatUint(math.MaxUint64>>(64-bits), 10))
	}
	return value, nil
}

// oneOf reads a plain string that is one of a few words.
func oneOf[T ~string](words ...T) reader[T] {
	return func(raw []byte) (T, error) {
		text, err := readString(raw)
		if err != nil {
			return "", err
		}
		for _, word := range words {
			if T(text) == word {
				return word, nil
			}
		}
		return "", wrongForm("unknown word " + strconv.Quote(text))
	}
}

// listOf reads an array; an empty one reads as a nil slice.
func listOf[T any](read reader[T]) reader[[]T] {
	return func(raw []byte) ([]T, error) {
		s := scanner{src: raw, maxDepth: maxDocumentDepth}
		if s.peek() != '[' {
			return nil, wrongForm("expected an array")
		}
		if err := s.enter(0); err != nil {
			return nil, err
		}
		var values []T
		for first := true; ; first = false {
			ok, err := s.nextElement(first)
			if err != nil || !ok {
				return values, err
			}
			start := s.pos
			if err := s.skip(1); err != nil {
				return nil, err
			}
			value, err := read(s.src[start:s.pos:s.pos])
			if err != nil {
				return nil, at("["+strconv.Itoa(len(values))+"]", err)
			}
			values = append(values, value)
		}
	}
}
