package powerloss

import (
	"maps"
	"slices"
	"syscall"
)

const (
	// pageBytes is the unit in which written bytes come to the disk, sectorBytes
	// the one that is never torn.
	pageBytes   = 4096
	sectorBytes = 512
)

// file is a file. Pages that were synced are never changed: a write replaces
// them, so that both states share what they have in common.
type file struct {
	inode
	now, synced content
	// dirty are the pages in which the two differ, and that the next sync writes.
	// dropped are those that a sync failed to write: nobody will again.
	dirty, dropped map[int64]bool
}

// content is the bytes of a file. A page that is missing is all zeros.
type content struct {
	size  int64
	pages map[int64][]byte
}

func newFile(n inode) *file {
	return &file{inode: n, now: content{pages: make(map[int64][]byte)}, synced: content{pages: make(map[int64][]byte)}, dirty: make(map[int64]bool), dropped: make(map[int64]bool)}
}

func (d *disk) size(f *file) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return f.now.size
}

// read reads what there is at an offset.
func (d *disk) read(f *file, p []byte, offset int64) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	p = p[:max(0, min(int64(len(p)), f.now.size-offset))]
	for done := 0; done < len(p); {
		page, in := (offset+int64(done))/pageBytes, (offset+int64(done))%pageBytes
		part := p[done:min(len(p), done+int(pageBytes-in))]
		if bytes := f.now.pages[page]; bytes != nil {
			copy(part, bytes[in:])
		} else {
			clear(part)
		}
		done += len(part)
	}
	return p
}

// write writes bytes at an offset. A full disk takes none for which it needs
// another page.
func (d *disk) write(f *file, p []byte, offset int64) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	end := offset + int64(len(p))
	for page := offset / pageBytes; d.full && page*pageBytes < end; page++ {
		if f.now.pages[page] == nil {
			return syscall.ENOSPC
		}
	}
	for done := 0; done < len(p); {
		page, in := (offset+int64(done))/pageBytes, (offset+int64(done))%pageBytes
		done += copy(f.page(page)[in:], p[done:])
	}
	f.now.size = max(f.now.size, end)
	return 0
}

// page returns a page that may be written to.
func (f *file) page(i int64) []byte {
	if bytes := f.now.pages[i]; bytes != nil && f.dirty[i] {
		return bytes
	}
	bytes := make([]byte, pageBytes)
	copy(bytes, f.now.pages[i])
	f.now.pages[i], f.dirty[i] = bytes, true
	delete(f.dropped, i)
	return bytes
}

func (d *disk) truncate(f *file, size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	shorter := size < f.now.size
	if f.now.size = size; shorter {
		f.cut()
	}
}

func (d *disk) syncFile(f *file) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fails {
		// As a kernel does: what could not be written is not tried again, and the
		// next sync knows nothing of it.
		maps.Copy(f.dropped, f.dirty)
		clear(f.dirty)
		return syscall.EIO
	}
	f.sync()
	return 0
}

func (f *file) sync() {
	for i := range f.dirty {
		if bytes := f.now.pages[i]; bytes != nil {
			f.synced.pages[i] = bytes
		} else {
			delete(f.synced.pages, i)
		}
	}
	f.synced.size = f.now.size
	clear(f.dirty)
}

// lose puts into the place of every dirty page what is left of it, and calls the
// whole synced: it is on the disk.
func (f *file) lose(c chance) {
	for i := range f.dropped {
		f.now.pages[i], f.dirty[i] = f.synced.pages[i], true
	}
	clear(f.dropped)
	for _, i := range slices.Sorted(maps.Keys(f.dirty)) {
		kept := 0
		if !c.nothing && c.random.IntN(2) == 0 {
			kept = pageBytes
			if c.random.IntN(3) == 0 {
				kept = sectorBytes * c.random.IntN(pageBytes/sectorBytes+1)
			}
		}
		bytes := make([]byte, pageBytes)
		copy(bytes, f.synced.pages[i])
		if written := f.now.pages[i]; written != nil {
			copy(bytes, written[:kept])
		} else if kept > 0 {
			clear(bytes[:kept])
		}
		f.now.pages[i] = bytes
	}
	if c.nothing || c.random.IntN(2) == 0 {
		f.now.size = f.synced.size
	}
	f.cut()
	f.sync()
}

// cut drops the bytes behind the end, which a longer file must not show again.
func (f *file) cut() {
	for i := range f.now.pages {
		if i*pageBytes >= f.now.size {
			delete(f.now.pages, i)
			f.dirty[i] = true
		}
	}
	if last := f.now.size / pageBytes; f.now.pages[last] != nil {
		clear(f.page(last)[f.now.size%pageBytes:])
	}
}
