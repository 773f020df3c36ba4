package powerloss

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// childVariable makes this program a child that works on a database: one that
// maps files into memory must not be the one that serves them.
const childVariable = "HOLDFAST_POWERLOSS_TEST_CHILD"

func TestMain(m *testing.M) {
	what := os.Getenv(childVariable)
	if what == "" {
		os.Exit(m.Run())
	}
	if err := child(what, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child writes entries into a database until it is killed, and says which are
// committed; or it reads the database and says how many there are.
func child(what, path string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	db.NoSync = what == "write without sync"
	if what == "read" {
		return db.View(count)
	}
	for n := uint64(1); ; n++ {
		err := db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			// What the mapped file shows of the last transaction.
			if got := bucket.Get(key(n - 1)); n > 1 && len(got) != length(n-1) {
				return fmt.Errorf("entry %d has %d bytes", n-1, len(got))
			}
			return bucket.Put(key(n), make([]byte, length(n)))
		})
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
}

func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// length is that of an entry: some are longer than a page.
func length(n uint64) int { return int(n * 397 % 9000) }

func count(tx *bbolt.Tx) error {
	for err := range tx.Check() {
		return err
	}
	bucket := tx.Bucket([]byte("b"))
	if bucket == nil {
		return errors.New("there is no bucket")
	}
	n := uint64(0)
	for ; bucket.Get(key(n+1)) != nil && len(bucket.Get(key(n+1))) == length(n+1); n++ {
	}
	fmt.Println(n)
	return nil
}

func command(what, path string) *exec.Cmd {
	c := exec.Command(os.Args[0], path)
	c.Env = append(os.Environ(), childVariable+"="+what)
	c.Stderr = os.Stderr
	return c
}

// mounted mounts a volume, or shows that there is none here and returns nil.
func mounted(t *testing.T) (v *Volume, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "volume")
	v, err := Mount(dir)
	if reason := Cannot(); reason != "" {
		t.Logf("nothing was mounted: %s", reason)
		if err == nil || err.Error() != reason {
			t.Errorf("mounted, or refused without the reason: %v", err)
		}
		return nil, dir
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v, dir
}

// syncDir makes the names in a folder last.
func syncDir(t *testing.T, path string) {
	t.Helper()
	folder, err := os.Open(path)
	if err == nil {
		err = errors.Join(folder.Sync(), folder.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// commits has a database written to until it has committed some entries, kills
// the writer, and returns how many entries it said are committed.
func commits(t *testing.T, path string, what string) (committed int) {
	t.Helper()
	writer := command(what, path)
	output, err := writer.StdoutPipe()
	if err == nil {
		err = writer.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if committed, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
		if committed == 1 {
			syncDir(t, filepath.Dir(path))
		}
		if committed == 100 {
			// It has to be in the middle of something.
			if err := writer.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := writer.Wait(); err == nil || committed < 100 {
		t.Fatalf("the writer ended after %d entries: %v", committed, err)
	}
	return committed
}

// TestADatabaseThatSyncsOutlivesLossOfPower kills a writer of a real bolt
// database, takes the power away, and reads it again. It needs root and FUSE.
// Elsewhere it shows that volumes are refused with a reason.
func TestADatabaseThatSyncsOutlivesLossOfPower(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			v, dir := mounted(t)
			if v == nil {
				return
			}
			path := filepath.Join(dir, "db")
			committed := commits(t, path, "write")
			if err := v.LosePower(rand.New(rand.NewPCG(seed, 0)), seed > 0); err != nil {
				t.Fatal(err)
			}
			output, err := command("read", path).Output()
			if err != nil {
				t.Fatalf("the database cannot be read: %v", err)
			}
			if left, err := strconv.Atoi(strings.TrimSpace(string(output))); err != nil || left < committed {
				t.Errorf("%d entries are left of %d (%v)", left, committed, err)
			}
		})
	}
}

func TestADatabaseThatDoesNotSyncIsLostWithThePower(t *testing.T) {
	v, dir := mounted(t)
	if v == nil {
		return
	}
	path := filepath.Join(dir, "db")
	committed := commits(t, path, "write without sync")
	if err := v.LosePower(nil, false); err != nil {
		t.Fatal(err)
	}
	read := command("read", path)
	read.Stderr = nil
	output, err := read.Output()
	if left, _ := strconv.Atoi(strings.TrimSpace(string(output))); err == nil && left >= committed {
		t.Errorf("%d entries are left of %d", left, committed)
	}
}

// TestFilesAndFolders goes through what programs do with files.
func TestFilesAndFolders(t *testing.T) {
	v, dir := mounted(t)
	if v == nil {
		return
	}
	do := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	do(os.Mkdir(at("d.tmp"), 0o750), os.WriteFile(at("d.tmp/f"), []byte("first"), 0o600), os.WriteFile(at("d.tmp/f"), []byte("2nd"), 0o600))
	do(os.Rename(at("d.tmp"), at("d")), os.WriteFile(at("gone"), nil, 0o600), os.Remove(at("gone")))
	do(os.WriteFile(at("cut"), []byte("abc"), 0o600), os.Truncate(at("cut"), 2))
	if err := os.Rename(at("cut"), at("d/cut")); err == nil {
		t.Error("a file was renamed into another folder")
	}
	look := func(name, want string) {
		t.Helper()
		if got, err := os.ReadFile(at(name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, want %q (%v)", name, got, want, err)
		}
	}
	list := func(want string) {
		t.Helper()
		var names []string
		do(filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if path != dir {
				names = append(names, strings.TrimPrefix(path, dir+"/"))
			}
			return err
		}))
		if got := strings.Join(names, " "); got != want {
			t.Errorf("there are %s, want %s", got, want)
		}
	}
	look("d/f", "2nd")
	look("cut", "ab")
	list("cut d d/f")
	syncDir(t, dir)
	do(v.LosePower(nil, false))
	list("cut d")
	look("cut", "")
	do(v.Fill())
	if err := os.WriteFile(at("more"), []byte("x"), 0o600); err == nil {
		t.Error("a full volume took more")
	}
	do(v.Empty(), os.WriteFile(at("more"), []byte("x"), 0o600))
}
