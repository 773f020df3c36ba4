package fsm

import (
	"bytes"
	"errors"
	"sync"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"github.com/holdfast-registry/holdfast/registry"
)

// msgpackHandle encodes structs as arrays in field order. Field order is
// therefore format: the stored structs of this package are append-only.
var msgpackHandle = func() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{WriteExt: true}
	h.StructToArray = true
	h.RawToString = true
	h.ErrorIfNoArrayExpand = true
	h.MaxDepth = maxMsgpackDepth
	return h
}()

// maxMsgpackDepth bounds how deep arrays nest. The codec makes room for up to
// 4,096 elements of any array whose length it is told, so it is what bounds
// the memory that a few bytes can ask for. A template of registry.MaxSelectorDepth
// inside a registration needs 3 for each of its levels, and 12.
const maxMsgpackDepth = 3*registry.MaxSelectorDepth + 16

// coder is an encoder and a decoder that are used again: making either is
// dearer than using it.
type coder struct {
	encoder *codec.Encoder
	decoder *codec.Decoder
	scratch []byte
}

var coders = sync.Pool{New: func() any {
	return &coder{encoder: codec.NewEncoderBytes(new([]byte), msgpackHandle), decoder: codec.NewDecoderBytes(nil, msgpackHandle)}
}}

// appendMsgpack appends the encoding of a stored struct.
func appendMsgpack(dst []byte, v any) ([]byte, error) {
	c := coders.Get().(*coder)
	defer coders.Put(c)
	out := c.scratch[:0]
	c.encoder.ResetBytes(&out)
	if err := c.encoder.Encode(v); err != nil {
		return dst, err
	}
	c.scratch = out
	return append(dst, out...), nil
}

// errNotCanonical is returned when bytes decode but are not what this program
// would have written: a short array, a nil in place of a value, a wider number
// than needed, bytes left over. The codec accepts all of these silently, and
// two versions that accept different things would let replicas disagree.
var errNotCanonical = errors.New("not in canonical form")

// decodeMsgpack decodes a stored struct and refuses whatever would not encode
// to the same bytes again.
func decodeMsgpack(data []byte, v any) (err error) {
	c := coders.Get().(*coder)
	defer coders.Put(c)
	c.decoder.ResetBytes(data)
	if err := c.decoder.Decode(v); err != nil {
		return err
	}
	out := c.scratch[:0]
	c.encoder.ResetBytes(&out)
	if err := c.encoder.Encode(v); err != nil {
		return err
	}
	c.scratch = out
	if !bytes.Equal(out, data) {
		return errNotCanonical
	}
	return nil
}
