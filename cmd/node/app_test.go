package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/registry"
)

func TestGlobalFlags(t *testing.T) {
	for _, test := range []struct {
		name string
		env  map[string]string
		args string
	}{
		{"before the verb", nil, "--addrs a:1,b:2 --timeout 3s --output json process get p"},
		{"between noun and verb", nil, "process --addrs a:1,b:2 --timeout=3s --output=json get p"},
		{"after the verb", nil, "process get p --addrs a:1,b:2 --timeout 3s --output json"},
		{"from the environment", map[string]string{"HOLDFAST_ADDRS": "a:1,b:2", "HOLDFAST_TIMEOUT": "3s", "HOLDFAST_OUTPUT": "json"}, "process get p"},
		{"a flag wins over the environment", map[string]string{"HOLDFAST_ADDRS": "c:3", "HOLDFAST_TIMEOUT": "9s", "HOLDFAST_OUTPUT": "text"},
			"process get p --addrs a:1,b:2 --timeout 3s --output json"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			d.register("p")
			d.env = test.env
			record := decode[registry.ProcessRecord](t, d.must(strings.Fields(test.args)...))
			if record.ID != "p" {
				t.Errorf("got the record of %q", record.ID)
			}
			if !slices.Equal(d.dialed, []string{"a:1", "b:2"}) || d.timeout != 3*time.Second {
				t.Errorf("the client was opened for %v with %v", d.dialed, d.timeout)
			}
		})
	}
	t.Run("defaults are the development cluster and ten seconds", func(t *testing.T) {
		d := newDesk(t)
		d.must("process", "list")
		if !slices.Equal(d.dialed, defaultAddrs) || d.timeout != 10*time.Second {
			t.Errorf("the client was opened for %v with %v", d.dialed, d.timeout)
		}
	})
}

func TestWrongUsageEndsWithTwo(t *testing.T) {
	register := "process register --id q --disposition rerunnable --input "
	for _, test := range []struct{ args, says string }{
		{"nonsense", "nonsense"},
		{"process", "needs a command"},
		{"process nonsense", "nonsense"},
		{"process get", "process id"},
		{"process get a b", "2 arguments"},
		{"process get p --nonsense", "--nonsense"},
		{"process list --status odd", "--status"},
		{"process list --status=", "--status"},
		{"process list --limit -1", "--limit"},
		{"process list --output yaml", "--output"},
		{"process list --timeout 0s", "--timeout"},
		{"process list --timeout soon", "timeout"},
		{"process list --addrs ,", "--addrs"},
		{"process list --log-level loud", "--log-level"},
		{"process list --log-format xml", "--log-format"},
		{"process register --id q --disposition rerunnable", "input"},
		{"process register --id q --disposition odd --input {}", "--disposition"},
		{register + `{"type":"external"} --fencing odd`, "--fencing"},
		{register + `{"type":"external"} --wake-target-frame f`, "--wake-target"},
		{register + `{"type":"odd"}`, "--input"},
		{register + `{`, "--input"},
		{register + `@does-not-exist.json`, "does-not-exist.json"},
		{register + `{"type":"external"} --event-type {"name":"x"}`, "--event-type"},
		{register + `- --event-type -`, "stdin"},
		{`process complete p --result {"type":"odd"}`, "--result"},
		{"process complete p --result -", "--result"},
		{`process complete p --result {"type":"success","value":1} --lease-token t`, "fencing-token"},
		{"process started p --owner o", "incarnation"},
		{"event append p --type progress --payload 1 --fencing-token 1", "lease-token"},
		{"event append p --type progress --payload 1 --lease-token t --fencing-token -1", "fencing-token"},
		{"event append p --type progress --payload {", "--payload"},
		{"lease claim p --owner o", "ttl"},
		{"lease claim p --owner o --ttl 0s", "--ttl"},
		{"lease claim p --owner o --ttl 25h", "--ttl"},
		{"lease renew p --owner o --incarnation i --ttl 1s --lease-token t", "fencing-token"},
		{"lease claim p --owner o --ttl 1s --pid 0", "--pid"},
		{"lease claim p --owner o --ttl 1s --pid 4294967295", "--pid"},
		{"lease reclaim p --owner o --ttl 1s", "pid"},
		{"lease release p", "lease-token"},
		{"lease release p --lease-token t --retry-after -1s", "--retry-after"},
		{"lease release p --lease-token t --retry-after 721h", "--retry-after"},
		{"lease next", "owner"},
		{"lease next p --owner o", "p"},
		{"lease next --owner o --limit 0", "--limit"},
		{"lease next --owner o --limit 101", "--limit"},
		{"lease next --owner o --ttl 0s", "--ttl"},
		{"lease next --owner o --wait 61s", "--wait"},
		{"lease next --owner o --wait -1s", "--wait"},
		{"lease next --owner o --pid 0", "--pid"},
		{"lease next --owner o" + strings.Repeat(" --kind k", registry.MaxClaimKinds+1), "--kind"},
		{"lease check p", "fencing-token"},
		{"lease hold", "process id"},
		{"lease hold -- true", "process id"},
		{"lease hold p", "two dashes"},
		{"lease hold p true", "two dashes"},
		{"lease hold p q -- true", "one process id"},
		{"lease hold p --ttl 0s -- true", "--ttl"},
		{"lease hold p --ttl 1s --grace 501ms -- true", "--grace"},
		{"lease hold p --grace=-1s -- true", "--grace"},
		{"process wait", "needs a command"},
		{"process wait set p --signal s", "ordinal"},
		{"process abandon-request p", "by"},
		{"process external-ref p --backend b", "ref"},
		{"process external-ref p --backend b --ref r --metadata {", "--metadata"},
		{"process prune", "older-than"},
		{"process prune --older-than -1s", "--older-than"},
		{"process prune --older-than 7d", "older-than"},
		{"event recent p --limit -1", "limit"},
		{"event count p", "type"},
		{"wake ack p", "sequence"},
		{"grant add p", "session"},
		{"grant transfer --from a --to b", "process id"},
		{"grant transfer p --from a", "to"},
		{"grant list", "session"},
		{"grant list --session s --process p", "process"},
		{"grant list --process p --live", "live"},
		{"session delete", "session id"},
		{"cluster status n1", "n1"},
		{"config", "needs a command"},
		{"config show --id n1", "data-dir"},
		{"dev --nodes 0", "--nodes"},
		{"dev --base-port 65000", "--base-port"},
	} {
		t.Run(test.args, func(t *testing.T) {
			d := newDesk(t)
			d.register("p")
			before := d.opened
			got := d.runWith(`{"type":"external"}`, strings.Fields(test.args)...)
			if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, test.says) {
				t.Errorf("exit code %d, stdout %q, stderr %q: want code %d and %q on stderr", got.code, got.stdout, got.stderr, exitUsage, test.says)
			}
			if d.opened != before {
				t.Error("the cluster was asked all the same")
			}

			got = d.run(append([]string{"--output", "json"}, strings.Fields(test.args)...)...)
			if strings.Contains(test.args, "--output") {
				return
			}
			object := decode[errorObject](t, got.stderr)
			if got.code != exitUsage || object.Code != "InvalidArgument" || !object.Definite {
				t.Errorf("as JSON: exit code %d, %+v", got.code, object)
			}
		})
	}
	t.Run("a variable that cannot be read is named", func(t *testing.T) {
		d := newDesk(t)
		d.env["HOLDFAST_TIMEOUT"] = "soon"
		if got := d.run("process", "list"); got.code != exitUsage || !strings.Contains(got.stderr, "HOLDFAST_TIMEOUT") {
			t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
		}
	})
	t.Run("the variable for the output rules errors too", func(t *testing.T) {
		d := newDesk(t)
		d.env["HOLDFAST_OUTPUT"] = "json"
		if got := d.run("process", "get"); decode[errorObject](t, got.stderr).Code != "InvalidArgument" {
			t.Errorf("stderr %q", got.stderr)
		}
	})
}

func TestRefusalsEndWithOne(t *testing.T) {
	d := newDesk(t)
	d.register("p")
	got := d.run("process", "get", "nobody")
	if got.code != exitError || got.stdout != "" {
		t.Errorf("exit code %d, stdout %q", got.code, got.stdout)
	}
	if !strings.Contains(got.stderr, "nobody") || !strings.Contains(got.stderr, "holdfast process list --status any") {
		t.Errorf("the text does not say what to do next: %q", got.stderr)
	}

	got = d.run("process", "get", "nobody", "--output", "json")
	object := decode[errorObject](t, got.stderr)
	if got.code != exitError || object.Code != "NotFound" || !object.Definite || object.ProcessID != "nobody" || object.Message == "" {
		t.Errorf("exit code %d, %+v", got.code, object)
	}

	// A refusal with a number of its own: the current fencing token.
	first := d.claim("p", "a")
	d.must("lease", "release", "p", "--lease-token", first.LeaseToken)
	second := d.claim("p", "b")
	got = d.run("event", "append", "p", "--type", "progress", "--payload", "1", "--output", "json",
		"--lease-token", first.LeaseToken, "--fencing-token", number(first.FencingToken))
	object = decode[errorObject](t, got.stderr)
	if got.code != exitError || object.Code != "Fenced" || object.FencingToken == nil || *object.FencingToken != second.FencingToken {
		t.Errorf("exit code %d, %+v", got.code, object)
	}
	if text := d.must("event", "list", "p", "--output", "json"); text != "[]\n" {
		t.Errorf("a refused append left %s", text)
	}
}

// TestEveryCommandExplainsItself walks all commands: each has a summary, a long
// help and examples, and no example is wrong usage.
func TestEveryCommandExplainsItself(t *testing.T) {
	d := newDesk(t)
	d.status.Leader = "n1"
	d.register("hello")
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"input.json":      `{"type":"external"}`,
		"event-type.json": `{"name":"x","payload_schema":{"schema":{}},"semantics":{}}`,
		"output.json":     `{"type":"success","value":1}` + "\n",
		"payload.json":    `{"n":1}`,
		"holdfast.yaml":   "id: n1\ndata-dir: d\naddr: 127.0.0.1:7501\npeers: {n1: 127.0.0.1:7501}\n",
	} {
		if err := os.WriteFile(filepath.Join(".", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Name() == "help" {
			return
		}
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" {
				t.Error("the summary, the long help or the examples are missing")
			}
			for _, args := range exampleCalls(t, cmd.Example) {
				if slices.Contains([]string{"demo", "dev", "serve", "bench"}, args[0]) || slices.Contains(args, "--wait") {
					// These last until they are stopped, or as long as asked.
					checkFlags(t, cmd.Root(), args)
					continue
				}
				if got := d.run(args...); got.code == exitUsage {
					t.Errorf("the example %v is wrong usage: %s", args, got.stderr)
				}
			}
			if got := d.run(append(strings.Fields(cmd.CommandPath())[1:], "--help")...); got.code != exitOK || !strings.Contains(got.stdout, cmd.Long) {
				t.Errorf("--help: exit code %d, %q", got.code, got.stderr)
			}
		})
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk((&app{}).rootCommand())
}

// exampleCalls takes the arguments out of examples, which quote with ' only and
// know no variable but the pid.
func exampleCalls(t *testing.T, example string) [][]string {
	var calls [][]string
	for _, line := range strings.Split(strings.ReplaceAll(example, "\\\n", " "), "\n") {
		var args []string
		for i, part := range strings.Split(strings.ReplaceAll(line, "$$", strconv.Itoa(os.Getpid())), "'") {
			if i%2 == 0 {
				args = append(args, strings.Fields(part)...)
			} else {
				args = append(args, part)
			}
		}
		if len(args) < 2 || args[0] != "holdfast" {
			t.Fatalf("the example %q does not call holdfast", line)
		}
		calls = append(calls, args[1:])
	}
	return calls
}

// checkFlags parses the flags of a call without making it.
func checkFlags(t *testing.T, root *cobra.Command, args []string) {
	cmd, rest, err := root.Find(args)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil && !cmd.Flags().Changed("config") {
		err = cmd.ValidateRequiredFlags()
	}
	if err != nil {
		t.Errorf("the example %v: %v", args, err)
	}
}

func TestJSONValues(t *testing.T) {
	file := filepath.Join(t.TempDir(), "payload.json")
	if err := os.WriteFile(file, []byte("{\"big\": 18446744073709551615, \"one\": 1.0}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The bytes go in as they are written: no number may pass through a float.
	const want = `"payload":{"big": 18446744073709551615, "one": 1.0},`
	for _, test := range []struct{ name, stdin, flag string }{
		{"in the flag", "", `{"big": 18446744073709551615, "one": 1.0}`},
		{"from a file", "", "@" + file},
		{"from stdin", "  {\"big\": 18446744073709551615, \"one\": 1.0}\n", "-"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			d.register("p")
			got := d.runWith(test.stdin, "event", "append", "p", "--type", "progress", "--payload", test.flag, "--output", "json")
			if got.code != exitOK || !strings.Contains(got.stdout, want) {
				t.Errorf("exit code %d, stdout %q, stderr %q", got.code, got.stdout, got.stderr)
			}
			if text := d.must("event", "list", "p", "--output", "json"); !strings.Contains(text, want) {
				t.Errorf("the list has %q", text)
			}
		})
	}
	t.Run("a value over the limit is refused before it is sent", func(t *testing.T) {
		d := newDesk(t)
		d.register("p")
		got := d.runWith(`"`+strings.Repeat("x", registry.MaxJSONBytes)+`"`, "event", "append", "p", "--type", "progress", "--payload", "-", "--output", "json")
		object := decode[errorObject](t, got.stderr)
		if got.code != exitUsage || object.Code != "TooLarge" || object.Limit == nil || *object.Limit != registry.MaxJSONBytes {
			t.Errorf("exit code %d, %+v", got.code, object)
		}
	})
}

// TestEveryErrorSaysWhatToDoNext walks the catalogue. The text of an argument's
// refusal says it all by itself.
func TestEveryErrorSaysWhatToDoNext(t *testing.T) {
	for _, info := range registry.Codes() {
		t.Run(info.Name, func(t *testing.T) {
			var stderr strings.Builder
			a := &app{program: "holdfast", stderr: &stderr, addrs: []string{"h:1"}}
			a.report(registry.Errorf(info.Code, registry.Fields{ProcessID: "p", SessionID: "s"}, "what happened"), false)
			lines := strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
			if lines[0] != "holdfast: what happened" {
				t.Errorf("the first line is %q", lines[0])
			}
			if info.Code != registry.CodeInvalidArgument && (len(lines) != 2 || len(lines[1]) < len("  try again")) {
				t.Errorf("what follows is %q", lines[1:])
			}
		})
	}
}
