package liveness

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/holdfast-registry/holdfast/registry"
)

// place is the part of the liveness that all processes have which see this
// host in the same way.
func (h host) place() (registry.LeaseOwnerLiveness, error) {
	fail := func(err error) (registry.LeaseOwnerLiveness, error) {
		return registry.LeaseOwnerLiveness{}, fmt.Errorf("processes of this host cannot be told apart: %w", err)
	}
	if err := h.checkProc(); err != nil {
		return fail(err)
	}
	boot, err := h.read("proc/sys/kernel/random/boot_id")
	if err != nil {
		return fail(err)
	}
	if boot == "" {
		return fail(errors.New("the boot id is empty"))
	}
	id, err := h.id()
	if err != nil {
		return fail(err)
	}
	return registry.LeaseOwnerLiveness{Kind: registry.LivenessLocalProcess, HostID: id, BootID: boot}, nil
}

// checkProc refuses the /proc of an outer PID namespace, which shows other
// processes under our pids. The kernel lists there what a process is called in
// every namespace from that of the /proc down to its own: one pid, our own, if
// the two are the same.
func (h host) checkProc() error {
	status, err := h.read("proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(status) {
		if pids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			if own := strconv.FormatUint(uint64(h.pid), 10); strings.TrimSpace(pids) != own {
				return fmt.Errorf("/proc is that of another PID namespace: this process is %s there, and %s here", strings.TrimSpace(pids), own)
			}
			return nil
		}
	}
	return errors.New("/proc/self/status has no NSpid")
}

// id is the host id: machine, PID namespace, time namespace.
func (h host) id() (string, error) {
	pids, err := h.namespace("pid")
	if err != nil {
		return "", err
	}
	// Kernels before 5.6 have one time for all.
	times, err := h.namespace("time")
	if err != nil && !os.IsNotExist(err) {
		return "", err
	}
	machine, err := h.machine()
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(machine+"/"+pids+"/"+times, "/"), nil
}

// namespace is how the kernel calls a namespace of this process: its kind and
// inode, such as pid:[4026531836].
func (h host) namespace(kind string) (string, error) {
	return os.Readlink(filepath.Join(h.root, "proc/self/ns", kind))
}

// machine names the machine without giving its machine id away, which is meant
// to stay on it.
func (h host) machine() (string, error) {
	var last error
	for _, name := range []string{"etc/machine-id", "proc/sys/kernel/hostname"} {
		text, err := h.read(name)
		if err == nil && text != "" {
			digest := sha256.Sum256([]byte("holdfast host\x00" + name + "\x00" + text))
			return hex.EncodeToString(digest[:16]), nil
		}
		last = err
	}
	if last == nil {
		last = errors.New("the host has neither a machine id nor a name")
	}
	return "", last
}

// start is when a process started, in the kernel's own text: field 22 of its
// stat line. Field 2 is the program's name in parentheses and may hold anything,
// so what follows the last ") " is counted.
func (h host) start(pid uint32) (string, error) {
	stat, err := h.read(fmt.Sprintf("proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	const startAfterName = 22 - 2
	end := strings.LastIndex(stat, ") ")
	if end < 0 {
		return "", errors.New("its stat line has no name")
	}
	fields := strings.Fields(stat[end+len(") "):])
	if len(fields) < startAfterName {
		return "", fmt.Errorf("its stat line ends after %d fields", len(fields)+2)
	}
	return fields[startAfterName-1], nil
}

func (h host) read(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(h.root, name))
	return strings.TrimSpace(string(text)), err
}

// possible tells that a process can have the pid.
func possible(pid uint32) bool { return pid > 0 && pid <= math.MaxInt32 }

// gone asks the kernel itself for a process. A /proc that is mounted with
// hidepid shows no processes of other users, and what cannot be seen there may
// well live.
func gone(pid uint32) bool {
	process, err := os.FindProcess(int(pid))
	if err != nil {
		return false
	}
	err = process.Signal(syscall.Signal(0))
	return errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH)
}
