package powerloss

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/registry"
)

// TestANodeOutlivesLossOfPower takes the power from a node of its own cluster:
// when it has just begun, when it has just taken a snapshot and has cut its log
// behind it, and when its disk has failed to sync. What no file system has to
// keep without a sync is lost each time: bytes, and names.
func TestANodeOutlivesLossOfPower(t *testing.T) {
	if here, _ := mounted(t); here == nil {
		return
	}
	nodetest.Exclusive(t)
	binary, err := process.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var v *Volume
	c, err := process.NewCluster(process.Options{
		Binary: binary, Dir: t.TempDir(), Nodes: 1, Args: []string{"--trailing-logs", "1", "--snapshot-interval", "1h"},
		Volume: func(_, dir string) (err error) {
			v, err = Mount(dir)
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), v.Close()); err != nil {
			t.Error(err)
		}
	})
	n := c.Node(0)
	if err := errors.Join(n.Start(), n.AwaitReady(t.Context())); err != nil {
		t.Fatal(err)
	}
	admin, err := client.Dial(c.Addrs())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	written := 0
	write := func() {
		t.Helper()
		for range 20 {
			if _, err := admin.RegisterProcess(t.Context(), note(fmt.Sprint("p", written))); err != nil {
				t.Fatal(err)
			}
			written++
		}
	}
	loseAndLook := func(when string) {
		t.Helper()
		if n.Running() {
			if err := n.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(v.LosePower(nil, false), n.Start(), n.AwaitReady(t.Context())); err != nil {
			log, _ := os.ReadFile(n.LogPath())
			t.Fatalf("%s: %v\n%s", when, err, log)
		}
		for i := range written {
			if _, err := admin.GetProcess(t.Context(), fmt.Sprint("p", i)); err != nil {
				t.Fatalf("%s: what was acknowledged is gone: process %d of %d: %v", when, i, written, err)
			}
		}
	}
	write()
	loseAndLook("at the beginning")
	write()
	if err := admin.TakeSnapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	loseAndLook("after a snapshot")
	write()
	loseAndLook("after the log went on behind a snapshot")
	write()
	v.FailSyncs(true)
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	refused := make(chan error, 1)
	go func() {
		_, err := admin.RegisterProcess(ctx, note("doubtful"))
		refused <- err
	}()
	if err := n.AwaitCrash(ctx); err != nil {
		t.Fatalf("a node whose disk does not sync: %v", err)
	}
	cancel()
	if err := <-refused; err == nil || registry.IsDefinite(err) {
		t.Errorf("a write that could not be synced is answered with %v", err)
	}
	v.FailSyncs(false)
	loseAndLook("after syncs had failed")
}

func note(id string) registry.ProcessRegistration {
	return registry.ProcessRegistration{
		ID: id, Disposition: registry.Rerunnable, Identity: registry.ProcessIdentity{Kind: "external"},
		Input:      registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON("null")},
		EventTypes: []registry.ProcessEventType{{Name: "note", PayloadSchema: registry.JSON("{}")}},
	}
}
