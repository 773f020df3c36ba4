package volume

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestAVolumeFillsUpAndEmpties needs root. Elsewhere it shows that volumes are
// refused with a reason.
func TestAVolumeFillsUpAndEmpties(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	v, err := Mount(dir, 1<<20)
	if reason := Cannot(); reason != "" {
		if err == nil || err.Error() != reason {
			t.Errorf("mounted, or refused without the reason: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := v.Fill(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, 200_000), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full volume took more: %v", err)
	}
	for range 2 {
		if err := v.Empty(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, make([]byte, 200_000), 0o600); err != nil {
		t.Error(err)
	}
	// It is ours, and we live: it must stay.
	if err := CleanUp(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("taken away while in use: %v", err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
}
