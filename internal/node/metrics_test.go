package node_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-registry/holdfast/cluster"
	"github.com/holdfast-registry/holdfast/internal/node"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
)

// metric is what the table and a node say of one metric.
type metric struct{ help, kind, labels string }

var (
	metricRow  = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\w+) \\| ([a-z, ]*?) ?\\| ([^|]+) \\| ([^|]+) \\| ([^|]*)\\|$")
	metricCell = regexp.MustCompile("(?m)^\\| `[a-z]+_")
	helpLine   = regexp.MustCompile(`(?m)^# HELP (\S+) (.*)$`)
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (\S+) (.*)$`)
	descText   = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: "((?:[^"\\]|\\.)*)"(?:, unit: "[^"]*")?, constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	constLabel = regexp.MustCompile(`(\w+)="`)
)

// documented reads the tables.
func documented(t *testing.T, text string) map[string]metric {
	t.Helper()
	found := make(map[string]metric)
	for _, row := range metricRow.FindAllStringSubmatch(text, -1) {
		if _, twice := found[row[1]]; twice {
			t.Errorf("%s is documented twice", row[1])
		}
		found[row[1]] = metric{help: row[5], kind: row[2], labels: strings.ReplaceAll(row[3], " ", "")}
	}
	if rows := len(metricCell.FindAllString(text, -1)); rows != len(found) {
		t.Errorf("%d of %d rows can be read", len(found), rows)
	}
	return found
}

// exposed adds what a node describes and serves. What has a label and has not
// happened yet is described only, and has no type there.
func exposed(t *testing.T, n *node.Node, found map[string]metric) {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		n.Metrics().Describe(descs)
	}()
	for desc := range descs {
		part := descText.FindStringSubmatch(desc.String())
		if part == nil {
			t.Fatalf("cannot read %s", desc)
		}
		var labels []string
		for _, constant := range constLabel.FindAllStringSubmatch(part[3], -1) {
			labels = append(labels, constant[1])
		}
		if part[4] != "" {
			labels = append(labels, part[4])
		}
		m := found[part[1]]
		m.help, m.labels = part[2], strings.Join(labels, ",")
		found[part[1]] = m
	}
	status, text := get(t, "http://"+n.HTTPAddr()+"/metrics")
	if status != 200 {
		t.Fatalf("/metrics answers %d", status)
	}
	for _, line := range helpLine.FindAllStringSubmatch(text, -1) {
		if m, ok := found[line[1]]; !ok || m.help != line[2] {
			t.Errorf("%s is served with the help %q and described as %+v", line[1], line[2], m)
		}
	}
	for _, line := range typeLine.FindAllStringSubmatch(text, -1) {
		m := found[line[1]]
		m.kind = line[2]
		found[line[1]] = m
	}
}

// differences compares the table with the nodes. Go's own metrics depend on the
// version of Go.
func differences(table, nodes map[string]metric) []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if _, ok := table[name]; !ok && !strings.HasPrefix(name, "go_") {
			found = append(found, name+" is exposed and not documented")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		want, got := table[name], nodes[name]
		switch {
		case got == metric{}:
			found = append(found, name+" is documented and not exposed")
		case got.help != want.help:
			found = append(found, name+" means "+got.help+" and is documented as "+want.help)
		case got.labels != want.labels:
			found = append(found, name+" has the labels "+got.labels+" and is documented with "+want.labels)
		case got.kind != "" && got.kind != want.kind:
			found = append(found, name+" is a "+got.kind+" and is documented as a "+want.kind)
		}
	}
	return found
}

func TestTheDocumentedMetricsAreThose(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	table := documented(t, string(text))
	c := nodetest.Start(t, 3, func(config *node.Config) {
		withHTTP(config)
		config.Limits = cluster.Limits{LagInterval: 20 * time.Millisecond}
	})
	leader := c.Nodes[c.AwaitLeader()]
	if _, err := leader.RegisterProcess(t.Context(), registration("p")); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes {
		if err := n.AwaitLeader(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// The lag is measured beside everything else.
	for deadline := time.Now().Add(nodetest.Patience); ; {
		if _, text := get(t, "http://"+leader.HTTPAddr()+"/metrics"); strings.Contains(text, "holdfast_follower_lag_entries{") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the lag of the followers is not measured")
		}
	}
	nodes := make(map[string]metric)
	for _, n := range c.Nodes {
		exposed(t, n, nodes)
	}
	for _, difference := range differences(table, nodes) {
		t.Error(difference)
	}
	for name, m := range nodes {
		if m.kind == "" && name != "holdfast_snapshot_installs_total" {
			t.Errorf("%s is described and not served", name)
		}
	}
	// What the comparison must notice.
	broken := map[string]metric{"a": {help: "A.", kind: "gauge"}, "b": {help: "B.", kind: "gauge", labels: "x"}, "c": {help: "C.", kind: "gauge"}}
	sound := map[string]metric{"a": {help: "Another.", kind: "gauge"}, "b": {help: "B.", kind: "gauge"}, "d": {help: "D."}, "go_x": {help: "X."}}
	if got := differences(broken, sound); len(got) != 4 {
		t.Errorf("four differences were judged as %q", got)
	}
}

// TestTheMetricsOfNodesInOneProcessAreApart looks at who says that it leads.
func TestTheMetricsOfNodesInOneProcessAreApart(t *testing.T) {
	c := nodetest.Start(t, 3, withHTTP)
	leader := c.AwaitLeader()
	leaders := 0
	for i, n := range c.Nodes {
		_, text := get(t, "http://"+n.HTTPAddr()+"/metrics")
		leads := strings.Contains(text, "\nholdfast_raft_leader 1\n")
		if leads {
			leaders++
		}
		if leads != (i == leader) || !strings.Contains(text, `holdfast_node_info{node="`+c.Peers[i].ID+`",version="test"} 1`) {
			t.Errorf("%s leads: %v, in its metrics %v", c.Peers[i].ID, i == leader, leads)
		}
	}
	if leaders != 1 {
		t.Errorf("%d nodes say that they lead", leaders)
	}
}

var (
	alarmSeries = regexp.MustCompile(`(?m)^holdfast_watchdog_alarms_total\{watchdog="([a-z_]+)"\}`)
	alarmRow    = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (?:yes|no) \\|")
)

// TestEveryAlarmIsInTheManual compares the watchdogs of a node with the table
// of what to do about them.
func TestEveryAlarmIsInTheManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	c := nodetest.Start(t, 1, withHTTP)
	_, text := get(t, "http://"+c.Nodes[0].HTTPAddr()+"/metrics")
	names := func(all [][]string) (names []string) {
		for _, match := range all {
			names = append(names, match[1])
		}
		return slices.Sorted(slices.Values(names))
	}
	exposed, explained := names(alarmSeries.FindAllStringSubmatch(text, -1)), names(alarmRow.FindAllStringSubmatch(string(manual), -1))
	if len(exposed) == 0 || !slices.Equal(exposed, explained) {
		t.Errorf("the watchdogs are %v, the manual explains %v", exposed, explained)
	}
}
