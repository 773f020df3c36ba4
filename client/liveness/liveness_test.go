package liveness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// expect checks a verdict and a word of its reason.
func expect(t *testing.T, got Judgement, verdict registry.HolderVerdict, says string) {
	t.Helper()
	if got.Verdict != verdict || !strings.Contains(got.Reason, says) {
		t.Errorf("%s: %q, want %s: %q", got.Verdict, got.Reason, verdict, says)
	}
}

// made is a host whose files are made up.
func made(t *testing.T) host {
	t.Helper()
	h := host{root: t.TempDir(), pid: 7, gone: func(uint32) bool { return true }}
	for _, dir := range []string{"etc", "proc/self/ns", "proc/sys/kernel/random", "proc/7", "proc/41"} {
		if err := os.MkdirAll(filepath.Join(h.root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h.write(t, "etc/machine-id", "3d1219c7\n")
	h.write(t, "proc/self/status", "Name:\tx\nNStgid:\t7\nNSpid:\t7\nNSpgid:\t7\n")
	h.write(t, "proc/sys/kernel/random/boot_id", "boot-1\n")
	h.write(t, "proc/7/stat", statLine(7, "me", "100"))
	h.write(t, "proc/41/stat", statLine(41, "worker", "555"))
	h.link(t, "pid", "pid:[11]")
	h.link(t, "time", "time:[22]")
	return h
}

func (h host) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.root, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (h host) link(t *testing.T, kind, to string) {
	t.Helper()
	path := filepath.Join(h.root, "proc/self/ns", kind)
	_ = os.Remove(path)
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

func (h host) remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(h.root, name)); err != nil {
		t.Fatal(err)
	}
}

// statLine is a stat line whose fields are their own numbers, but for pid, name
// and start.
func statLine(pid int, name, start string) string {
	line := fmt.Sprintf("%d (%s) S", pid, name)
	for field := 4; field <= 52; field++ {
		if field == 22 {
			line += " " + start
			continue
		}
		line += fmt.Sprint(" ", 1000+field)
	}
	return line + "\n"
}

func TestTheStartIsField22AfterTheLastParenthesis(t *testing.T) {
	h := made(t)
	for _, name := range []string{"worker", "a b", "", "a) S 1 2 3", ") ) )", "x) ", "(y"} {
		h.write(t, "proc/41/stat", statLine(41, name, "31415"))
		if start, err := h.start(41); err != nil || start != "31415" {
			t.Errorf("with the name %q: %q, %v", name, start, err)
		}
	}
	for _, line := range []string{"", "41", "41 (worker)", "41 (worker) S 1 2 3", strings.Replace(statLine(41, "w", "1"), ")", "", 1)} {
		h.write(t, "proc/41/stat", line)
		if start, err := h.start(41); err == nil {
			t.Errorf("%q has the start %q", line, start)
		}
	}
}

func TestWhereALivenessIsOpaque(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(t *testing.T, h host)
	}{
		{"without a /proc", func(t *testing.T, h host) { h.remove(t, "proc") }},
		{"in the /proc of an outer PID namespace", func(t *testing.T, h host) { h.write(t, "proc/self/status", "NSpid:\t4711\t7\n") }},
		{"in one that calls this process by our pid too", func(t *testing.T, h host) { h.write(t, "proc/self/status", "NSpid:\t7\t7\n") }},
		{"where the kernel does not say so", func(t *testing.T, h host) { h.write(t, "proc/self/status", "Name:\tx\n") }},
		{"without a boot id", func(t *testing.T, h host) { h.remove(t, "proc/sys/kernel/random/boot_id") }},
		{"with an empty boot id", func(t *testing.T, h host) { h.write(t, "proc/sys/kernel/random/boot_id", "\n") }},
		{"without a PID namespace", func(t *testing.T, h host) { h.remove(t, "proc/self/ns/pid") }},
		{"with a time namespace that cannot be read", func(t *testing.T, h host) {
			h.remove(t, "proc/self/ns/time")
			h.write(t, "proc/self/ns/time", "")
		}},
		{"without any name of the machine", func(t *testing.T, h host) { h.remove(t, "etc/machine-id") }},
		{"with a stat line of its own that ends early", func(t *testing.T, h host) { h.write(t, "proc/7/stat", "7 (me) S 1") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := made(t)
			holder, err := h.of(41)
			if err != nil || h.self().Kind != registry.LivenessLocalProcess {
				t.Fatalf("before: %+v, %v", holder, err)
			}
			h.remove(t, "proc/41")
			test.make(t, h)
			if self := h.self(); self != (registry.LeaseOwnerLiveness{Kind: registry.LivenessOpaque}) {
				t.Errorf("it is %+v", self)
			}
			expect(t, h.judge(holder, h.self()), registry.VerdictUnknown, "")
		})
	}
}

func TestHostsAreToldApart(t *testing.T) {
	base := made(t).self()
	for _, test := range []struct {
		name string
		make func(t *testing.T, h host)
		same bool
	}{
		{"nothing differs", func(*testing.T, host) {}, true},
		{"another PID namespace", func(t *testing.T, h host) { h.link(t, "pid", "pid:[12]") }, false},
		{"another time namespace", func(t *testing.T, h host) { h.link(t, "time", "time:[23]") }, false},
		{"another machine", func(t *testing.T, h host) { h.write(t, "etc/machine-id", "ffff") }, false},
		{"another boot", func(t *testing.T, h host) { h.write(t, "proc/sys/kernel/random/boot_id", "boot-2") }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := made(t)
			test.make(t, h)
			other := h.self()
			if other.Kind != registry.LivenessLocalProcess || other.SameHost(base) != test.same {
				t.Errorf("%+v and %+v", base, other)
			}
		})
	}
	t.Run("the machine id stays on the machine", func(t *testing.T) {
		if strings.Contains(base.HostID, "3d1219c7") || !strings.HasSuffix(base.HostID, "/pid:[11]/time:[22]") {
			t.Errorf("host id %q", base.HostID)
		}
	})
	t.Run("a kernel without time namespaces will do", func(t *testing.T) {
		h := made(t)
		h.remove(t, "proc/self/ns/time")
		if self := h.self(); !strings.HasSuffix(self.HostID, "/pid:[11]") {
			t.Errorf("host id %q", self.HostID)
		}
	})
	t.Run("the host name stands in for a missing machine id", func(t *testing.T) {
		h := made(t)
		h.remove(t, "etc/machine-id")
		h.write(t, "proc/sys/kernel/hostname", "vm\n")
		if self := h.self(); self.Kind != registry.LivenessLocalProcess || self.SameHost(base) {
			t.Errorf("%+v", self)
		}
	})
}

func TestWhatIsNotDeath(t *testing.T) {
	for _, test := range []struct {
		name   string
		make   func(t *testing.T, h *host, holder *registry.LeaseOwnerLiveness)
		reason string
	}{
		{"a process that /proc hides", func(t *testing.T, h *host, _ *registry.LeaseOwnerLiveness) {
			h.remove(t, "proc/41")
			h.gone = func(uint32) bool { return false }
		}, "cannot be looked at"},
		{"a stat line that cannot be read", func(t *testing.T, h *host, _ *registry.LeaseOwnerLiveness) {
			h.remove(t, "proc/41/stat")
			if err := os.Mkdir(filepath.Join(h.root, "proc/41/stat"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "cannot be looked at"},
		{"a stat line that makes no sense", func(t *testing.T, h *host, _ *registry.LeaseOwnerLiveness) {
			h.write(t, "proc/41/stat", "41 (worker) S 1 2")
		}, "cannot be looked at"},
		{"a holder without a pid", func(_ *testing.T, _ *host, l *registry.LeaseOwnerLiveness) { l.PID = 0 }, "missing"},
		{"a holder with a pid that no process has", func(_ *testing.T, _ *host, l *registry.LeaseOwnerLiveness) { l.PID = 1 << 31 }, "missing"},
		{"a holder without a start time", func(_ *testing.T, _ *host, l *registry.LeaseOwnerLiveness) { l.ProcessStart = "" }, "missing"},
		{"an opaque holder", func(_ *testing.T, _ *host, l *registry.LeaseOwnerLiveness) { l.Kind = registry.LivenessOpaque }, "the holder does not say"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := made(t)
			holder, err := h.of(41)
			if err != nil {
				t.Fatal(err)
			}
			claimant := h.self()
			test.make(t, &h, &holder)
			expect(t, h.judge(holder, claimant), registry.VerdictUnknown, test.reason)
		})
	}
	t.Run("and an opaque claimant learns of none", func(t *testing.T) {
		h := made(t)
		holder, err := h.of(41)
		if err != nil {
			t.Fatal(err)
		}
		h.remove(t, "proc/41")
		expect(t, h.judge(holder, h.self()), registry.VerdictDead, "has ended")
		expect(t, h.judge(holder, registry.LeaseOwnerLiveness{}), registry.VerdictUnknown, "the claimant does not say")
	})
}
