package fsm

import (
	"fmt"
	"io"
	"slices"
)

// VerifySnapshot reads a snapshot to its end and checks what tells whether it
// is whole: header, version, the types and lengths of all frames, their count
// and their checksum. It builds no state and holds one frame at a time, so that
// a snapshot of any size can be verified beside a running node. A snapshot that
// passes holds the bytes that Write has written.
func VerifySnapshot(r io.Reader) error {
	var f frameReader
	return f.readAll(r, func(frame byte, _ []byte) error {
		if !slices.Contains(frames, frame) {
			return fmt.Errorf("unknown frame type %d", frame)
		}
		return nil
	})
}
