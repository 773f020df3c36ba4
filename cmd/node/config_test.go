package main

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/cluster"
	"github.com/holdfast-registry/holdfast/internal/node"
)

// complete is a file with everything that a node cannot do without.
const complete = "id: n1\ndata-dir: d\naddr: 127.0.0.1:7501\npeers:\n  n1: 127.0.0.1:7501\n  n2: 127.0.0.1:7502\n"

func writeConfig(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holdfast.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// served returns the configuration that serve starts a node with.
func served(t *testing.T, d *desk, args ...string) node.Config {
	t.Helper()
	var started node.Config
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	d.ctx = ctx
	d.startNode = func(_ context.Context, config node.Config) (runningNode, error) {
		started = config
		stop()
		return nil, context.Canceled
	}
	if got := d.run(append([]string{"serve"}, args...)...); got.code != exitOK {
		t.Fatalf("exit code %d: %s", got.code, got.stderr)
	}
	return started
}

func TestAFlagWinsOverAVariableAndThatOverTheFile(t *testing.T) {
	path := writeConfig(t, complete+"http-addr: 127.0.0.1:1\nheartbeat-timeout: 1s\nelection-timeout: 7s\nsnapshot-entries: 11\nsnapshot-bytes: 64MiB\n")
	d := newDesk(t)
	d.env = map[string]string{"HOLDFAST_CONFIG": path, "HOLDFAST_HTTP_ADDR": "127.0.0.1:2", "HOLDFAST_HEARTBEAT_TIMEOUT": "2s", "HOLDFAST_LOG_FORMAT": "json"}
	flags := []string{"--heartbeat-timeout", "3s", "--append-limit", "8s"}
	got := served(t, d, flags...)
	want := cluster.Timing{Heartbeat: 3 * time.Second, Election: 7 * time.Second, LeaderLease: 500 * time.Millisecond}
	if got.Timing != want || got.HTTPAddr != "127.0.0.1:2" || got.SnapshotEntries != 11 || got.Limits != (cluster.Limits{Append: 8 * time.Second, LogBytes: 64 << 20, TrailingBytes: 1 << 30}) {
		t.Errorf("the node has %+v", got)
	}
	if got.ID != "n1" || len(got.Peers) != 2 || got.Peers[1] != (node.Peer{ID: "n2", Addr: "127.0.0.1:7502"}) {
		t.Errorf("the node has %+v", got)
	}

	d = newDesk(t)
	d.env = map[string]string{"HOLDFAST_CONFIG": path, "HOLDFAST_HTTP_ADDR": "127.0.0.1:2", "HOLDFAST_HEARTBEAT_TIMEOUT": "2s", "HOLDFAST_LOG_FORMAT": "json"}
	shown := make(map[string]setting)
	for _, s := range decode[settingList](t, d.must(append([]string{"config", "show", "--output", "json"}, flags...)...)).Settings {
		shown[s.Name] = s
	}
	for _, want := range []setting{
		{"id", "n1", "file", path + ":1"},
		{"peers", "n1=127.0.0.1:7501,n2=127.0.0.1:7502", "file", path + ":4"},
		{"http-addr", "127.0.0.1:2", "environment", "HOLDFAST_HTTP_ADDR"},
		{"heartbeat-timeout", "3s", "flag", ""},
		{"election-timeout", "7s", "file", path + ":9"},
		{"leader-lease-timeout", "500ms", "default", ""},
		{"snapshot-entries", 11.0, "file", path + ":10"},
		{"snapshot-bytes", "64MiB", "file", path + ":11"},
		{"insecure", false, "default", ""},
		{"log-level", "info", "default", ""},
		{"log-format", "json", "environment", "HOLDFAST_LOG_FORMAT"},
	} {
		if shown[want.Name] != want {
			t.Errorf("%s is shown as %+v, not %+v", want.Name, shown[want.Name], want)
		}
	}
	text := d.must(append([]string{"config", "show"}, flags...)...)
	for _, want := range []string{`heartbeat-timeout +3s +flag\n`, `http-addr +127\.0\.0\.1:2 +environment HOLDFAST_HTTP_ADDR\n`, `append-limit +8s +flag\n`, `id +n1 +file .*holdfast\.yaml:1\n`} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("the text lacks %s:\n%s", want, text)
		}
	}
}

// TestEverySettingIsShown keeps the list of settings and the flags of serve the
// same, and every setting a key of the file.
func TestEverySettingIsShown(t *testing.T) {
	root := (&app{}).rootCommand()
	cmd, _, err := root.Find([]string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.ParseFlags(nil); err != nil { // merges the global flags in
		t.Fatal(err)
	}
	file := configFile{flags: cmd.Flags()}
	keys := strings.Split(strings.TrimPrefix(file.allowedKeys(), "the keys are "), ", ")
	if sorted := slices.Sorted(slices.Values(settingNames)); !slices.Equal(keys, sorted) {
		t.Errorf("keys of the file  %v\nsettings that are shown %v", keys, sorted)
	}
	for _, name := range settingNames {
		if flag := cmd.Flags().Lookup(name); len(flag.Annotations[envAnnotation]) == 0 {
			t.Errorf("--%s has no variable", name)
		}
	}
}

// readmeRow is a setting in the README: flag, variable, default.
var readmeRow = regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\| `(HOLDFAST_[A-Z_]+)` \\| ([^|]*) \\| [^|]+ \\|$")

func TestTheReadmeListsEverySetting(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	cmd, _, err := (&app{}).rootCommand().Find([]string{"serve"})
	if err == nil {
		err = cmd.ParseFlags(nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := append([]string{"config"}, settingNames...)
	var listed []string
	for _, row := range readmeRow.FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, row[1])
		flag := cmd.Flags().Lookup(row[1])
		if flag == nil || row[2] != flag.Annotations[envAnnotation][0] {
			t.Errorf("the README gives --%s the variable %s", row[1], row[2])
			continue
		}
		byDefault := flag.DefValue
		if flag.Name == "log-level" {
			byDefault = "info"
		}
		if flag.Value.Type() == kindBytes {
			byDefault = flag.Value.String()
		}
		// The text may group digits, and says "off" for booleans.
		shown := strings.NewReplacer("`", "", ",", "", "off", "false").Replace(row[3])
		if shown != "required" && shown != byDefault && !(shown == "none" && byDefault == "") {
			t.Errorf("the README gives --%s the default %s, it is %q", row[1], row[3], byDefault)
		}
	}
	if !slices.Equal(listed, want) {
		t.Errorf("the README lists %v\nand there are      %v", listed, want)
	}
}

// TestTheFilesInTheDocumentsAreAccepted reads every block of YAML that the
// documents show.
func TestTheFilesInTheDocumentsAreAccepted(t *testing.T) {
	block := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")
	found := 0
	for _, document := range []string{"../../README.md", "../../docs/operating.md"} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range block.FindAllStringSubmatch(string(text), -1) {
			found++
			if got := newDesk(t).run("config", "show", "--config", writeConfig(t, match[1])); got.code != exitOK {
				t.Errorf("%s shows a file that is refused: %s", document, got.stderr)
			}
		}
	}
	if found == 0 {
		t.Error("no document shows a file")
	}
}

func TestConfigurationFilesAreRefused(t *testing.T) {
	for _, test := range []struct {
		name, content string
		says          []string
	}{
		{"for an unknown key", complete + "heartbeet-timeout: 1s\n", []string{":7", "heartbeet-timeout", "heartbeat-timeout, http-addr"}},
		{"for a flag that is no setting", complete + "timeout: 1s\n", []string{":7", "key timeout", "the keys are"}},
		{"for naming a file itself", complete + "config: x\n", []string{":7", "key config"}},
		{"for a number as a duration", complete + "heartbeat-timeout: 1000\n", []string{":7", "heartbeat-timeout", "1000 is not a duration such as 500ms"}},
		{"for a text as a number", complete + "snapshot-entries: many\n", []string{"snapshot-entries", "a whole number"}},
		{"for a fraction as a number", complete + "snapshot-entries: 1.5\n", []string{"snapshot-entries", "a whole number"}},
		{"for a negative number", complete + "trailing-logs: -1\n", []string{"trailing-logs", "a whole number"}},
		{"for an unknown unit", complete + "snapshot-bytes: 1 parsec\n", []string{"snapshot-bytes", "256MiB"}},
		{"for too many bytes", complete + "snapshot-bytes: 18446744073709551615GiB\n", []string{"snapshot-bytes"}},
		{"for a text as a boolean", complete + "pprof: 'true'\n", []string{"pprof", "true or false"}},
		{"for a number as a text", strings.Replace(complete, "id: n1", "id: 1", 1), []string{":1", "key id", "in quotes"}},
		{"for a key without a value", complete + "http-addr:\n", []string{"http-addr", "nothing is not a text"}},
		{"for a list", complete + "data-dir: [a]\n", []string{"data-dir"}},
		{"for peers in a list", strings.Replace(complete, "\n  n1: 127.0.0.1:7501\n  n2: 127.0.0.1:7502", " [n1]", 1), []string{"key peers", "a list is not a mapping of ids to addresses"}},
		{"for a peer without an address", strings.Replace(complete, "n2: 127.0.0.1:7502", "n2:", 1), []string{"key peers", "n1: 10.0.0.1:7400"}},
		{"for a key twice", complete + "id: n2\n", []string{":7", "key id", "line 1 already"}},
		{"for two documents", complete + "---\nid: n2\n", []string{"more than one document"}},
		{"for nothing", "", []string{"empty", "the keys are"}},
		{"for a list of settings", "- id: n1\n", []string{"must be a mapping"}},
		{"for no YAML", "id: [\n", []string{"not YAML"}},
		{"for a value that serve refuses", complete + "leader-lease-timeout: 2s\n", []string{":7", "key leader-lease-timeout", "longer than --heartbeat-timeout 1s"}},
		{"for a level that there is not", complete + "log-level: loud\n", []string{":7", "key log-level", "none of debug"}},
		{"for an address that all can reach", strings.Replace(complete, "addr: 127.0.0.1:7501", "addr: 0.0.0.0:7501", 1), []string{":3", "key addr", "no TLS"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := writeConfig(t, test.content)
			for _, command := range [][]string{{"serve"}, {"config", "show"}} {
				got := newDesk(t).run(append(command, "--config", path)...)
				if got.code != exitUsage || got.stdout != "" {
					t.Errorf("%v: exit code %d, stdout %q, stderr %q", command, got.code, got.stdout, got.stderr)
				}
				for _, part := range append(test.says, path) {
					if !strings.Contains(got.stderr, part) {
						t.Errorf("%v: stderr %q does not say %q", command, got.stderr, part)
					}
				}
			}
		})
	}
	t.Run("that are not there", func(t *testing.T) {
		if got := newDesk(t).run("serve", "--config", "not-there.yaml"); got.code != exitUsage || !strings.Contains(got.stderr, "not-there.yaml") {
			t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
		}
	})
}

// TestTunablesAreRefused looks at numbers that no node is started with.
func TestTunablesAreRefused(t *testing.T) {
	for _, test := range []struct{ args, says string }{
		{"--heartbeat-timeout 2s", "--election-timeout 1s is shorter than --heartbeat-timeout 2s"},
		{"--leader-lease-timeout 1100ms", "--leader-lease-timeout 1.1s is longer than --heartbeat-timeout 1s"},
		{"--leader-lease-timeout 0s", "too short"},
		{"--heartbeat-timeout -1s", "too short"},
		{"--snapshot-interval 1ms", "too short"},
		{"--append-limit 900ms", "shorter than --heartbeat-timeout"},
		{"--snapshot-entries 0", "at least 1"},
		{"--snapshot-bytes 0", "at least 1"},
		{"--snapshot-bytes 1TB", "256MiB"},
		{"--trailing-logs 0", "at least 1"},
		{"--trailing-bytes 0", "at least 1"},
		{"--pprof", "--http-addr"},
	} {
		t.Run(test.args, func(t *testing.T) {
			d := newDesk(t)
			maps.Copy(d.env, serveEnv())
			got := d.run(append([]string{"serve"}, strings.Fields(test.args)...)...)
			if got.code != exitUsage || !strings.Contains(got.stderr, test.says) {
				t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
			}
		})
	}
	t.Run("a variable is named", func(t *testing.T) {
		d := newDesk(t)
		maps.Copy(d.env, serveEnv())
		d.env["HOLDFAST_LEADER_LEASE_TIMEOUT"] = "9s"
		if got := d.run("serve"); got.code != exitUsage || !strings.Contains(got.stderr, "HOLDFAST_LEADER_LEASE_TIMEOUT: --leader-lease-timeout 9s is longer") {
			t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
		}
	})
}

// TestTheSettingsOfTheDefaultsAreThose checks that the defaults of the flags
// pass their own checks, and are what a node without flags would run with.
func TestTheSettingsOfTheDefaultsAreThose(t *testing.T) {
	d := newDesk(t)
	maps.Copy(d.env, serveEnv())
	got, want := served(t, d), cluster.Defaults()
	if got.Timing != want.Timing || got.SnapshotEntries != want.SnapshotEntries || got.SnapshotInterval != want.SnapshotInterval ||
		got.TrailingLogs != want.TrailingLogs || got.Limits.Append != want.Limits.Append || got.Limits.LogBytes != want.Limits.LogBytes || got.Limits.TrailingBytes != want.Limits.TrailingBytes {
		t.Errorf("serve starts with %+v, the defaults are %+v", got, want)
	}
}

func TestTheLogIsJSONOnRequest(t *testing.T) {
	for _, test := range []struct {
		format string
		isJSON bool
	}{{"json", true}, {"text", false}} {
		d := newDesk(t)
		maps.Copy(d.env, serveEnv())
		d.startNode = func(_ context.Context, config node.Config) (runningNode, error) {
			config.Logger.Warn("hello", "n", 1)
			return nil, os.ErrPermission
		}
		got := d.run("serve", "--log-format", test.format)
		line, _, _ := strings.Cut(got.stderr, "\n")
		var object struct {
			Msg string
			N   int
		}
		isJSON := json.Unmarshal([]byte(line), &object) == nil
		if isJSON != test.isJSON || isJSON && (object.Msg != "hello" || object.N != 1) || !strings.Contains(line, "hello") {
			t.Errorf("--log-format %s wrote %q", test.format, line)
		}
	}
}

// TestDevHandsNothingOver looks at how the nodes of dev are started: they end
// together.
func TestDevHandsNothingOver(t *testing.T) {
	d := newDesk(t)
	handover := 0
	d.startNode = func(_ context.Context, config node.Config) (runningNode, error) {
		if !config.NoHandover {
			handover++
		}
		return nil, os.ErrPermission
	}
	d.run("dev", "--base-port", "9321")
	if handover > 0 {
		t.Errorf("%d nodes would hand their leadership over", handover)
	}
}

// TestReadmeListsEveryCommand compares the README's table with the program.
func TestReadmeListsEveryCommand(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n| Noun | Commands |\n")
	if !found {
		t.Fatal("the README has no table of commands")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	rows := map[string]string{}
	for _, row := range strings.Split(table, "\n") {
		cells := strings.Split(row, "|")
		for _, noun := range strings.Split(strings.TrimSpace(cells[1]), ", ") {
			rows[noun] = cells[2]
		}
	}
	for _, noun := range (&app{}).rootCommand().Commands() {
		row, listed := rows["`"+noun.Name()+"`"]
		if !listed {
			t.Errorf("the README does not list %s", noun.Name())
		}
		var walk func(cmd *cobra.Command, words string)
		walk = func(cmd *cobra.Command, words string) {
			for _, verb := range cmd.Commands() {
				walk(verb, strings.TrimSpace(words+" "+verb.Name()))
			}
			if words != "" && !cmd.HasSubCommands() && !strings.Contains(row, words+"`") {
				t.Errorf("the README does not list %s %s", noun.Name(), words)
			}
		}
		walk(noun, "")
	}
}
