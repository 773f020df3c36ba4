package powerloss

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// folderNode serves a folder.
type folderNode struct {
	fs.Inode
	disk   *disk
	folder *folder
}

// fileNode serves a file. It is of any user's, since there is only one here.
type fileNode struct {
	fs.Inode
	disk *disk
	file *file
}

var (
	_ fs.NodeLookuper  = (*folderNode)(nil)
	_ fs.NodeCreater   = (*folderNode)(nil)
	_ fs.NodeMkdirer   = (*folderNode)(nil)
	_ fs.NodeUnlinker  = (*folderNode)(nil)
	_ fs.NodeRmdirer   = (*folderNode)(nil)
	_ fs.NodeRenamer   = (*folderNode)(nil)
	_ fs.NodeReaddirer = (*folderNode)(nil)
	_ fs.NodeFsyncer   = (*folderNode)(nil)
	_ fs.NodeGetattrer = (*folderNode)(nil)

	_ fs.NodeOpener    = (*fileNode)(nil)
	_ fs.NodeReader    = (*fileNode)(nil)
	_ fs.NodeWriter    = (*fileNode)(nil)
	_ fs.NodeFsyncer   = (*fileNode)(nil)
	_ fs.NodeGetattrer = (*fileNode)(nil)
	_ fs.NodeSetattrer = (*fileNode)(nil)
)

// node returns the node that serves an entry below n.
func (n *folderNode) node(ctx context.Context, e entry, out *fuse.EntryOut) *fs.Inode {
	switch e := e.(type) {
	case *folder:
		folderAttr(&out.Attr)
		return n.NewInode(ctx, &folderNode{disk: n.disk, folder: e}, fs.StableAttr{Mode: fuse.S_IFDIR, Ino: e.number()})
	case *file:
		n.disk.fileAttr(e, &out.Attr)
		return n.NewInode(ctx, &fileNode{disk: n.disk, file: e}, fs.StableAttr{Mode: fuse.S_IFREG, Ino: e.number()})
	}
	panic("an entry is a file or a folder")
}

func folderAttr(out *fuse.Attr) { out.Mode = fuse.S_IFDIR | 0o750 }

func (d *disk) fileAttr(f *file, out *fuse.Attr) {
	out.Mode, out.Size, out.Nlink = fuse.S_IFREG|0o600, uint64(d.size(f)), 1
}

// Lookup implements fs.NodeLookuper.
func (n *folderNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	e, errno := n.disk.lookup(n.folder, name)
	if errno != 0 {
		return nil, errno
	}
	return n.node(ctx, e, out), 0
}

// Create implements fs.NodeCreater.
func (n *folderNode) Create(ctx context.Context, name string, flags, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	f, errno := n.disk.open(n.folder, name, flags&syscall.O_EXCL != 0)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	if flags&syscall.O_TRUNC != 0 {
		n.disk.truncate(f, 0)
	}
	return n.node(ctx, f, out), nil, 0, 0
}

// Mkdir implements fs.NodeMkdirer.
func (n *folderNode) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f, errno := n.disk.makeFolder(n.folder, name)
	if errno != 0 {
		return nil, errno
	}
	return n.node(ctx, f, out), 0
}

// Unlink implements fs.NodeUnlinker.
func (n *folderNode) Unlink(_ context.Context, name string) syscall.Errno {
	return n.disk.remove(n.folder, name)
}

// Rmdir implements fs.NodeRmdirer.
func (n *folderNode) Rmdir(_ context.Context, name string) syscall.Errno {
	return n.disk.remove(n.folder, name)
}

// Rename implements fs.NodeRenamer.
func (n *folderNode) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	target, ok := to.(*folderNode)
	if !ok || flags != 0 {
		return syscall.EINVAL
	}
	return n.disk.rename(n.folder, name, target.folder, newName)
}

// Readdir implements fs.NodeReaddirer.
func (n *folderNode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	var list []fuse.DirEntry
	for _, name := range n.folder.list() {
		e := n.folder.names[name]
		mode := uint32(fuse.S_IFREG)
		if _, ok := e.(*folder); ok {
			mode = fuse.S_IFDIR
		}
		list = append(list, fuse.DirEntry{Name: name, Mode: mode, Ino: e.number()})
	}
	return fs.NewListDirStream(list), 0
}

// Fsync implements fs.NodeFsyncer.
func (n *folderNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.disk.syncFolder(n.folder)
	return 0
}

// Getattr implements fs.NodeGetattrer.
func (n *folderNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	folderAttr(&out.Attr)
	return 0
}

// Open implements fs.NodeOpener. The kernel keeps pages, as it does for files on
// a disk: what is mapped into memory shows what is written.
func (n *fileNode) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_TRUNC != 0 {
		n.disk.truncate(n.file, 0)
	}
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Read implements fs.NodeReader.
func (n *fileNode) Read(_ context.Context, _ fs.FileHandle, p []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	return fuse.ReadResultData(n.disk.read(n.file, p, offset)), 0
}

// Write implements fs.NodeWriter.
func (n *fileNode) Write(_ context.Context, _ fs.FileHandle, p []byte, offset int64) (uint32, syscall.Errno) {
	if errno := n.disk.write(n.file, p, offset); errno != 0 {
		return 0, errno
	}
	return uint32(len(p)), 0
}

// Fsync implements fs.NodeFsyncer.
func (n *fileNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return n.disk.syncFile(n.file)
}

// Getattr implements fs.NodeGetattrer.
func (n *fileNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.disk.fileAttr(n.file, &out.Attr)
	return 0
}

// Setattr implements fs.NodeSetattrer: of all attributes only the length is kept.
func (n *fileNode) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		n.disk.truncate(n.file, int64(size))
	}
	n.disk.fileAttr(n.file, &out.Attr)
	return 0
}
