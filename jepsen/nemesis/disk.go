package nemesis

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/jepsen/volume"
)

// volumeBytes is the size of a node's own file system: far more than a run of
// minutes writes.
const volumeBytes = 128 << 20

// AddVolume gives a node a file system of its own at its data folder.
func (w *World) AddVolume(id, dir string) error {
	v, err := volume.Mount(dir, volumeBytes)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.volumes == nil {
		w.volumes = make(map[string]*volume.Volume)
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

func (w *World) volumeOf(id string) *volume.Volume {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.volumes[id]
}

// drawDisk fills file systems. A node that cannot write to its log ends itself,
// and may be started again when there is room.
func drawDisk(w *World, random *rand.Rand, leader *process.Node) Fault {
	struck := victims(w, random, leader)
	return Fault{
		Detail: "the disk is full: " + namesOf(struck, leader),
		Hold:   between(random, 500*time.Millisecond, 3*time.Second),
		Begin: func(context.Context) error {
			for _, n := range struck {
				w.expectEnd(n.ID)
				if err := w.volumeOf(n.ID).Fill(); err != nil {
					return err
				}
			}
			return nil
		},
		End: func(context.Context) error {
			for _, n := range struck {
				if err := w.volumeOf(n.ID).Empty(); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
