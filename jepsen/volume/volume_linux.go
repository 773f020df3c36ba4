package volume

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// sourcePrefix begins the name that a volume has in the table of mounts; the id
// of the process that made it follows.
const sourcePrefix = "holdfast-jepsen-"

// Source is the name that file systems of this program have in the table of
// mounts, also those that others mount: CleanUp knows it again.
func Source() string { return sourcePrefix + strconv.Itoa(os.Getpid()) }

// ballast is the file that fills a volume.
const ballast = "ballast"

// Volume is a small file system.
type Volume struct{ dir string }

// Cannot says why there can be no volumes here, or nothing.
func Cannot() string {
	if os.Geteuid() != 0 {
		return "small file systems need root"
	}
	return ""
}

// Mount makes a volume of so many bytes over an empty folder, which it makes.
func Mount(dir string, bytes int64) (*Volume, error) {
	if reason := Cannot(); reason != "" {
		return nil, errors.New(reason)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	if err := syscall.Mount(Source(), dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0750", bytes)); err != nil {
		return nil, fmt.Errorf("mount a file system at %s: %w", dir, err)
	}
	return &Volume{dir}, nil
}

// Fill leaves no byte free.
func (v *Volume) Fill() (err error) {
	file, err := os.Create(filepath.Join(v.dir, ballast))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	block := make([]byte, 1<<20)
	for len(block) > 0 {
		_, err := file.Write(block)
		switch {
		case errors.Is(err, syscall.ENOSPC):
			block = block[:len(block)/2]
		case err != nil:
			return err
		}
	}
	return nil
}

// Empty takes back what Fill did.
func (v *Volume) Empty() error {
	err := os.Remove(filepath.Join(v.dir, ballast))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Close takes the volume away with all that it holds.
func (v *Volume) Close() error { return unmount(v.dir) }

func unmount(dir string) error {
	// Detached, should anybody still have a file open.
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}

// CleanUp takes away the volumes of programs that have ended without doing so.
func CleanUp() (err error) {
	table, err := os.Open("/proc/self/mounts")
	if err != nil {
		return err
	}
	defer table.Close()
	text, err := io.ReadAll(table)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !strings.HasPrefix(fields[0], sourcePrefix) {
			continue
		}
		pid, convErr := strconv.Atoi(strings.TrimPrefix(fields[0], sourcePrefix))
		if convErr != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		err = errors.Join(err, unmount(fields[1]))
	}
	return err
}
