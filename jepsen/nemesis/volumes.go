package nemesis

import (
	"errors"

	"github.com/holdfast-registry/holdfast/jepsen/powerloss"
	"github.com/holdfast-registry/holdfast/jepsen/volume"
)

// volumeBytes is the size of a node's own file system: far more than a run of
// minutes writes.
const volumeBytes = 128 << 20

// VolumeKind is which file system of its own every node needs.
type VolumeKind int

const (
	// NoVolume is none.
	NoVolume VolumeKind = 0
	// SmallVolume is one that can be filled up.
	SmallVolume VolumeKind = 1
	// UnsyncedVolume is one that can lose what was not synced, and be filled up.
	UnsyncedVolume VolumeKind = 2
)

// fileSystem is a file system of a node's own.
type fileSystem interface {
	Fill() error
	Empty() error
	Close() error
}

// AddVolume gives a node a file system of its own at its data folder.
func (w *World) AddVolume(kind VolumeKind, id, dir string) (err error) {
	var v fileSystem
	if kind == UnsyncedVolume {
		v, err = powerloss.Mount(dir)
	} else {
		v, err = volume.Mount(dir, volumeBytes)
	}
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.volumes == nil {
		w.volumes = make(map[string]fileSystem)
	}
	w.volumes[id] = v
	return nil
}

// CloseVolumes takes the file systems away, when no node runs any more.
func (w *World) CloseVolumes() (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.volumes {
		err = errors.Join(err, v.Close())
	}
	w.volumes = nil
	return err
}

func (w *World) volumeOf(id string) fileSystem {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.volumes[id]
}
