//go:build !linux

package volume

import "errors"

// Volume is a small file system. There are none on this system.
type Volume struct{}

const reason = "small file systems are made on Linux only"

// Cannot says why there can be no volumes here.
func Cannot() string { return reason }

// Mount fails.
func Mount(string, int64) (*Volume, error) { return nil, errors.New(reason) }

// Fill is never called.
func (*Volume) Fill() error { return nil }

// Empty is never called.
func (*Volume) Empty() error { return nil }

// Close is never called.
func (*Volume) Close() error { return nil }

// CleanUp has nothing to do.
func CleanUp() error { return nil }
