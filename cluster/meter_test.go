package cluster

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
)

func TestLongWorkSaysHowFarItIs(t *testing.T) {
	for size, want := range map[int64]string{400: "bytes=100 of_bytes=400 percent=25", 0: "bytes=100\n"} {
		var log bytes.Buffer
		m := newMeter(slog.New(slog.NewTextHandler(&log, nil)), "restoring a snapshot", size)
		reader := meteredReader{Reader: strings.NewReader(strings.Repeat("x", 200)), meter: m}
		half := make([]byte, 50)
		if _, err := io.ReadFull(reader, half); err != nil || log.Len() > 0 {
			t.Fatalf("it says something at once: %s (%v)", &log, err)
		}
		m.since = m.since.Add(-progressInterval)
		if _, err := io.ReadFull(reader, half); err != nil || !strings.Contains(log.String(), want) {
			t.Errorf("%q (%v), want %q", log.String(), err, want)
		}
	}
}

// wrapped is how raft hands a snapshot to the state machine.
type wrapped struct{ io.ReadCloser }

func (w wrapped) WrappedReadCloser() io.ReadCloser { return w.ReadCloser }

var _ raft.ReadCloserWrapper = wrapped{}

func TestTheSizeOfASnapshotIsKnownToItsReader(t *testing.T) {
	file := sizedFile{io.NopCloser(strings.NewReader("abc")), 3}
	if size := sizeOf(wrapped{file}); size != 3 {
		t.Errorf("size %d, want 3", size)
	}
	if size := sizeOf(strings.NewReader("abc")); size != 0 {
		t.Errorf("size %d of something else, want 0", size)
	}
}
