package liveness

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holdfast-registry/holdfast/registry"
)

// spawn starts a process that lives until it is killed, and returns once it
// runs.
func spawn(t *testing.T) *exec.Cmd {
	t.Helper()
	child := exec.Command("cat")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if child.ProcessState == nil {
			_ = child.Process.Kill()
			_ = child.Wait()
		}
	})
	// The echo shows that the program itself is there and not still its parent.
	if _, err := fmt.Fprintln(stdin, "up"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "up\n" {
		t.Fatalf("the child said %q (%v)", line, err)
	}
	return child
}

func of(t *testing.T, child *exec.Cmd) registry.LeaseOwnerLiveness {
	t.Helper()
	l, err := Of(uint32(child.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestRealProcesses(t *testing.T) {
	self := Self()
	if self.Kind != registry.LivenessLocalProcess || self.PID != uint32(os.Getpid()) || self.BootID == "" || self.ProcessStart == "" {
		t.Fatalf("this process is %+v", self)
	}
	t.Run("a process is no dead holder to itself", func(t *testing.T) {
		expect(t, Judge(self, self), registry.VerdictUnknown, "still there")
	})
	t.Run("a child that runs is not dead", func(t *testing.T) {
		holder := of(t, spawn(t))
		if !holder.SameHost(self) {
			t.Fatalf("%+v and %+v are on different hosts", holder, self)
		}
		expect(t, Judge(holder, self), registry.VerdictUnknown, "still there")
	})
	t.Run("a child that was killed is dead only when it was waited for", func(t *testing.T) {
		child := spawn(t)
		holder := of(t, child)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		awaitZombie(t, child.Process.Pid)
		expect(t, Judge(holder, self), registry.VerdictUnknown, "still there")
		if err := child.Wait(); err == nil {
			t.Fatal("the child ended well")
		}
		expect(t, Judge(holder, self), registry.VerdictDead, "has ended")
	})
	t.Run("a pid that another process has means death", func(t *testing.T) {
		holder := of(t, spawn(t))
		holder.ProcessStart += "0"
		expect(t, Judge(holder, self), registry.VerdictDead, "another one has its pid")
	})
	t.Run("a holder of another boot or host is not judged", func(t *testing.T) {
		child := spawn(t)
		holder := of(t, child)
		_ = child.Process.Kill()
		_ = child.Wait()
		expect(t, Judge(holder, self), registry.VerdictDead, "has ended")
		for _, change := range []func(l *registry.LeaseOwnerLiveness){
			func(l *registry.LeaseOwnerLiveness) { l.BootID = "of before the reboot" },
			func(l *registry.LeaseOwnerLiveness) { l.HostID = "of another container" },
		} {
			other := holder
			change(&other)
			expect(t, Judge(other, self), registry.VerdictUnknown, "another host")
			claimant := self
			change(&claimant)
			expect(t, Judge(holder, claimant), registry.VerdictUnknown, "another host")
			// The two agree with each other, but not with the machine that looks.
			expect(t, Judge(other, claimant), registry.VerdictUnknown, "than the one that judges")
		}
	})
	t.Run("a process that is not there has no liveness", func(t *testing.T) {
		child := spawn(t)
		_ = child.Process.Kill()
		_ = child.Wait()
		if l, err := Of(uint32(child.Process.Pid)); err == nil {
			t.Errorf("it has %+v", l)
		}
	})
}

// awaitZombie returns once a killed child is dead, and leaves it to be waited
// for.
func awaitZombie(t *testing.T, pid int) {
	t.Helper()
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			return
		}
		if err != unix.EINTR {
			t.Fatalf("await the end of %d: %v", pid, err)
		}
	}
}

func TestTheKernelIsAskedToo(t *testing.T) {
	child := spawn(t)
	pid := uint32(child.Process.Pid)
	if gone(pid) {
		t.Error("a child that runs is gone")
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if !gone(pid) {
		t.Error("a child that was waited for is not gone")
	}
	t.Run("a process of another user, which may not be signalled, is not gone", func(t *testing.T) {
		verdict := make(chan bool)
		go func() {
			// Only this thread becomes another user, and it ends with the goroutine.
			runtime.LockOSThread()
			const nobody = 65534
			if os.Geteuid() == 0 {
				if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
					t.Errorf("become another user: %v", errno)
				}
			}
			if err := unix.Kill(1, 0); err != unix.EPERM {
				t.Errorf("process 1 may be signalled: %v", err)
			}
			verdict <- gone(1)
		}()
		if <-verdict {
			t.Error("the first process is gone")
		}
	})
}
