package powerloss

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
)

// disk is what a file system holds: how it is now, and what would be left of it
// without power. Everything in it is guarded by its lock.
type disk struct {
	mu   sync.Mutex
	root *folder
	// made counts files and folders.
	made uint64
	// full says that no page can be added, fails that no sync succeeds.
	full, fails bool
}

// entry is what a name stands for: a *file or a *folder.
type entry interface {
	number() uint64
	// lose leaves what is left without power.
	lose(chance)
}

// inode is the number that a file system knows an entry by; that of the root is 1.
type inode uint64

func (n inode) number() uint64 { return uint64(n) }

func newDisk() *disk {
	d := &disk{}
	d.root = d.newFolder()
	return d
}

func (d *disk) nextInode() inode {
	d.made++
	return inode(d.made)
}

func (d *disk) newFolder() *folder {
	return &folder{inode: d.nextInode(), names: make(map[string]entry), synced: make(map[string]entry)}
}

// losePower makes the disk what is left of it. Nobody may have a file open.
func (d *disk) losePower(c chance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.root.lose(c)
}

// chance decides what is left of what was not synced.
type chance struct {
	random *rand.Rand
	// nothing is left when it is set.
	nothing bool
}

// upTo draws how many of the first changes are left.
func (c chance) upTo(changes int) int {
	if c.nothing {
		return 0
	}
	return c.random.IntN(changes + 1)
}

// folder is a folder. Its names as they were synced, and the changes since, make
// the names of now.
type folder struct {
	inode
	names, synced map[string]entry
	changes       []change
}

// change is what was done to names at once; nil removes one.
type change map[string]entry

func (c change) apply(names map[string]entry) {
	for name, e := range c {
		if e == nil {
			delete(names, name)
		} else {
			names[name] = e
		}
	}
}

func (f *folder) change(c change) {
	c.apply(f.names)
	f.changes = append(f.changes, c)
}

func (f *folder) sync() {
	for _, c := range f.changes {
		c.apply(f.synced)
	}
	f.changes = nil
}

func (f *folder) lose(c chance) {
	f.changes = f.changes[:c.upTo(len(f.changes))]
	f.sync()
	f.names = maps.Clone(f.synced)
	// In the order of the names: what is drawn must follow the seed.
	for _, name := range f.list() {
		f.names[name].lose(c)
	}
}

// list returns the names in their order.
func (f *folder) list() []string { return slices.Sorted(maps.Keys(f.names)) }

func (d *disk) lookup(f *folder, name string) (entry, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := f.names[name]; e != nil {
		return e, 0
	}
	return nil, syscall.ENOENT
}

// open returns the file of a name, and makes it where there is none.
func (d *disk) open(f *folder, name string, exclusive bool) (*file, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch e := f.names[name].(type) {
	case nil:
		made := newFile(d.nextInode())
		f.change(change{name: made})
		return made, 0
	case *file:
		if !exclusive {
			return e, 0
		}
	}
	return nil, syscall.EEXIST
}

func (d *disk) makeFolder(f *folder, name string) (*folder, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.names[name] != nil {
		return nil, syscall.EEXIST
	}
	made := d.newFolder()
	f.change(change{name: made})
	return made, 0
}

func (d *disk) remove(f *folder, name string) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := f.names[name]
	if e == nil {
		return syscall.ENOENT
	}
	if isFull(e) {
		return syscall.ENOTEMPTY
	}
	f.change(change{name: nil})
	return 0
}

// isFull tells whether an entry is a folder with something in it.
func isFull(e entry) bool {
	f, ok := e.(*folder)
	return ok && len(f.names) > 0
}

func (d *disk) rename(from *folder, name string, to *folder, newName string) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := from.names[name]
	switch {
	case e == nil:
		return syscall.ENOENT
	case from != to:
		return syscall.EXDEV
	case name == newName:
		return 0
	case isFull(from.names[newName]):
		return syscall.ENOTEMPTY
	}
	from.change(change{name: nil, newName: e})
	return 0
}

func (d *disk) setFull(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

func (d *disk) setFails(fails bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = fails
}

func (d *disk) syncFolder(f *folder) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.sync()
}
