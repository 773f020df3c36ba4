package cluster

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

const (
	// progressInterval is how often long work says how far it is.
	progressInterval = 2 * time.Second
	// pacedBytes and pacedPause bound what reading in the background takes from
	// the disk: 64 MiB/s at most.
	pacedBytes = 1 << 20
	pacedPause = time.Second / 64
)

// meter tells the log how far the reading or writing of a snapshot is.
type meter struct {
	logger *slog.Logger
	what   string
	// size is how many bytes there are in all, 0 if that is not known.
	size  int64
	bytes int64
	since time.Time
	// chunks counts calls.
	chunks int
}

func newMeter(logger *slog.Logger, what string, size int64) *meter {
	return &meter{logger: logger, what: what, size: size, since: time.Now()}
}

func (m *meter) count(n int) {
	m.bytes += int64(n)
	m.chunks++
	if time.Since(m.since) < progressInterval {
		return
	}
	m.since = time.Now()
	args := []any{"bytes", m.bytes}
	if m.size > 0 {
		args = append(args, "of_bytes", m.size, "percent", fmt.Sprintf("%.0f", 100*float64(m.bytes)/float64(m.size)))
	}
	m.logger.Info(m.what, args...)
}

// meteredReader counts what is read from it. atEnd, if any, is called when all
// was read.
type meteredReader struct {
	io.Reader
	*meter
	atEnd func()
}

func (r meteredReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.count(n)
	if err == io.EOF && r.atEnd != nil {
		r.atEnd()
	}
	return n, err
}

// meteredWriter counts what is written to it.
type meteredWriter struct {
	io.Writer
	*meter
}

func (w meteredWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.count(n)
	if w.chunks == 2 {
		failpoint("snapshot.write.middle")
	}
	return n, err
}

// pacedReader leaves the disk to others most of the time.
type pacedReader struct {
	io.Reader
	// stop ends a pause, and the reading.
	stop  <-chan struct{}
	bytes int
}

func (r *pacedReader) Read(p []byte) (int, error) {
	if r.bytes >= pacedBytes {
		r.bytes = 0
		select {
		case <-r.stop:
			return 0, errClosed
		case <-time.After(pacedPause):
		}
	}
	n, err := r.Reader.Read(p[:min(len(p), pacedBytes)])
	r.bytes += n
	return n, err
}
