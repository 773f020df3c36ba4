package main

import (
	"maps"
	"net"
	"strconv"
	"strings"
	"testing"
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port

	t.Run("dev names the port and the flag", func(t *testing.T) {
		base := port - 1
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
