package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"
)

// encodable is a type with a JSON form of its own.
type encodable interface {
	encode(e *encoder)
}

// encoder writes the JSON forms of spec 3: fields in declaration order, no
// white space. Free JSON goes in byte for byte, or as its canonical text when
// the text is to be hashed. The first error sticks.
type encoder struct {
	buf       []byte
	canonical bool
	err       error
}

func (e *encoder) fail(format string, args ...any) {
	if e.err == nil {
		e.err = Errorf(CodeInvalidArgument, Fields{}, format, args...)
	}
}

func (e *encoder) open(bracket byte)  { e.buf = append(e.buf, bracket) }
func (e *encoder) close(bracket byte) { e.buf = append(e.buf, bracket) }

// next writes the comma before a member or element, if it is not the first.
// Only an opening bracket can end in one: no JSON value does.
func (e *encoder) next() {
	if last := e.buf[len(e.buf)-1]; last != '{' && last != '[' {
		e.buf = append(e.buf, ',')
	}
}

// key begins a member. Names are ours and need no escapes.
func (e *encoder) key(name string) {
	e.next()
	e.buf = append(e.buf, '"')
	e.buf = append(e.buf, name...)
	e.buf = append(e.buf, '"', ':')
}

func (e *encoder) string(s string) {
	if !utf8.ValidString(s) {
		e.fail("a string is not valid UTF-8")
	}
	e.buf = AppendCanonicalString(e.buf, s)
}

func (e *encoder) str(name, value string) {
	e.key(name)
	e.string(value)
}

// optStr writes an optional member, omitted when absent.
func (e *encoder) optStr(name string, value *string) {
	if value != nil {
		e.str(name, *value)
	}
}

func (e *encoder) u64(name string, value uint64) {
	e.key(name)
	e.buf = strconv.AppendUint(e.buf, value, 10)
}

func (e *encoder) raw(value JSON) {
	if !e.canonical {
		e.buf = append(e.buf, value...)
		return
	}
	out, err := AppendCanonicalJSON(e.buf, value)
	if err != nil && e.err == nil {
		e.err = err
	}
	e.buf = out
}

// free writes a required member of free JSON.
func (e *encoder) free(name string, value JSON) {
	if len(value) == 0 {
		e.fail("%s is missing", name)
	}
	e.key(name)
	e.raw(value)
}

// freeOrNull writes a member of free JSON whose default is null.
func (e *encoder) freeOrNull(name string, value JSON) {
	if len(value) == 0 {
		value = JSON("null")
	}
	e.free(name, value)
}

// optFree writes an optional member of free JSON, omitted when absent. Null
// reads as absent, so it is written as absent too: otherwise one value would
// have two hashes.
func (e *encoder) optFree(name string, value JSON) {
	if !isAbsent(value) {
		e.free(name, value)
	}
}

// isAbsent tells whether an optional member of free JSON counts as absent.
func isAbsent(value JSON) bool {
	return len(value) == 0 || string(bytes.Trim(value, " \t\r\n")) == "null"
}

func (e *encoder) object(name string, value encodable) {
	e.key(name)
	value.encode(e)
}

// encodeOptional writes an optional member, omitted when absent.
func encodeOptional[T encodable](e *encoder, name string, value *T) {
	if value != nil {
		e.object(name, *value)
	}
}

func encodeList[T encodable](e *encoder, name string, values []T) {
	e.key(name)
	e.open('[')
	for _, value := range values {
		e.next()
		value.encode(e)
	}
	e.close(']')
}

func encodeStrings(e *encoder, name string, values []string) {
	e.key(name)
	e.open('[')
	for _, value := range values {
		e.next()
		e.string(value)
	}
	e.close(']')
}

// marshal is the body of every MarshalJSON.
func marshal(value encodable) ([]byte, error) {
	e := encoder{buf: make([]byte, 0, 256)}
	value.encode(&e)
	return e.buf, e.err
}

// MarshalJSONText encodes a value for people and programs outside: like
// json.Marshal, but without HTML escapes, and with free JSON exactly as its
// sender wrote it. It takes the types of this package, slices, string-keyed
// maps and pointers of them, and whatever else json.Marshal takes (free JSON
// inside of such a struct loses its white space). Maps are written in the
// order of their keys.
//
// json.Marshal works on the types of this package too, but rewrites what their
// MarshalJSON returns: <, >, & and the two Unicode line separators come out
// escaped, which is the same value but other bytes.
func MarshalJSONText(v any) ([]byte, error) {
	return appendText(nil, reflect.ValueOf(v))
}

func appendText(dst []byte, v reflect.Value) ([]byte, error) {
	if !v.IsValid() {
		return append(dst, "null"...), nil
	}
	isNil := (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface || v.Kind() == reflect.Map) && v.IsNil()
	switch {
	case isNil:
		return append(dst, "null"...), nil
	case v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface:
		return appendText(dst, v.Elem())
	}
	switch value := v.Interface().(type) {
	case encodable:
		e := encoder{buf: dst}
		value.encode(&e)
		return e.buf, e.err
	case JSON:
		if len(value) == 0 {
			return append(dst, "null"...), nil
		}
		if err := checkText(value, maxDocumentDepth); err != nil {
			return dst, refuseJSON("", err)
		}
		return append(dst, value...), nil
	case json.Marshaler:
		return appendPlain(dst, value)
	}
	switch {
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		return appendTextList(dst, v)
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		return appendTextMap(dst, v)
	}
	return appendPlain(dst, v.Interface())
}

func appendTextList(dst []byte, v reflect.Value) ([]byte, error) {
	var err error
	dst = append(dst, '[')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendText(dst, v.Index(i)); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func appendTextMap(dst []byte, v reflect.Value) ([]byte, error) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return bytes.Compare([]byte(a.String()), []byte(b.String())) })
	var err error
	dst = append(dst, '{')
	for i, key := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendCanonicalString(dst, key.String()), ':')
		if dst, err = appendText(dst, v.MapIndex(key)); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func appendPlain(dst []byte, v any) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	plain := json.NewEncoder(buf)
	plain.SetEscapeHTML(false)
	if err := plain.Encode(v); err != nil {
		return dst, fmt.Errorf("encode %T: %w", v, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
