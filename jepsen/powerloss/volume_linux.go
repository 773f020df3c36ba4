package powerloss

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/holdfast-registry/holdfast/jepsen/volume"
)

// Volume is a file system that can lose power. Its methods are not safe for
// concurrent use; the files in it are.
type Volume struct {
	dir    string
	disk   *disk
	server *fuse.Server
}

// Cannot says why there can be no such volumes here, or nothing.
func Cannot() string { return cannot() }

var cannot = sync.OnceValue(func() string {
	if os.Geteuid() != 0 {
		return "file systems that lose power need root"
	}
	dir, err := os.MkdirTemp("", "holdfast-powerloss-")
	if err != nil {
		return err.Error()
	}
	defer os.Remove(dir)
	// Having /dev/fuse is not enough in every container.
	server, err := serve(dir, newDisk())
	if err == nil {
		err = server.Unmount()
	}
	if err != nil {
		return fmt.Sprintf("file systems that lose power need FUSE: %v", err)
	}
	return ""
})

// Mount makes a volume over an empty folder, which it makes.
func Mount(dir string) (*Volume, error) {
	if reason := Cannot(); reason != "" {
		return nil, errors.New(reason)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	v := &Volume{dir: dir, disk: newDisk()}
	return v, v.mount()
}

func (v *Volume) mount() (err error) {
	v.server, err = serve(v.dir, v.disk)
	return err
}

func serve(dir string, d *disk) (*fuse.Server, error) {
	server, err := fs.Mount(dir, &folderNode{disk: d, folder: d.root}, &fs.Options{MountOptions: fuse.MountOptions{
		// Without the helper program that others than root need.
		DirectMount: true, DirectMountStrict: true, FsName: volume.Source(), Name: "powerloss",
	}})
	if err != nil {
		return nil, fmt.Errorf("mount a file system at %s: %w", dir, err)
	}
	return server, nil
}

// LosePower takes the power from the volume and gives it back. What was not
// synced is lost, or, with some, a part of it. Whoever had files open must have
// ended.
func (v *Volume) LosePower(random *rand.Rand, some bool) error {
	if err := v.unmount(); err != nil {
		return err
	}
	v.disk.losePower(chance{random, !some})
	return v.mount()
}

func (v *Volume) unmount() error {
	if err := v.server.Unmount(); err != nil {
		return fmt.Errorf("unmount %s: %w", v.dir, err)
	}
	return nil
}

// Fill leaves no byte free.
func (v *Volume) Fill() error {
	v.disk.setFull(true)
	return nil
}

// Empty takes back what Fill did.
func (v *Volume) Empty() error {
	v.disk.setFull(false)
	return nil
}

// FailSyncs has every sync of a file fail, or no more. What a sync failed to
// write is there until power is lost, and later syncs do not write it.
func (v *Volume) FailSyncs(fail bool) { v.disk.setFails(fail) }

// Close takes the volume away, and leaves what it holds in the folder.
func (v *Volume) Close() error {
	if err := v.unmount(); err != nil {
		return err
	}
	return v.disk.writeOut(v.disk.root, v.dir)
}

// writeOut writes what a folder holds into another file system.
func (d *disk) writeOut(f *folder, dir string) error {
	for _, name := range f.list() {
		path := filepath.Join(dir, name)
		switch e := f.names[name].(type) {
		case *folder:
			if err := os.Mkdir(path, 0o750); err != nil {
				return err
			}
			if err := d.writeOut(e, path); err != nil {
				return err
			}
		case *file:
			if err := os.WriteFile(path, d.read(e, make([]byte, d.size(e)), 0), 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}
