package fsm

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestVerifyPassesWhatWriteWrote(t *testing.T) {
	for name, r := range map[string]*rig{"a state with every sort of row": goldenState(t), "an empty state": newRig(t)} {
		if err := VerifySnapshot(bytes.NewReader(write(t, r.m.Snapshot()))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVerifyFindsEveryFlippedBit flips each byte. A flip that changes none of
// the frames, as in a hint of the compression, may pass.
func TestVerifyFindsEveryFlippedBit(t *testing.T) {
	r := goldenState(t)
	good := write(t, r.m.Snapshot())
	found := 0
	for at := range good {
		spoilt := bytes.Clone(good)
		spoilt[at] ^= 0x10
		err := VerifySnapshot(bytes.NewReader(spoilt))
		if err != nil {
			found++
			continue
		}
		m := NewMachine()
		if err := m.Restore(bytes.NewReader(spoilt)); err != nil {
			t.Fatalf("byte %d: verified, but: %v", at, err)
		}
		if hash, err := m.Snapshot().Hash(); err != nil || hash != r.hash() {
			t.Fatalf("byte %d: verified, but another state (%v)", at, err)
		}
	}
	if found < len(good)*9/10 {
		t.Errorf("only %d of %d flipped bytes were found", found, len(good))
	}
}

func TestVerifyFindsEveryCut(t *testing.T) {
	good := write(t, goldenState(t).m.Snapshot())
	for size := range good {
		if err := VerifySnapshot(bytes.NewReader(good[:size])); err == nil {
			t.Fatalf("cut to %d of %d bytes: no error", size, len(good))
		}
	}
	if err := VerifySnapshot(bytes.NewReader(append(bytes.Clone(good), 0))); err == nil {
		t.Error("a byte more: no error")
	}
}

func TestVerifySaysWhatIsWrong(t *testing.T) {
	counters := frame(t, frameCounters, storedCounters{})
	frames := framesOf(t, write(t, goldenState(t).m.Snapshot()))
	for name, c := range map[string]struct {
		file   []byte
		reason string
	}{
		"another version":  {append([]byte("HFSNAP\x00\x02"), 0), "version 2, this program reads 1"},
		"another file":     {[]byte("anything else"), "not a snapshot"},
		"a flipped bit":    {fileOf(t, patch(bytes.Clone(frames), bytes.Index(frames, []byte("late")), 'L')), "checksum"},
		"another count":    {fileOf(t, patch(bytes.Clone(frames), len(frames)-5, 99)), "the end frame tells"},
		"an unknown frame": {sealed(t, counters, frame(t, 9, Member{"n", "i"})), "unknown frame type 9"},
		"no counters":      {sealed(t, frame(t, frameMember, Member{"n", "i"})), "the counters must come first"},
	} {
		if err := VerifySnapshot(bytes.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v, want %q", name, err, c.reason)
		}
	}
}

// TestVerifyHoldsOneFrameAtATime verifies far more than it may allocate.
func TestVerifyHoldsOneFrameAtATime(t *testing.T) {
	const frameBytes, frameCount = 1 << 20, 256
	event := storedEvent{EventType: "note", Payload: bytes.Repeat([]byte("x"), frameBytes), PayloadHash: make([]byte, 32)}
	// The snapshot is written before anything is measured; alike as its frames
	// are, it is small.
	snapshot := bytes.NewBufferString("HFSNAP\x00\x01")
	compressor, err := zstd.NewWriter(snapshot, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	f := &frameWriter{w: compressor}
	err = f.write(frameCounters, storedCounters{})
	for range frameCount {
		err = errors.Join(err, f.write(frameEvent, event))
	}
	if err := errors.Join(err, f.end(), compressor.Close()); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	// A file is only a reader; a buffer in memory would be decoded at once.
	if err := VerifySnapshot(struct{ io.Reader }{snapshot}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > frameBytes*frameCount/4 {
		t.Errorf("%d MiB were allocated to verify %d MiB", allocated>>20, frameBytes*frameCount>>20)
	}
}
