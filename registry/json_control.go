package registry

import (
	"bytes"
	"strconv"
)

// The form of a tool control, spec 3.15. The registry does nothing with one,
// but checks it and writes it in one normal form (declared members only, in
// declaration order), because a malformed control decides whether an event
// payload reads as an await output at all.

// The reserved key of tool values and its two meanings: a reference to an
// attachment, and the escape for an object of the user's own that has the key.
const (
	toolValueTag        = "$lash_tool_value"
	toolValueAttachment = "attachment"
	toolValueObject     = "object"
)

// readControl checks a tool control and returns its normal form. Free JSON in
// it stays as sent; tool values, which are not free, become canonical.
func readControl(raw []byte) (JSON, error) {
	o, e := readObject(raw), &encoder{}
	kind := need(o, "type", oneOf("switch_agent_frame", "finish", "fail"))
	e.open('{')
	e.str("type", kind)
	switch kind {
	case "switch_agent_frame":
		e.str("frame_id", o.str("frame_id"))
		if nodes := orDefault(o, "initial_nodes", nil, listOf(readFree)); len(nodes) > 0 {
			e.key("initial_nodes")
			e.open('[')
			for _, node := range nodes {
				e.next()
				e.raw(node)
			}
			e.close(']')
		}
		e.optStr("task", o.optStr("task"))
	case "finish":
		e.key("value")
		e.raw(need(o, "value", readToolValue))
	case "fail":
		e.key("failure")
		e.raw(need(o, "failure", readToolFailure))
	}
	e.close('}')
	return written(o, e)
}

// written returns what was written, unless reading or writing failed.
func written(o *object, e *encoder) (JSON, error) {
	if err := o.done(); err != nil {
		return nil, err
	}
	return e.buf, e.err
}

func readToolFailure(raw []byte) (JSON, error) {
	o, e := readObject(raw), &encoder{}
	e.open('{')
	e.str("class", string(need(o, "class", readFailureClass)))
	e.str("code", o.str("code"))
	e.str("message", o.str("message"))
	e.str("source", need(o, "source", oneOf("runtime", "tool", "plugin", "policy", "cancellation")))
	e.key("retry")
	e.raw(need(o, "retry", readRetry))
	if value := maybe(o, "raw", readToolValue); value != nil {
		e.free("raw", *value)
	}
	e.close('}')
	return written(o, e)
}

func readRetry(raw []byte) (JSON, error) {
	o, e := readObject(raw), &encoder{}
	kind := need(o, "type", oneOf("never", "safe", "exhausted"))
	e.open('{')
	e.str("type", kind)
	switch kind {
	case "safe":
		if after := maybe(o, "after_ms", readU64); after != nil {
			e.u64("after_ms", *after)
		}
	case "exhausted":
		e.u64("attempts", uint64(o.u32("attempts")))
	}
	e.close('}')
	return written(o, e)
}

// readToolValue checks a tool value and returns it in canonical form: ordinary
// JSON, in which every object that has the reserved key must be one of the two
// reserved forms.
func readToolValue(raw []byte) (JSON, error) {
	plain, err := appendCanonical(nil, raw, false)
	if err != nil {
		return nil, wrongForm(err.Error())
	}
	if !bytes.Contains(plain, []byte(`"`+toolValueTag+`"`)) {
		return plain, nil
	}
	e := &encoder{}
	if err := writeToolValue(e, plain); err != nil {
		return nil, err
	}
	return e.buf, e.err
}

func writeToolValue(e *encoder, raw []byte) error {
	switch raw[0] {
	case '[':
		elements, err := listOf(readFree)(raw)
		if err != nil {
			return err
		}
		e.open('[')
		for i, element := range elements {
			e.next()
			if err := writeToolValue(e, element); err != nil {
				return at("["+strconv.Itoa(i)+"]", err)
			}
		}
		e.close(']')
		return nil
	case '{':
		return writeToolObject(e, readObject(raw))
	default:
		e.raw(raw)
		return nil
	}
}

func writeToolObject(e *encoder, o *object) error {
	if o.err != nil {
		return o.err
	}
	if o.get(toolValueTag) == nil {
		return writeToolEntries(e, o)
	}
	tag := need(o, toolValueTag, oneOf(toolValueAttachment, toolValueObject))
	if o.err == nil && len(o.members) != 2 {
		o.fail(toolValueTag, wrongForm("a reserved form has exactly two members"))
	}
	if tag == toolValueAttachment {
		reference := need(o, "ref", readAttachmentRef)
		if o.err == nil {
			e.open('{')
			e.str(toolValueTag, tag)
			e.free("ref", reference)
			e.close('}')
		}
		return o.err
	}
	content := need(o, "entries", readFree)
	if o.err != nil {
		return o.err
	}
	entries := readObject(content)
	// An escape that escapes nothing is not normal: the plain object is.
	if entries.err != nil || entries.get(toolValueTag) == nil {
		return writeToolEntries(e, entries)
	}
	e.open('{')
	e.str(toolValueTag, tag)
	e.key("entries")
	err := writeToolEntries(e, entries)
	e.close('}')
	return err
}

// writeToolEntries writes an object whose members are tool values and whose
// keys mean nothing.
func writeToolEntries(e *encoder, o *object) error {
	if o.err != nil {
		return o.err
	}
	e.open('{')
	for _, m := range o.members {
		e.next()
		e.string(m.name)
		e.buf = append(e.buf, ':')
		if err := writeToolValue(e, m.value); err != nil {
			return at(m.name, err)
		}
	}
	e.close('}')
	return nil
}

func readAttachmentRef(raw []byte) (JSON, error) {
	o, e := readObject(raw), &encoder{}
	e.open('{')
	e.str("id", o.str("id"))
	e.str("media_type", o.str("media_type"))
	e.u64("byte_len", o.u64("byte_len"))
	for _, name := range [...]string{"width", "height"} {
		if size := maybe(o, name, readU32); size != nil {
			e.u64(name, uint64(*size))
		}
	}
	e.optStr("label", o.optStr("label"))
	e.close('}')
	return written(o, e)
}
