package registry

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// encoding/json loses what this package must keep: it turns 1.0 and large
// integers into floats, matches field names without regard to case, and takes
// lone surrogates and invalid UTF-8 for U+FFFD. So the grammar is walked here,
// once, by one scanner that canonical text, selectors and decoders share.

// syntaxError says what is wrong with a JSON text, and where.
type syntaxError struct {
	offset int
	what   string
	// tooDeep and nonFinite mark the two refusals that are no breach of the
	// JSON grammar.
	tooDeep, nonFinite bool
}

func (e *syntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.what, e.offset) }

// scanner walks one JSON text from left to right. It never recurses deeper
// than maxDepth and never reads outside of src. The caller has checked that
// src is valid UTF-8 as a whole, so strings need no second look.
type scanner struct {
	src      []byte
	pos      int
	maxDepth int
}

func (s *scanner) fail(what string) error { return &syntaxError{offset: s.pos, what: what} }

// peek returns the byte at hand, 0 at the end of the text. A NUL byte in the
// text is no token either, so the two need not be told apart.
func (s *scanner) peek() byte {
	if s.pos < len(s.src) {
		return s.src[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// end checks that nothing but white space follows.
func (s *scanner) end() error {
	s.space()
	if s.pos < len(s.src) {
		return s.fail("more text after the value")
	}
	return nil
}

// enter steps over an opening bracket inside of depth open ones.
func (s *scanner) enter(depth int) error {
	if depth >= s.maxDepth {
		return &syntaxError{offset: s.pos, what: fmt.Sprintf("nesting over %d levels", s.maxDepth), tooDeep: true}
	}
	s.pos++
	return nil
}

// nextMember steps to the next value of an object and returns its key as
// written between the quotes; ok is false at the closing brace, which is
// stepped over.
func (s *scanner) nextMember(first bool) (key []byte, escaped, ok bool, err error) {
	s.space()
	switch c := s.peek(); {
	case c == '}':
		s.pos++
		return nil, false, false, nil
	case first:
	case c == ',':
		s.pos++
		s.space()
	default:
		return nil, false, false, s.fail("expected ',' or '}'")
	}
	if s.peek() != '"' {
		return nil, false, false, s.fail("expected a quoted key")
	}
	if key, escaped, err = s.str(); err != nil {
		return nil, false, false, err
	}
	s.space()
	if s.peek() != ':' {
		return nil, false, false, s.fail("expected ':'")
	}
	s.pos++
	s.space()
	return key, escaped, true, nil
}

// nextElement steps to the next value of an array; false at the closing
// bracket, which is stepped over.
func (s *scanner) nextElement(first bool) (bool, error) {
	s.space()
	switch c := s.peek(); {
	case c == ']':
		s.pos++
		return false, nil
	case first:
		return true, nil
	case c == ',':
		s.pos++
		s.space()
		return true, nil
	default:
		return false, s.fail("expected ',' or ']'")
	}
}

// str steps over a string and returns what stands between its quotes, and
// whether that contains escapes.
func (s *scanner) str() (body []byte, escaped bool, err error) {
	s.pos++
	start := s.pos
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '"':
			body = s.src[start:s.pos]
			s.pos++
			return body, escaped, nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return nil, false, err
			}
		case c < 0x20:
			return nil, false, s.fail("unescaped control character in a string")
		default:
			s.pos++
		}
	}
	return nil, false, s.fail("unfinished string")
}

// escape steps over one escape, a surrogate pair counting as one.
func (s *scanner) escape() error {
	if s.pos+1 >= len(s.src) {
		return s.fail("unfinished string")
	}
	switch s.src[s.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return nil
	case 'u':
	default:
		return s.fail("unknown escape")
	}
	unit, ok := hexUnit(s.src[s.pos:])
	if !ok {
		return s.fail("malformed \\u escape")
	}
	if !utf16.IsSurrogate(unit) {
		s.pos += 6
		return nil
	}
	low, ok := hexUnit(s.src[s.pos+6:])
	if !ok || utf16.DecodeRune(unit, low) == utf8.RuneError {
		return s.fail("lone surrogate escape")
	}
	s.pos += 12
	return nil
}

// hexUnit reads the UTF-16 unit of the \uXXXX that text begins with.
func hexUnit(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	var unit rune
	for _, c := range text[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		unit = unit<<4 | rune(c)
	}
	return unit, true
}

// nextRune decodes the first character of a string body that was scanned
// before, and tells how many bytes it takes there.
func nextRune(body []byte) (rune, int) {
	if body[0] != '\\' {
		return utf8.DecodeRune(body)
	}
	switch c := body[1]; c {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
	default:
		return rune(c), 2
	}
	unit, _ := hexUnit(body)
	if !utf16.IsSurrogate(unit) {
		return unit, 6
	}
	low, _ := hexUnit(body[6:])
	return utf16.DecodeRune(unit, low), 12
}

// appendUnescaped appends the characters that a scanned string body stands for.
func appendUnescaped(dst, body []byte) []byte {
	for len(body) > 0 {
		r, size := nextRune(body)
		dst = utf8.AppendRune(dst, r)
		body = body[size:]
	}
	return dst
}

// number is one scanned number. Float is true for everything that is not an
// integer of 64 bits (spec 2.2), and Value is set only then.
type number struct {
	text  []byte
	float bool
	value float64
}

func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.src) && '0' <= s.src[s.pos] && s.src[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}

// number steps over a number and sorts it into one of the three kinds.
func (s *scanner) number() (number, error) {
	start, negative, float := s.pos, s.peek() == '-', false
	if negative {
		s.pos++
	}
	whole := s.pos
	leadingZero := s.peek() == '0'
	if count := s.digits(); count == 0 || leadingZero && count > 1 {
		return number{}, s.fail("malformed number")
	}
	magnitude := s.src[whole:s.pos]
	if s.peek() == '.' {
		float = true
		s.pos++
		if s.digits() == 0 {
			return number{}, s.fail("malformed number")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		float = true
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if s.digits() == 0 {
			return number{}, s.fail("malformed number")
		}
	}
	text := s.src[start:s.pos]
	if !float && fitsInteger(magnitude, negative) {
		return number{text: text}, nil
	}
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsInf(value, 0) {
		return number{}, &syntaxError{offset: start, what: "number is not finite", nonFinite: true}
	}
	return number{text: text, float: true, value: value}, nil
}

// fitsInteger tells whether decimal digits fit u64, or i64 when negative.
// Minus zero does not: it is the float -0.0.
func fitsInteger(magnitude []byte, negative bool) bool {
	limit := "18446744073709551615"
	if negative {
		limit = "9223372036854775808"
		if string(magnitude) == "0" {
			return false
		}
	}
	if len(magnitude) != len(limit) {
		return len(magnitude) < len(limit)
	}
	return string(magnitude) <= limit
}

// literal steps over null, true or false.
func (s *scanner) literal() error {
	for _, word := range [...]string{"null", "true", "false"} {
		if end := s.pos + len(word); end <= len(s.src) && string(s.src[s.pos:end]) == word {
			s.pos = end
			return nil
		}
	}
	return s.fail("expected a value")
}

// skip steps over one value inside of depth open brackets, checking all of it.
func (s *scanner) skip(depth int) error {
	switch c := s.peek(); {
	case c == '{':
		if err := s.enter(depth); err != nil {
			return err
		}
		for first := true; ; first = false {
			_, _, ok, err := s.nextMember(first)
			if err != nil || !ok {
				return err
			}
			if err := s.skip(depth + 1); err != nil {
				return err
			}
		}
	case c == '[':
		if err := s.enter(depth); err != nil {
			return err
		}
		for first := true; ; first = false {
			ok, err := s.nextElement(first)
			if err != nil || !ok {
				return err
			}
			if err := s.skip(depth + 1); err != nil {
				return err
			}
		}
	case c == '"':
		_, _, err := s.str()
		return err
	case c == '-' || '0' <= c && c <= '9':
		_, err := s.number()
		return err
	default:
		return s.literal()
	}
}

// checkText checks a whole JSON text: UTF-8, grammar, depth, finite numbers.
func checkText(raw []byte, maxDepth int) error {
	if !utf8.Valid(raw) {
		return &syntaxError{what: "invalid UTF-8"}
	}
	s := scanner{src: raw, maxDepth: maxDepth}
	s.space()
	if err := s.skip(0); err != nil {
		return err
	}
	return s.end()
}
