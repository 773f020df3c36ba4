package registry

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"
)

// AppendCanonicalJSON appends the canonical text of one free JSON value to dst
// and returns the extended slice: no white space, keys sorted bytewise with the
// last of equal ones winning, strings and numbers in the one form of spec 2.3.
// Two texts are the same value if and only if their canonical texts are equal,
// but for the sign of a float zero.
//
// It fails with InvalidArgument, and returns dst as it was, when raw is not
// JSON or not UTF-8, has a lone surrogate escape or a number beyond the finite
// floats, or is nested over MaxJSONDepth. Spec 2.2, 2.3, A13.
func AppendCanonicalJSON(dst []byte, raw JSON) ([]byte, error) {
	out, err := appendCanonical(dst, raw, false)
	if err != nil {
		return dst, refuseJSON("", err)
	}
	return out, nil
}

// CanonicalJSON returns the canonical text of one free JSON value. It fails as
// AppendCanonicalJSON does.
func CanonicalJSON(raw JSON) ([]byte, error) { return AppendCanonicalJSON(nil, raw) }

// AppendCanonicalString appends s as a JSON string in canonical form: only the
// quote, the backslash and control characters below U+0020 are escaped. s must
// be valid UTF-8. Spec 2.3.
func AppendCanonicalString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			dst = append(dst, s[start:i]...)
			dst = appendEscaped(dst, c)
			start = i + 1
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// EqualJSON tells whether two free JSON values are equal by spec 2.2: the three
// kinds of numbers are disjoint, so 1 is not 1.0; 0.0 equals -0.0; the order of
// keys never matters. An absent value equals only an absent one. Text that is
// not JSON equals nothing but the same text.
func EqualJSON(a, b JSON) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	if bytes.Equal(a, b) {
		return true
	}
	left, err := appendCanonical(nil, a, true)
	if err != nil {
		return false
	}
	right, err := appendCanonical(nil, b, true)
	return err == nil && bytes.Equal(left, right)
}

// CheckJSON checks that a value which a caller sent is present and is free JSON
// that the registry keeps. It fails with InvalidArgument when raw is absent or
// refused as by AppendCanonicalJSON, and with TooLarge over MaxJSONBytes; both
// name the field. Spec A13, A16.
func CheckJSON(field string, raw JSON) error {
	return checkJSONDepth(field, raw, MaxJSONDepth)
}

func checkJSONDepth(field string, raw JSON, maxDepth int) error {
	if len(raw) == 0 {
		return invalid(field, "%s is missing", field)
	}
	if len(raw) > MaxJSONBytes {
		return tooLarge(field, "bytes", MaxJSONBytes, len(raw))
	}
	if err := checkText(raw, maxDepth); err != nil {
		return refuseJSON(field, err)
	}
	return nil
}

// refuseJSON turns a scanner's error into one of the catalogue.
func refuseJSON(field string, err error) error {
	subject := field
	if subject == "" {
		subject = "JSON value"
	}
	refusal := Errorf(CodeInvalidArgument, Fields{Field: field}, "%s is not acceptable JSON: %v", subject, err)
	if syntax, ok := err.(*syntaxError); ok && syntax.tooDeep {
		limit, value := uint64(MaxJSONDepth), uint64(MaxJSONDepth+1)
		refusal.Fields.Limit, refusal.Fields.Value = &limit, &value
	}
	return refusal
}

// canonicalizer writes canonical text while it scans. Objects are written as
// they come and put in order afterwards, so the common case of keys that are
// sorted already costs nothing.
type canonicalizer struct {
	scanner
	dst []byte
	// members is a stack of the members of all objects that are open.
	members []member
	// scratch holds the members of one object while they are put in order.
	scratch []byte
	// room is a buffer for texts that are only hashed.
	room []byte
	// foldZero writes -0.0 as 0.0, for comparisons.
	foldZero bool
}

// member is one member of an open object: its decoded key, and where its
// canonical text lies in dst.
type member struct {
	key        []byte
	start, end int
}

// canonicalizers keeps the buffers of finished ones: hashing a payload is on
// the path of every append.
var canonicalizers = sync.Pool{New: func() any { return new(canonicalizer) }}

// The most that a pooled canonicalizer keeps between uses.
const maxPooledBytes, maxPooledMembers = 64 << 10, 1 << 10

func appendCanonical(dst []byte, raw []byte, foldZero bool) ([]byte, error) {
	c := canonicalizers.Get().(*canonicalizer)
	c.dst, c.foldZero = dst, foldZero
	err := c.append(raw)
	out := c.dst
	c.release()
	if err != nil {
		return dst, err
	}
	return out, nil
}

// append appends the canonical text of a whole JSON text to c.dst.
func (c *canonicalizer) append(raw []byte) error {
	if !utf8.Valid(raw) {
		return &syntaxError{what: "invalid UTF-8"}
	}
	c.scanner = scanner{src: raw, maxDepth: MaxJSONDepth}
	c.space()
	if err := c.value(0); err != nil {
		return err
	}
	return c.end()
}

// release gives the buffers back, but nothing that belongs to somebody else.
func (c *canonicalizer) release() {
	c.scanner, c.dst, c.foldZero = scanner{}, nil, false
	c.dropMembers(0)
	if cap(c.members) > maxPooledMembers {
		c.members = nil
	}
	if cap(c.scratch) > maxPooledBytes {
		c.scratch = nil
	}
	if cap(c.room) > maxPooledBytes {
		c.room = nil
	}
	canonicalizers.Put(c)
}

func (c *canonicalizer) value(depth int) error {
	start := c.pos
	switch b := c.peek(); {
	case b == '{':
		return c.object(depth)
	case b == '[':
		return c.array(depth)
	case b == '"':
		body, escaped, err := c.str()
		if err != nil {
			return err
		}
		c.dst = appendCanonicalBody(c.dst, body, escaped)
		return nil
	case b == '-' || '0' <= b && b <= '9':
		n, err := c.number()
		if err != nil {
			return err
		}
		if !n.float {
			c.dst = append(c.dst, n.text...)
			return nil
		}
		if c.foldZero && n.value == 0 {
			n.value = 0
		}
		c.dst = appendFloat(c.dst, n.value)
		return nil
	default:
		if err := c.literal(); err != nil {
			return err
		}
		c.dst = append(c.dst, c.src[start:c.pos]...)
		return nil
	}
}

func (c *canonicalizer) array(depth int) error {
	if err := c.enter(depth); err != nil {
		return err
	}
	c.dst = append(c.dst, '[')
	for first := true; ; first = false {
		ok, err := c.nextElement(first)
		if err != nil {
			return err
		}
		if !ok {
			c.dst = append(c.dst, ']')
			return nil
		}
		if !first {
			c.dst = append(c.dst, ',')
		}
		if err := c.value(depth + 1); err != nil {
			return err
		}
	}
}

func (c *canonicalizer) object(depth int) error {
	if err := c.enter(depth); err != nil {
		return err
	}
	c.dst = append(c.dst, '{')
	base, body, sorted := len(c.members), len(c.dst), true
	for first := true; ; first = false {
		key, escaped, ok, err := c.nextMember(first)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if !first {
			c.dst = append(c.dst, ',')
		}
		start := len(c.dst)
		c.dst = append(appendCanonicalBody(c.dst, key, escaped), ':')
		if escaped {
			key = appendUnescaped(nil, key)
		}
		if !first && bytes.Compare(c.members[len(c.members)-1].key, key) >= 0 {
			sorted = false
		}
		index := len(c.members)
		c.members = append(c.members, member{key: key, start: start})
		if err := c.value(depth + 1); err != nil {
			return err
		}
		c.members[index].end = len(c.dst)
	}
	if !sorted {
		c.sortMembers(body, c.members[base:])
	}
	c.dropMembers(base)
	c.dst = append(c.dst, '}')
	return nil
}

// dropMembers cuts the stack, and forgets the keys above, which would hold on
// to the text that they are part of.
func (c *canonicalizer) dropMembers(base int) {
	clear(c.members[base:])
	c.members = c.members[:base]
}

// sortMembers rewrites the members from body on in the order of their keys,
// the last of equal ones only.
func (c *canonicalizer) sortMembers(body int, members []member) {
	c.scratch = append(c.scratch[:0], c.dst[body:]...)
	// Stable, so that the last of equal keys is the last as written.
	slices.SortStableFunc(members, func(a, b member) int { return bytes.Compare(a.key, b.key) })
	c.dst = c.dst[:body]
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(m.key, members[i+1].key) {
			continue
		}
		if len(c.dst) > body {
			c.dst = append(c.dst, ',')
		}
		c.dst = append(c.dst, c.scratch[m.start-body:m.end-body]...)
	}
}

// appendCanonicalBody appends the canonical form of a scanned string body. One
// without escapes is canonical as it stands.
func appendCanonicalBody(dst, body []byte, escaped bool) []byte {
	dst = append(dst, '"')
	if !escaped {
		dst = append(dst, body...)
		return append(dst, '"')
	}
	for len(body) > 0 {
		if plain := bytes.IndexByte(body, '\\'); plain != 0 {
			if plain < 0 {
				plain = len(body)
			}
			dst = append(dst, body[:plain]...)
			body = body[plain:]
			continue
		}
		r, size := nextRune(body)
		if r < 0x20 || r == '"' || r == '\\' {
			dst = appendEscaped(dst, byte(r))
		} else {
			dst = utf8.AppendRune(dst, r)
		}
		body = body[size:]
	}
	return append(dst, '"')
}

// appendEscaped appends one of the characters that canonical text escapes.
func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\t':
		return append(dst, '\\', 't')
	case '\n':
		return append(dst, '\\', 'n')
	case '\f':
		return append(dst, '\\', 'f')
	case '\r':
		return append(dst, '\\', 'r')
	default:
		const hex = "0123456789abcdef"
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
}

// appendFloat appends a finite float in the form of spec 2.3: the shortest
// digits that read back as the same float, fixed with a point from 1e-5 up to
// below 1e16, else with an exponent that has a sign and no padding.
func appendFloat(dst []byte, x float64) []byte {
	if x == 0 {
		if math.Signbit(x) {
			return append(dst, "-0.0"...)
		}
		return append(dst, "0.0"...)
	}
	start := len(dst)
	if size := math.Abs(x); 1e-5 <= size && size < 1e16 {
		dst = strconv.AppendFloat(dst, x, 'f', -1, 64)
		if bytes.IndexByte(dst[start:], '.') < 0 {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	dst = strconv.AppendFloat(dst, x, 'e', -1, 64)
	// strconv pads the exponent to two digits.
	if n := len(dst); dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
