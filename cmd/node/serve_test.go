package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/node"
	"github.com/holdfast-registry/holdfast/jepsen/process"
)

// serveEnv is a complete configuration of a node in variables.
func serveEnv() map[string]string {
	return map[string]string{
		"HOLDFAST_ID":       "n1",
		"HOLDFAST_DATA_DIR": "unused",
		"HOLDFAST_ADDR":     "127.0.0.1:7501",
		"HOLDFAST_PEERS":    "n1=127.0.0.1:7501",
	}
}

// TestServeFlags looks at configurations that no node is started with.
func TestServeFlags(t *testing.T) {
	for _, test := range []struct {
		name string
		env  map[string]string
		args string
		says string
	}{
		{"without its flags serve names them", nil, "--id n1", "data-dir"},
		{"a public address is refused", map[string]string{"HOLDFAST_ADDR": "0.0.0.0:7501"}, "", "--insecure"},
		{"an address without a host is public", map[string]string{"HOLDFAST_ADDR": ":7501"}, "", "no TLS"},
		{"a name is public", map[string]string{"HOLDFAST_ADDR": "n1.example:7501"}, "", "no TLS"},
		{"a public HTTP address is refused", nil, "--http-addr 192.0.2.1:8501", "--http-addr"},
		{"an address without a port is refused", map[string]string{"HOLDFAST_ADDR": "127.0.0.1"}, "", "host:port"},
		{"the id must be a peer", nil, "--id n2", "none of --peers"},
		{"a flag wins over its variable", map[string]string{"HOLDFAST_ADDR": "0.0.0.0:7501"}, "--addr 127.0.0.1:7501 --id n3", "n3"},
		{"--insecure lets public addresses through", map[string]string{"HOLDFAST_ADDR": "0.0.0.0:7501", "HOLDFAST_INSECURE": "true"}, "--peers n9=h:1", "none of --peers"},
		{"peers must be readable", nil, "--peers n1", "--peers"},
		{"a node needs peers or to join", map[string]string{"HOLDFAST_PEERS": ""}, "", "--join must say"},
		{"peers and joining exclude each other", nil, "--join", "exclude each other"},
		{"only a node that joins advertises an address", nil, "--advertise-addr h:1", "goes with --join"},
		{"what others cannot dial is not advertised", map[string]string{"HOLDFAST_PEERS": "", "HOLDFAST_ADDR": "0.0.0.0:7501"}, "--join --insecure", "--advertise-addr"},
		{"a variable must be readable", map[string]string{"HOLDFAST_INSECURE": "perhaps"}, "", "HOLDFAST_INSECURE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			if !strings.Contains(test.name, "without its flags") {
				d.env = serveEnv()
			}
			maps.Copy(d.env, test.env)
			got := d.run(append([]string{"serve"}, strings.Fields(test.args)...)...)
			if got.code != exitUsage || !strings.Contains(got.stderr, test.says) {
				t.Errorf("exit code %d, stderr %q: want code %d and %q", got.code, got.stderr, exitUsage, test.says)
			}
		})
	}
	t.Run("a node that joins has an address and no peers", func(t *testing.T) {
		d := newDesk(t)
		maps.Copy(d.env, serveEnv())
		delete(d.env, "HOLDFAST_PEERS")
		if got := served(t, d, "--join"); got.Advertise != "127.0.0.1:7501" || len(got.Peers) != 0 {
			t.Errorf("it is started with %+v", got)
		}
		if got := served(t, d, "--join", "--advertise-addr", "10.0.0.4:7400"); got.Advertise != "10.0.0.4:7400" {
			t.Errorf("it is started with %+v", got)
		}
	})
	t.Run("the help names the variables", func(t *testing.T) {
		text := newDesk(t).must("serve", "--help")
		for name := range serveEnv() {
			if !strings.Contains(text, "$"+name) {
				t.Errorf("%s is not in the help", name)
			}
		}
	})
}

func TestTakenAddresses(t *testing.T) {
	base, err := process.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	port := base + 1
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	t.Run("dev names the port and the flag", func(t *testing.T) {
		got := newDesk(t).run("dev", "--nodes", "2", "--base-port", strconv.Itoa(base))
		if got.code != exitError || !strings.Contains(got.stderr, strconv.Itoa(port)) || !strings.Contains(got.stderr, "--base-port") {
			t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
		}
	})
	t.Run("serve names the address", func(t *testing.T) {
		addr := l.Addr().String()
		got := newDesk(t).run("serve", "--id", "n1", "--data-dir", t.TempDir(), "--addr", addr, "--peers", "n1="+addr)
		if got.code != exitError || !strings.Contains(got.stderr, addr+" is in use") {
			t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
		}
	})
}

// fakeNode stands for a node whose end the test decides.
type fakeNode struct {
	config node.Config
	closed *atomic.Int32
}

func (f fakeNode) AwaitLeader(context.Context) error { return nil }
func (f fakeNode) Addr() string                      { return f.config.Addr }
func (f fakeNode) HTTPAddr() string                  { return f.config.HTTPAddr }
func (f fakeNode) Close(context.Context) error       { f.closed.Add(1); return nil }

func TestEndsOfNodes(t *testing.T) {
	base, err := process.FreePorts(1, httpPortOffset, httpPortOffset+1)
	if err != nil {
		t.Fatal(err)
	}
	serve := []string{"serve", "--id", "n1", "--data-dir", "d", "--addr", "127.0.0.1:7501", "--peers", "n1=127.0.0.1:7501"}
	dev := []string{"dev", "--nodes", "2", "--base-port", strconv.Itoa(base)}
	diskError := errors.New("the disk is gone")
	for _, test := range []struct {
		name string
		args []string
		// begun is called when the first node starts.
		begun  func(config node.Config, stop func()) error
		code   int
		closed int32
		says   string
	}{
		{"a signal ends serve with success", serve, func(_ node.Config, stop func()) error { stop(); return nil }, exitOK, 1, "stopped"},
		{"a node that cannot go on ends serve", serve, func(c node.Config, _ func()) error { c.Fatal(diskError); return nil }, exitError, 1,
			`error="the disk is gone" next="nothing that was acked is lost`},
		{"a node that does not start ends serve", serve, func(node.Config, func()) error { return diskError }, exitError, 0, "the disk is gone"},
		{"a signal before the start ends serve with success", serve, func(_ node.Config, stop func()) error { stop(); return context.Canceled }, exitOK, 0, ""},
		{"a signal ends dev with success", dev, func(_ node.Config, stop func()) error { stop(); return nil }, exitOK, 2, ""},
		{"a node that cannot go on ends dev", dev, func(c node.Config, _ func()) error { c.Fatal(diskError); return nil }, exitError, 2, "node n1 cannot go on: the disk is gone"},
		{"a node that does not start ends dev", dev, func(node.Config, func()) error { return diskError }, exitError, 0, "the disk is gone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			var stop context.CancelFunc
			d.ctx, stop = context.WithCancel(t.Context())
			defer stop()
			var started, closed atomic.Int32
			d.startNode = func(_ context.Context, config node.Config) (runningNode, error) {
				if started.Add(1) == 1 {
					if err := test.begun(config, stop); err != nil {
						return nil, err
					}
				}
				return fakeNode{config, &closed}, nil
			}
			t.Setenv("TMPDIR", t.TempDir())
			got := d.run(test.args...)
			if got.code != test.code || !strings.Contains(got.stderr, test.says) || closed.Load() != test.closed {
				t.Errorf("exit code %d, %d nodes closed, stderr %q", got.code, closed.Load(), got.stderr)
			}
			if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
				t.Errorf("left in the temporary folder: %v, %v", left, err)
			}
		})
	}
}
