package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/internal/nodetest"
)

// held is a command under lease hold, all of it real processes.
type held struct {
	*site
	holder *exec.Cmd
	dir    string
	stderr bytes.Buffer
	ended  chan struct{}
}

// hold runs a script under the lease of p, in a folder of its own, and waits
// until the script has made the file "ready" there.
func (s *site) hold(script string, flags ...string) *held {
	s.t.Helper()
	h := &held{site: s, dir: s.t.TempDir(), ended: make(chan struct{})}
	args := append([]string{"lease", "hold", "p", "--owner", "me"}, flags...)
	h.holder = exec.Command(binary, append(args, "--", "sh", "-c", script)...)
	h.holder.Dir, h.holder.Stderr = h.dir, &h.stderr
	h.holder.Env = append(os.Environ(), "HOLDFAST_ADDRS="+strings.Join(s.cluster.Addrs(), ","))
	// A command that outlives it has its stderr, and must not hold the test up.
	h.holder.WaitDelay = time.Second
	s.check(h.holder.Start())
	go func() {
		_ = h.holder.Wait()
		close(h.ended)
	}()
	s.t.Cleanup(func() {
		_ = h.holder.Process.Kill()
		<-h.ended
	})
	h.awaitFile("ready")
	return h
}

func (h *held) path(name string) string { return filepath.Join(h.dir, name) }

func (h *held) awaitFile(name string) string {
	h.t.Helper()
	var content []byte
	eventually(h.t, name+" is written", func() (err error) {
		if content, err = os.ReadFile(h.path(name)); err == nil && len(content) == 0 {
			err = errors.New("it is empty yet")
		}
		return err
	})
	return strings.TrimSpace(string(content))
}

// awaitEnd waits for the end of the program and returns its exit code.
func (h *held) awaitEnd() int {
	h.t.Helper()
	select {
	case <-h.ended:
		return h.holder.ProcessState.ExitCode()
	case <-time.After(nodetest.Patience):
		h.t.Fatal("it does not end")
		return 0
	}
}

// gone tells whether there is no process of a pid any more, or only what its
// parent has to fetch yet.
func gone(pid int) error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && !strings.Contains(string(stat), ") Z ") {
		err = fmt.Errorf("process %d is there: %s", pid, stat)
	}
	return err
}

// awaitFree waits until another owner gets the lease, which lasts a moment only.
func (s *site) awaitFree() {
	s.t.Helper()
	eventually(s.t, "the lease is free", func() error {
		outcome, err := s.client.ClaimProcessLease(s.t.Context(), "p", single("next"), 1)
		if err == nil && outcome.Busy != nil {
			err = errors.New("busy")
		}
		return err
	})
}

func TestLeaseHoldOnACluster(t *testing.T) {
	nodetest.Exclusive(t)
	s := newSite(t, 3)
	s.register("p")

	t.Run("signals reach the command, whose lease is released", func(t *testing.T) {
		h := s.hold(`trap "exit 5" TERM; echo > ready; while :; do sleep 0.05; done`)
		s.check(h.holder.Process.Signal(syscall.SIGTERM))
		if code := h.awaitEnd(); code != 5 {
			t.Errorf("exit code %d, stderr %s", code, h.stderr.String())
		}
		if lease, err := s.client.GetProcessLease(t.Context(), "p"); err != nil || lease != nil {
			t.Errorf("the lease is %+v, %v", lease, err)
		}
	})
	t.Run("the command dies with a program that is killed", func(t *testing.T) {
		h := s.hold(`echo $$ > pid; echo > ready; while :; do sleep 0.05; done`, "--ttl", "1s")
		pid, err := strconv.Atoi(h.awaitFile("pid"))
		s.check(err)
		s.check(h.holder.Process.Kill())
		h.awaitEnd()
		eventually(t, "the command is gone", func() error { return gone(pid) })
		// The lease runs out by itself.
		s.awaitFree()
	})
	t.Run("a program that was stopped for too long ends the command when it goes on", func(t *testing.T) {
		h := s.hold(`echo $$ > pid; echo > ready; while :; do sleep 0.05; done`, "--ttl", "1s")
		pid, err := strconv.Atoi(h.awaitFile("pid"))
		s.check(err)
		s.check(h.holder.Process.Signal(syscall.SIGSTOP))
		s.awaitFree()
		s.check(h.holder.Process.Signal(syscall.SIGCONT))
		if code := h.awaitEnd(); code != exitLost {
			t.Errorf("exit code %d, stderr %s", code, h.stderr.String())
		}
		s.check(gone(pid))
	})
	t.Run("the death of the leader does not end it", func(t *testing.T) {
		h := s.hold(`echo > ready; while ! test -e go; do sleep 0.05; done`, "--ttl", "12s")
		before, err := s.client.GetProcessLease(t.Context(), "p")
		s.check(err)
		leader, err := s.cluster.Leader(t.Context())
		s.check(err)
		s.check(s.cluster.Node(leader).Kill())
		eventually(t, "it is renewed", func() error {
			lease, err := s.client.GetProcessLease(t.Context(), "p")
			if err == nil && (lease == nil || lease.ExpiresAtMs < before.ExpiresAtMs+8_000) {
				err = fmt.Errorf("the lease is %+v", lease)
			}
			return err
		})
		s.check(os.WriteFile(h.path("go"), nil, 0o600))
		if code := h.awaitEnd(); code != exitOK {
			t.Errorf("exit code %d, stderr %s", code, h.stderr.String())
		}
		s.check(s.cluster.Node(leader).Start())
		s.check(s.cluster.Node(leader).AwaitReady(t.Context()))
	})
	t.Run("a cluster that is gone ends it while the lease is trusted", func(t *testing.T) {
		const ttl, grace = 9 * time.Second, time.Second
		h := s.hold(`trap "echo > terminated" TERM; echo $$ > pid; echo > ready; while :; do sleep 0.05; done`,
			"--ttl", ttl.String(), "--grace", grace.String(), "--timeout", "1s", "--output", "json")
		pid, err := strconv.Atoi(h.awaitFile("pid"))
		s.check(err)
		for i := range s.cluster.Len() {
			s.check(s.cluster.Node(i).Pause())
		}
		paused := time.Now()
		h.awaitFile("terminated")
		if took := time.Since(paused); took > ttl-grace {
			t.Errorf("SIGTERM came %v after the pause began, which leaves no grace of %v", took, grace)
		}
		eventually(t, "the command is gone", func() error { return gone(pid) })
		// The last renewal that was answered had been sent before the pause.
		if took := time.Since(paused); took > ttl {
			t.Errorf("it ended %v after the pause began, under a lease of %v", took, ttl)
		}
		if code := h.awaitEnd(); code != exitLost {
			t.Errorf("exit code %d", code)
		}
		// The shell may have a line of its own about what it was waiting for.
		if _, object, found := strings.Cut("\n"+h.stderr.String(), "\n{"); !found || !strings.Contains(object, `"code":"LeaseExpired"`) {
			t.Errorf("stderr %s", h.stderr.String())
		}
		for i := range s.cluster.Len() {
			s.check(s.cluster.Node(i).Resume())
		}
	})
}
