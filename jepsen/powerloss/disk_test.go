package powerloss

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
)

// nothing is the loss of all that was not synced, some one that leaves a part.
func nothing() chance           { return chance{nothing: true} }
func some(seed uint64) chance   { return chance{random: rand.New(rand.NewPCG(seed, 0))} }
func fill(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

// newFileIn makes a file whose name lasts.
func newFileIn(t *testing.T, d *disk, name string) *file {
	t.Helper()
	f, errno := d.open(d.root, name, true)
	if errno != 0 {
		t.Fatal(errno)
	}
	d.syncFolder(d.root)
	return f
}

func (d *disk) mustHold(t *testing.T, f *file, want []byte) {
	t.Helper()
	if got := d.read(f, make([]byte, 1<<20), 0); !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d; they differ at %d", len(got), len(want), firstDifference(got, want))
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func TestWhatWasSyncedLasts(t *testing.T) {
	for name, loss := range map[string]chance{"all is lost": nothing(), "some is lost": some(1)} {
		t.Run(name, func(t *testing.T) {
			d := newDisk()
			f := newFileIn(t, d, "f")
			var want []byte
			for i := range 40 {
				// Over the ends of pages.
				part := fill(byte('a'+i%26), 1000)
				d.write(f, part, int64(len(want)))
				want = append(want, part...)
			}
			d.syncFile(f)
			d.losePower(loss)
			d.mustHold(t, f, want)
			d.losePower(loss)
			d.mustHold(t, f, want)
		})
	}
}

func TestWhatWasNotSyncedIsLost(t *testing.T) {
	d := newDisk()
	f := newFileIn(t, d, "f")
	d.write(f, fill('a', 3*pageBytes), 0)
	d.syncFile(f)
	d.write(f, fill('b', 10), pageBytes)
	d.write(f, fill('c', 5*pageBytes), 2*pageBytes)
	d.losePower(nothing())
	d.mustHold(t, f, fill('a', 3*pageBytes))

	d.truncate(f, 100)
	d.mustHold(t, f, fill('a', 100))
	d.truncate(f, 200)
	d.mustHold(t, f, append(fill('a', 100), make([]byte, 100)...))
	d.losePower(nothing())
	d.mustHold(t, f, fill('a', 3*pageBytes))

	d.truncate(f, 100)
	d.syncFile(f)
	d.truncate(f, 2*pageBytes)
	d.losePower(nothing())
	d.mustHold(t, f, fill('a', 100))
}

func TestWhatASyncFailedToWriteIsNotWrittenByTheNext(t *testing.T) {
	d := newDisk()
	f := newFileIn(t, d, "f")
	d.write(f, fill('a', 3*pageBytes), 0)
	d.syncFile(f)
	d.write(f, fill('b', 2*pageBytes), 0)
	d.setFails(true)
	if errno := d.syncFile(f); errno != syscall.EIO {
		t.Errorf("a sync that fails: %v", errno)
	}
	d.setFails(false)
	d.write(f, fill('c', 10), pageBytes)
	d.mustHold(t, f, slices.Concat(fill('b', pageBytes), fill('c', 10), fill('b', pageBytes-10), fill('a', pageBytes)))
	if errno := d.syncFile(f); errno != 0 {
		t.Error(errno)
	}
	d.losePower(nothing())
	d.mustHold(t, f, slices.Concat(fill('a', pageBytes), fill('c', 10), fill('b', pageBytes-10), fill('a', pageBytes)))
}

// TestWhatWasNotSyncedIsTornAtSectors has a synced file overwritten, and looks
// at what many losses leave of it.
func TestWhatWasNotSyncedIsTornAtSectors(t *testing.T) {
	seen := make(map[string]bool)
	for seed := range uint64(200) {
		d := newDisk()
		f := newFileIn(t, d, "f")
		d.write(f, fill('a', 2*pageBytes), 0)
		d.syncFile(f)
		d.write(f, fill('b', 2*pageBytes), 0)
		d.write(f, fill('c', 10), 2*pageBytes)
		d.losePower(some(seed))
		left := d.read(f, make([]byte, 3*pageBytes), 0)
		seen[fmt.Sprint("length ", len(left))] = true
		for page := range slices.Chunk(left[:2*pageBytes], pageBytes) {
			kept := bytes.Count(page, []byte("b"))
			if !bytes.Equal(page, append(fill('b', kept), fill('a', pageBytes-kept)...)) || kept%sectorBytes > 0 {
				t.Fatalf("seed %d: %d bytes of a page are new, and not the first", seed, kept)
			}
			seen[fmt.Sprint("page ", kept)] = true
		}
		again := d.read(f, make([]byte, 3*pageBytes), 0)
		d.losePower(some(seed + 1))
		if !bytes.Equal(again, d.read(f, make([]byte, 3*pageBytes), 0)) {
			t.Fatalf("seed %d: what was left is lost with the next loss", seed)
		}
	}
	for _, want := range []string{"length 8192", "length 8202", "page 0", "page 4096", "page 512", "page 2048"} {
		if !seen[want] {
			t.Errorf("no loss left %s", want)
		}
	}
}

// tree is a disk after some changes of names: a was synced and then renamed to b,
// c made, e made in the folder d.
func tree(t *testing.T, sync func(d *disk, sub *folder)) *disk {
	t.Helper()
	d := newDisk()
	newFileIn(t, d, "a")
	sub, errno := d.makeFolder(d.root, "d")
	if errno != 0 {
		t.Fatal(errno)
	}
	d.syncFolder(d.root)
	for _, step := range []syscall.Errno{
		d.rename(d.root, "a", d.root, "b"),
		func() syscall.Errno { _, errno := d.open(d.root, "c", true); return errno }(),
		func() syscall.Errno { _, errno := d.open(sub, "e", true); return errno }(),
		d.remove(d.root, "b"),
	} {
		if step != 0 {
			t.Fatal(step)
		}
	}
	sync(d, sub)
	return d
}

// paths are the paths of all that there is.
func (f *folder) paths() (paths []string) {
	for _, name := range f.list() {
		paths = append(paths, name)
		if sub, ok := f.names[name].(*folder); ok {
			for _, path := range sub.paths() {
				paths = append(paths, name+"/"+path)
			}
		}
	}
	return paths
}

func TestNamesLastWhenTheirFolderWasSynced(t *testing.T) {
	for _, test := range []struct {
		name string
		sync func(d *disk, sub *folder)
		want []string
	}{
		{"without a sync", func(*disk, *folder) {}, []string{"a", "d"}},
		{"the folder above", func(d *disk, _ *folder) { d.syncFolder(d.root) }, []string{"c", "d"}},
		{"the folder below", func(d *disk, sub *folder) { d.syncFolder(sub) }, []string{"a", "d", "d/e"}},
		{"both", func(d *disk, sub *folder) { d.syncFolder(d.root); d.syncFolder(sub) }, []string{"c", "d", "d/e"}},
		{"a file does not bring its name along", func(d *disk, sub *folder) {
			d.syncFile(d.root.names["c"].(*file))
			d.syncFile(sub.names["e"].(*file))
		}, []string{"a", "d"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := tree(t, test.sync)
			d.losePower(nothing())
			if got := d.root.paths(); !slices.Equal(got, test.want) {
				t.Errorf("left are %v, want %v", got, test.want)
			}
		})
	}
}

func TestNothingIsLostOfFoldersThatWereSynced(t *testing.T) {
	for seed := range uint64(20) {
		d := tree(t, func(d *disk, sub *folder) { d.syncFolder(d.root); d.syncFolder(sub) })
		d.losePower(some(seed))
		if got := d.root.paths(); !slices.Equal(got, []string{"c", "d", "d/e"}) {
			t.Fatalf("seed %d: left are %v", seed, got)
		}
	}
}

// TestTheFirstChangesOfNamesAreLeft looks at what many losses leave.
func TestTheFirstChangesOfNamesAreLeft(t *testing.T) {
	seen := make(map[string]bool)
	for seed := range uint64(100) {
		d := tree(t, func(*disk, *folder) {})
		d.losePower(some(seed))
		seen[fmt.Sprint(d.root.paths())] = true
	}
	want := []string{"[a d]", "[b d]", "[b c d]", "[c d]", "[a d d/e]", "[b d d/e]", "[b c d d/e]", "[c d d/e]"}
	for _, names := range want {
		if !seen[names] {
			t.Errorf("no loss left %s", names)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("some loss left something else: %v", seen)
	}
}

func TestTheSameSeedLosesTheSame(t *testing.T) {
	left := func(seed uint64) string {
		d := newDisk()
		text := ""
		for i := range 5 {
			f := newFileIn(t, d, fmt.Sprint("f", i))
			d.write(f, fill('a', 10*pageBytes), 0)
		}
		d.losePower(some(seed))
		for _, name := range d.root.list() {
			text += string(d.read(d.root.names[name].(*file), make([]byte, 10*pageBytes), 0))
		}
		return text
	}
	if first, again := left(1), left(1); first != again || first == left(2) {
		t.Error("what is lost does not follow the seed")
	}
}

func TestNamesAreRefusedAsOnADisk(t *testing.T) {
	d := newDisk()
	newFileIn(t, d, "f")
	sub, _ := d.makeFolder(d.root, "d")
	d.open(sub, "e", true)
	_, again := d.open(d.root, "f", true)
	_, folderAgain := d.makeFolder(d.root, "f")
	_, absent := d.lookup(d.root, "g")
	for name, test := range map[string][2]error{
		"a file that is there":                     {again, syscall.EEXIST},
		"a folder that is there":                   {folderAgain, syscall.EEXIST},
		"what is not there":                        {absent, syscall.ENOENT},
		"removing what is not there":               {d.remove(d.root, "g"), syscall.ENOENT},
		"removing a folder with something in it":   {d.remove(d.root, "d"), syscall.ENOTEMPTY},
		"renaming what is not there":               {d.rename(d.root, "g", d.root, "h"), syscall.ENOENT},
		"renaming into another folder":             {d.rename(d.root, "f", sub, "f"), syscall.EXDEV},
		"renaming over a folder with more than it": {d.rename(d.root, "f", d.root, "d"), syscall.ENOTEMPTY},
	} {
		if !errors.Is(test[0], test[1]) {
			t.Errorf("%s: %v, want %v", name, test[0], test[1])
		}
	}
}

func TestAFullDiskTakesNothingMore(t *testing.T) {
	d := newDisk()
	f := newFileIn(t, d, "f")
	d.write(f, fill('a', 10), 0)
	d.setFull(true)
	if errno := d.write(f, fill('b', 10), pageBytes-5); errno != syscall.ENOSPC {
		t.Errorf("a full disk took another page: %v", errno)
	}
	if errno := d.write(f, fill('c', 10), 5); errno != 0 {
		t.Errorf("a full disk does not take what it has room for: %v", errno)
	}
	d.mustHold(t, f, append(fill('a', 5), fill('c', 10)...))
	d.setFull(false)
	if errno := d.write(f, fill('b', 10), pageBytes-5); errno != 0 {
		t.Error(errno)
	}
}
