package nemesis

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/process"
)

// drawClock sets wall clocks wrong. Only a takeover looks at the wall clock, so
// leadership moves meanwhile.
func drawClock(w *World, random *rand.Rand, leader *process.Node) Fault {
	nodes := w.Cluster.Nodes()
	offsets := []time.Duration{-24 * time.Hour, -time.Hour, -3 * time.Second, -200 * time.Millisecond, 200 * time.Millisecond, 3 * time.Second, time.Hour, 24 * time.Hour}
	strobe := random.IntN(3) == 0
	wrong := make(map[string]time.Duration)
	for _, n := range nodes {
		if n == leader || random.IntN(2) == 0 {
			wrong[n.ID] = offsets[random.IntN(len(offsets))]
		}
	}
	detail := fmt.Sprintf("wall clocks jump: %v", wrong)
	if strobe {
		detail = fmt.Sprintf("wall clocks strobe: %v", wrong)
	}
	transfers := 2 + random.IntN(3)
	return Fault{
		Detail: detail,
		Begin: func(ctx context.Context) error {
			for i := range transfers {
				for id, offset := range wrong {
					if strobe && i%2 == 1 {
						offset = -offset
					}
					if err := os.WriteFile(ClockFile(w.Dir, id), []byte(offset.String()), 0o600); err != nil {
						return err
					}
				}
				if err := w.moveLeadership(ctx); err != nil {
					return err
				}
				pass(ctx, 300*time.Millisecond)
			}
			return nil
		},
		End: func(ctx context.Context) error {
			for id := range wrong {
				if err := forget(ClockFile(w.Dir, id)); err != nil {
					return err
				}
			}
			return w.moveLeadership(ctx)
		},
	}
}

// forget removes a file that another fault may have removed already.
func forget(path string) error {
	err := os.Remove(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// moveLeadership hands leadership to whoever is fit for it.
func (w *World) moveLeadership(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	return mayFail(w.Admin.TransferLeadership(ctx, ""))
}

// drawStall has appends to the log hang. A leader keeps its leadership
// meanwhile, since heartbeats need no disk.
func drawStall(w *World, random *rand.Rand, leader *process.Node) Fault {
	struck := victims(w, random, leader)
	return Fault{
		Detail: "the disk hangs: " + namesOf(struck, leader),
		// A node ends itself after ten seconds.
		Hold:  between(random, 200*time.Millisecond, 4*time.Second),
		Begin: func(context.Context) error { return w.arm(struck, "hang log.append.before") },
		End:   func(context.Context) error { return w.disarm(struck) },
	}
}

// corruptTimeout is how long a node with a spoilt file has to start or refuse.
const corruptTimeout = 10 * time.Second

// drawCorrupt spoils a file of one node that is down. The node has to refuse to
// start, or to come up with the right state: what it holds is compared with the
// others at the end. A node that refused gets its files back, as from a copy of
// the disk. Only one node is struck at a time: a majority has all there is.
func drawCorrupt(w *World, random *rand.Rand, leader *process.Node) Fault {
	nodes := w.Cluster.Nodes()
	struck := nodes[random.IntN(len(nodes))]
	seed := random.Uint64()
	fault := Fault{Detail: "spoil a file of " + nameOf(struck, leader)}
	fault.Begin = func(ctx context.Context) (err error) {
		if err := struck.Kill(); err != nil {
			return err
		}
		kept := struck.DataDir + ".copy"
		if err := os.CopyFS(kept, os.DirFS(struck.DataDir)); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(kept)) }()
		if err := spoil(struck.DataDir, rand.New(rand.NewPCG(seed, 0))); err != nil {
			return err
		}
		w.expectEnd(struck.ID)
		if err := struck.Start(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, corruptTimeout)
		defer cancel()
		if struck.AwaitReady(ctx) == nil {
			return nil
		}
		if ended, _ := struck.Exited(); !ended {
			return fmt.Errorf("node %s has a spoilt file and neither serves nor ends", struck.ID)
		}
		if err := struck.AwaitCrash(ctx); err != nil {
			return err
		}
		if err := empty(struck.DataDir); err != nil {
			return err
		}
		return os.CopyFS(struck.DataDir, os.DirFS(kept))
	}
	return fault
}

// empty removes what is in a folder, which may be a file system of its own.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}

// spoil flips a few bytes of one file below a folder, or cuts its end off.
func spoil(dir string, random *rand.Rand) error {
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, statErr := entry.Info(); statErr == nil && info.Size() > 0 {
				files = append(files, path)
			}
		}
		return err
	})
	if err != nil || len(files) == 0 {
		return err
	}
	path := files[random.IntN(len(files))]
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if random.IntN(3) == 0 {
		text = text[:random.IntN(len(text))]
	} else {
		for range 1 + random.IntN(8) {
			text[random.IntN(len(text))] ^= 1 << random.IntN(8)
		}
	}
	return os.WriteFile(path, text, 0o600)
}
