//go:build !linux

package powerloss

import (
	"errors"
	"math/rand/v2"
)

// Volume is a file system that can lose power. There are none on this system.
type Volume struct{}

const reason = "file systems that lose power are made on Linux only"

// Cannot says why there can be no such volumes here.
func Cannot() string { return reason }

// Mount fails.
func Mount(string) (*Volume, error) { return nil, errors.New(reason) }

// LosePower is never called.
func (*Volume) LosePower(*rand.Rand, bool) error { return nil }

// Fill is never called.
func (*Volume) Fill() error { return nil }

// Empty is never called.
func (*Volume) Empty() error { return nil }

// FailSyncs is never called.
func (*Volume) FailSyncs(bool) {}

// Close is never called.
func (*Volume) Close() error { return nil }
