package fsm

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// allocated returns the bytes that a function allocates.
func allocated(run func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// mostAllocated bounds what decoding so many bytes may allocate: a multiple of
// them, beside the room that the codec makes at each depth for elements that
// it was told of.
func mostAllocated(bytes int) uint64 { return 16<<20 + 256*uint64(bytes) }

// FuzzDecodeEntry: no bytes make it panic or ask for memory beyond measure, and
// what decodes is exactly what would be encoded.
func FuzzDecodeEntry(f *testing.F) {
	for _, g := range goldenEntries() {
		data, err := EncodeEntry(g.entry)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, bad := range badEntries {
		f.Add(bad.make())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= entryHeaderBytes {
			// No mutation would ever get past the checksum.
			data = withCRC(bytes.Clone(data))
		}
		var e Entry
		var err error
		if used := allocated(func() { e, err = DecodeEntry(data) }); used > mostAllocated(len(data)) {
			t.Fatalf("%d bytes made it allocate %d", len(data), used)
		}
		if err != nil {
			return
		}
		again, err := EncodeEntry(e)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x\nis written again as (%v)\n%x", data, err, again)
		}
		s := newState()
		s.TakeoverTerm = e.Term
		if _, err := s.applyEntry(1, e.Term, data); err != nil {
			t.Fatalf("decoded but not applied: %v", err)
		}
	})
}

// FuzzReadSnapshot: no bytes make it panic, and what restores is written as a
// snapshot that restores to the same state.
func FuzzReadSnapshot(f *testing.F) {
	for _, golden := range goldenSnapshots {
		file := write(f, golden.make(f).m.Snapshot())
		frames := framesOf(f, file)
		f.Add(false, file)
		f.Add(true, frames[:len(frames)-frameHeaderBytes-endFrameBytes])
	}
	f.Add(true, frame(f, frameCounters, storedCounters{}))
	f.Add(true, append(frame(f, frameCounters, storedCounters{}), 3, 0xff, 0xff, 0xff, 0))
	f.Fuzz(func(t *testing.T, framed bool, data []byte) {
		if framed {
			data = sealedRaw(t, data)
		}
		m := NewMachine()
		if err := m.Restore(bytes.NewReader(data)); err != nil {
			return
		}
		hash, err := m.Snapshot().Hash()
		if err != nil {
			t.Fatal(err)
		}
		again := NewMachine()
		if err := again.Restore(bytes.NewReader(write(t, m.Snapshot()))); err != nil {
			t.Fatalf("what was restored cannot be restored again: %v", err)
		}
		if other, err := again.Snapshot().Hash(); err != nil || other != hash {
			t.Fatalf("the state has another hash after a second restore (%v)", err)
		}
	})
}

// sealedRaw ends a stream of frames rightly, as far as it is one.
func sealedRaw(t testing.TB, frames []byte) []byte {
	var parts [][]byte
	rest := frames
	for len(rest) >= frameHeaderBytes {
		length := frameHeaderBytes + int(rest[1])<<24 + int(rest[2])<<16 + int(rest[3])<<8 + int(rest[4])
		if length > len(rest) {
			break
		}
		parts, rest = append(parts, rest[:length]), rest[length:]
	}
	if len(rest) > 0 {
		return fileOf(t, frames)
	}
	return sealed(t, parts...)
}

// TestLengthsAreNeverTakenOnTrust: a few bytes that tell of enormous arrays,
// each inside the other, are refused without making room for them.
func TestLengthsAreNeverTakenOnTrust(t *testing.T) {
	for _, depth := range []int{registry.MaxSelectorDepth, 300} {
		body, err := appendMsgpack(nil, NewRegisterProcess(deepRegistration(depth), make([]byte, 32)))
		if err != nil {
			t.Fatal(err)
		}
		// Every list of template fields in it tells of 2^32 - 1 of them.
		honest, spoilt := []byte("\xa3{a}\xc0\x91"), []byte("\xa3{a}\xc0\xdd\xff\xff\xff\xff")
		if n := bytes.Count(body, honest); n != 4*(depth-1) {
			t.Fatalf("%d lists of template fields", n)
		}
		data := rawEntry(rawCommand(KindRegisterProcess, 1, 0, bytes.ReplaceAll(body, honest, spoilt)...)...)
		used := allocated(func() { _, err = DecodeEntry(data) })
		if err == nil || used > 16<<20 {
			t.Errorf("%d bytes, %d deep, made it allocate %d (%v)", len(data), depth, used, err)
		}
	}
}

// TestGoldenFilesAreAllRead keeps a file from outliving its case.
func TestGoldenFilesAreAllRead(t *testing.T) {
	files, err := os.ReadDir(filepath.Join("testdata", "golden"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"snapshot-sessions-v1.hex": true, "snapshot-attempts-v1.hex": true}
	for _, golden := range goldenSnapshots {
		want[golden.name+".hex"] = true
	}
	for _, g := range goldenEntries() {
		want[g.name+".hex"] = true
	}
	for _, bad := range badEntries {
		want["bad-"+bad.name+".hex"] = true
	}
	for _, file := range files {
		if !want[file.Name()] {
			t.Errorf("no test reads testdata/golden/%s", file.Name())
		}
		delete(want, file.Name())
	}
	for name := range want {
		t.Errorf("testdata/golden/%s is missing", name)
	}
}
