package network

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inside runs a function in the namespace of a node. What it opens stays there.
func inside(t *testing.T, n *Namespaces, id string, do func() error) {
	t.Helper()
	namespace := n.hosts[id].namespace
	if namespace == "" {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		return
	}
	done := make(chan error)
	go func() {
		// The thread ends with the goroutine, since it is never unlocked.
		runtime.LockOSThread()
		file, err := os.Open(filepath.Join("/var/run/netns", namespace))
		if err == nil {
			err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = do()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// newNamespaces makes the network, or shows that it is refused with a reason
// where it cannot be had.
func newNamespaces(t *testing.T) *Namespaces {
	n, err := NewNamespaces()
	_, missing := exec.LookPath("ip")
	if os.Geteuid() != 0 || missing != nil {
		if err == nil || !strings.Contains(err.Error(), "use the proxy") {
			t.Errorf("no way out is told: %v", err)
		}
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		for _, words := range [][]string{{"netns", "list"}, {"-o", "link"}} {
			out, _ := exec.Command("ip", words...).CombinedOutput()
			if strings.Contains(string(out), fmt.Sprint(os.Getpid())) {
				t.Errorf("left behind: %s", out)
			}
		}
	})
	return n
}

func TestNamespacesCutOneDirectionOfOnePair(t *testing.T) {
	n := newNamespaces(t)
	if n == nil {
		return
	}
	packets := make(map[string]net.PacketConn)
	address := map[string]string{Clients: n.hosts[Clients].ip}
	for _, id := range []string{"n1", "n2"} {
		ip, enter, err := n.Place(id)
		if err != nil {
			t.Fatal(err)
		}
		address[id] = ip
		if out, err := exec.Command(enter[0], append(enter[1:], "ip", "-4", "addr")...).Output(); err != nil || !strings.Contains(string(out), ip) {
			t.Errorf("a command in %s has the addresses %s, %v", id, out, err)
		}
	}
	for id, ip := range address {
		inside(t, n, id, func() (err error) {
			packets[id], err = net.ListenPacket("udp4", ip+":9999")
			return err
		})
		defer packets[id].Close()
	}
	// Datagrams show whether a link works at all, without TCP's patience.
	arrives := func(from, to string) bool {
		target, _ := net.ResolveUDPAddr("udp4", address[to]+":9999")
		buffer := make([]byte, 100)
		for range 20 {
			if _, err := packets[from].WriteTo([]byte(from), target); err != nil {
				t.Fatal(err)
			}
			packets[to].SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if size, _, err := packets[to].ReadFrom(buffer); err == nil && string(buffer[:size]) == from {
				return true
			}
		}
		return false
	}
	expectLinks := func(when string, cut ...Link) {
		t.Helper()
		for _, from := range []string{"n1", "n2", Clients} {
			for _, to := range []string{"n1", "n2", Clients} {
				want := true
				for _, link := range cut {
					want = want && link != (Link{from, to})
				}
				if from != to && arrives(from, to) != want {
					t.Errorf("%s: %s works: %v", when, Link{from, to}, !want)
				}
			}
		}
	}
	expectLinks("at first")
	for _, link := range []Link{{"n1", "n2"}, {Clients, "n1"}, {"n2", Clients}} {
		for range 2 { // again changes nothing
			if err := n.Set(link, Rule{Cut: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	expectLinks("cut", Link{"n1", "n2"}, Link{Clients, "n1"}, Link{"n2", Clients})
	if err := n.Set(Link{"n1", "n2"}, Rule{}); err != nil {
		t.Fatal(err)
	}
	expectLinks("one mended", Link{Clients, "n1"}, Link{"n2", Clients})
	if err := n.Heal(); err != nil {
		t.Fatal(err)
	}
	expectLinks("healed")
	if err := n.Set(Link{"n1", "n2"}, Rule{Delay: 1}); err == nil {
		t.Error("a delay was taken")
	}
	if err := n.Set(Link{"n1", "n9"}, Rule{Cut: true}); err == nil {
		t.Error("a link to nobody was cut")
	}
}

func TestWhatAnEarlierProgramLeftIsTakenAway(t *testing.T) {
	if newNamespaces(t) == nil {
		return
	}
	// A process that has ended: its id is not used again so soon.
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%s%d-n1", namespacePrefix, ended.Process.Pid)
	bridge := fmt.Sprintf("%s%d", linkPrefix, ended.Process.Pid)
	for _, words := range [][]string{{"netns", "add", name}, {"link", "add", bridge, "type", "bridge"}} {
		if err := ip(words...); err != nil {
			t.Fatal(err)
		}
	}
	if err := cleanUp(); err != nil {
		t.Fatal(err)
	}
	for _, words := range [][]string{{"netns", "list"}, {"-o", "link"}} {
		if out, _ := exec.Command("ip", words...).CombinedOutput(); strings.Contains(string(out), fmt.Sprint(ended.Process.Pid)) {
			t.Errorf("still there: %s", out)
		}
	}
}
