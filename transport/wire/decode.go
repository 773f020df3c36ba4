package wire

import "github.com/holdfast-registry/holdfast/registry"

// decoder turns messages into registry values. It keeps the first thing that
// it could not read and goes on, so that conversions stay straight lines.
type decoder struct {
	err *registry.Error
}

// result is what a conversion returns: the value, unless something was refused.
// The nil pointer must not become a non-nil error.
func result[G any](d *decoder, value G) (G, error) {
	if d.err != nil {
		var zero G
		return zero, d.err
	}
	return value, nil
}

// missing refuses a message that lacks a required sub-message.
func (d *decoder) missing(field string) {
	d.refuse(field, "%s is missing", field)
}

func (d *decoder) refuse(field, format string, args ...any) {
	if d.err == nil {
		d.err = registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: field}, format, args...)
	}
}

// optional decodes a message that may be absent.
func optional[P, G any](m *P, field string, decode func(*P, string) G) *G {
	if m == nil {
		return nil
	}
	value := decode(m, field)
	return &value
}

// list decodes the rows of a list; no rows are nil.
func list[P, G any](rows []*P, field string, decode func(*P, string) G) []G {
	if len(rows) == 0 {
		return nil
	}
	values := make([]G, len(rows))
	for i, row := range rows {
		values[i] = decode(row, field)
	}
	return values
}

// pointer encodes a value that may be absent.
func pointer[G, P any](value *G, encode func(*G) *P) *P {
	if value == nil {
		return nil
	}
	return encode(value)
}

// rows encodes a list. The messages lie in one allocation.
func rows[G, P any](values []G, fill func(*P, *G)) []*P {
	if len(values) == 0 {
		return nil
	}
	slab := make([]P, len(values))
	out := make([]*P, len(values))
	for i := range values {
		fill(&slab[i], &values[i])
		out[i] = &slab[i]
	}
	return out
}

// enum is the table of one enumeration: the index is the wire's number, and
// number 0 the empty text.
type enum[G ~string, P ~int32] []G

// unknownNumber stands for a text that has no number. The other side refuses
// it, as it would refuse the text.
const unknownNumber = -1

// toPB returns the number of a text. The tables are short: a scan beats a map.
func (e enum[G, P]) toPB(text G) P {
	for number, known := range e {
		if known == text {
			return P(number)
		}
	}
	return unknownNumber
}

// fromPB returns the text of a number.
func (e enum[G, P]) fromPB(d *decoder, number P, field string) G {
	if number < 0 || int(number) >= len(e) {
		d.refuse(field, "%s has no value of number %d", field, int32(number))
		return ""
	}
	return e[number]
}
